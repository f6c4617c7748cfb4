"""Philox 4x32-10 (Salmon et al., SC 2011) in CUDA C: block i of a stream is a function of its key and counter + i."""

PHILOX = r"""
struct stream { uint64 low, high; uint32 key0, key1; };      /* counter of the first block, 128 bits, and key */
struct words { uint32 w[4]; };

__device__ inline words block_of(stream s, uint64 offset) {
  uint64 low = s.low + offset, high = s.high + (low < offset);
  uint32 x0 = (uint32)low, x1 = (uint32)(low >> 32), x2 = (uint32)high, x3 = (uint32)(high >> 32);
  for (int round = 0; round < 10; round++, s.key0 += 0x9E3779B9u, s.key1 += 0xBB67AE85u) {
    uint64 product0 = (uint64)0xD2511F53u * x0, product1 = (uint64)0xCD9E8D57u * x2;
    x0 = (uint32)(product1 >> 32) ^ x1 ^ s.key0;
    x2 = (uint32)(product0 >> 32) ^ x3 ^ s.key1;
    x1 = (uint32)product1, x3 = (uint32)product0;
  }
  words block = {{x0, x1, x2, x3}};
  return block;
}

/* What a run has reserved (work.Draw). */
__device__ inline stream drawn(const uint32* draw) {
  stream s = {draw[2] | (uint64)draw[3] << 32, draw[4] | (uint64)draw[5] << 32, draw[0], draw[1]};
  return s;
}

/* The stream of a stateless op: the seed is the counter of one block under a fixed key, whose words are the key and
 * the upper half of the counter. */
template <class S> __device__ inline stream of_seed(const S* seed) {
  stream mixer = {(uint64)(int64)seed[0], (uint64)(int64)seed[1], 0x3EC8F720u, 0x02461E29u};
  words mixed = block_of(mixer, 0);
  stream s = {0, mixed.w[2] | (uint64)mixed.w[3] << 32, mixed.w[0], mixed.w[1]};
  return s;
}

__device__ inline float unit_f32(uint32 word) { return float_of((word & 0x7FFFFFu) | 0x3F800000u) - 1.0f; }
__device__ inline double unit_f64(uint32 first, uint32 second) {
  uint64 bits = (uint64)(first & 0xFFFFFu) << 32 | second | 0x3FF0000000000000ull;     /* 1 + k / 2^52 */
  return __longlong_as_double((int64)bits) - 1.0;
}
"""
