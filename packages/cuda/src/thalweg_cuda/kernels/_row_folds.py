"""Accumulators of sums, products and extremes, as text: what a fold begins with, takes in, and becomes.

Sums and products of floats accumulate in float64, of integers in uint64 (they wrap around); extremes keep their type.
"""
from thalweg_cuda.work import Unsupported

from .prelude import PRELUDE

_LIMITS = {          # type -> its lowest and highest value
    "float": ("-__int_as_float(0x7f800000)", "__int_as_float(0x7f800000)"),
    "double": ("-__longlong_as_double(0x7ff0000000000000ll)", "__longlong_as_double(0x7ff0000000000000ll)"),
    "int8": ("-128", "127"), "uint8": ("0", "255"), "int16": ("-32768", "32767"), "uint16": ("0", "65535"),
    "int32": ("(-2147483647 - 1)", "2147483647"), "uint32": ("0", "4294967295u"),
    "int64": ("(-9223372036854775807ll - 1)", "9223372036854775807ll"), "uint64": ("0", "18446744073709551615ull"),
}

_REAL = """
__device__ inline A nothing() {{ return {identity}; }}
__device__ inline A folded(A a, A b) {{ return {folded}; }}
__device__ inline A widened(T x) {{ return (A)load(x); }}
"""
_COMPLEX = """
__device__ inline A nothing() {{ A a = {{{identity}, 0}}; return a; }}
__device__ inline A folded(A a, A b) {{ A c = {{{folded}}}; return c; }}
__device__ inline A widened(T x) {{ A a = {{x.re, x.im}}; return a; }}
"""


class Fold:
    """A fold over elements of the CType t: "Sum", "Prod", "Max" or "Min".

    Attributes
    ----------
    acc, acc_bytes          the accumulator's type
    text : str              nothing(), folded(a, b), widened(x)
    """

    def __init__(self, op_type, name, t):
        if t.storage == "bool":
            raise Unsupported(f"{op_type} on CUDA has no loop for bool")
        is_complex = t.storage.startswith("complex")
        if is_complex and name in ("Max", "Min"):
            raise Unsupported(f"{op_type} on CUDA has no loop for {t.storage}")
        identity = {"Sum": "0", "Prod": "1"}.get(name)
        if is_complex:
            self.acc, self.acc_bytes = "complex128", 16
            self.text = _COMPLEX.format(identity=identity, folded="a.re + b.re, a.im + b.im" if name == "Sum" else
                                        "a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re")
        elif name in ("Sum", "Prod"):
            self.acc, self.acc_bytes = "double" if t.compute in ("float", "double") else "uint64", 8
            self.text = _REAL.format(identity=identity, folded="a + b" if name == "Sum" else "a * b")
        else:                                            # NaN is passed over, as TensorFlow does
            low, high = _LIMITS[t.compute]
            self.acc, self.acc_bytes = t.compute, {"float": 4}.get(t.compute, t.nbytes)
            self.text = _REAL.format(identity=low if name == "Max" else high,
                                     folded="b > a ? b : a" if name == "Max" else "b < a ? b : a")

    def head(self, t):
        """What the text of a kernel begins with."""
        return (f"{PRELUDE}typedef {t.storage} T;\ntypedef {t.compute} C;\ntypedef {self.acc} A;\n"
                "typedef INDEX_TYPE INDEX;\n")
