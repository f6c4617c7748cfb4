// What a module compiled for the CPU and those who launch its kernels (emulator.py, the stand-in driver) agree on.
#ifndef CUEMU_ABI_H
#define CUEMU_ABI_H

#define CUEMU_MAX_THREADS 1024

struct cuemu_kernel {
    const char *name;
    void (*run_thread)(const unsigned char *arguments);   // the kernel's body for the current thread
    unsigned parameter_count, parameter_bytes;            // bytes of the packed arguments
    const unsigned *sizes, *offsets;                      // of each parameter in them
    const unsigned char *is_pointer;
    unsigned max_threads;                                 // of __launch_bounds__, or CUEMU_MAX_THREADS
    unsigned char *shared_begin, *shared_end;             // its own static shared memory
};

struct cuemu_launch {
    unsigned grid[3], block[3];
    unsigned shared_bytes;              // dynamic shared memory
    int order;                          // of blocks, warps and lanes: 0 forward, 1 reversed, 2 shuffled by `seed`
    unsigned long long seed;
    const unsigned char *arguments;     // packed, 16-byte aligned
    void *stacks;                       // of cuemu_make_stacks(), from any module; may serve all modules of a thread
    char *message;                      // written if the launch fails
    unsigned long message_size;
    void *fault_code, *fault_address;   // where the kernel stood and what it touched when it failed in memory
};

extern "C" {
// All kernels of a module, ended by a null pointer.
const cuemu_kernel *const *cuemu_kernels(void);
// Bytes of static shared memory that a launch of the kernel takes.
unsigned cuemu_static_shared(const cuemu_kernel *);
// Stacks for the threads of one block; 0 if the system has no room.
void *cuemu_make_stacks(void);
// Runs a grid; 0, or 1 with a message.
int cuemu_run(const cuemu_kernel *, cuemu_launch *);
}
#endif
