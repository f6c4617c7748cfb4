"""Local response normalisation across channels (AlexNet, section 3.3)."""
import numpy as np

from thalweg.framework import shapes
from thalweg.framework.declaration import define_op
from thalweg.framework.dtypes import float16, float32

from ._reference import widened

_TYPES = (float16, float32)


def _neighbours(x, radius):
    """Sums over the channels within `radius` of each channel, formed in float64."""
    running = np.concatenate([np.zeros(x.shape[:-1] + (1,)), np.cumsum(x.astype(np.float64), -1)], -1)
    channels = np.arange(x.shape[-1])
    last = np.minimum(channels + radius + 1, x.shape[-1])
    return running[..., last] - running[..., np.maximum(channels - radius, 0)]


def _rank_4(node, x, *others):
    if x is not None and len(x) != 4:
        raise ValueError(f"the input must have rank 4, its shape is {shapes.text(x)}")
    for other in others:
        x = shapes.merge(x, other)
    return x if x is not None else (None,) * 4


@define_op("LRN", "input: T -> output: T", T=_TYPES, cpu="lrn:lrn")
@widened
def lrn_op(input, *, depth_radius=5, bias=1.0, alpha=1.0, beta=0.5):
    """input / (bias + alpha s)^beta with s the sum of squares over the channels within `depth_radius`."""
    scale = bias + alpha * _neighbours(np.square(input, dtype=np.float64), depth_radius)
    return (input * scale ** -beta).astype(input.dtype)


@lrn_op.gradient
def lrn_grad(node, dy):
    return lrn_grad_op(dy, node.input, node.output, **node.attrs)


@define_op("LRNGrad", "input_grads: T, input_image: T, output_image: T -> output: T", T=_TYPES, cpu="lrn:lrn_grad")
@widened
def lrn_grad_op(input_grads, input_image, output_image, *, depth_radius=5, bias=1.0, alpha=1.0, beta=0.5):
    """The gradient of LRN: dy s^-beta - 2 alpha beta x * neighbours(dy y / s), s as in LRN."""
    scale = bias + alpha * _neighbours(np.square(input_image, dtype=np.float64), depth_radius)
    shared = _neighbours(input_grads * output_image / scale, depth_radius)
    return (input_grads * scale ** -beta - 2 * alpha * beta * input_image * shared).astype(input_image.dtype)


lrn_op.shape(_rank_4)
lrn_grad_op.shape(_rank_4)
lrn_grad_op.no_gradient("TensorFlow has none either; the second derivative of LRN is not used in practice",
                        refuses=True)


def local_response_normalization(input, depth_radius=5, bias=1.0, alpha=1.0, beta=0.5, name=None):
    """Divides each element of [N, H, W, C] by (bias + alpha s)^beta, s the sum of the squares of its neighbours:
    the channels within `depth_radius`."""
    return lrn_op(input, depth_radius=depth_radius, bias=bias, alpha=alpha, beta=beta, name=name)
