"""What an operation costs by its static shapes: multiply-adds and floating-point operations."""
import math

from thalweg.framework import shapes

_MOVING = frozenset(("Identity", "IdentityN", "StopGradient", "PreventGradient", "Cast", "ZerosLike", "OnesLike",
                     "Select", "SelectV2", "CheckNumerics"))


def multiply_adds(op):
    """Products that are added to a sum, of convolutions and matrix products; 0 for other ops, None if unknown."""
    count = _PRODUCTS.get(op.type)
    return 0 if count is None else _or_none(count, op)


def flops(op):
    """Floating-point operations; None if unknown.

    Two per multiply-add; else one per element of the result of an elementwise op, per element of the input of a
    reduction, and so on: `_OTHERS` below. Ops that only move values count nothing, nor do integers.
    """
    if op.type in _PRODUCTS:
        products = multiply_adds(op)
        return None if products is None else 2 * products
    if not op.outputs or op.outputs[0].dtype.base_dtype.kind not in "fcx" or op.type in _MOVING:
        return 0
    if op.type in _OTHERS:
        return _or_none(_OTHERS[op.type], op)
    if op.declaration.kind == "elementwise":
        return shapes.size_of(op.outputs[0]._shape)
    if op.declaration.kind == "reduction":
        return shapes.size_of(op.inputs[0]._shape)
    return 0


def _or_none(count, op):
    """`count(op)`, or None where a size in it is not known."""
    try:
        return count(op)
    except TypeError:                                        # None in a product
        return None


def _size(tensor):
    return math.prod(tensor._shape)


def _of_filter(result, weights):
    """Each element of the result takes a window and all channels of one group: all of the filter but its last axis."""
    return lambda op: _size(_tensor(op, result)) * math.prod(_tensor(op, weights)._shape[:-1])


def _of_window(result, weights):
    """Each element takes a window of one channel."""
    return lambda op: _size(_tensor(op, result)) * math.prod(_tensor(op, weights)._shape[:2])


def _tensor(op, index):
    """An input, or for -1 the output."""
    return op.outputs[0] if index < 0 else op.inputs[index]


def _of_matmul(op):
    axis = -2 if op.attrs.get("transpose_a") or op.attrs.get("adj_x") else -1
    return _size(op.outputs[0]) * op.inputs[0]._shape[axis]


_PRODUCTS = {
    "Conv2D": _of_filter(-1, 1), "Conv3D": _of_filter(-1, 1),
    "Conv2DBackpropInput": _of_filter(2, 1), "Conv3DBackpropInputV2": _of_filter(2, 1),
    "Conv2DBackpropFilter": _of_filter(2, -1), "Conv3DBackpropFilterV2": _of_filter(2, -1),
    "DepthwiseConv2dNative": _of_window(-1, 1), "DepthwiseConv2dNativeBackpropInput": _of_window(2, 1),
    "DepthwiseConv2dNativeBackpropFilter": _of_window(2, -1),
    "MatMul": _of_matmul, "BatchMatMul": _of_matmul, "BatchMatMulV2": _of_matmul,
}


def _of_pool(op):
    return _size(op.outputs[0]) * math.prod(op.attrs["ksize"])


def _per_element(count, index=-1):
    return lambda op: count * _size(_tensor(op, index))


_OTHERS = {
    "MaxPool": _of_pool, "AvgPool": _of_pool, "MaxPool3D": _of_pool, "AvgPool3D": _of_pool,
    **{name: _per_element(2) for name in ("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3")},
    "BiasAdd": _per_element(1), "BiasAddGrad": _per_element(1, 0),
    "AddN": lambda op: (len(op.inputs) - 1) * _size(op.outputs[0]),
    "Softmax": _per_element(3), "LogSoftmax": _per_element(3),       # exp, sum, division (or difference)
    "LRN": lambda op: (2 * (2 * op.attrs["depth_radius"] + 1) + 2) * _size(op.outputs[0]),
    "L2Loss": _per_element(2, 0), "ResizeBilinear": _per_element(7), "Cumsum": _per_element(1),
}
