"""Pooling and its gradients, in two and three dimensions, of either data format."""
from thalweg.devices import KernelRequest
from thalweg_cuda.work import Fill, Flag, Launch, Source, Unsupported, Work, input_, output, workspace

from . import _elements, _flags, kernel
from . import _pooling_text as text
from ._frame import Frame, add_divisor, defines
from ._geometry import NOTHING, QUOTIENT, grid_stride
from ._windows import is_channels_first, spatial, windows
from .prelude import PRELUDE, ctype

_FLOATS = {"float", "double", "half", "bfloat16"}
# the lowest finite number of a dtype
_LOWEST = {"float": "-3.402823466e+38f", "double": "-1.7976931348623157e308", "half": "-65504.0f",
           "bfloat16": "-3.3895313892515355e38f", "int8": "-128", "int16": "-32768", "int32": "(-2147483647 - 1)",
           "int64": "(-9223372036854775807ll - 1)", "uint8": "0", "uint16": "0", "uint32": "0", "uint64": "0"}


@kernel("MaxPool", "MaxPool3D")
def max_pool(request, target):
    """As in TensorFlow the maximum starts from the lowest finite number in images, from minus infinity in volumes."""
    request = _channels_as_rows(request)
    job = _Job(request, target, request.in_shapes[0], request.out_shapes[0], output(), x=input_(0), y=output())
    lowest = "float_of(0xff800000u)" if request.op_type == "MaxPool3D" else _LOWEST[job.dtype.storage]
    return job.work(job.launch("pool", defines(LOWEST=f"((T){lowest})") + text.MAX))


@kernel("AvgPool", "AvgPool3D")
def avg_pool(request, target):
    """The mean of each window, padding left out."""
    request = _channels_as_rows(request)
    job = _Job(request, target, request.in_shapes[0], request.out_shapes[0], output(), x=input_(0), y=output())
    return job.work(job.launch("pool", text.MEAN))


@kernel("AvgPoolGrad", "AvgPool3DGrad")
def avg_pool_grad(request, target):
    """(orig_input_shape, grad)."""
    request = _channels_as_rows(request)
    job = _Job(request, target, request.out_shapes[0], request.in_shapes[1], output(), over_x=True, dy=input_(1),
               dx=output())
    return job.work(job.launch("pool", text.MEAN_GRADIENT))


@kernel("MaxPoolGrad", "MaxPool3DGrad")
def max_pool_grad(request, target):
    """(orig_input, orig_output, grad): to the first of equal elements, which is found once for each window."""
    request = _channels_as_rows(request)
    shapes = request.in_shapes[0], request.in_shapes[2]
    finding = _Job(request, target, *shapes, workspace(), x=input_(0))
    number = "uint8" if finding.w.taps <= 256 else "int32"
    gathering = _Job(request, target, *shapes, output(), over_x=True, dy=input_(2), dx=output())
    for job in finding, gathering:
        job.frame.add(f"{number}*", numbers=workspace())
    head = defines(NUMBER=number)
    return gathering.work(finding.launch("number", head + _first(request) + text.NUMBERS),
                          gathering.launch("gather", head + text.MAX_GRADIENT),
                          nbytes=finding.w.y.count * (1 if number == "uint8" else 4))


@kernel("MaxPoolGradGrad", "MaxPool3DGradGrad")
def max_pool_grad_grad(request, target):
    """(orig_input, orig_output, grad), the last of the input's shape."""
    request = _channels_as_rows(request)
    job = _Job(request, target, request.in_shapes[0], request.out_shapes[0], output(), x=input_(0), grad=input_(2),
               y=output())
    return job.work(job.launch("pool", _first(request) + text.MAX_GRADIENT_GRADIENT))


@kernel("MaxPoolWithArgmax")
def max_pool_with_argmax(request, target):
    """Maxima, and their places in the flattened image or batch."""
    job = _Job(request, target, request.in_shapes[0], request.out_shapes[0], output(), x=input_(0), y=output())
    place = ctype(request.op_type, request.out_dtypes[1]).storage
    job.frame.add(f"{place}*", argmax=output(1))
    job.frame.add("int", numbers_batch=int(bool(request.attrs.get("include_batch_in_index", False))))
    return job.work(job.launch("pool", defines(PLACE=place) + _first(request) + text.ARGMAX))


@kernel("MaxPoolGradWithArgmax")
def max_pool_grad_with_argmax(request, target):
    """(input, grad, argmax)."""
    job = _Job(request, target, request.in_shapes[0], request.in_shapes[1], output(), over_x=True, vector=1,
               dy=input_(1), dx=output())
    _add_argmax(job, request, input_(2))
    job.frame.add("int*", strays=workspace())
    job.frame.add("uint32", places=job.w.y.count, channels=max(job.w.x.channels, 1))
    body = _flags.FLAG + text.ARGMAX_GRADIENT
    if not job.w.y.count or not job.w.x.count:
        return job.work(Fill(output(), job.w.x.count * job.dtype.nbytes) if job.w.x.count else None)
    examine = job.launch("examine", body, job.w.y.count)
    strays = examine._replace(entry="add_strays", grid=(1,), block=(1,))
    return job.work(Fill(workspace(), 4), examine, job.launch("gather", body), strays, nbytes=4)


@kernel("MaxPoolGradGradWithArgmax")
def max_pool_grad_grad_with_argmax(request, target):
    """(input, grad, argmax), grad of the input's shape."""
    job = _Job(request, target, request.in_shapes[0], request.out_shapes[0], output(), vector=1, grad=input_(1),
               y=output())
    _add_argmax(job, request, input_(2))
    return job.work(job.launch("pool", _flags.FLAG + text.ARGMAX_GRADIENT_GRADIENT))


def _channels_as_rows(r):
    """A request for windows over channels alone as one for windows over the height or width of other images."""
    ksize, strides, is_first = r.attrs["ksize"], r.attrs["strides"], is_channels_first(r.attrs.get("data_format", ""))
    channels, axes = (1, (2, 3)) if is_first else (3, (1, 2))
    if len(ksize) != 4 or ksize[channels] == strides[channels] == 1 or any(ksize[k] * strides[k] != 1 for k in axes):
        return r

    def shape(of):
        if len(of) != 4:                                     # of the shape itself, which AvgPoolGrad gets
            return of
        n, *rest = of
        return (n, rest[0], 1, rest[1] * rest[2]) if is_first else (1, n * rest[0] * rest[1], rest[2], 1)
    window, step = ((1, v, 1, 1) if is_first else (1, 1, v, 1) for v in (ksize[channels], strides[channels]))
    return KernelRequest(r.op_type, {**r.attrs, "ksize": window, "strides": step, "data_format": "NHWC"},
                         map(shape, r.in_shapes), map(shape, r.out_shapes), r.in_dtypes, r.out_dtypes, r.values,
                         r.declaration, r.name)


def _add_argmax(job, request, operand):
    job.frame.add(f"const {ctype(request.op_type, request.in_dtypes[2]).storage}*", argmax=operand)
    job.frame.add("int64*", flag=Flag(lambda words: f"{request.op_type}: argmax names an element outside"))
    job.frame.add("int64", elements=job.w.x.count)
    job.frame.add("int", numbers_batch=int(bool(request.attrs.get("include_batch_in_index", False))))


def _first(request):
    return defines(IGNORES_NAN=request.op_type.startswith("MaxPool3D")) + text.FIRST


class _Job:
    """Windows of x that give y, and the Frame of a loop over the elements of y, or of x where `over_x`."""

    def __init__(self, request, target, x_shape, y_shape, result, over_x=False, vector=None, **operands):
        self.dtype, self.target = _dtype(request), target
        rank, data_format = len(x_shape) - 2, request.attrs.get("data_format") or "NHWC"
        self.w = w = windows(request, x_shape, y_shape, spatial(request, "ksize", data_format, rank),
                             spatial(request, "strides", data_format, rank), (1, 1, 1))
        if w.x.channels != w.y.channels or max(w.x.count, w.y.count) >= 1 << 31:
            raise Unsupported(f"{request.op_type} on CUDA: windows of {x_shape} with results {y_shape}; as many "
                              "channels, and fewer than 2**31 numbers, are expected")
        over = w.x if over_x else w.y
        self.vector = _elements.vector_of(over) if vector is None else vector
        self.count = over.count // self.vector
        self.head = defines(V=self.vector, RANK=rank, CHANNELS_FIRST=is_channels_first(data_format))
        self.frame = _frame(w)
        _elements.add(self.frame, over, self.vector)
        for name, operand in operands.items():
            is_result = operand == result
            self.frame.add(f"{'' if is_result else 'const '}{self.dtype.storage}*", **{name: operand})

    def launch(self, entry, body, count=None):
        """A launch over `count` elements, by default those of the loop; None where there are none."""
        if not (self.count if count is None else count):
            return None
        grid, block = grid_stride(self.count if count is None else count, self.target)
        source = Source("".join([PRELUDE, _types(self.dtype), QUOTIENT, self.frame.declaration(), self.head,
                                 _elements.ELEMENTS, text.HEAD, body]))
        return Launch(source, entry, grid, block, self.frame.args())

    def work(self, *commands, nbytes=0):
        """The Work of these commands, those left out that have nothing to do."""
        return Work(tuple(c for c in commands if c is not None), nbytes) if any(commands) else NOTHING


def _dtype(request):
    dtype = ctype(request.op_type, request.out_dtypes[0])
    if dtype.storage not in (_FLOATS if request.op_type.startswith("Avg") else _LOWEST):
        raise Unsupported(f"{request.op_type} on CUDA: no kernel for {dtype.storage}")
    return dtype


def _types(dtype):
    """T computes, W adds up gradients; integers wrap."""
    wide = {"float": "double", "int32": "uint32", "int64": "uint64"}.get(dtype.compute, dtype.compute)
    return f"typedef {dtype.compute} T; typedef {wide} W;\n"


def _frame(w):
    frame = Frame()
    for axis, letter in enumerate("zyx"):
        add_divisor(frame, f"step_{letter}", w.step[axis])
        frame.add("int", **{f"before_{letter}": w.before[axis], f"window_{letter}": w.window[axis],
                            f"in_{letter}": w.x.size[axis], f"out_{letter}": w.y.size[axis]})
    for letter, layout in ("x", w.x), ("y", w.y):
        frame.add("INDEX", **{f"{letter}_{axis}": getattr(layout, axis) for axis in "nzyxc"})
    return frame
