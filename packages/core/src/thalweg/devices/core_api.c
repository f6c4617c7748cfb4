#include "devices/core_api.h"

#include <string.h>

#include "devices/pool.h"

static int default_threads = 1;
static __thread thw_run_context outside;

thw_run_context* thw_outside_context(void) { return &outside; }
void thw_set_default_threads(int threads) { default_threads = threads < 1 ? 1 : threads; }

/* --- errors ----------------------------------------------------------------------------------------- */

/* Copies at most `room` - 1 bytes and never half a character. */
static void copy_text(char* target, const char* text, size_t room) {
  size_t n = strlen(text);
  if (n >= room)
    for (n = room - 1; n > 0 && ((unsigned char)text[n] & 0xC0) == 0x80;) --n;
  memcpy(target, text, n);
  target[n] = 0;
}

static void set_error(void* core_ctx, int code, const char* utf8) {
  thw_run_context* context = core_ctx ? core_ctx : &outside;
  int is_claimed = 0;
  if (!__atomic_compare_exchange_n(&context->is_claimed, &is_claimed, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
    return; /* the first error wins: what follows is mostly its consequence */
  copy_text(context->message, utf8 ? utf8 : "", THW_MESSAGE_BYTES);
  __atomic_store_n(&context->code, code ? code : THW_INTERNAL, __ATOMIC_RELEASE);
}

/* --- work ------------------------------------------------------------------------------------------- */

static void parallel_for(void* core_ctx, int64_t n, int64_t grain, thw_body_fn body, void* arg) {
  const thw_run_context* context = core_ctx;
  int threads = context && context->threads > 0 ? context->threads : default_threads;
  size_t scratch_bytes = context ? context->scratch_bytes : 0;
  if (thw_pool_run(threads, n, grain, body, arg, scratch_bytes))
    set_error(core_ctx, THW_OOM, "no memory for the scratch space of a worker thread");
}

/* 128-bit addition under a lock that is held for a few nanoseconds. */
static void rng_reserve(void* core_ctx, thw_rng* rng, uint64_t blocks, uint32_t counter[4], uint32_t key[2]) {
  static char lock;
  (void)core_ctx;
  while (__atomic_test_and_set(&lock, __ATOMIC_ACQUIRE)) {
  }
  uint64_t low = rng->counter[0], high = rng->counter[1];
  rng->counter[0] = low + blocks;
  rng->counter[1] = high + (rng->counter[0] < low);
  __atomic_clear(&lock, __ATOMIC_RELEASE);
  counter[0] = (uint32_t)low;
  counter[1] = (uint32_t)(low >> 32);
  counter[2] = (uint32_t)high;
  counter[3] = (uint32_t)(high >> 32);
  key[0] = rng->key[0];
  key[1] = rng->key[1];
}

/* --- what a plan knows of a node -------------------------------------------------------------------- */

static const thw_attr* find(const void* op, const char* name, int kind) {
  const thw_node* node = op;
  for (int32_t i = 0; i < node->n_attrs; ++i)
    if (node->attrs[i].kind == kind && !strcmp(node->attrs[i].name, name)) return &node->attrs[i];
  return NULL;
}

static int attr_i64(const void* op, const char* name, int64_t* out) {
  const thw_attr* attr = find(op, name, THW_ATTR_I64);
  if (!attr) return 1;
  *out = attr->value.i64;
  return 0;
}

static int attr_f64(const void* op, const char* name, double* out) {
  const thw_attr* attr = find(op, name, THW_ATTR_F64);
  if (!attr) return 1;
  *out = attr->value.f64;
  return 0;
}

static int attr_str(const void* op, const char* name, const char** out, size_t* length) {
  const thw_attr* attr = find(op, name, THW_ATTR_STR);
  if (!attr) return 1;
  *out = attr->value.str.text;
  *length = attr->value.str.length;
  return 0;
}

static int attr_ints(const void* op, const char* name, const int64_t** out, size_t* n) {
  const thw_attr* attr = find(op, name, THW_ATTR_INTS);
  if (!attr) return 1;
  *out = attr->value.ints.items;
  *n = attr->value.ints.n;
  return 0;
}

static int shape(const thw_shape* shapes, int32_t count, int32_t k, const int64_t** dims, int32_t* ndim) {
  if (k < 0 || k >= count || shapes[k].ndim < 0) return 1;
  *dims = shapes[k].dims;
  *ndim = shapes[k].ndim;
  return 0;
}

static int in_shape(const void* op, int32_t k, const int64_t** dims, int32_t* ndim) {
  const thw_node* node = op;
  return shape(node->in_shapes, node->n_in, k, dims, ndim);
}

static int out_shape(const void* op, int32_t k, const int64_t** dims, int32_t* ndim) {
  const thw_node* node = op;
  return shape(node->out_shapes, node->n_out, k, dims, ndim);
}

static int in_value(const void* op, int32_t k, thw_tensor* out) {
  const thw_node* node = op;
  if (k < 0 || k >= node->n_in || !node->in_values[k].data) return 1;
  *out = node->in_values[k];
  return 0;
}

const thw_core_api thw_core = {
    .struct_size = sizeof(thw_core_api), .abi_major = THW_ABI_MAJOR, .abi_minor = THW_ABI_MINOR,
    .set_error = set_error, .parallel_for = parallel_for, .rng_reserve = rng_reserve,
    .attr_i64 = attr_i64, .attr_f64 = attr_f64, .attr_str = attr_str, .attr_ints = attr_ints,
    .in_shape = in_shape, .out_shape = out_shape, .in_value = in_value,
};
