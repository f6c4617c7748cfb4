"""Functions of a GraphDef's library: branches and loop bodies as FuncGraphs, calls as the nodes of what they call."""
import contextlib
import re

from thalweg.framework import errors, shapes
from thalweg.framework.dtypes import bool_
from thalweg.framework.func_graph import FuncGraph
from thalweg.framework.naming import VALID_OP_NAME
from thalweg.ops import array, comparison, constant, flow, select
from thalweg.ops.function_ops import make_if, make_while

from .node_attributes import annotation_of, dtype_of, invalid, kinds_of
from .node_checks import find_declaration
from .op_adapters import adapts

_DEEPEST = 100                              # functions in functions; each takes 7 or so of Python's 1000 frames
_MOST_NODES = 20_000                        # that uses of functions may make, each use being a copy, or
_MOST_COPIES = 20                           # so many times the nodes that the library has, if that is more
_RESOURCE = 20
_MOST_TRIALS = 4                            # of the shapes that stay true around a loop


class Library:
    """The functions of one import.

    Attributes
    ----------
    functions : dict            name -> FunctionDef
    depth : int                 how many functions are open, one in the other
    n_nodes : int               nodes that uses of functions have made
    limit : int                 how many they may make
    """

    def __init__(self, message):
        self.functions = {function.signature.name: function for function in message.function}
        self.depth = self.n_nodes = 0
        self.limit = max(_MOST_NODES, _MOST_COPIES * sum(len(function.node_def) for function in message.function))

    def __contains__(self, name):
        return name in self.functions

    def find(self, name, node_name):
        """The FunctionDef `name`, for a node that uses it."""
        found = self.functions.get(name)
        if found is None:
            raise errors.NotFoundError(None, None, f"Node '{node_name}': Function {name!r} is not defined in the "
                                                   "graph's library")
        return found

    @contextlib.contextmanager
    def opened(self, function, node_name):
        """The context in which the nodes of `function` are made; bounds what a small file can ask for."""
        self.depth += 1
        self.n_nodes += len(function.node_def)
        try:
            if self.depth > _DEEPEST:
                raise invalid(node_name, f"function {function.signature.name!r} is nested more than {_DEEPEST} deep, "
                                         "or in itself; recursive functions are not supported")
            if self.n_nodes > self.limit:
                raise invalid(node_name, f"the graph's functions, copied for each use, have more than {self.limit} "
                                         "nodes")
            yield
        finally:
            self.depth -= 1


# --- inside of a function ---------------------------------------------------------------------------

def body_reference(nodes):
    """A function that makes of "node:output:k", as bodies write it, the pair (node, number of its output)."""
    by_name = {node.name: node for node in nodes}

    def reference(text):
        if text[:1] == "^":
            return text[1:], -1
        name, _, rest = text.partition(":")
        output, _, index = rest.rpartition(":")
        if not index:
            return name, 0
        if not index.isdecimal() or len(index) > 9:
            return text, 0
        return name, _first_output(by_name.get(name), output) + int(index)
    return reference


def _first_output(node, output):
    """The number of the first tensor of a node's output argument."""
    declaration = node and find_declaration(node.op)
    if not output or declaration is None or node.op in ("While", "If"):
        return _first_of_loop(node, output) if node is not None and node.op == "While" else 0
    first = 0
    for argument in declaration.outputs:
        if argument.name == output:
            return first
        if argument.is_list:
            first += given(node, argument.count).i if argument.count else len(given(node, argument.letter).list.type)
        else:
            first += 1
    return first


def _first_of_loop(node, output):
    n_vars, n_history = len(given(node, "Tvars").list.type), given(node, "N").i
    return {"count": n_vars, "history": n_vars + 1, "history_shape": n_vars + 1 + n_history}.get(output, 0)


class FunctionUse:
    """One use of a library function by a node of the graph that is being imported.

    Attributes
    ----------
    importer : Importer         of the graph that holds the node
    node : NodeDef
    function : FunctionDef
    """

    def __init__(self, importer, node, name):
        self.importer, self.node = importer, node
        self.function = importer.file.library.find(name, node.name)
        self.arguments = self.function.signature.input_arg

    def check_count(self, count):
        if len(self.arguments) != count:
            raise invalid(self.node.name, f"passes {count} values to function {self.function.signature.name!r}, which "
                                          f"takes {len(self.arguments)}")

    def fill(self, graph, prefix, tensors):
        """Adds the body's nodes to `graph`, with `tensors` for its arguments; gives the tensors that it returns."""
        from .graph_import import Importer
        function = self.function
        for argument, tensor in zip(self.arguments, tensors):
            self._check_type(argument, tensor)
        given = {(argument.name, 0): tensor for argument, tensor in zip(self.arguments, tensors)}
        body = Importer(self.importer.file, function.node_def, graph, prefix, given,
                        body_reference(function.node_def))
        with self.importer.file.library.opened(function, self.node.name):
            body.run()
        outputs = [body.tensor(*body.reference(self._returned(argument.name)), self.node)
                   for argument in function.signature.output_arg]
        controls = [body.operations[name] for name in function.control_ret.values() if name in body.operations]
        return outputs, controls

    def _check_type(self, argument, tensor):
        if argument.type in (0, _RESOURCE):
            return
        wanted = dtype_of(argument.type, self.node.name, argument.name)
        if wanted.base_dtype is not tensor.dtype.base_dtype:
            raise invalid(self.node.name, f"passes {tensor.name} of type {tensor.dtype.base_dtype.name} as argument "
                                          f"{argument.name!r} of function {self.function.signature.name!r}, which is "
                                          f"{wanted.name}")

    def _returned(self, name):
        if name not in self.function.ret:
            raise invalid(self.node.name, f"function {self.function.signature.name!r} does not say what its output "
                                          f"{name!r} is")
        return self.function.ret[name]

    def graph(self, outer, n_parameters=0, parameter_shapes=None):
        """The function as a FuncGraph.

        Parameters
        ----------
        outer : list of Tensor          of the importer's graph, one for each argument
        n_parameters : int              the first arguments stand for no one tensor outside
        parameter_shapes : list         of these, plain; None: what the function says
        """
        self.check_count(len(outer))
        return self._made(lambda graph: [
            graph.add_parameter(t.dtype, parameter_shapes[k], self._argument_name(k)) if k < n_parameters
            else graph.capture(t) for k, t in enumerate(outer)])

    def graph_of_parameters(self):
        """The function as a FuncGraph whose arguments are all parameters, as datasets call theirs."""
        return self._made(lambda graph: [
            graph.add_parameter(dtype_of(argument.type, self.node.name, argument.name), self.shape_of_argument(k)[1],
                                self._argument_name(k)) for k, argument in enumerate(self.arguments)])

    def _made(self, add_inputs):
        graph = FuncGraph(re.sub(r"_\d+$", "", self.function.signature.name), self.importer.graph)
        graph.origin = f"{graph.name} of node {self.node.name!r} in a file"
        graph._scopes.name, graph._scopes.attributes = "", {}
        with graph.building():
            inner = add_inputs(graph)
            outputs, controls = self.fill(graph, "", inner)
            graph.outputs = [graph.capture(t) for t in outputs]
            if controls:
                with graph.control_dependencies(controls):
                    graph.outputs = [array.identity(t) for t in graph.outputs]
        self._take_marks(graph, inner)
        return graph

    def _argument_name(self, k):
        name = self.arguments[k].name
        return name if VALID_OP_NAME.match(name) else f"argument_{k}"

    def _take_marks(self, graph, inner):
        """What thalweg notes of a loop's body beyond its nodes (graph_def.py)."""
        graph.uniform_outputs = {graph.outputs[k] for k in given(self.function, "_uniform_outputs").list.i
                                 if 0 <= k < len(graph.outputs)}
        graph.dense_captures = {inner[k] for k in given(self.function, "_dense_inputs").list.i if 0 <= k < len(inner)}

    def shape_of_argument(self, k):
        """(whether the function says it, the static shape of argument k)."""
        attrs = self.function.arg_attr[k].attr if k in self.function.arg_attr else {}
        found = annotation_of(attrs["_output_shapes"], self.node.name, "_output_shapes") \
            if "_output_shapes" in attrs else []
        return (True, found[0]) if found else (False, None)


# --- the nodes that use functions -------------------------------------------------------------------

def given(message, name):
    """The AttrValue `name` of a node or a function, an empty one where it has none. (Its map would add it.)"""
    from ..protos import AttrValue
    found = message.attr.get(name)
    return AttrValue() if found is None else found


def _function_name(node, attribute):
    message = given(node, attribute)
    if message.WhichOneof("value") != "func":
        raise invalid(node.name, f"attr '{attribute}' must name a function of the graph's library")
    return message.func.name


def _finish(importer, node, op, controls, op_type):
    """What a node says beyond what its op was made of."""
    kinds = kinds_of(op_type)
    op.attrs.update({name: annotation_of(message, node.name, name) for name, message in node.attr.items()
                     if name[:1] == "_" and name not in kinds and name != "_output_shapes"})
    importer.finish(op, node, controls)


def _take_shapes(node, tensors):
    """Adds what `output_shapes`, of newer writers, says of the results."""
    if "output_shapes" in node.attr:
        for tensor, shape in zip(tensors, annotation_of(node.attr["output_shapes"], node.name, "output_shapes")):
            if tensor is not None and shapes.compatible(tensor._shape, shape):
                tensor._shape = shapes.merge(tensor._shape, shape)


@adapts("If", "StatelessIf")
def add_if(importer, node, tensors, controls):
    """A node `If`, TensorFlow's or thalweg's; the first input may be a number there."""
    if not tensors:
        raise invalid(node.name, "If takes a condition, and has no input")
    branches = [FunctionUse(importer, node, _function_name(node, which)).graph(tensors[1:])
                for which in ("then_branch", "else_branch")]
    n_asked = _check_branches(node, branches)
    with importer.making():
        pred = tensors[0] if tensors[0].dtype.base_dtype is bool_ else _as_condition(tensors[0])
        op = make_if(pred, *branches, name=importer.full_name(node.name) + "/")
    _finish(importer, node, op, controls, "If")
    _take_shapes(node, op.outputs[:n_asked])
    return op, op.outputs


def _as_condition(tensor):
    return comparison.not_equal(tensor, constant.constant(0, tensor.dtype.base_dtype))


def _check_branches(node, branches):
    kinds = [[t.dtype.base_dtype for t in graph.outputs] for graph in branches]
    wanted = [dtype_of(t, node.name, "Tout").base_dtype for t in given(node, "Tout").list.type]
    for kind in kinds:
        if kind != wanted:
            raise invalid(node.name, f"a branch gives {[d.name for d in kind]}, attr 'Tout' says "
                                     f"{[d.name for d in wanted]}")
    return len(wanted)


@adapts("Case", "StatelessCase")
def add_case(importer, node, tensors, controls):
    """A node `Case`, which chooses one of many branches, as `If`s in a tree; a number of no branch means the last."""
    names = [function.name for function in given(node, "branches").list.func]
    if not tensors or not names:
        raise invalid(node.name, f"{node.op} takes the number of a branch and one branch at least, and has "
                                 f"{len(tensors)} inputs and {len(names)} branches")
    index, last = tensors[0], len(names) - 1
    with importer.making():
        is_outside = comparison.logical_or(comparison.less(index, 0), comparison.greater(index, last))
        index = select.where(is_outside, constant.constant(last, index.dtype.base_dtype), index)
    op = _chosen(importer, node, names, 0, index, tensors[1:], importer.full_name(node.name) + "/")
    _finish(importer, node, op, controls, "If")
    n_asked = len(given(node, "Tout").list.type)
    _take_shapes(node, op.outputs[:n_asked])
    return op, op.outputs[:n_asked]


def _chosen(importer, node, names, first, index, tensors, name):
    """An `If` whose branches are both halves of `names`, functions of the numbers from `first` on."""
    middle = (len(names) + 1) // 2
    branches = [_branch(importer, node, names[:middle], first, index, tensors),
                _branch(importer, node, names[middle:] or names, first + middle, index, tensors)]
    _check_branches(node, branches)
    with importer.making():
        return make_if(comparison.less(index, first + middle), *branches, name=name)


def _branch(importer, node, names, first, index, tensors):
    """The FuncGraph of one function, or of an `If` over several."""
    from .graph_import import Importer
    if len(names) == 1:
        return FunctionUse(importer, node, names[0]).graph(tensors)
    graph = FuncGraph(node.name.rpartition("/")[2] + "_branches", importer.graph)
    graph._scopes.name, graph._scopes.attributes = "", {}
    with graph.building():
        index, *inner = [graph.capture(t) for t in (index, *tensors)]
        op = _chosen(Importer(importer.file, [], graph, "", {}), node, names, first, index, inner, "If/")
        graph.outputs = op.outputs[:len(given(node, "Tout").list.type)]
    return graph


@adapts("While", "StatelessWhile")
def add_while(importer, node, tensors, controls):
    """A node `While`: TensorFlow's, where all inputs are loop variables, or thalweg's."""
    loop = _Loop(importer, node, tensors)
    with importer.making():
        op = make_while(*loop.graphs(), [tensors[k] for k in loop.variables], importer.full_name(node.name) + "/")
    op.attrs["_n_asked"] = 0
    _finish(importer, node, op, controls, "While")
    outputs = loop.outputs(op)
    _take_shapes(node, outputs)
    return op, outputs


class _Loop:
    """A `While` under construction.

    Attributes
    ----------
    variables : list of int     the inputs that are loop variables; references are captured instead
    captured : list of int
    """

    def __init__(self, importer, node, tensors):
        self.importer, self.node, self.tensors = importer, node, tensors
        n_vars = len(node.attr["Tvars"].list.type) if "Tvars" in node.attr else len(tensors)
        if n_vars > len(tensors):
            raise invalid(node.name, f"has {n_vars} loop variables, and {len(tensors)} inputs")
        self.n_file_vars, self.n_history = n_vars, node.attr["N"].i if "N" in node.attr else 0
        self.variables = [k for k in range(n_vars) if not tensors[k].dtype.is_ref_dtype]
        self.captured = [k for k in range(len(tensors)) if k not in set(self.variables)]
        self.cond, self.body = (FunctionUse(importer, node, _function_name(node, which)) for which in ("cond", "body"))

    def graphs(self):
        """The condition's graph and the body's, with the loop variables as parameters."""
        known = [self._known_shape(k) for k in self.variables]
        shown = [shape if said else self.tensors[k]._shape for k, (said, shape) in zip(self.variables, known)]
        for trial in range(_MOST_TRIALS):
            body = self._graph(self.body, shown)
            self._check_body(body)
            found = [shape if said else _common(shape, t._shape)
                     for (said, _), shape, t in zip(known, shown, body.outputs)]
            if found == shown:
                break
            shown = found if trial < _MOST_TRIALS - 2 else [shape if said else None for said, shape in known]
        cond = self._graph(self.cond, shown)
        if len(cond.outputs) != 1 or cond.outputs[0].dtype.base_dtype is not bool_:
            raise invalid(self.node.name, "the function 'cond' of a loop must give one bool")
        return cond, body

    def _known_shape(self, k):
        said, shape = self.body.shape_of_argument(k)
        if said or "output_shapes" not in self.node.attr:
            return said, shape
        given = annotation_of(self.node.attr["output_shapes"], self.node.name, "output_shapes")
        return (True, given[k]) if k < len(given) else (False, None)

    def _graph(self, use, shown):
        """The FuncGraph of `use`: its arguments in the order variables, captured ones."""
        order = [*self.variables, *self.captured]
        if order == sorted(order):
            graph = use.graph(self.tensors, len(self.variables), shown)
        else:
            graph = _reordered(use, order).graph([self.tensors[k] for k in order], len(self.variables), shown)
        if use is self.body:
            graph.outputs = [graph.outputs[k] for k in self.variables] + graph.outputs[self.n_file_vars:]
        return graph

    def _check_body(self, graph):
        expected = len(self.variables) + self.n_history
        if len(graph.outputs) != expected:
            raise invalid(self.node.name, f"the function 'body' of a loop gives {len(graph.outputs)} values instead "
                                          f"of {expected}")
        for k, output in zip(self.variables, graph.outputs):
            if output.dtype.base_dtype is not self.tensors[k].dtype.base_dtype:
                raise invalid(self.node.name, f"loop variable {k} is {self.tensors[k].dtype.base_dtype.name}, the "
                                              f"function 'body' gives {output.dtype.base_dtype.name}")

    def outputs(self, op):
        """The tensors for the node's outputs as the file numbers them."""
        n, kept = len(self.variables), op.attrs["N"]
        found = [self.tensors[k] for k in range(self.n_file_vars)]
        for position, k in enumerate(self.variables):
            found[k] = op.outputs[position]
        if "N" in self.node.attr:
            first = n + 1
            found += [op.outputs[n], *op.outputs[first:first + self.n_history],
                      *op.outputs[first + kept:first + kept + self.n_history]]
        return found


def _reordered(use, order):
    """`use` with the arguments of its function in another order."""
    function = type(use.function)()
    function.CopyFrom(use.function)
    del function.signature.input_arg[:]
    for k in order:
        function.signature.input_arg.add().CopyFrom(use.function.signature.input_arg[k])
    function.arg_attr.clear()
    result = object.__new__(FunctionUse)
    result.importer, result.node, result.function = use.importer, use.node, function
    result.arguments = function.signature.input_arg
    return result


def _common(a, b):
    if a is None or b is None or len(a) != len(b):
        return None
    return tuple([x if x == y else None for x, y in zip(a, b)])


@adapts("PartitionedCall", "StatefulPartitionedCall")
def add_partitioned_call(importer, node, tensors, controls):
    """A call: the nodes of the function, under the name of the call."""
    return add_call(importer, node, tensors, controls, _function_name(node, "f"))


def add_call(importer, node, tensors, controls, name):
    """The nodes of function `name`, and one node with the call's name for its results."""
    use = FunctionUse(importer, node, name)
    use.check_count(len(tensors))
    full_name = importer.full_name(node.name)
    with importer.graph.control_dependencies(controls):
        outputs, inner_controls = use.fill(importer.graph, full_name, tensors)
    with importer.making(), importer.graph.control_dependencies([*controls, *inner_controls]):
        if outputs and not any(t.dtype.is_ref_dtype for t in outputs):
            outputs = array.identity_n(outputs, name=full_name + "/")
            op = outputs[0].op
        else:
            op = flow.no_op(name=full_name + "/")
    importer.finish(op, node, [])
    return op, outputs
