"""The CPU execution of CUDA-C computes what a GPU would, and finds what a GPU would not survive."""

import numpy as np
import pytest
from standin import emulator

ORDERS = ["forward", "reversed", "shuffled:1", "shuffled:2"]

AXPY = """
extern "C" __global__ void axpy(const float *__restrict__ x, float *y, float a, long long n)
{
    for (long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x; i < n; i += (long long)gridDim.x * blockDim.x)
        y[i] = __fadd_rn(__fmul_rn(a, x[i]), y[i]);
}
"""

MATMUL = """
#define TILE 16
extern "C" __global__ __launch_bounds__(TILE * TILE) void matmul(const float *a, const float *b, float *c, int n)
{
    __shared__ float left[TILE][TILE], right[TILE][TILE];
    int row = blockIdx.y * TILE + threadIdx.y, column = blockIdx.x * TILE + threadIdx.x;
    float sum = 0;
    for (int k = 0; k < n; k += TILE) {
        left[threadIdx.y][threadIdx.x] = row < n && k + threadIdx.x < n ? a[row * n + k + threadIdx.x] : 0;
        right[threadIdx.y][threadIdx.x] = k + threadIdx.y < n && column < n ? b[(k + threadIdx.y) * n + column] : 0;
        FIRST
        for (int i = 0; i < TILE; i++) sum += left[threadIdx.y][i] * right[i][threadIdx.x];
        SECOND
    }
    if (row < n && column < n) c[row * n + column] = sum;
}
"""

SOFTMAX = """
extern "C" __global__ void softmax(const float *x, float *y, int columns)
{
    extern __shared__ float shared[];                       // a value for each warp
    const float *row = x + (long long)blockIdx.x * columns;
    float highest = __int_as_float(0xff800000), sum = 0;
    for (int i = threadIdx.x; i < columns; i += blockDim.x) highest = fmaxf(highest, row[i]);
    for (int o = 16; o; o >>= 1) highest = fmaxf(highest, __shfl_xor_sync(0xffffffff, highest, o));
    if (threadIdx.x % 32 == 0) shared[threadIdx.x / 32] = highest;
    __syncthreads();
    for (int w = 0; w < blockDim.x / 32; w++) highest = fmaxf(highest, shared[w]);
    __syncthreads();
    for (int i = threadIdx.x; i < columns; i += blockDim.x) sum += expf(row[i] - highest);
    for (int o = 16; o; o >>= 1) sum += __shfl_xor_sync(0xffffffff, sum, o);
    if (threadIdx.x % 32 == 0) shared[threadIdx.x / 32] = sum;
    __syncthreads();
    sum = 0;
    for (int w = 0; w < blockDim.x / 32; w++) sum += shared[w];
    for (int i = threadIdx.x; i < columns; i += blockDim.x)
        y[(long long)blockIdx.x * columns + i] = expf(row[i] - highest) / sum;
}
"""


def matmul(first="__syncthreads();", second="__syncthreads();"):
    return emulator.load(MATMUL, [f"-DFIRST={first}", f"-DSECOND={second}"])


def operands(n):
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, n)).astype(np.float32), rng.standard_normal((n, n)).astype(np.float32)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("n", [0, 1, 255, 1000])
def test_grid_stride_loop(n, order):
    x, y = np.arange(n, dtype=np.float32), np.full(n, 0.5, np.float32)
    given = emulator.guarded(y)
    emulator.load(AXPY).launch("axpy", 3, 64, [emulator.guarded(x), given, np.float32(3), np.int64(n)], order=order)
    assert np.array_equal(given, 3 * x + y)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("n", [16, 50])
def test_shared_tiles(n, order):
    a, b = operands(n)
    c = emulator.guarded_empty((n, n))
    blocks = -(-n // 16)
    args = [emulator.guarded(a), emulator.guarded(b), c, np.int32(n)]
    matmul().launch("matmul", (blocks, blocks), (16, 16), args, order=order)
    assert np.allclose(c, a.astype(float) @ b, atol=1e-5)


@pytest.mark.parametrize("order", ORDERS)
def test_shuffles_and_dynamic_shared_memory(order):
    x = np.random.default_rng(1).standard_normal((5, 300)).astype(np.float32)
    y = emulator.guarded_empty(x.shape)
    emulator.load(SOFTMAX).launch("softmax", 5, 128, [emulator.guarded(x), y, np.int32(300)], shared=16, order=order)
    expected = np.exp(x.astype(float))
    assert np.allclose(y, expected / expected.sum(1, keepdims=True), atol=1e-7)


# ---- planted bugs ----

@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("missing", [{"first": ""}, {"second": ""}])
def test_a_missing_barrier_gives_a_wrong_result(missing, order):
    a, b = operands(48)
    c = emulator.guarded_empty((48, 48))
    matmul(**missing).launch("matmul", (3, 3), (16, 16), [a, b, c, np.int32(48)], order=order)
    assert not np.allclose(c, a @ b, rtol=0.1, atol=0.1)


def test_an_access_beyond_an_array_is_found():
    y = emulator.guarded(np.zeros(1000, np.float32))
    with pytest.raises(emulator.EmulationError, match=r"kernel axpy, block \(0, 0, 0\), thread \(40, 0, 0\): read out "
                                                      r"of bounds, at address 0x\w+, in line 5"):
        emulator.load(AXPY).launch("axpy", 3, 64, [np.zeros(2000, np.float32), y, np.float32(1), np.int64(1001)])


def run(body, block=64, parameters="int *out", args=None, grid=1, shared=0, order="forward", prelude="", options=()):
    """Runs a kernel of that body; gives its argument `out`, ints."""
    text = f'{prelude}\nextern "C" __global__ void k({parameters})\n{{\n{body}\n}}\n'
    out = emulator.guarded(np.zeros(256, np.int32))
    emulator.load(text, options).launch("k", grid, block, args or [out], shared=shared, order=order)
    return out


def test_a_write_beyond_an_array_is_found():
    with pytest.raises(emulator.EmulationError, match=r"thread \(0, 3, 0\): wrote out of bounds, at address 0x\w+, in "
                                                      "line 5"):
        run("int i = 253 + threadIdx.y;\n out[i] = i;", block=(1, 7))


def test_a_divergent_barrier_is_found():
    with pytest.raises(emulator.EmulationError, match=(
            r"kernel k, block \(0, 0, 0\): divergent barrier, the threads wait at different __syncthreads; waiting: "
            r"40 threads at __syncthreads in line 5 \(the first is \(0, 0, 0\)\), "
            r"24 threads at __syncthreads in line 7 \(the first is \(40, 0, 0\)\); 0 of 64 have ended")):
        run("if (threadIdx.x < 40)\n __syncthreads();\n else\n __syncthreads();")
