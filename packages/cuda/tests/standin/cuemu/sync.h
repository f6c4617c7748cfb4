// Barriers and what the lanes of a warp tell each other. All of it is one call, cuemu_wait: the scheduler opens a
// barrier when all who must come wait at it, and hands each thread its value in the same moment.

enum {
    CUEMU_BLOCK,                // __syncthreads…: value is a predicate, the result counts who has it
    CUEMU_WARP,                 // __syncwarp
    CUEMU_SHUFFLE,              // argument: lane to read from
    CUEMU_BALLOT,               // the result has a bit for each lane whose value is not 0
    CUEMU_MATCH,                // the result has a bit for each lane with the same value
    CUEMU_ADD, CUEMU_MIN, CUEMU_MAX, CUEMU_MIN_SIGNED, CUEMU_MAX_SIGNED, CUEMU_AND, CUEMU_OR, CUEMU_XOR
};

#define __syncthreads() ((void)cuemu_wait(CUEMU_BLOCK, __LINE__, 0, 0, 0))
#define __syncthreads_count(p) ((int)cuemu_wait(CUEMU_BLOCK, __LINE__, 0, (p) ? 1 : 0, 0))
#define __syncthreads_or(p) ((int)(cuemu_wait(CUEMU_BLOCK, __LINE__, 0, (p) ? 1 : 0, 0) != 0))
#define __syncthreads_and(p) ((int)(cuemu_wait(CUEMU_BLOCK, __LINE__, 0, (p) ? 0 : 1, 0) == 0))

static inline void cuemu_syncwarp(int line, unsigned mask = 0xffffffffu) { cuemu_wait(CUEMU_WARP, line, mask, 0, 0); }
#define __syncwarp(...) cuemu_syncwarp(__LINE__ __VA_OPT__(, ) __VA_ARGS__)

static inline unsigned cuemu_lane(void)
{
    return (threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)) & 31u;
}

template <class T> static inline unsigned long long cuemu_bits(T value)
{
    static_assert(sizeof(T) == 4 || sizeof(T) == 8, "shuffles take values of 4 or 8 bytes");
    unsigned long long bits = 0;
    __builtin_memcpy(&bits, &value, sizeof value);
    return bits;
}

template <class T> static inline T cuemu_exchange(int line, unsigned mask, T value, int source)
{
    unsigned long long bits = cuemu_wait(CUEMU_SHUFFLE, line, mask, cuemu_bits(value), source);
    T result;
    __builtin_memcpy(&result, &bits, sizeof result);
    return result;
}

// The lanes that are read, and that a lane outside its group of `width` reads itself, are as in the programming guide.
template <class T> static inline T cuemu_shfl(int line, unsigned mask, T value, int source, int width = 32)
{
    int lane = (int)cuemu_lane();
    return cuemu_exchange(line, mask, value, (lane & -width) | (source & (width - 1)));
}
template <class T> static inline T cuemu_shfl_up(int line, unsigned mask, T value, unsigned delta, int width = 32)
{
    int lane = (int)cuemu_lane(), from = lane - (int)delta;
    return cuemu_exchange(line, mask, value, from < (lane & -width) ? lane : from);
}
template <class T> static inline T cuemu_shfl_down(int line, unsigned mask, T value, unsigned delta, int width = 32)
{
    int lane = (int)cuemu_lane(), from = lane + (int)delta;
    return cuemu_exchange(line, mask, value, from > (lane | (width - 1)) ? lane : from);
}
template <class T> static inline T cuemu_shfl_xor(int line, unsigned mask, T value, int bits, int width = 32)
{
    int lane = (int)cuemu_lane(), from = lane ^ bits;
    return cuemu_exchange(line, mask, value, from > (lane | (width - 1)) ? lane : from);
}
#define __shfl_sync(...) cuemu_shfl(__LINE__, __VA_ARGS__)
#define __shfl_up_sync(...) cuemu_shfl_up(__LINE__, __VA_ARGS__)
#define __shfl_down_sync(...) cuemu_shfl_down(__LINE__, __VA_ARGS__)
#define __shfl_xor_sync(...) cuemu_shfl_xor(__LINE__, __VA_ARGS__)

#define cuemu_vote(mask, p) cuemu_wait(CUEMU_BALLOT, __LINE__, mask, (p) ? 1 : 0, 0)
#define __ballot_sync(mask, p) ((unsigned)cuemu_vote(mask, p))
#define __any_sync(mask, p) ((int)(cuemu_vote(mask, p) != 0))
#define __all_sync(mask, p) ((int)(cuemu_vote(mask, !(p)) == 0))
#define __match_any_sync(mask, v) ((unsigned)cuemu_wait(CUEMU_MATCH, __LINE__, mask, cuemu_bits(v), 0))

static inline unsigned cuemu_reduce(int kind, int signed_kind, int line, unsigned mask, unsigned value)
{
    (void)signed_kind;
    return (unsigned)cuemu_wait(kind, line, mask, value, 0);
}
static inline int cuemu_reduce(int, int signed_kind, int line, unsigned mask, int value)
{
    return (int)cuemu_wait(signed_kind, line, mask, (unsigned long long)(long long)value, 0);
}
#define __reduce_add_sync(mask, v) cuemu_reduce(CUEMU_ADD, CUEMU_ADD, __LINE__, mask, v)
#define __reduce_min_sync(mask, v) cuemu_reduce(CUEMU_MIN, CUEMU_MIN_SIGNED, __LINE__, mask, v)
#define __reduce_max_sync(mask, v) cuemu_reduce(CUEMU_MAX, CUEMU_MAX_SIGNED, __LINE__, mask, v)
#define __reduce_and_sync(mask, v) cuemu_reduce(CUEMU_AND, CUEMU_AND, __LINE__, mask, (unsigned)(v))
#define __reduce_or_sync(mask, v) cuemu_reduce(CUEMU_OR, CUEMU_OR, __LINE__, mask, (unsigned)(v))
#define __reduce_xor_sync(mask, v) cuemu_reduce(CUEMU_XOR, CUEMU_XOR, __LINE__, mask, (unsigned)(v))

// Threads run one at a time: memory is in order once the compiler has written its registers back.
#define __threadfence() __asm__ __volatile__("" ::: "memory")
#define __threadfence_block() __threadfence()
#define __threadfence_system() __threadfence()
#define __nanosleep(ns) ((void)(ns), cuemu_spin(__LINE__))

// The threads that run together here are the one that asks. On a GPU they are any set of the warp that holds it.
static inline unsigned cuemu_activemask(void) { return 1u << cuemu_lane(); }
#define __activemask() cuemu_activemask()
