/* A BLAS that is looked up when the program runs, and what stands in where there is none. */
#ifndef THALWEG_CPU_BLAS_H
#define THALWEG_CPU_BLAS_H

/* The signature of cblas_sgemm and cblas_dgemm: order, transposes, sizes, alpha, A, lda, B, ldb, beta, C, ldc. */
typedef void (*thw_sgemm_fn)(int, int, int, int, int, int, float, const float*, int, const float*, int, float, float*, int);
typedef void (*thw_dgemm_fn)(int, int, int, int, int, int, double, const double*, int, const double*, int, double, double*,
                             int);

void thw_plain_sgemm(int, int, int, int, int, int, float, const float*, int, const float*, int, float, float*, int);
void thw_plain_dgemm(int, int, int, int, int, int, double, const double*, int, const double*, int, double, double*, int);
#endif
