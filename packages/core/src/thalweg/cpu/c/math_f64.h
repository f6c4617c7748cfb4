/* The functions of math_f32.h for float64, by the C library. */
#ifndef THALWEG_MATH_F64_H
#define THALWEG_MATH_F64_H
#include <math.h>

static inline double exp_f64(double x) { return (exp)(x); }
static inline double expm1_f64(double x) { return (expm1)(x); }
static inline double log_f64(double x) { return (log)(x); }
static inline double log1p_f64(double x) { return (log1p)(x); }
static inline double tanh_f64(double x) { return (tanh)(x); }

static inline double sigmoid_f64(double x) {
  double e = (exp)(-(fabs)(x));
  return (x < 0 ? e : 1) / (1 + e);
}

static inline double softplus_f64(double x) { return (x > 0 ? x : x == x ? 0 : x) + (log1p)((exp)(-(fabs)(x))); }

/* The remainder with the sign of the divisor. */
static inline double floor_mod_f64(double a, double b) {
  double m = (fmod)(a, b);
  return (a < 0) == (b < 0) ? m : (fmod)(m + b, b);
}

static inline float floor_mod_f32(float a, float b) {
  float m = fmodf(a, b);
  return (a < 0) == (b < 0) ? m : fmodf(m + b, b);
}
#endif
