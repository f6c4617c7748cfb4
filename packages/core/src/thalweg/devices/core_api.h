/* Core's side of the device contract in C: the functions that kernels and plugins call, and what they work on. */
#ifndef THALWEG_DEVICES_CORE_API_H
#define THALWEG_DEVICES_CORE_API_H
#include <stddef.h>
#include <stdint.h>

#include "thalweg_abi.h"

#define THW_MESSAGE_BYTES 2048

/* What `core_ctx` points to while a plan runs: one per Session.run. Zeroed, it is ready for use. */
typedef struct {
  int code;                        /* thw_code of the first error, 0 while there is none */
  int is_claimed;                  /* somebody is writing the first error */
  int threads;                     /* most threads of one parallel_for; 0: as many as the process has */
  size_t scratch_bytes;            /* of one worker: the most that a kernel of the plan asks for */
  void* exception;                 /* PyObject *, owned: the exception of a kernel that is written in Python */
  char message[THW_MESSAGE_BYTES]; /* of the first error; UTF-8, cut at the end if need be */
} thw_run_context;

/* One attribute as kernels may read it. */
enum { THW_ATTR_I64 = 1, THW_ATTR_F64 = 2, THW_ATTR_STR = 3, THW_ATTR_INTS = 4 };
typedef struct {
  const char* name;
  int kind;
  union {
    int64_t i64;
    double f64;
    struct { const char* text; size_t length; } str;
    struct { const int64_t* items; size_t n; } ints;
  } value;
} thw_attr;

typedef struct { const int64_t* dims; int32_t ndim; } thw_shape; /* ndim -1: not fully known */

/* What an `op` handle points to; a KernelRequest owns it. */
typedef struct {
  void* python; /* PyObject *, the KernelRequest, borrowed */
  int32_t n_attrs, n_in, n_out;
  thw_attr* attrs;
  thw_shape *in_shapes, *out_shapes;
  thw_tensor* in_values; /* data NULL: not constant */
} thw_node;

extern const thw_core_api thw_core;

/* Errors told with core_ctx NULL, outside of a run, are kept per thread: why open, alloc or find_kernel failed. */
thw_run_context* thw_outside_context(void);

/* Threads of a parallel_for whose context does not say. */
void thw_set_default_threads(int threads);
#endif
