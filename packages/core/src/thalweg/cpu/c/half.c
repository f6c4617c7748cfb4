#include "cpu/c/half.h"

#include <stdlib.h>

#define GRAIN 65536 /* elements in a few tens of microseconds */

static size_t round_up(size_t bytes) { return (bytes + 63) & ~(size_t)63; }

size_t thw_half_layout(thw_half_state* state) {
  int32_t count = state->n_in + state->n_out;
  size_t size = round_up(state->inner.workspace_bytes);
  state->tensors_offset = size;
  size += round_up((size_t)count * sizeof(thw_tensor));
  for (int32_t k = 0; k < count; ++k) {
    if (!state->operands[k].format) continue;
    state->operands[k].offset = size;
    size += round_up((size_t)state->operands[k].n * sizeof(float));
  }
  return size;
}

typedef struct { const thw_half_conversion* convert; uint16_t* halves; float* floats; } conversion;

static void widen_chunk(void* arg, int64_t begin, int64_t end, void* scratch) {
  const conversion* job = arg;
  (void)scratch;
  job->convert->widen(job->halves + begin, job->floats + begin, end - begin);
}

static void narrow_chunk(void* arg, int64_t begin, int64_t end, void* scratch) {
  const conversion* job = arg;
  (void)scratch;
  job->convert->narrow(job->floats + begin, job->halves + begin, end - begin);
}

static int is_same(const thw_tensor* a, const thw_tensor* b) {
  return (char*)a->data + a->byte_offset == (char*)b->data + b->byte_offset;
}

/* Operand k of the node: first the inputs, then the outputs. */
static const thw_tensor* operand(const thw_half_state* state, const thw_tensor* in, const thw_tensor* out, int32_t k) {
  return k < state->n_in ? &in[k] : &out[k - state->n_in];
}

/* The float32 copy of operand k. What is one buffer stays one: the operands that share one (a variable and its value,
   an output in place) share the copy of the first of them, so that what the kernel writes is what is rounded back. */
static thw_tensor copy_of(const thw_half_state* state, const thw_call* call, const thw_tensor* in,
                          const thw_tensor* out, int32_t k) {
  const thw_half_operand* operands = state->operands;
  thw_tensor tensor = *operand(state, in, out, k);
  if (!operands[k].format) return tensor;
  int32_t first = 0;
  while (first < k && !(operands[first].format && operands[first].n == operands[k].n &&
                        is_same(operand(state, in, out, first), &tensor)))
    ++first;
  tensor.data = (char*)call->workspace + operands[first].offset;
  tensor.byte_offset = 0;
  tensor.dtype.code = 2; /* kDLFloat */
  tensor.dtype.bits = 32;
  return tensor;
}

static void convert(const thw_half_state* state, thw_call* call, const thw_tensor* half, const thw_tensor* copy,
                    int32_t k, thw_body_fn body) {
  conversion job = {&state->convert->of[state->operands[k].format], (uint16_t*)((char*)half->data + half->byte_offset), copy->data};
  call->core->parallel_for(call->core_ctx, state->operands[k].n, GRAIN, body, &job);
}

int thw_half_run(thw_call* call, const thw_tensor* in, int32_t n_in, thw_tensor* out, int32_t n_out) {
  const thw_half_state* state = call->state;
  thw_tensor* copies = (thw_tensor*)((char*)call->workspace + state->tensors_offset);
  for (int32_t k = 0; k < n_in; ++k) {
    copies[k] = copy_of(state, call, in, out, k);
    if (state->operands[k].format) convert(state, call, &in[k], &copies[k], k, widen_chunk);
  }
  for (int32_t k = 0; k < n_out; ++k) copies[n_in + k] = copy_of(state, call, in, out, n_in + k);
  thw_call inner = *call;
  inner.state = state->inner.state;
  int code = state->inner.fn(&inner, copies, n_in, copies + n_in, n_out);
  if (code) return code;
  for (int32_t k = 0; k < n_in + n_out; ++k)
    if (state->operands[k].format && (k >= n_in || state->operands[k].is_ref))
      convert(state, call, operand(state, in, out, k), &copies[k], k, narrow_chunk);
  return THW_OK;
}

void thw_half_free(void* memory) {
  thw_half_state* state = memory;
  if (state->inner.free_state && state->inner.state) state->inner.free_state(state->inner.state);
  free(state);
}
