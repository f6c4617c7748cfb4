"""Steps of optimizers, and assignments: one sweep over a variable, its slots and the gradient, in place."""
import math

import numpy as np

from thalweg.framework.declaration import REGISTRY
from thalweg_cuda.work import Copy, Flag, Launch, Source, Unsupported, Work, input_

from . import kernel
from ._geometry import grid_stride, index_for
from ._places import Places
from ._runs import FIRST, Runs, each, head
from ._steps import HELPERS, STEPS
from ._workspace import Workspace
from .prelude import ctype

_TEXT = """
typedef Pack<T, 16 / sizeof(T)> pack;
extern "C" __global__ void step(PARAMETERS, int option, INDEX n) {
  HYPERS
  SETUP
  (void)option;
  const INDEX first = (INDEX)blockIdx.x * blockDim.x + threadIdx.x, threads = (INDEX)gridDim.x * blockDim.x;
  const INDEX per = 16 / sizeof(T), packs = (ADDRESSES) % 16 ? 0 : n / per;
  for (INDEX i = first; i < packs; i += threads) {
    LOAD_PACKS
#pragma unroll                                      /* else packs of 16 bits lie in local memory */
    for (int k = 0; k < (int)per; k++) {
      LOAD_OF_PACKS
      FORMULA
      STORE_IN_PACKS
    }
    STORE_PACKS
  }
  for (INDEX i = packs * per + first; i < n; i += threads) {
    LOAD
    FORMULA
    STORE
  }
}
"""


def typed(text, t, index):
    """PRELUDE, the names of the types T (in memory), C (computed with) and INDEX, then the text."""
    return head(t).replace("INDEX_TYPE", index.name) + text


def float_type(r, dtype):
    """The CType of an optimizer's numbers; Unsupported if they are no floats."""
    t = ctype(r.op_type, dtype)
    if t.compute not in ("float", "double"):
        raise Unsupported(f"{r.op_type} on CUDA has no step for {t.storage}")
    return t


@kernel(*STEPS)
def apply(r, target):
    """A step for the whole variable."""
    step, t, shape = STEPS[r.op_type], float_type(r, r.in_dtypes[0]), r.in_shapes[0]
    for k, (letter, found) in enumerate(zip(step.letters, r.in_shapes)):
        expected = () if letter in "hn" else shape
        if found != expected:
            raise ValueError(f"{r.op_type}: operand {k} has shape {found}, expected {expected}")
    n = math.prod(shape)
    if not n:
        return Work(())
    index = index_for(n)
    args = *map(input_, range(len(step.letters))), np.int32(option(r)), index.scalar(n)
    source = Source(typed(HELPERS + _dense(step), t, index))
    return Work((Launch(source, "step", *grid_stride(n, target, 16 // t.nbytes), args),))


def option(r):
    """The attribute that a formula asks for."""
    return bool(r.attrs.get("use_nesterov", False) or r.attrs.get("update_slots", False))


def parameters(step):
    """Parameters of a kernel for a step's inputs, and the statements that read its scalars."""
    types = {"v": "T*", "g": "const T*", "h": "const T*", "n": "const int64*"}
    names = step.names.split()
    declared = ", ".join(f"{types[letter]} {name}_in" for letter, name in zip(step.letters, names))
    hypers = " ".join(f"const C {name} = (C)load(*{name}_in);" for letter, name in zip(step.letters, names)
                      if letter in "hn")
    return declared, hypers


def _dense(step):
    declared, hypers = parameters(step)
    pairs = list(zip(step.letters, step.names.split()))
    slots, whole = [name for letter, name in pairs if letter == "v"], [p for p in pairs if p[0] in "vg"]
    of = {"v": "C", "g": "const C"}
    names = {
        "PARAMETERS": declared, "HYPERS": hypers, "SETUP": step.setup, "FORMULA": step.formula,
        "ADDRESSES": " | ".join(f"(uint64){name}_in" for _, name in whole),
        "LOAD_PACKS": " ".join(f"pack {name}_pack = ((const pack*){name}_in)[i];" for _, name in whole),
        "LOAD_OF_PACKS": " ".join(f"{of[letter]} {name} = load({name}_pack.at[k]);" for letter, name in whole),
        "STORE_IN_PACKS": " ".join(f"store(&{name}_pack.at[k], {name});" for name in slots),
        "STORE_PACKS": " ".join(f"((pack*){name}_in)[i] = {name}_pack;" for name in slots),
        "LOAD": " ".join(f"{of[letter]} {name} = load({name}_in[i]);" for letter, name in whole),
        "STORE": " ".join(f"store(&{name}_in[i], {name});" for name in slots)}
    return with_names(_TEXT, names)


def with_names(text, names):
    """The text with whole lines or words of capitals replaced; longer names first."""
    for name in sorted(names, key=len, reverse=True):
        text = text.replace(name, names[name])
    return text


# --- assignments ---------------------------------------------------------------------------------------------------

_ASSIGN = """
typedef Pack<T, 16 / sizeof(T)> pack;
__device__ inline T changed(T a, T b) {
  T y;
  OPERATION
  return y;
}
extern "C" __global__ void assign(T* x, const T* value, INDEX n) {
  const INDEX first = (INDEX)blockIdx.x * blockDim.x + threadIdx.x, threads = (INDEX)gridDim.x * blockDim.x;
  const INDEX per = 16 / sizeof(T), packs = ((uint64)x | (uint64)value) % 16 ? 0 : n / per;
  for (INDEX i = first; i < packs; i += threads) {
    pack a = ((const pack*)x)[i], b = ((const pack*)value)[i];
    for (int k = 0; k < (int)per; k++) a.at[k] = changed(a.at[k], b.at[k]);
    ((pack*)x)[i] = a;
  }
  for (INDEX i = packs * per + first; i < n; i += threads) x[i] = changed(x[i], value[i]);
}
"""

_COMPLEX = "y.re = a.re {sign} b.re; y.im = a.im {sign} b.im;"
_REAL = "store(&y, (C)(load(a) {sign} load(b)));"


def _check_value(r):
    if r.in_shapes[0] != r.in_shapes[1] or r.in_dtypes[0] != r.in_dtypes[1]:
        raise ValueError(f"{r.op_type}: a value of shape {r.in_shapes[1]} for a variable of shape {r.in_shapes[0]}")


@kernel("Assign")
def assign(r, target):
    """The value's bytes into the variable's buffer."""
    _check_value(r)
    nbytes = math.prod(r.in_shapes[1]) * ctype(r.op_type, r.in_dtypes[1]).nbytes
    return Work((Copy(input_(0), input_(1), nbytes),) if nbytes else ())


@kernel("AssignAdd", "AssignSub")
def assign_add(r, target):
    """The variable plus or minus the value."""
    _check_value(r)
    t, n = ctype(r.op_type, r.in_dtypes[1]), math.prod(r.in_shapes[1])
    if t.storage == "bool":
        raise Unsupported(f"{r.op_type} on CUDA has no loop for bool")
    if not n:
        return Work(())
    sign = "+" if r.op_type == "AssignAdd" else "-"
    operation = (_COMPLEX if t.storage.startswith("complex") else _REAL).format(sign=sign)
    index = index_for(n)
    source = Source(typed(_ASSIGN.replace("OPERATION", operation), t, index))
    return Work((Launch(source, "assign", *grid_stride(n, target, max(1, 16 // t.nbytes)),
                        (input_(0), input_(1), index.scalar(n))),))


# --- rows -----------------------------------------------------------------------------------------------------------

@kernel(*[f"Sparse{op_type}" for op_type in STEPS if f"Sparse{op_type}" in REGISTRY])
def sparse_apply(r, target):
    """A step for the rows that `indices` names; a row that is named twice takes two, in the order of the indices."""
    step, t = STEPS[r.op_type.removeprefix("Sparse")], float_type(r, r.in_dtypes[0])
    k_indices = step.letters.index("g") + 1
    operands = [k for k in range(len(r.in_shapes)) if k != k_indices]
    var, indices = r.in_shapes[0], r.in_shapes[k_indices]
    if len(indices) != 1:
        raise ValueError(f"{r.op_type}: indices of shape {indices}, expected a vector")
    expected = {"v": var, "g": indices + var[1:], "h": (), "n": ()}
    for number, (letter, k) in enumerate(zip(step.letters, operands)):
        if r.in_shapes[k] != expected[letter]:
            raise ValueError(f"{r.op_type}: operand {number} has shape {r.in_shapes[k]}, expected {expected[letter]}")
    places = Places(r, k_indices, var[:1], False, "indices", f"is not in [0, {var[0]})")
    places.flag = Flag(lambda words: f"Index {words[2]} at offset {words[1]} in indices is out of range")
    row = math.prod(var[1:])
    if not places.count or not row:
        return Work(())
    space = Workspace()
    runs = Runs(places, input_(k_indices), space, target)
    declared, hypers = parameters(step)
    slots = [name for letter, name in zip(step.letters, step.names.split()) if letter == "v"]
    loads = " ".join(f"C {name} = load({name}_in[at_y]);" for name in slots)
    stores = " ".join(f"store(&{name}_in[at_y], {name});" for name in slots)
    body = f"""{FIRST}
    {loads}
    do {{
      const C grad = load(grad_in[(INDEX)AT(p) * row + column]);
      {step.formula}
    }} while (++p < n && KEY(p) == key);
    {stores}"""
    args = *map(input_, operands), np.int32(option(r))
    launch = each(head(t), HELPERS, body, f"{declared}, int option", args, row, runs, places.rows, target,
                  f"{hypers} {step.setup} (void)option;")
    return Work((*runs.commands, launch), space.nbytes)
