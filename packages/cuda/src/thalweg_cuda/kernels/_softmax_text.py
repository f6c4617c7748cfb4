"""The texts of softmax kernels.

A form says what a kernel reads and writes beside the logits x: `shifted` is a logit less the maximum of its row,
`total` the sum of the exponentials of these, `log_total` its logarithm. In the texts T is what is computed in, A the
type of sums, {S} the storage of T, {L} that of labels, {I} the index type, and `name@` is namef where T is float.
"""
from typing import NamedTuple

from ._functions import functions_for, of_type

THREADS = 256


class Form(NamedTuple):
    """The parts of a kernel.

    Attributes
    ----------
    name : str
    parameters : str        after x
    sizes : str             parameters after n_rows and classes
    offset : str            of element i of the row, in x
    prepare : str           statements once a row, with total and log_total
    element : str           statements for element i, with shifted; they may add to `sum`
    finish : str            statement of one thread, with the row's `sum`
    """

    name: str
    parameters: str
    sizes: str
    offset: str
    prepare: str
    element: str
    finish: str


_DENSE = "row * classes + i"

SOFTMAX = Form("softmax", "{S}* y", "", _DENSE, "", f"store(y + {_DENSE}, exp@(shifted) / (T)total);", "")

LOG_SOFTMAX = Form("log_softmax", "{S}* y", "", _DENSE, "", f"store(y + {_DENSE}, shifted - (T)log_total);", "")

CROSS_ENTROPY = Form(
    "cross_entropy", "const {S}* labels, {S}* loss, {S}* y",
    ", {I} x_row, {I} x_class, {I} labels_row, {I} labels_class", "row * x_row + i * x_class", "",
    f"""const T label = load(labels[row * labels_row + i * labels_class]);
    if (label != 0) sum += label * (log_total - (A)shifted);
    store(y + {_DENSE}, exp@(shifted) / (T)total - label);""",
    "store(loss + row, (T)sum);")

# exactly one element of the row adds to the loss
SPARSE_CROSS_ENTROPY = Form(
    "sparse_cross_entropy", "const {L}* labels, {S}* loss, {S}* y", ", int64* flag", _DENSE,
    """const {L} label = labels[row];
  const bool is_class = label >= 0 && label < ({L})classes;
  if (!is_class && claim(flag, 1)) flag[1] = row, flag[2] = label;""",
    f"""const bool is_label = ({{L}})i == label;
    if (is_label) sum = log_total - (A)shifted;
    store(y + {_DENSE}, is_class ? exp@(shifted) / (T)total - (T)is_label : (T)not_a_number());""",
    "store(loss + row, is_class ? (T)sum : (T)not_a_number());")

_COMMON = """
typedef {T} T;
typedef {A} A;
__device__ inline T larger(T a, T b) { return b > a ? b : a; }
/* All threads of the warp get the result, of the same order of operands. */
__device__ inline T warp_largest(T x) {
#pragma unroll
  for (int step = 16; step; step /= 2) x = larger(x, __shfl_xor_sync(0xffffffffu, x, step));
  return x;
}
__device__ inline A warp_sum(A x) {
#pragma unroll
  for (int step = 16; step; step /= 2) x += __shfl_xor_sync(0xffffffffu, x, step);
  return x;
}
"""

_OF_WARP = """
extern "C" __global__ void __launch_bounds__({THREADS}) {name}(const {S}* x, {parameters},
    {I} n_rows, {I} classes{sizes}) {
  const {I} row = blockIdx.x * ({I}){ROWS} + threadIdx.x / 32, lane = threadIdx.x % 32;
  if (row >= n_rows) return;                                  /* the whole warp */
  T held[{HELD}], largest = -infinity();
#pragma unroll
  for (int j = 0; j < {HELD}; j++) {
    const {I} i = lane + 32 * j;
    held[j] = i < classes ? load(x[{offset}]) : -(T)infinity();
    largest = larger(largest, held[j]);
  }
  largest = warp_largest(largest);
  A total = 0;
#pragma unroll
  for (int j = 0; j < {HELD}; j++)
    if (lane + 32 * j < classes) total += (A)exp@(held[j] - largest);
  total = warp_sum(total);
  const A log_total = log(total);
  {prepare}{start}
#pragma unroll
  for (int j = 0; j < {HELD}; j++) {
    const {I} i = lane + 32 * j;
    if (i >= classes) continue;
    const T shifted = held[j] - largest;
    {element}
  }
  {finish_warp}
}
"""

_OF_BLOCK = """
__device__ inline T block_largest(T x, T* kept) {
  x = warp_largest(x);
  if (threadIdx.x % 32 == 0) kept[threadIdx.x / 32] = x;
  __syncthreads();
  x = kept[0];
  for (int i = 1; i < {WARPS}; i++) x = larger(x, kept[i]);
  return x;
}
__device__ inline A block_sum(A x, A* kept) {
  x = warp_sum(x);
  __syncthreads();                                            /* what was there has been read */
  if (threadIdx.x % 32 == 0) kept[threadIdx.x / 32] = x;
  __syncthreads();
  x = kept[0];
  for (int i = 1; i < {WARPS}; i++) x += kept[i];
  return x;
}
extern "C" __global__ void __launch_bounds__({THREADS}) {name}(const {S}* x, {parameters},
    {I} n_rows, {I} classes{sizes}) {
  __shared__ T maxima[{WARPS}];
  __shared__ A sums[{WARPS}];
  const {I} row = blockIdx.x;
  T own = -infinity();
  A total = 0;
  for ({I} i = threadIdx.x; i < classes; i += {THREADS}) {
    const T v = load(x[{offset}]);
    if (v > own) {
      total = total * (A)exp@(own - v) + 1;
      own = v;
    } else {
      total += v == own ? (A)1 : (A)exp@(v - own);            /* minus infinity less itself would be no number */
    }
  }
  const T largest = block_largest(own, maxima);
  total = block_sum(total == 0 ? total : total * (A)exp@(own - largest), sums);
  if (largest == (T)infinity()) total = not_a_number();
  const A log_total = log(total);
  {prepare}{start}
  for ({I} i = threadIdx.x; i < classes; i += {THREADS}) {
    const T shifted = load(x[{offset}]) - largest;
    {element}
  }
  {finish_block}
}
"""


def kernel_text(form, kind, labels, held, index):
    """The text after the prelude: a warp for a row of up to 32 * held classes, or where held is 0 a block."""
    finish_warp = f"sum = warp_sum(sum);\n  if (lane == 0) {form.finish}" if form.finish else ""
    finish_block = f"sum = block_sum(sum, sums);\n  if (threadIdx.x == 0) {form.finish}" if form.finish else ""
    text = _COMMON + (_OF_WARP if held else _OF_BLOCK)
    values = {**form._asdict(), "start": "A sum = 0;" if form.finish else "",
              "finish_warp": finish_warp, "finish_block": finish_block, "S": kind.storage,
              "I": index, "L": labels or "", "T": kind.compute, "A": "float" if kind.nbytes == 2 else "double",
              "HELD": held, "THREADS": THREADS, "WARPS": THREADS // 32, "ROWS": THREADS // 32}
    for name, value in values.items():               # the form's own parts come first: they have {S}, {I} and {L}
        text = text.replace("{" + name + "}", str(value))
    text = of_type(text, kind.compute == "float")
    return functions_for(text) + text
