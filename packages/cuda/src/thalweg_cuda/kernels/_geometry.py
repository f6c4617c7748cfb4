"""Sizes of launches, and how a kernel finds its way from the number of an element to its place in memory.

The text of a kernel depends on the rank and on the class of the index type only; sizes are arguments. A division by a
size is a multiplication and a shift where 32 bits hold all places, so that decomposing an index costs little.
"""
import math
from typing import NamedTuple

import numpy as np

from thalweg_cuda.work import Work

THREADS = 256                    # of a block, where nothing speaks for another number
_WAVES = 8                       # blocks per multiprocessor of a grid-stride loop: 2048 threads of it, all resident
_LARGEST_32 = 2 ** 31 - 1        # places are below: sums of two offsets do not wrap around

NOTHING = Work(())               # what a kernel does for an empty result


class Index(NamedTuple):
    """The type of indices: its name in a text and its scalars as arguments."""

    name: str
    scalar: type


INDEX32, INDEX64 = Index("uint32", np.uint32), Index("uint64", np.uint64)

# n / d with `multiplier, shift` of multiplier_of(d), for n < 2^31
QUOTIENT = """
__device__ inline uint32 quotient(uint32 n, uint32 d, uint32 multiplier, uint32 shift) {
  return ((uint32)((uint64)n * multiplier >> 32) + n) >> shift;
}
__device__ inline uint64 quotient(uint64 n, uint64 d, uint32 multiplier, uint32 shift) { return n / d; }
"""


def index_for(*counts):
    """The narrower index type that holds these numbers of elements."""
    return INDEX32 if max(counts, default=0) <= _LARGEST_32 else INDEX64


def multiplier_of(d):
    """(multiplier, shift) with n / d = (high word of n * multiplier, plus n) >> shift for 0 <= n < 2^31, d >= 1.

    Source: Granlund and Montgomery, Division by Invariant Integers using Multiplication, 1994, figure 4.1.
    """
    if d > _LARGEST_32:
        return 0, 0                                  # quotient() of 64 bits divides
    shift = (d - 1).bit_length()
    return (2 ** 32 * (2 ** shift - d)) // d + 1, shift


def ceil_div(n, d):
    """n / d, rounded up."""
    return -(-n // d)


def grid_stride(n, target, per_thread=1, threads=THREADS):
    """(grid, block) of a grid-stride loop over n >= 1 elements, `per_thread` of them in a step."""
    blocks = ceil_div(n, threads * per_thread)
    return (max(1, min(blocks, target.multiprocessors * _WAVES)),), (threads,)


def dense_strides(shape):
    """Steps in elements of a contiguous tensor."""
    return tuple(math.prod(shape[i + 1:]) for i in range(len(shape)))


def broadcast_strides(shape, out_shape):
    """Steps in elements of a contiguous tensor that is read as if it had `out_shape`: 0 along what is repeated."""
    lead = len(out_shape) - len(shape)
    steps = dense_strides(shape)
    return (0,) * lead + tuple(0 if size == 1 else step for size, step in zip(shape, steps))


def collapse(shape, *strides):
    """The same places with as few dimensions as can be: (shape, strides...), outermost first.

    Dimensions of one element are dropped, and neighbours joined where all operands step through both as through one.
    A scalar has shape ().
    """
    sizes, steps = [], [[] for _ in strides]
    for axis, size in enumerate(shape):
        if size == 1:
            continue
        if sizes and all(of[-1] == given[axis] * size for of, given in zip(steps, strides)):
            sizes[-1] *= size
            for of, given in zip(steps, strides):
                of[-1] = given[axis]
        else:
            sizes.append(size)
            for of, given in zip(steps, strides):
                of.append(given[axis])
    return (tuple(sizes), *(tuple(of) for of in steps))


class Walk:
    """From the number of an element to the offsets of several operands, for a collapsed shape.

        walk = Walk(sizes, [x_strides, y_strides], index)
        f"... kernel(const T* x, T* y, {walk.parameters}) {{ ... {walk.offsets('i', ['at_x', 'at_y'])} x[at_x] ..."
        Launch(..., args=(input_(0), output(), *walk.args))

    The kernel's text needs QUOTIENT; `prefix` keeps two walks of one kernel apart. A stride may be negative.

    Attributes
    ----------
    parameters : str    of the kernel, "uint32 size1, uint32 multiplier1, ...": empty for rank 0
    args : tuple        the NumPy scalars that go with them
    """

    def __init__(self, sizes, strides, index, prefix=""):
        self.sizes, self.strides, self.index, self.prefix = tuple(sizes), [tuple(s) for s in strides], index, prefix
        parameters, self.args = [], ()
        for axis, size in enumerate(self.sizes):
            if axis:
                names = (f"{index.name} {prefix}size{axis}", f"uint32 {prefix}multiplier{axis}",
                         f"uint32 {prefix}shift{axis}")
                parameters += names
                self.args += (index.scalar(size), *map(np.uint32, multiplier_of(max(1, size))))
            for k, of in enumerate(self.strides):
                parameters.append(f"{index.name} {prefix}step{k}_{axis}")
                self.args += (_wrapped(of[axis], index),)
        self.parameters = ", ".join(parameters)

    def offsets(self, number, names):
        """Statements that declare `names`, the operands' offsets of the element with this number (an expression)."""
        p, index = self.prefix, self.index.name
        if not self.sizes:
            return " ".join(f"const {index} {name} = 0;" for name in names)
        lines = [f"{index} {p}rest = {number};"]
        for axis in reversed(range(1, len(self.sizes))):
            lines.append(f"const {index} {p}next{axis} = quotient({p}rest, {p}size{axis}, {p}multiplier{axis}, "
                         f"{p}shift{axis}), {p}along{axis} = {p}rest - {p}next{axis} * {p}size{axis}; "
                         f"{p}rest = {p}next{axis};")
        lines.append(f"const {index} {p}along0 = {p}rest;")
        for k, name in enumerate(names):
            terms = [f"{p}along{axis} * {p}step{k}_{axis}" for axis in range(len(self.sizes))]
            lines.append(f"const {index} {name} = {' + '.join(terms)};")
        return " ".join(lines)


def _wrapped(step, index):
    """A step as a scalar of the index type; what is negative wraps around, and so do the sums in the kernel."""
    bits = 32 if index is INDEX32 else 64
    return index.scalar(step % 2 ** bits)
