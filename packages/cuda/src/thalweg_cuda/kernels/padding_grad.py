"""MirrorPadGrad: the mirror images folded back onto what they mirror."""
import math

from thalweg_cuda.work import Launch, Source, Work, input_, output

from . import kernel
from ._geometry import QUOTIENT, Walk, dense_strides, grid_stride, index_for
from ._margins import merged
from ._runs import fold_of, head
from ._views import constants
from .prelude import ctype

_TEXT = QUOTIENT + """
FUNCTIONS
/* Place p has up to three images: before the first element, its own, and behind the last; ~0 if there is none. */
__device__ inline INDEX image(int k, INDEX p, INDEX before, INDEX count, INDEX size) {
  if (k == 1) return before + p;
  if (k == 0) return p + 1 > EDGE && p - EDGE < before ? before - 1 - (p - EDGE) : ~(INDEX)0;
  return p + EDGE < count && 2 * count - EDGE - 1 - p < size - before ? before + 2 * count - EDGE - 1 - p : ~(INDEX)0;
}
extern "C" __global__ void fold_margins(const T* x, T* y, INDEX n, PARAMETERS) {
  for (INDEX i = (INDEX)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += (INDEX)gridDim.x * blockDim.x) {
    OFFSETS
    accumulator sum = identity();
    LOOPS
    sum = fold(sum, lift(load(x[PLACE]), 0));
    ENDS
    STORE
  }
}
"""


@kernel("MirrorPadGrad")
def mirror_pad_grad(r, target):
    """Each element gets what its images have."""
    paddings, = constants(r, 1)
    shape, n = r.out_shapes[0], math.prod(r.out_shapes[0])
    if not n:
        return Work(())
    t = ctype(r.op_type, r.in_dtypes[0])
    folding = fold_of(r, "Sum", 0)
    counts, befores, sizes = merged(shape, [p[0] for p in paddings], r.in_shapes[0], False)
    index, rank = index_for(math.prod(sizes)), range(len(counts))
    walk = Walk(counts, [], index)
    loops = "\n".join(f"for (int k{d} = 0; k{d} < 3; k{d}++) {{\n"
                      f"const INDEX image{d} = image(k{d}, along{d}, before{d}, count{d}, size_in{d});\n"
                      f"if (image{d} == ~(INDEX)0) continue;" for d in rank)
    own = ", ".join(f"INDEX before{d}, INDEX count{d}, INDEX size_in{d}, INDEX step{d}" for d in rank)
    store = "y[i].re = (R)sum.re; y[i].im = (R)sum.im;" if t.storage.startswith("complex") else \
        "store(&y[i], (C)sum);"
    text = _TEXT.replace("PARAMETERS", ", ".join([walk.parameters] * bool(walk.args) + [own]))
    text = text.replace("OFFSETS", walk.offsets("i", [])).replace("LOOPS", loops).replace("ENDS", "}" * len(counts))
    text = text.replace("PLACE", " + ".join(f"image{d} * step{d}" for d in rank)).replace("STORE", store)
    text = text.replace("EDGE", str(int(r.attrs["mode"] == "REFLECT"))).replace("FUNCTIONS", folding.text)
    begun = head(t).replace("INDEX_TYPE", index.name) + (
        f"typedef {'float' if t.storage == 'complex64' else 'double'} R;\n")
    per_dimension = [index.scalar(v) for of in zip(befores, counts, sizes, dense_strides(sizes)) for v in of]
    return Work((Launch(Source(begun + text), "fold_margins", *grid_stride(n, target),
                        (input_(0), output(), index.scalar(n), *walk.args, *per_dimension)),))
