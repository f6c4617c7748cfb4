"""What is used of cuBLASLt, as in cublasLt.h of version 13; a test compares all of it with the headers."""
import ctypes
from ctypes import POINTER, c_char_p, c_int, c_int64, c_size_t, c_uint64, c_void_p

_OUT, _STATUS = POINTER(c_void_p), c_int


class Algo(ctypes.Structure):
    """cublasLtMatmulAlgo_t, opaque."""

    _fields_ = [("data", c_uint64 * 8)]


class HeuristicResult(ctypes.Structure):
    """cublasLtMatmulHeuristicResult_t."""

    _fields_ = [("algo", Algo), ("workspace_size", c_size_t), ("state", c_int), ("waves_count", ctypes.c_float),
                ("reserved", c_int * 4)]


# name -> result and parameters; enumerations are ints
FUNCTIONS = {
    "cublasLtGetVersion": (c_size_t,),
    "cublasLtGetStatusString": (c_char_p, c_int),
    "cublasLtCreate": (_STATUS, _OUT),
    "cublasLtDestroy": (_STATUS, c_void_p),
    "cublasLtMatmulDescCreate": (_STATUS, _OUT, c_int, c_int),
    "cublasLtMatmulDescDestroy": (_STATUS, c_void_p),
    "cublasLtMatmulDescSetAttribute": (_STATUS, c_void_p, c_int, c_void_p, c_size_t),
    "cublasLtMatrixLayoutCreate": (_STATUS, _OUT, c_int, c_uint64, c_uint64, c_int64),
    "cublasLtMatrixLayoutDestroy": (_STATUS, c_void_p),
    "cublasLtMatrixLayoutSetAttribute": (_STATUS, c_void_p, c_int, c_void_p, c_size_t),
    "cublasLtMatmulPreferenceCreate": (_STATUS, _OUT),
    "cublasLtMatmulPreferenceDestroy": (_STATUS, c_void_p),
    "cublasLtMatmulPreferenceSetAttribute": (_STATUS, c_void_p, c_int, c_void_p, c_size_t),
    "cublasLtMatmulAlgoGetHeuristic": (_STATUS, *[c_void_p] * 7, c_int, POINTER(HeuristicResult), POINTER(c_int)),
    "cublasLtMatmul": (_STATUS, *[c_void_p] * 12, POINTER(Algo), c_void_p, c_size_t, c_void_p),
}

CONSTANTS = {
    "CUDA_R_32F": 0, "CUDA_R_64F": 1, "CUDA_R_16F": 2, "CUDA_C_32F": 4, "CUDA_C_64F": 5, "CUDA_R_16BF": 14,
    "CUBLAS_OP_N": 0, "CUBLAS_OP_T": 1, "CUBLAS_OP_C": 2,
    "CUBLAS_COMPUTE_32F": 68, "CUBLAS_COMPUTE_64F": 70, "CUBLAS_COMPUTE_32F_FAST_TF32": 77,
    "CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT": 5, "CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET": 6,
    "CUBLASLT_MATMUL_DESC_TRANSA": 3, "CUBLASLT_MATMUL_DESC_TRANSB": 4, "CUBLASLT_MATMUL_DESC_EPILOGUE": 7,
    "CUBLASLT_MATMUL_DESC_BIAS_POINTER": 8,
    "CUBLASLT_EPILOGUE_DEFAULT": 1, "CUBLASLT_EPILOGUE_BIAS": 4,
    "CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES": 1, "CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES": 5,
    "CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES": 6, "CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES": 7,
    "CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES": 8,
}
