/* Philox 4x32-10 (Salmon et al., SC 2011): block i of a stream is a pure function of the key and of counter + i. */
#ifndef THALWEG_CPU_PHILOX_H
#define THALWEG_CPU_PHILOX_H
#include <stdint.h>

#include "isa.h"

typedef struct { /* what one run of a random op has reserved: the key and the counter of its first block */
  uint32_t key[2];
  uint32_t counter[4]; /* 128 bits, lowest word first */
} thw_stream;

typedef struct {
  /* words[0 .. 4 n) = the n blocks first, first + stride, ... of the stream */
  void (*fill)(const thw_stream* stream, uint64_t first, uint64_t stride, int64_t n, uint32_t* words);
} thw_philox_table;

#define THW_PHILOX_ROUNDS 10
#define THW_PHILOX_MULTIPLIERS {0xD2511F53u, 0xCD9E8D57u}
#define THW_PHILOX_KEY_STEPS {0x9E3779B9u, 0xBB67AE85u} /* golden ratio and sqrt(3) - 1, times 2^32 */

THW_CHOOSE_TABLE(philox)
#endif
