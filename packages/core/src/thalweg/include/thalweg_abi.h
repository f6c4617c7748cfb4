/* The device contract of thalweg, version 1 (docs/devices.md). Plain C11; a plugin links to nothing of ours.
 *
 * Both tables grow only at their end. A reader checks `struct_size` before it touches a later field (THW_HAS).
 * Every function returns a thw_code unless it says otherwise; none of them needs Python's lock. find_kernel and open are
 * called with it, so a plugin that is partly Python may leave an exception set and return THW_INTERNAL: core raises it.
 */
#ifndef THALWEG_ABI_H
#define THALWEG_ABI_H
#include <stddef.h>
#include <stdint.h>

#define THW_ABI_MAJOR 1
#define THW_ABI_MINOR 1
#define THW_CAPSULE "thalweg.device.v1" /* the major version is part of the capsule's name */

typedef enum { THW_OK = 0, THW_UNIMPLEMENTED = 1, THW_OOM = 2, THW_INVALID = 3, THW_INTERNAL = 4 } thw_code;

typedef struct { int32_t dl_type, dl_id; } thw_dldev; /* the values of DLDevice */

typedef struct { uint8_t code, bits; uint16_t lanes; } thw_dldtype; /* DLPack: 0 int, 1 uint, 2 float, 5 complex, 6 bool */

typedef struct { /* field for field a DLTensor */
  void* data;
  thw_dldev device;
  int32_t ndim;
  thw_dldtype dtype;
  int64_t* shape;
  int64_t* strides; /* NULL: dense, row-major; core passes dense tensors only */
  uint64_t byte_offset;
} thw_tensor;

/* The generator of one random op in one session: Philox key and the 128-bit counter of what is drawn next. */
typedef struct { uint32_t key[2]; uint64_t counter[2]; } thw_rng;

typedef struct thw_core_api thw_core_api;

typedef struct { /* one per kernel call */
  size_t struct_size;
  const thw_core_api* core;
  void* core_ctx;   /* handed back to core's functions */
  void* device;     /* what thw_device_api.open gave */
  void* stream;     /* the device's, as stream_create gave it; NULL on devices without streams */
  void* state;      /* thw_kernel.state */
  void* workspace;  /* thw_kernel.workspace_bytes, on the device, contents undefined; at a multiple of 64 bytes, of 256
                       where the host does not see the memory */
  thw_rng* rng;     /* random ops: their generator, for rng_reserve; where the kernel has rng_blocks, memory on the
                       device that holds the key and the counter of the first of this call's blocks; else NULL */
  /* [n_in], or NULL. For an input that stays from run to run (a variable, a constant) a number that nothing else in
     this process has, and that is another one once the input's bytes may have changed; NULL for other inputs. */
  const uint64_t* const* in_versions;
} thw_call;

/* body(arg, begin, end, scratch): scratch is thw_kernel.scratch_bytes of the calling worker's own memory. */
typedef void (*thw_body_fn)(void* arg, int64_t begin, int64_t end, void* scratch);

struct thw_core_api { /* core -> plugin */
  size_t struct_size;
  uint32_t abi_major, abi_minor;
  /* The first error of a run wins. core_ctx NULL: outside of a run, why this thread's open, alloc or find_kernel failed
     or refused. Core looks at a kernel's errors even when it returned THW_OK. */
  void (*set_error)(void* core_ctx, int code, const char* utf8);
  /* Splits [0, n) into chunks of exactly `grain` (the last may be shorter), whatever the number of threads, and
     runs them on core's pool; returns when all have run. Nested calls run on the caller. */
  void (*parallel_for)(void* core_ctx, int64_t n, int64_t grain, thw_body_fn body, void* arg);
  /* Takes `blocks` 128-bit counter values from an op's generator, atomically: the first of them, and the key. */
  void (*rng_reserve)(void* core_ctx, thw_rng* rng, uint64_t blocks, uint32_t counter[4], uint32_t key[2]);
  /* What a plan knows of the node that a kernel is asked for. 0: found; 1: no such attribute, or of another type.
     Pointers stay valid until find_kernel returns. Besides the op's own attributes there are the strings
     "kernel:<kind>", the kernels that the op's declaration names, and the lists "inputs:ref", the inputs that are a
     variable's own buffer, and "inputs:lasting", constants and variables that the plan only reads (in_versions). */
  int (*attr_i64)(const void* op, const char* name, int64_t* out); /* int, bool, type (DataType number) */
  int (*attr_f64)(const void* op, const char* name, double* out);
  int (*attr_str)(const void* op, const char* name, const char** out, size_t* len); /* lists of strings or floats too:
                                                                                      "a,b", "0.5,1.0" */
  int (*attr_ints)(const void* op, const char* name, const int64_t** out, size_t* n);
  int (*in_shape)(const void* op, int32_t k, const int64_t** dims, int32_t* ndim); /* 1: not fully known */
  int (*out_shape)(const void* op, int32_t k, const int64_t** dims, int32_t* ndim);
  int (*in_value)(const void* op, int32_t k, thw_tensor* out); /* value of an input that is constant, on the host */
};

typedef int (*thw_kernel_fn)(thw_call*, const thw_tensor* in, int32_t n_in, thw_tensor* out, int32_t n_out);

/* thw_kernel.flags */
#define THW_INPLACE(k) (1ull << (k))        /* output 0 may be the very buffer of input k, k < 8, if it dies here */
#define THW_DETERMINISTIC (1ull << 8)
#define THW_HOST_IN(k) (1ull << (16 + (k))) /* input k is read on the host, k < 16 */
#define THW_ASYNC (1ull << 32)              /* a call only enqueues work, it may be recorded */
#define THW_INPLACE_SECOND(k) (1ull << (40 + (k))) /* output 1 likewise, where output 0 does not take that buffer */

typedef struct {
  size_t struct_size;
  thw_kernel_fn fn;
  void* state;
  void (*free_state)(void*);
  uint64_t flags;
  double cost_ns;         /* 0: unknown */
  size_t workspace_bytes; /* shared memory of one call, planned into the arena */
  size_t scratch_bytes;   /* per worker, reused by all kernels */
  /* since 1.1 */
  uint64_t rng_blocks; /* random ops: 128-bit blocks that every call draws, which core reserves and puts on the device
                          (thw_call.rng), so that the call may be recorded; 0: the kernel reserves them itself */
} thw_kernel;

typedef struct {
  size_t struct_size;
  const void* op; /* opaque: the handle for core's attr_* and shape functions */
  const char* op_type;
  const uint16_t* in_dtypes; /* DataType numbers, without the reference offset */
  int32_t n_in;
  const uint16_t* out_dtypes;
  int32_t n_out;
} thw_op_desc;

typedef struct {
  size_t struct_size;
  int64_t bytes_in_use, peak_bytes, bytes_reserved, bytes_limit, num_allocs, largest_alloc;
} thw_mem_stats;

/* Order. What core asks of a device - kernels, copies, replays - takes effect in the order in which it was asked, also
   where a call only enqueues it. Core makes one stream per device and hands it to every call. After a kernel with
   THW_ASYNC and after copy_d2h core waits, with sync, before the host looks, before memory of the host that was read or
   written is used again, and at the end of every run; sync gives the first error of the work since the last one.
   * copy_h2d has read its source when it returns; the bytes may arrive later.
   * copy_d2h may return before its target is filled.
   * free takes effect after the work that was enqueued before it.
   * Devices whose memory the host sees are synchronous: there is nobody who would wait.
   Calls for one device may come from several threads at once, but none from another thread between record_begin and
   record_end. */
typedef struct { /* plugin -> core */
  size_t struct_size;
  uint32_t abi_major, abi_minor, min_core_minor;
  const char* build_tag;
  /* required */
  int (*device_count)(int32_t* n);
  int (*open)(int32_t ordinal, const thw_core_api*, void** dev);
  void (*close)(void* dev);
  int (*alloc)(void* dev, size_t bytes, size_t align, void** ptr);
  void (*free)(void* dev, void* ptr);
  int (*copy_h2d)(void* dev, void* stream, void* dst, const void* src, size_t n);
  int (*copy_d2h)(void* dev, void* stream, void* dst, const void* src, size_t n);
  int (*sync)(void* dev, void* stream); /* NULL stream: the whole device */
  int (*find_kernel)(void* dev, const thw_op_desc*, thw_kernel* out);
  /* optional: NULL means that core does it */
  int (*copy_d2d)(void* dev, void* stream, void* dst, const void* src, size_t n);
  int (*stream_create)(void* dev, void** stream);
  void (*stream_destroy)(void* dev, void* stream);
  int (*event_record)(void* dev, void* stream, void** ev);
  int (*event_wait)(void* dev, void* stream, void* ev);
  int (*event_elapsed_ns)(void* dev, void* a, void* b, uint64_t* ns);
  void (*event_destroy)(void* dev, void* ev);
  void* (*host_alloc)(void* dev, size_t bytes);
  void (*host_free)(void* dev, void* ptr);
  int (*mem_stats)(void* dev, thw_mem_stats* out);
  /* Reserved: core does not call it. A region of ops is asked of find_kernel, as the op _Region. */
  int (*compile)(void* dev, const void* subgraph, thw_kernel* out);
  int (*describe)(void* dev, char* json, size_t cap);
  /* since 1.1, optional. Between begin and end core calls kernels with THW_ASYNC, and copy_d2d, which are written down
     and not run; replay enqueues them all, with the same addresses, any number of times. Where record_end, or a call
     before it, record_begin among them, gives an error, nothing has been run: core closes the recording with record_end
     all the same, once for each record_begin, and runs the calls one by one from then on. */
  int (*record_begin)(void* dev, void* stream);
  int (*record_end)(void* dev, void* stream, void** recording);
  int (*replay)(void* dev, void* stream, void* recording);
  void (*recording_free)(void* dev, void* recording);
  /* From another device of the same plugin; in the order of both: after what was asked of either before, and before
     what is asked of either afterwards. */
  int (*copy_peer)(void* dev, void* stream, void* dst, void* other_dev, const void* src, size_t n);
  /* The session's values of those options that the plugin names in DevicePlugin.options, one JSON object; before the
     first use by a session, once per process: later sessions that want something else are told that they come late. */
  int (*configure)(void* dev, const char* json);
} thw_device_api;

/* More kernels for a device that somebody else provides (entry-point group thalweg.kernels), as a capsule named
   THW_KERNELS_CAPSULE. They are asked before the device's own; `dev` is that device's handle. */
#define THW_KERNELS_CAPSULE "thalweg.kernels.v1"
typedef struct {
  size_t struct_size;
  uint32_t abi_major, abi_minor, min_core_minor;
  const char* build_tag;
  int (*find_kernel)(void* dev, const thw_core_api*, const thw_op_desc*, thw_kernel* out);
} thw_kernels_api;

#define THW_HAS(api, field) \
  ((api)->struct_size >= offsetof(thw_device_api, field) + sizeof((api)->field) && (api)->field)
#endif
