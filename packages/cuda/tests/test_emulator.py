"""The CPU execution of CUDA-C computes what a GPU would, and finds what a GPU would not survive."""

import ctypes
import os
import re
import subprocess
import sys

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


def run(body, block=64, grid=1, shared=0, order="forward", prelude=""):
    """Runs a kernel of that body, which begins in line 4; gives its argument `out`, 256 ints."""
    text = f'{prelude}\nextern "C" __global__ void k(int *out)\n{{\n{body}\n}}\n'
    out = emulator.guarded(np.zeros(256, np.int32))
    emulator.load(text).launch("k", grid, block, [out], shared=shared, order=order)
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


WRONG = [
    ("if (threadIdx.x == 3) __syncwarp(); else __syncthreads();",
     r"deadlock, the threads wait for each other; waiting: 63 threads at __syncthreads in line 4 \(the first is "
     r"\(0, 0, 0\)\), 1 thread at __syncwarp in line 4 \(the first is \(3, 0, 0\)\); 0 of 64 have ended"),
    ("out[0] = __shfl_sync(1, threadIdx.x, 0);",
     r"thread \(1, 0, 0\): __shfl_sync in line 4 with mask 0x00000001, which does not name the caller, lane 1"),
    ("if (threadIdx.x & 1) __syncwarp(); else __ballot_sync(0xffffffff, 1);",
     r"thread \(0, 0, 0\): it waits at __ballot_sync in line 4 with mask 0xffffffff, and lane 1 of the same warp at "
     "__syncwarp in line 4 with mask 0xffffffff: the lanes that a mask names must come to the same operation"),
    ("while (atomicCAS(out, 1, 0) != 1);", "it spins in line 4: what it waits for does not come"),
    ("if (threadIdx.x == 2) __trap();", r"thread \(2, 0, 0\): __trap\(\) in line 4"),
    ("assert(threadIdx.x < 5);", r"thread \(5, 0, 0\): assert\(threadIdx.x < 5\) in line 4"),
    ("volatile char big[100000]; big[out[0]] = 1; out[1] = big[out[2]];", "stack overflow: local variables take more"),
    ("out[threadIdx.x] = 7 / out[threadIdx.x];", "integer division by zero, in line 4"),
    ("((float4 *)(out + 1))[threadIdx.x] = make_float4(0, 0, 0, 0);", "misaligned vector access"),
    ("*(int *)16 = 1;", "wrote out of bounds, at address 0x10, in line 4"),
    ("extern __shared__ int s[]; s[threadIdx.x + 200] = 1;", r"thread \(56, 0, 0\): wrote out of bounds"),
]


@pytest.mark.parametrize("order", ["forward", "reversed"])
@pytest.mark.parametrize("body, message", WRONG, ids=[body[:30] for body, _ in WRONG])
def test_what_no_gpu_survives(body, message, order):
    with pytest.raises(emulator.EmulationError, match="kernel k, block") as error:
        run(body, order=order, shared=1024)
    if order == "forward":
        assert re.search(message, str(error.value)), error.value
    assert run("out[threadIdx.x] = 5;")[0] == 5                    # and nothing is left of it


def test_an_undefined_value_of_a_shuffle_is_nan():
    out = run("out[threadIdx.x] = __shfl_down_sync(0xffffffff, (int)threadIdx.x, 1);", block=20)
    assert out[:20].tolist() == [*range(1, 20), -1]                 # lane 20 is not there


@pytest.mark.parametrize("grid, block, shared, message", [
    (1, 1025, 0, "1025 threads in a block, at most 1024 are allowed"), (0, 1, 0, r"grid \(0, 1, 1\) of blocks"),
    (1, (1, 1, 65), 0, "the third of a block at most 64"), ((1, 65536), 1, 0, "is not allowed"),
    (1, 1, 300_000, "300000 bytes of shared memory, at most 232448 are allowed")])
def test_limits_of_a_launch(grid, block, shared, message):
    with pytest.raises(emulator.EmulationError, match=message):
        run("out[0] = 1;", grid=grid, block=block, shared=shared)


def test_launch_bounds_are_kept():
    with pytest.raises(emulator.EmulationError, match="257 threads in a block, at most 256"):
        matmul().launch("matmul", 1, 257, [0, 0, 0, np.int32(0)])


@pytest.mark.parametrize("args, message", [
    ([], "kernel k takes 3 arguments, 0 came"),
    ([1, np.float64(2), np.int32(3)], "argument 1 is .*2.0.*8 bytes.*takes 4"),
    ([np.int32(1), np.float32(2), np.int32(3)], "argument 0 .* the kernel takes a pointer"),
    ([1, np.float32(2), np.zeros(4)], "argument 2 .* the kernel takes 4 bytes")])
def test_arguments_are_checked(args, message):
    module = emulator.load('extern "C" __global__ void k(float *x, float y, int z) {}')
    with pytest.raises(emulator.EmulationError, match=message):
        module.launch("k", 1, 1, args)


def test_packing():
    module = emulator.load("""
    struct Sizes { int n[3]; char tag; };
    extern "C" __global__ void k(char a, double *out, bool b, Sizes sizes, float4 v, short c)
    { out[0] = a; out[1] = b; out[2] = sizes.n[2]; out[3] = sizes.tag; out[4] = v.w; out[5] = c; }""")
    out, vector = emulator.guarded_empty(6, np.float64), np.arange(4, dtype=np.float32).tobytes()
    sizes = np.zeros((), [("n", np.int32, 3), ("tag", np.int8), ("", np.int8, 3)])
    sizes["n"], sizes["tag"] = [1, 2, 3], 4
    module.launch("k", 1, 1, [np.int8(-1), out, np.bool_(True), sizes[()], vector, np.int16(6)])
    assert out.tolist() == [-1, 1, 3, 4, 3, 6]


def test_an_unknown_kernel():
    with pytest.raises(emulator.EmulationError, match="no kernel other; the module has k"):
        emulator.load('extern "C" __global__ void k() {}').launch("other", 1, 1, [])


# ---- compiling ----

def test_an_error_of_the_compiler_names_the_line():
    with pytest.raises(emulator.CompileError, match=r"kernel.cu:3:.*nowhere"):
        emulator.load('// first\nextern "C" __global__ void k(int *x) {\nx[0] = nowhere; }')


def test_options(tmp_path):
    (tmp_path / "mine.h").write_text("#define MINE 7\n")
    text = '#include "mine.h"\nextern "C" __global__ void k(int *x) { *x = MINE + A + B + C; }'
    out = np.zeros(1, np.int32)
    for mine in (7, 8):                                             # a header that changed is seen
        (tmp_path / "mine.h").write_text(f"#define MINE {mine}\n")
        emulator.load.__globals__["_modules"].clear()
        options = [f"-I{tmp_path}", "-DA=1", "-D", "B=2", "--define-macro=C=3", "-DD", "-UD", "--fmad=false"]
        emulator.load(text, [*options, "-arch=sm_90", "-lineinfo"]).launch("k", 1, 1, [out])
        assert out[0] == mine + 6
    with pytest.raises(emulator.CompileError, match="unrecognized option --such: the emulator knows -D, -U, -I"):
        emulator.load(text, ["--such"])


def test_shared_memory_is_counted_for_each_kernel():
    module = emulator.load("""
    __device__ int helper(int i) { __shared__ int c[2]; c[i] = i; __syncthreads(); return c[!i]; }
    extern "C" __global__ void a(int *x) { __shared__ int t[100]; t[x[1]] = x[0]; x[0] = helper(x[2]); x[1] = t[2]; }
    extern "C" __global__ void b(int *x) { __shared__ int t[10]; t[x[1]] = x[0]; __syncthreads(); x[0] = t[x[2]]; }""")
    assert [module.static_shared_bytes(name) for name in ("a", "b")] == [408, 48]


def test_dynamic_shared_memory_at_file_scope():
    out = run("s[threadIdx.x] = threadIdx.x; __syncthreads(); out[threadIdx.x] = s[63 - threadIdx.x];", shared=256,
              prelude="extern __shared__ __align__(16) int s[];")
    assert out[:64].tolist() == list(range(63, -1, -1))


def test_templates_and_variables():
    module = emulator.load("""
    __constant__ float factor;
    template <class T, int n> __global__ void scale(T *x) { T t[n]; t[0] = x[0] * factor; x[0] = t[0]; }""",
                           expressions=["scale<float, 2>", "&scale<double, 3>"])
    ctypes.c_float.from_address(module.address_of("factor")).value = 3
    for dtype, name in ((np.float32, "scale<float, 2>"), (np.float64, "&scale<double, 3>")):
        x = np.array([2], dtype)
        module.launch(name, 1, 1, [x])
        assert x == [6]


def test_shared_memory_of_a_template_is_refused():
    with pytest.raises(emulator.CompileError, match=r"kernel.cu:2: __shared__ in a template cannot be emulated"):
        emulator.load("template <class T> __device__ void f(T *x) {\n if (x) { __shared__ T t[2]; t[0] = *x; } }")


def test_nothing_is_contracted():
    x = np.array([1 + 2**-12, -(1 + 2**-11)], np.float32)
    emulator.load('extern "C" __global__ void k(float *x) { x[0] = x[0] * x[0] + x[1]; }').launch("k", 1, 1, [x])
    assert x[0] == 0                                                # fused it were 2**-24


def test_comments_and_strings_are_no_code():
    module = emulator.load(r"""
    // extern "C" __global__ void not_this(int *x) {}
    /* __shared__ { __global__ */
    extern "C" __global__ void only(const char **x) { x[0] = "__global__ void nor_this() { \" "; }""")
    assert module.kernels == ["only"]


def test_fibres_of_other_processors():
    code = "import sys; sys.path.insert(0, sys.argv[1]); import test_emulator as t; " \
           "t.test_shared_tiles(50, 'reversed'); t.test_a_divergent_barrier_is_found(); " \
           "t.test_an_access_beyond_an_array_is_found()"
    here = os.path.dirname(__file__)
    environment = {**os.environ, "THALWEG_EMULATOR_PORTABLE": "1"}
    subprocess.run([sys.executable, "-c", code, here], check=True, env=environment)
