"""Ops that only plans of training make: several nodes as one step (plan/fuse_training.py). No program builds them."""
import numpy as np

from thalweg.framework.declaration import REGISTRY, define_op
from thalweg.framework.dtypes import FLOATS

from .batch_norm import _HALF, _SINGLE, fused_batch_norm_grad_op, fused_batch_norm_op
from .fused import _MADE_BY_PLAN, _epilogue


@define_op("_FusedBatchNormEx", "x: T, scale: U, offset: U, args: num_args*T -> y: T, batch_mean: U, "
           "batch_variance: U, reserve_space_1: U, reserve_space_2: U, reserve_space_3: U, gain: U, shift: U",
           T=_HALF, U=_SINGLE, cpu="batch_norm:fused_batch_norm_ex")
def fused_batch_norm_ex(x, scale, offset, args, *, fused_ops: list[str], epsilon: float = 0.0001):
    """FusedBatchNorm of [N, H, W, C] in training, then `fused_ops`: "Add" of a residual, the only one of `args`, then
    "Relu" or "Relu6"; either may be missing.

    Before them y was (x - batch_mean) gain + shift per channel, which tells the gradient what the activation let
    through.
    """
    empty = np.zeros(0, scale.dtype)
    y, *statistics = fused_batch_norm_op.body(x, scale, offset, empty, empty, epsilon=epsilon, data_format="NHWC",
                                              is_training=True)
    gain = scale.astype(np.float64) / np.sqrt(statistics[3].astype(np.float64) + epsilon)
    y = _epilogue(y, args, fused_ops, epsilon)
    return (y, *statistics, np.zeros((), scale.dtype), gain.astype(scale.dtype), offset)


@fused_batch_norm_ex.shape
def fused_batch_norm_ex_shape(node, x, scale, offset, args):
    return [x] + [scale] * 4 + [(), scale, scale]


fused_batch_norm_ex.no_gradient(_MADE_BY_PLAN)


@define_op("_FusedBatchNormGradEx", "y_backprop: num_addends*T, x: T, scale: U, reserve_space_1: U, "
           "reserve_space_2: U, features: num_features*F -> x_backprop: T, side_backprop: num_sides*T, "
           "scale_backprop: U, offset_backprop: U", T=_HALF, U=_SINGLE, F=_HALF,
           cpu="batch_norm:fused_batch_norm_grad_ex")
def fused_batch_norm_grad_ex(y_backprop, x, scale, reserve_space_1, reserve_space_2, features, *, activation: str,
                             num_sides: int, epsilon: float = 0.0001):
    """AddN of `y_backprop`, the gradient of `activation` ("Relu" or "Relu6"), then FusedBatchNormGrad in training.

    features : one tensor, what the activation gave; or two vectors, the gain and shift of _FusedBatchNormEx
    num_sides : 1 where the activation's gradient is a result, too, else 0
    """
    if len(features) == 2:
        gain, shift = features
        features = [((x - reserve_space_1) * gain + shift).astype(x.dtype)]
    dy = REGISTRY[f"{activation}Grad"].body(REGISTRY["AddN"].body(y_backprop), *features)
    dx, dscale, doffset, *_ = fused_batch_norm_grad_op.body(dy, x, scale, reserve_space_1, reserve_space_2,
                                                            epsilon=epsilon, data_format="NHWC", is_training=True)
    return dx, [dy] * num_sides, dscale, doffset


@fused_batch_norm_grad_ex.shape
def fused_batch_norm_grad_ex_shape(node, dy, x, scale, mean, variance, features):
    return [x] * (1 + node.num_sides) + [scale, scale]


fused_batch_norm_grad_ex.no_gradient(_MADE_BY_PLAN)


@define_op("_FusedBiasAddGrad", "gradients: T, features: T -> backprops: T, bias_backprop: T", T=FLOATS,
           cpu="bias:fused_bias_add_grad")
def fused_bias_add_grad(gradients, features, *, activation: str):
    """The gradient of `activation` ("Relu" or "Relu6"), and BiasAddGrad of it over the last dimension."""
    dy = REGISTRY[f"{activation}Grad"].body(gradients, features)
    return dy, REGISTRY["BiasAddGrad"].body(dy, data_format="NHWC")


@fused_bias_add_grad.shape
def fused_bias_add_grad_shape(node, gradients, features):
    return [gradients, None if gradients is None else gradients[-1:]]


fused_bias_add_grad.no_gradient(_MADE_BY_PLAN)
