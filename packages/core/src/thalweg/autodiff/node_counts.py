"""How many nodes TensorFlow 1.15 makes for the gradient of one op, where ours is built of others.

An op without a seed of its own draws by the count of nodes that were made before it. So a program that draws after it
has made its train op gets TensorFlow's numbers only if gradients count as they do there. The numbers were read off
graphs that TensorFlow 1.15 has built (tests/tf1/record.py).
"""
from thalweg.framework import shapes
from thalweg.framework.constant_value import constant_value


def counted_as(op, dy):
    """TensorFlow's count of nodes of the gradient of `op` for the real gradient `dy`; None: as many as ours."""
    count = _COUNTS.get(op.type)
    if count is None or dy is None or dy.dtype.is_complex:
        return None
    return count(op, dy._shape) if callable(count) else count


def gated_beside(op):
    """TensorFlow's nodes that gate gradients which ours does not have: batch norm has some for mean and variance."""
    return 2 if op.type.startswith("FusedBatchNorm") and op.attrs["is_training"] else 0


def renumber(graph, first, number, count):
    """Spreads the ids of the ops from position `first` on over the `count` ids from `number` on, in their order."""
    made = graph._ops[first:]
    room = count or 0.5                                   # no id of its own: between the one before and the next one
    for i, op in enumerate(made, 1):
        op._id = number - 1 + room * i / (len(made) + (not count))
    graph._next_id = number + count


def _broadcast(own, equal=None, is_static=True):
    """Of an op of two operands: `own` nodes, and those that sum what was repeated; `equal`: where nothing can be."""
    def count(op, dy):
        x, y = (t._shape for t in op.inputs)
        if not is_static or not all(map(shapes.is_known, (x, y, dy))):
            return own + 7
        if equal is not None and x == y == dy:
            return equal
        return own + _args(op.graph, x, y) + 4 * (x != dy) + 4 * (y != dy)
    return count


def _args(graph, x, y):
    """The axes of a pair of known shapes, three nodes; TensorFlow keeps them for the next pair that is the same."""
    return 0 if _is_remembered(graph, "broadcast", x, y) else 3


def _is_remembered(graph, *key):
    """Whether TensorFlow has made these nodes for another gradient in the graph, and takes them again."""
    remembered = graph._extra.setdefault("gradient_nodes", set())
    found = key in remembered
    remembered.add(key)
    return found


def _sum(op, dy):
    shape, axes = op.inputs[0]._shape, constant_value(op.inputs[1])
    if shape is not None and axes is not None and axes.tolist() == list(range(len(shape))):
        return 4
    if shapes.is_known(shape) and axes is not None:
        return 4 if _is_remembered(op.graph, "sum", shape, tuple(axes.ravel())) else 21 + (axes.size == 0)
    return 16


def _mean(op, dy):
    is_static = shapes.is_known(op.inputs[0]._shape) and shapes.is_known(op.outputs[0]._shape)
    return _sum(op, dy) + (2 if is_static else 11)


def _batch_mat_mul(op, dy):
    x, y = (t._shape for t in op.inputs)
    return 2 if shapes.is_known(x) and x == y else 17


def _concat(op, dy):
    is_static = all(shapes.is_known(t._shape) for t in op.inputs)
    return 1 + 2 * len(op.inputs) if is_static else 4 + len(op.inputs)


def _takes_rows(op):
    axis = constant_value(op.inputs[2])
    return axis is not None and int(axis) == 0


_COUNTS = {
    "Add": _broadcast(0, 0), "AddV2": _broadcast(0, 0), "Sub": _broadcast(1, 1), "Mul": _broadcast(2, 2),
    "RealDiv": _broadcast(5, is_static=False), "Div": _broadcast(5, is_static=False), "Pow": _broadcast(16),
    "SquaredDifference": _broadcast(5, 5), "Maximum": _broadcast(6, is_static=False),
    "Minimum": _broadcast(6, is_static=False), "FloorMod": _broadcast(3, is_static=False),
    "Sum": _sum, "Mean": _mean, "Max": 19, "Min": 19, "Prod": 49, "BatchMatMulV2": _batch_mat_mul,
    "DivNoNan": _broadcast(5, is_static=False), "BroadcastTo": 4, "TopKV2": 43,
    "Conv2D": 3, "SoftmaxCrossEntropyWithLogits": 8, "SparseSoftmaxCrossEntropyWithLogits": 4,
    "GatherV2": lambda op, dy: 13 if _takes_rows(op) else None,
    "ConcatV2": _concat, "Softplus": 2, "Sign": 3, "Slice": 12, "Tile": 12, "Pad": 9,
}
