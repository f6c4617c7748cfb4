// Vector types of CUDA-C with its alignments.

struct uint3 { unsigned x, y, z; };
struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

#define CUEMU_VECTOR(name, type, half)                                                                            \
    struct name##1 { type x; };                                                                                   \
    struct __attribute__((aligned(half))) name##2 { type x, y; };                                                 \
    struct name##3 { type x, y, z; };                                                                             \
    struct __attribute__((aligned(2 * half > 16 ? 16 : 2 * half))) name##4 { type x, y, z, w; };                  \
    static inline name##1 make_##name##1(type x) { return {x}; }                                                  \
    static inline name##2 make_##name##2(type x, type y) { return {x, y}; }                                       \
    static inline name##3 make_##name##3(type x, type y, type z) { return {x, y, z}; }                            \
    static inline name##4 make_##name##4(type x, type y, type z, type w) { return {x, y, z, w}; }
CUEMU_VECTOR(char, signed char, 2)
CUEMU_VECTOR(uchar, unsigned char, 2)
CUEMU_VECTOR(short, short, 4)
CUEMU_VECTOR(ushort, unsigned short, 4)
CUEMU_VECTOR(int, int, 8)
CUEMU_VECTOR(long, long, 16)
CUEMU_VECTOR(ulong, unsigned long, 16)
CUEMU_VECTOR(longlong, long long, 16)
CUEMU_VECTOR(ulonglong, unsigned long long, 16)
CUEMU_VECTOR(float, float, 8)
CUEMU_VECTOR(double, double, 16)
#undef CUEMU_VECTOR

struct __attribute__((aligned(8))) uint2 { unsigned x, y; };
struct __attribute__((aligned(16))) uint4 { unsigned x, y, z, w; };
struct uint1 { unsigned x; };
static inline uint1 make_uint1(unsigned x) { return {x}; }
static inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
static inline uint3 make_uint3(unsigned x, unsigned y, unsigned z) { return {x, y, z}; }
static inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
