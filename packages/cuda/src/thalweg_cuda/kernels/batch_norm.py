"""Batch normalisation and its gradient, alone and with a residual and an activation."""
import math

from thalweg_cuda.work import Fill, Launch, Source, Unsupported, Work, input_, output, workspace

from . import _batch_norm_text as text
from . import _epilogue, kernel
from ._frame import Frame, add_divisor, defines
from ._geometry import NOTHING, QUOTIENT, ceil_div, grid_stride
from .prelude import PRELUDE, ctype

_HIGHEST = {"Relu": math.inf, "Relu6": 6.0}
_HIGHEST_PASSED = {"Relu": math.inf, "Relu6": 5.9999995}         # the float32 before 6
_FEW_ROWS = 64                   # rows of a thread in a slice, if there are many


@kernel("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3")
def fused_batch_norm(request, target):
    """(x, scale, offset, mean, variance), in training or with given statistics."""
    job = _Job(request, target, 0, request.in_shapes[1:3])
    if request.attrs["is_training"]:
        return job.with_third(_training(job, None, None, None))
    _check_channels(request, request.in_shapes[3:5], job.channels)
    return job.with_third(_inference(job, None, None, True))


@kernel("_FusedBatchNormEx")
def fused_batch_norm_ex(request, target):
    """(x, scale, offset, maybe a residual): training, then Add, Relu or Relu6; gain and shift are results, too."""
    job = _Job(request, target, 0, request.in_shapes[1:3])
    return job.with_third(_training(job, *_followers(request, 3), (output(6), output(7))))


@kernel("_FusedBatchNormInference")
def fused_batch_norm_inference(request, target):
    """(x, scale, offset, mean, variance, maybe a residual): given statistics, then Add, Relu or Relu6."""
    job = _Job(request, target, 0, request.in_shapes[1:5])
    return job.with_third(_inference(job, *_followers(request, 5), False))


def _followers(request, first):
    """The residual, which is input `first`, and the greatest result, of `fused_ops`; None for what is not there."""
    residual = high = None
    for name in _epilogue.names(request):
        if name == "Add" and residual is None and high is None:
            residual = input_(first)
        elif name in _HIGHEST and high is None:
            high = _HIGHEST[name]
        else:
            raise Unsupported(f"{request.op_type}: {name!r} at this place of fused_ops")
    if request.in_shapes[first:] != request.in_shapes[:1] * (residual is not None):
        raise Unsupported(f"{request.op_type}: residuals of shapes {request.in_shapes[first:]} for x of shape "
                          f"{request.in_shapes[0]}")
    return residual, high


def _training(job, residual, high, line):
    """The commands of a normalisation with the batch's own statistics; `line`: where gain and shift are kept."""
    frame, part = job.frame, 24
    gain, shift = line or (workspace(job.slices * job.channels * part), None)
    frame.add("Moments*", parts=workspace())
    frame.add("float*", batch_mean=output(1), batch_variance=output(2), mean=output(3), variance=output(4), gain=gain,
              shift=shift)
    _add_sweep(job, residual, high)
    body = defines(HAS_RESIDUAL=residual is not None) + text.MOMENTS + text.APPLY
    moments = job.launch("moments", body, job.over_slices())
    found = [moments, moments._replace(entry="statistics", grid=(ceil_div(job.channels, 32),), block=(256,))]
    return found + job.sweep(moments), job.slices * job.channels * part + 4 * job.channels * (line is None)


def _inference(job, residual, high, gives_statistics):
    """The commands of a normalisation by given statistics, and whether they are results, too."""
    job.frame.add("const float*", mean=input_(3), variance=input_(4))
    job.frame.add("float*", gain=workspace())
    if gives_statistics:
        job.frame.add("float*", means=(output(1), output(3)), variances=(output(2), output(4)))
    _add_sweep(job, residual, high)
    body = defines(HAS_RESIDUAL=residual is not None, GIVES_STATISTICS=gives_statistics) + text.GIVEN + text.APPLY
    first = job.launch("statistics", body, (ceil_div(job.channels, 256),))
    return [first, *job.sweep(first)], 4 * job.channels


def _add_sweep(job, residual, high):
    storage = job.dtype.storage
    job.frame.add("const float*", scale=input_(1), offset=input_(2))
    job.frame.add(f"const {storage}*", x=input_(0), residual=residual)
    job.frame.add(f"{storage}*", y=output())
    job.frame.add("int", is_clamped=int(high is not None))
    job.frame.add("float", high=0.0 if high is None else high)


@kernel("FusedBatchNormGrad", "FusedBatchNormGradV2", "FusedBatchNormGradV3")
def fused_batch_norm_grad(request, target):
    """(dy, x, scale, mean, variance)."""
    job = _Job(request, target, 1, request.in_shapes[2:5])
    return _gradient(job, 1, bool(request.attrs["is_training"]), 0, 0, math.inf)


@kernel("_FusedBatchNormGradEx")
def fused_batch_norm_grad_ex(request, target):
    """(addends of dy, x, scale, mean, variance, features) after a Relu or Relu6; in training."""
    attrs = request.attrs
    addends, told, activation = attrs["num_addends"], request.in_shapes[attrs["num_addends"] + 4:], attrs["activation"]
    job = _Job(request, target, addends, request.in_shapes[addends + 1:addends + 4])
    if told not in ((request.in_shapes[addends],), ((job.channels,),) * 2) or activation not in _HIGHEST_PASSED:
        raise Unsupported(f"{request.op_type}: features of shapes {told} of {activation!r} for x of shape "
                          f"{request.in_shapes[addends]}")
    return _gradient(job, addends, True, len(told), attrs["num_sides"], _HIGHEST_PASSED[activation])


def _gradient(job, addends, is_training, features, sides, high):
    """The Work for inputs addends, x, scale, mean, variance, features; outputs dx, g if `sides`, dscale, doffset."""
    if set(job.request.in_shapes[:addends]) != {job.request.in_shapes[addends]}:
        raise Unsupported(f"{job.request.op_type}: gradients of shapes {job.request.in_shapes[:addends]} for x of "
                          f"shape {job.request.in_shapes[addends]}")
    frame, storage, nbytes = job.frame, job.dtype.storage, 16 * job.slices * job.channels
    told = [input_(addends + 4 + k) for k in range(features)]
    frame.add(f"const {storage}*", addends=tuple(map(input_, range(addends))), x=input_(addends),
              features=told[0] if features == 1 else None)
    frame.add("const float*", scale=input_(addends + 1), mean=input_(addends + 2), variance=input_(addends + 3),
              **(dict(zip(("gain", "shift"), told)) if features == 2 else {}))
    frame.add(f"{storage}*", dx=output(), side=output(1) if sides else None)
    frame.add("float*", dscale=output(1 + sides), doffset=output(2 + sides), line=workspace(nbytes))
    frame.add("double*", parts=workspace())
    frame.add("int", is_training=int(is_training))
    frame.add("float", high=high)
    body = defines(ADDENDS=addends, FEATURES=features, KEEPS_G=bool(sides)) + text.GRADIENT
    sums = job.launch("sums", body, job.over_slices())
    commands = [sums, sums._replace(entry="join", grid=(ceil_div(job.channels, 32),), block=(256,)), *job.sweep(sums)]
    if not job.channels:
        return NOTHING
    return Work(tuple(commands), nbytes + 12 * job.channels, (addends,), (0,) if sides else ())


class _Job:
    """x [N, H, W, C] or [N, C, H, W] in rows and channels, cut into slices of rows, and the Frame of its kernels."""

    def __init__(self, request, target, x, statistics):
        shape, data_format = request.in_shapes[x], request.attrs.get("data_format", "NHWC")
        if len(shape) != 4 or data_format not in ("NHWC", "NCHW") or math.prod(shape) >= 1 << 31:
            raise Unsupported(f"{request.op_type} on CUDA: x of shape {shape}, {data_format!r}; four dimensions and "
                              "fewer than 2**31 numbers are expected")
        self.request, self.target = request, target
        self.dtype = ctype(request.op_type, request.in_dtypes[x])
        if self.dtype.compute != "float":
            raise Unsupported(f"{request.op_type} on CUDA takes float32, float16 and bfloat16, not "
                              f"{self.dtype.storage}")
        self.is_first = data_format == "NCHW"
        self.channels = shape[1 if self.is_first else 3]
        _check_channels(request, statistics, self.channels)
        self.rows = math.prod(shape) // self.channels if self.channels else 0
        self.vector = 4 if not self.is_first and self.channels % 4 == 0 else 1
        groups = self.channels // self.vector
        self.lanes = 1 if self.is_first else min(32, 1 << max(groups - 1, 0).bit_length())
        length = max(ceil_div(self.rows, self._wanted_slices()), 1)
        self.slices = max(ceil_div(self.rows, length), 1)                # none of them begins beyond the rows
        self.frame = Frame()
        self.frame.add("uint32", rows=self.rows, slice=length, count=self.rows * groups)
        self.frame.add("int", channels=self.channels, slices=self.slices)
        add_divisor(self.frame, "pixels", math.prod(shape[2:]) if self.is_first else 1)
        add_divisor(self.frame, "groups", groups)
        self.frame.add("double", epsilon=float(request.attrs.get("epsilon", 1e-4)))

    def _wanted_slices(self):
        """Blocks for all multiprocessors twice, as far as each thread has some rows."""
        wide = max(ceil_div(self.channels // self.vector, self.lanes), 1)
        wanted = max(2 * self.target.multiprocessors // wide, ceil_div(self.rows, 256 // self.lanes * 8 * _FEW_ROWS))
        return max(1, min(wanted, ceil_div(self.rows, 256 // self.lanes * 8), 65535))

    def over_slices(self):
        """The grid of a sum over rows."""
        return max(ceil_div(self.channels // self.vector, self.lanes), 1), self.slices

    def launch(self, entry, body, grid):
        head = defines(V=self.vector, LANES=self.lanes, CHANNELS_FIRST=self.is_first)
        moments = "struct Moments;\n" if "Moments" in body else ""
        source = Source("".join([PRELUDE, f"typedef {self.dtype.storage} X;\n", QUOTIENT, moments,
                                 self.frame.declaration(), head, text.HEAD, body]))
        return Launch(source, entry, grid, (256,), self.frame.args())

    def sweep(self, like):
        """The launch of `apply` over all elements, if there are any."""
        count = self.rows * self.channels // self.vector
        if not count:
            return []
        grid, block = grid_stride(count, self.target)
        return [like._replace(entry="apply", grid=grid, block=block)]

    def with_third(self, found):
        """The Work of commands and workspace; the third reserve space, where there is one, is 0."""
        commands, nbytes = found if self.channels else ([], 0)
        shapes = self.request.out_shapes
        third = [Fill(output(5), 4)] if len(shapes) > 5 and shapes[5] == () else []
        return Work((*commands, *third), nbytes, (0,)) if commands or third else NOTHING


def _check_channels(request, shapes, channels):
    for shape in shapes:
        if shape != (channels,):
            raise Unsupported(f"{request.op_type}: statistics of shape {shape} for {channels} channels")
