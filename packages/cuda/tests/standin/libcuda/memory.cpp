// Device memory: each allocation ends at a protected page, is filled with 0xFF, and has addresses of its own for good,
// so a pointer that was freed, or that reaches too far, is found. Host memory that the driver knows.
#include <sys/mman.h>
#include <unistd.h>

#include "state.h"

static const size_t PAGE = 4096, ALIGNMENT = 256, GRAIN = 512;

static size_t up(size_t n, size_t to) { return (n + to - 1) / to * to; }

Allocation *allocation_of(const void *address)
{
    auto &memory = state().memory;
    auto next = memory.upper_bound((uintptr_t)address);
    if (next == memory.begin()) return nullptr;
    Allocation &found = std::prev(next)->second;
    return (const char *)address < found.base + found.bytes ? &found : nullptr;
}

Allocation *range_of(const void *address, size_t bytes)
{
    Allocation *found = allocation_of(address);
    return found && (const char *)address + bytes <= found->base + found->bytes ? found : nullptr;
}

// What lies between an allocation's end and the protected page: floats that are signalling NaNs, which arithmetic in
// place would not leave as they are.
static unsigned char gap_byte(const char *p) { return (unsigned char)(0x7fa5a5a5u >> 8 * ((uintptr_t)p & 3)); }

bool is_intact(const Allocation &a)
{
    if (a.kind != Allocation::DEVICE) return true;
    for (const char *p = a.base + a.bytes; p < a.mapping + a.mapped; p++)
        if ((unsigned char)*p != gap_byte(p)) return false;
    return true;
}

// Pages of 0xFF from `where` on; many of them are the same ones until they are written, so they cost nothing before.
static bool map_filled(char *where, size_t mapped)
{
    static const size_t piece = 16 << 20;
    static int file = -1;
    if (mapped < 2 * piece) {
        void *made = mmap(where, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        return made != MAP_FAILED && memset(where, 0xff, mapped);
    }
    if (file < 0) {
        file = memfd_create("thalweg-filled", MFD_CLOEXEC);
        std::vector<char> block(piece, (char)0xff);
        if (file < 0 || write(file, block.data(), piece) != (ssize_t)piece) return false;
    }
    for (size_t at = 0; at < mapped; at += piece) {
        size_t n = std::min(piece, mapped - at);
        void *made = mmap(where + at, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, file, 0);
        if (made == MAP_FAILED) return false;
    }
    return true;
}

// Maps `bytes` so that they end, but for their alignment, at a page that nobody may touch.
static Allocation map_at(char *where, size_t bytes, size_t alignment, Allocation::Kind kind, CUcontext context)
{
    size_t padded = up(bytes, alignment), mapped = up(padded, PAGE);
    if (!map_filled(where, mapped)) return {};
    for (char *p = where + mapped - padded + bytes; p < where + mapped; p++) *p = (char)gap_byte(p);
    return {where + mapped - padded, bytes, mapped, where, kind, context, 0, ++state().ids};
}

static CUresult allocate(CUdeviceptr *pointer, size_t bytes)
{
    ENTER_CONTEXT
    if (!bytes || !pointer) return INVALID_VALUE;
    TRY(forbidden_by_capture());
    Device &device = *context->device;
    size_t taken = up(bytes, GRAIN);
    if (planted("allocation") || device.used + taken > device.total) return OUT_OF_MEMORY;
    size_t room = up(bytes, PAGE) + PAGE;
    if (device.next + room > device.arena_bytes) return OUT_OF_MEMORY;
    Allocation a = map_at(device.arena + device.next, bytes, ALIGNMENT, Allocation::DEVICE, context);
    if (!a.base) return OUT_OF_MEMORY;
    device.next += room;
    device.used += taken;
    state().memory[(uintptr_t)a.base] = a;
    count("allocations");
    auto &counters = state().counters;
    counters["bytes_in_use"] += taken;
    if (counters["bytes_in_use"] > counters["peak_bytes"]) counters["peak_bytes"] = counters["bytes_in_use"];
    *pointer = (CUdeviceptr)a.base;
    return SUCCESS;
}

static void release(const Allocation &a)
{
    if (a.kind == Allocation::DEVICE) {
        // The addresses stay taken and untouchable, the pages go back.
        mmap(a.mapping, a.mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
        a.context->device->used -= up(a.bytes, GRAIN);
        state().counters["bytes_in_use"] -= up(a.bytes, GRAIN);
    } else if (a.kind == Allocation::PINNED) {
        munmap(a.mapping, a.mapped + PAGE);
        state().counters["host_bytes_in_use"] -= a.bytes;
    }
    state().memory.erase((uintptr_t)a.base);
}

void forget_memory_of(CUcontext context)
{
    std::vector<Allocation> gone;
    for (auto &entry : state().memory)
        if (entry.second.context == context) gone.push_back(entry.second);
    for (const Allocation &a : gone) release(a);
}

API cuMemAlloc_v2(CUdeviceptr *pointer, size_t bytes) { return allocate(pointer, bytes); }

API cuMemAllocPitch_v2(CUdeviceptr *pointer, size_t *pitch, size_t width, size_t height, unsigned)
{
    *pitch = up(width, 512);
    return allocate(pointer, *pitch * height);
}

// Waits for all work of the device, as the real one does.
API cuMemFree_v2(CUdeviceptr pointer)
{
    ENTER_CONTEXT
    if (!pointer) return SUCCESS;
    TRY(forbidden_by_capture());
    auto found = state().memory.find((uintptr_t)pointer);
    if (found == state().memory.end() || found->second.kind != Allocation::DEVICE) return INVALID_VALUE;
    TRY(drain_all(context, true));
    bool intact = is_intact(found->second);
    if (!intact) {
        state().message = "memory was written beyond the end of an allocation of "
            + std::to_string(found->second.bytes) + " bytes";
        fprintf(stderr, "thalweg stand-in: %s\n", state().message.c_str());
        context->error = ILLEGAL_ADDRESS;
    }
    release(found->second);
    count("frees");
    return intact ? SUCCESS : ILLEGAL_ADDRESS;
}

API cuMemGetInfo_v2(size_t *free, size_t *total)
{
    ENTER_CONTEXT
    *total = context->device->total;
    *free = context->device->total - context->device->used;
    return SUCCESS;
}

API cuMemGetAddressRange_v2(CUdeviceptr *base, size_t *bytes, CUdeviceptr pointer)
{
    ENTER_CONTEXT
    Allocation *a = allocation_of((void *)pointer);
    if (!a) return NOT_FOUND;
    if (base) *base = (CUdeviceptr)a->base;
    if (bytes) *bytes = a->bytes;
    return SUCCESS;
}

// ---- host memory ----

API cuMemHostAlloc(void **pointer, size_t bytes, unsigned flags)
{
    ENTER_CONTEXT
    if (!bytes) return INVALID_VALUE;
    TRY(forbidden_by_capture());
    if (planted("host_allocation")) return OUT_OF_MEMORY;
    size_t mapped = up(bytes, PAGE);
    char *where = (char *)mmap(nullptr, mapped + PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (where == MAP_FAILED) return OUT_OF_MEMORY;
    Allocation a = map_at(where, bytes, 64, Allocation::PINNED, context);
    if (!a.base) return OUT_OF_MEMORY;
    a.flags = flags;
    state().memory[(uintptr_t)a.base] = a;
    count("host_allocations");
    count("host_bytes_in_use", bytes);
    *pointer = a.base;
    return SUCCESS;
}

API cuMemAllocHost_v2(void **pointer, size_t bytes) { return cuMemHostAlloc(pointer, bytes, 0); }

API cuMemFreeHost(void *pointer)
{
    ENTER_CONTEXT
    auto found = state().memory.find((uintptr_t)pointer);
    if (found == state().memory.end() || found->second.kind != Allocation::PINNED) return INVALID_VALUE;
    TRY(forbidden_by_capture());
    TRY(drain_all(context, true));
    release(found->second);
    return SUCCESS;
}

API cuMemHostRegister_v2(void *pointer, size_t bytes, unsigned flags)
{
    ENTER_CONTEXT
    if (!bytes) return INVALID_VALUE;
    if (allocation_of(pointer)) return HOST_MEMORY_ALREADY_REGISTERED;
    state().memory[(uintptr_t)pointer] = {(char *)pointer, bytes, bytes, (char *)pointer, Allocation::REGISTERED,
                                          context, flags, ++state().ids};
    return SUCCESS;
}

API cuMemHostUnregister(void *pointer)
{
    ENTER_CONTEXT
    auto found = state().memory.find((uintptr_t)pointer);
    if (found == state().memory.end() || found->second.kind != Allocation::REGISTERED)
        return HOST_MEMORY_NOT_REGISTERED;
    TRY(drain_all(context, true));
    release(found->second);
    return SUCCESS;
}

API cuMemHostGetDevicePointer_v2(CUdeviceptr *device, void *host, unsigned)
{
    ENTER_CONTEXT
    Allocation *a = allocation_of(host);
    if (!a || a->kind == Allocation::DEVICE) return INVALID_VALUE;
    *device = (CUdeviceptr)host;
    return SUCCESS;
}

API cuMemHostGetFlags(unsigned *flags, void *host)
{
    ENTER_CONTEXT
    Allocation *a = allocation_of(host);
    if (!a || a->kind == Allocation::DEVICE) return INVALID_VALUE;
    *flags = a->flags;
    return SUCCESS;
}

API cuPointerGetAttribute(void *data, int attribute, CUdeviceptr pointer)
{
    ENTER
    Allocation *a = allocation_of((void *)pointer);
    if (!a) return INVALID_VALUE;
    bool on_device = a->kind == Allocation::DEVICE || a->kind == Allocation::GLOBAL;
    switch (attribute) {
    case POINTER_CONTEXT: *(CUcontext *)data = a->context; break;
    case POINTER_MEMORY_TYPE: *(unsigned *)data = on_device ? MEMORY_DEVICE : MEMORY_HOST; break;
    case POINTER_DEVICE: *(CUdeviceptr *)data = pointer; break;
    case POINTER_HOST:
        if (on_device) return INVALID_VALUE;
        *(void **)data = (void *)pointer;
        break;
    case POINTER_BUFFER_ID: *(unsigned long long *)data = a->id; break;
    case POINTER_IS_MANAGED: *(bool *)data = false; break;
    case POINTER_ORDINAL: *(int *)data = a->context->device->ordinal; break;
    case POINTER_RANGE_START: *(CUdeviceptr *)data = (CUdeviceptr)a->base; break;
    case POINTER_RANGE_SIZE: *(size_t *)data = a->bytes; break;
    case POINTER_MAPPED: *(bool *)data = true; break;
    default: return NOT_SUPPORTED;
    }
    return SUCCESS;
}
