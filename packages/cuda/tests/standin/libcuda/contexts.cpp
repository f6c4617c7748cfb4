// The driver's beginning, and contexts. What there is comes from the environment at cuInit:
// THALWEG_STANDIN_DEVICES, THALWEG_STANDIN_MEMORY (bytes of each) and THALWEG_STANDIN_CAPABILITY ("9.0"), and, as for
// the real driver, CUDA_VISIBLE_DEVICES.
#include <sys/mman.h>
#include <pthread.h>

#include <cstdlib>
#include <new>
#include <set>

#include "state.h"

static const size_t ARENA_BYTES = (size_t)1 << 40;

State &state()
{
    static State &only = *new State{};
    return only;
}

std::vector<CUcontext> &context_stack()
{
    static thread_local std::vector<CUcontext> &stack = *new std::vector<CUcontext>;
    return stack;
}

unsigned long long this_thread()
{
    static thread_local char mark;
    return (unsigned long long)&mark;
}

bool is_alive(const void *handle) { return state().handles.count(handle); }

CUcontext current(CUresult *error)
{
    auto &stack = context_stack();
    CUcontext context = stack.empty() ? nullptr : stack.back();
    *error = !context ? INVALID_CONTEXT : context->destroyed ? CONTEXT_IS_DESTROYED : context->error;
    return context;
}

static std::string setting(const char *name, const char *otherwise)
{
    const char *value = getenv(name);
    return value && *value ? value : otherwise;
}

// A child that was forked after cuInit cannot use the driver, nor initialise it.
static bool is_forked_child = false;

static void in_forked_child()
{
    new (&state().lock) std::recursive_mutex;           // whoever held it is not here
    is_forked_child = true;
    state().initialized = false;
}

// How many devices CUDA_VISIBLE_DEVICES shows: those before the first that is not there or was named before.
static int visible(int devices)
{
    const char *text = getenv("CUDA_VISIBLE_DEVICES");
    if (!text) return devices;
    std::set<long> shown;
    for (;; text++) {
        char *end;
        long number = strtol(text, &end, 10);
        if (end == text || number < 0 || number >= devices || !shown.insert(number).second) break;
        if (*(text = end) != ',') break;
    }
    return (int)shown.size();
}

API cuInit(unsigned flags)
{
    std::lock_guard<std::recursive_mutex> guard(state().lock);
    if (is_forked_child) return NOT_INITIALIZED;
    if (flags) return INVALID_VALUE;
    if (state().initialized) return SUCCESS;
    int devices = visible(std::stoi(setting("THALWEG_STANDIN_DEVICES", "1")));
    size_t memory = (size_t)std::stod(setting("THALWEG_STANDIN_MEMORY", "4294967296"));
    if (sscanf(setting("THALWEG_STANDIN_CAPABILITY", "9.0").c_str(), "%d.%d", &state().major, &state().minor) != 2)
        return INVALID_VALUE;
    if (devices < 1) return NO_DEVICE;
    for (int i = 0; i < devices; i++) {
        void *arena = mmap(nullptr, ARENA_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (arena == MAP_FAILED) return OUT_OF_MEMORY;
        state().devices.push_back({i, memory, 0, (char *)arena, 0, ARENA_BYTES, nullptr, 0});
    }
    state().initialized = true;
    pthread_atfork(nullptr, nullptr, in_forked_child);
    return SUCCESS;
}

API cuDriverGetVersion(int *version)
{
    *version = 13000;
    return SUCCESS;
}

// ---- contexts ----

static CUcontext make_context(Device &device, bool is_primary)
{
    CUcontext context = new Context{&device, is_primary, false, SUCCESS, 1, nullptr, {}, {}, {}};
    context->legacy = new Stream{context, 0, 0, {}, 0, 0, nullptr, {}};
    state().handles.insert(context);
    return context;
}

// The handle stays, so that later calls with it can be told that it was destroyed.
static void destroy_context(CUcontext context)
{
    while (!context->streams.empty()) destroy_stream(context->streams.back());
    forget_memory_of(context);
    context->destroyed = true;
}

static CUresult find_context(CUcontext context)
{
    if (!is_alive(context)) return INVALID_CONTEXT;
    return context->destroyed ? CONTEXT_IS_DESTROYED : SUCCESS;
}

API cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice ordinal)
{
    ENTER_DEVICE
    if (!device.primary) device.primary = make_context(device, true);
    device.primary_references++;
    *context = device.primary;
    return SUCCESS;
}

API cuDevicePrimaryCtxRelease_v2(CUdevice ordinal)
{
    ENTER_DEVICE
    if (!device.primary_references) return INVALID_CONTEXT;
    if (--device.primary_references) return SUCCESS;
    destroy_context(device.primary);
    device.primary = nullptr;
    return SUCCESS;
}

API cuDevicePrimaryCtxReset_v2(CUdevice ordinal)
{
    ENTER_DEVICE
    if (device.primary) destroy_context(device.primary);
    device.primary = nullptr;
    device.primary_references = 0;
    return SUCCESS;
}

API cuDevicePrimaryCtxGetState(CUdevice ordinal, unsigned *flags, int *active)
{
    ENTER_DEVICE
    *flags = 0;
    *active = device.primary != nullptr;
    return SUCCESS;
}

API cuDevicePrimaryCtxSetFlags_v2(CUdevice ordinal, unsigned)
{
    ENTER_DEVICE
    return SUCCESS;
}

API cuCtxCreate_v2(CUcontext *context, unsigned, CUdevice ordinal)
{
    ENTER_DEVICE
    context_stack().push_back(*context = make_context(device, false));
    return SUCCESS;
}

API cuCtxCreate_v4(CUcontext *context, void *, unsigned flags, CUdevice ordinal)
{
    return cuCtxCreate_v2(context, flags, ordinal);
}

API cuCtxDestroy_v2(CUcontext context)
{
    ENTER
    TRY(find_context(context));
    if (context->is_primary) return INVALID_CONTEXT;
    destroy_context(context);
    auto &stack = context_stack();
    if (!stack.empty() && stack.back() == context) stack.pop_back();
    return SUCCESS;
}

API cuCtxAttach(CUcontext *context, unsigned)
{
    ENTER
    if (context_stack().empty()) return INVALID_CONTEXT;
    *context = context_stack().back();
    (*context)->references++;
    return SUCCESS;
}

API cuCtxDetach(CUcontext context)
{
    ENTER
    TRY(find_context(context));
    return --context->references ? SUCCESS : cuCtxDestroy_v2(context);
}

API cuCtxPushCurrent_v2(CUcontext context)
{
    ENTER
    TRY(find_context(context));
    context_stack().push_back(context);
    return SUCCESS;
}

API cuCtxPopCurrent_v2(CUcontext *context)
{
    ENTER
    auto &stack = context_stack();
    if (stack.empty()) return INVALID_CONTEXT;
    if (context) *context = stack.back();
    stack.pop_back();
    return SUCCESS;
}

API cuCtxSetCurrent(CUcontext context)
{
    ENTER
    auto &stack = context_stack();
    if (context) TRY(find_context(context));
    if (!stack.empty()) stack.pop_back();
    if (context) stack.push_back(context);
    return SUCCESS;
}

API cuCtxGetCurrent(CUcontext *context)
{
    ENTER
    *context = context_stack().empty() ? nullptr : context_stack().back();
    return SUCCESS;
}

API cuCtxGetDevice(CUdevice *device)
{
    ENTER
    if (context_stack().empty()) return INVALID_CONTEXT;
    *device = context_stack().back()->device->ordinal;
    return SUCCESS;
}

API cuCtxSynchronize(void)
{
    ENTER_CONTEXT
    for (CUstream stream : context->streams)
        if (stream->capture) {
            stream->capture->invalidated = true;
            return CAPTURE_UNSUPPORTED;
        }
    count("synchronizations");
    return drain_all(context, true);
}

API cuCtxGetApiVersion(CUcontext context, unsigned *version)
{
    ENTER
    if (context) TRY(find_context(context));
    *version = 3020;
    return SUCCESS;
}

API cuCtxGetFlags(unsigned *flags)
{
    ENTER_CONTEXT
    *flags = 0;
    return SUCCESS;
}

API cuCtxSetLimit(int limit, size_t value)
{
    ENTER_CONTEXT
    context->limits[limit] = value;
    return SUCCESS;
}

API cuCtxGetLimit(size_t *value, int limit)
{
    ENTER_CONTEXT
    *value = context->limits[limit];
    return SUCCESS;
}

API cuCtxSetCacheConfig(int)
{
    ENTER_CONTEXT
    return SUCCESS;
}

API cuCtxGetCacheConfig(int *config)
{
    ENTER_CONTEXT
    *config = 0;
    return SUCCESS;
}

API cuCtxGetSharedMemConfig(int *config)
{
    ENTER_CONTEXT
    *config = 1;
    return SUCCESS;
}

API cuCtxSetSharedMemConfig(int)
{
    ENTER_CONTEXT
    return SUCCESS;
}

API cuCtxGetStreamPriorityRange(int *least, int *greatest)
{
    ENTER_CONTEXT
    *least = 0;
    *greatest = -5;
    return SUCCESS;
}

API cuCtxEnablePeerAccess(CUcontext peer, unsigned)
{
    ENTER_CONTEXT
    TRY(find_context(peer));
    if (peer->device == context->device) return INVALID_DEVICE;
    if (planted("peer")) return TOO_MANY_PEERS;
    return context->peers.insert(peer).second ? SUCCESS : PEER_ACCESS_ALREADY_ENABLED;
}

API cuCtxDisablePeerAccess(CUcontext peer)
{
    ENTER_CONTEXT
    TRY(find_context(peer));
    return context->peers.erase(peer) ? SUCCESS : PEER_ACCESS_NOT_ENABLED;
}

API cuProfilerStart(void) { return SUCCESS; }
API cuProfilerStop(void) { return SUCCESS; }
