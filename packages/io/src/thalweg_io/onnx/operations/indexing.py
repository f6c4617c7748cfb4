"""Taking elements by index."""
from ..exporter import converts


@converts("Gather", "GatherV2", "ResourceGather")
def gather(c, op):
    x, indices = op.inputs[:2]
    axis = 0 if len(op.inputs) == 2 else c.axis(c.known(op.inputs[2], "the axis").ravel()[0], c.rank(x))
    if op.attrs.get("batch_dims"):
        c.fail("batch_dims")
    c.set_plain(op.outputs[0], c.add("Gather", [c.plain(x), c.plain(indices)], axis=axis))


@converts("GatherNd")
def gather_nd(c, op):
    c.set_plain(op.outputs[0], c.add("GatherND", [c.plain(op.inputs[0]), c.as_int64(op.inputs[1])]))


@converts("OneHot")
def one_hot(c, op):
    """ONNX counts negative indices from the end, TensorFlow gives a row of off_value: they become too large ones."""
    indices, depth, on_value, off_value = op.inputs
    name, count = c.as_int64(indices), c.as_int64(depth)
    is_negative = c.add("Less", [name, c.ints(0)], f"{op.name}/is_negative")
    name = c.add("Where", [is_negative, count, name], f"{op.name}/indices")
    both = c.add("Concat", [c.unsqueezed(c.plain(off_value), [0]), c.unsqueezed(c.plain(on_value), [0])],
                 f"{op.name}/values", axis=0)
    c.set_plain(op.outputs[0], c.add("OneHot", [name, count, both], axis=op.attrs["axis"]))


@converts("Where")
def where(c, op):
    name = c.add("NonZero", [c.plain(op.inputs[0])], f"{op.name}/columns")
    c.set_plain(op.outputs[0], c.transposed(name, [1, 0]))


@converts("ReverseV2")
def reverse(c, op):
    x = op.inputs[0]
    axes = [c.axis(a, c.rank(x)) for a in c.known(op.inputs[1], "the axes").ravel()]
    lowest = -(1 << 63)
    c.set_plain(op.outputs[0], c.add("Slice", [
        c.plain(x), c.ints([-1] * len(axes)), c.ints([lowest] * len(axes)), c.ints(axes), c.ints([-1] * len(axes))]))
