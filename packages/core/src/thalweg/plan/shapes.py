"""Pass 2: runs the shape rules with what is known in this plan, so that nearly every shape is a number."""
from thalweg.framework import errors, shapes
from thalweg.framework.constant_value import constant_value, constant_value_as_shape

from .effects import ALIASES, function_graphs, reads_and_writes
from .ir import COPY, FEED, FETCH
from .prune import prune


def infer(ir, fed_shapes, variable_shapes):
    """Sets the shape of every value.

    `fed_shapes` come in the order of the feeds (None: as the graph says); `variable_shapes` maps the names of
    variables that the graph declares without a shape to the shape of the value that they hold now; it says nothing
    about those that this plan writes.
    """
    for value, shape in zip(ir.feeds, fed_shapes):
        if shape is not None:
            value.shape = shape
    if variable_shapes:
        written = set().union(*[reads_and_writes(node)[1] for node in ir.nodes])
        variable_shapes = {name: s for name, s in variable_shapes.items() if name not in written}
    for node in ir.nodes:
        infer_node(node)
        if node.outputs and node.outputs[0].variable in variable_shapes and not node.inputs:
            held = shapes.merge(node.outputs[0].shape, variable_shapes[node.outputs[0].variable])
            node.outputs[0].shape = node.outputs[0].proven = held


def infer_node(node):
    """Shapes of one node's outputs from its inputs; a contradiction is the user's error at this op."""
    if node.op_type == FETCH:
        return
    if node.op_type == FEED:
        node.outputs[0].proven = node.outputs[0].shape
        return
    if node.op_type == COPY:
        node.outputs[0].shape, node.outputs[0].proven = node.inputs[0].shape, node.inputs[0].proven
        return
    in_shapes = [v.shape for v in node.inputs]
    try:
        found = node.declaration.output_shapes(in_shapes, node.attrs, len(node.outputs),
                                               lambda k: known_value(node.inputs[k]), node.name)
        if node.op_type in _OF_FUNCTIONS:
            declared = found if _is_as_built(node) else [None] * len(found)
            found = [shapes.merge(a, b) for a, b in zip(declared, _OF_FUNCTIONS[node.op_type](node))]
        for value, shape in zip(node.outputs, found):
            _note(value, shape)
    except ValueError as error:
        raise misfit(node, error, in_shapes) from error


def misfit(node, error, in_shapes):
    """What a shape rule refuses, as the error of the op, with the user's line."""
    inputs = [_Typed(v.dtype, shape) for v, shape in zip(node.inputs, in_shapes)]
    text = node.declaration._explain(node.name, error, inputs, node.source and node.source.frame)
    return errors.InvalidArgumentError(None, node.source, text)


def _note(value, shape):
    """Enters what a rule says; a reference has the shape of its variable, which the executor compares."""
    if value.shape == shape:
        value.proven = shape
        return
    if not shapes.compatible(value.shape, shape):
        raise ValueError(f"in this run the shape is {shapes.text(shape)}, but the graph says "
                         f"{shapes.text(value.shape)} (set_shape)")
    value.shape = shapes.merge(value.shape, shape)
    value.proven = shape if value.variable is None or value.node.op_type in ALIASES else value.shape


def distrust(ir, doubtful):
    """Forgets the static shapes of all that is computed from the values `doubtful`; the rules give them anew.

    A graph infers shapes from the values of constants and from the shapes of what a function captures. Where a run
    has others, its plan must not believe what was inferred.
    """
    doubtful = set(doubtful)
    if not doubtful:
        return
    for node in ir.nodes:
        if not doubtful.isdisjoint(node.inputs):
            doubtful.update(node.outputs)
            for value in node.outputs:
                if value.variable is None:
                    value.shape = None


def decides_shapes(tensor):
    """Whether shapes may have been inferred from the value of `tensor` while the graph was built."""
    if tensor.dtype.base_dtype.kind == "O":
        return False
    if constant_value(tensor) is not None:
        return True
    is_index = tensor.dtype.base_dtype.kind in "iu" and tensor._shape is not None and len(tensor._shape) == 1
    return is_index and any(d is not None for d in constant_value_as_shape(tensor) or ())


def function_ir(graph, fed, in_shapes):
    """The Ir of a function graph whose inputs `fed` have `in_shapes`, with no shape that rests on others."""
    ir = prune(graph.outputs, fed)
    distrust(ir, [v for v, shape in zip(ir.feeds, in_shapes) if not _tells_all(shape, v.shape)])
    return ir


def _tells_all(shape, other):
    """Whether `shape` says at least what `other` says."""
    return shapes.compatible(shape, other) and shapes.merge(shape, other) == shape


def _is_as_built(node):
    """Whether the functions of a node get the shapes for which the shapes inside were inferred."""
    first = node.op_type == "If"
    return all(_tells_all(v.shape, t._shape) for graph in function_graphs(node.attrs)
               for t, v in zip(graph.inputs, node.inputs[first:]) if t.op.type == "Placeholder")


def _function_shapes(graph, in_shapes):
    """Shapes of a function graph's outputs, given those of its inputs; None where its ops contradict each other.

    That is no error yet: the branch may not be taken, the body may not run.
    """
    passed = [(t, s) for t, s in zip(graph.inputs, in_shapes) if t.op.type == "Placeholder"]
    ir = function_ir(graph, [t for t, _ in passed], [s for _, s in passed])
    for value in ir.feeds:
        value.shape = None
    try:
        infer(ir, [s for _, s in passed], {})
    except errors.InvalidArgumentError:
        return None
    return [v.shape for v in ir.fetches]


def _if_shapes(node):
    """What the two branches have in common, given the shapes of what they capture."""
    captured = [v.shape for v in node.inputs[1:]]
    branches = [_function_shapes(node.attrs[name], captured) for name in ("then_branch", "else_branch")]
    possible = [b for b in branches if b is not None] or [[None] * len(node.outputs)]
    return [_common(a, b) for a, b in zip(possible[0], possible[-1])]


def _while_shapes(node):
    """Of loop variables that keep their shape from one iteration to the next; of the others nothing more is known."""
    n_vars = len(node.attrs["Tvars"])
    shapes_in = [v.shape for v in node.inputs]
    after = _function_shapes(node.attrs["body"], shapes_in)
    after = after and after[:n_vars]
    if after != shapes_in[:n_vars]:
        return [None] * len(node.outputs)
    return after + [None] * (len(node.outputs) - n_vars)


def _common(a, b):
    if a is None or b is None or len(a) != len(b):
        return None
    return tuple([x if x == y else None for x, y in zip(a, b)])


_OF_FUNCTIONS = {"If": _if_shapes, "While": _while_shapes}


class _Typed:
    """A value dressed as the tensor that an error message describes."""

    def __init__(self, dtype, shape):
        self.dtype, self._shape = dtype, shape


def known_value(value):
    """The array of a value that is constant in this plan, else None."""
    node = value.node
    return node.attrs["value"] if node.op_type == "Const" else None
