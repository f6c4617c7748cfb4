"""Biases of channels and their gradients: an addition that broadcasts, and a sum over all dimensions but one."""
from thalweg_cuda.work import Unsupported, Work, input_, output

from . import kernel
from ._expression import Expression, Step
from ._formulas import formula
from ._generator import elementwise_work
from .reduction import folds_columns, reduce_work


def _channel_axis(request, rank):
    layout = request.attrs.get("data_format", "NHWC")
    return 1 if layout == "NCHW" and rank > 1 else rank - 1


@kernel("BiasAdd", "BiasAddV1")
def bias_add(request, target):
    """value + bias[c], in channel c of the last dimension, or of dimension 1 for "NCHW"."""
    shape, dtype = request.in_shapes[0], request.in_dtypes[0]
    axis, bias = _channel_axis(request, len(shape)), request.in_shapes[1]
    if len(bias) != 1 or shape[axis] != bias[0] or request.out_shapes[0] != shape:
        raise Unsupported(f"{request.op_type}: a bias of shape {bias} for a value of shape {shape}")
    formula("Add", dtype)
    expression = Expression((dtype, dtype), (Step("Add", (0, 1), dtype),), (0,))
    broadcast = bias + (1,) * (len(shape) - 1 - axis)
    return elementwise_work(expression, [shape, broadcast], shape, target, name="Add", inplace=(0,))


@kernel("BiasAddGrad")
def bias_add_grad(request, target):
    """The sum over all dimensions but the channels."""
    shape, axis = request.in_shapes[0], _channel_axis(request, len(request.in_shapes[0]))
    is_reduced = [i != axis for i in range(len(shape))]
    return reduce_work("Sum", request.in_dtypes[0], request.out_dtypes[0], shape, is_reduced)


@kernel("_FusedBiasAddGrad")
def fused_bias_add_grad(request, target):
    """(gradients, features) -> the gradient of Relu or Relu6, and BiasAddGrad of it."""
    shape, dtype = request.in_shapes[0], request.in_dtypes[0]
    op_type = f"{request.attrs['activation']}Grad"
    formula(op_type, dtype)
    if op_type not in ("ReluGrad", "Relu6Grad") or request.in_shapes[1] != shape or not shape:
        raise Unsupported(f"{request.op_type}: activation {request.attrs['activation']}, shapes {request.in_shapes}")
    sides = [True] * (len(shape) - 1) + [False]
    if folds_columns(dtype, shape, sides):
        work = reduce_work("Sum", dtype, dtype, shape, sides, y=output(1), gate=(op_type, input_(1), output(0)))
        return work._replace(inplace=(0, 1))
    expression = Expression((dtype, dtype), (Step(op_type, (0, 1), dtype),), (0,))       # few rows
    passed = elementwise_work(expression, [shape, shape], shape, target, name=op_type)
    total = reduce_work("Sum", dtype, dtype, shape, sides, x=output(0), y=output(1))
    return Work((*passed.commands, *total.commands), total.workspace_bytes, inplace=(0, 1))
