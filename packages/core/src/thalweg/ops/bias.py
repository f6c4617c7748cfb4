"""Adding a bias to each channel."""
import numpy as np

from thalweg.framework import shapes
from thalweg.framework.conversion import convert_to_tensor
from thalweg.framework.declaration import define_op
from thalweg.framework.dtypes import NUMBERS
from thalweg.framework.graph import name_scope

from . import array, broadcast, constant, reduction, sequence
from ._reference import accurate


def _channel_axis(rank, data_format):
    return 1 if data_format == "NCHW" and rank > 1 else rank - 1


def _along(bias, rank, data_format):
    axis = _channel_axis(rank, data_format)
    return bias.reshape((-1,) + (1,) * (rank - 1 - axis))


@define_op("BiasAdd", "value: T, bias: T -> output: T", T=NUMBERS, cpu="bias:bias_add")
def bias_add_op(value, bias, *, data_format: str = "NHWC"):
    """value with bias[c] added to channel c: the last dimension, or dimension 1 for "NCHW"."""
    return value + _along(bias, value.ndim, data_format)


@bias_add_op.shape
def bias_add_shape(node, x, bias):
    if bias is not None and len(bias) != 1:
        raise ValueError(f"the bias must be a vector, its shape is {shapes.text(bias)}")
    if x is None:
        return None
    if len(x) < 2:
        raise ValueError(f"the value must have at least rank 2, its shape is {shapes.text(x)}")
    axis = _channel_axis(len(x), node.data_format)
    count = None if bias is None else bias[0]
    if None not in (x[axis], count) and x[axis] != count:
        raise ValueError(f"Dimensions must be equal, but are {x[axis]} and {count}: value {shapes.text(x)}, bias "
                         f"{shapes.text(bias)}")
    return x if x[axis] is not None else x[:axis] + (count,) + x[axis + 1:]


@bias_add_op.gradient
def bias_add_grad(node, dy):
    return dy, bias_add_grad_op(dy, data_format=node.data_format)


@define_op("BiasAddGrad", "out_backprop: T -> output: T", T=NUMBERS, cpu="bias:bias_add_grad")
def bias_add_grad_op(out_backprop, *, data_format: str = "NHWC"):
    """The sum over all dimensions but the channels; floats are summed in double width."""
    axis = _channel_axis(out_backprop.ndim, data_format)
    others = tuple(i for i in range(out_backprop.ndim) if i != axis)
    return np.sum(out_backprop, others, dtype=accurate(out_backprop.dtype)).astype(out_backprop.dtype)


@bias_add_grad_op.shape
def bias_add_grad_shape(node, dy):
    if dy is None:
        return (None,)
    return (dy[_channel_axis(len(dy), node.data_format)],)


@bias_add_grad_op.gradient
def bias_add_grad_grad(node, db):
    """Each element of the bias's gradient is repeated to where it was summed from."""
    sizes, shape = array.shape(node.out_backprop), node.out_backprop._shape
    if node.data_format == "NCHW":
        after = [1] * (len(shape) - 2) if shape is not None else constant.ones_like(sizes[2:])
        db = array.reshape(db, array.concat([[-1], after], 0) if shape is None or after else [-1])
    return broadcast.broadcast_to(db, sizes)


@define_op("BiasAddV1", "value: T, bias: T -> output: T", T=NUMBERS, cpu="bias:bias_add")
def bias_add_v1(value, bias):
    """value with bias[c] added to channel c of the last dimension."""
    return value + bias


@bias_add_v1.shape
def bias_add_v1_shape(node, x, bias):
    return shapes.broadcast(x, bias) if x is not None else None


@bias_add_v1.gradient
def bias_add_v1_grad(node, dy):
    rank = len(dy._shape) if dy._shape is not None else None
    axes = list(range(rank - 1)) if rank is not None else _all_but_last(dy)
    return dy, reduction.reduce_sum(dy, axes)


def _all_but_last(dy):
    return sequence.range(0, array.rank(dy) - 1)


_FORMATS = {None: "NHWC", "NHWC": "NHWC", "NCHW": "NCHW"}


def bias_add(value, bias, data_format=None, name=None):
    """value with bias[c] added to channel c.

    data_format : "N...C" (default): the last dimension holds the channels; "NC...": dimension 1
    """
    with name_scope(name, "BiasAdd", [value, bias]) as scope:
        if data_format is not None:
            if data_format.startswith("NC"):
                data_format = "NCHW"
            elif data_format.startswith("N") and data_format.endswith("C"):
                data_format = "NHWC"
            else:
                raise ValueError(f"data_format must be of the form N...C or NC..., not {data_format!r}")
        value = convert_to_tensor(value, name="input")
        bias = convert_to_tensor(bias, value.dtype.base_dtype, name="bias")
        return bias_add_op(value, bias, data_format=_FORMATS[data_format], name=scope)


