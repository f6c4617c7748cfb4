// Modules, which are shared objects for this processor (cuemu/cuemu.h), their kernels and launches.
#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include "state.h"

static const unsigned DEFAULT_SHARED = 48 << 10, MOST_SHARED = 227 << 10, RESERVED_SHARED = 1 << 10;

// ---- modules ----

// Bytes of an ELF file in memory: up to the end of its section table, or of the last section.
static size_t elf_bytes(const Elf64_Ehdr *header)
{
    const Elf64_Shdr *sections = (const Elf64_Shdr *)((const char *)header + header->e_shoff);
    size_t end = header->e_shoff + (size_t)header->e_shnum * header->e_shentsize;
    for (int i = 0; i < header->e_shnum; i++)
        if (sections[i].sh_type != SHT_NOBITS && sections[i].sh_offset + sections[i].sh_size > end)
            end = sections[i].sh_offset + sections[i].sh_size;
    return end;
}

static CUresult load(CUmodule *result, const void *image)
{
    static int machine = 0;                     // of this library, which is of this processor
    ENTER_CONTEXT
    TRY(forbidden_by_capture());
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)image;
    if (memcmp(image, ELFMAG, SELFMAG)) return strstr((const char *)image, ".version") ? INVALID_PTX : INVALID_IMAGE;
    if (!machine) {
        Dl_info info;
        dladdr((void *)&machine, &info);
        machine = ((const Elf64_Ehdr *)info.dli_fbase)->e_machine;
    }
    if (header->e_machine != machine || header->e_type != ET_DYN) return NO_BINARY_FOR_GPU;
    size_t bytes = elf_bytes(header);
    int file = memfd_create("thalweg-module", MFD_CLOEXEC);
    if (file < 0 || write(file, image, bytes) != (ssize_t)bytes) return INVALID_IMAGE;
    std::string path = "/proc/self/fd/" + std::to_string(file);
    void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);        // by a name of its own: loaded anew each time
    if (!library) {
        state().message = dlerror();
        close(file);
        return INVALID_IMAGE;
    }
    auto kernels = (const cuemu_kernel *const *(*)(void))dlsym(library, "cuemu_kernels");
    auto kernel_count = (unsigned (*)(void))dlsym(library, "cuemu_kernel_count");
    auto make_stacks = (void *(*)(void))dlsym(library, "cuemu_make_stacks");
    if (!kernels || !kernel_count || !make_stacks) return INVALID_IMAGE;
    if (!state().stacks) state().stacks = make_stacks();
    auto module = new Module{context, library, file, state().stacks,
                             (int (*)(const cuemu_kernel *, cuemu_launch *))dlsym(library, "cuemu_run"),
                             (unsigned (*)(const cuemu_kernel *))dlsym(library, "cuemu_static_shared"), {}};
    for (unsigned i = 0; i < kernel_count(); i++)
        module->functions[kernels()[i]->name].reset(new Function{kernels()[i], module, DEFAULT_SHARED});
    state().handles.insert(module);
    for (auto &function : module->functions) state().handles.insert(function.second.get());
    count("modules");
    *result = module;
    return SUCCESS;
}

API cuModuleLoadData(CUmodule *module, const void *image) { return load(module, image); }

// Logs are empty; options that steer a compiler have nothing to steer.
API cuModuleLoadDataEx(CUmodule *module, const void *image, unsigned n, const int *options, void **values)
{
    for (unsigned i = 0; i < n; i++)
        if (options[i] == JIT_INFO_LOG_BYTES || options[i] == JIT_ERROR_LOG_BYTES) values[i] = nullptr;
    return load(module, image);
}

API cuModuleLoad(CUmodule *module, const char *path)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return FILE_NOT_FOUND;
    std::vector<char> image((size_t)lseek(file, 0, SEEK_END) + 1);
    ssize_t n = pread(file, image.data(), image.size() - 1, 0);
    close(file);
    return n < (ssize_t)sizeof(Elf64_Ehdr) ? INVALID_IMAGE : load(module, image.data());
}

API cuModuleUnload(CUmodule module)
{
    ENTER_CONTEXT
    if (!is_alive(module)) return INVALID_HANDLE;
    TRY(forbidden_by_capture());
    drain_all(module->context, true);
    auto &memory = state().memory;
    std::erase_if(memory, [=](auto &entry) {
        return entry.second.kind == Allocation::GLOBAL && entry.second.mapping == (char *)module;
    });
    for (auto &function : module->functions) state().handles.erase(function.second.get());
    state().handles.erase(module);
    dlclose(module->library);
    close(module->file);
    delete module;
    return SUCCESS;
}

API cuModuleGetFunction(CUfunction *function, CUmodule module, const char *name)
{
    ENTER_CONTEXT
    if (!is_alive(module)) return INVALID_HANDLE;
    auto found = module->functions.find(name);
    if (found == module->functions.end()) return NOT_FOUND;
    *function = found->second.get();
    return SUCCESS;
}

API cuModuleGetGlobal_v2(CUdeviceptr *pointer, size_t *bytes, CUmodule module, const char *name)
{
    ENTER_CONTEXT
    if (!is_alive(module)) return INVALID_HANDLE;
    void *address = dlsym(module->library, name);
    Dl_info info;
    ElfW(Sym) *symbol = nullptr;
    if (!address || !dladdr1(address, &info, (void **)&symbol, RTLD_DL_SYMENT) || !symbol) return NOT_FOUND;
    if (ELF64_ST_TYPE(symbol->st_info) != STT_OBJECT) return NOT_FOUND;
    state().memory[(uintptr_t)address] = {(char *)address, symbol->st_size, symbol->st_size, (char *)module,
                                          Allocation::GLOBAL, context, 0, ++state().ids};
    if (pointer) *pointer = (CUdeviceptr)address;
    if (bytes) *bytes = symbol->st_size;
    return SUCCESS;
}

// ---- functions ----

API cuFuncGetAttribute(int *value, int attribute, CUfunction function)
{
    ENTER
    if (!is_alive(function)) return INVALID_HANDLE;
    switch (attribute) {
    case FUNC_MAX_THREADS: *value = (int)function->kernel->max_threads; break;
    case FUNC_SHARED_BYTES: *value = (int)function->module->static_shared(function->kernel); break;
    case FUNC_REGISTERS: *value = 32; break;
    case FUNC_PTX_VERSION:
    case FUNC_BINARY_VERSION: *value = 10 * state().major + state().minor; break;
    case FUNC_MAX_DYNAMIC_SHARED: *value = (int)function->max_dynamic_shared; break;
    case FUNC_CARVEOUT: *value = -1; break;
    case FUNC_CONST_BYTES:
    case FUNC_LOCAL_BYTES:
    case FUNC_CACHE_MODE_CA: *value = 0; break;
    default: return INVALID_VALUE;
    }
    return SUCCESS;
}

API cuFuncSetAttribute(CUfunction function, int attribute, int value)
{
    ENTER
    if (!is_alive(function)) return INVALID_HANDLE;
    if (attribute == FUNC_CARVEOUT) return SUCCESS;
    if (attribute != FUNC_MAX_DYNAMIC_SHARED) return INVALID_VALUE;
    if (value < 0 || value + function->module->static_shared(function->kernel) > MOST_SHARED) return INVALID_VALUE;
    function->max_dynamic_shared = (size_t)value;
    return SUCCESS;
}

API cuFuncSetCacheConfig(CUfunction function, int) { return is_alive(function) ? SUCCESS : INVALID_HANDLE; }
API cuFuncSetSharedMemConfig(CUfunction function, int) { return is_alive(function) ? SUCCESS : INVALID_HANDLE; }

// PyCUDA still says these before a launch that names its sizes again.
API cuFuncSetBlockShape(CUfunction function, int x, int y, int z)
{
    if (!is_alive(function)) return INVALID_HANDLE;
    return x < 1 || y < 1 || z < 1 || z > 64 || (long long)x * y * z > 1024 ? INVALID_VALUE : SUCCESS;
}
API cuFuncSetSharedSize(CUfunction function, unsigned) { return is_alive(function) ? SUCCESS : INVALID_HANDLE; }

API cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, CUfunction function, int threads, size_t dynamic_shared)
{
    ENTER
    if (!is_alive(function) || threads < 1) return INVALID_VALUE;
    size_t shared = function->module->static_shared(function->kernel) + dynamic_shared + RESERVED_SHARED;
    *blocks = threads > 1024 ? 0 : std::min({2048 / threads, 32, (int)((228 << 10) / shared)});
    return SUCCESS;
}

// ---- launches ----

struct Call {
    CUfunction function;
    CUcontext context;
    unsigned grid[3], block[3], shared;
    std::vector<unsigned long long> arguments;      // packed; 16-byte aligned, as a vector of this size is
};

// Memory that a kernel may touch through `pointer`; null stands for "no array".
static bool is_reachable(const Call &call, const void *pointer, const Allocation **found)
{
    *found = allocation_of(pointer);
    if (!pointer) return true;
    if (!*found) {                                  // one past the end, of an empty slice
        const Allocation *before = allocation_of((const char *)pointer - 1);
        return before && before->base + before->bytes == pointer;
    }
    CUcontext owner = (*found)->context;
    return (*found)->kind == Allocation::PINNED || (*found)->kind == Allocation::REGISTERED
        || owner->device == call.context->device || call.context->peers.count(owner);
}

static CUresult refuse(CUresult code, const std::string &message)
{
    state().message = message;
    fprintf(stderr, "thalweg stand-in: %s\n", message.c_str());
    return code;
}

static const void *pointer_in(const Call &call, unsigned i)
{
    const void *pointer;
    memcpy(&pointer, (const char *)call.arguments.data() + call.function->kernel->offsets[i], sizeof pointer);
    return pointer;
}

static CUresult execute(const Call &call)
{
    if (!is_alive(call.function))
        return refuse(ILLEGAL_ADDRESS, "a graph launches a kernel whose module was unloaded");
    const cuemu_kernel *kernel = call.function->kernel;
    std::string name = std::string("kernel ") + kernel->name;
    if (planted("launch")) return refuse(LAUNCH_FAILED, name + " was asked to fail");
    std::vector<const Allocation *> touched;
    for (unsigned i = 0; i < kernel->parameter_count; i++) {
        if (!kernel->is_pointer[i]) continue;
        const Allocation *found;
        const void *pointer = pointer_in(call, i);
        if (!is_reachable(call, pointer, &found)) {
            char text[200];
            snprintf(text, sizeof text, ": argument %u is %p, %s", i, pointer,
                     found ? "memory of another device without peer access" : "not memory of the device, or freed");
            return refuse(ILLEGAL_ADDRESS, name + text);
        }
        if (found) touched.push_back(found);
    }
    char message[2000];
    cuemu_launch launch = {{call.grid[0], call.grid[1], call.grid[2]}, {call.block[0], call.block[1], call.block[2]},
                           call.shared, state().order, state().seed, (const unsigned char *)call.arguments.data(),
                           call.function->module->stacks, message, sizeof message, nullptr, nullptr};
    if (call.function->module->run(kernel, &launch))
        return refuse(launch.fault_address ? ILLEGAL_ADDRESS : LAUNCH_FAILED, message);
    for (const Allocation *a : touched)
        if (!is_intact(*a))
            return refuse(ILLEGAL_ADDRESS, name + " wrote beyond the end of an allocation of "
                          + std::to_string(a->bytes) + " bytes");
    return SUCCESS;
}

// From an array of pointers, or from a packed buffer, to a packed buffer.
static CUresult pack(Call &call, void **parameters, void **extra)
{
    const cuemu_kernel *kernel = call.function->kernel;
    call.arguments.resize(std::max(kernel->parameter_bytes, 1u) / 8 + 2);
    char *packed = (char *)call.arguments.data();
    if (parameters) {
        for (unsigned i = 0; i < kernel->parameter_count; i++)
            memcpy(packed + kernel->offsets[i], parameters[i], kernel->sizes[i]);
        return SUCCESS;
    }
    const void *buffer = nullptr;
    size_t bytes = 0;
    for (; extra && *extra != LAUNCH_PARAM_END; extra += 2) {
        if (*extra == LAUNCH_PARAM_BUFFER_POINTER) buffer = extra[1];
        else if (*extra == LAUNCH_PARAM_BUFFER_SIZE) bytes = *(size_t *)extra[1];
        else return INVALID_VALUE;
    }
    if (bytes < kernel->parameter_bytes) return INVALID_VALUE;          // too few arguments, or too small ones
    memcpy(packed, buffer, kernel->parameter_bytes);
    return SUCCESS;
}

API cuLaunchKernel(CUfunction function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                   unsigned shared, CUstream handle, void **parameters, void **extra)
{
    ENTER_CONTEXT
    CUstream stream;
    TRY(find_stream(handle, context, &stream));
    if (!is_alive(function)) return INVALID_HANDLE;
    if (function->module->context != context || stream->context != context) return INVALID_HANDLE;
    Call call = {function, context, {gx, gy, gz}, {bx, by, bz}, shared, {}};
    unsigned long long threads = (unsigned long long)bx * by * bz;
    if (!threads || !gx || !gy || !gz || gx > 0x7fffffff || gy > 65535 || gz > 65535) return INVALID_VALUE;
    if (bx > 1024 || by > 1024 || bz > 64 || threads > 1024) return INVALID_VALUE;
    if (threads > function->kernel->max_threads) return LAUNCH_OUT_OF_RESOURCES;
    if (shared > function->max_dynamic_shared) return INVALID_VALUE;
    if (shared + function->module->static_shared(function->kernel) > MOST_SHARED) return INVALID_VALUE;
    TRY(pack(call, parameters, extra));
    return issue(stream, {Node::KERNEL, [call] { return execute(call); }, function->kernel, {{"launches", 1}}, {}});
}
