/* float16 and bfloat16 on the CPU: storage, not arithmetic. A kernel for float32 runs between a widening and one
 * rounding, to nearest, ties to even. */
#ifndef THALWEG_CPU_HALF_H
#define THALWEG_CPU_HALF_H
#include <stddef.h>
#include <stdint.h>

#include "cpu/c/isa.h"
#include "thalweg_abi.h"

enum { THW_NO_HALF, THW_FLOAT16, THW_BFLOAT16 };

typedef struct {
  void (*widen)(const uint16_t* x, float* y, int64_t n);
  void (*narrow)(const float* x, uint16_t* y, int64_t n);
} thw_half_conversion;

typedef struct {
  thw_half_conversion of[3]; /* by format */
} thw_half_table;

THW_CHOOSE_TABLE(half)

typedef struct { /* one operand of the node: first the inputs, then the outputs */
  int64_t n;      /* elements */
  int format;     /* THW_NO_HALF, or of what goes through a float32 copy */
  int is_ref;     /* an input that the kernel changes: its copy is rounded back */
  size_t offset;  /* of the copy in the workspace */
} thw_half_operand;

typedef struct {
  thw_kernel inner;                 /* the float32 kernel */
  const thw_half_table* convert;
  int32_t n_in, n_out;
  size_t tensors_offset;            /* of the descriptors in the workspace */
  thw_half_operand operands[];
} thw_half_state;

/* Lays out the workspace: the inner kernel's, descriptors, copies. Returns its size. */
size_t thw_half_layout(thw_half_state* state);

int thw_half_run(thw_call* call, const thw_tensor* in, int32_t n_in, thw_tensor* out, int32_t n_out);
void thw_half_free(void* state);
#endif
