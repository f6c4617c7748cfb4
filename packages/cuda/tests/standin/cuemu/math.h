// Arithmetic of CUDA-C: libm under CUDA's names and overloads, integer and conversion intrinsics. The functions that
// CUDA rounds to nearest (…_rn) are exact here too, since nothing is contracted; the fast ones (__expf) are libm's.

#define CUEMU_UNARY(name)                                                                                          \
    static inline float name##f(float x) { return __builtin_##name##f(x); }                                        \
    static inline double name(double x) { return __builtin_##name(x); }                                            \
    static inline float name(float x) { return __builtin_##name##f(x); }
#define CUEMU_BINARY(name)                                                                                         \
    static inline float name##f(float x, float y) { return __builtin_##name##f(x, y); }                            \
    static inline double name(double x, double y) { return __builtin_##name(x, y); }                               \
    static inline float name(float x, float y) { return __builtin_##name##f(x, y); }                               \
    static inline double name(double x, float y) { return __builtin_##name(x, y); }                                \
    static inline double name(float x, double y) { return __builtin_##name(x, y); }
CUEMU_UNARY(acos) CUEMU_UNARY(acosh) CUEMU_UNARY(asin) CUEMU_UNARY(asinh) CUEMU_UNARY(atan) CUEMU_UNARY(atanh)
CUEMU_UNARY(cbrt) CUEMU_UNARY(ceil) CUEMU_UNARY(cos) CUEMU_UNARY(cosh) CUEMU_UNARY(erf) CUEMU_UNARY(erfc)
CUEMU_UNARY(exp) CUEMU_UNARY(exp2) CUEMU_UNARY(exp10) CUEMU_UNARY(expm1) CUEMU_UNARY(fabs) CUEMU_UNARY(floor)
CUEMU_UNARY(lgamma) CUEMU_UNARY(log) CUEMU_UNARY(log10) CUEMU_UNARY(log1p) CUEMU_UNARY(log2) CUEMU_UNARY(logb)
CUEMU_UNARY(nearbyint) CUEMU_UNARY(rint) CUEMU_UNARY(round) CUEMU_UNARY(sin) CUEMU_UNARY(sinh) CUEMU_UNARY(sqrt)
CUEMU_UNARY(tan) CUEMU_UNARY(tanh) CUEMU_UNARY(tgamma) CUEMU_UNARY(trunc)
CUEMU_BINARY(atan2) CUEMU_BINARY(copysign) CUEMU_BINARY(fdim) CUEMU_BINARY(fmax) CUEMU_BINARY(fmin) CUEMU_BINARY(fmod)
CUEMU_BINARY(hypot) CUEMU_BINARY(nextafter) CUEMU_BINARY(pow) CUEMU_BINARY(remainder)
#undef CUEMU_UNARY
#undef CUEMU_BINARY

static inline float pow(float x, int n) { return __builtin_powf(x, (float)n); }
static inline double pow(double x, int n) { return __builtin_pow(x, (double)n); }
static inline float powif(float x, int n) { return __builtin_powf(x, (float)n); }
static inline float fmaf(float x, float y, float z) { return __builtin_fmaf(x, y, z); }
static inline double fma(double x, double y, double z) { return __builtin_fma(x, y, z); }
static inline float fma(float x, float y, float z) { return __builtin_fmaf(x, y, z); }
static inline float rsqrtf(float x) { return 1.0f / __builtin_sqrtf(x); }
static inline float rsqrt(float x) { return 1.0f / __builtin_sqrtf(x); }
static inline double rsqrt(double x) { return 1.0 / __builtin_sqrt(x); }
static inline float rcbrtf(float x) { return 1.0f / __builtin_cbrtf(x); }
static inline double rcbrt(double x) { return 1.0 / __builtin_cbrt(x); }
static inline float fdividef(float x, float y) { return x / y; }
static inline float ldexpf(float x, int e) { return __builtin_ldexpf(x, e); }
static inline float ldexp(float x, int e) { return __builtin_ldexpf(x, e); }
static inline double ldexp(double x, int e) { return __builtin_ldexp(x, e); }
static inline float scalbnf(float x, int e) { return __builtin_ldexpf(x, e); }
static inline double scalbn(double x, int e) { return __builtin_ldexp(x, e); }
static inline float frexpf(float x, int *e) { return __builtin_frexpf(x, e); }
static inline float frexp(float x, int *e) { return __builtin_frexpf(x, e); }
static inline double frexp(double x, int *e) { return __builtin_frexp(x, e); }
static inline float modff(float x, float *whole) { return __builtin_modff(x, whole); }
static inline float modf(float x, float *whole) { return __builtin_modff(x, whole); }
static inline double modf(double x, double *whole) { return __builtin_modf(x, whole); }
static inline int ilogbf(float x) { return __builtin_ilogbf(x); }
static inline int ilogb(double x) { return __builtin_ilogb(x); }
static inline long lrintf(float x) { return __builtin_lrintf(x); }
static inline long lrint(double x) { return __builtin_lrint(x); }
static inline long lroundf(float x) { return __builtin_lroundf(x); }
static inline long lround(double x) { return __builtin_lround(x); }
static inline long long llrintf(float x) { return __builtin_llrintf(x); }
static inline long long llrint(double x) { return __builtin_llrint(x); }
static inline long long llroundf(float x) { return __builtin_llroundf(x); }
static inline long long llround(double x) { return __builtin_llround(x); }
static inline void sincosf(float x, float *s, float *c) { *s = __builtin_sinf(x); *c = __builtin_cosf(x); }
static inline void sincos(double x, double *s, double *c) { *s = __builtin_sin(x); *c = __builtin_cos(x); }
static inline double sinpi(double x) { return __builtin_sin(__builtin_fmod(x, 2.0) * 3.14159265358979323846); }
static inline double cospi(double x) { return __builtin_cos(__builtin_fmod(x, 2.0) * 3.14159265358979323846); }
static inline float sinpif(float x) { return (float)sinpi((double)x); }
static inline float cospif(float x) { return (float)cospi((double)x); }
static inline float normcdff(float x) { return 0.5f * __builtin_erfcf(x * -0.70710678118654752440f); }
static inline double normcdf(double x) { return 0.5 * __builtin_erfc(x * -0.70710678118654752440); }
static inline float nanf(const char *) { return __builtin_nanf(""); }
static inline double nan(const char *) { return __builtin_nan(""); }
static inline bool isnan(float x) { return __builtin_isnan(x); }
static inline bool isnan(double x) { return __builtin_isnan(x); }
static inline bool isinf(float x) { return __builtin_isinf(x); }
static inline bool isinf(double x) { return __builtin_isinf(x); }
static inline bool isfinite(float x) { return __builtin_isfinite(x); }
static inline bool isfinite(double x) { return __builtin_isfinite(x); }
static inline bool signbit(float x) { return __builtin_signbit(x); }
static inline bool signbit(double x) { return __builtin_signbit(x); }

static inline int abs(int x) { return x < 0 ? -x : x; }
static inline long abs(long x) { return x < 0 ? -x : x; }
static inline long long abs(long long x) { return x < 0 ? -x : x; }
static inline float abs(float x) { return __builtin_fabsf(x); }
static inline double abs(double x) { return __builtin_fabs(x); }
static inline long labs(long x) { return abs(x); }
static inline long long llabs(long long x) { return abs(x); }

#define CUEMU_MIN_MAX(type)                                                                                        \
    static inline type min(type x, type y) { return y < x ? y : x; }                                               \
    static inline type max(type x, type y) { return x < y ? y : x; }
CUEMU_MIN_MAX(int) CUEMU_MIN_MAX(unsigned) CUEMU_MIN_MAX(long) CUEMU_MIN_MAX(unsigned long)
CUEMU_MIN_MAX(long long) CUEMU_MIN_MAX(unsigned long long)
#undef CUEMU_MIN_MAX
static inline unsigned min(int x, unsigned y) { return min((unsigned)x, y); }
static inline unsigned min(unsigned x, int y) { return min(x, (unsigned)y); }
static inline unsigned max(int x, unsigned y) { return max((unsigned)x, y); }
static inline unsigned max(unsigned x, int y) { return max(x, (unsigned)y); }
static inline float min(float x, float y) { return __builtin_fminf(x, y); }
static inline float max(float x, float y) { return __builtin_fmaxf(x, y); }
static inline double min(double x, double y) { return __builtin_fmin(x, y); }
static inline double max(double x, double y) { return __builtin_fmax(x, y); }
static inline double min(float x, double y) { return __builtin_fmin(x, y); }
static inline double min(double x, float y) { return __builtin_fmin(x, y); }
static inline double max(float x, double y) { return __builtin_fmax(x, y); }
static inline double max(double x, float y) { return __builtin_fmax(x, y); }

// Rounded to nearest, never contracted.
static inline float __fadd_rn(float x, float y) { return x + y; }
static inline float __fsub_rn(float x, float y) { return x - y; }
static inline float __fmul_rn(float x, float y) { return x * y; }
static inline float __fdiv_rn(float x, float y) { return x / y; }
static inline float __frcp_rn(float x) { return 1.0f / x; }
static inline float __fsqrt_rn(float x) { return __builtin_sqrtf(x); }
static inline float __frsqrt_rn(float x) { return (float)(1.0 / __builtin_sqrt((double)x)); }
static inline float __fmaf_rn(float x, float y, float z) { return __builtin_fmaf(x, y, z); }
static inline double __dadd_rn(double x, double y) { return x + y; }
static inline double __dsub_rn(double x, double y) { return x - y; }
static inline double __dmul_rn(double x, double y) { return x * y; }
static inline double __ddiv_rn(double x, double y) { return x / y; }
static inline double __drcp_rn(double x) { return 1.0 / x; }
static inline double __dsqrt_rn(double x) { return __builtin_sqrt(x); }
static inline double __fma_rn(double x, double y, double z) { return __builtin_fma(x, y, z); }

// The fast ones: on a GPU a few ulp off, here libm's.
static inline float __expf(float x) { return __builtin_expf(x); }
static inline float __exp10f(float x) { return __builtin_exp10f(x); }
static inline float __logf(float x) { return __builtin_logf(x); }
static inline float __log2f(float x) { return __builtin_log2f(x); }
static inline float __log10f(float x) { return __builtin_log10f(x); }
static inline float __powf(float x, float y) { return __builtin_powf(x, y); }
static inline float __sinf(float x) { return __builtin_sinf(x); }
static inline float __cosf(float x) { return __builtin_cosf(x); }
static inline float __tanf(float x) { return __builtin_tanf(x); }
static inline void __sincosf(float x, float *s, float *c) { sincosf(x, s, c); }
static inline float __fdividef(float x, float y) { return x / y; }
static inline float __saturatef(float x) { return __builtin_fminf(__builtin_fmaxf(x, 0.0f), 1.0f); }   // NaN: 0

// Bits.
static inline int __float_as_int(float x) { return __builtin_bit_cast(int, x); }
static inline unsigned __float_as_uint(float x) { return __builtin_bit_cast(unsigned, x); }
static inline float __int_as_float(int x) { return __builtin_bit_cast(float, x); }
static inline float __uint_as_float(unsigned x) { return __builtin_bit_cast(float, x); }
static inline long long __double_as_longlong(double x) { return __builtin_bit_cast(long long, x); }
static inline double __longlong_as_double(long long x) { return __builtin_bit_cast(double, x); }
static inline int __double2hiint(double x) { return (int)(__double_as_longlong(x) >> 32); }
static inline int __double2loint(double x) { return (int)__double_as_longlong(x); }
static inline double __hiloint2double(int high, int low)
{
    return __longlong_as_double((long long)((unsigned long long)(unsigned)high << 32 | (unsigned)low));
}
static inline int __popc(unsigned x)            // g++ would call libgcc, which is not linked
{
    x -= x >> 1 & 0x55555555u;
    x = (x & 0x33333333u) + (x >> 2 & 0x33333333u);
    return (int)(((x + (x >> 4)) & 0x0f0f0f0fu) * 0x01010101u >> 24);
}
static inline int __popcll(unsigned long long x) { return __popc((unsigned)x) + __popc((unsigned)(x >> 32)); }
static inline int __clz(int x) { return x ? __builtin_clz((unsigned)x) : 32; }
static inline int __clzll(long long x) { return x ? __builtin_clzll((unsigned long long)x) : 64; }
static inline int __ffs(int x) { return __builtin_ffs(x); }
static inline int __ffsll(long long x) { return __builtin_ffsll(x); }
static inline unsigned long long __brevll(unsigned long long x)
{
    x = (x >> 1 & 0x5555555555555555) | (x & 0x5555555555555555) << 1;
    x = (x >> 2 & 0x3333333333333333) | (x & 0x3333333333333333) << 2;
    x = (x >> 4 & 0x0f0f0f0f0f0f0f0f) | (x & 0x0f0f0f0f0f0f0f0f) << 4;
    return __builtin_bswap64(x);
}
static inline unsigned __brev(unsigned x) { return (unsigned)(__brevll(x) >> 32); }
static inline unsigned __umulhi(unsigned x, unsigned y) { return (unsigned)((unsigned long long)x * y >> 32); }
static inline int __mulhi(int x, int y) { return (int)((long long)x * y >> 32); }
static inline unsigned long long __umul64hi(unsigned long long x, unsigned long long y)
{
    return (unsigned long long)((unsigned __int128)x * y >> 64);
}
static inline long long __mul64hi(long long x, long long y) { return (long long)((__int128)x * y >> 64); }
static inline int __mul24(int x, int y) { return (int)((unsigned)(x << 8 >> 8) * (unsigned)(y << 8 >> 8)); }
static inline unsigned __umul24(unsigned x, unsigned y) { return (x & 0xffffff) * (y & 0xffffff); }
static inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned by)
{
    return (unsigned)(((unsigned long long)high << 32 | low) << (by & 31) >> 32);
}
static inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned by)
{
    return (unsigned)(((unsigned long long)high << 32 | low) >> (by & 31));
}
static inline unsigned __byte_perm(unsigned x, unsigned y, unsigned selector)
{
    unsigned long long bytes = (unsigned long long)y << 32 | x;
    unsigned result = 0;
    for (int i = 0; i < 4; i++) {
        unsigned pick = selector >> (4 * i) & 0xf;
        unsigned byte = (unsigned)(bytes >> (8 * (pick & 7))) & 0xff;
        result |= (pick & 8 ? (byte & 0x80 ? 0xffu : 0u) : byte) << (8 * i);
    }
    return result;
}

// Conversions saturate and turn NaN into 0 as the GPU's do. A plain C cast of such a value does what the CPU does.
#define CUEMU_TO_INTEGER(from, name, type, low, high, suffix, round)                                                 \
    static inline type __##from##2##name##_##suffix(from x)                                                          \
    {                                                                                                                \
        from y = (from)__builtin_##round((double)x);                                                                 \
        return x != x ? (type)0 : y <= (from)(low) ? (type)(low) : y >= (from)(high) ? (type)(high) : (type)y;       \
    }
#define CUEMU_ROUNDINGS(from, name, type, low, high)                                                                 \
    CUEMU_TO_INTEGER(from, name, type, low, high, rn, rint) CUEMU_TO_INTEGER(from, name, type, low, high, rz, trunc) \
    CUEMU_TO_INTEGER(from, name, type, low, high, ru, ceil) CUEMU_TO_INTEGER(from, name, type, low, high, rd, floor)
#define CUEMU_FROM(from)                                                                                             \
    CUEMU_ROUNDINGS(from, int, int, -__INT_MAX__ - 1, __INT_MAX__)                                                   \
    CUEMU_ROUNDINGS(from, uint, unsigned, 0u, ~0u)                                                                   \
    CUEMU_ROUNDINGS(from, ll, long long, -__LONG_LONG_MAX__ - 1, __LONG_LONG_MAX__)                                  \
    CUEMU_ROUNDINGS(from, ull, unsigned long long, 0ull, ~0ull)
CUEMU_FROM(float) CUEMU_FROM(double)
#undef CUEMU_FROM
#undef CUEMU_ROUNDINGS
#undef CUEMU_TO_INTEGER
static inline float __int2float_rn(int x) { return (float)x; }
static inline float __uint2float_rn(unsigned x) { return (float)x; }
static inline float __ll2float_rn(long long x) { return (float)x; }
static inline float __ull2float_rn(unsigned long long x) { return (float)x; }
static inline double __int2double_rn(int x) { return x; }
static inline double __uint2double_rn(unsigned x) { return x; }
static inline double __ll2double_rn(long long x) { return (double)x; }
static inline double __ull2double_rn(unsigned long long x) { return (double)x; }
static inline float __double2float_rn(double x) { return (float)x; }

// Loads and stores with cache hints.
#define CUEMU_LOAD(name) template <class T> static inline T name(const T *p) { return *p; }
#define CUEMU_STORE(name) template <class T> static inline void name(T *p, T value) { *p = value; }
CUEMU_LOAD(__ldg) CUEMU_LOAD(__ldca) CUEMU_LOAD(__ldcg) CUEMU_LOAD(__ldcs) CUEMU_LOAD(__ldcv) CUEMU_LOAD(__ldlu)
CUEMU_STORE(__stcg) CUEMU_STORE(__stcs) CUEMU_STORE(__stwb) CUEMU_STORE(__stwt)
#undef CUEMU_LOAD
#undef CUEMU_STORE
