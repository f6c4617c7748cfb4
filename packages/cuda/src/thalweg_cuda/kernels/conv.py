"""Convolutions: implicit products by tiles, and depthwise ones directly."""
from thalweg_cuda.work import Unsupported, Work, input_, output

from . import _by_cublaslt, _by_cudnn, _by_im2col, _epilogue, _rivals, kernel
from ._correlation import commands, filter_gradient, forward, groups_of, image_gradient
from ._windows import conv_windows
from .prelude import ctype

_TAKEN = {"float", "double", "half", "bfloat16"}


@kernel("Conv2D", "Conv3D")
def convolution(request, target):
    """Any window, stride, dilation, padding and data format; filters over groups of channels."""
    return _forward(request, target, None)


@kernel("_FusedConv2D")
def fused_convolution(request, target):
    """Conv2D, then `fused_ops`."""
    check_channels_last(request)
    return _forward(request, target, _epilogue.of(request, 2))


def _forward(request, target, epilogue):
    x, filters = request.in_shapes[:2]
    w = conv_windows(request, x, filters, request.out_shapes[0])
    groups = groups_of(request, w.x.channels, filters, w.y.channels)
    dtype = float_type(request)
    product = forward(dtype, w, filters, groups, input_(0), input_(1), output(), epilogue)
    rivals = _rivals_of(request, "forward", w, filters, dtype, target, [product], epilogue)
    return _rivals.best(request, target, rivals, Work(*commands([product], target)))


@kernel("Conv2DBackpropInput", "Conv3DBackpropInputV2")
def convolution_image_gradient(request, target):
    """(input_sizes, filter, out_backprop): the sizes are those of the result, which are known."""
    filters, dy = request.in_shapes[1:]
    w = conv_windows(request, request.out_shapes[0], filters, dy)
    groups = groups_of(request, w.x.channels, filters, w.y.channels)
    dtype = float_type(request)
    products, is_partial = image_gradient(dtype, w, filters, groups, input_(1), input_(2), output())
    zeroed = is_partial * w.x.count * dtype.nbytes
    rivals = _rivals_of(request, "image", w, filters, dtype, target, products, zeroed=zeroed)
    return _rivals.best(request, target, rivals, Work(*commands(products, target, zeroed)))


@kernel("Conv2DBackpropFilter", "Conv3DBackpropFilterV2")
def convolution_filter_gradient(request, target):
    """(input, filter_sizes, out_backprop)."""
    filters = request.out_shapes[0]
    w = conv_windows(request, request.in_shapes[0], filters, request.in_shapes[2])
    groups = groups_of(request, w.x.channels, filters, w.y.channels)
    dtype = float_type(request)
    product = filter_gradient(dtype, w, filters, groups, input_(0), input_(2), output())
    rivals = _rivals_of(request, "filter", w, filters, dtype, target, [product])
    return _rivals.best(request, target, rivals, Work(*commands([product], target)))


def _rivals_of(request, direction, w, filters, dtype, target, products, epilogue=None, zeroed=0):
    """What cuDNN makes of it, and cuBLASLt where it is a product of matrices, or of windows written out as one."""
    by_cublaslt = _by_cublaslt.works(request, products[0], target) if len(products) == 1 else []
    return [*by_cublaslt, *_by_cudnn.works(request, direction, w, filters, dtype, target, epilogue),
            *_by_im2col.works(request, products, target, zeroed)]


def float_type(request):
    """The CType of the result, a float."""
    dtype = ctype(request.op_type, request.out_dtypes[0])
    if dtype.storage not in _TAKEN:
        raise Unsupported(f"{request.op_type} on CUDA takes floats, not {dtype.storage}")
    return dtype


def check_channels_last(request):
    """Fused ops are those of channels-last graphs."""
    if request.attrs.get("data_format", "NHWC") not in ("NHWC", "NDHWC"):
        raise Unsupported(f"{request.op_type} on CUDA: data_format {request.attrs['data_format']!r} with fused_ops")
