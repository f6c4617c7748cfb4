"""Matrix products by cuBLASLt, with an epilogue of bias; workspace is handed in, so that it can be captured.

cuBLASLt counts by columns: a product y = a b of matrices by rows is y^T = b^T a^T there: the factors change places.
"""
import ctypes
import threading
from typing import NamedTuple

from thalweg_cuda.recent import Recent
from thalweg_cuda.shared_library import open_first

from .cublaslt_names import CONSTANTS, FUNCTIONS, HeuristicResult
from .library import MOST_PLANS, LibraryError, bind, called, void_p

VERSIONS = ("13",)
INSTALL = "pip install thalweg-cuda[cublas] brings it (nvidia-cublas, 440 MB)"
WORKSPACE_BYTES = 32 << 20       # what NVIDIA recommends on Hopper
_ALIGNMENT = 16                  # bytes, of all operands

# dtype of the factors -> type of the matrices, of the sums, of alpha and beta (a C type of real and imaginary part)
_TYPES = {
    "float": ("CUDA_R_32F", "CUBLAS_COMPUTE_32F", "CUDA_R_32F", ctypes.c_float * 1),
    "double": ("CUDA_R_64F", "CUBLAS_COMPUTE_64F", "CUDA_R_64F", ctypes.c_double * 1),
    "half": ("CUDA_R_16F", "CUBLAS_COMPUTE_32F", "CUDA_R_32F", ctypes.c_float * 1),
    "bfloat16": ("CUDA_R_16BF", "CUBLAS_COMPUTE_32F", "CUDA_R_32F", ctypes.c_float * 1),
    "complex64": ("CUDA_C_32F", "CUBLAS_COMPUTE_32F", "CUDA_C_32F", ctypes.c_float * 2),
    "complex128": ("CUDA_C_64F", "CUBLAS_COMPUTE_64F", "CUDA_C_64F", ctypes.c_double * 2),
}


class Product(NamedTuple):
    """y [m, n] = a b, by rows; each factor maybe transposed (op "T"), or conjugated besides ("C").

    Attributes
    ----------
    dtype : str                 "float", "half" and so on
    op_a, op_b : "N", "T", "C"
    batches : int               their strides: elements between matrices, 0 where one is repeated
    has_bias, has_residual : bool               y = a b + residual + bias of n columns
    allow_tf32 : bool           float32 may be multiplied as TF32
    is_wide : bool              y, and what is added to it, is float32, of factors of 16 bits
    """

    dtype: str
    m: int
    n: int
    k: int
    op_a: str = "N"
    op_b: str = "N"
    batches: int = 1
    a_stride: int = 0
    b_stride: int = 0
    has_bias: bool = False
    has_residual: bool = False
    allow_tf32: bool = False
    is_wide: bool = False


class Plan:
    """A product with an algorithm.

    Attributes
    ----------
    workspace_bytes : int
    """

    def __init__(self, layer, product, described, result):
        self._layer, self._product, self._described, self._algo = layer, product, described, result.algo
        self.workspace_bytes = result.workspace_size
        kind = _TYPES[product.dtype][3]
        self._one, self._beta = kind(1), kind(1 if product.has_residual else 0)

    def run(self, stream, a, b, y, workspace, bias=0, residual=0):
        """Enqueues it, with the addresses of the operands."""
        d = self._described
        with self._layer.lock:
            if self._product.has_bias:   # each time: all plans of a product share the descriptor
                d.operation.set("CUBLASLT_MATMUL_DESC_BIAS_POINTER", ctypes.c_void_p(bias))
            self._layer.call("cublasLtMatmul", self._layer.handle, d.operation.handle, self._one, b, d.b.handle, a,
                             d.a.handle, self._beta, residual or y, d.y.handle, y, d.y.handle,
                             ctypes.byref(self._algo), workspace, self.workspace_bytes, stream)


class _Owned:
    """A descriptor of cuBLASLt that is destroyed with this object."""

    def __init__(self, layer, kind, *args):
        self._layer, self._kind, self.handle = layer, kind, void_p()
        layer.call(f"cublasLt{kind}Create", ctypes.byref(self.handle), *args)

    def set(self, name, value):
        """Sets an attribute to a ctypes value."""
        self._layer.call(f"cublasLt{self._kind}SetAttribute", self.handle, CONSTANTS[name], ctypes.byref(value),
                         ctypes.sizeof(value))
        return self

    def __del__(self):
        if self.handle:
            getattr(self._layer.library, f"cublasLt{self._kind}Destroy")(self.handle)


class _Described(NamedTuple):
    operation: _Owned
    a: _Owned
    b: _Owned
    y: _Owned


class CublasLt:
    """The opened library, with a handle for the current context.

    Attributes
    ----------
    version : str
    lock : RLock                held while the handle, or a descriptor that plans share, is used
    """

    def __init__(self, library, workspace_limit=WORKSPACE_BYTES):
        bind(library, FUNCTIONS)
        self.library, self.handle, self.lock = library, void_p(), threading.RLock()
        self._plans = Recent(MOST_PLANS)
        self.workspace_limit = min(workspace_limit, WORKSPACE_BYTES)
        number = library.cublasLtGetVersion()
        self.version = f"{number // 10000}.{number // 100 % 100}.{number % 100}"
        self.call("cublasLtCreate", ctypes.byref(self.handle))

    @classmethod
    def open(cls, workspace_limit):
        """The library that is installed."""
        return cls(open_first("cublasLt", VERSIONS, INSTALL), workspace_limit)

    def close(self):
        """Destroys the handle; no plan runs afterwards."""
        self._plans.clear()
        if self.handle:
            self.call("cublasLtDestroy", self.handle)
            self.handle = void_p()

    def call(self, name, *args):
        """Calls a function of the library; LibraryError where it refuses."""
        called(self.library, name, *args, explain=lambda status: self.library.cublasLtGetStatusString(status).decode())

    def plans(self, product, most=4):
        """Up to `most` plans, best first by the heuristics; LibraryError says why there is none."""
        with self.lock:
            return self._plans.get(product, lambda: self._find(product, most))

    def _find(self, product, most):
        if product.dtype not in _TYPES:
            raise LibraryError(f"cuBLASLt multiplies {', '.join(_TYPES)}, not {product.dtype}")
        described = self._describe(product)
        preference = _Owned(self, "MatmulPreference")
        preference.set("CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES", ctypes.c_size_t(self.workspace_limit))
        for operand in "ABCD":
            preference.set(f"CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_{operand}_BYTES", ctypes.c_uint32(_ALIGNMENT))
        results, count = (HeuristicResult * most)(), ctypes.c_int()
        d = described
        self.call("cublasLtMatmulAlgoGetHeuristic", self.handle, d.operation.handle, d.b.handle, d.a.handle,
                  d.y.handle, d.y.handle, preference.handle, most, results, ctypes.byref(count))
        plans = [Plan(self, product, described, result) for result in results[:count.value] if result.state == 0]
        if not plans:
            raise LibraryError(f"cuBLASLt {self.version} has no algorithm for {product}")
        return plans

    def _describe(self, product):
        kind, compute, scale, _ = _TYPES[product.dtype]
        if product.dtype == "float" and product.allow_tf32:
            compute = "CUBLAS_COMPUTE_32F_FAST_TF32"
        operation = _Owned(self, "MatmulDesc", CONSTANTS[compute], CONSTANTS[scale])
        # the factors change places
        operation.set("CUBLASLT_MATMUL_DESC_TRANSA", ctypes.c_int32(CONSTANTS[f"CUBLAS_OP_{product.op_b}"]))
        operation.set("CUBLASLT_MATMUL_DESC_TRANSB", ctypes.c_int32(CONSTANTS[f"CUBLAS_OP_{product.op_a}"]))
        epilogue = CONSTANTS[f"CUBLASLT_EPILOGUE_{'BIAS' if product.has_bias else 'DEFAULT'}"]
        operation.set("CUBLASLT_MATMUL_DESC_EPILOGUE", ctypes.c_uint32(epilogue))
        m, n, k = product.m, product.n, product.k
        a_rows, a_columns = (m, k) if product.op_a == "N" else (k, m)
        b_rows, b_columns = (k, n) if product.op_b == "N" else (n, k)
        return _Described(operation, self._layout(kind, a_rows, a_columns, product.batches, product.a_stride),
                          self._layout(kind, b_rows, b_columns, product.batches, product.b_stride),
                          self._layout("CUDA_R_32F" if product.is_wide else kind, m, n, product.batches, m * n))

    def _layout(self, kind, rows, columns, batches, stride):
        """A dense matrix by rows, which is one of `columns` rows by columns."""
        layout = _Owned(self, "MatrixLayout", CONSTANTS[kind], columns, rows, columns)
        if batches > 1:
            layout.set("CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT", ctypes.c_int32(batches))
            layout.set("CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET", ctypes.c_int64(stride))
        return layout
