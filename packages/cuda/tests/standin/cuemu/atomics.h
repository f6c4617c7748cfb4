// Atomics: threads run one at a time, so a read and a write suffice. The types are those that CUDA has.

#define CUEMU_ATOMIC(name, type, expression)                                                                        \
    static inline type name(type *address, type value)                                                              \
    {                                                                                                               \
        type old = *address;                                                                                        \
        *address = (expression);                                                                                    \
        return old;                                                                                                 \
    }
#define CUEMU_ATOMIC_INTEGERS(name, expression)                                                                     \
    CUEMU_ATOMIC(name, int, expression) CUEMU_ATOMIC(name, unsigned, expression)                                    \
    CUEMU_ATOMIC(name, unsigned long long, expression)
CUEMU_ATOMIC_INTEGERS(atomicAdd, old + value)
CUEMU_ATOMIC(atomicAdd, float, old + value)
CUEMU_ATOMIC(atomicAdd, double, old + value)
CUEMU_ATOMIC(atomicSub, int, old - value) CUEMU_ATOMIC(atomicSub, unsigned, old - value)
CUEMU_ATOMIC_INTEGERS(atomicExch, value)
CUEMU_ATOMIC(atomicExch, float, value)
CUEMU_ATOMIC_INTEGERS(atomicMin, value < old ? value : old)
CUEMU_ATOMIC(atomicMin, long long, value < old ? value : old)
CUEMU_ATOMIC_INTEGERS(atomicMax, old < value ? value : old)
CUEMU_ATOMIC(atomicMax, long long, old < value ? value : old)
CUEMU_ATOMIC_INTEGERS(atomicAnd, old & value)
CUEMU_ATOMIC_INTEGERS(atomicOr, old | value)
CUEMU_ATOMIC_INTEGERS(atomicXor, old ^ value)
CUEMU_ATOMIC(atomicInc, unsigned, old >= value ? 0u : old + 1u)
CUEMU_ATOMIC(atomicDec, unsigned, old == 0u || old > value ? value : old - 1u)
#undef CUEMU_ATOMIC_INTEGERS
#undef CUEMU_ATOMIC

// A comparison that fails lets the other threads run: a spin lock makes progress, and one that never will is reported.
#define CUEMU_CAS(type)                                                                                             \
    static inline type cuemu_cas(int line, type *address, type compare, type value)                                 \
    {                                                                                                               \
        type old = *(volatile type *)address;                                                                       \
        if (old == compare) *(volatile type *)address = value;                                                      \
        else cuemu_spin(line);                                                                                      \
        return old;                                                                                                 \
    }
CUEMU_CAS(int) CUEMU_CAS(unsigned) CUEMU_CAS(unsigned long long) CUEMU_CAS(unsigned short)
#undef CUEMU_CAS
#define atomicCAS(...) cuemu_cas(__LINE__, __VA_ARGS__)
