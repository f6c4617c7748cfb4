"""CUDA C of pooling. Gradients gather: a position adds up its windows in their order, so that no two threads meet."""

# BOUNDS: the window of a place, cut to the image; COVERING: the places whose windows hold a position.
HEAD = r"""
struct Box { int z0, z1, y0, y1, x0, x1; };

__device__ inline void cut(int start, int window, int size, int& from, int& to) {
  from = start > 0 ? start : 0;
  to = start + window < size ? start + window : size;
}

__device__ inline Box window_of(const Frame& f, const Element& e) {
  Box b = {0, 1, 0, 0, 0, 0};
  cut(e.y * (int)f.step_y - f.before_y, f.window_y, f.in_y, b.y0, b.y1);
  cut(e.x * (int)f.step_x - f.before_x, f.window_x, f.in_x, b.x0, b.x1);
#if RANK == 3
  cut(e.z * (int)f.step_z - f.before_z, f.window_z, f.in_z, b.z0, b.z1);
#endif
  return b;
}

/* ceil((position - window + 1) / step) to position / step, of those that there are. */
__device__ inline void cover(int position, int window, int count, uint32 step, uint32 multiplier, uint32 shift,
                             int& from, int& to) {
  int low = position - window + (int)step;
  from = low > 0 ? (int)quotient(low, step, multiplier, shift) : 0;
  to = (int)quotient(position, step, multiplier, shift) + 1;
  to = to < count ? to : count;
}

__device__ inline Box covering(const Frame& f, const Element& e) {
  Box b = {0, 1, 0, 0, 0, 0};
  cover(e.y + f.before_y, f.window_y, f.out_y, f.step_y, f.step_y_multiplier, f.step_y_shift, b.y0, b.y1);
  cover(e.x + f.before_x, f.window_x, f.out_x, f.step_x, f.step_x_multiplier, f.step_x_shift, b.x0, b.x1);
#if RANK == 3
  cover(e.z + f.before_z, f.window_z, f.out_z, f.step_z, f.step_z_multiplier, f.step_z_shift, b.z0, b.z1);
#endif
  return b;
}

__device__ inline INDEX of_x(const Frame& f, int n, int z, int y, int x, int c) {
  return (INDEX)n * f.x_n + (INDEX)z * f.x_z + (INDEX)y * f.x_y + (INDEX)x * f.x_x + (INDEX)c * f.x_c;
}
__device__ inline INDEX of_y(const Frame& f, int n, int z, int y, int x, int c) {
  return (INDEX)n * f.y_n + (INDEX)z * f.y_z + (INDEX)y * f.y_y + (INDEX)x * f.y_x + (INDEX)c * f.y_c;
}

#define EACH_PLACE(b) \
  for (int z = b.z0; z < b.z1; z++) for (int y = b.y0; y < b.y1; y++) for (int x = b.x0; x < b.x1; x++)
#define EACH_ELEMENT \
  for (uint32 i = blockIdx.x * 256u + threadIdx.x; i < f.count; i += gridDim.x * 256u)
"""

MAX = r"""
/* The maximum from LOWEST on; a NaN is none. */
extern "C" __global__ void __launch_bounds__(256) pool(PARAMETERS) {
  const Frame f = {ARGUMENTS};
  EACH_ELEMENT {
    Element e = element_of(f, i);
    Box b = window_of(f, e);
    T best[V], value[V];
    for (int v = 0; v < V; v++) best[v] = LOWEST;
    EACH_PLACE(b) {
      take(f.x + of_x(f, e.n, z, y, x, e.c), value);
      for (int v = 0; v < V; v++) best[v] = value[v] > best[v] ? value[v] : best[v];
    }
    give(f.y + (INDEX)i * V, best);
  }
}
"""

MEAN = r"""
/* Sums of rows are added up, so that the error does not grow with the window. */
extern "C" __global__ void __launch_bounds__(256) pool(PARAMETERS) {
  const Frame f = {ARGUMENTS};
  EACH_ELEMENT {
    Element e = element_of(f, i);
    Box b = window_of(f, e);
    T sum[V], row[V], value[V];
    for (int v = 0; v < V; v++) sum[v] = T();
    for (int z = b.z0; z < b.z1; z++)
      for (int y = b.y0; y < b.y1; y++) {
        for (int v = 0; v < V; v++) row[v] = T();
        for (int x = b.x0; x < b.x1; x++) {
          take(f.x + of_x(f, e.n, z, y, x, e.c), value);
          for (int v = 0; v < V; v++) row[v] += value[v];
        }
        for (int v = 0; v < V; v++) sum[v] += row[v];
      }
    T count = (T)((b.z1 - b.z0) * (b.y1 - b.y0) * (b.x1 - b.x0));
    for (int v = 0; v < V; v++) sum[v] /= count;
    give(f.y + (INDEX)i * V, sum);
  }
}
"""

MEAN_GRADIENT = r"""
extern "C" __global__ void __launch_bounds__(256) pool(PARAMETERS) {
  const Frame f = {ARGUMENTS};
  EACH_ELEMENT {
    Element e = element_of(f, i), place = e;
    Box b = covering(f, e);
    T sum[V], dy[V];
    for (int v = 0; v < V; v++) sum[v] = T();
    EACH_PLACE(b) {
      place.z = z; place.y = y; place.x = x;
      Box of = window_of(f, place);
      T count = (T)((of.z1 - of.z0) * (of.y1 - of.y0) * (of.x1 - of.x0));
      take(f.dy + of_y(f, e.n, z, y, x, e.c), dy);
      for (int v = 0; v < V; v++) sum[v] += dy[v] / count;
    }
    give(f.dx + (INDEX)i * V, sum);
  }
}
"""

# The first maximum of a window, row by row; where IGNORES_NAN, a NaN counts as minus infinity.
FIRST = r"""
__device__ inline void first_maximum(const Frame& f, const Element& e, const Box& b, T* best, int* number) {
  int k = 0;
  for (int v = 0; v < V; v++) number[v] = -1;
  for (int z = b.z0; z < b.z1; z++) for (int y = b.y0; y < b.y1; y++) for (int x = b.x0; x < b.x1; x++) {
    T value[V];
    take(f.x + of_x(f, e.n, z, y, x, e.c), value);
    k = ((z - b.z0) * (b.y1 - b.y0) + y - b.y0) * (b.x1 - b.x0) + x - b.x0;
    for (int v = 0; v < V; v++) {
#if IGNORES_NAN
      if (value[v] != value[v]) value[v] = (T)float_of(0xff800000u);
#endif
      if (number[v] < 0 || value[v] > best[v]) best[v] = value[v], number[v] = k;
    }
  }
}

/* Element number k of a cut window, as an offset of x without n and c; `pixel`: its number within the image. */
__device__ inline void position(const Frame& f, const Box& b, int k, int& z, int& y, int& x) {
  int columns = b.x1 - b.x0, rows = b.y1 - b.y0, line = k / columns;
  x = b.x0 + k - line * columns;
  z = b.z0 + line / rows;
  y = b.y0 + line % rows;
}
"""

# (orig_input, orig_output, grad): which element of its window was the maximum, for each place
NUMBERS = r"""
extern "C" __global__ void __launch_bounds__(256) number(PARAMETERS) {
  const Frame f = {ARGUMENTS};
  EACH_ELEMENT {
    Element e = element_of(f, i);
    T best[V]; int number[V];
    first_maximum(f, e, window_of(f, e), best, number);
    for (int v = 0; v < V; v++) f.numbers[(INDEX)i * V + v] = (NUMBER)number[v];
  }
}
"""

MAX_GRADIENT = r"""
extern "C" __global__ void __launch_bounds__(256) gather(PARAMETERS) {
  const Frame f = {ARGUMENTS};
  EACH_ELEMENT {
    Element e = element_of(f, i), place = e;
    Box b = covering(f, e);
    W sum[V];
    for (int v = 0; v < V; v++) sum[v] = W();
    EACH_PLACE(b) {
      place.z = z; place.y = y; place.x = x;
      Box of = window_of(f, place);
      int mine = ((e.z - of.z0) * (of.y1 - of.y0) + e.y - of.y0) * (of.x1 - of.x0) + e.x - of.x0;
      INDEX at = of_y(f, e.n, z, y, x, e.c);
      for (int v = 0; v < V; v++)
        if ((int)f.numbers[at + v] == mine) sum[v] += (W)load(f.dy[at + v]);
    }
    T dx[V];
    for (int v = 0; v < V; v++) dx[v] = (T)sum[v];
    give(f.dx + (INDEX)i * V, dx);
  }
}
"""

MAX_GRADIENT_GRADIENT = r"""
extern "C" __global__ void __launch_bounds__(256) pool(PARAMETERS) {
  const Frame f = {ARGUMENTS};
  EACH_ELEMENT {
    Element e = element_of(f, i);
    Box b = window_of(f, e);
    T best[V], y_own[V]; int number[V];
    first_maximum(f, e, b, best, number);
    for (int v = 0; v < V; v++) {
      int z, y, x;
      position(f, b, number[v], z, y, x);
      y_own[v] = load(f.grad[of_x(f, e.n, z, y, x, e.c + v)]);
    }
    give(f.y + (INDEX)i * V, y_own);
  }
}
"""

ARGMAX = r"""
extern "C" __global__ void __launch_bounds__(256) pool(PARAMETERS) {
  const Frame f = {ARGUMENTS};
  EACH_ELEMENT {
    Element e = element_of(f, i);
    Box b = window_of(f, e);
    T best[V]; int number[V];
    first_maximum(f, e, b, best, number);
    for (int v = 0; v < V; v++) {
      int z, y, x;
      position(f, b, number[v], z, y, x);
      f.argmax[(INDEX)i * V + v] = (PLACE)of_x(f, f.numbers_batch ? e.n : 0, z, y, x, e.c + v);
    }
    give(f.y + (INDEX)i * V, best);
  }
}
"""

# argmax may name any element of the image, or of the batch: `gather` takes the places whose windows hold the element
# that they name, as those of MaxPoolWithArgmax do, and `strays` adds the others one after the other, if there are any.
ARGMAX_GRADIENT = r"""
__device__ inline int64 named(const Frame& f, const Element& e, INDEX at) {
  int64 place = (int64)f.argmax[at];
  return f.numbers_batch ? place : place < 0 || place >= f.x_n ? -1 : place + (int64)e.n * f.x_n;
}

/* Element number `at` of x as numbers of its axes (channels last). */
__device__ inline Element of_number(const Frame& f, int64 at) {
  Element e;
  e.n = (int)(at / f.x_n); int rest = (int)(at - (int64)e.n * f.x_n);
  e.z = 0; e.y = rest / f.x_y; rest -= e.y * f.x_y;
  e.x = rest / f.x_x; e.c = rest - e.x * f.x_x;
  return e;
}

/* Element number i of the places, which are images (channels last). */
__device__ inline Element place_of(const Frame& f, uint32 i) {
  Element place;
  place.z = 0; place.c = i % f.channels;
  uint32 pixel = i / f.channels, row = pixel / f.out_x;
  place.x = pixel - row * f.out_x; place.n = row / f.out_y; place.y = row - place.n * f.out_y;
  return place;
}

__device__ inline bool is_own(const Frame& f, const Element& place, int64 at) {
  Element e = of_number(f, at);
  Box b = window_of(f, place);
  return e.n == place.n && e.c == place.c && b.y0 <= e.y && e.y < b.y1 && b.x0 <= e.x && e.x < b.x1;
}

extern "C" __global__ void __launch_bounds__(256) examine(PARAMETERS) {
  const Frame f = {ARGUMENTS};
  for (uint32 i = blockIdx.x * 256u + threadIdx.x; i < f.places; i += gridDim.x * 256u) {
    Element place = place_of(f, i);
    int64 at = named(f, place, i);
    if (at < 0 || at >= f.elements) claim(f.flag, 1);
    else if (!is_own(f, place, at)) atomicAdd(f.strays, 1);
  }
}

extern "C" __global__ void __launch_bounds__(256) gather(PARAMETERS) {
  const Frame f = {ARGUMENTS};
  EACH_ELEMENT {
    Element e = element_of(f, i);
    Box b = covering(f, e);
    W sum = W();
    EACH_PLACE(b) {
      INDEX at = of_y(f, e.n, z, y, x, e.c);
      if (named(f, e, at) == (int64)i) sum += (W)load(f.dy[at]);
    }
    store(f.dx + i, (T)sum);
  }
}

extern "C" __global__ void __launch_bounds__(1) add_strays(PARAMETERS) {
  const Frame f = {ARGUMENTS};
  if (!*f.strays) return;
  for (uint32 i = 0; i < f.places; i++) {
    Element place = place_of(f, i);
    int64 at = named(f, place, i);
    if (at < 0 || at >= f.elements || is_own(f, place, at)) continue;
    store(f.dx + at, (T)(load(f.dx[at]) + load(f.dy[i])));
  }
}
"""

ARGMAX_GRADIENT_GRADIENT = r"""
extern "C" __global__ void __launch_bounds__(256) pool(PARAMETERS) {
  const Frame f = {ARGUMENTS};
  EACH_ELEMENT {
    Element e = element_of(f, i);
    int64 place = (int64)f.argmax[i];
    if (!f.numbers_batch) place = place < 0 || place >= f.x_n ? -1 : place + (int64)e.n * f.x_n;
    bool is_there = place >= 0 && place < f.elements;
    if (!is_there) claim(f.flag, 1);
    store(f.y + i, is_there ? (T)load(f.grad[place]) : T());
  }
}
"""
