/* Instruction sets: what a family's C file is compiled for, and which of its tables this machine runs.
 *
 * `cpu/c/<family>_impl.h` is compiled once per instruction set by a stub that setup.py writes:
 *     #define THW_ISA avx2
 *     #define THW_VL 8
 *     #include "cpu/c/<family>_impl.h"
 * with that set's flags and hidden visibility. The file holds `static` functions and ends in one table:
 *     const thw_conv_table THW_TABLE(conv) = {THW_VL, forward, ...};        // thw_conv_table_avx2
 * `cpu/c/<family>.h` declares the table's type and lets this header choose among the tables:
 *     THW_CHOOSE_TABLE(conv)                          // const thw_conv_table *thw_conv(void)
 * A .pyx that says `cdef extern from "cpu/c/<family>.h"` is linked with the stubs (and with `<family>.c` if there
 * is one). Ask once, when the module is imported or in prepare; THALWEG_ISA=portable|avx2|avx512 lowers the choice.
 *
 * Code built with -mavx* must never leak: only `static` functions here and in every header that an _impl.h includes.
 */
#ifndef THALWEG_CPU_ISA_H
#define THALWEG_CPU_ISA_H
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__) || defined(_M_X64)
#define THW_X86 1
#else
#define THW_X86 0
#endif

#ifndef THW_VL
#define THW_VL 4 /* floats in a vector: SSE2 and NEON, which every machine of their kind has */
#endif

/* Before a loop: no element is read after another one was written. Loops that call a function stay as they are. */
#if defined(__clang__)
#pragma clang diagnostic ignored "-Wpass-failed"
#define INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define INDEPENDENT _Pragma("GCC ivdep")
#endif

#define THW_PASTE_(a, b, c) a##b##c
#define THW_PASTE(a, b, c) THW_PASTE_(a, b, c)
#ifdef THW_ISA /* inside a stub */
#define THW_TABLE(family) THW_PASTE(thw_##family, _table_, THW_ISA)
#endif

enum { THW_PORTABLE = 0, THW_AVX2 = 1, THW_AVX512 = 2 };

/* The best set that both the machine and THALWEG_ISA allow. A name that is unknown is refused by cpu/__init__.py. */
static inline int thw_isa(void) {
#if THW_X86
  __builtin_cpu_init();
  int best = THW_PORTABLE;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c")) {
    best = THW_AVX2;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq"))
      best = THW_AVX512;
  }
  const char* wish = getenv("THALWEG_ISA");
  if (wish && !strcmp(wish, "portable")) return THW_PORTABLE;
  if (wish && !strcmp(wish, "avx2") && best > THW_AVX2) return THW_AVX2;
  return best;
#else
  return THW_PORTABLE;
#endif
}

static inline const char* thw_isa_name(int isa) {
  return isa == THW_AVX512 ? "avx512" : isa == THW_AVX2 ? "avx2" : "portable";
}

#if THW_X86
#define THW_CHOOSE_TABLE(family)                                                                        \
  extern const thw_##family##_table thw_##family##_table_portable, thw_##family##_table_avx2,           \
      thw_##family##_table_avx512;                                                                      \
  static inline const thw_##family##_table* thw_##family(void) {                                        \
    int isa = thw_isa();                                                                                \
    return isa == THW_AVX512 ? &thw_##family##_table_avx512                                             \
           : isa == THW_AVX2 ? &thw_##family##_table_avx2                                               \
                             : &thw_##family##_table_portable;                                          \
  }
#else
#define THW_CHOOSE_TABLE(family)                                                                        \
  extern const thw_##family##_table thw_##family##_table_portable;                                      \
  static inline const thw_##family##_table* thw_##family(void) { return &thw_##family##_table_portable; }
#endif
#endif
