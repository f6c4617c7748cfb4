/* Random numbers in float64 from Philox blocks: normals, gamma and Poisson variates, weights of categories.
 *
 * C11 and CUDA C in one. Nothing but additions, subtractions, multiplications, divisions and square roots, which
 * IEEE 754 rounds in one way, and no C library: whatever includes this has the same bits, on every processor and every
 * card, as long as its compiler fuses no multiplication with an addition. log, exp, sine, cosine and power are within
 * 0.9 ulp.
 *
 * Before this header come the names of what differs between languages:
 *
 *   thw_random_stream                             a type: the stream of blocks that a run has reserved
 *   thw_random_block(stream, offset, words)       writes the four words of a block of it
 *   THW_RANDOM_FUNCTION                           how functions are declared; default: static inline
 *   THW_RANDOM_BITS(x), THW_RANDOM_DOUBLE(bits)   between a double and its bits; default: by memcpy
 */
#ifndef THALWEG_RANDOM_H
#define THALWEG_RANDOM_H

#ifndef THW_RANDOM_FUNCTION
#define THW_RANDOM_FUNCTION static inline
#endif

typedef unsigned long long thw_random_bits;

#ifndef THW_RANDOM_BITS
#include <math.h>
#include <string.h>
#define THW_RANDOM_BITS(x) thw_bits_of_double(x)
#define THW_RANDOM_DOUBLE(bits) thw_double_of_bits(bits)
THW_RANDOM_FUNCTION thw_random_bits thw_bits_of_double(double x) {
  thw_random_bits bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}
THW_RANDOM_FUNCTION double thw_double_of_bits(thw_random_bits bits) {
  double x;
  memcpy(&x, &bits, sizeof x);
  return x;
}
#endif

/* --- pairs of doubles, of which the second is what the first one's rounding has lost ------------------ */

typedef struct { double high, low; } thw_pair;

/* a + b, for |a| >= |b| or a = 0 (Dekker 1971) */
THW_RANDOM_FUNCTION thw_pair thw_quick_sum(double a, double b) {
  thw_pair sum;
  sum.high = a + b;
  sum.low = b - (sum.high - a);
  return sum;
}

/* a + b (Knuth) */
THW_RANDOM_FUNCTION thw_pair thw_sum(double a, double b) {
  thw_pair sum;
  sum.high = a + b;
  double of_b = sum.high - a;
  sum.low = (a - (sum.high - of_b)) + (b - of_b);
  return sum;
}

/* a * b (Veltkamp, Dekker), for factors below 2^995 */
THW_RANDOM_FUNCTION thw_pair thw_product(double a, double b) {
  thw_pair product;
  double turned = 134217729.0 * a, a_high = turned - (turned - a), a_low = a - a_high;       /* 2^27 + 1 */
  turned = 134217729.0 * b;
  double b_high = turned - (turned - b), b_low = b - b_high;
  product.high = a * b;
  product.low = ((a_high * b_high - product.high) + a_high * b_low + a_low * b_high) + a_low * b_low;
  return product;
}

THW_RANDOM_FUNCTION thw_pair thw_pair_product(thw_pair a, thw_pair b) {
  thw_pair product = thw_product(a.high, b.high);
  return thw_quick_sum(product.high, product.low + (a.high * b.low + a.low * b.high));
}

/* --- elementary functions ---------------------------------------------------------------------------- */

#define THW_LN2_HIGH 0.6931471805598903 /* 42 bits: its multiples up to 2^11 are exact */
#define THW_LN2_LOW 5.497923018708371e-14

typedef struct { /* 2^k z, sqrt(1/2) <= z < sqrt(2) */
  int k;
  double z;
} thw_parts;

/* The parts of x, 0 < x < infinity */
THW_RANDOM_FUNCTION thw_parts thw_parts_of(double x) {
  int lifted = x < 2.2250738585072014e-308;                                                   /* subnormal */
  thw_random_bits bits = THW_RANDOM_BITS(lifted ? x * 18014398509481984.0 : x);               /* 2^54 */
  int exponent = (int)((long long)(bits - 0x3FE6A09E667F3BCDull) >> 52);
  thw_parts parts = {exponent - 54 * lifted, THW_RANDOM_DOUBLE(bits - ((thw_random_bits)(long long)exponent << 52))};
  return parts;
}

/* log(x) for 0 < x < infinity, to some 2^-65 of its size: log z = 2 artanh s = 2 s (1 + s^2 / 3 + s^4 / 5 + ...) with
 * s = (z - 1) / (z + 1) */
THW_RANDOM_FUNCTION thw_pair thw_log_pair(double x) {
  thw_parts parts = thw_parts_of(x);
  double z = parts.z;
  thw_pair below = thw_sum(z, 1), s, w, third = {0.3333333333333333, 1.850371707708594e-17};
  s.high = (z - 1) / below.high;
  w = thw_product(s.high, below.high);
  s.low = (((z - 1) - w.high) - w.low - s.high * below.low) / below.high;
  w = thw_pair_product(s, s);
  double v = w.high, tail = 1.0 / 5 + v * (1.0 / 7 + v * (1.0 / 9 + v * (1.0 / 11 + v * (1.0 / 13 + v * (1.0 / 15
                            + v * (1.0 / 17 + v * (1.0 / 19 + v * (1.0 / 21 + v * (1.0 / 23)))))))));
  thw_pair rest = thw_pair_product(w, third);
  rest = thw_quick_sum(rest.high, rest.low + v * v * tail);
  thw_pair twice = {2 * s.high, 2 * s.low}, more = thw_pair_product(twice, rest);
  thw_pair sum = thw_quick_sum(twice.high, more.high);
  sum = thw_quick_sum(sum.high, sum.low + (twice.low + more.low));
  thw_pair result = thw_sum(parts.k * THW_LN2_HIGH, sum.high);
  return thw_quick_sum(result.high, result.low + (sum.low + parts.k * THW_LN2_LOW));
}

/* log(x) for x >= 0: with f = z - 1, log z = f - (f^2 / 2 - s (f^2 / 2 + 2 s^2 / 3 + 2 s^4 / 5 + ...)) */
THW_RANDOM_FUNCTION double thw_log(double x) {
  if (!(x > 0 && x < 1.0 / 0.0)) return x == 0 ? -1.0 / 0.0 : x;
  thw_parts parts = thw_parts_of(x);
  double f = parts.z - 1, s = f / (2 + f), w = s * s, half = 0.5 * f * f;
  double series = w * (2.0 / 3 + w * (2.0 / 5 + w * (2.0 / 7 + w * (2.0 / 9 + w * (2.0 / 11 + w * (2.0 / 13
                  + w * (2.0 / 15 + w * (2.0 / 17 + w * (2.0 / 19)))))))));
  return parts.k * THW_LN2_HIGH - ((half - (s * (half + series) + parts.k * THW_LN2_LOW)) - f);
}

/* exp(x.high + x.low) = 2^n exp(r), |r| <= log(2) / 2, by Taylor's series */
THW_RANDOM_FUNCTION double thw_exp_pair(thw_pair x) {
  if (!(x.high < 710)) return x.high == x.high ? 1.0 / 0.0 : x.high;
  if (x.high < -746) return 0;
  double scaled = x.high * 1.4426950408889634;
  int n = (int)(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
  thw_pair r = thw_sum(x.high - n * THW_LN2_HIGH, x.low - n * THW_LN2_LOW);
  double t = r.high;
  double series = 1.0 / 2 + t * (1.0 / 6 + t * (1.0 / 24 + t * (1.0 / 120 + t * (1.0 / 720 + t * (1.0 / 5040
                  + t * (1.0 / 40320 + t * (1.0 / 362880 + t * (1.0 / 3628800 + t * (1.0 / 39916800
                  + t * (1.0 / 479001600 + t * (1.0 / 6227020800.0 + t * (1.0 / 87178291200.0))))))))))));
  thw_pair one = thw_quick_sum(1, t);
  double y = one.high + (one.low + (r.low + (t * r.low + t * t * series)));
  int half = n / 2;                                                /* in two steps: the last one rounds a subnormal */
  y *= THW_RANDOM_DOUBLE((thw_random_bits)(half + 1023) << 52);
  return y * THW_RANDOM_DOUBLE((thw_random_bits)(n - half + 1023) << 52);
}

THW_RANDOM_FUNCTION double thw_exp(double x) {
  thw_pair pair = {x, 0};
  return thw_exp_pair(pair);
}

/* u^exponent for 0 <= u < 1 and exponent > 0, or NaN */
THW_RANDOM_FUNCTION double thw_power(double u, double exponent) {
  if (u == 0) return exponent == exponent ? 0 : exponent;
  if (!(exponent < 1e200)) return exponent == exponent ? 0 : exponent;
  thw_pair log = thw_log_pair(u), product = thw_product(log.high, exponent);
  if (product.high < -746) return 0;
  return thw_exp_pair(thw_quick_sum(product.high, product.low + log.low * exponent));
}

/* log((n - 1)!) for n = 1, 2, ...: of the product, which is exact, or by Stirling's series (DLMF 5.11.1) */
THW_RANDOM_FUNCTION double thw_log_factorial_below(double n) {
  double product = 1;
  if (n < 20) {
    for (double i = 2; i < n; i++) product *= i;
    return thw_log(product);
  }
  double w = 1 / (n * n);
  double series = (1.0 / 12 - w * (1.0 / 360 - w * (1.0 / 1260 - w * (1.0 / 1680 - w * (1.0 / 1188))))) / n;
  return (n - 0.5) * thw_log(n) - n + (0.9189385332046728 + series);                       /* log(2 pi) / 2 */
}

/* y = sine and cosine of an angle from 0 to 2 pi, each times a radius */
THW_RANDOM_FUNCTION void thw_on_circle(double angle, double radius, double y[2]) {
  int quarter = (int)(angle * 0.6366197723675814 + 0.5);                                      /* 2 / pi */
  /* r = angle - quarter * pi / 2, of which these are the first 50, the next 50 bits and the rest */
  thw_pair r = thw_sum(angle - quarter * 1.5707963267948966, -(quarter * 6.123233995736757e-17));
  double t = r.high, t_low = r.low - quarter * 8.4784276603689e-32, w = t * t;
  double sine = t * w * (-1.0 / 6 + w * (1.0 / 120 + w * (-1.0 / 5040 + w * (1.0 / 362880 + w * (-1.0 / 39916800
                + w * (1.0 / 6227020800.0 + w * (-1.0 / 1307674368000.0 + w * (1.0 / 355687428096000.0))))))));
  sine = t + (sine + t_low * (1 - 0.5 * w));
  thw_pair square = thw_product(t, t), one = thw_quick_sum(1, -0.5 * square.high);
  double cosine = w * w * (1.0 / 24 + w * (-1.0 / 720 + w * (1.0 / 40320 + w * (-1.0 / 3628800 + w * (1.0 / 479001600
                  + w * (-1.0 / 87178291200.0 + w * (1.0 / 20922789888000.0)))))));
  cosine = one.high + (one.low + (cosine - (0.5 * square.low + t * t_low)));
  double first = quarter & 1 ? cosine : sine, second = quarter & 1 ? sine : cosine;
  y[0] = (quarter & 2 ? -first : first) * radius;
  y[1] = ((quarter + 1) & 2 ? -second : second) * radius;
}

/* --- numbers of words -------------------------------------------------------------------------------- */

/* k / 2^52 in [0, 1) */
THW_RANDOM_FUNCTION double thw_unit(const unsigned words[2]) {
  thw_random_bits bits = (thw_random_bits)(words[0] & 0xFFFFFu) << 32 | words[1] | 0x3FF0000000000000ull;
  return THW_RANDOM_DOUBLE(bits) - 1;
}

/* Two normals of a block, by Box and Muller; TensorFlow's least uniform number is 1e-7 */
THW_RANDOM_FUNCTION void thw_normals(const unsigned words[4], double y[2]) {
  double u = thw_unit(words);
  double radius = sqrt(-2 * thw_log(u < 1e-7 ? 1e-7 : u));
  thw_on_circle(6.283185307179586 * thw_unit(words + 2), radius, y);
}

/* Up to two normals below two deviations, from the blocks `offset` and on */
THW_RANDOM_FUNCTION void thw_truncated_normals(const thw_random_stream* stream, thw_random_bits offset, int wanted,
                                               double* y) {
  for (int kept = 0; kept < wanted;) {
    unsigned words[4];
    double pair[2];
    thw_random_block(stream, offset++, words);
    thw_normals(words, pair);
    if (fabs(pair[0]) < 2) y[kept++] = pair[0];
    if (fabs(pair[1]) < 2 && kept < wanted) y[kept++] = pair[1];
  }
}

/* The weight of a category: exp(logit - highest) */
THW_RANDOM_FUNCTION double thw_weight(double logit, double highest) {
  return fabs(logit) < 1.0 / 0.0 ? thw_exp(logit - highest) : 0;
}

/* The first of `classes` sums, which do not decrease, that is above `wanted`; `classes` if none is */
THW_RANDOM_FUNCTION long long thw_category(const double* sums, long long classes, double wanted) {
  long long found = 0;
  while (classes > 0) {
    long long half = classes / 2;
    if (sums[found + half] > wanted) classes = half;
    else found += half + 1, classes -= half + 1;
  }
  return found;
}

/* --- rejection: each output reads its own stretch of the stream -------------------------------------- */

typedef struct { /* what an output draws: normals and uniforms from blocks of their own, the last value first */
  const thw_random_stream* stream;
  thw_random_bits next;
  double normal[2], uniform[2];
  int normals, uniforms;
} thw_cursor;

THW_RANDOM_FUNCTION thw_cursor thw_cursor_at(const thw_random_stream* stream, thw_random_bits offset) {
  thw_cursor cursor = {stream, offset, {0, 0}, {0, 0}, 0, 0};
  return cursor;
}

THW_RANDOM_FUNCTION double thw_draw_uniform(thw_cursor* c) {
  if (c->uniforms == 0) {
    unsigned words[4];
    thw_random_block(c->stream, c->next++, words);
    c->uniform[0] = thw_unit(words), c->uniform[1] = thw_unit(words + 2);
    c->uniforms = 2;
  }
  return --c->uniforms ? c->uniform[1] : c->uniform[0];
}

THW_RANDOM_FUNCTION double thw_draw_normal(thw_cursor* c) {
  if (c->normals == 0) {
    unsigned words[4];
    thw_random_block(c->stream, c->next++, words);
    thw_normals(words, c->normal);
    c->normals = 2;
  }
  return --c->normals ? c->normal[1] : c->normal[0];
}

/* Marsaglia and Tsang (2000); alpha < 1 by their boost U^(1 / alpha), alpha = 1 by inversion */
THW_RANDOM_FUNCTION double thw_gamma_variate(thw_cursor* c, double alpha) {
  if (alpha == 1) return 0 - thw_log(1 - thw_draw_uniform(c));                     /* 1 - U is exact */
  double d = alpha + (alpha < 1 ? 2.0 / 3 : -1.0 / 3), scale = 1.0 / 3 / sqrt(d);
  for (;;) {
    double x = thw_draw_normal(c), v = 1 + scale * x;
    if (v <= 0) continue;
    v = v * v * v;
    double u = thw_draw_uniform(c);
    if (u < 1 - 0.0331 * (x * x) * (x * x) || thw_log(u) < 0.5 * x * x + d * (1 - v + thw_log(v)))
      return alpha < 1 ? d * v * thw_power(thw_draw_uniform(c), 1 / alpha) : d * v;
  }
}

/* A mean below 10: Knuth's product of uniforms */
THW_RANDOM_FUNCTION double thw_poisson_by_product(thw_cursor* c, double mean, double limit) {
  double floor = thw_exp(-mean), product = 1;
  for (double count = 0;; count++) {
    product *= thw_draw_uniform(c);
    if (product <= floor && count <= limit) return count;
  }
}

/* Hörmann (1993), algorithm PTRS */
THW_RANDOM_FUNCTION double thw_poisson_by_rejection(thw_cursor* c, double mean, double limit) {
  double b = 0.931 + 2.53 * sqrt(mean), a = -0.059 + 0.02483 * b, inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
  for (;;) {
    double u = thw_draw_uniform(c) - 0.5, v = thw_draw_uniform(c), tail = 0.5 - fabs(u);
    double k = floor((2 * a / tail + b) * u + mean + 0.43);
    if (k > limit) continue;
    if (tail >= 0.07 && v <= 0.9277 - 3.6224 / (b - 2)) return k;
    if (k < 0 || (tail < 0.013 && v > tail)) continue;
    if (thw_log(v * inverse_alpha / (a / (tail * tail) + b))
        <= -mean + k * thw_log(mean) - thw_log_factorial_below(k + 1)) return k;
  }
}

THW_RANDOM_FUNCTION double thw_poisson_variate(thw_cursor* c, double mean, double limit) {
  return mean < 10 ? thw_poisson_by_product(c, mean, limit) : thw_poisson_by_rejection(c, mean, limit);
}
#endif
