/* Random numbers from Philox words. Compiled for the portable instruction set, one output at a time; only the words
 * are made in vectors. What is made in float32 has the bits of TensorFlow 1.x on the same libm, what is made in float64
 * (thalweg_random.h) is within some ulp of it, and the same on every processor and other device.
 */
#define _GNU_SOURCE /* sincosf */
#include "random.h"

#include <math.h>
#include <string.h>

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF /* a fused multiply-add would change last bits */
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=off")
#endif

typedef thw_stream thw_random_stream;

/* One block, without the vectors' width */
static void thw_random_block(const thw_stream* stream, unsigned long long offset, uint32_t x[4]) {
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

#include "thalweg_random.h"

enum { BATCH = 1024 }; /* words made at once: 4 KiB, which stays in the L1 cache */

static const float least_u1 = 1e-7f; /* TensorFlow's */
static const float cut = 2;          /* deviations */

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

/* Box-Muller: sine and cosine of one angle, times one radius */
static inline void pair_f32(const uint32_t words[2], float y[2]) {
  float u1 = unit_f32(words[0]);
  float radius = sqrtf(-2.0f * logf(u1 < least_u1 ? least_u1 : u1));
  float angle = (float)(2 * M_PI * unit_f32(words[1]));
#ifdef __GLIBC__
  sincosf(angle, &y[0], &y[1]);
#else
  y[0] = sinf(angle), y[1] = cosf(angle);
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
    for (int64_t j = 0; j < count; j++) y[i + j] = thw_unit(words + 2 * j);
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
    for (int64_t j = 0; j + 1 < wanted; j += 2) thw_normals(words + 2 * j, y + i + j);
    if (wanted & 1) {
      thw_normals(words + 2 * (wanted - 1), last);
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
      double wanted = thw_unit(words + 2 * j) * row[job->classes - 1];
      job->store(job->y, i + j, (double)thw_category(row, job->classes, wanted));
    }
  }
}

void thw_cumulate(const double* logits, int64_t classes, double* cumulated) {
  double highest = -INFINITY, sum = 0;
  for (int64_t i = 0; i < classes; i++)
    if (isfinite(logits[i]) && logits[i] > highest) highest = logits[i];
  for (int64_t i = 0; i < classes; i++) {
    sum += thw_weight(logits[i], highest);
    cumulated[i] = sum;
  }
}

void thw_stream_of_seed(int64_t first, int64_t second, thw_stream* stream) {
  thw_stream mixer = {{0x3EC8F720u, 0x02461E29u},
                      {(uint32_t)first, (uint32_t)((uint64_t)first >> 32), (uint32_t)second,
                       (uint32_t)((uint64_t)second >> 32)}};
  uint32_t words[4];
  thw_random_block(&mixer, 0, words);
  *stream = (thw_stream){{words[0], words[1]}, {0, 0, words[2], words[3]}};
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
        if (fabsf(pair[0]) < cut) y[kept++] = pair[0];
        if (fabsf(pair[1]) < cut && kept < wanted) y[kept++] = pair[1];
      }
      if (kept == wanted) break;
      thw_random_block(&job->stream, group * stride + next, block);
    }
  }
}

void thw_truncated_normal_f64(void* arg, int64_t begin, int64_t end, void* scratch) {
  const thw_draw_job* job = arg;
  const uint64_t stride = THW_BLOCKS_PER_OUTPUT * GROUP_F64 / 4;
  (void)scratch;
  for (int64_t i = begin, group = begin / GROUP_F64; i < end; i += GROUP_F64, group++)
    thw_truncated_normals(&job->stream, group * stride, (int)least(end - i, GROUP_F64), (double*)job->y + i);
}

/* Output i of the stream's order, in which all samples of one parameter come before the next: its place in y. */
static inline int64_t place(const thw_draw_job* job, int64_t i) {
  return i % job->samples * job->parameters + i / job->samples;
}

void thw_gamma(void* arg, int64_t begin, int64_t end, void* scratch) {
  const thw_draw_job* job = arg;
  (void)scratch;
  for (int64_t i = begin; i < end; i++) {
    thw_cursor c = thw_cursor_at(&job->stream, (uint64_t)i * THW_BLOCKS_PER_OUTPUT);
    job->store(job->y, place(job, i), thw_gamma_variate(&c, job->parameter[i / job->samples]));
  }
}

void thw_poisson(void* arg, int64_t begin, int64_t end, void* scratch) {
  const thw_draw_job* job = arg;
  (void)scratch;
  for (int64_t i = begin; i < end; i++) {
    thw_cursor c = thw_cursor_at(&job->stream, (uint64_t)i * THW_BLOCKS_PER_OUTPUT);
    job->store(job->y, place(job, i), thw_poisson_variate(&c, job->parameter[i / job->samples], job->limit));
  }
}

/* --- results ---------------------------------------------------------------------------------------- */

void thw_store_f32(void* y, int64_t i, double value) { ((float*)y)[i] = (float)value; }
void thw_store_f64(void* y, int64_t i, double value) { ((double*)y)[i] = value; }
void thw_store_i32(void* y, int64_t i, double value) { ((int32_t*)y)[i] = (int32_t)value; }
void thw_store_i64(void* y, int64_t i, double value) { ((int64_t*)y)[i] = (int64_t)value; }
