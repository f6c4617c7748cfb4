// Runs a grid of threads on one processor: blocks one after the other, each thread of a block a fibre that runs until
// it waits. Linked into every module (compiler.py), so a module needs nothing but the C library. One file, as all of it
// works on one state: threads, barriers, blocks, faults, and at the end what modules and launchers call.
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <ucontext.h>

#include "abi.h"
#include "fibre.h"
#include "types.h"

#define CUEMU_HIDDEN extern "C" __attribute__((visibility("hidden")))
CUEMU_HIDDEN uint3 threadIdx, blockIdx;
CUEMU_HIDDEN dim3 blockDim, gridDim;
CUEMU_HIDDEN unsigned char *cuemu_dynamic_shared;
uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;
unsigned char *cuemu_dynamic_shared;

extern "C" const cuemu_kernel *const __start_cuemu_kernels[] __attribute__((weak, visibility("hidden")));
extern "C" const cuemu_kernel *const __stop_cuemu_kernels[] __attribute__((weak, visibility("hidden")));
extern "C" unsigned char __start_cuemu_shared_cuemu_any[] __attribute__((weak, visibility("hidden")));
extern "C" unsigned char __stop_cuemu_shared_cuemu_any[] __attribute__((weak, visibility("hidden")));

namespace cuemu {

// Kinds as in sync.h.
enum { BLOCK, WARP, SHUFFLE, BALLOT, MATCH, ADD, MIN, MAX, MIN_SIGNED, MAX_SIGNED, AND, OR, XOR };
const char *const KIND_NAMES[] = {"__syncthreads", "__syncwarp", "__shfl_sync", "__ballot_sync", "__match_any_sync",
                                  "__reduce_add_sync", "__reduce_min_sync", "__reduce_max_sync", "__reduce_min_sync",
                                  "__reduce_max_sync", "__reduce_and_sync", "__reduce_or_sync", "__reduce_xor_sync"};

enum State : unsigned char { FRESH, READY, WAITING, DONE };

struct Fibre {
    Context context;
    Fibre *next_free;
};

struct Thread {
    State state;
    unsigned char kind;
    int line, argument;
    unsigned mask;
    unsigned long long value;           // what it brought to the barrier, then what it takes from there
    Fibre *fibre;
    uint3 index;
};

// Lanes of one warp in the order in which they run.
struct Warp {
    unsigned first, count;
    unsigned char order[32];
};

constexpr unsigned WARPS = CUEMU_MAX_THREADS / 32;
constexpr unsigned long long SPIN_LIMIT = 2'000'000;

Thread threads[CUEMU_MAX_THREADS];
Warp warps[WARPS];
unsigned warp_order[WARPS];
Fibre fibres[CUEMU_MAX_THREADS];
Fibre *free_fibres;
unsigned fibres_made, live;
unsigned long long spins;
Context scheduler;
Thread *current;
Warp *running;                          // its lanes from `position` on are still to run in this pass
unsigned position;

const cuemu_kernel *kernel;
cuemu_launch *launch;
Stacks *stacks;
sigjmp_buf failure;

unsigned lane_of(const Thread *t) { return (unsigned)(t - threads) & 31; }

// Writes the message of a failed launch; `t`: the thread that it names.
void say(const Thread *t, const char *format, ...)
{
    char *to = launch->message;
    unsigned long room = launch->message_size;
    int n = snprintf(to, room, "kernel %s, block (%u, %u, %u)", kernel->name, blockIdx.x, blockIdx.y, blockIdx.z);
    if (t && n < (int)room)
        n += snprintf(to + n, room - n, ", thread (%u, %u, %u)", t->index.x, t->index.y, t->index.z);
    if (n < (int)room) n += snprintf(to + n, room - n, ": ");
    va_list arguments;
    va_start(arguments, format);
    if (n < (int)room) vsnprintf(to + n, room - n, format, arguments);
    va_end(arguments);
}

[[noreturn]] void fail() { siglongjmp(failure, 1); }

void append(const char *format, ...)
{
    size_t n = strlen(launch->message);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(launch->message + n, launch->message_size - n, format, arguments);
    va_end(arguments);
}

// ---- threads ----

// The next lane of the running warp that can run, and past it.
Thread *next_runnable()
{
    while (position < running->count) {
        Thread *t = &threads[running->first + running->order[position]];
        if (t->state <= READY) return t;
        position++;
    }
    return nullptr;
}

// A fibre's life: it runs threads that have not begun, one after the other, until one is next that has a fibre.
void fibre_main()
{
    for (;;) {
        Fibre *mine = current->fibre;
        kernel->run_thread(launch->arguments);
        current->state = DONE;
        live--;
        position++;
        Thread *next = next_runnable();
        if (next && next->state == FRESH) {
            next->fibre = mine;
            next->state = READY;
            current = next;
            threadIdx = next->index;
            continue;
        }
        mine->next_free = free_fibres;
        free_fibres = mine;
        cuemu_switch(&mine->context, &scheduler);
    }
}

Fibre *take_fibre()
{
    if (Fibre *fibre = free_fibres) {
        free_fibres = fibre->next_free;
        return fibre;
    }
    Fibre *fibre = &fibres[fibres_made];
    stacks->guard_up_to(fibres_made + 1);
    prepare(&fibre->context, stacks->top(fibres_made), STACK_BYTES - 4096, fibre_main);
    fibres_made++;
    return fibre;
}

// Runs all lanes of a warp that can run, each until it waits or ends.
void run_lanes(Warp *warp)
{
    running = warp;
    position = 0;
    while (Thread *t = next_runnable()) {
        if (t->state == FRESH) {
            t->fibre = take_fibre();
            t->state = READY;
        }
        current = t;
        threadIdx = t->index;
        cuemu_switch(&scheduler, &t->fibre->context);
    }
}

// ---- barriers ----

unsigned long long reduce(int kind, unsigned long long a, unsigned long long b)
{
    switch (kind) {
    case ADD: return a + b;
    case MIN: return b < a ? b : a;
    case MAX: return a < b ? b : a;
    case MIN_SIGNED: return (long long)b < (long long)a ? b : a;
    case MAX_SIGNED: return (long long)a < (long long)b ? b : a;
    case AND: return a & b;
    case OR: return a | b;
    default: return a ^ b;
    }
}

// What each lane of `group` (bits) takes from the operation that all of them have come to.
void exchange(Thread *lanes, unsigned group, int kind)
{
    unsigned long long brought[32], combined = 0;
    bool first = true;
    for (unsigned bits = group; bits; bits &= bits - 1) {
        unsigned i = (unsigned)__builtin_ctz(bits);
        brought[i] = lanes[i].value;
        if (kind == BALLOT) combined |= (unsigned long long)(brought[i] != 0) << i;
        else if (kind >= ADD) combined = first ? brought[i] : reduce(kind, combined, brought[i]);
        first = false;
    }
    for (unsigned bits = group; bits; bits &= bits - 1) {
        Thread *t = &lanes[__builtin_ctz(bits)];
        if (kind == SHUFFLE) {
            unsigned from = (unsigned)t->argument & 31;
            t->value = group >> from & 1 ? brought[from] : ~0ull;       // of a lane that did not come: NaN
        } else if (kind == MATCH) {
            t->value = 0;
            for (unsigned others = group; others; others &= others - 1) {
                unsigned i = (unsigned)__builtin_ctz(others);
                t->value |= (unsigned long long)(brought[i] == brought[lane_of(t)]) << i;
            }
        } else
            t->value = combined;
    }
}

// Opens the warp operation at which `t` waits if all whom it names have come. Lanes that ended, or that the block does
// not have, are not waited for.
bool open_warp(Warp *warp, Thread *t)
{
    Thread *lanes = &threads[warp->first];
    unsigned group = 0;
    for (unsigned i = 0; i < warp->count; i++) {
        if (!(t->mask >> i & 1) || lanes[i].state == DONE) continue;
        Thread *other = &lanes[i];
        if (other->state != WAITING || other->kind == BLOCK) return false;
        if (other->kind != t->kind || other->mask != t->mask || other->line != t->line) {
            say(t, "it waits at %s in line %d with mask 0x%08x, and lane %u of the same warp at %s in line %d with "
                "mask 0x%08x: the lanes that a mask names must come to the same operation with the same mask",
                KIND_NAMES[t->kind], t->line, t->mask, i, KIND_NAMES[other->kind], other->line, other->mask);
            fail();
        }
        group |= 1u << i;
    }
    exchange(lanes, group, t->kind);
    for (unsigned bits = group; bits; bits &= bits - 1) lanes[__builtin_ctz(bits)].state = READY;
    return true;
}

bool open_warps(Warp *warp)
{
    bool opened = false;
    for (unsigned i = 0; i < warp->count; i++) {
        Thread *t = &threads[warp->first + i];
        if (t->state == WAITING && t->kind != BLOCK) opened |= open_warp(warp, t);
    }
    return opened;
}

// Where the threads that have not ended wait, by line.
[[noreturn]] void report_stuck(unsigned count, const char *what)
{
    say(nullptr, "%s;", what);
    unsigned ended = 0, listed = 0;
    for (unsigned i = 0; i < count; i++) {
        const Thread *t = &threads[i];
        ended += t->state == DONE;
        bool known = t->state == DONE;
        for (unsigned k = 0; k < i && !known; k++)
            known = threads[k].state != DONE && threads[k].line == t->line && threads[k].kind == t->kind;
        if (known) continue;
        unsigned same = 0;
        for (unsigned k = i; k < count; k++)
            same += threads[k].state != DONE && threads[k].line == t->line && threads[k].kind == t->kind;
        append("%s %u thread%s at %s in line %d (the first is (%u, %u, %u))", listed++ ? "," : " waiting:", same,
               same == 1 ? "" : "s", KIND_NAMES[t->kind], t->line, t->index.x, t->index.y, t->index.z);
    }
    append("; %u of %u have ended", ended, count);
    fail();
}

// All threads that have not ended, and do not spin, wait at a block barrier, or the kernel is wrong.
void open_block(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (threads[i].state <= READY) return;
    const Thread *first = nullptr;
    unsigned long long sum = 0;
    for (unsigned i = 0; i < count; i++) {
        const Thread *t = &threads[i];
        if (t->state == DONE) continue;
        if (t->kind != BLOCK) report_stuck(count, "deadlock, the threads wait for each other");
        if (!first) first = t;
        if (t->line != first->line)
            report_stuck(count, "divergent barrier, the threads wait at different __syncthreads");
        sum += t->value;
    }
    for (unsigned i = 0; i < count; i++) {
        if (threads[i].state == DONE) continue;
        threads[i].value = sum;
        threads[i].state = READY;
    }
}

// ---- blocks ----

unsigned long long random_state;

unsigned random_below(unsigned n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)((random_state >> 32) * n >> 32);
}

template <class T> void arrange(T *order, unsigned count)
{
    for (unsigned i = 0; i < count; i++) order[i] = (T)(launch->order == 1 ? count - 1 - i : i);
    if (launch->order == 2)
        for (unsigned i = count; i > 1; i--) {
            unsigned k = random_below(i);
            T swapped = order[i - 1];
            order[i - 1] = order[k];
            order[k] = swapped;
        }
}

void fill_shared()
{
    memset(kernel->shared_begin, 0xff, (size_t)(kernel->shared_end - kernel->shared_begin));
    memset(__start_cuemu_shared_cuemu_any, 0xff,
           (size_t)(__stop_cuemu_shared_cuemu_any - __start_cuemu_shared_cuemu_any));
    memset(cuemu_dynamic_shared, 0xff, (launch->shared_bytes + 15) & ~15u);
}

void run_block(unsigned count)
{
    fill_shared();
    unsigned warp_count = (count + 31) / 32;
    for (unsigned i = 0; i < count; i++) threads[i].state = FRESH;
    live = count;
    spins = 0;
    while (live) {
        for (unsigned w = 0; w < warp_count; w++) {
            Warp *warp = &warps[warp_order[w]];
            do run_lanes(warp);
            while (live && open_warps(warp));
        }
        if (live) open_block(count);
    }
}

void run_grid()
{
    unsigned count = blockDim.x * blockDim.y * blockDim.z, warp_count = (count + 31) / 32;
    for (unsigned i = 0; i < count; i++)
        threads[i].index = {i % blockDim.x, i / blockDim.x % blockDim.y, i / blockDim.x / blockDim.y};
    for (unsigned w = 0; w < warp_count; w++) {
        warps[w].first = 32 * w;
        warps[w].count = count - 32 * w < 32 ? count - 32 * w : 32;
    }
    bool again = true;
    unsigned long long blocks = (unsigned long long)gridDim.x * gridDim.y * gridDim.z;
    for (unsigned long long b = 0; b < blocks; b++) {
        unsigned long long at = launch->order == 1 ? blocks - 1 - b : b;
        blockIdx = {(unsigned)(at % gridDim.x), (unsigned)(at / gridDim.x % gridDim.y),
                    (unsigned)(at / gridDim.x / gridDim.y)};
        if (again) {
            arrange(warp_order, warp_count);
            for (unsigned w = 0; w < warp_count; w++) arrange(warps[w].order, warps[w].count);
        }
        again = launch->order == 2;
        run_block(count);
    }
}

// ---- faults ----

void on_fault(int number, siginfo_t *info, void *context)
{
    (void)context;
    const char *how = "touched memory";
#if defined(__x86_64__)
    const greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    launch->fault_code = (void *)registers[REG_RIP];
    if (number == SIGSEGV) how = registers[REG_ERR] & 2 ? "wrote" : "read";
#endif
    launch->fault_address = info->si_addr;
    int stack = stacks->overflowed(info->si_addr);
    if (number == SIGFPE) say(current, "integer division by zero");
    else if (number == SIGILL) say(current, "code that cannot be reached was reached");
    else if (stack >= 0) say(current, "stack overflow: local variables take more than %zu bytes", STACK_BYTES);
    else if (!info->si_addr && number == SIGSEGV && info->si_code != SEGV_MAPERR)
        say(current, "misaligned vector access, or an address that cannot be");
    else say(current, "%s out of bounds, at address %p", how, info->si_addr);
    siglongjmp(failure, 1);
}

constexpr int SIGNALS[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};

struct Faults {
    struct sigaction before[4];
    stack_t stack_before;

    Faults()
    {
        stack_t stack = {};
        stack.ss_sp = stacks->signal_stack;
        stack.ss_size = sizeof stacks->signal_stack;
        sigaltstack(&stack, &stack_before);
        struct sigaction action = {};
        action.sa_sigaction = on_fault;
        action.sa_flags = SA_SIGINFO | SA_ONSTACK;
        for (int i = 0; i < 4; i++) sigaction(SIGNALS[i], &action, &before[i]);
    }
    ~Faults()
    {
        for (int i = 0; i < 4; i++) sigaction(SIGNALS[i], &before[i], nullptr);
        sigaltstack(&stack_before, nullptr);
    }
};

// Dynamic shared memory ends at a protected page, but for what its 16-byte alignment leaves.
struct SharedMemory {
    char *base = nullptr;
    size_t bytes = 0;

    explicit SharedMemory(unsigned wanted)
    {
        size_t padded = (wanted + 15) & ~(size_t)15, pages = (padded + PAGE - 1) / PAGE * PAGE;
        if (!wanted) {
            cuemu_dynamic_shared = (unsigned char *)stacks->base + STACK_BYTES + PAGE;   // the next protected page
            stacks->guard_up_to(2);
            return;
        }
        bytes = pages + PAGE;
        base = (char *)mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        mprotect(base + pages, PAGE, PROT_NONE);
        cuemu_dynamic_shared = (unsigned char *)base + pages - padded;
    }
    ~SharedMemory()
    {
        if (base) munmap(base, bytes);
    }
};

}  // namespace cuemu

using namespace cuemu;

CUEMU_HIDDEN unsigned long long cuemu_wait(int kind, int line, unsigned mask, unsigned long long value, int argument)
{
    Thread *t = current;
    t->kind = (unsigned char)kind;
    t->line = line;
    t->mask = mask;
    t->value = value;
    t->argument = argument;
    if (kind != BLOCK && !(mask >> lane_of(t) & 1)) {
        say(t, "%s in line %d with mask 0x%08x, which does not name the caller, lane %u", KIND_NAMES[kind], line, mask,
            lane_of(t));
        fail();
    }
    t->state = WAITING;
    position++;
    cuemu_switch(&t->fibre->context, &scheduler);
    return t->value;
}

// Lets the other lanes of the warp, and then the other warps, go on.
CUEMU_HIDDEN void cuemu_spin(int line)
{
    if (++spins > SPIN_LIMIT) {
        say(current, "it spins in line %d: what it waits for does not come", line);
        fail();
    }
    current->line = line;
    position++;
    cuemu_switch(&current->fibre->context, &scheduler);
}

CUEMU_HIDDEN void cuemu_trap(int line, const char *what)
{
    say(current, "%s in line %d", what, line);
    fail();
}

CUEMU_HIDDEN long long cuemu_clock(void)
{
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000ll + now.tv_nsec;
}

#define CUEMU_EXPORT extern "C" __attribute__((visibility("default")))

CUEMU_EXPORT const cuemu_kernel *const *cuemu_kernels(void) { return __start_cuemu_kernels; }
CUEMU_EXPORT unsigned cuemu_kernel_count(void) { return (unsigned)(__stop_cuemu_kernels - __start_cuemu_kernels); }

CUEMU_EXPORT unsigned cuemu_static_shared(const cuemu_kernel *k)
{
    return (unsigned)((k->shared_end - k->shared_begin)
                      + (__stop_cuemu_shared_cuemu_any - __start_cuemu_shared_cuemu_any));
}

CUEMU_EXPORT void *cuemu_make_stacks(void)
{
    constexpr int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    void *head = mmap(nullptr, sizeof(Stacks), PROT_READ | PROT_WRITE, flags, -1, 0);
    void *base = mmap(nullptr, CUEMU_MAX_THREADS * STRIDE, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (head == MAP_FAILED || base == MAP_FAILED) return nullptr;
    ((Stacks *)head)->base = (char *)base;
    return head;
}

CUEMU_EXPORT int cuemu_run(const cuemu_kernel *k, cuemu_launch *l)
{
    kernel = k;
    launch = l;
    stacks = (Stacks *)l->stacks;
    blockDim = {l->block[0], l->block[1], l->block[2]};
    gridDim = {l->grid[0], l->grid[1], l->grid[2]};
    random_state = l->seed * 0x9e3779b97f4a7c15ull + 0x2545f4914f6cdd1dull;
    free_fibres = nullptr;
    fibres_made = 0;
    l->fault_code = l->fault_address = nullptr;
    SharedMemory shared(l->shared_bytes);
    Faults faults;
    if (sigsetjmp(failure, 1)) return 1;                // fibres that were left waiting are simply forgotten
    run_grid();
    return 0;
}
