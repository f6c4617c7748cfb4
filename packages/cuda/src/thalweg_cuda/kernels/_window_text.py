"""CUDA C of windows for the tile kernels: from numbers of places and of their elements to addresses.

A Place is where the window of a result stands, a Tap an element of the window and a channel.
"""

# Needs QUOTIENT, RANK, OUTSIDE, and in Frame the fields of _correlation.Sliding.
WINDOWS = r"""
struct Place { INDEX offset; int z, y, x; };
struct Tap { INDEX offset; int z, y, x; };
struct Coordinates { int n, z, y, x; };

__device__ inline Coordinates coordinates(const Frame& f, uint32 place) {
  uint32 rows = quotient(place, f.ox, f.ox_multiplier, f.ox_shift);
  uint32 planes = quotient(rows, f.oy, f.oy_multiplier, f.oy_shift);
  Coordinates c;
  c.x = place - rows * f.ox; c.y = rows - planes * f.oy;
#if RANK == 3
  c.n = quotient(planes, f.oz, f.oz_multiplier, f.oz_shift); c.z = planes - c.n * f.oz;
#else
  c.n = planes; c.z = 0;
#endif
  return c;
}

__device__ inline Place place_of(const Frame& f, int index, int count) {
  Place p = {0, OUTSIDE, OUTSIDE, OUTSIDE};
  if (index >= count) return p;
  Coordinates c = coordinates(f, index);
  p.y = f.start_y + c.y * f.step_y; p.x = f.start_x + c.x * f.step_x;
  p.offset = (INDEX)c.n * f.x_n + (INDEX)p.y * f.x_y + (INDEX)p.x * f.x_x;
#if RANK == 3
  p.z = f.start_z + c.z * f.step_z;
  p.offset += (INDEX)p.z * f.x_z;
#else
  p.z = 0;
#endif
  return p;
}

/* Channel, then x, y, z of element number `index` of the window. */
__device__ inline Coordinates tap_coordinates(const Frame& f, uint32 index) {
  uint32 taps = quotient(index, f.depth, f.depth_multiplier, f.depth_shift);
  uint32 rows = quotient(taps, f.qx, f.qx_multiplier, f.qx_shift);
  Coordinates c;
  c.n = index - taps * f.depth; c.x = taps - rows * f.qx;
#if RANK == 3
  c.z = quotient(rows, f.qy, f.qy_multiplier, f.qy_shift); c.y = rows - c.z * f.qy;
#else
  c.z = 0; c.y = rows;
#endif
  return c;
}

__device__ inline Tap tap_of(const Frame& f, int index, int count) {
  Tap t = {0, OUTSIDE, OUTSIDE, OUTSIDE};
  if (index >= count) return t;
  Coordinates c = tap_coordinates(f, index);
  t.y = c.y * f.tap_y; t.x = c.x * f.tap_x; t.z = c.z * f.tap_z;
  t.offset = (INDEX)c.n * f.x_c + (INDEX)t.y * f.x_y + (INDEX)t.x * f.x_x;
#if RANK == 3
  t.offset += (INDEX)t.z * f.x_z;
#endif
  return t;
}

__device__ inline bool is_inside(const Frame& f, const Place& p, const Tap& t) {
  return (uint32)(p.y + t.y) < (uint32)f.size_y && (uint32)(p.x + t.x) < (uint32)f.size_x
#if RANK == 3
         && (uint32)(p.z + t.z) < (uint32)f.size_z
#endif
      ;
}
"""
