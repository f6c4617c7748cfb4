/* Softmax and its cross entropies, for one instruction set.
 *
 * Rows are shifted by their maximum first, so that exp does not overflow. As many rows as fit into BLOCK elements go
 * through exp in one loop: with ten classes a loop per row would be mostly remainder. Sums are double.
 */
#include "cpu/c/softmax.h"

#include "cpu/c/math_f32.h"
#include "cpu/c/math_f64.h"

enum { BLOCK = 1024, LANES = 32 };

static inline int64_t rows_of_block(int64_t rows, int64_t classes) {
  int64_t fit = classes < BLOCK ? BLOCK / (classes ? classes : 1) : 1;
  return rows < fit ? rows : fit;
}

#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)
#define OWN(f) JOIN(f, S)

#define DEFINE_SOFTMAX                                                                                    \
  static inline T OWN(largest)(const T* x, int64_t n) {                                                   \
    T lane[LANES], m = -INFINITY;                                                                         \
    int64_t i = n / LANES * LANES;                                                                        \
    if (i) {                                                                                              \
      for (int j = 0; j < LANES; j++) lane[j] = x[j];                                                     \
      for (int64_t k = LANES; k < i; k += LANES)                                                          \
        for (int j = 0; j < LANES; j++) lane[j] = x[k + j] > lane[j] ? x[k + j] : lane[j];                \
      for (int j = 0; j < LANES; j++) m = lane[j] > m ? lane[j] : m;                                      \
    }                                                                                                     \
    for (; i < n; i++) m = x[i] > m ? x[i] : m;                                                           \
    return m;                                                                                             \
  }                                                                                                       \
  static inline double OWN(sum)(const T* x, int64_t n) {                                                  \
    double lane[LANES], s = 0;                                                                            \
    int64_t i = n / LANES * LANES;                                                                        \
    if (i) {                                                                                              \
      for (int j = 0; j < LANES; j++) lane[j] = x[j];                                                     \
      for (int64_t k = LANES; k < i; k += LANES)                                                          \
        for (int j = 0; j < LANES; j++) lane[j] += x[k + j];                                              \
      for (int j = 0; j < LANES; j++) s += lane[j];                                                       \
    }                                                                                                     \
    for (; i < n; i++) s += x[i];                                                                         \
    return s;                                                                                             \
  }                                                                                                       \
  /* sum of l[i] x[i]; nothing where l is 0, however small the logarithm x */                             \
  static inline double OWN(weighted_sum)(const T* l, const T* x, int64_t n) {                             \
    double lane[LANES], s = 0;                                                                            \
    int64_t i = n / LANES * LANES;                                                                        \
    if (i) {                                                                                              \
      for (int j = 0; j < LANES; j++) lane[j] = 0;                                                        \
      for (int64_t k = 0; k < i; k += LANES)                                                              \
        for (int j = 0; j < LANES; j++) lane[j] += l[k + j] == 0 ? 0 : (double)l[k + j] * x[k + j];       \
      for (int j = 0; j < LANES; j++) s += lane[j];                                                       \
    }                                                                                                     \
    for (; i < n; i++) s += l[i] == 0 ? 0 : (double)l[i] * x[i];                                          \
    return s;                                                                                             \
  }                                                                                                       \
  /* y[i] = x[i] - max(x), row by row */                                                                  \
  static void OWN(shift)(const T* x, int64_t stride, int64_t rows, int64_t classes, T* y) {               \
    for (int64_t r = 0; r < rows; r++, x += stride, y += classes) {                                       \
      const T m = OWN(largest)(x, classes);                                                               \
      INDEPENDENT for (int64_t i = 0; i < classes; i++) y[i] = x[i] - m;                                  \
    }                                                                                                     \
  }                                                                                                       \
  static void OWN(exp_all)(const T* x, int64_t n, T* y) {                                                 \
    INDEPENDENT for (int64_t i = 0; i < n; i++) y[i] = OWN(exp)(x[i]);                                    \
  }                                                                                                       \
  /* Divides a row of exponentials by their sum; gives the sum. */                                        \
  static inline double OWN(normalize)(T* y, int64_t classes) {                                            \
    const double total = OWN(sum)(y, classes);                                                            \
    const T divisor = (T)total;                                                                           \
    INDEPENDENT for (int64_t i = 0; i < classes; i++) y[i] = y[i] / divisor;                              \
    return total;                                                                                         \
  }                                                                                                       \
  static void OWN(softmax)(const void* in, int64_t rows, int64_t classes, void* out) {                    \
    const T* x = in;                                                                                      \
    T* y = out;                                                                                           \
    for (int64_t n; rows > 0; rows -= n, x += n * classes, y += n * classes) {                            \
      n = rows_of_block(rows, classes);                                                                   \
      OWN(shift)(x, classes, n, classes, y);                                                              \
      OWN(exp_all)(y, n * classes, y);                                                                    \
      for (int64_t r = 0; r < n; r++) OWN(normalize)(y + r * classes, classes);                           \
    }                                                                                                     \
  }                                                                                                       \
  /* log of the sum of exponentials of a row, by way of a buffer */                                       \
  static inline double OWN(log_sum)(const T* x, int64_t classes, T* buffer) {                             \
    double total = 0;                                                                                     \
    for (int64_t i = 0; i < classes; i += BLOCK) {                                                        \
      const int64_t n = classes - i < BLOCK ? classes - i : BLOCK;                                        \
      OWN(exp_all)(x + i, n, buffer);                                                                     \
      total += OWN(sum)(buffer, n);                                                                       \
    }                                                                                                     \
    return (log)(total);                                                                                  \
  }                                                                                                       \
  static void OWN(log_softmax)(const void* in, int64_t rows, int64_t classes, void* out) {                \
    const T* x = in;                                                                                      \
    T *y = out, buffer[BLOCK];                                                                            \
    for (int64_t n; rows > 0; rows -= n, x += n * classes, y += n * classes) {                            \
      n = rows_of_block(rows, classes);                                                                   \
      OWN(shift)(x, classes, n, classes, y);                                                              \
      if (classes < BLOCK) OWN(exp_all)(y, n * classes, buffer);                                          \
      for (int64_t r = 0; r < n; r++) {                                                                   \
        T* row = y + r * classes;                                                                         \
        const T shift = (T)(classes < BLOCK ? (log)(OWN(sum)(buffer + r * classes, classes))              \
                                            : OWN(log_sum)(row, classes, buffer));                        \
        INDEPENDENT for (int64_t i = 0; i < classes; i++) row[i] -= shift;                                \
      }                                                                                                   \
    }                                                                                                     \
  }                                                                                                       \
  static void OWN(cross_entropy)(const void* in, int64_t x_stride, const void* in_labels,                 \
                                 int64_t labels_stride, int64_t rows, int64_t classes, void* loss,        \
                                 void* backprop) {                                                        \
    const T *x = in, *labels = in_labels;                                                                 \
    T *y = backprop, *cost = loss;                                                                        \
    for (int64_t n; rows > 0; rows -= n, x += n * x_stride, y += n * classes) {                           \
      n = rows_of_block(rows, classes);                                                                   \
      OWN(shift)(x, x_stride, n, classes, y);                                                             \
      const T* l = labels;                                                                                \
      for (int64_t r = 0; r < n; r++, l += labels_stride) /* what the shifted logits give to the loss */  \
        cost[r] = (T)OWN(weighted_sum)(l, y + r * classes, classes);                                      \
      OWN(exp_all)(y, n * classes, y);                                                                    \
      for (int64_t r = 0; r < n; r++, labels += labels_stride) {                                          \
        T* row = y + r * classes;                                                                         \
        const double log_total = (log)(OWN(normalize)(row, classes));                                     \
        cost[r] = (T)(OWN(sum)(labels, classes) * log_total - cost[r]);                                   \
        INDEPENDENT for (int64_t i = 0; i < classes; i++) row[i] -= labels[i];                            \
      }                                                                                                   \
      cost += n;                                                                                          \
    }                                                                                                     \
  }                                                                                                       \
  static int64_t OWN(sparse_cross_entropy)(const void* in, const void* labels, int is_int64, int64_t rows, \
                                           int64_t classes, void* loss, void* backprop) {                 \
    const T* x = in;                                                                                      \
    T *y = backprop, *cost = loss;                                                                        \
    int64_t wrong = -1;                                                                                   \
    for (int64_t n, first = 0; first < rows; first += n, x += n * classes, y += n * classes) {            \
      n = rows_of_block(rows - first, classes);                                                           \
      OWN(shift)(x, classes, n, classes, y);                                                              \
      for (int64_t r = 0; r < n; r++) {                                                                   \
        const int64_t label = class_at(labels, is_int64, first + r);                                      \
        if (label < 0 || label >= classes)                                                                \
          wrong = first + r;                                                                              \
        else                                                                                              \
          cost[first + r] = y[r * classes + label];                                                       \
      }                                                                                                   \
      if (wrong >= first) continue;                                                                       \
      OWN(exp_all)(y, n * classes, y);                                                                    \
      for (int64_t r = 0; r < n; r++) {                                                                   \
        cost[first + r] = (T)((log)(OWN(normalize)(y + r * classes, classes)) - cost[first + r]);         \
        y[r * classes + class_at(labels, is_int64, first + r)] -= 1;                                      \
      }                                                                                                   \
    }                                                                                                     \
    return wrong;                                                                                         \
  }

static inline int64_t class_at(const void* labels, int is_int64, int64_t r) {
  return is_int64 ? ((const int64_t*)labels)[r] : ((const int32_t*)labels)[r];
}

#define S f32
#define T float
DEFINE_SOFTMAX
#undef S
#undef T
#define S f64
#define T double
DEFINE_SOFTMAX
#undef S
#undef T

#define ROW(S, dtype) {dtype, softmax_##S, log_softmax_##S, cross_entropy_##S, sparse_cross_entropy_##S}
static const thw_softmax_entry ENTRIES[] = {ROW(f32, 1), ROW(f64, 2)};
const thw_softmax_table THW_TABLE(softmax) = {ENTRIES};
