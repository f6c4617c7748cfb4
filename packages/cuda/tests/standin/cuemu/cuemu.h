// CUDA-C on the CPU: what a kernel's source sees in place of NVRTC's built-in names. No system header is included, as
// NVRTC includes none: a module compiles in a tenth of a second. The scheduler is runtime.cpp.
#ifndef CUEMU_H
#define CUEMU_H
#include "abi.h"

#define THALWEG_EMULATED 1

typedef __SIZE_TYPE__ size_t;
typedef __PTRDIFF_TYPE__ ptrdiff_t;
typedef long long clock_t;

#define __device__ __attribute__((visibility("default")))
#define __constant__ __attribute__((visibility("default"), used))
#define __global__ __attribute__((noinline, visibility("default")))
#define __host__
#define __grid_constant__
#define __launch_bounds__(...)
#define __forceinline__ inline __attribute__((always_inline))
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __builtin_assume(condition) ((void)0)
// compiler.py writes __shared__ with the kernel that it stands in: each kernel has a section of its own, so that its
// shared memory has a size, and a beginning and an end to fill.
#define cuemu_shared_of(kernel) static __attribute__((section("cuemu_shared_" #kernel)))

#include "types.h"

// Hidden but not const: the scheduler changes them whenever a thread waits.
#pragma GCC visibility push(hidden)
extern "C" {
extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;
extern unsigned char *cuemu_dynamic_shared;
unsigned long long cuemu_wait(int kind, int line, unsigned mask, unsigned long long value, int argument);
void cuemu_spin(int line);
[[noreturn]] void cuemu_trap(int line, const char *what);
long long cuemu_clock(void);
}
#pragma GCC visibility pop
static const int warpSize = 32;

#include "math.h"
#include "sync.h"
#include "atomics.h"
#include "kernel.h"

#define __trap() cuemu_trap(__LINE__, "__trap()")
#define assert(condition) ((condition) ? (void)0 : cuemu_trap(__LINE__, "assert(" #condition ")"))
#define clock() ((clock_t)cuemu_clock())
#define clock64() cuemu_clock()
extern "C" int printf(const char *, ...);

// Last, as these names also stand inside attributes above.
#define __noinline__ __attribute__((noinline))
#endif
