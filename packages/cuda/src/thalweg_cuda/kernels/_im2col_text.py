"""CUDA C of im2col: windows to a matrix, and what is made of the product afterwards."""

# A factor as a dense matrix, from row `first_row` and depth `first_k` on. After _tile_text.FACTOR; @ and $ as there.
UNFOLD = r"""
extern "C" __global__ void __launch_bounds__(256) unfold(PARAMETERS) {
  const Frame f = {ARGUMENTS};
  for (uint32 i = blockIdx.x * 256u + threadIdx.x; i < f.count; i += gridDim.x * 256u) {
    uint32 line = quotient(i, f.line, f.line_multiplier, f.line_shift), along = (i - line * f.line) * $_VECTOR;
    int row = f.first_row + ($_ALONG_K ? line : along), k = f.first_k + ($_ALONG_K ? along : line);
    T v[$_VECTOR];
    @_read(f, @_row(f, row), @_depth(f, k, f.K), 0, v);
#if $_VECTOR == 4
    Pack<$_TYPE, 4> four;
#pragma unroll
    for (int j = 0; j < 4; j++) store(&four.at[j], v[j]);
    *(Pack<$_TYPE, 4>*)(f.to + (INDEX)i * 4) = four;
#else
    store(f.to + i, v[0]);
#endif
  }
}
"""

# Rows of a dense matrix to the places of windows. After _window_text.WINDOWS; V: elements at a time.
SPREAD = r"""
typedef Pack<STORAGE, V> Group;

extern "C" __global__ void __launch_bounds__(256) spread(PARAMETERS) {
  const Frame f = {ARGUMENTS};
  for (uint32 i = blockIdx.x * 256u + threadIdx.x; i < f.count; i += gridDim.x * 256u) {
    uint32 line = quotient(i, f.line, f.line_multiplier, f.line_shift);
    Coordinates c = coordinates(f, f.first_row + line);
    INDEX at = (INDEX)c.n * f.y_n + (INDEX)c.z * f.y_z + (INDEX)c.y * f.y_y + (INDEX)c.x * f.y_x;
    ((Group*)(f.y + at))[i - line * f.line] = ((const Group*)f.dense)[i];
  }
}
"""

# Sums rounded to the type of y.
NARROW = r"""
extern "C" __global__ void __launch_bounds__(256) narrow(PARAMETERS) {
  const Frame f = {ARGUMENTS};
  for (uint32 i = blockIdx.x * 256u + threadIdx.x; i < f.count; i += gridDim.x * 256u) store(f.y + i, f.sums[i]);
}
"""
