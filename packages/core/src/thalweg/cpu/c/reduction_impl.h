/* Reductions, for one instruction set: one template for all folds. */
#include "cpu/c/reduction.h"

#include <math.h>

/* Where a caller with constant sizes would unroll it into kilobytes. */
#define NOT_INLINE __attribute__((noinline))

enum { LANES = 64, UNROLLED_ROWS = 4 };

/* T element, A accumulator; FOLD(a, v) folds v of type A into a; LOAD(v) makes an A of an element. */
#define DEFINE_FOLD(name, T, A, IDENTITY, LOAD, FOLD)                                                     \
  static void name##_start(void* acc, int64_t n) {                                                        \
    A* a = acc;                                                                                           \
    for (int64_t j = 0; j < n; j++) a[j] = IDENTITY;                                                      \
  }                                                                                                       \
  static NOT_INLINE void name##_merge(void* acc, const void* other, int64_t n) {                          \
    A* a = acc;                                                                                           \
    const A* b = other;                                                                                   \
    INDEPENDENT for (int64_t j = 0; j < n; j++) a[j] = FOLD(a[j], b[j]);                                  \
  }                                                                                                       \
  static NOT_INLINE void name##_columns(const void* data, int64_t rows, int64_t stride, int64_t width,    \
                                        void* into) {                                                     \
    const T* restrict x = data;                                                                           \
    A* restrict acc = into;                                                                               \
    int64_t r = 0;                                                                                        \
    for (; r + UNROLLED_ROWS <= rows; r += UNROLLED_ROWS, x += UNROLLED_ROWS * stride)                    \
      INDEPENDENT for (int64_t j = 0; j < width; j++) {                                                   \
        A a = acc[j];                                                                                     \
        a = FOLD(a, (A)LOAD(x[j]));                                                                       \
        a = FOLD(a, (A)LOAD(x[j + stride]));                                                              \
        a = FOLD(a, (A)LOAD(x[j + 2 * stride]));                                                          \
        acc[j] = FOLD(a, (A)LOAD(x[j + 3 * stride]));                                                     \
      }                                                                                                   \
    for (; r < rows; r++, x += stride)                                                                    \
      INDEPENDENT for (int64_t j = 0; j < width; j++) acc[j] = FOLD(acc[j], (A)LOAD(x[j]));               \
  }                                                                                                       \
  static void name##_rows(const void* data, int64_t rows, int64_t stride, int64_t width, void* acc) {     \
    const T* x = data;                                                                                    \
    A* out = acc;                                                                                         \
    for (int64_t r = 0; r < rows; r++, x += stride) {                                                     \
      A a = out[r];                                                                                       \
      int64_t done = 0;                                                                                   \
      if (width >= LANES) { /* a row is a few rows of LANES columns */                                    \
        A lane[LANES];                                                                                    \
        done = width / LANES * LANES;                                                                     \
        name##_start(lane, LANES);                                                                        \
        name##_columns(x, width / LANES, LANES, LANES, lane);                                             \
        for (int half = LANES / 2; half; half /= 2) name##_merge(lane, lane + half, half);                \
        a = FOLD(a, lane[0]);                                                                             \
      }                                                                                                   \
      for (; done < width; done++) a = FOLD(a, (A)LOAD(x[done]));                                         \
      out[r] = a;                                                                                         \
    }                                                                                                     \
  }

#define DEFINE_FINISH(name, T, A, QUOTIENT)                                                               \
  static void name##_finish(const void* acc, int64_t n, double divisor, void* out) {                      \
    const A* a = acc;                                                                                     \
    T* y = out;                                                                                           \
    (void)divisor;                                                                                        \
    for (int64_t j = 0; j < n; j++) y[j] = (T)(QUOTIENT);                                                 \
  }

#define ITSELF(v) (v)
#define SQUARED(v) ((double)(v) * (v))
#define PLUS(a, b) ((a) + (b))
#define TIMES(a, b) ((a) * (b))
#define LARGER(a, b) ((b) > (a) ? (b) : (a))   /* NaN is passed over, as TensorFlow does */
#define SMALLER(a, b) ((b) < (a) ? (b) : (a))
#define BOTH(a, b) ((a) & (b))
#define EITHER(a, b) ((a) | (b))

#define DEFINE_FLOAT(S, T)                                                                                \
  DEFINE_FOLD(Sum_##S, T, double, 0, ITSELF, PLUS)                                                        \
  DEFINE_FINISH(Sum_##S, T, double, a[j] / divisor)                                                       \
  DEFINE_FOLD(Prod_##S, T, double, 1, ITSELF, TIMES)                                                      \
  DEFINE_FINISH(Prod_##S, T, double, a[j])                                                                \
  DEFINE_FOLD(Max_##S, T, T, -INFINITY, ITSELF, LARGER)                                                   \
  DEFINE_FINISH(Max_##S, T, T, a[j])                                                                      \
  DEFINE_FOLD(Min_##S, T, T, INFINITY, ITSELF, SMALLER)                                                   \
  DEFINE_FINISH(Min_##S, T, T, a[j])                                                                      \
  DEFINE_FOLD(SumOfSquares_##S, T, double, 0, SQUARED, PLUS)                                              \
  DEFINE_FINISH(SumOfSquares_##S, T, double, a[j] / divisor)

/* Sums and products wrap around: uint64 arithmetic, cut to T at the end, before a mean is divided. */
#define DEFINE_INT(S, T, SMALLEST, LARGEST)                                                               \
  DEFINE_FOLD(Sum_##S, T, uint64_t, 0, ITSELF, PLUS)                                                      \
  DEFINE_FINISH(Sum_##S, T, uint64_t, divisor > 1 ? (int64_t)(T)a[j] / (int64_t)divisor : (int64_t)a[j])  \
  DEFINE_FOLD(Prod_##S, T, uint64_t, 1, ITSELF, TIMES)                                                    \
  DEFINE_FINISH(Prod_##S, T, uint64_t, a[j])                                                              \
  DEFINE_FOLD(Max_##S, T, T, SMALLEST, ITSELF, LARGER)                                                    \
  DEFINE_FINISH(Max_##S, T, T, a[j])                                                                      \
  DEFINE_FOLD(Min_##S, T, T, LARGEST, ITSELF, SMALLER)                                                    \
  DEFINE_FINISH(Min_##S, T, T, a[j])

DEFINE_FLOAT(f32, float)
DEFINE_FLOAT(f64, double)
DEFINE_INT(i32, int32_t, INT32_MIN, INT32_MAX)
DEFINE_INT(i64, int64_t, INT64_MIN, INT64_MAX)
DEFINE_INT(u8, uint8_t, 0, UINT8_MAX)
DEFINE_FOLD(All_bool, uint8_t, uint8_t, 1, ITSELF, BOTH)
DEFINE_FINISH(All_bool, uint8_t, uint8_t, a[j])
DEFINE_FOLD(Any_bool, uint8_t, uint8_t, 0, ITSELF, EITHER)
DEFINE_FINISH(Any_bool, uint8_t, uint8_t, a[j])

/* --- arg max, arg min ------------------------------------------------------------------------------------------- */

enum { ARG_BLOCK = 256 };

/* The best value first, LANES at a time, then where it stands. */
#define DEFINE_ARG_ROW(name, T, IS_BETTER, WORST)                                                         \
  static int64_t name(const T* x, int64_t length) {                                                       \
    T lane[LANES], best = WORST;                                                                          \
    int64_t r = length / LANES * LANES;                                                                   \
    if (r == 0) {                                                                                         \
      int64_t where = 0;                                                                                  \
      for (; r < length; r++) {                                                                           \
        where = x[r] IS_BETTER best ? r : where;                                                          \
        best = x[r] IS_BETTER best ? x[r] : best;                                                         \
      }                                                                                                   \
      return where;                                                                                       \
    }                                                                                                     \
    for (int j = 0; j < LANES; j++) lane[j] = WORST;                                                      \
    for (int64_t i = 0; i < r; i += LANES)                                                                \
      for (int j = 0; j < LANES; j++) lane[j] = x[i + j] IS_BETTER lane[j] ? x[i + j] : lane[j];          \
    for (; r < length; r++) best = x[r] IS_BETTER best ? x[r] : best;                                     \
    for (int j = 0; j < LANES; j++) best = lane[j] IS_BETTER best ? lane[j] : best;                       \
    if (!(best IS_BETTER WORST)) return 0;                                                                \
    for (r = 0; r + LANES <= length; r += LANES) { /* the first LANES that hold it, then where in them */ \
      int is_here = 0;                                                                                    \
      for (int j = 0; j < LANES; j++) is_here |= x[r + j] == best;                                        \
      if (is_here) break;                                                                                 \
    }                                                                                                     \
    for (; x[r] != best;) r++;                                                                            \
    return r;                                                                                             \
  }

/* I has the width of T, so that values and positions share vector lanes; J is the type of the result. */
#define DEFINE_ARG(name, row, T, I, J, IS_BETTER, WORST)                                                  \
  static void name(const void* data, int64_t length, int64_t stride, int64_t width, void* out) {          \
    J* index = out;                                                                                       \
    if (stride == 1) { /* one line */                                                                     \
      index[0] = (J)row(data, length);                                                                    \
      return;                                                                                             \
    }                                                                                                     \
    for (int64_t from = 0; from < width; from += ARG_BLOCK) {                                             \
      const T* x = (const T*)data + from;                                                                 \
      int64_t n = width - from < ARG_BLOCK ? width - from : ARG_BLOCK;                                    \
      T best[ARG_BLOCK];                                                                                  \
      I where[ARG_BLOCK];                                                                                 \
      for (int64_t j = 0; j < n; j++) best[j] = WORST, where[j] = 0;                                      \
      for (int64_t r = 0; r < length; r++, x += stride)                                                   \
        INDEPENDENT for (int64_t j = 0; j < n; j++) {                                                     \
          int is_better = x[j] IS_BETTER best[j];                                                         \
          best[j] = is_better ? x[j] : best[j];                                                           \
          where[j] = is_better ? (I)r : where[j];                                                         \
        }                                                                                                 \
      for (int64_t j = 0; j < n; j++) index[from + j] = (J)where[j];                                      \
    }                                                                                                     \
  }

#define DEFINE_ARGS(S, T, I, SMALLEST, LARGEST)                                                           \
  DEFINE_ARG_ROW(arg_max_row_##S, T, >, SMALLEST)                                                         \
  DEFINE_ARG_ROW(arg_min_row_##S, T, <, LARGEST)                                                          \
  DEFINE_ARG(ArgMax_##S##_i32, arg_max_row_##S, T, I, int32_t, >, SMALLEST)                               \
  DEFINE_ARG(ArgMax_##S##_i64, arg_max_row_##S, T, I, int64_t, >, SMALLEST)                               \
  DEFINE_ARG(ArgMin_##S##_i32, arg_min_row_##S, T, I, int32_t, <, LARGEST)                                \
  DEFINE_ARG(ArgMin_##S##_i64, arg_min_row_##S, T, I, int64_t, <, LARGEST)

DEFINE_ARGS(f32, float, int32_t, -INFINITY, INFINITY)
DEFINE_ARGS(f64, double, int64_t, -INFINITY, INFINITY)
DEFINE_ARGS(i32, int32_t, int32_t, INT32_MIN, INT32_MAX)
DEFINE_ARGS(i64, int64_t, int64_t, INT64_MIN, INT64_MAX)
DEFINE_ARGS(u8, uint8_t, int32_t, 0, UINT8_MAX)

/* --- running sums and products ---------------------------------------------------------------------------------- */

#define DEFINE_SCAN(name, T, A, IDENTITY, FOLD)                                                           \
  static void name(const void* data, int64_t length, int64_t stride, int64_t width, int is_exclusive,     \
                   int is_reverse, void* out) {                                                           \
    for (int64_t from = 0; from < width; from += ARG_BLOCK) {                                             \
      int64_t n = width - from < ARG_BLOCK ? width - from : ARG_BLOCK;                                    \
      int64_t step = is_reverse ? -stride : stride;                                                       \
      const T* x = (const T*)data + from + (is_reverse ? (length - 1) * stride : 0);                      \
      T* y = (T*)out + from + (is_reverse ? (length - 1) * stride : 0);                                   \
      A acc[ARG_BLOCK];                                                                                   \
      for (int64_t j = 0; j < n; j++) acc[j] = IDENTITY;                                                  \
      for (int64_t r = 0; r < length; r++, x += step, y += step)                                          \
        INDEPENDENT for (int64_t j = 0; j < n; j++) {                                                     \
          A before = acc[j], after = FOLD(before, (A)x[j]);                                               \
          acc[j] = after;                                                                                 \
          y[j] = (T)(is_exclusive ? before : after);                                                      \
        }                                                                                                 \
    }                                                                                                     \
  }

DEFINE_SCAN(Cumsum_f32, float, double, 0, PLUS)
DEFINE_SCAN(Cumsum_f64, double, double, 0, PLUS)
DEFINE_SCAN(Cumsum_i32, int32_t, uint32_t, 0, PLUS)
DEFINE_SCAN(Cumsum_i64, int64_t, uint64_t, 0, PLUS)
DEFINE_SCAN(Cumprod_f32, float, double, 1, TIMES)
DEFINE_SCAN(Cumprod_f64, double, double, 1, TIMES)
DEFINE_SCAN(Cumprod_i32, int32_t, uint32_t, 1, TIMES)
DEFINE_SCAN(Cumprod_i64, int64_t, uint64_t, 1, TIMES)

/* --- the table --------------------------------------------------------------------------------------------------- */

enum { F32 = 1, F64 = 2, I32 = 3, U8 = 4, I64 = 9, BOOL = 10 };

#define ROW(op, S, dtype, T, A)                                                                           \
  {#op, dtype, sizeof(T), sizeof(A), op##_##S##_start, op##_##S##_columns, op##_##S##_rows,               \
   op##_##S##_merge, op##_##S##_finish},
#define FLOAT_ROWS(S, dtype, T)                                                                           \
  ROW(Sum, S, dtype, T, double) ROW(Prod, S, dtype, T, double) ROW(Max, S, dtype, T, T)                   \
  ROW(Min, S, dtype, T, T) ROW(SumOfSquares, S, dtype, T, double)
#define INT_ROWS(S, dtype, T)                                                                             \
  ROW(Sum, S, dtype, T, uint64_t) ROW(Prod, S, dtype, T, uint64_t) ROW(Max, S, dtype, T, T)               \
  ROW(Min, S, dtype, T, T)
#define ARG_ROWS(S, dtype)                                                                                \
  {dtype, 1, 4, ArgMax_##S##_i32}, {dtype, 1, 8, ArgMax_##S##_i64},                                       \
  {dtype, 0, 4, ArgMin_##S##_i32}, {dtype, 0, 8, ArgMin_##S##_i64},
#define SCAN_ROWS(S, dtype) {"Cumsum", dtype, Cumsum_##S}, {"Cumprod", dtype, Cumprod_##S},

static const thw_fold FOLDS[] = {
  FLOAT_ROWS(f32, F32, float) FLOAT_ROWS(f64, F64, double)
  INT_ROWS(i32, I32, int32_t) INT_ROWS(i64, I64, int64_t) INT_ROWS(u8, U8, uint8_t)
  ROW(All, bool, BOOL, uint8_t, uint8_t) ROW(Any, bool, BOOL, uint8_t, uint8_t)
};
static const thw_arg_entry ARGS[] = {ARG_ROWS(f32, F32) ARG_ROWS(f64, F64) ARG_ROWS(i32, I32) ARG_ROWS(i64, I64)
                                     ARG_ROWS(u8, U8)};
static const thw_scan_entry SCANS[] = {SCAN_ROWS(f32, F32) SCAN_ROWS(f64, F64) SCAN_ROWS(i32, I32)
                                       SCAN_ROWS(i64, I64)};

#define COUNT(rows) (int)(sizeof(rows) / sizeof(rows[0]))
const thw_reduction_table THW_TABLE(reduction) = {FOLDS, COUNT(FOLDS), ARGS, COUNT(ARGS), SCANS, COUNT(SCANS)};
