"""cuBLASLt's functions as far as they are used, computed by NumPy on memory of the host; matrices by columns."""
import ctypes

import ml_dtypes
import numpy as np

from thalweg_cuda.libraries.cublaslt_names import CONSTANTS, FUNCTIONS

_DTYPES = {"CUDA_R_32F": np.float32, "CUDA_R_64F": np.float64, "CUDA_R_16F": np.float16, "CUDA_C_32F": np.complex64,
           "CUDA_C_64F": np.complex128, "CUDA_R_16BF": ml_dtypes.bfloat16}
_DTYPES = {CONSTANTS[name]: np.dtype(dtype) for name, dtype in _DTYPES.items()}
_NOT_SUPPORTED = 15
WORKSPACE = 4096                 # bytes that the second algorithm asks for
ALIGNMENT = 16                   # of all operands, as the preference must say; NVIDIA wants 256 of workspaces


class FakeCublasLt:
    """In place of the ctypes.CDLL. `calls` counts functions; `refuses` makes the heuristics know nothing.

    `enqueue(stream, function)` has a function called when the stream is so far; by default that is now.
    """

    _name = "fake libcublasLt"

    def __init__(self, refuses=False, enqueue=None):
        self.refuses, self.calls, self._objects = refuses, {}, {}
        self._enqueue = enqueue or (lambda stream, function: function())
        for name in FUNCTIONS:
            setattr(self, name, self._counted(name, getattr(self, f"_{name[8:]}", None) or self._by_kind(name)))

    def _counted(self, name, function):
        def call(*args):
            self.calls[name] = self.calls.get(name, 0) + 1
            return function(*args)
        return call

    def _by_kind(self, name):
        if name.endswith("SetAttribute"):
            return self._set
        return self._destroy if name.endswith("Destroy") else self._create

    def _GetVersion(self):
        return 131000

    def _GetStatusString(self, status):
        return f"status {status}".encode()

    def _create(self, handle, *args):
        handle._obj.value = 1000 + len(self.calls) + len(self._objects)
        while handle._obj.value in self._objects:
            handle._obj.value += 1
        self._objects[handle._obj.value] = {"args": args}
        return 0

    def _destroy(self, handle):
        del self._objects[handle.value]
        return 0

    def _set(self, handle, name, value, nbytes):
        assert ctypes.sizeof(value._obj) == nbytes
        self._objects[handle.value][name] = value._obj.value
        return 0

    def _MatmulAlgoGetHeuristic(self, handle, operation, a, b, c, d, preference, most, results, count):
        assert {self._objects[preference.value][CONSTANTS[f"CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_{x}_BYTES"]]
                for x in "ABCD"} == {ALIGNMENT}
        if self.refuses:
            return _NOT_SUPPORTED
        for i in range(2):
            results[i].state, results[i].workspace_size = 0, i * WORKSPACE
            results[i].algo.data[0] = i + 1
        count._obj.value = 2
        return 0

    def _Matmul(self, handle, operation, alpha, a, a_layout, b, b_layout, beta, c, c_layout, d, d_layout, algo,
                workspace, workspace_bytes, stream):
        assert algo._obj.data[0] in (1, 2) and workspace_bytes == (algo._obj.data[0] - 1) * WORKSPACE
        assert workspace % 256 == 0 and not any(address % ALIGNMENT for address in (a, b, c, d))
        matrices = [self._matrices(*each) for each in ((a, a_layout), (b, b_layout), (c, c_layout), (d, d_layout))]
        op = dict(self._objects[operation.value])
        self._enqueue(stream, lambda: self._multiply(op, alpha[0], beta[0], *matrices))
        return 0

    def _multiply(self, op, alpha, beta, a, b, c, result):
        first = self._turned(a, op[CONSTANTS["CUBLASLT_MATMUL_DESC_TRANSA"]])
        second = self._turned(b, op[CONSTANTS["CUBLASLT_MATMUL_DESC_TRANSB"]])
        y = alpha * (first @ second)
        if beta:
            y = y + beta * _wide(c)
        epilogue = op[CONSTANTS["CUBLASLT_MATMUL_DESC_EPILOGUE"]]
        assert epilogue in (CONSTANTS["CUBLASLT_EPILOGUE_DEFAULT"], CONSTANTS["CUBLASLT_EPILOGUE_BIAS"])
        if epilogue == CONSTANTS["CUBLASLT_EPILOGUE_BIAS"]:
            pointer = op[CONSTANTS["CUBLASLT_MATMUL_DESC_BIAS_POINTER"]]
            y = y + _wide(_memory(pointer, result.dtype, result.shape[1:2], (result.itemsize,)))[:, None]
        result[...] = y

    def _matrices(self, address, layout):
        """[batches, rows, columns] of a layout, stored by columns."""
        about = self._objects[layout.value]
        kind, rows, columns, leading = about["args"]
        dtype = _DTYPES[kind]
        batches = about.get(CONSTANTS["CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT"], 1)
        step = about.get(CONSTANTS["CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET"], 0)
        size = dtype.itemsize
        return _memory(address, dtype, (batches, rows, columns), (step * size, size, leading * size))

    @staticmethod
    def _turned(x, op):
        x = _wide(x)
        if op == CONSTANTS["CUBLAS_OP_N"]:
            return x
        x = x.swapaxes(1, 2)
        return x.conj() if op == CONSTANTS["CUBLAS_OP_C"] else x


def _wide(x):
    return x.astype(np.complex128 if x.dtype.kind == "c" else np.float64)


def _memory(address, dtype, shape, strides):
    """An array over memory of the host at an address."""
    last = sum(max(n - 1, 0) * s for n, s in zip(shape, strides)) + dtype.itemsize
    buffer = (ctypes.c_char * last).from_address(address)
    return np.ndarray(shape, dtype, buffer, 0, strides)
