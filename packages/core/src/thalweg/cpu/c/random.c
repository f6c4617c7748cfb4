/* Random numbers from Philox words. Compiled for the portable instruction set and with libm's functions, one output
 * at a time, so that the bits are those of TensorFlow 1.x on the same libm; only the words are made in vectors.
 */
#define _GNU_SOURCE /* sincosf, lgamma_r */
#include "random.h"

#include <math.h>
#include <string.h>

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("fp-contract=off") /* a fused multiply-add would change last bits */
#endif

enum { BATCH = 1024 }; /* words made at once: 4 KiB, which stays in the L1 cache */

static const double least_u1 = 1e-7; /* TensorFlow's, in both precisions */
static const double cut = 2;         /* deviations */

static inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* --- words to numbers ------------------------------------------------------------------------------- */

/* k / 2^10 in [0, 1) from the low ten bits, as the bits of a float16 */
static inline uint16_t unit_f16(uint32_t word) {
  uint32_t k = word & 0x3FF;
  if (!k) return 0;
  int exponent = 31 - __builtin_clz(k);
  return (uint16_t)((exponent + 5) << 10 | (k << (10 - exponent) & 0x3FF));
}

static inline float unit_f32(uint32_t word) {
  uint32_t bits = (word & 0x7FFFFF) | 0x3F800000; /* 1 + k / 2^23 */
  float x;
  memcpy(&x, &bits, 4);
  return x - 1.0f;
}

static inline double unit_f64(const uint32_t words[2]) {
  uint64_t bits = (uint64_t)(words[0] & 0xFFFFF) << 32 | words[1] | 0x3FF0000000000000u; /* 1 + k / 2^52 */
  double x;
  memcpy(&x, &bits, 8);
  return x - 1.0;
}

/* Box-Muller: sine and cosine of one angle, times one radius */
static inline void pair_f32(const uint32_t words[2], float y[2]) {
  float u1 = unit_f32(words[0]);
  float radius = sqrtf(-2.0f * logf(u1 < (float)least_u1 ? (float)least_u1 : u1));
  float angle = (float)(2 * M_PI * unit_f32(words[1]));
#ifdef __GLIBC__
  sincosf(angle, &y[0], &y[1]);
#else
  y[0] = sinf(angle), y[1] = cosf(angle);
#endif
  y[0] *= radius, y[1] *= radius;
}

static inline void pair_f64(const uint32_t words[4], double y[2]) {
  double u1 = unit_f64(words);
  double radius = sqrt(-2.0 * log(u1 < least_u1 ? least_u1 : u1));
  double angle = 2 * M_PI * unit_f64(words + 2);
#ifdef __GLIBC__
  sincos(angle, &y[0], &y[1]);
#else
  y[0] = sin(angle), y[1] = cos(angle);
#endif
  y[0] *= radius, y[1] *= radius;
}

/* --- one output after another from the words in their order ----------------------------------------- */

/* words first .. last (at most BATCH of them) of the stream, `first` being a multiple of 4; gives their count */
static inline int64_t take(const thw_stream* stream, int64_t first, int64_t last, uint32_t words[BATCH]) {
  int64_t count = least(last - first, BATCH);
  thw_philox()->fill(stream, first / 4, 1, (count + 3) / 4, words);
  return count;
}

void thw_uniform_f16(void* arg, int64_t begin, int64_t end, void* scratch) {
  const thw_draw_job* job = arg;
  uint32_t words[BATCH];
  uint16_t* y = job->y;
  (void)scratch;
  for (int64_t i = begin, count; i < end; i += count) {
    count = take(&job->stream, i, end, words);
    for (int64_t j = 0; j < count; j++) y[i + j] = unit_f16(words[j]);
  }
}

void thw_uniform_f32(void* arg, int64_t begin, int64_t end, void* scratch) {
  const thw_draw_job* job = arg;
  uint32_t words[BATCH];
  float* y = job->y;
  (void)scratch;
  for (int64_t i = begin, count; i < end; i += count) {
    count = take(&job->stream, i, end, words);
    for (int64_t j = 0; j < count; j++) y[i + j] = unit_f32(words[j]);
  }
}

void thw_uniform_f64(void* arg, int64_t begin, int64_t end, void* scratch) {
  const thw_draw_job* job = arg;
  uint32_t words[BATCH];
  double* y = job->y;
  (void)scratch;
  for (int64_t i = begin, count; i < end; i += count) {
    count = take(&job->stream, 2 * i, 2 * end, words) / 2;
    for (int64_t j = 0; j < count; j++) y[i + j] = unit_f64(words + 2 * j);
  }
}

void thw_uniform_i32(void* arg, int64_t begin, int64_t end, void* scratch) {
  const thw_draw_job* job = arg;
  uint32_t words[BATCH], span = (uint32_t)job->span, low = (uint32_t)job->low;
  int32_t* y = job->y;
  (void)scratch;
  for (int64_t i = begin, count; i < end; i += count) {
    count = take(&job->stream, i, end, words);
    for (int64_t j = 0; j < count; j++) y[i + j] = (int32_t)(low + words[j] % span);
  }
}

void thw_uniform_i64(void* arg, int64_t begin, int64_t end, void* scratch) {
  const thw_draw_job* job = arg;
  uint32_t words[BATCH];
  int64_t* y = job->y;
  (void)scratch;
  for (int64_t i = begin, count; i < end; i += count) {
    count = take(&job->stream, 2 * i, 2 * end, words) / 2;
    for (int64_t j = 0; j < count; j++) {
      uint64_t word = words[2 * j] | (uint64_t)words[2 * j + 1] << 32;
      y[i + j] = (int64_t)((uint64_t)job->low + word % job->span);
    }
  }
}

void thw_normal_f32(void* arg, int64_t begin, int64_t end, void* scratch) {
  const thw_draw_job* job = arg;
  uint32_t words[BATCH];
  float* y = job->y;
  float last[2];
  (void)scratch;
  for (int64_t i = begin, count; i < end; i += count) {
    count = take(&job->stream, i, end + (end & 1), words);
    int64_t wanted = least(count, end - i);
    for (int64_t j = 0; j + 1 < wanted; j += 2) pair_f32(words + j, y + i + j);
    if (wanted & 1) {
      pair_f32(words + wanted - 1, last);
      y[end - 1] = last[0];
    }
  }
}

void thw_normal_f64(void* arg, int64_t begin, int64_t end, void* scratch) {
  const thw_draw_job* job = arg;
  uint32_t words[BATCH];
  double* y = job->y;
  double last[2];
  (void)scratch;
  for (int64_t i = begin, count; i < end; i += count) {
    count = take(&job->stream, 2 * i, 2 * (end + (end & 1)), words) / 2;
    int64_t wanted = least(count, end - i);
    for (int64_t j = 0; j + 1 < wanted; j += 2) pair_f64(words + 2 * j, y + i + j);
    if (wanted & 1) {
      pair_f64(words + 2 * (wanted - 1), last);
      y[end - 1] = last[0];
    }
  }
}

void thw_categories(void* arg, int64_t begin, int64_t end, void* scratch) {
  const thw_draw_job* job = arg;
  uint32_t words[BATCH];
  (void)scratch;
  for (int64_t i = begin, count; i < end; i += count) {
    count = take(&job->stream, 2 * i, 2 * end, words) / 2;
    for (int64_t j = 0; j < count; j++) {
      const double* row = job->cumulated + (i + j) / job->samples * job->classes;
      double wanted = unit_f64(words + 2 * j) * row[job->classes - 1];
      int64_t found = 0, size = job->classes; /* the first class whose sum is above */
      while (size > 0) {
        int64_t half = size / 2;
        if (row[found + half] > wanted) size = half;
        else found += half + 1, size -= half + 1;
      }
      job->store(job->y, i + j, (double)found);
    }
  }
}

void thw_cumulate(const double* logits, int64_t classes, double* cumulated) {
  double highest = -INFINITY, sum = 0;
  for (int64_t i = 0; i < classes; i++)
    if (isfinite(logits[i]) && logits[i] > highest) highest = logits[i];
  for (int64_t i = 0; i < classes; i++) {
    if (isfinite(logits[i])) sum += exp(logits[i] - highest);
    cumulated[i] = sum;
  }
}

void thw_shuffled(const thw_stream* stream, int64_t n, int64_t* order) {
  uint32_t words[BATCH];
  for (int64_t i = 0; i < n; i++) order[i] = i;
  for (int64_t i = 0, count; i < n - 1; i += count) {
    count = take(stream, i, n - 1, words);
    for (int64_t j = 0; j < count; j++) {
      int64_t here = i + j, there = here + words[j] % (uint32_t)(n - here), saved = order[here];
      order[here] = order[there];
      order[there] = saved;
    }
  }
}

/* --- rejection: each output, or group of outputs, reads its own stretch of the stream ---------------- */

/* One block, without the vectors' width */
static void one_block(const thw_stream* stream, uint64_t offset, uint32_t x[4]) {
  static const uint32_t multiplier[2] = THW_PHILOX_MULTIPLIERS, key_step[2] = THW_PHILOX_KEY_STEPS;
  uint64_t low = (stream->counter[0] | (uint64_t)stream->counter[1] << 32) + offset;
  uint64_t high = (stream->counter[2] | (uint64_t)stream->counter[3] << 32) + (low < offset);
  uint32_t key[2] = {stream->key[0], stream->key[1]};
  x[0] = (uint32_t)low, x[1] = (uint32_t)(low >> 32), x[2] = (uint32_t)high, x[3] = (uint32_t)(high >> 32);
  for (int round = 0; round < THW_PHILOX_ROUNDS; round++, key[0] += key_step[0], key[1] += key_step[1]) {
    uint64_t product0 = (uint64_t)multiplier[0] * x[0], product1 = (uint64_t)multiplier[1] * x[2];
    x[0] = (uint32_t)(product1 >> 32) ^ x[1] ^ key[0];
    x[2] = (uint32_t)(product0 >> 32) ^ x[3] ^ key[1];
    x[1] = (uint32_t)product1, x[3] = (uint32_t)product0;
  }
}

enum { GROUP_F32 = 4, GROUP_F64 = 2, GROUP_BATCH = BATCH / 4 };

void thw_truncated_normal_f32(void* arg, int64_t begin, int64_t end, void* scratch) {
  const thw_draw_job* job = arg;
  const uint64_t stride = THW_BLOCKS_PER_OUTPUT * GROUP_F32 / 4;
  uint32_t words[BATCH];
  (void)scratch;
  for (int64_t i = begin, group = begin / GROUP_F32; i < end; i += GROUP_F32, group++) {
    int64_t in_batch = (i - begin) / GROUP_F32 % GROUP_BATCH;
    if (!in_batch) {
      int64_t groups = least((end - i + GROUP_F32 - 1) / GROUP_F32, GROUP_BATCH);
      thw_philox()->fill(&job->stream, group * stride, stride, groups, words);
    }
    uint32_t* block = words + 4 * in_batch;
    float* y = (float*)job->y + i;
    float pair[2];
    int64_t wanted = least(end - i, GROUP_F32), kept = 0;
    for (uint64_t next = 1;; next++) {
      for (int k = 0; k < 4 && kept < wanted; k += 2) {
        pair_f32(block + k, pair);
        if (fabsf(pair[0]) < (float)cut) y[kept++] = pair[0];
        if (fabsf(pair[1]) < (float)cut && kept < wanted) y[kept++] = pair[1];
      }
      if (kept == wanted) break;
      one_block(&job->stream, group * stride + next, block);
    }
  }
}

void thw_truncated_normal_f64(void* arg, int64_t begin, int64_t end, void* scratch) {
  const thw_draw_job* job = arg;
  const uint64_t stride = THW_BLOCKS_PER_OUTPUT * GROUP_F64 / 4;
  (void)scratch;
  for (int64_t i = begin, group = begin / GROUP_F64; i < end; i += GROUP_F64, group++) {
    uint32_t block[4];
    double* y = (double*)job->y + i;
    double pair[2];
    int64_t wanted = least(end - i, GROUP_F64), kept = 0;
    for (uint64_t next = 0; kept < wanted; next++) {
      one_block(&job->stream, group * stride + next, block);
      pair_f64(block, pair);
      if (fabs(pair[0]) < cut) y[kept++] = pair[0];
      if (fabs(pair[1]) < cut && kept < wanted) y[kept++] = pair[1];
    }
  }
}

typedef struct { /* what one output draws: normals and uniforms from blocks of their own, the last value first */
  const thw_stream* stream;
  uint64_t next;
  double normal[2], uniform[2];
  int normals, uniforms;
} cursor;

static double draw_uniform(cursor* c) {
  uint32_t block[4];
  if (!c->uniforms) {
    one_block(c->stream, c->next++, block);
    c->uniform[0] = unit_f64(block), c->uniform[1] = unit_f64(block + 2);
    c->uniforms = 2;
  }
  return c->uniform[--c->uniforms];
}

static double draw_normal(cursor* c) {
  uint32_t block[4];
  if (!c->normals) {
    one_block(c->stream, c->next++, block);
    pair_f64(block, c->normal);
    c->normals = 2;
  }
  return c->normal[--c->normals];
}

/* Marsaglia and Tsang (2000); alpha < 1 by their boost U^(1 / alpha), alpha = 1 by inversion */
static double gamma_variate(cursor* c, double alpha) {
  if (alpha == 1) return -log1p(-draw_uniform(c));
  double d = alpha + (alpha < 1 ? 2.0 / 3 : -1.0 / 3), scale = 1.0 / 3 / sqrt(d);
  for (;;) {
    double x = draw_normal(c), v = 1 + scale * x;
    if (v <= 0) continue;
    v = v * v * v;
    double u = draw_uniform(c);
    if (u < 1 - 0.0331 * (x * x) * (x * x) || log(u) < 0.5 * x * x + d * (1 - v + log(v)))
      return alpha < 1 ? d * v * pow(draw_uniform(c), 1 / alpha) : d * v;
  }
}

/* A mean below 10: Knuth's product of uniforms */
static double poisson_by_product(cursor* c, double mean, double limit) {
  double floor = exp(-mean), product = 1;
  for (double count = 0;; count++) {
    product *= draw_uniform(c);
    if (product <= floor && count <= limit) return count;
  }
}

/* Hörmann (1993), algorithm PTRS */
static double poisson_by_rejection(cursor* c, double mean, double limit) {
  double b = 0.931 + 2.53 * sqrt(mean), a = -0.059 + 0.02483 * b, inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
  int sign;
  for (;;) {
    double u = draw_uniform(c) - 0.5, v = draw_uniform(c), tail = 0.5 - fabs(u);
    double k = floor((2 * a / tail + b) * u + mean + 0.43);
    if (k > limit) continue;
    if (tail >= 0.07 && v <= 0.9277 - 3.6224 / (b - 2)) return k;
    if (k < 0 || (tail < 0.013 && v > tail)) continue;
    if (log(v * inverse_alpha / (a / (tail * tail) + b)) <= -mean + k * log(mean) - lgamma_r(k + 1, &sign)) return k;
  }
}

/* Output i of the stream's order, in which all samples of one parameter come before the next: its place in y. */
static inline int64_t place(const thw_draw_job* job, int64_t i) {
  return i % job->samples * job->parameters + i / job->samples;
}

void thw_gamma(void* arg, int64_t begin, int64_t end, void* scratch) {
  const thw_draw_job* job = arg;
  (void)scratch;
  for (int64_t i = begin; i < end; i++) {
    cursor c = {&job->stream, (uint64_t)i * THW_BLOCKS_PER_OUTPUT, {0}, {0}, 0, 0};
    job->store(job->y, place(job, i), gamma_variate(&c, job->parameter[i / job->samples]));
  }
}

void thw_poisson(void* arg, int64_t begin, int64_t end, void* scratch) {
  const thw_draw_job* job = arg;
  (void)scratch;
  for (int64_t i = begin; i < end; i++) {
    cursor c = {&job->stream, (uint64_t)i * THW_BLOCKS_PER_OUTPUT, {0}, {0}, 0, 0};
    double mean = job->parameter[i / job->samples];
    double count = mean < 10 ? poisson_by_product(&c, mean, job->limit) : poisson_by_rejection(&c, mean, job->limit);
    job->store(job->y, place(job, i), count);
  }
}

/* --- results ---------------------------------------------------------------------------------------- */

void thw_store_f32(void* y, int64_t i, double value) { ((float*)y)[i] = (float)value; }
void thw_store_f64(void* y, int64_t i, double value) { ((double*)y)[i] = value; }
void thw_store_i32(void* y, int64_t i, double value) { ((int32_t*)y)[i] = (int32_t)value; }
void thw_store_i64(void* y, int64_t i, double value) { ((int64_t*)y)[i] = (int64_t)value; }
