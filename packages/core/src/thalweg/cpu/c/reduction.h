/* Reductions: folding rows and columns into accumulators, for every op and dtype.
 *
 * An accumulator is wider than the element where that costs nothing: sums and products of float32 are double, those of
 * integers int64, so that the order of the folds hardly shows in the result.
 */
#ifndef THALWEG_REDUCTION_H
#define THALWEG_REDUCTION_H
#include <stdint.h>

#include "isa.h"

typedef struct {
  const char* op;       /* Sum, Prod, Max, Min, All, Any, SumOfSquares */
  uint8_t dtype;        /* DataType of the elements */
  uint8_t item;         /* bytes of an element and of a result */
  uint8_t acc_item;     /* bytes of an accumulator */
  void (*start)(void* acc, int64_t n);
  /* acc[j] folds x[r * stride + j] for 0 <= r < rows, 0 <= j < width */
  void (*columns)(const void* x, int64_t rows, int64_t stride, int64_t width, void* acc);
  /* acc[r] folds x[r * stride + j] for 0 <= r < rows, 0 <= j < width */
  void (*rows)(const void* x, int64_t rows, int64_t stride, int64_t width, void* acc);
  /* acc[j] folds other[j] for 0 <= j < n */
  void (*merge)(void* acc, const void* other, int64_t n);
  /* y[j] = acc[j] / divisor */
  void (*finish)(const void* acc, int64_t n, double divisor, void* y);
} thw_fold;

/* Index of the first largest (or smallest) of `length` elements, `stride` apart, for each of `width` neighbours. */
typedef void (*thw_arg_loop)(const void* x, int64_t length, int64_t stride, int64_t width, void* index);

typedef struct {
  uint8_t dtype, is_max, index_bytes;
  thw_arg_loop fn;
} thw_arg_entry;

/* y[r * width + j] = fold of x[0..r][j]; for is_exclusive of x[0..r-1][j]; from the other end for is_reverse. */
typedef void (*thw_scan_loop)(const void* x, int64_t length, int64_t stride, int64_t width, int is_exclusive,
                              int is_reverse, void* y);

typedef struct {
  const char* op;       /* Cumsum, Cumprod */
  uint8_t dtype;
  thw_scan_loop fn;
} thw_scan_entry;

typedef struct {
  const thw_fold* folds;
  int n_folds;
  const thw_arg_entry* args;
  int n_args;
  const thw_scan_entry* scans;
  int n_scans;
} thw_reduction_table;

THW_CHOOSE_TABLE(reduction)

#endif
