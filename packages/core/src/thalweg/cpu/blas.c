/* Matrix products in plain C, correct and unhurried: row-major only, which is all that our callers use. */
#include "cpu/blas.h"

#define IS_TRANSPOSED 112

#define COLUMNS 64 /* of C at a time: their sums, in double, stay in the first cache */

#define PLAIN_GEMM(name, real)                                                                                        \
  void name(int order, int a_op, int b_op, int m, int n, int k, real alpha, const real* a, int lda, const real* b,    \
            int ldb, real beta, real* c, int ldc) {                                                                   \
    (void)order;                                                                                                      \
    long a_row = a_op == IS_TRANSPOSED ? 1 : lda, a_column = a_op == IS_TRANSPOSED ? lda : 1;                         \
    long b_row = b_op == IS_TRANSPOSED ? 1 : ldb, b_column = b_op == IS_TRANSPOSED ? ldb : 1;                         \
    for (long i = 0; i < m; ++i)                                                                                      \
      for (long first = 0; first < n; first += COLUMNS) {                                                             \
        long count = n - first < COLUMNS ? n - first : COLUMNS;                                                       \
        double sums[COLUMNS] = {0};                                                                                   \
        for (long l = 0; l < k; ++l) {                                                                                \
          double factor = a[i * a_row + l * a_column];                                                                \
          const real* row = b + l * b_row + first * b_column;                                                         \
          for (long j = 0; j < count; ++j) sums[j] += factor * row[j * b_column];                                     \
        }                                                                                                             \
        real* target = c + i * (long)ldc + first;                                                                     \
        for (long j = 0; j < count; ++j)                                                                              \
          target[j] = (real)(alpha * sums[j] + (beta == 0 ? 0 : (double)beta * target[j]));                           \
      }                                                                                                               \
  }

PLAIN_GEMM(thw_plain_sgemm, float)
PLAIN_GEMM(thw_plain_dgemm, double)
