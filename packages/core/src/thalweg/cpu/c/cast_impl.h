/* Conversions between element types, for one instruction set.
 *
 * Reals go to integers as x86 does it, on every machine and for every width of vectors alike: towards zero, by way of
 * int32 for narrow types and of int64 for uint32, and to the smallest integer where that is out of range.
 */
#include "cpu/c/cast.h"

#include <string.h>

#if THW_X86
#define TOWARDS_i32(v) (int32_t)(v)
#define TOWARDS_i64(v) (int64_t)(v)
#else /* other processors take what is out of range to the nearest integer, and NaN to 0 */
static inline int32_t TOWARDS_i32(double x) { return x > -0x1p31 - 1 && x < 0x1p31 ? (int32_t)x : INT32_MIN; }
static inline int64_t TOWARDS_i64(double x) { return x >= -0x1p63 && x < 0x1p63 ? (int64_t)x : INT64_MIN; }
#endif

static inline uint64_t to_u64(double x) {
  const double half = 9223372036854775808.0; /* 2^63 */
  return x >= half ? (uint64_t)TOWARDS_i64(x - half) ^ 0x8000000000000000u : (uint64_t)TOWARDS_i64(x);
}

#define INT_TO_f32(v) (float)(v)
#define INT_TO_f64(v) (double)(v)
#define INT_TO_i32(v) (int32_t)(v)
#define INT_TO_i64(v) (int64_t)(v)
#define INT_TO_i8(v) (int8_t)(int32_t)(v)
#define INT_TO_u8(v) (uint8_t)(int32_t)(v)
#define INT_TO_i16(v) (int16_t)(int32_t)(v)
#define INT_TO_u16(v) (uint16_t)(int32_t)(v)
#define INT_TO_u32(v) (uint32_t)(int64_t)(v)
#define INT_TO_u64(v) (uint64_t)(v)
#define INT_TO_bool(v) (uint8_t)((v) != 0)
#define FLOAT_TO_f32(v) (float)(v)
#define FLOAT_TO_f64(v) (double)(v)
#define FLOAT_TO_i32(v) TOWARDS_i32(v)
#define FLOAT_TO_i64(v) TOWARDS_i64(v)
#define FLOAT_TO_i8(v) (int8_t)TOWARDS_i32(v)
#define FLOAT_TO_u8(v) (uint8_t)TOWARDS_i32(v)
#define FLOAT_TO_i16(v) (int16_t)TOWARDS_i32(v)
#define FLOAT_TO_u16(v) (uint16_t)TOWARDS_i32(v)
#define FLOAT_TO_u32(v) (uint32_t)TOWARDS_i64(v)
#define FLOAT_TO_u64(v) to_u64(v)
#define FLOAT_TO_bool(v) (uint8_t)((v) != 0)

/* X(suffix, type, DataType) */
#define FLOATS(X, ...) X(f32, float, 1, __VA_ARGS__) X(f64, double, 2, __VA_ARGS__)
#define INTS(X, ...)                                                                                      \
  X(i32, int32_t, 3, __VA_ARGS__) X(u8, uint8_t, 4, __VA_ARGS__) X(i16, int16_t, 5, __VA_ARGS__)          \
  X(i8, int8_t, 6, __VA_ARGS__) X(i64, int64_t, 9, __VA_ARGS__) X(bool, uint8_t, 10, __VA_ARGS__)         \
  X(u16, uint16_t, 17, __VA_ARGS__) X(u32, uint32_t, 22, __VA_ARGS__) X(u64, uint64_t, 23, __VA_ARGS__)

#define LOOP(S, TS, D, TD, CONVERT)                                                                       \
  static void S##_to_##D(const void* in, void* out, int64_t n) {                                          \
    const TS* x = in;                                                                                     \
    TD* y = out;                                                                                          \
    for (int64_t i = 0; i < n; i++) y[i] = CONVERT(x[i]);                                                 \
  }
#define FROM(S, TS, number, D, TD, CONVERT) LOOP(S, TS, D, TD, CONVERT)

#define FROM_ALL(D, TD) FLOATS(FROM, D, TD, FLOAT_TO_##D) INTS(FROM, D, TD, INT_TO_##D)
FROM_ALL(f32, float)
FROM_ALL(f64, double)
FROM_ALL(i32, int32_t)
FROM_ALL(u8, uint8_t)
FROM_ALL(i16, int16_t)
FROM_ALL(i8, int8_t)
FROM_ALL(i64, int64_t)
FROM_ALL(bool, uint8_t)
FROM_ALL(u16, uint16_t)
FROM_ALL(u32, uint32_t)
FROM_ALL(u64, uint64_t)

/* bfloat16: the upper half of a float32, rounded to nearest, ties to even; NaN is one NaN. */
static void bf16_to_f32(const void* in, void* out, int64_t n) {
  const uint16_t* x = in;
  float* y = out;
  for (int64_t i = 0; i < n; i++) {
    const uint32_t bits = (uint32_t)x[i] << 16;
    memcpy(&y[i], &bits, sizeof bits);
  }
}

static void f32_to_bf16(const void* in, void* out, int64_t n) {
  const float* x = in;
  uint16_t* y = out;
  for (int64_t i = 0; i < n; i++) {
    uint32_t bits;
    memcpy(&bits, &x[i], sizeof bits);
    const uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    y[i] = (uint16_t)((bits & 0x7fffffff) > 0x7f800000 ? 0x7fc0 : rounded);
  }
}

#define ROW(S, TS, from, D, to) {from, to, S##_to_##D},
#define ROWS(D, to) FLOATS(ROW, D, to) INTS(ROW, D, to)

static const thw_cast_entry ENTRIES[] = {
  ROWS(f32, 1) ROWS(f64, 2) ROWS(i32, 3) ROWS(u8, 4) ROWS(i16, 5) ROWS(i8, 6) ROWS(i64, 9) ROWS(bool, 10)
  ROWS(u16, 17) ROWS(u32, 22) ROWS(u64, 23)
  {14, 1, bf16_to_f32},
  {1, 14, f32_to_bf16},
};

const thw_cast_table THW_TABLE(cast) = {ENTRIES, sizeof(ENTRIES) / sizeof(ENTRIES[0])};
