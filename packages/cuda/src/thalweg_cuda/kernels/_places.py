"""Rows that an index tensor names, in CUDA C: single indices, or positions in its last dimension."""
import math

import numpy as np

from thalweg_cuda.work import Unsupported

from ._flags import FLAG, MAX_DEPTH, outside
from .prelude import ctype


class Places:
    """Index tensor `k` of a request, into dimensions of `sizes`.

        f"{places.text} ... kernel(const I* indices, int64* flag, {places.parameters}) {{
             const int64 row = {places.row('indices', 'i')}; if (row < 0) tell(flag, indices, i); ..."

    Attributes
    ----------
    count : int             of places
    rows : int              that they can name
    text : str              the type I, `row_at` and `tell`
    parameters, args        what `row_at` needs of the kernel
    flag : Flag             with the CPU's words
    """

    def __init__(self, request, k, sizes, is_tuple, noun, suffix):
        shape = request.in_shapes[k]
        outer, depth = (shape[:-1], shape[-1]) if is_tuple else (shape, 1)
        if depth > len(sizes):
            raise ValueError(f"{request.op_type}: positions of {depth} numbers in a tensor of {len(sizes)} dimensions")
        if depth > MAX_DEPTH:
            raise Unsupported(f"{request.op_type} on CUDA: positions of {depth} numbers, at most {MAX_DEPTH}")
        self.count, self.depth, self.rows = math.prod(outer), depth, math.prod(sizes[:depth])
        self.flag = outside(noun, shape, suffix, depth if is_tuple else None)
        self.parameters = ", ".join(f"int64 place_size{d}, int64 place_step{d}" for d in range(depth))
        self.args = tuple(np.int64(v) for d in range(depth) for v in (sizes[d], math.prod(sizes[d + 1:depth])))
        self.text = self._text(ctype(request.op_type, request.in_dtypes[k]).storage)

    def _text(self, index_type):
        checks = "\n".join(
            f"  const int64 number{d} = indices[i * {self.depth} + {d}];\n"
            f"  if (number{d} < 0 || number{d} >= place_size{d}) return -1;\n"
            f"  row += number{d} * place_step{d};" for d in range(self.depth))
        told = " ".join(f"flag[{2 + d}] = indices[i * {self.depth} + {d}];" for d in range(self.depth))
        parameters = f", {self.parameters}" if self.parameters else ""
        return f"""{FLAG}
typedef {index_type} I;
/* The row that place i names, -1 if it lies outside. */
__device__ inline int64 row_at(const I* indices, int64 i{parameters}) {{
  int64 row = 0;
{checks}
  return row;
}}
__device__ inline void tell(int64* flag, const I* indices, int64 i) {{
  if (claim(flag, 1)) {{ flag[1] = i; {told} }}
}}
"""

    def row(self, indices, i):
        """The expression for the row of place i."""
        rest = "".join(f", place_size{d}, place_step{d}" for d in range(self.depth))
        return f"row_at({indices}, {i}{rest})"
