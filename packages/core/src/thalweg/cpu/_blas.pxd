"""Matrix products of a BLAS, where there is one; the only door to it."""
from thalweg.cpu._types cimport dim_t

# A size as BLAS takes it; OverflowError above 2**31 - 1.
cdef int blas_int(dim_t size) except? -1

# C[m, n] = alpha * op(A)[m, k] @ op(B)[k, n] + beta * C, row-major, op by `is_transposed`; lda, ldb, ldc: numbers from
# row to row. One thread each: call it from inside a parallel_for. beta 0 does not read C.
cdef void sgemm(bint a_is_transposed, bint b_is_transposed, int m, int n, int k, float alpha, const float* a, int lda,
                const float* b, int ldb, float beta, float* c, int ldc) noexcept nogil
cdef void dgemm(bint a_is_transposed, bint b_is_transposed, int m, int n, int k, double alpha, const double* a,
                int lda, const double* b, int ldb, double beta, double* c, int ldc) noexcept nogil

# A function of the BLAS or LAPACK by its name without the library's prefix, "dgesdd_"; NULL where there is no library.
cdef void* blas_symbol(const char* name) noexcept
