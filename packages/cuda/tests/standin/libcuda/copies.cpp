// Copies and fills. What the real driver reads or writes before it returns is read or written then; the rest happens
// when the stream is waited for.
#include "state.h"

enum Direction { HOST_TO_DEVICE, DEVICE_TO_HOST, DEVICE_TO_DEVICE, ANY };

struct Rows {
    char *dst;
    const char *src;
    size_t dst_pitch, src_pitch, width, height;

    size_t dst_bytes() const { return (height - 1) * dst_pitch + width; }
    size_t src_bytes() const { return (height - 1) * src_pitch + width; }
    size_t bytes() const { return width * height; }
};

static bool on_device(const void *p)
{
    Allocation *a = allocation_of(p);
    return a && (a->kind == Allocation::DEVICE || a->kind == Allocation::GLOBAL);
}

// Whether the bytes may be touched: memory that the driver knows must hold all of them, a device's side must be known.
static bool is_valid(const void *p, size_t bytes, bool must_be_known)
{
    return allocation_of(p) ? range_of(p, bytes) != nullptr : !must_be_known && p;
}

static void move(const Rows &r)
{
    for (size_t i = 0; i < r.height; i++) memmove(r.dst + i * r.dst_pitch, r.src + i * r.src_pitch, r.width);
}

static std::map<std::string, unsigned long long> counts_of(const Rows &r)
{
    bool to = on_device(r.dst), from = on_device(r.src);
    if (to && from) {
        bool across = allocation_of(r.dst)->context->device != allocation_of(r.src)->context->device;
        return {{across ? "bytes_peer" : "bytes_d2d", r.bytes()}, {"copies", 1}};
    }
    return {{to ? "bytes_h2d" : from ? "bytes_d2h" : "bytes_h2h", r.bytes()}, {"copies", 1}};
}

// Of a copy that waits: its memory may have been freed when its turn comes, if it is replayed.
static Work deferred(const Rows &r, bool dst_known, bool src_known)
{
    return [=]() -> CUresult {
        if (!is_valid(r.dst, r.dst_bytes(), dst_known) || !is_valid(r.src, r.src_bytes(), src_known)) {
            state().message = "a copy touches memory that was freed";
            return ILLEGAL_ADDRESS;
        }
        if (planted("copy")) return LAUNCH_FAILED;
        move(r);
        return SUCCESS;
    };
}

static CUresult check(const Rows &r, Direction direction)
{
    bool to_known = direction == HOST_TO_DEVICE || direction == DEVICE_TO_DEVICE;
    bool from_known = direction == DEVICE_TO_HOST || direction == DEVICE_TO_DEVICE;
    bool valid = is_valid(r.dst, r.dst_bytes(), to_known) && is_valid(r.src, r.src_bytes(), from_known);
    return valid ? SUCCESS : INVALID_VALUE;
}

static CUresult copy(const Rows &r, Direction direction)
{
    ENTER_CONTEXT
    if (!r.bytes()) return SUCCESS;
    TRY(check(r, direction));
    TRY(forbidden_by_capture());
    bool host_waits = !on_device(r.dst) || !on_device(r.src);
    if (host_waits) count("implicit_synchronizations");
    TRY(issue(context->legacy, {Node::COPY, deferred(r, false, false), nullptr, counts_of(r), {}}));
    return host_waits ? context->error : SUCCESS;
}

static CUresult copy_async(const Rows &r, Direction direction, CUstream handle)
{
    ENTER_CONTEXT
    CUstream stream;
    TRY(find_stream(handle, context, &stream));
    if (!r.bytes()) return SUCCESS;
    TRY(check(r, direction));
    bool dst_known = allocation_of(r.dst), src_known = allocation_of(r.src);
    if (stream->capture && !(dst_known && src_known)) {         // pageable memory
        stream->capture->invalidated = true;
        return CAPTURE_UNSUPPORTED;
    }
    if (!dst_known) {                                           // returns when the copy is complete
        count("implicit_synchronizations");
        TRY(issue(stream, {Node::COPY, deferred(r, false, src_known), nullptr, counts_of(r), {}}));
        return drain(stream, stream->issued);
    }
    if (src_known) return issue(stream, {Node::COPY, deferred(r, true, true), nullptr, counts_of(r), {}});
    auto staged = std::make_shared<std::vector<char>>(r.bytes());       // the source is read before the call returns
    move({staged->data(), r.src, r.width, r.src_pitch, r.width, r.height});
    Rows from = {r.dst, staged->data(), r.dst_pitch, r.width, r.width, r.height};
    Work work = deferred(from, true, false);
    return issue(stream, {Node::COPY, [staged, work] { return work(); }, nullptr, counts_of(r), {}});
}

static Rows flat(void *dst, const void *src, size_t bytes)
{
    return {(char *)dst, (const char *)src, bytes, bytes, bytes, 1};
}
static Rows flat(CUdeviceptr dst, const void *src, size_t bytes) { return flat((void *)dst, src, bytes); }
static Rows flat(void *dst, CUdeviceptr src, size_t bytes) { return flat(dst, (const void *)src, bytes); }
static Rows flat(CUdeviceptr dst, CUdeviceptr src, size_t bytes) { return flat((void *)dst, (void *)src, bytes); }

API cuMemcpyHtoD_v2(CUdeviceptr dst, const void *src, size_t n) { return copy(flat(dst, src, n), HOST_TO_DEVICE); }
API cuMemcpyDtoH_v2(void *dst, CUdeviceptr src, size_t n) { return copy(flat(dst, src, n), DEVICE_TO_HOST); }
API cuMemcpyDtoD_v2(CUdeviceptr dst, CUdeviceptr src, size_t n) { return copy(flat(dst, src, n), DEVICE_TO_DEVICE); }
API cuMemcpy(CUdeviceptr dst, CUdeviceptr src, size_t n) { return copy(flat(dst, src, n), ANY); }
API cuMemcpyPeer(CUdeviceptr dst, CUcontext, CUdeviceptr src, CUcontext, size_t n)
{
    return copy(flat(dst, src, n), DEVICE_TO_DEVICE);
}
API cuMemcpyHtoDAsync_v2(CUdeviceptr dst, const void *src, size_t n, CUstream s)
{
    return copy_async(flat(dst, src, n), HOST_TO_DEVICE, s);
}
API cuMemcpyDtoHAsync_v2(void *dst, CUdeviceptr src, size_t n, CUstream s)
{
    return copy_async(flat(dst, src, n), DEVICE_TO_HOST, s);
}
API cuMemcpyDtoDAsync_v2(CUdeviceptr dst, CUdeviceptr src, size_t n, CUstream s)
{
    return copy_async(flat(dst, src, n), DEVICE_TO_DEVICE, s);
}
API cuMemcpyAsync(CUdeviceptr dst, CUdeviceptr src, size_t n, CUstream s)
{
    return copy_async(flat(dst, src, n), ANY, s);
}
API cuMemcpyPeerAsync(CUdeviceptr dst, CUcontext, CUdeviceptr src, CUcontext, size_t n, CUstream s)
{
    return copy_async(flat(dst, src, n), DEVICE_TO_DEVICE, s);
}

// ---- two dimensions ----

static CUresult rows_of(const CUmemcpy2D *c, Rows *rows, Direction *direction)
{
    if (c->src_type == MEMORY_ARRAY || c->dst_type == MEMORY_ARRAY) return NOT_SUPPORTED;
    char *dst = c->dst_type == MEMORY_HOST ? (char *)c->dst_host : (char *)c->dst_device;
    const char *src = c->src_type == MEMORY_HOST ? (const char *)c->src_host : (const char *)c->src_device;
    size_t dst_pitch = c->dst_pitch ? c->dst_pitch : c->width, src_pitch = c->src_pitch ? c->src_pitch : c->width;
    if (dst_pitch < c->width || src_pitch < c->width) return INVALID_VALUE;
    *rows = {dst + c->dst_y * dst_pitch + c->dst_x, src + c->src_y * src_pitch + c->src_x, dst_pitch, src_pitch,
             c->width, c->height};
    bool to = c->dst_type == MEMORY_DEVICE, from = c->src_type == MEMORY_DEVICE;
    *direction = to && from ? DEVICE_TO_DEVICE : to ? HOST_TO_DEVICE : from ? DEVICE_TO_HOST : ANY;
    return SUCCESS;
}

API cuMemcpy2D_v2(const CUmemcpy2D *c)
{
    Rows rows;
    Direction direction;
    TRY(rows_of(c, &rows, &direction));
    return copy(rows, direction);
}

API cuMemcpy2DUnaligned_v2(const CUmemcpy2D *c) { return cuMemcpy2D_v2(c); }

API cuMemcpy2DAsync_v2(const CUmemcpy2D *c, CUstream s)
{
    Rows rows;
    Direction direction;
    TRY(rows_of(c, &rows, &direction));
    return copy_async(rows, direction, s);
}

// ---- fills ----

template <class T>
static CUresult fill(CUdeviceptr dst, size_t pitch, T value, size_t width, size_t height, CUstream handle)
{
    ENTER_CONTEXT
    CUstream stream;
    TRY(find_stream(handle, context, &stream));
    if (!width || !height) return SUCCESS;
    size_t bytes = (height - 1) * pitch + width * sizeof(T);
    if (dst % sizeof(T) || pitch % sizeof(T) || !range_of((void *)dst, bytes)) return INVALID_VALUE;
    Work work = [=]() -> CUresult {
        if (!range_of((void *)dst, bytes)) {
            state().message = "a memset touches memory that was freed";
            return ILLEGAL_ADDRESS;
        }
        for (size_t i = 0; i < height; i++) std::fill_n((T *)(dst + i * pitch), width, value);
        return SUCCESS;
    };
    return issue(stream, {Node::MEMSET, work, nullptr, {{"memsets", 1}}, {}});
}

#define FILLS(bits, type)                                                                                            \
    API cuMemsetD##bits##Async(CUdeviceptr d, type v, size_t n, CUstream s)                                          \
    {                                                                                                                \
        return fill<type>(d, n * sizeof(type), v, n, 1, s);                                                          \
    }                                                                                                                \
    API cuMemsetD##bits##_v2(CUdeviceptr d, type v, size_t n) { return cuMemsetD##bits##Async(d, v, n, nullptr); }   \
    API cuMemsetD2D##bits##Async(CUdeviceptr d, size_t pitch, type v, size_t w, size_t h, CUstream s)                \
    {                                                                                                                \
        return fill<type>(d, pitch, v, w, h, s);                                                                     \
    }                                                                                                                \
    API cuMemsetD2D##bits##_v2(CUdeviceptr d, size_t pitch, type v, size_t w, size_t h)                              \
    {                                                                                                                \
        return fill<type>(d, pitch, v, w, h, nullptr);                                                               \
    }
FILLS(8, unsigned char)
FILLS(16, unsigned short)
FILLS(32, unsigned)
