"""CUDA C of depthwise convolutions: each channel c under its own filters m, result channel c M + m."""

FORWARD = r"""
/* y, V neighbouring channels at a time (V > 1: M is 1). */
extern "C" __global__ void __launch_bounds__(256) depthwise(PARAMETERS) {
  const Frame f = {ARGUMENTS};
  for (uint32 i = blockIdx.x * 256u + threadIdx.x; i < f.count; i += gridDim.x * 256u) {
    Element e = element_of(f, i);
    int c = quotient(e.c, f.M, f.M_multiplier, f.M_shift), y0 = e.y * f.step_y - f.before_y,
        x0 = e.x * f.step_x - f.before_x;
    T sum[V];
    for (int v = 0; v < V; v++) sum[v] = T();
    for (int ky = 0; ky < f.window_y; ky++) {
      int row = y0 + ky * f.dilation_y;
      if ((uint32)row >= (uint32)f.in_y) continue;
      for (int kx = 0; kx < f.window_x; kx++) {
        int column = x0 + kx * f.dilation_x;
        if ((uint32)column >= (uint32)f.in_x) continue;
        T x[V], w[V];
        take(f.x + ((INDEX)e.n * f.x_n + (INDEX)row * f.x_y + (INDEX)column * f.x_x + (INDEX)c * f.x_c), x);
        take(f.w + ((ky * f.window_x + kx) * f.channels + e.c), w);
        for (int v = 0; v < V; v++) sum[v] += x[v] * w[v];
      }
    }
    INDEX at = (INDEX)i * V;
    for (int v = 0; v < V; v++) sum[v] = finished(f, sum[v], column_of(f, e.c + v), at + v);
    give(f.y + at, sum);
  }
}
"""

IMAGE_GRADIENT = r"""
/* dx: of each tap that has met this position, and each filter of the channel. */
extern "C" __global__ void __launch_bounds__(256) image_gradient(PARAMETERS) {
  const Frame f = {ARGUMENTS};
  for (uint32 i = blockIdx.x * 256u + threadIdx.x; i < f.count; i += gridDim.x * 256u) {
    Element e = element_of(f, i);
    T sum[V];
    for (int v = 0; v < V; v++) sum[v] = T();
    for (int ky = 0; ky < f.window_y; ky++) {
      int row = e.y + f.before_y - ky * f.dilation_y;
      if (row < 0) break;
      int oy = quotient(row, f.step_y, f.step_y_multiplier, f.step_y_shift);
      if (oy * (int)f.step_y != row || oy >= f.out_y) continue;
      for (int kx = 0; kx < f.window_x; kx++) {
        int column = e.x + f.before_x - kx * f.dilation_x;
        if (column < 0) break;
        int ox = quotient(column, f.step_x, f.step_x_multiplier, f.step_x_shift);
        if (ox * (int)f.step_x != column || ox >= f.out_x) continue;
        INDEX from = (INDEX)e.n * f.y_n + (INDEX)oy * f.y_y + (INDEX)ox * f.y_x + (INDEX)e.c * (int)f.M * f.y_c;
        for (int m = 0; m < (int)f.M; m++) {
          T dy[V], w[V];
          take(f.dy + (from + (INDEX)m * f.y_c), dy);
          take(f.w + ((ky * f.window_x + kx) * f.channels + e.c * (int)f.M + m), w);
          for (int v = 0; v < V; v++) sum[v] += dy[v] * w[v];
        }
      }
    }
    give(f.dx + (INDEX)i * V, sum);
  }
}
"""

FILTER_GRADIENT = r"""
/* Sums over the places of slice blockIdx.z, of tap blockIdx.y and LANES result channels from LANES blockIdx.x on. */
extern "C" __global__ void __launch_bounds__(256) filter_gradient(PARAMETERS) {
  const Frame f = {ARGUMENTS};
  __shared__ T sums[256];
  int channel = blockIdx.x * LANES + threadIdx.x % LANES, c = quotient(channel, f.M, f.M_multiplier, f.M_shift);
  int ky = blockIdx.y / f.window_x, kx = blockIdx.y - ky * f.window_x;
  uint32 begin = blockIdx.z * f.slice, end = f.places - begin < f.slice ? f.places : begin + f.slice;
  T sum = T();
  if (channel < f.channels)
    for (uint32 place = begin + threadIdx.x / LANES; place < end; place += 256 / LANES) {
      uint32 rows = quotient(place, f.ox, f.ox_multiplier, f.ox_shift);
      int n = quotient(rows, f.oy, f.oy_multiplier, f.oy_shift), oy = rows - n * f.oy, ox = place - rows * f.ox;
      int row = oy * f.step_y - f.before_y + ky * f.dilation_y;
      int column = ox * f.step_x - f.before_x + kx * f.dilation_x;
      if ((uint32)row >= (uint32)f.in_y || (uint32)column >= (uint32)f.in_x) continue;
      sum += (T)load(f.x[(INDEX)n * f.x_n + (INDEX)row * f.x_y + (INDEX)column * f.x_x + (INDEX)c * f.x_c]) *
             (T)load(f.dy[(INDEX)n * f.y_n + (INDEX)oy * f.y_y + (INDEX)ox * f.y_x + (INDEX)channel * f.y_c]);
    }
  sums[threadIdx.x] = sum;
  for (int half = 128; half >= LANES; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
  }
  if (threadIdx.x < LANES && channel < f.channels)
    f.partial[((uint64)blockIdx.z * gridDim.y + blockIdx.y) * f.channels + channel] = sums[threadIdx.x];
}

/* dw: the sums of all slices, in order. */
extern "C" __global__ void __launch_bounds__(256) add_slices(PARAMETERS) {
  const Frame f = {ARGUMENTS};
  for (uint32 i = blockIdx.x * 256u + threadIdx.x; i < f.count; i += gridDim.x * 256u) {
    W sum = W();
    for (int s = 0; s < f.slices; s++) sum += (W)f.partial[(uint64)s * f.count + i];
    store(f.dw + i, (T)sum);
  }
}
"""
