"""Batch normalisation (arXiv:1502.03167), fused into one op and in its parts."""
import numpy as np

from thalweg.framework import shapes
from thalweg.framework.conversion import convert_to_tensor
from thalweg.framework.declaration import define_op
from thalweg.framework.dtypes import float16, float32
from thalweg.framework.graph import name_scope

from . import array, cast, constant, reduction, unary

_HALF = (float16, float32)
_SINGLE = (float32,)
_CPU, _CPU_GRAD = "batch_norm:fused_batch_norm", "batch_norm:fused_batch_norm_grad"


# --- the reference ----------------------------------------------------------------------------------

def _axes(data_format):
    """The axes of one channel's elements, and the shape that puts a vector of channels along its axis."""
    return ((0, 2, 3), (1, -1, 1, 1)) if data_format == "NCHW" else ((0, 1, 2), (1, 1, 1, -1))


def _mean(x, axes):
    """The mean, NaN of nothing: np.mean would warn of that."""
    return np.true_divide(x.sum(axes), np.prod([x.shape[a] for a in axes]))


def _normalised(x, scale, offset, mean, variance, epsilon, data_format, is_training):
    """y, the mean and the unbiased variance to keep, and the mean and variance that the gradient needs."""
    axes, along = _axes(data_format)
    wide = x.astype(np.float64)
    count = int(np.prod([x.shape[a] for a in axes]))
    if is_training:
        used_mean = _mean(wide, axes)
        used_variance = _mean(np.square(wide - used_mean.reshape(along)), axes)
        kept = used_mean, used_variance * count / max(count - 1, 1)
    else:
        used_mean, used_variance = mean.astype(np.float64), variance.astype(np.float64)
        kept = mean, variance
    inverse = scale.astype(np.float64) / np.sqrt(used_variance + epsilon)
    y = (wide - used_mean.reshape(along)) * inverse.reshape(along) + offset.astype(np.float64).reshape(along)
    return (y.astype(x.dtype),) + tuple(v.astype(scale.dtype) for v in (*kept, used_mean, used_variance))


def _gradients(dy, x, scale, mean, variance, epsilon, data_format, is_training):
    axes, along = _axes(data_format)
    dy_wide, centred = dy.astype(np.float64), x.astype(np.float64) - mean.reshape(along)
    inverse = 1 / np.sqrt(variance.astype(np.float64) + epsilon)
    unit = centred * inverse.reshape(along)
    if is_training:
        rest = dy_wide - _mean(dy_wide, axes).reshape(along) - unit * _mean(dy_wide * unit, axes).reshape(along)
    else:
        rest = dy_wide
    dx = rest * (scale * inverse).reshape(along)
    return tuple(v.astype(t) for v, t in ((dx, x.dtype), ((dy_wide * unit).sum(axes), scale.dtype),
                                          (dy_wide.sum(axes), scale.dtype)))


# --- the ops ----------------------------------------------------------------------------------------

def _forward_shapes(node, x, scale, offset, mean, variance):
    if x is not None and len(x) != 4:
        raise ValueError(f"x must have rank 4, its shape is {shapes.text(x)}")
    x = (None,) * 4 if x is None else x
    axis = 1 if node.data_format == "NCHW" else 3
    channels = (x[axis],)
    for name, side in (("scale", scale), ("offset", offset)) + (() if node.is_training else
                                                                (("mean", mean), ("variance", variance))):
        try:
            channels = shapes.merge(channels, side)
        except ValueError:
            raise ValueError(f"{name} has shape {shapes.text(side)}, x {shapes.text(x)} has {x[axis]} "
                             "channels") from None
    return [x[:axis] + channels + x[axis + 1:]] + [channels] * 4 + [()] * (node.type == "FusedBatchNormV3")


def _backward_shapes(node, dy, x, scale, *others):
    x = shapes.merge(dy, x) or (None,) * 4
    channels = (x[1 if node.data_format == "NCHW" else 3],)
    return [x, channels, channels, (0,), (0,)]


@define_op("FusedBatchNorm", "x: T, scale: T, offset: T, mean: T, variance: T -> y: T, batch_mean: T, "
           "batch_variance: T, reserve_space_1: T, reserve_space_2: T", T=_SINGLE, cpu=_CPU)
def fused_batch_norm_op(x, scale, offset, mean, variance, *, epsilon: float = 0.0001, data_format: str = "NHWC",
                        is_training: bool = True):
    """scale (x - mean) / sqrt(variance + epsilon) + offset per channel of [N, H, W, C].

    In training the mean and the biased variance are those of the batch, and batch_variance is the unbiased one;
    otherwise they are given. The reserve spaces hold what the gradient needs.
    """
    return _normalised(x, scale, offset, mean, variance, epsilon, data_format, is_training)


@define_op("FusedBatchNormV2", "x: T, scale: U, offset: U, mean: U, variance: U -> y: T, batch_mean: U, "
           "batch_variance: U, reserve_space_1: U, reserve_space_2: U", T=_HALF, U=_SINGLE, cpu=_CPU)
def fused_batch_norm_v2(x, scale, offset, mean, variance, *, epsilon: float = 0.0001, data_format: str = "NHWC",
                        is_training: bool = True):
    """FusedBatchNorm of float16 or float32 with float32 statistics."""
    return _normalised(x, scale, offset, mean, variance, epsilon, data_format, is_training)


@define_op("FusedBatchNormV3", "x: T, scale: U, offset: U, mean: U, variance: U -> y: T, batch_mean: U, "
           "batch_variance: U, reserve_space_1: U, reserve_space_2: U, reserve_space_3: U", T=_HALF, U=_SINGLE,
           cpu=_CPU)
def fused_batch_norm_v3(x, scale, offset, mean, variance, *, epsilon: float = 0.0001, data_format: str = "NHWC",
                        is_training: bool = True):
    """FusedBatchNormV2 with one more reserve space, which the CPU leaves at 0."""
    found = _normalised(x, scale, offset, mean, variance, epsilon, data_format, is_training)
    return (*found, np.zeros((), scale.dtype))


_GRAD_OUTPUTS = ("x_backprop: T, scale_backprop: {0}, offset_backprop: {0}, reserve_space_{1}: {0}, "
                 "reserve_space_{2}: {0}")


@define_op("FusedBatchNormGrad", "y_backprop: T, x: T, scale: T, reserve_space_1: T, reserve_space_2: T -> "
           + _GRAD_OUTPUTS.format("T", 3, 4), T=_SINGLE, cpu=_CPU_GRAD)
def fused_batch_norm_grad_op(y_backprop, x, scale, reserve_space_1, reserve_space_2, *, epsilon: float = 0.0001,
                             data_format: str = "NHWC", is_training: bool = True):
    """The gradients of FusedBatchNorm with respect to x, scale and offset."""
    found = _gradients(y_backprop, x, scale, reserve_space_1, reserve_space_2, epsilon, data_format, is_training)
    return (*found, np.zeros(0, scale.dtype), np.zeros(0, scale.dtype))


@define_op("FusedBatchNormGradV2", "y_backprop: T, x: T, scale: float32, reserve_space_1: U, reserve_space_2: U -> "
           + _GRAD_OUTPUTS.format("U", 3, 4), T=_HALF, U=_SINGLE, cpu=_CPU_GRAD)
def fused_batch_norm_grad_v2(y_backprop, x, scale, reserve_space_1, reserve_space_2, *, epsilon: float = 0.0001,
                             data_format: str = "NHWC", is_training: bool = True):
    """The gradients of FusedBatchNormV2 with respect to x, scale and offset."""
    found = _gradients(y_backprop, x, scale, reserve_space_1, reserve_space_2, epsilon, data_format, is_training)
    return (*found, np.zeros(0, scale.dtype), np.zeros(0, scale.dtype))


@define_op("FusedBatchNormGradV3", "y_backprop: T, x: T, scale: float32, reserve_space_1: U, reserve_space_2: U, "
           "reserve_space_3: U -> " + _GRAD_OUTPUTS.format("U", 4, 5), T=_HALF, U=_SINGLE, cpu=_CPU_GRAD)
def fused_batch_norm_grad_v3(y_backprop, x, scale, reserve_space_1, reserve_space_2, reserve_space_3, *,
                             epsilon: float = 0.0001, data_format: str = "NHWC", is_training: bool = True):
    """The gradients of FusedBatchNormV3 with respect to x, scale and offset."""
    found = _gradients(y_backprop, x, scale, reserve_space_1, reserve_space_2, epsilon, data_format, is_training)
    return (*found, np.zeros(0, scale.dtype), np.zeros(0, scale.dtype))


_BACKWARD = {"FusedBatchNorm": fused_batch_norm_grad_op, "FusedBatchNormV2": fused_batch_norm_grad_v2,
             "FusedBatchNormV3": fused_batch_norm_grad_v3}


def fused_batch_norm_grad(node, dy, *unused):
    """As in TensorFlow, no gradient flows through the statistics that the op gives out."""
    if node.is_training:
        saved = [node.reserve_space_1, node.reserve_space_2]
    else:
        saved = [node.mean, node.variance]
    if node.op.type == "FusedBatchNormV3":
        saved.append(node.reserve_space_3)
    found = _BACKWARD[node.op.type](dy, node.x, node.scale, *saved, **node.attrs)
    return *found[:3], None, None


def fused_batch_norm_grad_grad(node, ddx, ddscale, ddoffset, *unused):
    """With u the normalised x and r = 1 / sqrt(variance + epsilon): dx, dscale and doffset differentiated by hand.

    In training x acts through the statistics of the batch too; the saved ones stand for functions of x.
    """
    axes, along = _axes(node.data_format)
    x, dy, a = (cast.cast(t, float32) for t in (node.x, node.y_backprop, ddx))
    if node.is_training:
        mean = reduction.reduce_mean(x, axes, keepdims=True)
        centred = x - mean
        variance = reduction.reduce_mean(unary.square(centred), axes, keepdims=True)
    else:
        mean, variance = (array.reshape(t, along) for t in (node.reserve_space_1, node.reserve_space_2))
        centred = x - mean
    scale, b, c = (array.reshape(t, along) for t in (node.scale, ddscale, ddoffset))
    r = unary.rsqrt(variance + node.epsilon)
    u = centred * r
    if node.is_training:
        back_dy, back_x, back_scale = _training_second_order(axes, dy, a, b, c, scale, r, u)
    else:
        back_dy, back_x = a * scale * r + b * u + c, b * r * dy
        back_scale = reduction.reduce_sum(a * dy * r, axes)
    rest = (None,) * (len(node.inputs) - 3)
    return cast.cast(back_dy, node.T), cast.cast(back_x, node.T), back_scale, *rest


def _training_second_order(axes, dy, a, b, c, scale, r, u):
    def mean(t):
        return reduction.reduce_mean(t, axes, keepdims=True)

    a0, g0 = a - mean(a), dy - mean(dy)
    a_u, g_u = mean(a * u), mean(dy * u)
    back_dy = scale * r * (a0 - u * a_u) + b * u + c
    back_scale = reduction.reduce_sum(a * r * (g0 - u * g_u), axes)
    curvature = u * (mean(a0 * g0) - 3.0 * a_u * g_u) + g_u * a0 + a_u * g0
    return back_dy, b * r * (g0 - u * g_u) - scale * unary.square(r) * curvature, back_scale


for _op in (fused_batch_norm_op, fused_batch_norm_v2, fused_batch_norm_v3):
    _op.shape(_forward_shapes)
    _op.gradient(fused_batch_norm_grad)
for _op in _BACKWARD.values():
    _op.shape(_backward_shapes)
    _op.gradient(fused_batch_norm_grad_grad)


# --- the public functions ---------------------------------------------------------------------------

_LEAST_EPSILON = 1.001e-5                        # TensorFlow's floor, which cuDNN demands


def fused_batch_norm(x, scale, offset, mean=None, variance=None, epsilon=0.001, data_format="NHWC", is_training=True,
                     name=None):
    """Batch normalisation of [N, H, W, C] in one op.

    mean, variance : given when `is_training` is False, None otherwise
    Gives (y, batch mean, unbiased batch variance).
    """
    x = convert_to_tensor(x, name="input")
    scale = convert_to_tensor(scale, name="scale")
    offset = convert_to_tensor(offset, name="offset")
    if is_training and (mean is not None or variance is not None):
        raise ValueError("Both 'mean' and 'variance' must be None if is_training is True.")
    mean = constant.constant([]) if mean is None else mean
    variance = constant.constant([]) if variance is None else variance
    found = fused_batch_norm_v3(x, scale, offset, mean, variance, epsilon=max(epsilon, _LEAST_EPSILON),
                                data_format=data_format, is_training=is_training, name=name)
    return found[0], found[1], found[2]


def batch_normalization(x, mean, variance, offset, scale, variance_epsilon, name=None):
    """scale (x - mean) / sqrt(variance + variance_epsilon) + offset; offset and scale may be None."""
    with name_scope(name, "batchnorm", [x, mean, variance, scale, offset]):
        inverse = unary.rsqrt(variance + variance_epsilon)
        if scale is not None:
            inverse *= scale
        scaled = x * cast.cast(inverse, x.dtype)
        return scaled + cast.cast(-mean * inverse if offset is None else offset - mean * inverse, x.dtype)


def batch_norm_with_global_normalization(t=None, m=None, v=None, beta=None, gamma=None, variance_epsilon=None,
                                         scale_after_normalization=None, name=None, input=None, mean=None,
                                         variance=None):
    """`batch_normalization` with gamma used only if `scale_after_normalization` asks for it."""
    t = array._one_of("t", t, "input", input)
    m = array._one_of("m", m, "mean", mean)
    v = array._one_of("v", v, "variance", variance)
    return batch_normalization(t, m, v, beta, gamma if scale_after_normalization else None, variance_epsilon, name)
