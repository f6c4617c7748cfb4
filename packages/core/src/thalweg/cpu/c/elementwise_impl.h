/* Elementwise loops for one instruction set: the formulas of elementwise_formulas.h, each in its loop, in a table. */
#include "cpu/c/elementwise.h"

#include <tgmath.h>

#include "cpu/c/elementwise_formulas.h"
#include "cpu/c/math_f32.h"
#include "cpu/c/math_f64.h"
#include "cpu/c/simd.h"

#define REAL float
#include "cpu/c/elementwise_vectors.h"
#undef REAL
#define REAL double
#include "cpu/c/elementwise_vectors.h"
#undef REAL

/* Loops are INDEPENDENT: the only overlap of x and y is the same element. */

#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)
#define OWN(f) JOIN(f, S)

static inline int within_bits(int64_t distance, int64_t most) {
  return (int)(distance < 0 ? 0 : distance > most ? most : distance);
}

#define LOOP(name) \
  static int name(const void* const* x, const int64_t* step, void* out, int64_t n, double alpha)

#define UNARY_LOOP(name, T, TO, expression)                                                               \
  LOOP(name) {                                                                                            \
    const T* p = x[0];                                                                                    \
    TO* y = out;                                                                                          \
    const T k = (T)alpha;                                                                                 \
    (void)step, (void)k;                                                                                  \
    INDEPENDENT for (int64_t i = 0; i < n; i++) { const T a = p[i]; y[i] = expression; }                  \
    return THW_LOOP_OK;                                                                                   \
  }

#define BINARY_LOOP(name, T, TO, expression)                                                              \
  LOOP(name) {                                                                                            \
    const T *p = x[0], *q = x[1];                                                                         \
    TO* y = out;                                                                                          \
    const T k = (T)alpha;                                                                                 \
    (void)k;                                                                                              \
    if (step[0] == step[1]) {                                                                             \
      INDEPENDENT for (int64_t i = 0; i < n; i++) { const T a = p[i], b = q[i]; y[i] = expression; }      \
    } else if (step[0]) {                                                                                 \
      const T b = *q;                                                                                     \
      INDEPENDENT for (int64_t i = 0; i < n; i++) { const T a = p[i]; y[i] = expression; }                \
    } else {                                                                                              \
      const T a = *p;                                                                                     \
      INDEPENDENT for (int64_t i = 0; i < n; i++) { const T b = q[i]; y[i] = expression; }                \
    }                                                                                                     \
    return THW_LOOP_OK;                                                                                   \
  }

/* One test for a zero divisor per element; -1 apart, since the smallest integer divided by it traps. */
#define DIVIDE_LOOP(name, T, U, expression, by_minus_one)                                                 \
  LOOP(name) {                                                                                            \
    const T *p = x[0], *q = x[1];                                                                         \
    T* y = out;                                                                                           \
    (void)alpha;                                                                                          \
    for (int64_t i = 0; i < n; i++) {                                                                     \
      const T a = p[i * step[0]], b = q[i * step[1]];                                                     \
      if (b == 0) return THW_LOOP_DIVISION_BY_ZERO;                                                       \
      y[i] = (U)b == (U)-1 && (T)-1 < 0 ? (by_minus_one) : (T)(expression);                               \
    }                                                                                                     \
    return THW_LOOP_OK;                                                                                   \
  }

#define POWER_LOOP(name, T, U)                                                                            \
  LOOP(name) {                                                                                            \
    const T *p = x[0], *q = x[1];                                                                         \
    T* y = out;                                                                                           \
    (void)alpha;                                                                                          \
    for (int64_t i = 0; i < n; i++) {                                                                     \
      T exponent = q[i * step[1]];                                                                        \
      if (exponent < 0) return THW_LOOP_NEGATIVE_POWER;                                                   \
      U power = 1;                                                                                        \
      for (U square = (U)p[i * step[0]]; exponent; exponent /= 2, square *= square)                       \
        if (exponent % 2) power *= square;                                                                \
      y[i] = (T)power;                                                                                    \
    }                                                                                                     \
    return THW_LOOP_OK;                                                                                   \
  }

#define SELECT_LOOP(name, T)                                                                              \
  LOOP(name) {                                                                                            \
    (void)alpha;                                                                                          \
    if (n == 0) return THW_LOOP_OK;                                                                       \
    const uint8_t* c = x[0];                                                                              \
    const T *p = x[1], *q = x[2], a = *p, b = *q;                                                         \
    T* y = out;                                                                                           \
    if (!step[0]) {                                                                                       \
      const T* from = *c ? p : q;                                                                         \
      const int64_t s = *c ? step[1] : step[2];                                                           \
      for (int64_t i = 0; i < n; i++) y[i] = from[i * s];                                                 \
    } else if (step[1] && step[2]) {                                                                      \
      INDEPENDENT for (int64_t i = 0; i < n; i++) { const T u = p[i], v = q[i]; y[i] = c[i] ? u : v; }    \
    } else if (step[1]) {                                                                                 \
      INDEPENDENT for (int64_t i = 0; i < n; i++) { const T u = p[i]; y[i] = c[i] ? u : b; }              \
    } else if (step[2]) {                                                                                 \
      INDEPENDENT for (int64_t i = 0; i < n; i++) { const T v = q[i]; y[i] = c[i] ? a : v; }              \
    } else {                                                                                              \
      INDEPENDENT for (int64_t i = 0; i < n; i++) y[i] = c[i] ? a : b;                                    \
    }                                                                                                     \
    return THW_LOOP_OK;                                                                                   \
  }

UNARY_LOOP(not_bool, uint8_t, uint8_t, !a)
SELECT_LOOP(select_8, uint8_t)
SELECT_LOOP(select_16, uint16_t)
SELECT_LOOP(select_32, uint32_t)
SELECT_LOOP(select_64, uint64_t)

/* Each formula in its loop, for the type T and suffix S of the moment. */
#define SAME_UNARY_LOOP(op, grain, e) UNARY_LOOP(JOIN(op, S), T, T, e)
#define FLOAT_TEST_LOOP(op, grain, e) UNARY_LOOP(JOIN(op, S), T, uint8_t, e)
#define SAME_TYPE_LOOP(op, grain, e) BINARY_LOOP(JOIN(op, S), T, T, e)
#define COMPARE_LOOP(op, grain, e) BINARY_LOOP(JOIN(op, S), T, uint8_t, e)
#define INT_DIVIDE_LOOP(op, e, by_minus_one) DIVIDE_LOOP(JOIN(op, S), T, U, e, by_minus_one)

#define S f32
#define T float
FLOAT_UNARY(SAME_UNARY_LOOP)
FLOAT_BINARY(SAME_TYPE_LOOP)
FLOAT_TEST(FLOAT_TEST_LOOP)
FLOAT_COMPARE(COMPARE_LOOP)
COMPARE(COMPARE_LOOP)
#undef S
#undef T

#define S f64
#define T double
FLOAT_UNARY(SAME_UNARY_LOOP)
FLOAT_BINARY(SAME_TYPE_LOOP)
FLOAT_TEST(FLOAT_TEST_LOOP)
FLOAT_COMPARE(COMPARE_LOOP)
COMPARE(COMPARE_LOOP)
#undef S
#undef T

#define S i32
#define T int32_t
#define U uint32_t
INT_UNARY(SAME_UNARY_LOOP)
INT_BINARY(SAME_TYPE_LOOP)
INT_DIVIDE(INT_DIVIDE_LOOP)
COMPARE(COMPARE_LOOP)
POWER_LOOP(Pow_i32, T, U)
#undef S
#undef T
#undef U

#define S i64
#define T int64_t
#define U uint64_t
INT_UNARY(SAME_UNARY_LOOP)
INT_BINARY(SAME_TYPE_LOOP)
INT_DIVIDE(INT_DIVIDE_LOOP)
COMPARE(COMPARE_LOOP)
POWER_LOOP(Pow_i64, T, U)
#undef S
#undef T
#undef U

#define S u8
#define T uint8_t
#define U uint8_t
INT_BINARY(SAME_TYPE_LOOP)
COMPARE(COMPARE_LOOP)
#undef S
#undef T
#undef U

#define S bool
#define T uint8_t
BOOL_BINARY(SAME_TYPE_LOOP)
#undef S
#undef T

/* --- the table --------------------------------------------------------------------------------------------------- */

enum { F32 = 1, F64 = 2, I32 = 3, U8 = 4, I16 = 5, I8 = 6, C64 = 8, I64 = 9, BOOL = 10, BF16 = 14, U16 = 17,
       F16 = 19, U32 = 22, U64 = 23 };

enum { CHEAP = 65536, VECTOR = 16384, LIBM = 4096 }; /* grains */

#define ROW(op, suffix, dtype, out, arity, grain) {#op, dtype, out, arity, grain, op##_##suffix},

#define ROW1_F32(op, grain, e) ROW(op, f32, F32, F32, 1, grain)
#define ROW2_F32(op, grain, e) ROW(op, f32, F32, F32, 2, grain)
#define TEST_F32(op, grain, e) ROW(op, f32, F32, BOOL, 1, grain)
#define COMP_F32(op, grain, e) ROW(op, f32, F32, BOOL, 2, grain)
/* float64 has half the lanes, and libm where float32 has polynomials */
#define HALF(grain) ((grain) == CHEAP ? CHEAP / 2 : LIBM)
#define ROW1_F64(op, grain, e) ROW(op, f64, F64, F64, 1, HALF(grain))
#define ROW2_F64(op, grain, e) ROW(op, f64, F64, F64, 2, HALF(grain))
#define TEST_F64(op, grain, e) ROW(op, f64, F64, BOOL, 1, HALF(grain))
#define COMP_F64(op, grain, e) ROW(op, f64, F64, BOOL, 2, HALF(grain))
#define ROW1_I32(op, grain, e) ROW(op, i32, I32, I32, 1, grain)
#define ROW2_I32(op, grain, e) ROW(op, i32, I32, I32, 2, grain)
#define COMP_I32(op, grain, e) ROW(op, i32, I32, BOOL, 2, grain)
#define DIVI_I32(op, e, m) ROW(op, i32, I32, I32, 2, LIBM)
#define ROW1_I64(op, grain, e) ROW(op, i64, I64, I64, 1, grain)
#define ROW2_I64(op, grain, e) ROW(op, i64, I64, I64, 2, grain)
#define COMP_I64(op, grain, e) ROW(op, i64, I64, BOOL, 2, grain)
#define DIVI_I64(op, e, m) ROW(op, i64, I64, I64, 2, LIBM)
#define ROW2_U8(op, grain, e) ROW(op, u8, U8, U8, 2, grain)
#define COMP_U8(op, grain, e) ROW(op, u8, U8, BOOL, 2, grain)
#define ROW_BOOL(op, grain, e) ROW(op, bool, BOOL, BOOL, 2, grain)

static const thw_loop_entry ENTRIES[] = {
  FLOAT_UNARY(ROW1_F32) FLOAT_BINARY(ROW2_F32) FLOAT_TEST(TEST_F32) FLOAT_COMPARE(COMP_F32) COMPARE(COMP_F32)
  FLOAT_UNARY(ROW1_F64) FLOAT_BINARY(ROW2_F64) FLOAT_TEST(TEST_F64) FLOAT_COMPARE(COMP_F64) COMPARE(COMP_F64)
  INT_UNARY(ROW1_I32) INT_BINARY(ROW2_I32) INT_DIVIDE(DIVI_I32) COMPARE(COMP_I32)
  INT_UNARY(ROW1_I64) INT_BINARY(ROW2_I64) INT_DIVIDE(DIVI_I64) COMPARE(COMP_I64)
  INT_BINARY(ROW2_U8) COMPARE(COMP_U8) BOOL_BINARY(ROW_BOOL)
  {"Pow", I32, I32, 2, LIBM, Pow_i32},
  {"Pow", I64, I64, 2, LIBM, Pow_i64},
  {"LogicalNot", BOOL, BOOL, 1, CHEAP, not_bool},
  {"Select", BOOL, BOOL, 3, CHEAP, select_8},
  {"Select", U8, U8, 3, CHEAP, select_8},
  {"Select", I8, I8, 3, CHEAP, select_8},
  {"Select", F16, F16, 3, CHEAP, select_16},
  {"Select", BF16, BF16, 3, CHEAP, select_16},
  {"Select", I16, I16, 3, CHEAP, select_16},
  {"Select", U16, U16, 3, CHEAP, select_16},
  {"Select", F32, F32, 3, CHEAP, select_32},
  {"Select", I32, I32, 3, CHEAP, select_32},
  {"Select", U32, U32, 3, CHEAP, select_32},
  {"Select", F64, F64, 3, CHEAP, select_64},
  {"Select", I64, I64, 3, CHEAP, select_64},
  {"Select", U64, U64, 3, CHEAP, select_64},
  {"Select", C64, C64, 3, CHEAP, select_64},
};

#define BOTH(name, op, arity, kind) \
  {name, F32, F32, arity, CHEAP, op##_##kind##_float}, {name, F64, F64, arity, CHEAP / 2, op##_##kind##_double},

static const thw_loop_entry PAIRS[] = {
  BOTH("Add+Relu", AddRelu, 2, pair)
  BOTH("Mul+Add", MulAdd, 3, pair)
  BOTH("Mul+Mul", MulMul, 3, pair)
  BOTH("Sub+Square", SubSquare, 2, pair)
};

static const thw_loop_entry STREAMED[] = {
  BOTH("Add", Add, 2, streamed)
  BOTH("AddV2", Add, 2, streamed)
  BOTH("Sub", Sub, 2, streamed)
  BOTH("Mul", Mul, 2, streamed)
  BOTH("Relu", Relu, 1, streamed)
  BOTH("Add+Relu", AddRelu, 2, streamed)
  BOTH("Mul+Add", MulAdd, 3, streamed)
  BOTH("Mul+Mul", MulMul, 3, streamed)
  BOTH("Sub+Square", SubSquare, 2, streamed)
};

#define LOOPS(entries) {entries, sizeof(entries) / sizeof(entries[0])}

const thw_elementwise_table THW_TABLE(elementwise) = {LOOPS(ENTRIES), LOOPS(PAIRS), LOOPS(STREAMED),
                                                      THW_X86 ? STREAMED_BYTES : 0, stream_end};
