"""What of CUDA-C the emulator knows: each row a kernel's body for 64 threads, and what they write to `out`."""
import numpy as np
import pytest
from standin import emulator

ORDERS = ["forward", "reversed", "shuffled:3"]
LANE = np.arange(64) % 32
T = np.arange(64)


def text(body):
    """The source of a kernel of that body; int i is the thread's number in its block."""
    return f"""
__constant__ int table[4] = {{1, 11, 21, 31}};
__device__ unsigned counter;
#define NAN_ __int_as_float(0x7fffffff)
extern "C" __global__ void k(int *out)
{{
    int i = threadIdx.x;
    {body}
}}
"""


WARPS = [
    ("out[i] = __shfl_sync(~0u, i, 5);", T // 32 * 32 + 5),
    ("out[i] = __shfl_sync(~0u, i, 1, 8);", T // 8 * 8 + 1),
    ("out[i] = __shfl_up_sync(~0u, i, 3);", np.where(LANE < 3, T, T - 3)),
    ("out[i] = __shfl_down_sync(~0u, i, 3);", np.where(LANE > 28, T, T + 3)),
    ("out[i] = __shfl_down_sync(~0u, i, 2, 16);", np.where(T % 16 > 13, T, T + 2)),
    ("out[i] = __shfl_xor_sync(~0u, i, 7);", T ^ 7),
    ("out[i] = __float2int_rn(__shfl_xor_sync(~0u, 0.5f * i, 2) * 2);", T ^ 2),
    ("out[i] = (int)(__shfl_xor_sync(~0u, 1ll << 40 | i, 2) >> 40);", [1] * 64),
    ("out[i] = __shfl_xor_sync(~0u, 1e300 * i, 1) == 1e300 * (i ^ 1);", [1] * 64),
    ("out[i] = __popc(__ballot_sync(~0u, i % 3 == 0));", [11] * 32 + [11] * 32),
    ("out[i] = (int)__ballot_sync(~0u, i % 32 == 4);", [16] * 64),
    ("out[i] = __any_sync(~0u, i == 40) * 10 + __all_sync(~0u, i >= 32);", [0] * 32 + [11] * 32),
    ("out[i] = __popc(__match_any_sync(~0u, i / 5));",
     [sum(t // 5 == i // 5 and t // 32 == i // 32 for t in T) for i in T]),
    ("out[i] = __reduce_add_sync(~0u, i) + __reduce_max_sync(~0u, -i);", [496] * 32 + [1520 - 32] * 32),
    ("if (i % 2) out[i] = __shfl_sync(0xaaaaaaaau, i, 31); else out[i] = __shfl_sync(0x55555555u, i, 30);",
     T // 32 * 32 + 30 + T % 2),
    ("out[i] = __activemask() >> (i % 32) & 1;", [1] * 64),
    ("__shared__ int s[64]; s[i] = i; __syncwarp(); out[i] = s[i ^ 1];", T ^ 1),
    ("if (i % 32 < 16) __syncwarp(0xffff); out[i] = 1;", [1] * 64),
]
BLOCKS = [
    ("__shared__ int s[64]; s[i] = i; __syncthreads(); out[i] = s[63 - i];", 63 - T),
    ("out[i] = __syncthreads_count(i % 4 == 0);", [16] * 64),
    ("out[i] = 10 * __syncthreads_or(i == 7) + __syncthreads_and(i != 7);", [10] * 64),
    ("if (i >= 40) return; __syncthreads(); out[i] = i;", np.where(T < 40, T, -1)),
    ("__shared__ int n; if (i == 0) n = 0; __syncthreads(); atomicAdd(&n, i); __syncthreads(); out[i] = n;",
     [2016] * 64),
    ("__shared__ int lock, sum; if (!i) lock = sum = 0; __syncthreads(); while (atomicCAS(&lock, 0, 1)); sum += i; "
     "atomicExch(&lock, 0); __syncthreads(); out[i] = sum;", [2016] * 64),
    ("__shared__ float a[2]; __shared__ double b[3]; out[i] = __float_as_int(a[1]) & (int)__double_as_longlong(b[2]);",
     [-1] * 64),
]
ARITHMETIC = [
    ("out[i] = max(i, 3) + min(i, 60u);", np.maximum(T, 3) + np.minimum(T, 60)),
    ("out[i] = (int)(fmaxf(i, 3.5f) * 2) + (int)min(2.5, 7.0f) + abs(-i);", np.maximum(2 * T, 7) + 2 + T),
    ("out[i] = __popc(i) + 100 * __clz(i) + 10000 * __ffs(i);",
     [int(t).bit_count() + 100 * (32 - int(t).bit_length()) + 10000 * int(t & -t).bit_length() for t in T]),
    ("out[i] = (int)(__brev(i) >> 26);", [int(f"{t:06b}"[::-1], 2) for t in T]),
    ("out[i] = (int)__umulhi(0x80000000u, i) + __mulhi(-0x40000000, 4 * i) + (int)__umul64hi(1ull << 63, 2 * i);",
     T // 2 - T + T),
    ("out[i] = (int)__byte_perm(0x33221100u + i, 0x77665544u, 0x7410);", 0x77441100 + T),
    ("out[i] = (int)__funnelshift_l(0x80000000u, i, 1) + (int)__funnelshift_r(0, i, 31);", 2 * T + 1 + 2 * T),
    ("out[i] = __float2int_rz(1e20f) - 2147483647 + __float2int_rn(2.5f) + __float2int_ru(2.1f) + "
     "__float2int_rd(NAN_);",
     [2 + 3] * 64),
    ("out[i] = __float_as_int(__int_as_float(i + 5)) - (int)__float_as_uint(__uint_as_float(5u));", T),
    ("out[i] = __double2hiint(__hiloint2double(i, 7)) + __double2loint(__hiloint2double(i, 7));", T + 7),
    ("out[i] = __fmaf_rn(3.0f, i, 1.0f) == 3.0f * i + 1 && isnan(NAN_) && isinf(1 / 0.0f) && signbit(-0.0f);",
     [1] * 64),
    ("float x = 1 + 1e-4f * (i + 1); out[i] = x * x - x * x == 0 && __fmaf_rn(x, x, -__fmul_rn(x, x)) != 0;",
     [1] * 64),
    ("out[i] = __float2int_rn(rsqrtf(0.25f) + exp10f(2) + __expf(0) + __powf(2, 3) + cbrtf(27) + sinpif(0.5f));",
     [2 + 100 + 1 + 8 + 3 + 1] * 64),
    ("out[i] = __float2int_rn(__saturatef(i - 5.0f) + __fdividef(8, 2) + erff(30) + normcdff(0) * 2 + tanhf(40));",
     np.clip(T - 5, 0, 1) + 4 + 1 + 1 + 1),
    ("int e; out[i] = __float2int_rn(ldexpf(1, 4) + frexpf(8, &e) * 2) + e + ilogbf(16);", [16 + 1 + 4 + 4] * 64),
]
MEMORY = [
    ("float4 v = make_float4(i, 1, 2, 3); uint2 u = {4, 5}; out[i] = (int)(v.x + v.w) + u.y;", T + 3 + 5),
    ("out[i] = sizeof(float4) + alignof(float4) + alignof(int2) + sizeof(float3) + alignof(float3);",
     [16 + 16 + 8 + 12 + 4] * 64),
    ("if (i < 16) ((int4 *)out)[i] = make_int4(4 * i, 4 * i + 1, 4 * i + 2, 4 * i + 3);", T),
    ("out[i] = __ldg(out + i) + __ldcg(&table[i % 4]); __stcs(out + i, out[i] + 1);", T % 4 * 10 + 1),
    ("out[i] = atomicAdd(&counter, 0u) + warpSize; __threadfence();", [32] * 64),
    ("atomicMax(out, i); atomicMin(out + 1, -i); atomicOr(out + 2, 1 << i % 4); atomicAnd(out + 3, i); "
     "atomicXor(out + 4, 3);",
     [63, -63, -1, 0, -1]),
    ("float *f = (float *)out; if (i < 2) f[i] = 0; __syncthreads(); atomicAdd(f + i % 2, 0.5f); __syncthreads(); "
     "if (i < 2) out[i] = (int)f[i];", [16, 16]),
]
ALL = [row for group in (WARPS, BLOCKS, ARITHMETIC, MEMORY) for row in group]


@pytest.fixture(scope="module", autouse=True)
def compiled():
    """All of it side by side, as each takes a tenth of a second."""
    emulator.precompile([(text(body), ()) for body, _ in ALL])


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("body, expected", ALL, ids=lambda value: str(value)[:30])
def test_rows(body, expected, order):
    out = emulator.guarded(np.full(64, -1, np.int32))
    emulator.load(text(body)).launch("k", 1, 64, [out], order=order)
    assert out.tolist()[:len(expected)] == list(expected)
