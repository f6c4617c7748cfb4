"""Casts between element types, in CUDA C.

Reals go to integers as x86 does it, which is what the CPU's kernels and NumPy do: towards zero, by way of int32 for
narrow types and of int64 for uint32, and to the smallest integer where that is out of range. A GPU's own instructions
would saturate.
"""
from ._formulas import BOOLS, COMPLEX, FLOATING
from .prelude import TYPES

TO_INTEGERS = {
    "to_int32": """
__device__ inline int32 to_int32(double x) {
  return x > -2147483649.0 && x < 2147483648.0 ? (int32)x : (int32)0x80000000u;
}""",
    "to_int64": """
__device__ inline int64 to_int64(double x) {
  return x >= -9223372036854775808.0 && x < 9223372036854775808.0 ? (int64)x : (int64)0x8000000000000000ull;
}""",
    "to_uint64": """
__device__ inline uint64 to_uint64(double x) {
  const double half = 9223372036854775808.0;
  return x >= half ? (uint64)to_int64(x - half) ^ 0x8000000000000000ull : (uint64)to_int64(x);
}""",
    "truncated": """
/* The upper half of a float32, the rest dropped: what a bfloat16 holds without change. */
__device__ inline float truncated(float x) { return float_of(bits_of(x) & 0xffff0000u); }""",
}

_BY_WAY_OF = {3: "to_int32(a)", 4: "(uint8)to_int32(a)", 5: "(int16)to_int32(a)", 6: "(int8)to_int32(a)",
              9: "to_int64(a)", 17: "(uint16)to_int32(a)", 22: "(uint32)to_int64(a)", 23: "to_uint64(a)"}


def conversion(source, target, truncate=False):
    """The expression that makes the compute type of DataType `target` of `a`, which is of `source`'s."""
    to = TYPES[target].compute
    if source in COMPLEX:
        if target in COMPLEX:
            part = to.replace("complex64", "float").replace("complex128", "double")
            return f"{to}{{({part})a.re, ({part})a.im}}"
        if target in BOOLS:
            return "a.re != 0 || a.im != 0"
        source, value = source, "a.re"
    else:
        value = "a"
    if target in COMPLEX:
        part = "float" if target == 8 else "double"
        return f"{to}{{({part}){value}, 0}}"
    if target in BOOLS:
        return f"{value} != 0"
    if target in _BY_WAY_OF and source in FLOATING | COMPLEX:
        return _BY_WAY_OF[target].replace("(a)", f"({value})")
    if truncate and target == 14:
        return f"truncated(({to}){value})"
    return f"({to}){value}"
