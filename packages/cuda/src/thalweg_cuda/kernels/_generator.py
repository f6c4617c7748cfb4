"""The generator of elementwise kernels: an expression and how its inputs broadcast -> one launch.

A thread handles packs of `lanes` neighbouring elements in a grid-stride loop; a full pack is at most 16 bytes a load.
Inputs are read in one of four ways, which are part of the text:

    WHOLE    as the result lies: pack after pack
    ONE      a single element, read once
    PACKED   along the innermost dimension as the result, otherwise by strides: a row that is repeated
    SPREAD   one element for the whole pack, by strides: a column that is repeated

The text depends on the expression, these ways, the rank that is left when dimensions are joined, the lanes and the
width of indices. Where an address is not aligned for packs, which sizes do not tell, elements go one by one.
"""
import functools
from typing import NamedTuple

import numpy as np

from thalweg_cuda.work import Launch, Source, Unsupported, Work, input_, output

from . import _geometry as geometry
from ._expression import element_function, same_expression
from .prelude import PRELUDE, SCALARS, TYPES

WHOLE, ONE, PACKED, SPREAD = "whole", "one", "packed", "spread"

_MOST_RANK = 8                   # of what cannot be joined
_MOST_STEPS = 512                # ops in the body of the loop over packs: registers, and time to compile

PACK = """
template <class T, int n> __device__ inline bool is_aligned(const T* p) {
  return ((uint64)p & (alignof(Pack<T, n>) - 1)) == 0;
}
"""


class _Form(NamedTuple):
    """What the text of a kernel depends on, besides the expression."""

    ways: tuple
    rank: int
    lanes: int
    index: geometry.Index                       # type: ignore[assignment]
    name: str


def elementwise_work(expression, in_shapes, out_shape, target, *, constants=(), name="region", inplace=(),
                     operands=None, flag=None):
    """The Work of an expression whose inputs, contiguous, broadcast to `out_shape`.

    constants : the values of `expression.constants()`, in order
    name : of the kernel, an identifier
    inplace : inputs in whose memory output 0 may be made
    operands : where the inputs are, if not in the node's inputs one by one
    flag : Flag of an expression with checked steps
    """
    n = int(np.prod(out_shape, dtype=np.int64))
    if n == 0:
        return geometry.NOTHING
    expression = same_expression(expression)
    strides = [geometry.broadcast_strides(shape, out_shape) for shape in in_shapes]
    sizes, *steps = geometry.collapse(out_shape, *strides)
    if len(sizes) > _MOST_RANK:
        raise Unsupported(f"{name} on CUDA broadcasts over {len(sizes)} dimensions; at most {_MOST_RANK}")
    dense = geometry.dense_strides(sizes)
    walks = [any(of) and of != dense for of in steps]
    lanes = _lanes(expression, sizes, steps, any(walks))
    form = _Form(tuple(_way(of, dense, walk) for of, walk in zip(steps, walks)), len(sizes) if any(walks) else 0,
                 lanes, geometry.index_for(n), name)
    walk = _walk(form, sizes, [of for of, moves in zip(steps, walks) if moves])
    grid, block = geometry.grid_stride(n, target, lanes)
    scalars = [SCALARS[kind](value) for (_, kind), value in zip(expression.constants(), constants)]
    operands = map(input_, range(len(in_shapes))) if operands is None else operands
    args = (*operands, *map(output, range(len(expression.results))),
            form.index.scalar(n), *scalars, *([flag] if expression.has_flag else []), *walk.args)
    return Work((Launch(_source(expression, form), name, grid, block, args),), inplace=tuple(inplace))


def _way(steps, dense, walks):
    if not any(steps):
        return ONE if steps != dense else WHOLE
    if not walks:
        return WHOLE
    return PACKED if steps[-1] else SPREAD


def _lanes(expression, sizes, steps, walks):
    """Elements of a pack: 16 bytes of the widest operand, more of narrow ones; a divisor of the innermost size."""
    if element_function(expression)[1]:
        return 1
    moving = [dtype for dtype, of in zip(expression.inputs, steps) if any(of)] + list(expression.outputs)
    widths = [TYPES[dtype].nbytes for dtype in moving]
    lanes = min(8, 16 // min(widths)) if len(set(widths)) > 1 else 16 // widths[0]
    if len(moving) > 8:
        lanes = min(lanes, 16 // max(widths))                # registers: 16 bytes for each operand
    while walks and sizes[-1] % lanes or lanes * len(expression.steps) > _MOST_STEPS and lanes > 1:
        lanes //= 2
    return lanes


def _walk(form, sizes, steps):
    """How packs are found: the innermost dimension counted in packs."""
    if not form.rank:
        return geometry.Walk((), [() for _ in steps], form.index)
    packs = (*sizes[:-1], sizes[-1] // form.lanes)
    return geometry.Walk(packs, [(*of[:-1], of[-1] * form.lanes) for of in steps], form.index)


@functools.lru_cache(maxsize=1000)
def _source(expression, form):
    """The text of a kernel."""
    index, lanes = form.index.name, form.lanes
    inputs = [expression.storage(d) for d in expression.inputs]
    outputs = [expression.storage(d) for d in expression.outputs]
    moving = [k for k, way in enumerate(form.ways) if way in (PACKED, SPREAD)]
    walk = _walk(form, (lanes,) * form.rank, [(1,) * form.rank for _ in moving])
    parameters = [f"const {kind}* x{k}" for k, kind in enumerate(inputs)]
    parameters += [f"{kind}* y{k}" for k, kind in enumerate(outputs)] + [f"{index} n"]
    parameters += [f"{kind} k{j}" for j, kind in expression.constants()]
    parameters += ["int64* flag"] if expression.has_flag else []
    parameters += [walk.parameters] if form.rank else []
    once = [f"const {inputs[k]} s{k} = *x{k};" for k, way in enumerate(form.ways) if way == ONE]
    offsets = walk.offsets("p", [f"at{k}" for k in moving]) if moving else ""
    needs = [geometry.QUOTIENT if moving else "", PACK if lanes > 1 else "", element_function(expression)[0]]
    place = f"const {index} p = i / {lanes};\n    " if moving else ""
    place += f"const {index} lane = i % {lanes};\n    " if PACKED in form.ways and lanes > 1 else ""
    loop = _packs if lanes > 1 else _no_packs
    return Source("".join([PRELUDE, *needs, f"""
extern "C" __global__ void __launch_bounds__({geometry.THREADS}) {form.name}({", ".join(parameters)}) {{
  const {index} thread = blockIdx.x * ({index})blockDim.x + threadIdx.x, threads = gridDim.x * ({index})blockDim.x;
  {_lines(once, 2)}{loop(expression, form, inputs, outputs, offsets)}
  for ({index} i = done + thread; i < n; i += threads) {{
    {place}{offsets}
    element({_arguments(expression, form, "one")});
  }}
}}
"""]))


def _no_packs(expression, form, inputs, outputs, offsets):
    return f"const {form.index.name} done = 0;"


def _packs(expression, form, inputs, outputs, offsets):
    """The loop over packs, for aligned addresses."""
    index, lanes = form.index.name, form.lanes
    packed = [k for k, way in enumerate(form.ways) if way in (WHOLE, PACKED)]
    aligned = [f"is_aligned<{inputs[k]}, {lanes}>(x{k})" for k in packed]
    aligned += [f"is_aligned<{kind}, {lanes}>(y{k})" for k, kind in enumerate(outputs)]
    loads = []
    for k, way in enumerate(form.ways):
        if way in (WHOLE, PACKED):
            at = f"at{k}" if way == PACKED else f"p * {lanes}"
            loads.append(f"const Pack<{inputs[k]}, {lanes}> p{k} = *(const Pack<{inputs[k]}, {lanes}>*)(x{k} + {at});")
        elif way == SPREAD:
            loads.append(f"const {inputs[k]} s{k} = x{k}[at{k}];")
    results = [f"Pack<{kind}, {lanes}> r{k};" for k, kind in enumerate(outputs)]
    stores = [f"*(Pack<{kind}, {lanes}>*)(y{k} + p * {lanes}) = r{k};" for k, kind in enumerate(outputs)]
    return f"""{index} done = 0;
  if ({" && ".join(aligned)}) {{
    done = n / {lanes} * {lanes};
    for ({index} p = thread; p < n / {lanes}; p += threads) {{
      {offsets}
      {_lines(loads + results, 6)}
#pragma unroll
      for (int j = 0; j < {lanes}; j++) element({_arguments(expression, form, "pack")});
      {_lines(stores, 6)}
    }}
  }}"""


def _arguments(expression, form, loop):
    """The arguments of element(): of lane j of the packs, or of element i."""
    args = []
    for k, way in enumerate(form.ways):
        if way == ONE or loop == "pack" and way == SPREAD:
            args.append(f"s{k}")
        elif loop == "pack":
            args.append(f"p{k}.at[j]")
        elif way == WHOLE:
            args.append(f"x{k}[i]")
        else:
            args.append(f"x{k}[at{k} + lane]" if way == PACKED and form.lanes > 1 else f"x{k}[at{k}]")
    args += [f"k{j}" for j, _ in expression.constants()] + (["flag"] if expression.has_flag else [])
    return ", ".join(args + [f"r{k}.at[j]" if loop == "pack" else f"y{k}[i]" for k in range(len(expression.results))])


def _lines(statements, indent):
    return "".join(f"{s}\n{' ' * indent}" for s in statements)
