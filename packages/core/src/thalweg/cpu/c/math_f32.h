/* Elementary functions of float32, branch-free scalar code that the compiler turns into vectors of any width.
 *
 * Every function is within 2 ulp of the true value over all finite inputs, results below the normal range included,
 * and treats 0, infinities and NaN as C does. Coefficients: own Remez fits, minimax in relative error.
 */
#ifndef THALWEG_MATH_F32_H
#define THALWEG_MATH_F32_H
#include <math.h>
#include <stdint.h>
#include <string.h>

static inline int32_t bits_of_f32(float x) { int32_t i; memcpy(&i, &x, 4); return i; }
static inline float float_of_bits(int32_t i) { float x; memcpy(&x, &i, 4); return x; }

/* 2^n for -126 <= n <= 127 */
static inline float pow2_f32(int32_t n) { return float_of_bits((int32_t)((uint32_t)(n + 127) << 23)); }

/* x = n ln 2 + r with |r| <= ln(2)/2, n integral: exp(x) = 2^n exp(r) */
typedef struct { float r; int32_t n; } thw_reduced;

static inline thw_reduced reduce_ln2(float x) {
  const float shifter = 12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer, held in the low bits */
  float t = x * 1.44269504f + shifter;
  float n = t - shifter;
  thw_reduced out;
  out.r = (x - n * 0.693145752f) - n * 1.42860677e-6f; /* ln 2 in two parts; n times the first is exact */
  out.n = (int32_t)((uint32_t)bits_of_f32(t) - 0x4B400000u);
  return out;
}

/* exp(r) - 1 for |r| <= ln(2)/2 */
static inline float expm1_kernel(float r) {
  float q = 1.381432055e-03f;
  q = q * r + 8.368850686e-03f;
  q = q * r + 4.166840017e-02f;
  q = q * r + 1.666651964e-01f;
  q = q * r + 4.999999404e-01f;
  return r + r * r * q;
}

static inline float exp_f32(float x) {
  x = x > 89.0f ? 89.0f : x; /* past these the result is inf or 0 anyway; NaN compares false and passes */
  x = x < -105.0f ? -105.0f : x;
  thw_reduced z = reduce_ln2(x);
  int32_t half = z.n >> 1; /* two factors, since 2^n itself may leave the normal range */
  return (expm1_kernel(z.r) + 1.0f) * pow2_f32(half) * pow2_f32(z.n - half);
}

static inline float expm1_f32(float x) {
  float v = x > 89.0f ? 89.0f : x;
  v = v < -20.0f ? -20.0f : v;
  thw_reduced z = reduce_ln2(v);
  float s = pow2_f32(z.n - 1); /* half of 2^n, which overflows at n = 128 */
  float y = (s * expm1_kernel(z.r) + (s - 0.5f)) * 2.0f;
  return x == 0 ? x : y; /* keeps the sign of zero */
}

/* log(1 + f) - f for sqrt(1/2) <= 1 + f <= sqrt(2) */
static inline float log1p_tail(float f) {
  float q = 6.746642292e-02f;
  q = q * f - 1.167565212e-01f;
  q = q * f + 1.188816205e-01f;
  q = q * f - 1.240558848e-01f;
  q = q * f + 1.421955228e-01f;
  q = q * f - 1.666799635e-01f;
  q = q * f + 2.000211924e-01f;
  q = q * f - 2.500000894e-01f;
  q = q * f + 3.333331347e-01f;
  float ff = f * f;
  return f * ff * q - 0.5f * ff;
}

static inline float log_f32(float x) {
  float scaled = x < 1.17549435e-38f ? x * 8388608.0f : x; /* subnormals: times 2^23 */
  float bias = x < 1.17549435e-38f ? -23.0f : 0.0f;
  int32_t i = bits_of_f32(scaled);
  int32_t e = (i - 0x3F3504F3) >> 23; /* floor(log2(x / sqrt(1/2))) */
  float f = float_of_bits(i - (int32_t)((uint32_t)e << 23)) - 1.0f;
  float n = (float)e + bias;
  float y = (n * -2.12194440e-4f + log1p_tail(f)) + f + n * 0.693359375f; /* the last product is exact */
  y = x == 0 ? -INFINITY : y;
  y = x < 0 ? NAN : y;
  return x < INFINITY ? y : x; /* inf and NaN pass */
}

static inline float log1p_f32(float x) {
  float u = 1.0f + x;
  float lost = x - (u - 1.0f); /* what rounding took from u: log(1 + x) = log(u) + lost / u to first order */
  float y = log_f32(u) + lost / u;
  y = x == -1.0f ? -INFINITY : y;
  return x < INFINITY ? (x == 0 ? x : y) : x;
}

static inline float sigmoid_f32(float x) {
  float e = exp_f32(-fabsf(x)); /* in (0, 1]: never overflows, and keeps small results exact */
  float d = 1.0f + e;
  float y = (x < 0 ? e : 1.0f) / d;
  return y - y * (e - (d - 1.0f)); /* gives back what rounding took from d */
}

static inline float tanh_f32(float x) {
  float a = fabsf(x), z = x * x;
  float p = -5.704987328e-03f;
  p = p * z + 2.063908800e-02f;
  p = p * z - 5.373971537e-02f;
  p = p * z + 1.333144158e-01f;
  p = p * z - 3.333328068e-01f;
  float near = a + a * z * p; /* below 5/8, where the other form cancels */
  float far = 1.0f - 2.0f / (exp_f32(2.0f * a) + 1.0f);
  return copysignf(a < 0.625f ? near : far, x);
}

static inline float softplus_f32(float x) {
  float y = (x > 0 ? x : 0.0f) + log1p_f32(exp_f32(-fabsf(x)));
  return x == x ? y : x;
}
#endif
