"""CUDA C of products by tiles: y[m, n] = sum over k of a(m, k) b(k, n), whatever a and b are read from.

A block makes BM x BN elements of y. Slices of BK of both factors go through shared memory, in two buffers: the next is
fetched into registers while the current is multiplied, so that there is one barrier for a slice. A factor is read by
what a row and what a depth (a number k) contribute to an address; convolutions differ from matrices in this alone.
Sums are formed in order of k in T; where k is cut into slices, `finish` adds them up in order, in W.
"""

HEAD = r"""
#define MATRIX 0
#define PLACES_BY_TAPS 1
#define TAPS_BY_PLACES 2
#define FILTER_TAPS 3
#define RESULT_PLACES 4
#define OUTSIDE (-(1 << 30))          /* a position that no tap leads back into the image */

typedef Pack<T, 4> Quad;
"""

# T computes, W adds up the slices of k, R is the real type of both.
ARITHMETIC = {
    "real": """
__device__ inline void mad(T& sum, const T& x, const T& y) { sum += x * y; }
__device__ inline W widened(const T& x) { return (W)x; }
__device__ inline T narrowed(const W& x) { return (T)x; }
""",
    "complex": """
__device__ inline void mad(T& sum, const T& x, const T& y) {
  sum.re += x.re * y.re - x.im * y.im;
  sum.im += x.re * y.im + x.im * y.re;
}
__device__ inline T conjugate(T x) { x.im = -x.im; return x; }
__device__ inline W widened(const T& x) { W y = {x.re, x.im}; return y; }
__device__ inline T narrowed(const W& x) { T y = {(R)x.re, (R)x.im}; return y; }
__device__ inline void operator+=(W& sum, const W& x) { sum.re += x.re; sum.im += x.im; }
""",
}

# What element (row, k) of a factor is. Once for each factor: @ is "a" or "b", $ is "A" or "B".
FACTOR = r"""
struct $Part { INDEX offset; bool is_there; };
#if $_KIND == PLACES_BY_TAPS
typedef Place $Row; typedef Tap $Depth;
#elif $_KIND == TAPS_BY_PLACES
typedef Tap $Row; typedef Place $Depth;
#else
typedef $Part $Row; typedef $Part $Depth;
#endif

__device__ inline $Row @_row(const Frame& f, int row) {
#if $_KIND == PLACES_BY_TAPS
  return place_of(f, row, f.$_ROWS);
#elif $_KIND == TAPS_BY_PLACES
  return tap_of(f, row, f.$_ROWS);
#else
  $Part part = {(INDEX)row * f.@_row_stride, row < f.$_ROWS};
  return part;
#endif
}

__device__ inline $Depth @_depth(const Frame& f, int k, int end) {
#if $_KIND == PLACES_BY_TAPS
  return tap_of(f, k, end);
#elif $_KIND == TAPS_BY_PLACES
  return place_of(f, k, end);
#elif $_KIND == FILTER_TAPS
  $Part part = {0, k < end};
  if (k < end) {
    Coordinates c = tap_coordinates(f, k);
    part.offset = (INDEX)c.n * f.@_depth_stride + (INDEX)c.z * f.w_z + (INDEX)c.y * f.w_y + (INDEX)c.x * f.w_x;
  }
  return part;
#elif $_KIND == RESULT_PLACES
  $Part part = {0, k < end};
  if (k < end) {
    Coordinates c = coordinates(f, k);
    part.offset = (INDEX)c.n * f.d_n + (INDEX)c.z * f.d_z + (INDEX)c.y * f.d_y + (INDEX)c.x * f.d_x;
  }
  return part;
#else
  $Part part = {(INDEX)k * f.@_depth_stride, k < end};
  return part;
#endif
}

__device__ inline bool @_is_there(const Frame& f, const $Row& row, const $Depth& depth) {
#if $_KIND == PLACES_BY_TAPS
  return is_inside(f, row, depth);
#elif $_KIND == TAPS_BY_PLACES
  return is_inside(f, depth, row);
#else
  return row.is_there && depth.is_there;
#endif
}

__device__ inline void @_read(const Frame& f, const $Row& row, const $Depth& depth, INDEX batch, T* to) {
#pragma unroll
  for (int j = 0; j < $_VECTOR; j++) to[j] = T();
  if (!@_is_there(f, row, depth)) return;
  const $_TYPE* from = f.@ + (batch + row.offset + depth.offset);
#if $_VECTOR == 4
  Pack<$_TYPE, 4> four = *(const Pack<$_TYPE, 4>*)from;
#pragma unroll
  for (int j = 0; j < 4; j++) to[j] = $_TURN((T)load(four.at[j]));
#else
  to[0] = $_TURN((T)load(*from));
#endif
}
"""

# How a block reads slices of it, after FACTOR.
SLICES = r"""
#define $_COUNT (($_TILE * BK / $_VECTOR + THREADS - 1) / THREADS)       /* loads of a thread for a slice */
#define $_LINE (($_ALONG_K ? BK : $_TILE) / $_VECTOR)                   /* loads along the contiguous axis */
#define $_IS_FULL ($_TILE * BK / $_VECTOR % THREADS == 0)

struct $Registers { T v[$_COUNT][$_VECTOR]; };

/* Along k, a thread keeps its rows, which do not change; across, its only row. */
struct $Reader {
  $Row rows[$_ALONG_K ? $_COUNT : 1];
  INDEX batch;
};

__device__ inline void @_start(const Frame& f, $Reader& reader, int first_row) {
#pragma unroll
  for (int i = 0; i < ($_ALONG_K ? $_COUNT : 1); i++) {
    int slot = threadIdx.x + i * THREADS;
    int row = $_ALONG_K ? slot / $_LINE : slot % $_LINE * $_VECTOR;
    reader.rows[i] = @_row(f, first_row + row);
  }
}

__device__ inline void @_fetch(const Frame& f, const $Reader& reader, int k, int end, $Registers& registers) {
#if $_ALONG_K
  $Depth depth = @_depth(f, k + threadIdx.x % $_LINE * $_VECTOR, end);
#pragma unroll
  for (int i = 0; i < $_COUNT; i++)
    if ($_IS_FULL || threadIdx.x + i * THREADS < $_TILE * BK / $_VECTOR)
      @_read(f, reader.rows[i], depth, reader.batch, registers.v[i]);
#else
#pragma unroll
  for (int i = 0; i < $_COUNT; i++)
    if ($_IS_FULL || threadIdx.x + i * THREADS < $_TILE * BK / $_VECTOR)
      @_read(f, reader.rows[0], @_depth(f, k + (threadIdx.x + i * THREADS) / $_LINE, end), reader.batch,
             registers.v[i]);
#endif
}

#define $_PITCH ($_TILE + PAD)

__device__ inline void @_keep(const $Registers& registers, T* tile) {
#pragma unroll
  for (int i = 0; i < $_COUNT; i++) {
    int slot = threadIdx.x + i * THREADS;
    if (!$_IS_FULL && slot >= $_TILE * BK / $_VECTOR) break;
    int along = slot % $_LINE * $_VECTOR, across = slot / $_LINE;
#pragma unroll
    for (int j = 0; j < $_VECTOR; j++)
      if ($_ALONG_K) tile[(along + j) * $_PITCH + across] = registers.v[i][j];
      else tile[across * $_PITCH + along + j] = registers.v[i][j];
  }
}

/* The R$ rows of this thread: groups of Q consecutive ones, so that lanes read shared memory without conflicts. */
#define R$_QUADS (R$ / Q)
__device__ inline int @_own(int lane, int i) { return i / Q * ($_TILE / R$_QUADS) + lane * Q + i % Q; }

__device__ inline void @_fragment(const T* line, int lane, T* own) {
#pragma unroll
  for (int g = 0; g < R$_QUADS; g++) {
#if Q == 4
    Quad quad = *(const Quad*)(line + @_own(lane, g * 4));
#pragma unroll
    for (int j = 0; j < 4; j++) own[g * 4 + j] = quad.at[j];
#else
#pragma unroll
    for (int j = 0; j < Q; j++) own[g * Q + j] = line[@_own(lane, g * Q + j)];
#endif
  }
}
"""

# The end of fused ops: needs T, W, and the fields of _epilogue.add_fields in Frame.
EPILOGUE = r"""
/* What column n of y is normalised and shifted by. */
struct Column { T mean, gain, shift; };

__device__ inline Column column_of(const Frame& f, int n) {
  Column c = {T(), T(), T()};
#if IS_FUSED
  c.gain = (T)1;
  if (f.scale) {
    c.gain = (T)(load(f.scale[n]) / sqrt((W)load(f.variance[n]) + (W)f.epsilon));
    c.mean = load(f.mean[n]) - (f.bias ? load(f.bias[n]) : T());
  }
  if (f.shift) c.shift = load(f.shift[n]);
#endif
  return c;
}

__device__ inline T finished(const Frame& f, T sum, const Column& c, INDEX at) {
#if IS_FUSED
  T v = (sum - c.mean) * c.gain + c.shift;
  if (f.residual) v += load(f.residual[at]);
  if (f.is_clamped) v = v < (T)0 ? (T)0 : v > (T)f.high ? (T)f.high : v;      /* a NaN stays one */
  return v;
#else
  return sum;
#endif
}
"""

RESULT = r"""
/* Where y[m, n] lies. */
__device__ inline INDEX result_row(const Frame& f, int m) {
#if Y_BY_PLACES
  Coordinates c = coordinates(f, m);
  return (INDEX)c.n * f.y_n + (INDEX)c.z * f.y_z + (INDEX)c.y * f.y_y + (INDEX)c.x * f.y_x;
#else
  return (INDEX)m * f.y_row;
#endif
}

__device__ inline void put(const Frame& f, INDEX at, const T* v, int count) {
#if Y_VECTOR == 4
  if (count == 4) {
    Pack<Y_TYPE, 4> four;
#pragma unroll
    for (int j = 0; j < 4; j++) store(&four.at[j], (Y_COMPUTE)v[j]);
    *(Pack<Y_TYPE, 4>*)(f.y + at) = four;
    return;
  }
#endif
#pragma unroll
  for (int j = 0; j < Q; j++)
    if (j < count) store(f.y + at + j * f.y_column, (Y_COMPUTE)v[j]);
}
"""

KERNELS = r"""
__device__ inline INDEX batch_offset(const Frame& f, int batch, const INDEX* strides) {
  INDEX offset = 0;
#pragma unroll
  for (int d = 3; d > 0; d--) {
    int rest = batch / f.batch_size[d];
    offset += (INDEX)(batch - rest * f.batch_size[d]) * strides[d];
    batch = rest;
  }
  return offset + (INDEX)batch * strides[0];
}

/* Neighbours in the order of blocks share rows and columns of the factors: 8 rows of tiles at a time. */
__device__ inline void first_of_tile(const Frame& f, int& m, int& n) {
  int group = 8 * f.tiles_n, of_group = blockIdx.x % group, first = blockIdx.x / group * 8;
  int rows = f.tiles_m - first < 8 ? f.tiles_m - first : 8;
  m = (first + of_group % rows) * BM;
  n = of_group / rows * BN;
}

extern "C" __global__ void __launch_bounds__(THREADS) product(PARAMETERS) {
  const Frame f = {ARGUMENTS};
  __shared__ Quad a_memory[2 * BK * A_PITCH / 4], b_memory[2 * BK * B_PITCH / 4];
  T *a_tiles = (T*)a_memory, *b_tiles = (T*)b_memory;
  int m0, n0;
  first_of_tile(f, m0, n0);
#if Y_ALONG_M
  int a_lane = threadIdx.x % (BM / RA), b_lane = threadIdx.x / (BM / RA);
#else
  int b_lane = threadIdx.x % (BN / RB), a_lane = threadIdx.x / (BN / RB);
#endif
  int begin = blockIdx.y * f.slice, end = f.K - begin < f.slice ? f.K : begin + f.slice;
  AReader a_reader; BReader b_reader;
  a_start(f, a_reader, m0);
  b_start(f, b_reader, n0);
  for (int batch = blockIdx.z; batch < f.batches; batch += gridDim.z) {
    a_reader.batch = batch_offset(f, batch, f.a_batch);
    b_reader.batch = batch_offset(f, batch, f.b_batch);
    T sums[RA][RB];
#pragma unroll
    for (int i = 0; i < RA; i++)
#pragma unroll
      for (int j = 0; j < RB; j++) sums[i][j] = T();
    ARegisters a_next; BRegisters b_next;
    a_fetch(f, a_reader, begin, end, a_next);
    b_fetch(f, b_reader, begin, end, b_next);
    __syncthreads();                                       /* the batch before is done with the tiles */
    a_keep(a_next, a_tiles);
    b_keep(b_next, b_tiles);
    __syncthreads();
    int current = 0;
    for (int k = begin; k < end; k += BK) {
      bool goes_on = k + BK < end;
      if (goes_on) {
        a_fetch(f, a_reader, k + BK, end, a_next);
        b_fetch(f, b_reader, k + BK, end, b_next);
      }
      const T *a_tile = a_tiles + current * BK * A_PITCH, *b_tile = b_tiles + current * BK * B_PITCH;
#pragma unroll
      for (int kk = 0; kk < BK; kk++) {
        T a_own[RA], b_own[RB];
        a_fragment(a_tile + kk * A_PITCH, a_lane, a_own);
        b_fragment(b_tile + kk * B_PITCH, b_lane, b_own);
#pragma unroll
        for (int i = 0; i < RA; i++)
#pragma unroll
          for (int j = 0; j < RB; j++) mad(sums[i][j], a_own[i], b_own[j]);
      }
      current ^= 1;
      if (goes_on) {
        a_keep(a_next, a_tiles + current * BK * A_PITCH);
        b_keep(b_next, b_tiles + current * BK * B_PITCH);
      }
      __syncthreads();
    }
    if (gridDim.y > 1) {
      T* partial = f.partial + ((uint64)blockIdx.y * f.batches + batch) * f.M * f.N;
#pragma unroll
      for (int i = 0; i < RA; i++)
#pragma unroll
        for (int j = 0; j < RB; j++) {
          int m = m0 + a_own(a_lane, i), n = n0 + b_own(b_lane, j);
          if (m < f.M && n < f.N) partial[(uint64)m * f.N + n] = sums[i][j];
        }
      continue;
    }
#pragma unroll
    for (int g = 0; g < RB_QUADS; g++) {
      int n = n0 + b_own(b_lane, g * Q), count = f.N - n < Q ? f.N - n : Q;
      Column columns[Q];
#pragma unroll
      for (int j = 0; j < Q; j++) if (n + j < f.N) columns[j] = column_of(f, batch * f.N + n + j);
#pragma unroll
      for (int i = 0; i < RA; i++) {
        int m = m0 + a_own(a_lane, i);
        if (m >= f.M || count <= 0) continue;
        INDEX at = (INDEX)batch * f.y_batch + result_row(f, m) + (INDEX)n * f.y_column;
        T v[Q];
#pragma unroll
        for (int j = 0; j < Q; j++)
          if (j < count) v[j] = finished(f, sums[i][g * Q + j], columns[j], at + j * f.y_column);
        put(f, at, v, count);
      }
    }
  }
}

/* y from the sums of `slices` parts of k. */
extern "C" __global__ void __launch_bounds__(256) finish(PARAMETERS) {
  const Frame f = {ARGUMENTS};
  uint64 count = (uint64)f.batches * f.M * f.N;
  for (uint64 i = blockIdx.x * 256ull + threadIdx.x; i < count; i += gridDim.x * 256ull) {
    W sum = W();
    for (int s = 0; s < f.slices; s++) sum += widened(f.partial[s * count + i]);
    uint64 row = i / f.N;
    int n = (int)(i - row * f.N), batch = (int)(row / f.M), m = (int)(row - (uint64)batch * f.M);
    INDEX at = (INDEX)batch * f.y_batch + result_row(f, m) + (INDEX)n * f.y_column;
    T v = finished(f, narrowed(sum), column_of(f, batch * f.N + n), at);
    store(f.y + at, (Y_COMPUTE)v);
  }
}
"""
