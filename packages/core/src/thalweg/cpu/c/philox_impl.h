/* Philox blocks, several side by side; compiled once per instruction set (isa.h).
 *
 * A vector lane of 64 bits holds one word of one block in its lower half; what the upper half holds does not matter,
 * since the multiplication reads lower halves. Integers only, so that every instruction set gives the same bits.
 */
#include "philox.h"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

enum { LANES = THW_VL / 2, GROUPS = 4 }; /* four vectors in flight hide the multiplier's latency */

static const uint32_t multiplier[2] = THW_PHILOX_MULTIPLIERS, key_step[2] = THW_PHILOX_KEY_STEPS;

typedef uint64_t vector __attribute__((vector_size(8 * LANES), aligned(8), may_alias));

/* The 64-bit products of the lower halves of x with m. */
static inline vector multiply(vector x, uint32_t m) {
#if defined(__AVX512F__) && THW_VL == 16
  return (vector)_mm512_mul_epu32((__m512i)x, _mm512_set1_epi64(m));
#elif defined(__AVX2__) && THW_VL == 8
  return (vector)_mm256_mul_epu32((__m256i)x, _mm256_set1_epi64x(m));
#elif defined(__SSE2__) && THW_VL == 4
  return (vector)_mm_mul_epu32((__m128i)x, _mm_set1_epi64x(m));
#else
  return (x & 0xFFFFFFFFu) * m;
#endif
}

/* GROUPS * LANES blocks of the stream, `stride` apart, as 64-bit pairs of words. */
static inline void make_blocks(const thw_stream* stream, uint64_t first, uint64_t stride,
                               uint64_t pairs[GROUPS * LANES][2]) {
  uint64_t low = stream->counter[0] | (uint64_t)stream->counter[1] << 32;
  uint64_t high = stream->counter[2] | (uint64_t)stream->counter[3] << 32;
  vector x0[GROUPS], x1[GROUPS], x2[GROUPS], x3[GROUPS], offset = {0};
  for (int i = 0; i < LANES; i++) offset[i] = first + i * stride;
  for (int g = 0; g < GROUPS; g++, offset += LANES * stride) {
    vector counter = low + offset, carried = high - (vector)(counter < offset); /* true is -1 */
    x0[g] = counter, x1[g] = counter >> 32, x2[g] = carried, x3[g] = carried >> 32;
  }
  uint32_t key0 = stream->key[0], key1 = stream->key[1];
  for (int round = 0; round < THW_PHILOX_ROUNDS; round++, key0 += key_step[0], key1 += key_step[1])
#pragma GCC unroll 4
    for (int g = 0; g < GROUPS; g++) {
      vector product0 = multiply(x0[g], multiplier[0]), product1 = multiply(x2[g], multiplier[1]);
      x0[g] = product1 >> 32 ^ x1[g] ^ key0;
      x2[g] = product0 >> 32 ^ x3[g] ^ key1;
      x1[g] = product1, x3[g] = product0;
    }
#pragma GCC unroll 4
  for (int g = 0; g < GROUPS; g++) {
    vector front = (x0[g] & 0xFFFFFFFFu) | x1[g] << 32, back = (x2[g] & 0xFFFFFFFFu) | x3[g] << 32;
    for (int i = 0; i < LANES; i++) pairs[g * LANES + i][0] = front[i], pairs[g * LANES + i][1] = back[i];
  }
}

static void fill(const thw_stream* stream, uint64_t first, uint64_t stride, int64_t n, uint32_t* words) {
  const int64_t step = GROUPS * LANES;
  uint64_t pairs[GROUPS * LANES][2];
  for (int64_t begin = 0; begin < n; begin += step) {
    int64_t count = n - begin < step ? n - begin : step;
    make_blocks(stream, first + begin * stride, stride, pairs);
    memcpy(words + 4 * begin, pairs, 16 * count); /* little-endian: a pair's first word comes first */
  }
}

const thw_philox_table THW_TABLE(philox) = {fill};
