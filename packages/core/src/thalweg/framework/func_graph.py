"""FuncGraph: the graph of a branch or of a loop body, the value of an attribute of `If` and `While`.

A function graph takes what it needs from the graphs around it on demand. Every tensor of an outer graph that an op
inside takes becomes a *capture*: an input of the function graph and, one level up, an input of the `If` or `While`.

* A value becomes a `Placeholder` inside.
* A variable's reference is not passed: the variable is declared again inside, under the name of its storage, so that
  reads and writes inside go to the same buffer and happen when their place in the function is reached.
* `NAME/read`, the snapshot that stands for a variable in expressions, becomes such a read of the variable inside.

So `inputs[k].op.type` is `Placeholder` exactly where the executor has a value to pass.

Names, ids, collections, seeds and the state that other rooms keep per graph are those of the outermost graph.
"""
import contextlib

from .declaration import REGISTRY
from .graph import Graph, Operation, get_default_graph

STORAGE = ("VariableV2", "Variable", "TemporaryVariable")


class FuncGraph(Graph):
    """A graph with inputs and outputs, nested in another.

    Attributes
    ----------
    outer_graph : Graph             the graph that holds the `If` or `While`
    parameters : list of Tensor     inner placeholders that stand for no one tensor outside (loop variables)
    captures : dict                 tensor of `outer_graph` -> inner tensor
    inputs : list of Tensor         parameters, then captures: the order of the inputs of the op that holds this graph
    outputs : list of Tensor        inner tensors
    control_captures : dict         operations of `outer_graph` that the op must follow, as keys
    read_snapshots : dict           read of a variable that this graph also writes -> the value that was read
    uniform_outputs : set           outputs of a loop's body that must have one shape in all iterations
    dense_captures : set            inner tensors whose rows a loop takes one by one: their gradient is dense
    effects : object or None        room for the plan to remember what this graph reads and writes
    """

    def __init__(self, name, outer_graph=None):
        super().__init__()
        outer = outer_graph or get_default_graph()
        self.name, self.outer_graph = name, outer
        self.parameters, self.outputs = [], []
        self.captures, self.control_captures = {}, {}
        self.read_snapshots, self.uniform_outputs, self.dense_captures = {}, set(), set()
        self.effects = None
        self.counted_arrays = {}                     # TensorArrays whose handle has taken its id here
        self.counted_elsewhere = ()                  # captures that have taken their id in another graph of the op
        self._outer_of = {}                          # inner tensor -> captured tensor
        self._hidden = set()                         # captured references that have taken no id
        self._lock = outer._lock
        self._next_id = outer._next_id
        self._collections = outer._collections
        self._extra = outer._extra
        self._scopes.name = outer._scopes.name
        self._scopes.devices = list(outer._scopes.devices)
        self._scopes.attributes = dict(outer._scopes.attributes)
        self._scopes.overrides = dict(outer._scopes.overrides)

    @property
    def inputs(self):
        return [*self.parameters, *self.captures.values()]

    # --- what belongs to the outermost graph ------------------------------------------------------

    @property
    def seed(self):
        return self.outer_graph.seed

    @seed.setter
    def seed(self, value):
        self.outer_graph.seed = value

    def _check_not_finalized(self):
        self.outer_graph._check_not_finalized()
        super()._check_not_finalized()

    # --- looking up --------------------------------------------------------------------------------

    def as_graph_element(self, obj, allow_tensor=True, allow_operation=True):
        """As Graph's; what is not here is looked for in the graphs around."""
        convert = getattr(obj, "_as_graph_element", None)
        if convert is not None:
            obj = convert()
        is_here = obj.rpartition(":")[0] in self._by_name or obj in self._by_name if isinstance(obj, str) \
            else getattr(obj, "graph", self) is self
        if is_here:
            return super().as_graph_element(obj, allow_tensor, allow_operation)
        return self.outer_graph.as_graph_element(obj, allow_tensor, allow_operation)

    # --- building ----------------------------------------------------------------------------------

    @contextlib.contextmanager
    def building(self):
        """The context in which this graph is filled; ids of its ops continue those of the outer graph."""
        self._next_id = self.outer_graph._next_id
        with self.as_default():
            yield self
        self.outer_graph._next_id = self._next_id

    def add_parameter(self, dtype, shape=None, name="input"):
        """A new parameter."""
        with self._free_of_scopes():
            tensor = REGISTRY["Placeholder"](dtype=dtype.base_dtype, shape=shape, name=name)
        self.parameters.append(tensor)
        return tensor

    @contextlib.contextmanager
    def _free_of_scopes(self, rank=None):
        """For ops that the user's program has not made: they depend on nothing and take no id, but stand at `rank`."""
        number = self._next_id
        self._next_id = number - 0.5 if rank is None else rank
        try:
            with self.as_default(), self.control_dependencies(None), self.colocate_with(None, ignore_existing=True):
                yield
        finally:
            self._next_id = number

    # --- taking from outer graphs ---------------------------------------------------------------------

    def _take_input(self, tensor):
        return self.capture(tensor)

    def capture(self, tensor):
        """The tensor of this graph that stands for `tensor`, which may live in any graph around this one."""
        if tensor.graph is self:
            return tensor
        outer = self.outer_graph
        if tensor.graph is not outer:
            number = outer._next_id
            tensor = outer._take_input(tensor)
            self._next_id += outer._next_id - number
        inner = self.captures.get(tensor)
        if inner is None:
            inner = self._stand_in(tensor)
            self.captures[tensor] = inner
            self._outer_of[inner] = tensor
            if tensor not in self.counted_elsewhere:
                self._next_id += 1                   # TensorFlow's Switch or Enter: seeds count the nodes before them
        elif tensor in self._hidden:
            self._hidden.remove(tensor)
            self._next_id += 1
        return inner

    def _stand_in(self, tensor):
        op = tensor.op
        if tensor.dtype.is_ref_dtype:
            return self._variable(tensor) if op.type in STORAGE else self._updated_variable(op)
        if is_variable_read(op):
            source = self._hidden_capture(op.inputs[0])
            with self._free_of_scopes():
                return self._make_op(op.declaration, [source], dict(op.attrs), [tensor.dtype],
                                     name=f"{source.op.name}/read/").outputs[0]
        with self._free_of_scopes():
            attrs = {"dtype": tensor.dtype, "shape": tensor._shape}
            return self._make_op(REGISTRY["Placeholder"], [], attrs, [tensor.dtype], name=op.name.rpartition("/")[2]
                                 ).outputs[0]

    def _hidden_capture(self, reference):
        """A reference that only a read inside needs: it counts among the ids once another op takes it."""
        if reference in self.captures:
            return self.captures[reference]
        number = self._next_id
        inner = self.capture(reference)
        self._next_id = number
        self._hidden.add(reference)
        return inner

    def _variable(self, tensor):
        op = tensor.op
        attrs = dict(op.attrs)
        attrs["shared_name"] = attrs.get("shared_name") or attrs.get("_captured_variable") or op.name
        attrs["_captured_variable"] = attrs.get("_captured_variable") or op.name
        with self._free_of_scopes():
            inner = self._make_op(op.declaration, [], attrs, [tensor.dtype], op.name.rpartition("/")[2]).outputs[0]
        inner._shape = tensor._shape
        return inner

    def _updated_variable(self, op):
        """The reference that an update gives: the variable itself, once the update outside has run."""
        self.control_captures[op] = True
        reference = op.inputs[0]
        while reference.op.type not in STORAGE:
            reference = reference.op.inputs[0]
        return self._hidden_capture(reference)

    def snapshot(self, tensor, rank=None):
        """The value of a variable, or of a reference to one, when the op with id `rank` runs (None: at the end)."""
        with self._free_of_scopes(rank):
            return REGISTRY["Identity"](tensor, name="snapshot")

    def outer_tensor(self, tensor):
        """The tensor outside that an input stands for, or None."""
        return self._outer_of.get(tensor)

    def _control_element(self, item):
        """An op outside holds back the whole function, so it becomes a control input of the op that holds it."""
        item = super()._control_element(item)
        op = item if isinstance(item, Operation) else getattr(item, "op", None)
        if not isinstance(op, Operation) or op.graph is self:
            return item
        if op.graph is not self.outer_graph:
            op = self.outer_graph._control_element(op)
        if op is not None:
            self.control_captures[op] = True
        return None

    def __repr__(self):
        return f"<thalweg FuncGraph '{self.name}' with {len(self._ops)} operations>"


def align_captures(graphs):
    """Makes all of `graphs` capture the same tensors in the same order; gives these, in the outer graph."""
    outer = list(dict.fromkeys(t for graph in graphs for t in graph.captures))
    for graph in graphs:
        number = graph._next_id
        graph.captures = {t: graph.capture(t) for t in outer}
        graph._next_id = number
    return outer


def written_variables(graph):
    """The storage names of the variables that ops of `graph`, or of graphs inside it, write."""
    names = set()
    for op in graph._ops:
        for inner in op.attrs.values():
            if isinstance(inner, FuncGraph):
                names |= written_variables(inner)
        if op.type != "IsVariableInitialized" and any(op.declaration.wants_ref):
            names |= {storage_name(t) for t in op.inputs if t.dtype.is_ref_dtype}
    return names


def storage_name(reference):
    """The name under which a session keeps the variable that `reference` refers to."""
    while reference.op.type not in STORAGE:
        reference = reference.op.inputs[0]
    op = reference.op
    return op.attrs.get("shared_name") or op.name


def is_variable_read(op):
    """Whether `op` is the snapshot that a variable makes of itself, `NAME/read`."""
    return (op.type == "Identity" and op.inputs[0].op.type in STORAGE
            and op.name == f"{op.inputs[0].op.name}/read")


def outermost(graph):
    """The graph that all function graphs around `graph` are nested in, or `graph` itself."""
    while isinstance(graph, FuncGraph):
        graph = graph.outer_graph
    return graph


def here(tensor):
    """`tensor` as a tensor of the default graph: itself, or its capture."""
    graph = get_default_graph()
    return tensor if tensor.graph is graph else graph._take_input(tensor)


@contextlib.contextmanager
def uncounted(graph):
    """For ops that TensorFlow's program would not have: they take no id, since default seeds are made of ids."""
    number = graph._next_id
    graph._next_id = number - 0.5
    try:
        yield
    finally:
        graph._next_id = number


@contextlib.contextmanager
def init_scope():
    """As `tf.init_scope`: ops made inside go to the outermost graph, free of control dependencies.

    The name scope stays.
    """
    inner = get_default_graph()
    graph = outermost(inner)
    scope = inner.get_name_scope()
    with graph.as_default(), graph.control_dependencies(None), graph.name_scope(scope + "/" if scope else None):
        moved = graph is not inner and graph._next_id < inner._next_id
        if moved:
            graph._next_id = inner._next_id
        yield
    if graph is not inner:
        _pass_ids_on(inner, graph)


def _pass_ids_on(inner, graph):
    while inner is not graph:
        inner._next_id = max(inner._next_id, graph._next_id)
        inner = inner.outer_graph
