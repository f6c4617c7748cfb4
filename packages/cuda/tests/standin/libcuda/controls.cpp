// What tests read and set, names of errors, and a driver's table of functions.
#include <dlfcn.h>

#include <cstdlib>

#include "state.h"

void count(const char *name, unsigned long long by) { state().counters[name] += by; }

static void plant(const std::string &what, unsigned long long n, unsigned long long times)
{
    state().failures[what] = {n, times};
}

// THALWEG_STANDIN_FAIL="launch:3,allocation:5x2"
static void read_environment()
{
    static bool done = false;
    if (done) return;
    done = true;
    const char *text = getenv("THALWEG_STANDIN_FAIL");
    char what[40];
    for (int read; text && *text; text += read + (text[read] == ',')) {
        unsigned long long n = 0, times = 1;
        if (sscanf(text, "%39[a-z_]:%llu%n", what, &n, &read) != 2) {
            fprintf(stderr, "thalweg stand-in: THALWEG_STANDIN_FAIL is not of the form launch:3,allocation:5x2\n");
            abort();
        }
        int more = 0;
        if (sscanf(text + read, "x%llu%n", &times, &more) == 1) read += more;
        plant(what, n, times);
    }
}

bool planted(const char *what)
{
    read_environment();
    auto found = state().failures.find(what);
    if (found == state().failures.end()) return false;
    auto &[n, times] = found->second;
    if (n > 1) return n--, false;
    return times && times--;
}

// ---- for tests, through ctypes ----

static const char *const COUNTED[] = {
    "launches", "graph_launches", "graph_kernels", "graph_instantiations", "graph_updates", "synchronizations",
    "implicit_synchronizations", "allocations", "frees", "host_allocations", "bytes_in_use", "peak_bytes", "copies",
    "bytes_h2d", "bytes_d2h", "bytes_d2d", "bytes_peer", "bytes_h2h", "memsets", "streams", "events", "modules",
    "host_bytes_in_use", "streams_in_use"};

#define TEST_API extern "C" __attribute__((visibility("default")))

// Writes the counters as JSON, `{"launches": 3, ...}`; the bytes that this takes.
TEST_API size_t thw_standin_counters(char *text, size_t room)
{
    std::lock_guard<std::recursive_mutex> guard(state().lock);
    for (const char *name : COUNTED) state().counters[name];
    std::string json = "{";
    for (auto &counter : state().counters)
        json += (json.size() > 1 ? ", \"" : "\"") + counter.first + "\": " + std::to_string(counter.second);
    json += "}";
    if (text && room) snprintf(text, room, "%s", json.c_str());
    return json.size() + 1;
}

// Sets all counters to 0 but for what is in use; the peak begins again from that.
TEST_API void thw_standin_reset_counters(void)
{
    std::lock_guard<std::recursive_mutex> guard(state().lock);
    auto before = std::move(state().counters);
    state().counters.clear();
    for (const char *name : {"bytes_in_use", "host_bytes_in_use", "streams_in_use"})
        state().counters[name] = before[name];
    state().counters["peak_bytes"] = before["bytes_in_use"];
}

// The n-th "launch" (kernel that runs), "allocation", "host_allocation", "copy" or "peer" from now fails, and those
// after it up to `times`; 0: none does.
TEST_API void thw_standin_fail(const char *what, unsigned long long n, unsigned long long times)
{
    std::lock_guard<std::recursive_mutex> guard(state().lock);
    read_environment();                         // first, lest it replaces this
    plant(what, n, times);
}

// The order in which kernels run their blocks, warps and lanes, as in cuemu_launch.
TEST_API void thw_standin_order(int order, unsigned long long seed)
{
    std::lock_guard<std::recursive_mutex> guard(state().lock);
    state().order = order;
    state().seed = seed;
}

// Memory of a device, bytes; what is in use stays.
TEST_API void thw_standin_set_memory(int ordinal, size_t bytes)
{
    std::lock_guard<std::recursive_mutex> guard(state().lock);
    if (ordinal >= 0 && ordinal < (int)state().devices.size()) state().devices[ordinal].total = bytes;
}

// Why the last launch failed, in words.
TEST_API const char *thw_standin_message(void) { return state().message.c_str(); }

// ---- names of errors ----

struct Named {
    CUresult code;
    const char *name, *text;
};

static const Named NAMES[] = {
    {SUCCESS, "CUDA_SUCCESS", "no error"},
    {INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {NOT_INITIALIZED, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {NO_DEVICE, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
    {INVALID_DEVICE, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {INVALID_IMAGE, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"},
    {INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {NO_BINARY_FOR_GPU, "CUDA_ERROR_NO_BINARY_FOR_GPU", "no kernel image is available for execution on the device"},
    {INVALID_PTX, "CUDA_ERROR_INVALID_PTX", "a PTX JIT compilation failed"},
    {FILE_NOT_FOUND, "CUDA_ERROR_FILE_NOT_FOUND", "file not found"},
    {INVALID_HANDLE, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {NOT_FOUND, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {NOT_READY, "CUDA_ERROR_NOT_READY", "device not ready"},
    {ILLEGAL_ADDRESS, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
    {LAUNCH_OUT_OF_RESOURCES, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES", "too many resources requested for launch"},
    {PEER_ACCESS_ALREADY_ENABLED, "CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED", "peer access is already enabled"},
    {PEER_ACCESS_NOT_ENABLED, "CUDA_ERROR_PEER_ACCESS_NOT_ENABLED", "peer access has not been enabled"},
    {TOO_MANY_PEERS, "CUDA_ERROR_TOO_MANY_PEERS", "peer mapping resources exhausted"},
    {CONTEXT_IS_DESTROYED, "CUDA_ERROR_CONTEXT_IS_DESTROYED", "context is destroyed"},
    {HOST_MEMORY_ALREADY_REGISTERED, "CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED",
     "part or all of the requested memory range is already mapped"},
    {HOST_MEMORY_NOT_REGISTERED, "CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED",
     "pointer does not correspond to a registered memory region"},
    {LAUNCH_FAILED, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
    {NOT_SUPPORTED, "CUDA_ERROR_NOT_SUPPORTED", "operation not supported"},
    {CAPTURE_UNSUPPORTED, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED", "operation not permitted when stream is capturing"},
    {CAPTURE_INVALIDATED, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED",
     "operation failed due to a previous error during capture"},
    {CAPTURE_MERGE, "CUDA_ERROR_STREAM_CAPTURE_MERGE",
     "operation would result in a merge of separate capture sequences"},
    {CAPTURE_UNMATCHED, "CUDA_ERROR_STREAM_CAPTURE_UNMATCHED", "capture was not ended in the same stream as it began"},
    {CAPTURE_UNJOINED, "CUDA_ERROR_STREAM_CAPTURE_UNJOINED", "capturing stream has unjoined work"},
    {CAPTURE_ISOLATION, "CUDA_ERROR_STREAM_CAPTURE_ISOLATION",
     "dependency created on uncaptured work in another stream"},
    {CAPTURE_IMPLICIT, "CUDA_ERROR_STREAM_CAPTURE_IMPLICIT",
     "operation would make the legacy stream depend on a capturing blocking stream"},
    {CAPTURED_EVENT, "CUDA_ERROR_CAPTURED_EVENT",
     "operation not permitted on an event last recorded in a capturing stream"},
    {CAPTURE_WRONG_THREAD, "CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD",
     "attempt to terminate a thread-local capture sequence from another thread"},
    {GRAPH_EXEC_UPDATE_FAILURE, "CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE",
     "the graph update was not performed because it included changes which violated constraints"},
};

static const Named *named(CUresult code)
{
    for (const Named &known : NAMES)
        if (known.code == code) return &known;
    return nullptr;
}

API cuGetErrorString(CUresult code, const char **text)
{
    const Named *known = named(code);
    *text = known ? known->text : "unknown error";
    return known ? SUCCESS : INVALID_VALUE;
}

API cuGetErrorName(CUresult code, const char **text)
{
    const Named *known = named(code);
    *text = known ? known->name : "CUDA_ERROR_UNKNOWN";
    return known ? SUCCESS : INVALID_VALUE;
}

// The newest version of a function that the stand-in has.
API cuGetProcAddress_v2(const char *name, void **function, int, unsigned long long, int *found)
{
    Dl_info self;
    dladdr((void *)cuGetErrorName, &self);
    void *library = dlopen(self.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
    *function = nullptr;
    for (const char *suffix : {"_v4", "_v3", "_v2", ""})
        if (!*function) *function = dlsym(library, (std::string(name) + suffix).c_str());
    if (found) *found = *function ? 0 : 1;
    return *function ? SUCCESS : NOT_FOUND;
}
