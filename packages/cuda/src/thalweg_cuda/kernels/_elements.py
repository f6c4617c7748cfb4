"""Loops over the elements of a tensor of images or volumes, some neighbouring channels at a time."""
from ._frame import add_divisor

# V channels that lie together, from and to memory; needs the macro V.
GROUPS = r"""
template <class U, class C> __device__ inline void take(const U* from, C* to) {
  Pack<U, V> group = *(const Pack<U, V>*)from;
  for (int v = 0; v < V; v++) to[v] = (C)load(group.at[v]);
}

template <class U, class C> __device__ inline void give(U* to, const C* from) {
  Pack<U, V> group;
  for (int v = 0; v < V; v++) store(&group.at[v], from[v]);
  *(Pack<U, V>*)to = group;
}
"""

# Needs QUOTIENT, in Frame what `add` adds, and the macros V (channels at a time), RANK and CHANNELS_FIRST.
ELEMENTS = GROUPS + r"""
struct Element { int n, z, y, x, c; };

/* Group number i of V channels, in the order of memory. */
__device__ inline Element element_of(const Frame& f, uint32 i) {
  Element e;
#if CHANNELS_FIRST
  uint32 pixels = i;
#else
  uint32 pixels = quotient(i, f.ec, f.ec_multiplier, f.ec_shift);
  e.c = (i - pixels * f.ec) * V;
#endif
  uint32 rows = quotient(pixels, f.ex, f.ex_multiplier, f.ex_shift);
  uint32 planes = quotient(rows, f.ey, f.ey_multiplier, f.ey_shift);
  e.x = pixels - rows * f.ex;
  e.y = rows - planes * f.ey;
#if RANK == 3
  uint32 volumes = quotient(planes, f.ez, f.ez_multiplier, f.ez_shift);
  e.z = planes - volumes * f.ez;
#else
  uint32 volumes = planes;
  e.z = 0;
#endif
#if CHANNELS_FIRST
  e.n = quotient(volumes, f.ec, f.ec_multiplier, f.ec_shift);
  e.c = volumes - e.n * f.ec;
#else
  e.n = volumes;
#endif
  return e;
}
"""


def add(frame, layout, vector):
    """The fields that element_of reads, for a tensor of this Layout; `count` is that of the groups."""
    add_sizes(frame, layout.size, layout.channels // vector, layout.count // vector)


def add_sizes(frame, size, groups, count):
    """The same from sizes z, y, x, groups of channels and groups in all."""
    frame.add("uint32", count=count)
    for name, each in zip(("ez", "ey", "ex", "ec"), (*size, groups)):
        add_divisor(frame, name, each)


def vector_of(layout):
    """4 where channels lie together in fours, else 1."""
    return 4 if layout.c == 1 and layout.channels % 4 == 0 else 1
