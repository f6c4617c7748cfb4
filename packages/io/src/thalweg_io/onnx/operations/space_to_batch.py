"""SpaceToBatchND, a convolution, BatchToSpaceND: how TensorFlow 1.x writes a dilated convolution. It becomes one.

The pair by itself becomes reshapes and transposes, for images of known size.
"""
import numpy as np

from ..exporter import converts
from .dilation import CONVOLUTIONS, end_of_dilation
from .images import _filter, _known_size


@converts("SpaceToBatchND")
def space_to_batch(c, op):
    if end_of_dilation(c, op.outputs[0]) is None:           # else the BatchToSpaceND, which comes later, writes it all
        _rearranged(c, op)


@converts("BatchToSpaceND")
def batch_to_space(c, op):
    conv = op.inputs[0].op
    if conv.type in CONVOLUTIONS and end_of_dilation(c, conv.inputs[0]) is op:
        _write_dilated(c, op, conv, conv.inputs[0].op)
    else:
        _rearranged_back(c, op)


def _write_dilated(c, op, conv, before):
    x, block, paddings = before.inputs
    w = conv.inputs[1]
    dilations = [int(d) for d in c.known(block, "the block's shape")]
    name, attributes = _padded(c, op, x, paddings, op.inputs[2])
    rows, columns, channels, filters = (_known_size(c, d, w) for d in c.shape(w))
    if conv.type == "Conv2D":
        groups, w_name = 1, _filter(c, w, [3, 2, 0, 1])
    else:
        groups, w_name = channels, _filter(c, w, [2, 3, 0, 1], [channels * filters, 1, rows, columns])
    is_cropped = "pads" not in attributes
    name = c.add("Conv", [name, w_name], conv.name, kernel_shape=[rows, columns], dilations=dilations, group=groups,
                 **attributes)
    c.set_first(op.outputs[0], _cropped(c, op, name, op.inputs[2]) if is_cropped else name)


def _padded(c, op, x, paddings, crops):
    """(images, attributes): known paddings less crops go into the convolution, others are computed."""
    given, cut = c.array(paddings), c.array(crops)
    if given is not None and cut is not None:
        pads = given - cut
        if pads.shape == (2, 2) and (pads >= 0).all():
            return c.first(x), {"pads": [*pads[:, 0], *pads[:, 1]]}
    none = c.ints([[0, 0], [0, 0]])
    pairs = c.add("Concat", [none, c.as_int64(paddings)], f"{op.name}/pairs", axis=0)
    pads = c.add("Reshape", [c.transposed(pairs, [1, 0]), c.ints([-1])], f"{op.name}/pads")
    return c.add("Pad", [c.first(x), pads], f"{op.name}/padded"), {}


def _cropped(c, op, name, crops):
    """Without what the crops cut off, by numbers that the run computes."""
    before, after = c.add_many("Split", [c.transposed(c.as_int64(crops), [1, 0]), c.ints([1, 1])], 2, axis=0)
    before, after = (c.add("Reshape", [n, c.ints([2])], f"{op.name}/crop") for n in (before, after))
    sizes = c.add("Slice", [c.add("Shape", [name], f"{op.name}/shape"), c.ints([2]), c.ints([4])], f"{op.name}/size")
    stop = c.add("Sub", [sizes, after], f"{op.name}/stop")
    return c.add("Slice", [name, before, stop, c.ints([2, 3])], f"{op.name}/cropped")


# --- by themselves --------------------------------------------------------------------------------------

def _spatial(c, op):
    """(block, pairs, sizes of the spatial axes, channels) of images of known size."""
    x = op.inputs[0]
    block, pairs = c.known(op.inputs[1], "the block's shape"), c.known(op.inputs[2], "paddings or crops")
    if c.rank(x) != 4 or len(block) != 2 or None in c.shape(x)[1:]:
        c.fail("outside of a dilated convolution it needs images of known size")
    return [int(b) for b in block], np.asarray(pairs, np.int64), c.shape(x)[1:3], c.shape(x)[3]


def _rearranged(c, op):
    (b, d), pairs, (h, w), channels = _spatial(c, op)
    zeros = np.zeros((1, 2), np.int64)
    pads = np.concatenate([zeros, pairs, zeros]).T.ravel()
    h, w = int(h + pairs[0].sum()) // b, int(w + pairs[1].sum()) // d
    name = c.add("Pad", [c.plain(op.inputs[0]), c.ints(pads)], f"{op.name}/padded")
    name = c.add("Reshape", [name, c.ints([-1, h, b, w, d, channels])], f"{op.name}/blocks")
    name = c.transposed(name, [2, 4, 0, 1, 3, 5])                       # [b, d, N, h, w, C]
    c.set_plain(op.outputs[0], c.add("Reshape", [name, c.ints([-1, h, w, channels])]))


def _rearranged_back(c, op):
    (b, d), crops, (h, w), channels = _spatial(c, op)
    name = c.add("Reshape", [c.plain(op.inputs[0]), c.ints([b, d, -1, h, w, channels])], f"{op.name}/blocks")
    name = c.transposed(name, [2, 3, 0, 4, 1, 5])                       # [N, h, b, w, d, C]
    name = c.add("Reshape", [name, c.ints([-1, h * b, w * d, channels])], f"{op.name}/whole")
    stop = [h * b - int(crops[0, 1]), w * d - int(crops[1, 1])]
    c.set_plain(op.outputs[0], c.add("Slice", [name, c.ints(crops[:, 0]), c.ints(stop), c.ints([1, 2])]))
