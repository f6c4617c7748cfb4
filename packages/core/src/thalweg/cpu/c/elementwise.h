/* Elementwise loops: the form that all of them share, and the table that names them. */
#ifndef THALWEG_ELEMENTWISE_H
#define THALWEG_ELEMENTWISE_H
#include <stdint.h>

#include "isa.h"

/* y[i] = f(x[0][i], x[1][i], ...) for 0 <= i < n. step[k] is 1, or 0 where x[k] is one value for all i; with all steps
 * 0, n is 1. y may be one of the x exactly (not a shifted overlap) if its elements are as large. `alpha` is the op's
 * attribute, if it has one. Gives THW_LOOP_OK or what went wrong; the elements after it are then undefined. */
typedef int (*thw_loop)(const void* const* x, const int64_t* step, void* y, int64_t n, double alpha);

enum { THW_LOOP_OK = 0, THW_LOOP_DIVISION_BY_ZERO = 1, THW_LOOP_NEGATIVE_POWER = 2 };

typedef struct {
  const char* op;    /* TensorFlow's op type */
  uint8_t dtype;     /* DataType of the operands (of Select: of the values) */
  uint8_t out_dtype;
  uint8_t arity;
  int32_t grain;     /* elements that take about 20 us: work below is not split */
  thw_loop fn;
} thw_loop_entry;

typedef struct { const thw_loop_entry* entries; int count; } thw_loops;

typedef struct {
  thw_loops ops;
  thw_loops pairs;        /* two ops as one loop, "Mul+Add": operands of the first, then the other one of the second */
  thw_loops streamed;     /* of ops and pairs, with y past the caches: for results of `streamed_bytes` or more */
  int64_t streamed_bytes; /* 0: never */
  void (*stream_end)(void); /* other threads see what was stored past the caches */
} thw_elementwise_table;

THW_CHOOSE_TABLE(elementwise)

#endif
