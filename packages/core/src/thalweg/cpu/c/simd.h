/* One vector of the instruction set that this file is compiled for (isa.h), in GCC's vector extensions.
 *
 * Blocked kernels are written once for REAL, float or double: an _impl.h defines REAL, includes the kernel's header,
 * and does so again for the other type. NAME(f) is f_float or f_double; everything is static.
 */
#ifndef THALWEG_SIMD_H
#define THALWEG_SIMD_H
#include <stdint.h>
#include <string.h>

#include "cpu/c/isa.h"
#if THW_X86
#include <immintrin.h>
#endif

#define NAME_(f, type) THW_PASTE(f, _, type)
#define NAME(f) NAME_(f, REAL)
#define INLINE static inline __attribute__((always_inline))
#define UNROLLED _Pragma("GCC unroll 32") /* loops over registers: counts are constants after inlining */

#define VECTOR_BYTES (4 * THW_VL)
#define VL ((int)(VECTOR_BYTES / sizeof(REAL)))
#define vector NAME(vector)
#define mask NAME(mask)

/* Aligned as their elements: a cast pointer may stand anywhere. */
typedef float vector_float __attribute__((vector_size(VECTOR_BYTES), aligned(4), may_alias));
typedef double vector_double __attribute__((vector_size(VECTOR_BYTES), aligned(8), may_alias));
typedef int32_t mask_float __attribute__((vector_size(VECTOR_BYTES), aligned(4), may_alias));
typedef int64_t mask_double __attribute__((vector_size(VECTOR_BYTES), aligned(8), may_alias));

typedef int32_t integer_float; /* as wide as a number */
typedef int64_t integer_double;

/* sum += x * b in one rounding. Left to itself GCC 12 overwrites factors and copies them back and forth in loops that
   need most registers. */
#if THW_X86 && THW_VL > 4
INLINE void add_product_float(vector_float* sum, vector_float x, vector_float b) {
  __asm__("vfmadd231ps %2, %1, %0" : "+v"(*sum) : "v"(x), "v"(b));
}
INLINE void add_product_double(vector_double* sum, vector_double x, vector_double b) {
  __asm__("vfmadd231pd %2, %1, %0" : "+v"(*sum) : "v"(x), "v"(b));
}
#else
INLINE void add_product_float(vector_float* sum, vector_float x, vector_float b) { *sum += x * b; }
INLINE void add_product_double(vector_double* sum, vector_double x, vector_double b) { *sum += x * b; }
#endif

/* larger(a, b): a where a > b, else b, so that b comes through where either is NaN; smaller likewise. */
#if THW_VL == 16
INLINE vector_float larger_float(vector_float a, vector_float b) {
  return (vector_float)_mm512_max_ps((__m512)a, (__m512)b);
}
INLINE vector_float smaller_float(vector_float a, vector_float b) {
  return (vector_float)_mm512_min_ps((__m512)a, (__m512)b);
}
INLINE vector_double larger_double(vector_double a, vector_double b) {
  return (vector_double)_mm512_max_pd((__m512d)a, (__m512d)b);
}
INLINE vector_double smaller_double(vector_double a, vector_double b) {
  return (vector_double)_mm512_min_pd((__m512d)a, (__m512d)b);
}
#elif THW_VL == 8
INLINE vector_float larger_float(vector_float a, vector_float b) {
  return (vector_float)_mm256_max_ps((__m256)a, (__m256)b);
}
INLINE vector_float smaller_float(vector_float a, vector_float b) {
  return (vector_float)_mm256_min_ps((__m256)a, (__m256)b);
}
INLINE vector_double larger_double(vector_double a, vector_double b) {
  return (vector_double)_mm256_max_pd((__m256d)a, (__m256d)b);
}
INLINE vector_double smaller_double(vector_double a, vector_double b) {
  return (vector_double)_mm256_min_pd((__m256d)a, (__m256d)b);
}
#else
#define SELECT_(type, a, b, condition) \
  ((vector_##type)(((condition) & (mask_##type)(a)) | (~(condition) & (mask_##type)(b))))
INLINE vector_float larger_float(vector_float a, vector_float b) { return SELECT_(float, a, b, a > b); }
INLINE vector_float smaller_float(vector_float a, vector_float b) { return SELECT_(float, a, b, a < b); }
INLINE vector_double larger_double(vector_double a, vector_double b) { return SELECT_(double, a, b, a > b); }
INLINE vector_double smaller_double(vector_double a, vector_double b) { return SELECT_(double, a, b, a < b); }
#endif

/* Stores past the caches, to an address that vectors divide; other threads see it after stream_end. A large result
   leaves the caches before it is read, and costs no read of its lines: 25 MB of batch norm 4.1 ms instead of 5.3 with
   the next reading; at 6 MB no gain. */
#define STREAMED_BYTES (16 << 20)
#define STREAMS_LINES (VECTOR_BYTES == 64) /* scattered vectors would fill lines by halves */
#if THW_VL == 16
INLINE void stream_float(float* p, vector_float v) { _mm512_stream_ps(p, (__m512)v); }
#elif THW_VL == 8
INLINE void stream_float(float* p, vector_float v) { _mm256_stream_ps(p, (__m256)v); }
#elif THW_X86
INLINE void stream_float(float* p, vector_float v) { _mm_stream_ps(p, (__m128)v); }
#else
INLINE void stream_float(float* p, vector_float v) { *(vector_float*)p = v; }
#endif
INLINE void stream_double(double* p, vector_double v) { stream_float((float*)p, (vector_float)v); }
INLINE void stream_end(void) {
#if THW_X86
  _mm_sfence();
#endif
}

#define LOAD(p) (*(const vector*)(p))
#define STORE(p, v) (*(vector*)(p) = (v))
#define STREAM NAME(stream)
/* Has v in a register from here on: GCC 12 would rather read memory again at each use. */
#if THW_X86
#define IN_REGISTER(v) __asm__("" : "+v"(v))
#elif defined(__aarch64__)
#define IN_REGISTER(v) __asm__("" : "+w"(v))
#else
#define IN_REGISTER(v) ((void)0)
#endif
#define SPLAT(x) ((vector)((x) - (vector){0})) /* x - 0 keeps every x, -0 and NaN too */

INLINE int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
INLINE int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
INLINE int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
#endif
