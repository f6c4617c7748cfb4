// What the stand-in driver knows: devices, contexts, memory, streams. One lock guards all of it.
#ifndef STANDIN_STATE_H
#define STANDIN_STATE_H
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "../cuemu/abi.h"
#include "abi.h"

// One run of something on a device. Nonzero: the error that ends the context.
using Work = std::function<CUresult()>;

struct Device {
    int ordinal;
    size_t total, used;
    char *arena;                            // addresses that are handed out once each, so a freed one is never valid
    size_t next, arena_bytes;
    CUcontext primary;
    int primary_references;
};

struct Context {
    Device *device;
    bool is_primary, destroyed;
    CUresult error;                         // of a launch that failed: all later calls give it
    int references;
    CUstream legacy;
    std::set<CUcontext> peers;
    std::vector<CUstream> streams;
    std::map<int, size_t> limits;
};

// A captured operation.
struct Node {
    enum Kind { KERNEL, COPY, MEMSET, HOST, GRAPH } kind;
    Work work;
    const cuemu_kernel *kernel;
    std::map<std::string, unsigned long long> counts;       // what one replay adds to the counters
    std::vector<int> after;                                 // indices of nodes that come before it
};

struct Graph {
    std::vector<Node> nodes;
};

struct GraphExec {
    CUcontext context;
    std::shared_ptr<Graph> graph;
};

struct Capture {
    std::shared_ptr<Graph> graph;
    CUstream origin;
    int mode;
    unsigned long long thread;
    bool invalidated;
    std::set<CUstream> members;
};

struct Operation {
    Work work;
};

struct Stream {
    CUcontext context;
    unsigned flags;
    int priority;
    std::deque<Operation> queue;
    uint64_t done, issued;
    std::shared_ptr<Capture> capture;
    std::vector<int> last;                  // in a capture: the nodes that the next one comes after
};

// A mark in a stream. The record is shared with the work that waits for it.
struct Record {
    CUstream stream;
    uint64_t at;
    bool done;
    double time_ms;
    std::shared_ptr<Capture> capture;
    std::vector<int> last;
};

struct Event {
    CUcontext context;
    unsigned flags;
    std::shared_ptr<Record> record;
};

struct Allocation {
    char *base;
    size_t bytes, mapped;                   // asked for; with what follows up to the protected page
    char *mapping;
    enum Kind { DEVICE, PINNED, REGISTERED, GLOBAL } kind;
    CUcontext context;
    unsigned flags;
    unsigned long long id;
};

struct Function {
    const cuemu_kernel *kernel;
    CUmodule module;
    size_t max_dynamic_shared;
};

struct Module {
    CUcontext context;
    void *library;
    int file;
    void *stacks;
    int (*run)(const cuemu_kernel *, cuemu_launch *);
    unsigned (*static_shared)(const cuemu_kernel *);
    std::map<std::string, std::unique_ptr<Function>> functions;
};

struct State {
    std::recursive_mutex lock;
    bool initialized;
    std::vector<Device> devices;
    int major, minor;
    std::map<uintptr_t, Allocation> memory;                 // of all kinds, by address
    std::set<const void *> handles;                         // all that live, of any type
    std::vector<std::shared_ptr<Capture>> captures;         // that go on
    std::map<std::string, unsigned long long> counters;
    std::map<std::string, std::pair<unsigned long long, unsigned long long>> failures; // which fails, how many
    std::string message;                                    // of the last launch that failed
    void *stacks;
    unsigned long long ids, seed;
    int order;
};

// Never destroyed: PyCUDA frees what it holds after the destructors of this library would have run.
State &state();
std::vector<CUcontext> &context_stack();

// The context that calls use, or null with the error to return.
CUcontext current(CUresult *error);
bool is_alive(const void *handle);
void count(const char *name, unsigned long long by = 1);
// Whether this is the one that a test has asked to fail ("launch", "allocation", "copy").
bool planted(const char *what);
unsigned long long this_thread();

// ---- memory (memory.cpp) ----
Allocation *allocation_of(const void *address);
// The allocation that holds all of these bytes, or null.
Allocation *range_of(const void *address, size_t bytes);
bool is_intact(const Allocation &);                         // nothing was written between its end and the next page
void forget_memory_of(CUcontext);

// ---- streams (streams.cpp) ----
CUresult find_stream(CUstream handle, CUcontext, CUstream *found);
// Issues work: recorded if the stream is capturing, done at once on the legacy stream, otherwise when somebody waits
// for it.
CUresult issue(CUstream, Node);
CUresult drain(CUstream, uint64_t up_to);
CUresult drain_all(CUcontext, bool with_non_blocking);
// What a call that waits for the device, or that a capture forbids, gives while this thread captures: 0 if it may go
// on.
CUresult forbidden_by_capture();
void destroy_stream(CUstream);

// ---- graphs (graphs.cpp) ----
CUresult run_graph(const Graph &);
void count_graph(const Graph &);

// Every call begins so: one thread at a time, after cuInit, with a context that works.
#define ENTER                                                                                                       \
    std::lock_guard<std::recursive_mutex> guard(state().lock);                                                      \
    if (!state().initialized) return NOT_INITIALIZED;
#define ENTER_CONTEXT                                                                                               \
    ENTER                                                                                                           \
    CUresult status = SUCCESS;                                                                                      \
    [[maybe_unused]] CUcontext context = current(&status);                                                          \
    if (status) return status;
#define ENTER_DEVICE                                                                                                 \
    ENTER                                                                                                            \
    if (ordinal < 0 || ordinal >= (int)state().devices.size()) return INVALID_DEVICE;                                \
    [[maybe_unused]] Device &device = state().devices[ordinal];
#define TRY(call)                                                                                                   \
    if (CUresult failed = (call)) return failed;
#endif
