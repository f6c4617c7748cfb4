"""Graph, Operation and Tensor: the dataflow program that everything else reads.

A graph only grows. Its scopes (names, devices, control dependencies, colocation) are per thread, as in TensorFlow 1.x.
"""
import contextlib
import threading

from . import errors, shapes
from .device_spec import merge_device
from .naming import VALID_OP_NAME, VALID_SCOPE_NAME, UniqueNames, user_frame
from .packages import needs_io


class Tensor:
    """One output of an operation: a value that exists when the graph runs, as `tf.Tensor`.

    Attributes
    ----------
    op : Operation          the operation that makes it
    value_index : int       which of its outputs
    dtype : DType
    """

    __slots__ = ("op", "value_index", "dtype", "_shape", "_consumers", "__weakref__")
    __array_priority__ = 100                     # numpy hands binary operators over to us

    def __init__(self, op, value_index, dtype):
        self.op, self.value_index, self.dtype = op, value_index, dtype
        self._shape = None
        self._consumers = []

    @property
    def name(self):
        return f"{self.op.name}:{self.value_index}"

    @property
    def graph(self):
        return self.op.graph

    @property
    def device(self):
        return self.op.device

    @property
    def shape(self):
        return shapes.TensorShape(self._shape)

    def get_shape(self):
        """The static shape, a TensorShape."""
        return shapes.TensorShape(self._shape)

    def set_shape(self, shape):
        """Adds what the caller knows to the static shape; ValueError when it contradicts."""
        try:
            self._shape = shapes.merge(self._shape, shapes.plain(shape))
        except ValueError as error:
            raise errors.ShapeError(errors.explain(
                f"set_shape of {self.name}: {error}", got=shapes.text(shapes.plain(shape)),
                expected=f"a shape compatible with {shapes.text(self._shape)}, which {self.op.type} gives",
                hint="tf.reshape to change a shape; set_shape only adds what is known", built_at=user_frame(),
                made_at=self.op.frame)) from None

    def consumers(self):
        """The operations that take this tensor as an input."""
        return list(self._consumers)

    def eval(self, feed_dict=None, session=None):
        """The value, computed by `session` or by the default session."""
        from thalweg.runtime.session import session_for
        return session_for(session, self.graph, "eval()").run(self, feed_dict)

    def _as_node_def_input(self):
        return self.op.name if self.value_index == 0 else self.name

    def _as_graph_element(self):
        return self

    def __iter__(self):
        if self._shape == ():
            raise TypeError(f"Cannot iterate over a scalar tensor ({self.name}).")
        if self._shape is None or self._shape[0] is None:
            raise TypeError(errors.explain(
                f"Tensor {self.name} of shape {shapes.text(self._shape)} cannot be iterated: its first dimension is "
                "not known while the graph is built.", hint="tf.unstack with num=, or tf.map_fn",
                built_at=user_frame()))
        return (self[i] for i in range(self._shape[0]))

    def __bool__(self):
        raise TypeError(errors.explain(
            f"Using a tf.Tensor as a Python bool is not allowed ({self.name}). Use `if t is not None:` instead of "
            "`if t:` to test if a tensor is defined, and tf.cond to decide inside the graph.", built_at=user_frame()))

    def __len__(self):
        raise TypeError(f"len is not well defined for symbolic tensors ({self.name}). Call `x.shape` rather than "
                        "`len(x)` for shape information.")

    def __array__(self, dtype=None, copy=None):
        raise NotImplementedError(f"Cannot convert a symbolic tensor ({self.name}) to a numpy array; "
                                  "its value exists in a session: session.run(tensor).")

    __hash__ = object.__hash__

    def __eq__(self, other):
        return self is other

    def __ne__(self, other):
        return self is not other

    def __repr__(self):
        return f"<tf.Tensor '{self.name}' shape={shapes.text(self._shape)} dtype={self.dtype.name}>"

    def __str__(self):
        shape = "" if self._shape is None else f", shape={shapes.text(self._shape)}"
        device = f", device={self.device}" if self.device else ""
        return f'Tensor("{self.name}"{shape}, dtype={self.dtype.name}{device})'


class Operation:
    """A node of the graph, as `tf.Operation`.

    Attributes
    ----------
    declaration : OpDeclaration     what this kind of op means (framework/declaration.py)
    attrs : dict                    attribute values under TensorFlow's names
    inputs, outputs : tuple of Tensor
    control_inputs : list of Operation
    frame : Frame or None           the user's line
    """

    __slots__ = ("graph", "name", "declaration", "inputs", "outputs", "control_inputs", "attrs", "device", "frame",
                 "_id", "_control_outputs", "__weakref__")

    def __init__(self, graph, name, declaration, inputs, attrs, control_inputs, device, frame, number):
        self.graph, self.name, self.declaration = graph, name, declaration
        self.inputs, self.attrs, self.control_inputs = inputs, attrs, control_inputs
        self.device, self.frame, self._id = device, frame, number
        self._control_outputs = []
        self.outputs = ()

    @property
    def type(self):
        """The op type, TensorFlow's name: "Conv2D"."""
        return self.declaration.name

    def values(self):
        """The outputs, as TensorFlow's method of that name."""
        return self.outputs

    @property
    def node_def(self):
        """The NodeDef message of this node (needs thalweg-io)."""
        with needs_io("operation.node_def"):
            from thalweg_io.graphs.graph_def import node_def
        return node_def(self)

    @property
    def op_def(self):
        with needs_io("operation.op_def"):
            from thalweg_io.graphs.graph_def import op_def
        return op_def(self.declaration)

    @property
    def traceback(self):
        return [] if self.frame is None else [(self.frame.filename, self.frame.line, self.frame.function, "")]

    def get_attr(self, name):
        """The value of an attribute; ValueError names those that exist."""
        try:
            return self.attrs[name]
        except KeyError:
            raise ValueError(f"Operation '{self.name}' has no attr named '{name}'; "
                             f"it has {', '.join(sorted(self.attrs)) or 'none'}.") from None

    def _set_attr(self, name, value):
        self.attrs[name] = value

    def colocation_groups(self):
        """The `loc:@name` groups that must share a device with this op."""
        return list(self.attrs.get("_class") or [f"loc:@{self.name}"])

    def run(self, feed_dict=None, session=None):
        """Runs this operation in `session` or in the default session."""
        from thalweg.runtime.session import session_for
        session_for(session, self.graph, "run()").run(self, feed_dict)

    def _as_graph_element(self):
        return self

    def _set_device(self, device):
        self.device = merge_device("", device)

    def _add_control_inputs(self, ops):
        """Makes this op run after `ops`; only between building steps, never behind a running plan."""
        for op in ops:
            if op not in self.control_inputs:
                self.control_inputs.append(op)
                op._control_outputs.append(self)
        self.graph._mutations += 1

    def _add_control_input(self, op):
        self._add_control_inputs([op])

    def _update_input(self, index, tensor):
        """Replaces one input; the old tensor forgets this op."""
        old = self.inputs[index]
        if not old.dtype.base_dtype == tensor.dtype.base_dtype:
            raise errors.DTypeError(f"input {index} of {self.name} is {old.dtype.name}, not {tensor.dtype.name}")
        self.inputs = self.inputs[:index] + (tensor,) + self.inputs[index + 1:]
        if old not in self.inputs:
            old._consumers.remove(self)
        tensor._consumers.append(self)
        self.graph._mutations += 1

    def __repr__(self):
        return f"<tf.Operation '{self.name}' type={self.type}>"

    def __str__(self):
        inputs = ", ".join(t.name for t in self.inputs)
        return f"name: {self.name!r} op: {self.type!r} inputs: [{inputs}] device: {self.device!r}"


class _Scopes(threading.local):
    """What surrounds the op that is being made; one set per graph and thread."""

    def __init__(self):
        self.name = ""
        self.devices = []               # device strings or functions, outermost first
        self.controls = []              # stack of _ControlScope
        self.colocation = []            # operations
        self.attributes = {}
        self.overrides = {}             # op type -> name of the gradient that replaces the declared one


class _ControlScope:
    __slots__ = ("ops", "seen", "clears")

    def __init__(self, ops, clears=False):
        self.ops, self.clears = ops, clears
        self.seen = set()


class Graph:
    """A dataflow graph, as `tf.Graph`: operations, the tensors between them, collections of values.

    Building is thread-safe under the graph's lock; the scopes belong to the thread that opened them.
    """

    def __init__(self):
        self._lock = threading.RLock()
        self._by_name = {}
        self._ops = []
        self._next_id = 1
        self._names = UniqueNames()
        self._collections = {}
        self._scopes = _Scopes()
        self._finalized = False
        self._seed = None
        self._version = 0               # grows with every op
        self._mutations = 0             # grows when an existing op changes: plans made before are stale
        self._unfeedable, self._unfetchable = set(), set()
        self._extra = {}                # per-graph state of other rooms (variable stores, layer names), by key

    # --- what the graph holds --------------------------------------------------------------------

    @property
    def version(self):
        return self._version

    @property
    def finalized(self):
        return self._finalized

    @property
    def seed(self):
        return self._seed

    @seed.setter
    def seed(self, value):
        self._seed = value

    @property
    def _last_id(self):
        return self._next_id - 1

    def finalize(self):
        """Makes the graph read-only; adding an op is an error from then on."""
        self._finalized = True

    def _unsafe_unfinalize(self):
        self._finalized = False

    def _check_not_finalized(self):
        if self._finalized:
            raise RuntimeError("Graph is finalized and cannot be modified. Build everything before the session "
                               "(or the supervisor) finalizes the graph.")

    def get_operations(self):
        """All operations in the order of their making."""
        return list(self._ops)

    def as_default(self):
        """A context in which this is the default graph."""
        return _default_stack.pushed(self)

    def as_graph_def(self, from_version=None, add_shapes=False):
        """The GraphDef message of this graph (needs thalweg-io)."""
        with needs_io("graph.as_graph_def()"):
            from thalweg_io.graphs.graph_def import graph_def
        return graph_def(self, from_version=from_version, add_shapes=add_shapes)

    # --- looking up ------------------------------------------------------------------------------

    def get_operation_by_name(self, name):
        return self.as_graph_element(name, allow_tensor=False, allow_operation=True)

    def get_tensor_by_name(self, name):
        return self.as_graph_element(name, allow_tensor=True, allow_operation=False)

    def as_graph_element(self, obj, allow_tensor=True, allow_operation=True):
        """The Tensor or Operation that `obj` names or is.

        Raises KeyError for an unknown name, ValueError for a malformed name or another graph's element,
        TypeError for anything else.
        """
        convert = getattr(obj, "_as_graph_element", None)
        if convert is not None:
            obj = convert()
        if isinstance(obj, str):
            return self._element_by_name(obj, allow_tensor, allow_operation)
        wanted = " or ".join(k for k, ok in (("Tensor", allow_tensor), ("Operation", allow_operation)) if ok)
        if isinstance(obj, Tensor) and allow_tensor or isinstance(obj, Operation) and allow_operation:
            if obj.graph is not self:
                kind = "Tensor" if isinstance(obj, Tensor) else "Operation"
                raise ValueError(f"{kind} {obj} is not an element of this graph.")
            return obj
        raise TypeError(f"Can not convert a {type(obj).__name__} into a {wanted}.")

    def _element_by_name(self, name, allow_tensor, allow_operation):
        if ":" in name and allow_tensor:
            op_name, _, index = name.rpartition(":")
            if not index.isdigit():
                raise ValueError(f"The name {name!r} looks like a Tensor name, but is not a valid one. "
                                 "Tensor names must be of the form \"<op_name>:<output_index>\".")
            op = self._by_name.get(op_name)
            if op is None:
                raise KeyError(f"The name {name!r} refers to a Tensor which does not exist. The operation, "
                               f"{op_name!r}, does not exist in the graph.{self._nearest(op_name)}")
            if int(index) >= len(op.outputs):
                raise KeyError(f"The name {name!r} refers to a Tensor which does not exist. The operation, "
                               f"{op_name!r}, exists but only has {len(op.outputs)} outputs.")
            return op.outputs[int(index)]
        if ":" in name:
            raise ValueError(f"Name {name!r} appears to refer to a Tensor, not a Operation.")
        op = self._by_name.get(name)
        if op is None and not allow_operation:
            raise ValueError(f"The name {name!r} looks like an (invalid) Operation name, not a Tensor. Tensor names "
                             "must be of the form \"<op_name>:<output_index>\", as in \"name:0\"."
                             f"{self._nearest(name)}")
        if op is None:
            raise KeyError(f"The name {name!r} refers to an Operation not in the graph.{self._nearest(name)}")
        if not allow_operation:
            raise ValueError(f"The name {name!r} refers to an Operation, not a Tensor. Tensor names must be of the "
                             f"form \"<op_name>:<output_index>\": try {name + ':0'!r}.")
        return op

    def _nearest(self, name):
        import difflib
        found = difflib.get_close_matches(name, self._by_name, n=3)
        return f" Near: {', '.join(found)}." if found else ""

    def _get_operation_by_name_unsafe(self, name):
        return self._by_name[name]

    # --- collections -----------------------------------------------------------------------------

    def add_to_collection(self, name, value):
        self._check_not_finalized()
        self._collections.setdefault(name, []).append(value)

    def add_to_collections(self, names, value):
        for name in [names] if isinstance(names, str) else dict.fromkeys(names):
            self.add_to_collection(name, value)

    def get_collection_ref(self, name):
        """The collection's own list; changing it changes the collection."""
        return self._collections.setdefault(name, [])

    def get_collection(self, name, scope=None):
        """A copy of the collection; with `scope`, the items whose name matches that regular expression."""
        items = self._collections.get(name, [])
        if scope is None:
            return list(items)
        import re
        matches = re.compile(scope).match
        return [item for item in items if hasattr(item, "name") and matches(item.name)]

    def get_all_collection_keys(self):
        return [key for key, items in self._collections.items() if isinstance(key, str) and items]

    collections = property(get_all_collection_keys)

    def clear_collection(self, name):
        self._check_not_finalized()
        self._collections.pop(name, None)

    # --- feeding and fetching rules --------------------------------------------------------------

    def prevent_feeding(self, tensor):
        self._unfeedable.add(tensor)

    def is_feedable(self, tensor):
        return tensor not in self._unfeedable

    def prevent_fetching(self, op):
        self._unfetchable.add(op)

    def is_fetchable(self, tensor_or_op):
        op = tensor_or_op.op if isinstance(tensor_or_op, Tensor) else tensor_or_op
        return op not in self._unfetchable

    # --- scopes ----------------------------------------------------------------------------------

    @contextlib.contextmanager
    def name_scope(self, name):
        """Puts `name/` before the names made inside; a name ending in "/" re-enters that scope, None leaves all."""
        if name is not None and not isinstance(name, str):
            raise TypeError(f"name for name_scope must be a string, not {name!r}")
        if name:
            valid = VALID_SCOPE_NAME if self._scopes.name else VALID_OP_NAME
            if not valid.match(name):
                raise ValueError(f"'{name}' is not a valid scope name")
        if not name:
            new = ""
        elif name[-1] == "/":
            new = name[:-1]
        else:
            new = self.unique_name(name)
        old, self._scopes.name = self._scopes.name, new
        try:
            yield "" if not new else new + "/"
        finally:
            self._scopes.name = old

    def get_name_scope(self):
        return self._scopes.name

    def unique_name(self, name, mark_as_used=True):
        """The next free name for `name` inside the current scope."""
        if self._scopes.name:
            name = f"{self._scopes.name}/{name}"
        with self._lock:
            return self._names.unique(name, mark_as_used)

    @contextlib.contextmanager
    def device(self, device_name_or_function):
        """Requests a device for the ops made inside; inner scopes refine outer ones, None clears."""
        if device_name_or_function is not None and not callable(device_name_or_function):
            merge_device("", device_name_or_function)          # refuses a malformed name here, at the user's line
        stack = self._scopes.devices
        stack.append(device_name_or_function)
        try:
            yield
        finally:
            stack.pop()

    def _device_for(self, op):
        if not self._scopes.devices:
            return ""
        device = ""
        stack = self._scopes.devices
        start = max((i + 1 for i, spec in enumerate(stack) if spec is None), default=0)
        for spec in stack[start:]:
            if callable(spec):
                op.device = device
                device = merge_device(device, spec(op) or "")
            else:
                device = merge_device(device, spec)
        return device

    @contextlib.contextmanager
    def colocate_with(self, op, ignore_existing=False):
        """The ops made inside share the device of `op`; None clears colocation."""
        saved = self._scopes.colocation
        if op is None or ignore_existing:
            self._scopes.colocation = []
        if op is not None:
            op = getattr(op, "op", op)
            self._scopes.colocation = [*self._scopes.colocation, op]
        devices = self._scopes.devices
        if op is not None:
            self._scopes.devices = [None, op.device] if op.device else [None]
        try:
            yield
        finally:
            self._scopes.colocation, self._scopes.devices = saved, devices

    @contextlib.contextmanager
    def control_dependencies(self, control_inputs):
        """The ops made inside run after `control_inputs` (tensors or operations); None clears the outer ones."""
        stack = self._scopes.controls
        if control_inputs is None:
            saved = stack[:]
            del stack[:]
            stack.append(_ControlScope([], clears=True))
        else:
            saved = None
            current = self._current_controls()
            ops = []
            for item in control_inputs:
                item = getattr(item, "_as_graph_element", lambda item=item: item)()
                item = self._control_element(item)
                if item is None:
                    continue
                op = self.as_graph_element(item)
                op = op.op if isinstance(op, Tensor) else op
                if op not in current and op not in ops:
                    ops.append(op)
            stack.append(_ControlScope(ops))
        try:
            yield
        finally:
            if saved is None:
                stack.pop()
            else:
                stack[:] = saved

    def _control_element(self, item):
        """A hook: a function graph answers None for an outer op, which holds back the function as a whole."""
        if hasattr(item, "values") and hasattr(item, "indices") and not isinstance(item, (Operation, Tensor)):
            return item.values                                           # IndexedSlices
        return item

    def _current_controls(self):
        return {op for scope in self._scopes.controls for op in scope.ops}

    def _controls_for(self, inputs):
        """The control inputs of a new op: those of each open scope in which no input was made already."""
        result = []
        for scope in self._scopes.controls:
            if any(t.op in scope.seen for t in inputs):
                continue
            result.extend(op for op in scope.ops if op not in result)
        return result

    @contextlib.contextmanager
    def _attr_scope(self, attrs):
        """Attributes (beginning with "_") put on every op made inside; None removes one."""
        saved = self._scopes.attributes
        self._scopes.attributes = {k: v for k, v in {**saved, **attrs}.items() if v is not None}
        try:
            yield
        finally:
            self._scopes.attributes = saved

    @contextlib.contextmanager
    def gradient_override_map(self, op_type_map):
        """Ops made inside, of the types that are keys, get the gradient registered under the value (RegisterGradient).
        """
        if not isinstance(op_type_map, dict):
            raise TypeError("op_type_map must be a dictionary mapping strings to strings")
        if not all(isinstance(text, str) for item in op_type_map.items() for text in item):
            raise TypeError("Keys and values in op_type_map must be strings")
        saved = self._scopes.overrides
        self._scopes.overrides = {**saved, **op_type_map}
        try:
            yield
        finally:
            self._scopes.overrides = saved

    @contextlib.contextmanager
    def container(self, name):
        """Resources made inside belong to container `name`."""
        saved = self._extra.get("container", "")
        self._extra["container"] = name
        try:
            yield name
        finally:
            self._extra["container"] = saved

    # --- making ops ------------------------------------------------------------------------------

    def _op_name(self, name, default):
        """The full name of a new op: a name ending in "/" is final (it is a scope's own), others are made unique."""
        if not name:
            name = default
        if name[-1] == "/":
            return name[:-1]
        if not VALID_OP_NAME.match(name) and not (self._scopes.name and VALID_SCOPE_NAME.match(name)):
            raise ValueError(f"'{name}' is not a valid node name")
        return self.unique_name(name)

    def _take_input(self, tensor):
        """A hook: a function graph captures tensors of outer graphs here."""
        if getattr(tensor.graph, "outer_graph", None) is not None:
            raise ValueError(f"{tensor!r} was made inside a branch or a loop ({tensor.graph.name}) and exists only "
                             "there: return it from the function, and use what cond or while_loop gives.")
        raise ValueError(f"{tensor!r} must be from the same graph as the op that takes it "
                         f"(its graph {tensor.graph}, this graph {self}).")

    def _make_op(self, declaration, inputs, attrs, dtypes_out, name=None):
        """Adds one operation. `inputs` are tensors of the right dtypes, `attrs` complete; shapes are inferred here."""
        if self._finalized:
            self._check_not_finalized()
        for tensor in inputs:
            if tensor.op.graph is not self:
                inputs = [t if t.op.graph is self else self._take_input(t) for t in inputs]
                break
        scopes = self._scopes
        with self._lock:
            op = Operation(self, self._op_name(name, declaration.name), declaration, tuple(inputs), attrs,
                           self._controls_for(inputs) if scopes.controls else [], "", user_frame(), self._next_id)
            outputs = tuple([Tensor(op, i, dtype) for i, dtype in enumerate(dtypes_out)])
            op.outputs = outputs
            if scopes.attributes:
                attrs.update({k: v for k, v in scopes.attributes.items() if k not in attrs})
            if scopes.overrides and declaration.name in scopes.overrides:
                attrs["_gradient_op_type"] = scopes.overrides[declaration.name]
            if scopes.devices:
                op.device = self._device_for(op)
            if scopes.colocation:
                self._colocate(op)
            for tensor, shape in zip(outputs, declaration.infer_shapes(op)):
                tensor._shape = shape
            self._next_id += 1
            self._version = op._id
            if op.name in self._by_name:
                raise ValueError(f"Node name {op.name!r} is in use already.")
            self._by_name[op.name] = op
            self._ops.append(op)
            for tensor in op.inputs:
                consumers = tensor._consumers
                if not consumers or consumers[-1] is not op:
                    consumers.append(op)
            for control in op.control_inputs:
                control._control_outputs.append(op)
        if scopes.controls:
            for scope in scopes.controls:
                scope.seen.add(op)
        return op

    def _colocate(self, op):
        groups = sorted({g for other in self._scopes.colocation for g in other.colocation_groups()})
        op.attrs["_class"] = groups
        for other in self._scopes.colocation:
            if other.device:
                op.device = other.device

    def __repr__(self):
        return f"<thalweg Graph with {len(self._ops)} operations at {id(self):#x}>"


class _Stack(threading.local):
    """The default graphs (or sessions) of one thread."""

    def __init__(self):
        self.items = []

    @contextlib.contextmanager
    def pushed(self, item, nesting_enforced=True):
        self.items.append(item)
        try:
            yield item
        finally:
            if nesting_enforced:
                if self.items[-1] is not item:
                    raise AssertionError(f"Nesting violated for default stack of {type(item)} objects")
                self.items.pop()
            elif item in self.items:
                self.items.remove(item)


class _GraphStack(_Stack):
    def __init__(self):
        super().__init__()
        self.outermost = None

    def current(self):
        if self.items:
            return self.items[-1]
        if self.outermost is None:
            self.outermost = Graph()
        return self.outermost

    def reset(self):
        if self.items:
            raise AssertionError("Do not use tf.reset_default_graph() to clear nested graphs. "
                                 "If you need a cleared graph, exit the nesting and create a new graph.")
        self.outermost = None


_default_stack = _GraphStack()


def get_default_graph():
    """The graph that ops are added to, here and now."""
    return _default_stack.current()


def reset_default_graph():
    """Forgets the default graph of this thread; the next op starts a new one."""
    _default_stack.reset()


def add_to_collection(name, value):
    """`Graph.add_to_collection` of the default graph."""
    get_default_graph().add_to_collection(name, value)


def add_to_collections(names, value):
    """`Graph.add_to_collections` of the default graph."""
    get_default_graph().add_to_collections(names, value)


def get_collection(key, scope=None):
    """`Graph.get_collection` of the default graph."""
    return get_default_graph().get_collection(key, scope)


def get_collection_ref(key):
    """`Graph.get_collection_ref` of the default graph."""
    return get_default_graph().get_collection_ref(key)


def control_dependencies(control_inputs):
    """`Graph.control_dependencies` of the default graph."""
    return get_default_graph().control_dependencies(control_inputs)


def device(device_name_or_function):
    """`Graph.device` of the default graph."""
    return get_default_graph().device(device_name_or_function)


def colocate_with(op, ignore_existing=False):
    """`Graph.colocate_with` of the default graph."""
    return get_default_graph().colocate_with(op, ignore_existing)


def container(name):
    """`Graph.container` of the default graph."""
    return get_default_graph().container(name)


def set_random_seed(seed):
    """Sets the graph-level seed of the default graph (with an op's own seed it decides what the op draws)."""
    get_default_graph().seed = seed


class name_scope:
    """`tf.name_scope(name, default_name=None, values=None)`: scope for an op-building function.

    `name` is what the caller gave (or None), `default_name` what the function is called; `values` are its tensors,
    whose graph becomes the default inside. Gives the scope's name, ending in "/", which as an op name is taken as is.
    """

    __slots__ = ("_name", "_values", "_contexts")

    def __init__(self, name, default_name=None, values=None):
        self._name = default_name if name is None else name
        if name is None and default_name is None and values is not None:
            raise TypeError("At least one of name (None) and default_name (None) must be provided.")
        self._values = values

    @property
    def name(self):
        return self._name

    def __enter__(self):
        graph = _graph_of(self._values) if self._values else get_default_graph()
        self._contexts = [graph.name_scope(self._name)]
        if graph is not get_default_graph():
            self._contexts.insert(0, graph.as_default())
        return [c.__enter__() for c in self._contexts][-1]

    def __exit__(self, *exc):
        for context in reversed(self._contexts):
            context.__exit__(*exc)


def _graph_of(values):
    """The default graph, when the values may live in it, else the values' own graph."""
    default = get_default_graph()
    for value in values:
        graph = getattr(value, "graph", None)
        is_inner = any(getattr(g, "outer_graph", None) for g in (graph, default))      # such tensors are captured
        if isinstance(graph, Graph) and graph is not default and not is_inner:
            return graph
    return default


@contextlib.contextmanager
def op_scope(values, name, default_name=None):
    """The argument order of TensorFlow before 1.0; use `name_scope`."""
    with name_scope(name, default_name, values) as scope:
        yield scope
