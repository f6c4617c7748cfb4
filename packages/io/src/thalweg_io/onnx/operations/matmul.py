"""Products of matrices, and softmax."""
from ..exporter import channels_first_axes, converts


@converts("MatMul", "BatchMatMul", "BatchMatMulV2")
def matmul(c, op):
    flags = ("transpose_a", "transpose_b") if op.type == "MatMul" else ("adj_x", "adj_y")
    if op.inputs[0].dtype.base_dtype.kind == "c":
        c.fail("products of complex matrices")
    names = [_turned(c, t) if op.attrs[flag] else c.plain(t) for t, flag in zip(op.inputs, flags)]
    c.set_plain(op.outputs[0], c.add("MatMul", names))


def _turned(c, tensor):
    rank = c.rank(tensor)
    return c.transposed(c.plain(tensor), [*range(rank - 2), rank - 1, rank - 2])


@converts("Softmax", "LogSoftmax")
def softmax(c, op):
    x = op.inputs[0]
    is_first = c.is_first(x)
    axis = channels_first_axes(c.rank(x)).index(c.rank(x) - 1) if is_first else -1
    c.set_in_form(op.outputs[0], c.add(op.type, [c.in_form(x, is_first)], axis=axis), is_first)
