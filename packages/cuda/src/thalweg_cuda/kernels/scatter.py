"""Rows written by index: of a variable, of zeros, of a copy."""
import math

from thalweg_cuda.work import Copy, Fill, Flag, Unsupported, Work, input_, output

from . import kernel
from ._flags import FLAG
from ._items import moving, widened
from ._places import Places
from ._runs import FIRST, LAST, ORDERED, SORTED, Runs, each, fold, fold_of, head
from ._views import item_bytes
from ._workspace import Workspace
from .prelude import ctype

# What comes of a row and the updates that it gets: their fold, and how it meets what was there.
_VERBS = {"Add": ("Sum", "old + sum"), "Sub": ("Sum", "old - sum"), "Mul": ("Prod", "old * sum"),
          "Max": ("Max", "old < sum ? sum : old"), "Min": ("Min", "sum < old ? sum : old")}

_FINISH = """
__device__ inline void end_row(T* y, accumulator sum, uint32 count) {
  const accumulator old = lift(load(*y), 0);
  (void)count;
  STATEMENT
}
"""
_COMPLEX = {"Add": "y->re = (R)(old.re + sum.re); y->im = (R)(old.im + sum.im);",
            "Sub": "y->re = (R)(old.re - sum.re); y->im = (R)(old.im - sum.im);",
            "Mul": "y->re = (R)(old.re * sum.re - old.im * sum.im); y->im = (R)(old.re * sum.im + old.im * sum.re);"}


@kernel("ScatterUpdate", "ScatterAdd", "ScatterSub", "ScatterMul", "ScatterDiv", "ScatterMin", "ScatterMax")
def scatter(r, target):
    """Rows of a variable."""
    return _scattered(r, target, r.op_type.removeprefix("Scatter"), False)


@kernel("ScatterNdUpdate", "ScatterNdAdd", "ScatterNdSub")
def scatter_nd_ref(r, target):
    """Slices of a variable."""
    return _scattered(r, target, r.op_type.removeprefix("ScatterNd"), True)


@kernel("ScatterNd")
def scatter_nd(r, target):
    """Updates added to zeros."""
    nbytes = math.prod(r.out_shapes[0]) * item_bytes(r, r.out_dtypes[0])
    return _scattered(r, target, "Add", True, (Fill(output(), nbytes),) if nbytes else (), 0)


@kernel("TensorScatterUpdate", "TensorScatterAdd", "TensorScatterSub")
def tensor_scatter(r, target):
    """Slices of a copy."""
    return _scattered_copy(r, target, r.op_type.removeprefix("TensorScatter"))


@kernel("ScatterNdNonAliasingAdd")
def scatter_nd_non_aliasing_add(r, target):
    """Updates added to a copy."""
    return _scattered_copy(r, target, "Add")


def _scattered_copy(r, target, verb):
    nbytes = math.prod(r.out_shapes[0]) * item_bytes(r, r.out_dtypes[0])
    work = _scattered(r, target, verb, True, (Copy(output(), input_(0), nbytes),) if nbytes else ())
    return work._replace(inplace=(0,))


def _scattered(r, target, verb, is_tuple, before=(), k_indices=1):
    """`before` makes the target what it begins with; a variable's buffer is both input 0 and output 0."""
    shape, k_updates = r.out_shapes[0], k_indices + 1
    text = f"does not index into shape [{','.join(map(str, shape))}]" if is_tuple else f"is not in [0, {shape[0]})"
    places = Places(r, k_indices, shape if is_tuple else shape[:1], is_tuple, "indices", text)
    row_shape, outer = shape[places.depth:], r.in_shapes[k_indices]
    expected = (outer[:-1] if is_tuple else outer) + row_shape
    if r.in_shapes[k_updates] not in (expected, ()):
        raise ValueError(f"{r.op_type}: updates of shape {r.in_shapes[k_updates]}, expected {expected}")
    row, t = math.prod(row_shape), ctype(r.op_type, r.in_dtypes[k_updates])
    if not places.count or not row:
        return Work(before)
    space = Workspace()
    runs = Runs(places, input_(k_indices), space, target)
    is_one = r.in_shapes[k_updates] == () and expected != ()
    done = _write(r, target, verb, t, runs, places, row, k_updates, is_one, space)
    return Work((*before, *runs.commands, *done), space.nbytes)


def _write(r, target, verb, t, runs, places, row, k_updates, is_one, space):
    updates = input_(k_updates)
    if verb == "Update":
        return (replaced(t, runs, places, row, updates, is_one, target),)
    if verb == "Div":
        return (_divided(r, t, runs, places, row, updates, is_one, target),)
    name, formula = _VERBS[verb]
    folding = fold_of(r, name, k_updates)
    if t.storage.startswith("complex"):
        statement = _COMPLEX[verb].replace("(R)", "(float)" if t.storage == "complex64" else "")
    else:
        statement = f"store(y, (C)({formula}));"
    steps = (0, 0) if is_one else None
    return fold(head(t), folding.text + _FINISH.replace("STATEMENT", statement), (ORDERED, SORTED), updates,
                output(), row, runs.n, runs.args, folding.nbytes, places.rows, space, target, steps)


def replaced(t, runs, places, row, updates, is_one, target):
    """The last update of a row is what it becomes."""
    factor = 1 if is_one else widened(t.nbytes, row)
    before = moving(t.nbytes * factor, _Later, "").text
    at = "0" if is_one else "(INDEX)AT(p) * row + column"
    return each(before, "", f"{LAST}\ny[at_y] = x[{at}];", "const T* x, T* y", (updates, output()), row // factor,
                runs, places.rows, target)


class _Later:
    name = "INDEX_TYPE"


_INTEGER_QUOTIENT = FLAG + """
__device__ inline T divided(T a, T b, int64* flag) {
  if (b == 0) {
    claim(flag, 1);
    return a;
  }
  if (IS_SIGNED && b == (T)-1) return (T)(0 - (uint64)a);
  return a / b;
}
"""
_QUOTIENT = """
__device__ inline C divided(C a, C b, int64* flag) { return a / b; }
"""


def _divided(r, t, runs, places, row, updates, is_one, target):
    """One update after the other: quotients of integers are cut off each time."""
    if t.storage.startswith("complex"):
        raise Unsupported(f"{r.op_type} on CUDA has no loop for {t.storage}")
    is_float = t.compute in ("float", "double")
    functions = _QUOTIENT if is_float else _INTEGER_QUOTIENT.replace("IS_SIGNED", str(int(t.storage[0] == "i")))
    at = "0" if is_one else "(INDEX)AT(p) * row + column"
    step = f"""{FIRST}
    C value = load(y[at_y]);
    do value = divided(value, load(x[{at}]), flag); while (++p < n && KEY(p) == key);
    store(&y[at_y], value);"""
    flag = Flag(lambda words: "Integer division by zero")
    return each(head(t), functions, step, "const T* x, T* y, int64* flag", (updates, output(), flag), row, runs,
                places.rows, target)
