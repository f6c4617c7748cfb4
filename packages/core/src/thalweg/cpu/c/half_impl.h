/* Conversions of float16 and bfloat16 to float32 and back. */
#include "cpu/c/half.h"

#include <string.h>
#ifdef __F16C__
#include <immintrin.h>
#endif

static inline float bits_to_float(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static inline uint32_t float_to_bits(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

static inline float widen_one(uint16_t half) {
  uint32_t sign = (uint32_t)(half & 0x8000) << 16, rest = (uint32_t)(half & 0x7fff) << 13;
  if (rest >= 0x7c00u << 13)
    return bits_to_float(sign | 0x7f800000 | (rest & 0x7fffff) | (rest > 0x7c00u << 13 ? 0x400000 : 0));
  /* 2^112 moves the exponent's bias from 15 to 127, and makes numbers of subnormals. */
  return bits_to_float(sign | float_to_bits(bits_to_float(rest) * bits_to_float(0x77800000)));
}

static inline uint16_t narrow_one(float value) {
  uint32_t bits = float_to_bits(value), sign = bits >> 16 & 0x8000, rest = bits & 0x7fffffff;
  if (rest > 0x7f800000) return (uint16_t)(sign | 0x7e00 | (rest >> 13 & 0x1ff)); /* NaN */
  if (rest >= 0x47800000) return (uint16_t)(sign | 0x7c00);                       /* 65536 and above: infinity */
  if (rest < 0x38800000) { /* below 2^-14: adding 0.5 leaves multiples of 2^-24 in the low bits, rounded */
    return (uint16_t)(sign | (float_to_bits(bits_to_float(rest) + 0.5f) - 0x3f000000));
  }
  return (uint16_t)(sign | ((rest + 0xfff + (rest >> 13 & 1) - 0x38000000) >> 13));
}

static void widen(const uint16_t* x, float* y, int64_t n) {
  int64_t i = 0;
#ifdef __F16C__
  for (; i + 8 <= n; i += 8) _mm256_storeu_ps(y + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i*)(x + i))));
#endif
  for (; i < n; ++i) y[i] = widen_one(x[i]);
}

static void narrow(const float* x, uint16_t* y, int64_t n) {
  int64_t i = 0;
#ifdef __F16C__
  for (; i + 8 <= n; i += 8)
    _mm_storeu_si128((__m128i*)(y + i), _mm256_cvtps_ph(_mm256_loadu_ps(x + i), _MM_FROUND_TO_NEAREST_INT));
#endif
  for (; i < n; ++i) y[i] = narrow_one(x[i]);
}

static void widen_bfloat(const uint16_t* x, float* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = bits_to_float((uint32_t)x[i] << 16);
}

static void narrow_bfloat(const float* x, uint16_t* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    uint32_t bits = float_to_bits(x[i]), rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    y[i] = (uint16_t)((bits & 0x7fffffff) > 0x7f800000 ? 0x7fc0 : rounded); /* NaN is one NaN */
  }
}

const thw_half_table THW_TABLE(half) = {{{0, 0}, {widen, narrow}, {widen_bfloat, narrow_bfloat}}};
