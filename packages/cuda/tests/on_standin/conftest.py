"""Tests of the stand-in driver through PyCUDA. They need a process that was started on it: test_cuda_on_standin.py."""
import ctypes

import numpy as np
import pytest
from standin import driver, emulator

if not driver.is_loaded() and not driver.is_on_path():
    collect_ignore_glob = ["test_*"]

SCALE = """
extern "C" __global__ void scale(float *x, float by, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) x[i] *= by;
}
extern "C" __global__ __launch_bounds__(64) void narrow(float *x) { x[threadIdx.x] = 0; }
extern "C" __global__ void reverse(float *x, int n)
{
    extern __shared__ float whole[];
    __shared__ float part[8];
    whole[threadIdx.x] = x[threadIdx.x];
    part[threadIdx.x % 8] = 0;
    __syncthreads();
    x[threadIdx.x] = whole[n - 1 - threadIdx.x] + part[0];
}
extern "C" __global__ void stuck(float *x) { if (threadIdx.x) __syncthreads(); else __syncwarp(3); x[0] = 0; }
__constant__ float table[4];
extern "C" __global__ void from_table(float *x) { x[threadIdx.x] = table[threadIdx.x]; }
"""


@pytest.fixture(scope="session")
def cuda():
    """pycuda.driver, initialised, on two devices."""
    import pycuda.driver as cuda
    cuda.init()
    return cuda


@pytest.fixture
def contexts(cuda):
    """The primary contexts of both devices, the first one current; none is left with an error."""
    made = [cuda.Device(i).retain_primary_context() for i in range(2)]
    made[0].push()
    driver.fail("launch", times=0)
    driver.fail("allocation", times=0)
    driver.reset_counters()
    yield made
    cuda.Context.pop()
    for context in made:
        context.push()
        context.detach()


@pytest.fixture
def call(contexts):
    """A function: a call of the driver through ctypes, for what PyCUDA does not have; gives the CUresult."""
    library = ctypes.CDLL("libcuda.so.1")
    return lambda name, *args: getattr(library, name)(*args)


@pytest.fixture
def image():
    """The "cubin" of SCALE."""
    return emulator.compiler.shared_object(SCALE)[0].read_bytes()


@pytest.fixture
def module(cuda, contexts, image):
    return cuda.module_from_buffer(image)


@pytest.fixture
def scale(module):
    function = module.get_function("scale")
    function.prepare("Pfi")
    return function


@pytest.fixture
def floats(cuda, contexts):
    """A function: device memory with these numbers in it."""
    def make(values):
        array = np.asarray(values, np.float32)
        memory = cuda.mem_alloc(array.nbytes)
        cuda.memcpy_htod(memory, array)
        return memory
    return make


@pytest.fixture
def read(cuda):
    """A function: n floats of device memory, by a copy on the legacy stream."""
    def read(memory, n):
        result = np.empty(n, np.float32)
        cuda.memcpy_dtoh(result, memory)
        return result
    return read
