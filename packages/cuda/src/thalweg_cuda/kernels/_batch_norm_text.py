"""CUDA C of batch normalisation: sums per channel in slices of rows, their join, and a sweep over the elements.

A block takes LANES groups of V channels and 256 / LANES rows at a time. Sums are of floats for eight rows of a thread,
and of doubles beyond; all in a fixed order.
"""
from ._elements import GROUPS

# A row r of channel c, in memory; with channels first, a row is an image's pixel.
HEAD = GROUPS + r"""
#define ROW_LANES (256 / LANES)
#define ROWS 8

__device__ inline INDEX place(const Frame& f, uint32 row, int c) {
#if CHANNELS_FIRST
  uint32 image = quotient(row, f.pixels, f.pixels_multiplier, f.pixels_shift);
  return ((INDEX)image * f.channels + c) * f.pixels + (row - image * f.pixels);
#else
  return (INDEX)row * f.channels + c;
#endif
}

/* The channel of group number i in the order of memory. */
__device__ inline int channel_of(const Frame& f, uint32 i) {
#if CHANNELS_FIRST
  uint32 plane = quotient(i, f.pixels, f.pixels_multiplier, f.pixels_shift);
  return plane - quotient(plane, f.groups, f.groups_multiplier, f.groups_shift) * f.groups;
#else
  return (i - quotient(i, f.groups, f.groups_multiplier, f.groups_shift) * f.groups) * V;
#endif
}

/* Forward and gradient must agree, to the bit, in what an activation lets through. */
__device__ inline float on_line(float off, float gain, float shift) { return fmaf(off, gain, shift); }
"""

# Count, mean and sum of squares about it, joined as in Chan, Golub and LeVeque, 1979, formulas 2.1.
MOMENTS = r"""
struct Moments { double count, mean, squares; };

__device__ inline Moments joined(const Moments& a, const Moments& b) {
  double count = a.count + b.count;
  if (b.count == 0) return a;
  double away = b.mean - a.mean;
  Moments m = {count, a.mean + away * b.count / count, a.squares + b.squares};
  m.squares += away * away * a.count * b.count / count;
  return m;
}

extern "C" __global__ void __launch_bounds__(256) moments(PARAMETERS) {
  const Frame f = {ARGUMENTS};
  __shared__ Moments parts[256];
  int lane = threadIdx.x % LANES, row_lane = threadIdx.x / LANES, c = (blockIdx.x * LANES + lane) * V;
  uint32 begin = blockIdx.y * f.slice, end = f.rows - begin < f.slice ? f.rows : begin + f.slice;
  /* Numbers are taken from the first one of the channel on: a mean far from zero costs no digits. */
  float count = 0, base[V], mean[V], squares[V];
  for (int v = 0; v < V; v++) base[v] = mean[v] = squares[v] = 0;
  if (c < f.channels && begin < end) take(f.x + place(f, 0, c), base);
  if (c < f.channels)
    for (uint32 row = begin + row_lane; row < end; row += ROWS * ROW_LANES) {
      float x[ROWS][V], here = 0, sum[V];
      for (int v = 0; v < V; v++) sum[v] = 0;
#pragma unroll
      for (int r = 0; r < ROWS; r++) {
        if (row + r * ROW_LANES >= end) break;
        take(f.x + place(f, row + r * ROW_LANES, c), x[r]);
        for (int v = 0; v < V; v++) sum[v] += x[r][v] -= base[v];
        here += 1;
      }
      float total = count + here;
      for (int v = 0; v < V; v++) {
        float middle = sum[v] / here, away = middle - mean[v];
#pragma unroll
        for (int r = 0; r < ROWS; r++)
          if (r < here) squares[v] += (x[r][v] - middle) * (x[r][v] - middle);
        mean[v] += away * (here / total);
        squares[v] += away * away * (count * here / total);
      }
      count = total;
    }
#pragma unroll
  for (int v = 0; v < V; v++) {
    Moments mine = {count, (double)base[v] + mean[v], squares[v]};
    parts[threadIdx.x] = mine;
    for (int half = 128; half >= LANES; half /= 2) {
      __syncthreads();
      if (threadIdx.x < half) parts[threadIdx.x] = joined(parts[threadIdx.x], parts[threadIdx.x + half]);
    }
    if (row_lane == 0 && c < f.channels) f.parts[(uint64)blockIdx.y * f.channels + c + v] = parts[lane];
    __syncthreads();
  }
}

/* 32 channels, of each 8 threads that take every eighth slice. */
extern "C" __global__ void __launch_bounds__(256) statistics(PARAMETERS) {
  const Frame f = {ARGUMENTS};
  __shared__ Moments parts[256];
  int lane = threadIdx.x % 32, c = blockIdx.x * 32 + lane;
  Moments m = {0, 0, 0};
  if (c < f.channels)
    for (int s = threadIdx.x / 32; s < f.slices; s += 8) m = joined(m, f.parts[(uint64)s * f.channels + c]);
  parts[threadIdx.x] = m;
  for (int half = 128; half >= 32; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) parts[threadIdx.x] = joined(parts[threadIdx.x], parts[threadIdx.x + half]);
  }
  if (threadIdx.x >= 32 || c >= f.channels) return;
  m = parts[lane];
  double mean = m.count > 0 ? m.mean : (double)float_of(0x7fc00000u), variance = m.squares / m.count;
  f.mean[c] = (float)mean;
  f.variance[c] = (float)variance;
  f.batch_mean[c] = (float)mean;
  f.batch_variance[c] = (float)(m.count > 1 ? m.squares / (m.count - 1) : variance * m.count);
  f.gain[c] = (float)(load(f.scale[c]) / sqrt((double)(float)variance + f.epsilon));
  if (f.shift) f.shift[c] = load(f.offset[c]);
}
"""

# Inference: the statistics are given, and maybe given out.
GIVEN = r"""
extern "C" __global__ void __launch_bounds__(256) statistics(PARAMETERS) {
  const Frame f = {ARGUMENTS};
  int c = blockIdx.x * 256 + threadIdx.x;
  if (c >= f.channels) return;
#if GIVES_STATISTICS
  for (int k = 0; k < 2; k++) {
    f.means[k][c] = f.mean[c];
    f.variances[k][c] = f.variance[c];
  }
#endif
  f.gain[c] = (float)(load(f.scale[c]) / sqrt((double)load(f.variance[c]) + f.epsilon));
}
"""

APPLY = r"""
extern "C" __global__ void __launch_bounds__(256) apply(PARAMETERS) {
  const Frame f = {ARGUMENTS};
  for (uint32 i = blockIdx.x * 256u + threadIdx.x; i < f.count; i += gridDim.x * 256u) {
    int c = channel_of(f, i);
    float x[V];
    take(f.x + (INDEX)i * V, x);
    for (int v = 0; v < V; v++) x[v] = on_line(x[v] - f.mean[c + v], f.gain[c + v], load(f.offset[c + v]));
#if HAS_RESIDUAL
    float more[V];
    take(f.residual + (INDEX)i * V, more);
    for (int v = 0; v < V; v++) x[v] += more[v];
#endif
    if (f.is_clamped)
      for (int v = 0; v < V; v++) x[v] = x[v] < 0 ? 0 : x[v] > f.high ? f.high : x[v];       /* a NaN stays one */
    give(f.y + (INDEX)i * V, x);
  }
}
"""

# g: the sum of all addends of dy, where the activation let through.
GRADIENT = r"""
__device__ inline void gradient_at(const Frame& f, INDEX at, int c, const float* x, float* g) {
  take(f.addends[0] + at, g);
#pragma unroll
  for (int a = 1; a < ADDENDS; a++) {
    float more[V];
    take(f.addends[a] + at, more);
    for (int v = 0; v < V; v++) g[v] += more[v];
  }
#if FEATURES == 1
  float y[V];
  take(f.features + at, y);
  for (int v = 0; v < V; v++) g[v] = y[v] > 0 && y[v] <= f.high ? g[v] : 0;
#elif FEATURES == 2
  for (int v = 0; v < V; v++) {
    float y = on_line(x[v] - f.mean[c + v], f.gain[c + v], f.shift[c + v]);
    g[v] = y > 0 && y <= f.high ? g[v] : 0;
  }
#endif
}

/* Sums of g and of g (x - mean) of a slice of rows. */
extern "C" __global__ void __launch_bounds__(256) sums(PARAMETERS) {
  const Frame f = {ARGUMENTS};
  __shared__ double sums[256], products[256];
  int lane = threadIdx.x % LANES, row_lane = threadIdx.x / LANES, c = (blockIdx.x * LANES + lane) * V;
  uint32 begin = blockIdx.y * f.slice, end = f.rows - begin < f.slice ? f.rows : begin + f.slice;
  double sum[V], product[V];
  for (int v = 0; v < V; v++) sum[v] = product[v] = 0;
  if (c < f.channels)
    for (uint32 row = begin + row_lane; row < end; row += ROWS * ROW_LANES) {
      float some[V], some_products[V];
      for (int v = 0; v < V; v++) some[v] = some_products[v] = 0;
#pragma unroll
      for (int r = 0; r < ROWS; r++) {
        if (row + r * ROW_LANES >= end) break;
        INDEX at = place(f, row + r * ROW_LANES, c);
        float x[V], g[V];
        take(f.x + at, x);
        gradient_at(f, at, c, x, g);
#if KEEPS_G
        give(f.side + at, g);
#endif
        for (int v = 0; v < V; v++) some[v] += g[v], some_products[v] += g[v] * (x[v] - f.mean[c + v]);
      }
      for (int v = 0; v < V; v++) sum[v] += some[v], product[v] += some_products[v];
    }
#pragma unroll
  for (int v = 0; v < V; v++) {
    sums[threadIdx.x] = sum[v];
    products[threadIdx.x] = product[v];
    for (int half = 128; half >= LANES; half /= 2) {
      __syncthreads();
      if (threadIdx.x < half) {
        sums[threadIdx.x] += sums[threadIdx.x + half];
        products[threadIdx.x] += products[threadIdx.x + half];
      }
    }
    if (row_lane == 0 && c < f.channels) {
      double* part = f.parts + ((uint64)blockIdx.y * f.channels + c + v) * 2;
      part[0] = sums[lane];
      part[1] = products[lane];
    }
    __syncthreads();
  }
}

/* The gradients of scale and offset, and per channel what the sweep needs: factor, shift and slope. */
extern "C" __global__ void __launch_bounds__(256) join(PARAMETERS) {
  const Frame f = {ARGUMENTS};
  __shared__ double sums[256], products[256];
  int lane = threadIdx.x % 32, c = blockIdx.x * 32 + lane;
  double sum = 0, product = 0;
  if (c < f.channels)
    for (int s = threadIdx.x / 32; s < f.slices; s += 8) {
      const double* part = f.parts + ((uint64)s * f.channels + c) * 2;
      sum += part[0];
      product += part[1];
    }
  sums[threadIdx.x] = sum;
  products[threadIdx.x] = product;
  for (int half = 128; half >= 32; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) {
      sums[threadIdx.x] += sums[threadIdx.x + half];
      products[threadIdx.x] += products[threadIdx.x + half];
    }
  }
  if (threadIdx.x >= 32 || c >= f.channels) return;
  double inverse = 1 / sqrt((double)load(f.variance[c]) + f.epsilon);
  f.doffset[c] = (float)sums[lane];
  f.dscale[c] = f.rows ? (float)(products[lane] * inverse) : 0;
  f.line[c] = (float)(load(f.scale[c]) * inverse);
  f.line[f.channels + c] = f.is_training ? (float)(sums[lane] / f.rows) : 0;
  f.line[2 * f.channels + c] = f.is_training ? (float)(products[lane] * inverse * inverse / f.rows) : 0;
}

/* dx = factor (g - shift - slope (x - mean)) */
extern "C" __global__ void __launch_bounds__(256) apply(PARAMETERS) {
  const Frame f = {ARGUMENTS};
  const float *factor = f.line, *shift = f.line + f.channels, *slope = f.line + 2 * f.channels;
  for (uint32 i = blockIdx.x * 256u + threadIdx.x; i < f.count; i += gridDim.x * 256u) {
    int c = channel_of(f, i);
    INDEX at = (INDEX)i * V;
    float x[V], g[V];
    take(f.x + at, x);
#if KEEPS_G
    take(f.side + at, g);
#else
    gradient_at(f, at, c, x, g);
#endif
    for (int v = 0; v < V; v++)
      g[v] = factor[c + v] * (g[v] - shift[c + v] - slope[c + v] * (x[v] - f.mean[c + v]));
    give(f.dx + at, g);
  }
}
"""
