/* A device as plugins were written at the minor version whose frozen header it is compiled with: float32 and float64,
 * Neg, Square and Relu, on memory of its own. tests/devices/test_golden.py builds and tests it. */
#include <stdlib.h>
#include <string.h>

#include "thalweg_abi.h"

typedef struct { int op, is_double; int64_t n; } state_t;
enum { NEG, SQUARE, RELU };

static int64_t in_use, most, count;

static int device_count(int32_t* n) { return *n = 1, THW_OK; }
static int open_device(int32_t ordinal, const thw_core_api* core, void** dev) {
  (void)ordinal;
  *dev = (void*)core;
  return THW_OK;
}
static void close_device(void* dev) { (void)dev; }

/* What lies before each block: its size, and where the system's allocation begins. */
typedef struct { size_t bytes; void* base; } head_t;

static int alloc(void* dev, size_t bytes, size_t align, void** out) {
  size_t room = align < sizeof(head_t) ? sizeof(head_t) : align;
  char* base = bytes + 2 * room < bytes ? NULL : malloc(bytes + 2 * room);
  (void)dev;
  if (!base) return THW_OOM;
  char* block = base + room + (room - (uintptr_t)base % room) % room;
  ((head_t*)block)[-1] = (head_t){bytes, base};
  int64_t now = __atomic_add_fetch(&in_use, bytes, __ATOMIC_RELAXED);
  if (now > most) most = now;
  __atomic_add_fetch(&count, 1, __ATOMIC_RELAXED);
  *out = block;
  return THW_OK;
}
static void free_block(void* dev, void* block) {
  (void)dev;
  if (!block) return;
  __atomic_sub_fetch(&in_use, ((head_t*)block)[-1].bytes, __ATOMIC_RELAXED);
  free(((head_t*)block)[-1].base);
}
static int copy(void* dev, void* stream, void* target, const void* source, size_t n) {
  (void)dev, (void)stream;
  if (n) memcpy(target, source, n);
  return THW_OK;
}
static int sync_device(void* dev, void* stream) { return (void)dev, (void)stream, THW_OK; }
static int mem_stats(void* dev, thw_mem_stats* out) {
  (void)dev;
  out->bytes_in_use = in_use, out->peak_bytes = most, out->num_allocs = count;
  return THW_OK;
}

typedef struct { const state_t* state; const void* x; void* y; } work_t;

#define LOOP(type)                                                                            \
  for (int64_t i = begin; i < end; ++i) {                                                     \
    type v = ((const type*)work->x)[i];                                                       \
    ((type*)work->y)[i] = work->state->op == NEG ? -v : work->state->op == SQUARE ? v * v : v < 0 ? 0 : v; \
  }
static void chunk(void* arg, int64_t begin, int64_t end, void* scratch) {
  const work_t* work = arg;
  (void)scratch;
  if (work->state->is_double) LOOP(double) else LOOP(float)
}
static int run(thw_call* call, const thw_tensor* in, int32_t n_in, thw_tensor* out, int32_t n_out) {
  work_t work = {call->state, in[0].data, out[0].data};
  (void)n_in, (void)n_out;
  call->core->parallel_for(call->core_ctx, work.state->n, 10000, chunk, &work);
  return THW_OK;
}

static int find_kernel(void* dev, const thw_op_desc* desc, thw_kernel* out) {
  const thw_core_api* core = dev;
  const int64_t* dims;
  int32_t ndim;
  int op = !strcmp(desc->op_type, "Neg") ? NEG : !strcmp(desc->op_type, "Square") ? SQUARE
           : !strcmp(desc->op_type, "Relu") ? RELU : -1;
  if (op < 0 || desc->in_dtypes[0] > 2 || core->in_shape(desc->op, 0, &dims, &ndim)) {
    core->set_error(NULL, THW_UNIMPLEMENTED, "GOLDEN has Neg, Square and Relu of float32 and float64");
    return THW_UNIMPLEMENTED;
  }
  state_t* state = malloc(sizeof *state);
  if (!state) return THW_OOM;
  *state = (state_t){op, desc->in_dtypes[0] == 2, 1};
  for (int32_t i = 0; i < ndim; ++i) state->n *= dims[i];
  out->fn = run, out->state = state, out->free_state = free, out->flags = THW_INPLACE(0) | THW_DETERMINISTIC;
  return THW_OK;
}

const thw_device_api golden_table = {
    .struct_size = sizeof(thw_device_api), .abi_major = THW_ABI_MAJOR, .abi_minor = THW_ABI_MINOR,
    .build_tag = "golden", .device_count = device_count, .open = open_device, .close = close_device, .alloc = alloc,
    .free = free_block, .copy_h2d = copy, .copy_d2h = copy, .sync = sync_device, .find_kernel = find_kernel,
    .copy_d2d = copy, .mem_stats = mem_stats,
};
