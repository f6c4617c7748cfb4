"""Ops that only the plan makes: several nodes as one step (plan/fuse.py). No program builds them.

`fused_ops` lists what follows, in order: "BiasAdd", "FusedBatchNorm" (in inference; operands scale, offset, mean,
variance), "Add" of a residual, "Relu" or "Relu6"; any of them may be missing, and the first two only follow products.
"""
from itertools import islice

import numpy as np

from thalweg.framework.declaration import REGISTRY, define_op
from thalweg.framework.dtypes import FLOATS
from thalweg.framework.shapes import broadcast

from .batch_norm import _HALF, _SINGLE, fused_batch_norm_op
from .conv import conv2d_op, conv2d_shape
from .depthwise import depthwise_conv2d_native_op, depthwise_conv2d_native_shape
from .matmul import mat_mul, mat_mul_shape

_MADE_BY_PLAN = "the plan makes it after the gradients are built"


_OPERANDS = {"BiasAdd": 1, "Add": 1, "FusedBatchNorm": 4}


def _epilogue(product, args, fused_ops, epsilon):
    args = iter(args)
    attrs = {"data_format": "NHWC", "is_training": False, "epsilon": epsilon, "T": None}
    for name in fused_ops:
        operands = [product, *islice(args, _OPERANDS.get(name, 0))]
        product = REGISTRY[name].reference(operands, attrs)[0]
    return product


@define_op("_FusedConv2D", "input: T, filter: T, args: num_args*T -> output: T", T=FLOATS, cpu="conv:fused_conv2d")
def fused_conv2d(input, filter, args, *, strides: list[int], padding: str, explicit_paddings: list[int],
                 data_format: str, dilations: list[int], fused_ops: list[str], epsilon: float = 0.0,
                 use_cudnn_on_gpu: bool = True):
    """Conv2D, then `fused_ops`, whose further operands are `args`."""
    product = conv2d_op.body(input, filter, strides=strides, padding=padding, explicit_paddings=explicit_paddings,
                             data_format=data_format, dilations=dilations)
    return _epilogue(product, args, fused_ops, epsilon)


@fused_conv2d.shape
def fused_conv2d_shape(node, x, w, args):
    return conv2d_shape(node, x, w)


fused_conv2d.no_gradient(_MADE_BY_PLAN)


@define_op("_FusedDepthwiseConv2dNative", "input: T, filter: T, args: num_args*T -> output: T", T=FLOATS,
           cpu="conv:fused_depthwise_conv2d")
def fused_depthwise_conv2d(input, filter, args, *, strides: list[int], padding: str, data_format: str,
                           dilations: list[int], fused_ops: list[str], epsilon: float = 0.0):
    """DepthwiseConv2dNative, then `fused_ops`, whose further operands are `args`."""
    product = depthwise_conv2d_native_op.body(input, filter, strides=strides, padding=padding, data_format=data_format,
                                              dilations=dilations)
    return _epilogue(product, args, fused_ops, epsilon)


@fused_depthwise_conv2d.shape
def fused_depthwise_conv2d_shape(node, x, w, args):
    return depthwise_conv2d_native_shape(node, x, w)


fused_depthwise_conv2d.no_gradient(_MADE_BY_PLAN)


@define_op("_FusedSeparableConv2D",
           "input: T, depthwise_filter: T, pointwise_filter: T, args: num_args*T -> output: T", T=FLOATS,
           cpu="conv:fused_separable_conv2d")
def fused_separable_conv2d(input, depthwise_filter, pointwise_filter, args, *, strides: list[int], padding: str,
                           data_format: str, dilations: list[int], depthwise_ops: list[str], fused_ops: list[str],
                           depthwise_epsilon: float = 0.0, epsilon: float = 0.0):
    """DepthwiseConv2dNative and `depthwise_ops`, then Conv2D of 1 x 1 filters and `fused_ops`.

    `args` are the further operands of both, in this order.
    """
    first = sum(_OPERANDS.get(name, 0) for name in depthwise_ops)
    between = fused_depthwise_conv2d.body(input, depthwise_filter, args[:first], strides=strides, padding=padding,
                                          data_format=data_format, dilations=dilations, fused_ops=depthwise_ops,
                                          epsilon=depthwise_epsilon)
    return fused_conv2d.body(between, pointwise_filter, args[first:], strides=[1, 1, 1, 1], padding="VALID",
                             explicit_paddings=[], data_format=data_format, dilations=[1, 1, 1, 1],
                             fused_ops=fused_ops, epsilon=epsilon)


@fused_separable_conv2d.shape
def fused_separable_conv2d_shape(node, x, depthwise, pointwise, args):
    between = depthwise_conv2d_native_shape(node, x, depthwise)
    return (*between[:3], pointwise[3])


fused_separable_conv2d.no_gradient(_MADE_BY_PLAN)


@define_op("_FusedMatMul", "a: T, b: T, args: num_args*T -> product: T", T=FLOATS, cpu="matmul:fused_matmul")
def fused_mat_mul(a, b, args, *, transpose_a: bool, transpose_b: bool, fused_ops: list[str], epsilon: float = 0.0):
    """MatMul, then `fused_ops`, whose further operands are `args`."""
    product = mat_mul.body(a, b, transpose_a=transpose_a, transpose_b=transpose_b)
    return _epilogue(product, args, fused_ops, epsilon)


@fused_mat_mul.shape
def fused_mat_mul_shape(node, a, b, args):
    return mat_mul_shape(node, a, b)


fused_mat_mul.no_gradient(_MADE_BY_PLAN)


@define_op("_FusedBatchNormInference", "x: T, scale: U, offset: U, mean: U, variance: U, args: num_args*T -> y: T",
           T=_HALF, U=_SINGLE, cpu="batch_norm:fused_batch_norm_inference")
def fused_batch_norm_inference(x, scale, offset, mean, variance, args, *, fused_ops: list[str],
                               epsilon: float = 0.0001):
    """FusedBatchNorm of [N, H, W, C] by given statistics, then `fused_ops`, whose further operands are `args`."""
    y = fused_batch_norm_op.body(x, scale, offset, mean, variance, epsilon=epsilon, data_format="NHWC",
                                 is_training=False)[0]
    return _epilogue(y, args, fused_ops, epsilon)


@fused_batch_norm_inference.shape
def fused_batch_norm_inference_shape(node, x, scale, offset, mean, variance, args):
    return x


fused_batch_norm_inference.no_gradient(_MADE_BY_PLAN)


@define_op("_Region", "inputs: N*T -> outputs: n_results*T", T=FLOATS, cpu="region:region")
def region(inputs, *, ops: list[str], args: list[int], alphas: list[float], results: list[int]):
    """A little program of elementwise ops over the inputs, which broadcast against each other.

    Op number j is `ops[j]`; its operands are the slots `args[3 * j : 3 * j + 3]` (-1: none), where slot k is input k
    and slot N + j the result of op j; `alphas[j]` is its constant, if it has one. The results numbered `results`
    leave the region, each in the shape of the whole.
    """
    slots = list(inputs)
    for j, name in enumerate(ops):
        operands = [slots[k] for k in args[3 * j:3 * j + 3] if k >= 0]
        slots.append(REGISTRY[name].reference(operands, {"alpha": alphas[j]})[0])
    shape = np.broadcast_shapes(*[np.shape(v) for v in slots])
    return [np.broadcast_to(slots[len(inputs) + j], shape) for j in results]


@region.shape
def region_shape(node, inputs):
    shape = inputs[0]
    for other in inputs[1:]:
        shape = broadcast(shape, other)
    return [shape] * len(node.results)


region.no_gradient(_MADE_BY_PLAN)
