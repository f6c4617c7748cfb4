"""Local response normalisation and its gradient."""
import math

from thalweg_cuda.work import Launch, Source, Unsupported, Work, input_, output

from . import kernel
from ._frame import Frame, defines
from ._geometry import NOTHING, grid_stride
from .prelude import PRELUDE, ctype

# A block takes 256 numbers in a row, of one pixel or several; those around them are in shared memory, too.
_TEXT = r"""
/* The sum over the channels of its own pixel that are within `radius`; line[0] is that of number i. */
__device__ inline float neighbours(const Frame& f, const float* line, uint32 i) {
  int c = i % f.channels, low = c < f.radius ? c : f.radius, high = (int)f.channels - 1 - c;
  high = high < f.radius ? high : f.radius;
  float sum = 0;
  for (int k = -low; k <= high; k++) sum += line[k];
  return sum;
}
__device__ inline float scale_of(const Frame& f, float squares) { return f.bias + f.alpha * squares; }

extern "C" __global__ void __launch_bounds__(256) lrn(PARAMETERS) {
  const Frame f = {ARGUMENTS};
  extern __shared__ float memory[];
  const int around = (IS_GRADIENT ? 2 : 1) * f.radius, width = 256 + 2 * around;
  float *squares = memory + around, *shares = memory + width + f.radius;
  for (uint32 first = blockIdx.x * 256u; first < f.count; first += gridDim.x * 256u) {
    for (int k = threadIdx.x - around; k < 256 + around; k += 256) {
      uint32 i = first + k;                       /* wraps around before the first: is not below count then */
      float x = i < f.count ? load(f.x[i]) : 0;
      squares[k] = x * x;
    }
    __syncthreads();
    uint32 i = first + threadIdx.x;
#if IS_GRADIENT
    /* dy y / s of each neighbour, whose s takes that neighbour's own neighbours */
    for (int k = threadIdx.x - f.radius; k < 256 + f.radius; k += 256) {
      uint32 other = first + k;
      shares[k] = other < f.count ? load(f.dy[other]) * load(f.y[other]) /
                                        scale_of(f, neighbours(f, squares + k, other)) : 0;
    }
    __syncthreads();
    if (i < f.count) {
      float scale = scale_of(f, neighbours(f, squares + threadIdx.x, i));
      store(f.result + i, load(f.dy[i]) * powf(scale, -f.beta) -
                              f.slope * load(f.x[i]) * neighbours(f, shares + threadIdx.x, i));
    }
#else
    if (i < f.count)
      store(f.result + i, load(f.x[i]) * powf(scale_of(f, neighbours(f, squares + threadIdx.x, i)), -f.beta));
#endif
    __syncthreads();                              /* before the next numbers come into the memory */
  }
}
"""


@kernel("LRN")
def lrn(request, target):
    """x / (bias + alpha * sum of squares over channels within depth_radius)^beta."""
    return _work(request, target, x=input_(0), dy=None, y=None)


@kernel("LRNGrad")
def lrn_grad(request, target):
    """(dy, x, y)."""
    return _work(request, target, x=input_(1), dy=input_(0), y=input_(2))


def _work(request, target, **operands):
    shape, attrs, dtype = request.out_shapes[0], request.attrs, ctype(request.op_type, request.out_dtypes[0])
    count, radius = math.prod(shape), min(int(attrs["depth_radius"]), shape[-1])
    is_gradient = operands["dy"] is not None
    nbytes = 4 * (256 + 4 * radius + 256 + 2 * radius if is_gradient else 256 + 2 * radius)
    if radius < 0 or dtype.compute != "float" or nbytes > target.shared_bytes or count >= 1 << 31:
        raise Unsupported(f"{request.op_type} on CUDA: no kernel for {dtype.storage} of shape {shape} with "
                          f"depth_radius {attrs['depth_radius']}")
    if not count:
        return NOTHING
    frame = Frame()
    frame.add(f"const {dtype.storage}*", **operands)
    frame.add(f"{dtype.storage}*", result=output())
    frame.add("uint32", count=count, channels=shape[-1])
    frame.add("int", radius=radius)
    bias, alpha, beta = (float(attrs[name]) for name in ("bias", "alpha", "beta"))
    frame.add("float", bias=bias, alpha=alpha, beta=beta, slope=2 * alpha * beta)
    source = Source(PRELUDE + frame.declaration() + defines(IS_GRADIENT=is_gradient) + _TEXT)
    grid, block = grid_stride(count, target)
    return Work((Launch(source, "lrn", grid, block, frame.args(), nbytes),))
