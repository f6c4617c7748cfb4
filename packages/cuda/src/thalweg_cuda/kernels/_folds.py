"""What reductions do with elements: folds, in CUDA C.

Sums and products of float32 are formed in double, as the reference bodies do it, those of half types in float; of
integers they wrap around. A fold has an accumulator type and four functions:

    identity()             of nothing
    lift(x, r)             the accumulator of one element, which is number r of its line
    fold(a, b)             of both; associative but for rounding, and symmetric but for ties
    finish(a, divisor)     the result as it is computed with
"""
from typing import NamedTuple

from thalweg_cuda.work import Unsupported

from ._complex import COMPLEX as COMPLEX_ARITHMETIC
from ._formulas import BOOLS, COMPLEX, FLOATING, INTEGERS
from .prelude import TYPES, ctype

_SMALLEST = {3: "(int32)0x80000000u", 5: "-32768", 6: "-128", 9: "(int64)0x8000000000000000ull"}
_LARGEST = {3: "0x7fffffff", 4: "255", 5: "32767", 6: "127", 9: "0x7fffffffffffffffll", 17: "65535",
            22: "0xffffffffu", 23: "0xffffffffffffffffull"}


class Fold(NamedTuple):
    """A fold's text, the number of bytes of an accumulator, and the C type of its divisor."""

    text: str
    nbytes: int
    divisor: str


def fold(op_type, dtype, out_dtype, index="uint32"):
    """The fold of Sum, Mean, Prod, Max, Min, All, Any, L2Loss, ArgMax or ArgMin; index: of elements of a line."""
    make = {"Sum": _sum, "Mean": _sum, "L2Loss": _sum, "Prod": _product, "All": _logic, "Any": _logic}.get(op_type)
    if make is not None:
        return make(op_type, dtype, out_dtype)
    return (_extreme if op_type in ("Max", "Min") else _arg)(op_type, dtype, out_dtype, index)


def _fold(kind, nbytes, dtype, identity, lift, join, finish, divisor="double", before="", index="uint32"):
    element = TYPES[dtype].compute
    return Fold(f"""{before}
typedef {kind} accumulator;
__device__ inline accumulator identity() {{ return {identity}; }}
__device__ inline accumulator lift({element} x, {index} r) {{ return {lift}; }}
__device__ inline accumulator fold(accumulator a, accumulator b) {{ return {join}; }}
#define finish(a, divisor) ({finish})
""", nbytes, divisor)


def _wide(op_type, dtype):
    """(accumulator, bytes) of sums and products."""
    if dtype in COMPLEX:
        return "complex128", 16
    if dtype in FLOATING:
        return ("float", 4) if TYPES[dtype].nbytes == 2 else ("double", 8)
    if dtype in INTEGERS:
        return "uint64", 8
    raise Unsupported(f"{op_type} on CUDA has no kernel for DataType {dtype}")


def _sum(op_type, dtype, out_dtype):
    kind, nbytes = _wide(op_type, dtype)
    result = ctype(op_type, out_dtype).compute
    if kind == "complex128":
        part = "float" if out_dtype == 8 else "double"
        return _fold(kind, nbytes, dtype, "complex128{0, 0}", "complex128{x.re, x.im}", "a + b",
                     f"{result}{{({part})(a.re / divisor), ({part})(a.im / divisor)}}", before=COMPLEX_ARITHMETIC)
    lift = f"({kind})x * ({kind})x" if op_type == "L2Loss" else f"({kind})x"
    if kind == "uint64":                             # the sum wraps around in its own type, then it is divided
        wide = "uint64" if dtype in (4, 17, 22, 23) else "int64"
        return _fold(kind, nbytes, dtype, "0", lift, "a + b", f"({result})(({wide})({result})a / divisor)", wide)
    return _fold(kind, nbytes, dtype, "0", lift, "a + b", f"({result})(a / divisor)", kind)


def _product(op_type, dtype, out_dtype):
    kind, nbytes = _wide(op_type, dtype)
    result = ctype(op_type, out_dtype).compute
    if kind == "complex128":
        part = "float" if out_dtype == 8 else "double"
        return _fold(kind, nbytes, dtype, "complex128{1, 0}", "complex128{x.re, x.im}", "a * b",
                     f"{result}{{({part})a.re, ({part})a.im}}", before=COMPLEX_ARITHMETIC)
    return _fold(kind, nbytes, dtype, "1", f"({kind})x", "a * b", f"({result})a")


def _logic(op_type, dtype, out_dtype):
    if dtype not in BOOLS:
        raise Unsupported(f"{op_type} on CUDA takes bool, not DataType {dtype}")
    both = op_type == "All"
    return _fold("int32", 4, dtype, "1" if both else "0", "x ? 1 : 0", "a & b" if both else "a | b", "a != 0")


def _worst(op_type, dtype):
    """The value that every other replaces, in Max or Min."""
    is_max = op_type.endswith("Max")
    if dtype in FLOATING:
        return f"{'-' if is_max else ''}float_of(0x7f800000u)"
    if dtype in INTEGERS:
        return (_SMALLEST.get(dtype, "0") if is_max else _LARGEST[dtype])
    raise Unsupported(f"{op_type} on CUDA has no kernel for DataType {dtype}")


def _extreme(op_type, dtype, out_dtype, index):
    """NaN is passed over."""
    kind, nbytes = TYPES[dtype].compute, 4 if TYPES[dtype].compute == "float" else TYPES[dtype].nbytes
    worst, better = _worst(op_type, dtype), ">" if op_type == "Max" else "<"
    if nbytes < 4:                                   # shuffles are of 32 bits
        kind, nbytes = "int32", 4
    return _fold(kind, nbytes, dtype, f"({kind})({worst})", f"x {better} identity() ? ({kind})x : identity()",
                 f"b {better} a ? b : a", f"({ctype(op_type, out_dtype).compute})a")


def _arg(op_type, dtype, out_dtype, index):
    """The value and its number; NaN is passed over, of equals the first wins, and the first of all if nothing else."""
    value = TYPES[dtype].compute
    value = "int32" if TYPES[dtype].nbytes < 4 and value != "float" else value
    worst, better = _worst(op_type, dtype), ">" if op_type == "ArgMax" else "<"
    before = f"""
struct Best {{ {value} value; {index} number; }};
__device__ inline Best shuffle_down(Best x, int distance, int width) {{
  return Best{{shuffle_down(x.value, distance, width), shuffle_down(x.number, distance, width)}};
}}"""
    return _fold("Best", 16, dtype, f"Best{{({value})({worst}), 0}}",
                 f"x {better} identity().value ? Best{{({value})x, r}} : identity()",
                 f"b.value {better} a.value || (b.value == a.value && b.number < a.number) ? b : a",
                 f"({ctype(op_type, out_dtype).compute})a.number", before=before, index=index)
