"""The head of every source: names of types, and half types as 16 bits of storage.

No header is needed: NVRTC compiles it as it is, and so does a C++ compiler for the tests.
"""
from typing import NamedTuple

import numpy as np

from thalweg_cuda.work import Unsupported


class CType(NamedTuple):
    """A dtype in CUDA C.

    Attributes
    ----------
    storage : str       as it lies in memory
    compute : str       in which it is computed: float for half types
    nbytes : int
    """

    storage: str
    compute: str
    nbytes: int


# DataType number -> CType
TYPES = {
    1: CType("float", "float", 4), 2: CType("double", "double", 8), 3: CType("int32", "int32", 4),
    4: CType("uint8", "uint8", 1), 5: CType("int16", "int16", 2), 6: CType("int8", "int8", 1),
    8: CType("complex64", "complex64", 8), 9: CType("int64", "int64", 8), 10: CType("bool", "bool", 1),
    14: CType("bfloat16", "float", 2), 17: CType("uint16", "uint16", 2), 18: CType("complex128", "complex128", 16),
    19: CType("half", "float", 2), 22: CType("uint32", "uint32", 4), 23: CType("uint64", "uint64", 8),
}


# C type -> the NumPy scalar that is its argument
SCALARS = {"float": np.float32, "double": np.float64, "int32": np.int32, "uint32": np.uint32, "int64": np.int64,
           "uint64": np.uint64}


def ctype(op_type, dtype):
    """The CType of a DataType number; Unsupported for strings, quantized types and the like."""
    if dtype not in TYPES:
        raise Unsupported(f"{op_type} on CUDA: no kernel for DataType {dtype}")
    return TYPES[dtype]


PRELUDE = r"""
typedef signed char int8; typedef unsigned char uint8; typedef short int16; typedef unsigned short uint16;
typedef int int32; typedef unsigned int uint32; typedef long long int64; typedef unsigned long long uint64;
template <class T> struct complex_of { T re, im; };
typedef complex_of<float> complex64; typedef complex_of<double> complex128;
/* Neighbours that are loaded and stored at once: at most 16 bytes. */
template <class T, int n> struct alignas(sizeof(T) * n < 16 ? sizeof(T) * n : 16) Pack { T at[n]; };
struct half { uint16 bits; };
struct bfloat16 { uint16 bits; };

__device__ inline uint32 bits_of(float x) { return (uint32)__float_as_int(x); }
__device__ inline float float_of(uint32 bits) { return __int_as_float((int)bits); }

/* load: from storage to what is computed with. store: back, rounded to the nearest even. */
template <class T> __device__ inline T load(T x) { return x; }
__device__ inline float load(bfloat16 x) { return float_of((uint32)x.bits << 16); }
__device__ inline float load(half x) {
#ifdef __CUDACC_RTC__
  float y;
  asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x.bits));
  return y;
#else
  uint32 sign = (uint32)(x.bits & 0x8000u) << 16, rest = x.bits & 0x7fffu;
  if (rest >= 0x7c00u) return float_of(sign | 0x7f800000u | (rest & 0x3ffu) << 13);      /* infinite, NaN */
  if (rest >= 0x400u) return float_of(sign | ((rest << 13) + 0x38000000u));
  float small = (float)rest * 5.9604644775390625e-8f;                                  /* subnormal: rest * 2^-24 */
  return sign ? -small : small;
#endif
}

template <class T> __device__ inline void store(T* to, T x) { *to = x; }
__device__ inline void store(bfloat16* to, float x) {
  uint32 bits = bits_of(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) to->bits = (uint16)(bits >> 16 | 0x40u);      /* a NaN stays one */
  else to->bits = (uint16)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}
__device__ inline void store(half* to, float x) {
#ifdef __CUDACC_RTC__
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(to->bits) : "f"(x));
#else
  uint32 bits = bits_of(x), sign = bits >> 16 & 0x8000u, rest = bits & 0x7fffffffu;
  if (rest > 0x7f800000u) to->bits = (uint16)(sign | 0x7e00u);
  else if (rest >= 0x477ff000u) to->bits = (uint16)(sign | 0x7c00u);                   /* rounds to infinity */
  else if (rest >= 0x38800000u) to->bits = (uint16)(sign | (rest - 0x38000000u + 0xfffu + (rest >> 13 & 1u)) >> 13);
  else {                                          /* subnormal: with 0.5 added, an ulp of the sum is 2^-24 */
    uint32 sum = bits_of(float_of(rest) + 0.5f);
    to->bits = (uint16)(sign | (sum - 0x3f000000u));
  }
#endif
}
"""
