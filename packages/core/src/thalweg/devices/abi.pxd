"""The device contract as Cython sees it; a mirror of include/thalweg_abi.h, field for field."""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t


cdef extern from "thalweg_abi.h" nogil:
    enum:
        THW_ABI_MAJOR
        THW_ABI_MINOR
    const char* THW_CAPSULE
    const char* THW_KERNELS_CAPSULE
    ctypedef enum thw_code:
        THW_OK
        THW_UNIMPLEMENTED
        THW_OOM
        THW_INVALID
        THW_INTERNAL
    uint64_t THW_DETERMINISTIC
    uint64_t THW_ASYNC
    uint64_t THW_INPLACE(int k)
    uint64_t THW_INPLACE_SECOND(int k)
    uint64_t THW_HOST_IN(int k)

    ctypedef struct thw_dldev:
        int32_t dl_type
        int32_t dl_id

    ctypedef struct thw_dldtype:
        uint8_t code
        uint8_t bits
        uint16_t lanes

    ctypedef struct thw_tensor:
        void* data
        thw_dldev device
        int32_t ndim
        thw_dldtype dtype
        int64_t* shape
        int64_t* strides
        uint64_t byte_offset

    ctypedef struct thw_rng:
        uint32_t key[2]
        uint64_t counter[2]

    ctypedef struct thw_core_api

    ctypedef struct thw_call:
        size_t struct_size
        const thw_core_api* core
        void* core_ctx
        void* device
        void* stream
        void* state
        void* workspace
        thw_rng* rng
        const uint64_t* const* in_versions

    ctypedef void (*thw_body_fn)(void* arg, int64_t begin, int64_t end, void* scratch) noexcept nogil

    ctypedef struct thw_core_api:
        size_t struct_size
        uint32_t abi_major
        uint32_t abi_minor
        void (*set_error)(void* core_ctx, int code, const char* utf8) noexcept nogil
        void (*parallel_for)(void* core_ctx, int64_t n, int64_t grain, thw_body_fn body, void* arg) noexcept nogil
        void (*rng_reserve)(void* core_ctx, thw_rng* rng, uint64_t blocks, uint32_t* counter,
                            uint32_t* key) noexcept nogil
        int (*attr_i64)(const void* op, const char* name, int64_t* out) noexcept nogil
        int (*attr_f64)(const void* op, const char* name, double* out) noexcept nogil
        int (*attr_str)(const void* op, const char* name, const char** out, size_t* len) noexcept nogil
        int (*attr_ints)(const void* op, const char* name, const int64_t** out, size_t* n) noexcept nogil
        int (*in_shape)(const void* op, int32_t k, const int64_t** dims, int32_t* ndim) noexcept nogil
        int (*out_shape)(const void* op, int32_t k, const int64_t** dims, int32_t* ndim) noexcept nogil
        int (*in_value)(const void* op, int32_t k, thw_tensor* out) noexcept nogil

    ctypedef int (*thw_kernel_fn)(thw_call*, const thw_tensor*, int32_t, thw_tensor*, int32_t) noexcept nogil

    ctypedef struct thw_kernel:
        size_t struct_size
        thw_kernel_fn fn
        void* state
        void (*free_state)(void*) noexcept nogil
        uint64_t flags
        double cost_ns
        size_t workspace_bytes
        size_t scratch_bytes
        uint64_t rng_blocks

    ctypedef struct thw_op_desc:
        size_t struct_size
        const void* op
        const char* op_type
        const uint16_t* in_dtypes
        int32_t n_in
        const uint16_t* out_dtypes
        int32_t n_out

    ctypedef struct thw_mem_stats:
        size_t struct_size
        int64_t bytes_in_use
        int64_t peak_bytes
        int64_t bytes_reserved
        int64_t bytes_limit
        int64_t num_allocs
        int64_t largest_alloc

    ctypedef struct thw_device_api:
        size_t struct_size
        uint32_t abi_major
        uint32_t abi_minor
        uint32_t min_core_minor
        const char* build_tag
        int (*device_count)(int32_t* n) noexcept nogil
        int (*open)(int32_t ordinal, const thw_core_api*, void** dev) noexcept nogil
        void (*close)(void* dev) noexcept nogil
        int (*alloc)(void* dev, size_t bytes, size_t align, void** ptr) noexcept nogil
        void (*free)(void* dev, void* ptr) noexcept nogil
        int (*copy_h2d)(void* dev, void* stream, void* dst, const void* src, size_t n) noexcept nogil
        int (*copy_d2h)(void* dev, void* stream, void* dst, const void* src, size_t n) noexcept nogil
        int (*sync)(void* dev, void* stream) noexcept nogil
        int (*find_kernel)(void* dev, const thw_op_desc*, thw_kernel* out) noexcept nogil
        int (*copy_d2d)(void* dev, void* stream, void* dst, const void* src, size_t n) noexcept nogil
        int (*stream_create)(void* dev, void** stream) noexcept nogil
        void (*stream_destroy)(void* dev, void* stream) noexcept nogil
        int (*event_record)(void* dev, void* stream, void** ev) noexcept nogil
        int (*event_wait)(void* dev, void* stream, void* ev) noexcept nogil
        int (*event_elapsed_ns)(void* dev, void* a, void* b, uint64_t* ns) noexcept nogil
        void (*event_destroy)(void* dev, void* ev) noexcept nogil
        void* (*host_alloc)(void* dev, size_t bytes) noexcept nogil
        void (*host_free)(void* dev, void* ptr) noexcept nogil
        int (*mem_stats)(void* dev, thw_mem_stats* out) noexcept nogil
        int (*compile)(void* dev, const void* subgraph, thw_kernel* out) noexcept nogil
        int (*describe)(void* dev, char* json, size_t cap) noexcept nogil
        int (*record_begin)(void* dev, void* stream) noexcept nogil
        int (*record_end)(void* dev, void* stream, void** recording) noexcept nogil
        int (*replay)(void* dev, void* stream, void* recording) noexcept nogil
        void (*recording_free)(void* dev, void* recording) noexcept nogil
        int (*copy_peer)(void* dev, void* stream, void* dst, void* other_dev, const void* src,
                         size_t n) noexcept nogil
        int (*configure)(void* dev, const char* json) noexcept nogil

    ctypedef struct thw_kernels_api:
        size_t struct_size
        uint32_t abi_major
        uint32_t abi_minor
        uint32_t min_core_minor
        const char* build_tag
        int (*find_kernel)(void* dev, const thw_core_api*, const thw_op_desc*, thw_kernel* out) noexcept nogil
