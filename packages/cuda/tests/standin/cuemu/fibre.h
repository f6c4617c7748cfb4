// Fibres: stacks of their own and a switch between them. Assembly for x86-64, ucontext elsewhere (slower: it also
// saves the signal mask).
#ifndef CUEMU_FIBRE_H
#define CUEMU_FIBRE_H
#include <stddef.h>
#include <sys/mman.h>

namespace cuemu {

constexpr size_t STACK_BYTES = 64 << 10, PAGE = 4 << 10, STRIDE = STACK_BYTES + PAGE;

// Stacks of a block's threads, each above a protected page. Pages are used only where threads wait for each other.
struct Stacks {
    char *base;
    unsigned guarded;                               // that many have their protected page
    alignas(16) char signal_stack[32 << 10];        // for faults, which may come from a stack that is full

    // Tops lie at different offsets in their pages, or all stacks would share a few sets of the cache.
    char *top(unsigned i) const { return base + (i + 1) * STRIDE - 64 * (i * 7 % 48); }

    void guard_up_to(unsigned count)
    {
        for (; guarded < count; guarded++) mprotect(base + guarded * STRIDE, PAGE, PROT_NONE);
    }
    // The stack whose protected page holds the address, or -1.
    int overflowed(const void *address) const
    {
        size_t at = (size_t)((const char *)address - base);
        return at / STRIDE < guarded && at % STRIDE < PAGE ? (int)(at / STRIDE) : -1;
    }
};

#if defined(__x86_64__) && !defined(CUEMU_PORTABLE)
using Context = void *;                             // the stack pointer, all else lies on the stack

// At top level: the compiler takes the call for one that may change all memory, and keeps nothing across it.
extern "C" void cuemu_switch(Context *from, Context *to) __attribute__((visibility("hidden")));
__asm__(
    ".text\n.hidden cuemu_switch\n.globl cuemu_switch\n.type cuemu_switch,@function\ncuemu_switch:\n"
    " push %rbp\n push %rbx\n push %r12\n push %r13\n push %r14\n push %r15\n"
    " mov %rsp, (%rdi)\n mov (%rsi), %rsp\n"
    " pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbx\n pop %rbp\n ret\n.size cuemu_switch, .-cuemu_switch\n");

inline void prepare(Context *context, char *top, size_t, void (*entry)())
{
    void **stack = (void **)((size_t)top & ~(size_t)15);
    *--stack = nullptr;                             // as if called: the ABI's alignment
    *--stack = (void *)entry;
    for (int i = 0; i < 6; i++) *--stack = nullptr;
    *context = stack;
}
#else
}
#include <ucontext.h>
namespace cuemu {
using Context = ucontext_t;

inline void cuemu_switch(Context *from, Context *to) { swapcontext(from, to); }

inline void prepare(Context *context, char *top, size_t bytes, void (*entry)())
{
    getcontext(context);
    context->uc_stack.ss_sp = top - bytes;
    context->uc_stack.ss_size = bytes;
    context->uc_link = nullptr;
    makecontext(context, entry, 0);
}
#endif

}  // namespace cuemu
#endif
