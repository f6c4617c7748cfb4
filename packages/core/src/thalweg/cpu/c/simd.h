/* One vector of the instruction set that this file is compiled for, in GCC's vector extensions.
 *
 * A stub (gemm_avx2.c ...) defines ISA and VECTOR_BYTES; a family's header is then included once with REAL = float
 * and once with REAL = double. NAME(f) is f_float_avx2: nothing here has external linkage by accident, because an
 * inline function shared between objects of different instruction sets would run on machines that lack them.
 */
#ifndef THW_SIMD_H
#define THW_SIMD_H
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#define THW_PASTE_(a, b, c) a##_##b##_##c
#define THW_PASTE(a, b, c) THW_PASTE_(a, b, c)
#define NAME(f) THW_PASTE(f, REAL, ISA)

#define INLINE static inline __attribute__((always_inline))
#define UNROLL_ALL _Pragma("GCC unroll 32")

typedef float float_vector __attribute__((vector_size(VECTOR_BYTES), aligned(4), may_alias));
typedef double double_vector __attribute__((vector_size(VECTOR_BYTES), aligned(8), may_alias));
typedef int32_t float_mask __attribute__((vector_size(VECTOR_BYTES), aligned(4), may_alias));
typedef int64_t double_mask __attribute__((vector_size(VECTOR_BYTES), aligned(8), may_alias));

/* a where a > b, else b: b comes through where either is NaN, as in the x86 instruction. */
#if VECTOR_BYTES == 64
INLINE float_vector max_float(float_vector a, float_vector b) { return (float_vector)_mm512_max_ps((__m512)a, (__m512)b); }
INLINE float_vector min_float(float_vector a, float_vector b) { return (float_vector)_mm512_min_ps((__m512)a, (__m512)b); }
INLINE double_vector max_double(double_vector a, double_vector b) { return (double_vector)_mm512_max_pd((__m512d)a, (__m512d)b); }
INLINE double_vector min_double(double_vector a, double_vector b) { return (double_vector)_mm512_min_pd((__m512d)a, (__m512d)b); }
#elif VECTOR_BYTES == 32
INLINE float_vector max_float(float_vector a, float_vector b) { return (float_vector)_mm256_max_ps((__m256)a, (__m256)b); }
INLINE float_vector min_float(float_vector a, float_vector b) { return (float_vector)_mm256_min_ps((__m256)a, (__m256)b); }
INLINE double_vector max_double(double_vector a, double_vector b) { return (double_vector)_mm256_max_pd((__m256d)a, (__m256d)b); }
INLINE double_vector min_double(double_vector a, double_vector b) { return (double_vector)_mm256_min_pd((__m256d)a, (__m256d)b); }
#else
INLINE float_vector max_float(float_vector a, float_vector b) {
  float_mask m = (float_mask)(a > b);
  return (float_vector)((m & (float_mask)a) | (~m & (float_mask)b));
}
INLINE float_vector min_float(float_vector a, float_vector b) {
  float_mask m = (float_mask)(a < b);
  return (float_vector)((m & (float_mask)a) | (~m & (float_mask)b));
}
INLINE double_vector max_double(double_vector a, double_vector b) {
  double_mask m = (double_mask)(a > b);
  return (double_vector)((m & (double_mask)a) | (~m & (double_mask)b));
}
INLINE double_vector min_double(double_vector a, double_vector b) {
  double_mask m = (double_mask)(a < b);
  return (double_vector)((m & (double_mask)a) | (~m & (double_mask)b));
}
#endif
#endif

/* From here on: once per REAL. */
