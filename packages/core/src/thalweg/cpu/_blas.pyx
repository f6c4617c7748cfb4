"""Matrix products of a BLAS, where there is one: scipy-openblas32, opened when this module is first imported.

It runs with one thread for ever: our own pool divides the work, so that a result does not depend on the number of
threads.
"""
import ctypes
import importlib.util
import os
from pathlib import Path

from libc.stdint cimport uintptr_t

cdef extern from "cpu/blas.h" nogil:
    ctypedef void (*thw_sgemm_fn)(int, int, int, int, int, int, float, const float*, int, const float*, int, float,
                                  float*, int)
    ctypedef void (*thw_dgemm_fn)(int, int, int, int, int, int, double, const double*, int, const double*, int, double,
                                  double*, int)
    void thw_plain_sgemm(int, int, int, int, int, int, float, const float*, int, const float*, int, float, float*, int)
    void thw_plain_dgemm(int, int, int, int, int, int, double, const double*, int, const double*, int, double,
                         double*, int)

cdef enum:                               # cblas.h
    ROW_MAJOR = 101
    AS_IT_IS = 111
    TRANSPOSED = 112

cdef thw_sgemm_fn SGEMM = thw_plain_sgemm
cdef thw_dgemm_fn DGEMM = thw_plain_dgemm

_LIBRARY = None                          # keeps the library open
_PREFIX = "scipy_"


def find():
    """The library's file, found without importing the package; None where it is not installed."""
    spec = importlib.util.find_spec("scipy_openblas32")
    if spec is None or not spec.submodule_search_locations:
        return None
    return next(Path(spec.submodule_search_locations[0], "lib").glob("libscipy_openblas.*"), None)


def _open(path):
    # OpenBLAS starts its threads when it is loaded, unless this variable is there at that moment.
    before = os.environ.get("OPENBLAS_NUM_THREADS")
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    try:
        library = ctypes.CDLL(str(path))
    finally:
        if before is None:
            del os.environ["OPENBLAS_NUM_THREADS"]
        else:
            os.environ["OPENBLAS_NUM_THREADS"] = before
    library.scipy_openblas_set_num_threads(1)
    return library


def use(path):
    """Takes matrix products from the library at `path`, or from plain C where that is None."""
    global _LIBRARY, SGEMM, DGEMM
    _LIBRARY = None if path is None else _open(path)
    SGEMM = thw_plain_sgemm if path is None else <thw_sgemm_fn>blas_symbol(b"cblas_sgemm")
    DGEMM = thw_plain_dgemm if path is None else <thw_dgemm_fn>blas_symbol(b"cblas_dgemm")


cdef void* blas_symbol(const char* name) noexcept:
    if _LIBRARY is None:
        return NULL
    function = getattr(_LIBRARY, _PREFIX + name.decode(), None)
    return NULL if function is None else <void*><uintptr_t>ctypes.cast(function, ctypes.c_void_p).value


def library():
    """The path of the BLAS in use; "" where plain C stands in."""
    return "" if _LIBRARY is None else _LIBRARY._name


cdef int blas_int(dim_t size) except? -1:
    if size > 2147483647:
        raise OverflowError(f"a matrix dimension of {size} is above 2**31 - 1, the most that this BLAS takes; "
                            "split the product")
    return <int>size


cdef void sgemm(bint a_is_transposed, bint b_is_transposed, int m, int n, int k, float alpha, const float* a, int lda,
                const float* b, int ldb, float beta, float* c, int ldc) noexcept nogil:
    if m > 0 and n > 0:
        SGEMM(ROW_MAJOR, TRANSPOSED if a_is_transposed else AS_IT_IS, TRANSPOSED if b_is_transposed else AS_IT_IS,
              m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)


cdef void dgemm(bint a_is_transposed, bint b_is_transposed, int m, int n, int k, double alpha, const double* a,
                int lda, const double* b, int ldb, double beta, double* c, int ldc) noexcept nogil:
    if m > 0 and n > 0:
        DGEMM(ROW_MAJOR, TRANSPOSED if a_is_transposed else AS_IT_IS, TRANSPOSED if b_is_transposed else AS_IT_IS,
              m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)


use(find())


def matmul(a, b, a_is_transposed=False, b_is_transposed=False):
    """op(a) @ op(b) for two-dimensional float32 or float64 arrays, dense: the products above, for Python."""
    import numpy as np
    a, b = np.ascontiguousarray(a), np.ascontiguousarray(b)
    m, k = reversed(a.shape) if a_is_transposed else a.shape
    n = b.shape[0] if b_is_transposed else b.shape[1]
    result = np.empty((m, n), a.dtype)
    cdef uintptr_t x = a.ctypes.data, y = b.ctypes.data, z = result.ctypes.data
    cdef int lda = blas_int(max(a.shape[1], 1)), ldb = blas_int(max(b.shape[1], 1)), ldc = blas_int(max(n, 1))
    if a.dtype == np.float32:
        sgemm(a_is_transposed, b_is_transposed, m, n, k, 1, <float*>x, lda, <float*>y, ldb, 0, <float*>z, ldc)
    else:
        dgemm(a_is_transposed, b_is_transposed, m, n, k, 1, <double*>x, lda, <double*>y, ldb, 0, <double*>z, ldc)
    return result
