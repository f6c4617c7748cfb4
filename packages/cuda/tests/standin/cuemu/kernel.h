// The table of a module's kernels: how to hand one its packed arguments. compiler.py appends a CUEMU_KERNEL for each.

namespace cuemu {

template <class T> constexpr bool is_pointer = false;
template <class T> constexpr bool is_pointer<T *> = true;

// Where the i-th parameter lies: each at a multiple of its alignment, as a CUDA launch packs them. i = count: the end.
template <class... A> constexpr unsigned offset(unsigned i)
{
    constexpr unsigned sizes[] = {(unsigned)sizeof(A)..., 0}, alignments[] = {(unsigned)alignof(A)..., 1};
    unsigned at = 0;
    for (unsigned k = 0; k <= i; k++) {
        at = (at + alignments[k] - 1) / alignments[k] * alignments[k];
        if (k < i) at += sizes[k];
    }
    return at;
}

template <unsigned... i> struct Indices {};

template <auto kernel> struct Kernel;
template <class... A, void (*kernel)(A...)> struct Kernel<kernel> {
    template <unsigned... i> static void call(const unsigned char *packed, Indices<i...>)
    {
        kernel(*reinterpret_cast<const A *>(packed + offset<A...>(i))...);
    }
    static void run_thread(const unsigned char *packed)
    {
        call(packed, Indices<__integer_pack((unsigned)sizeof...(A))...>());
    }

    template <unsigned... i> struct Layout {
        static constexpr unsigned sizes[] = {(unsigned)sizeof(A)..., 0}, offsets[] = {offset<A...>(i)..., 0};
        static constexpr unsigned char pointers[] = {is_pointer<A>..., 0};
    };
    using layout = Layout<__integer_pack((unsigned)sizeof...(A))...>;

    static constexpr cuemu_kernel entry(const char *name, unsigned max_threads, unsigned char *begin,
                                        unsigned char *end)
    {
        return {name, run_thread, sizeof...(A), offset<A...>(sizeof...(A)), layout::sizes, layout::offsets,
                layout::pointers, max_threads, begin, end};
    }
};

constexpr unsigned bound() { return CUEMU_MAX_THREADS; }
template <class... T> constexpr unsigned bound(unsigned threads, T...) { return threads; }

}  // namespace cuemu

#define CUEMU_KERNEL(tag, name, expression, ...)                                                                     \
    extern "C" unsigned char __start_cuemu_shared_##tag[] __attribute__((weak, visibility("hidden")));               \
    extern "C" unsigned char __stop_cuemu_shared_##tag[] __attribute__((weak, visibility("hidden")));                \
    static const cuemu_kernel cuemu_entry_##tag = cuemu::Kernel<(expression)>::entry(            \
        name, cuemu::bound(__VA_ARGS__), __start_cuemu_shared_##tag, __stop_cuemu_shared_##tag);                     \
    static const cuemu_kernel *const cuemu_listed_##tag __attribute__((section("cuemu_kernels"), used)) =            \
        &cuemu_entry_##tag;
