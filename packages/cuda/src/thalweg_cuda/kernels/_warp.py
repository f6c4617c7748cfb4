"""What the threads of a warp or a block make together, in CUDA C. All of it is in a fixed order."""

WARP = 32                        # threads

SHUFFLES = """
/* The value of the thread `distance` lanes on, within groups of `width` lanes; all 32 lanes take part. */
template <class T> __device__ inline T shuffle_down(T x, int distance, int width) {
  return __shfl_down_sync(0xffffffffu, x, distance, width);
}
template <class T> __device__ inline complex_of<T> shuffle_down(complex_of<T> x, int distance, int width) {
  return complex_of<T>{shuffle_down(x.re, distance, width), shuffle_down(x.im, distance, width)};
}
/* The value of the lane `distance` before; its own for the first ones. */
template <class T> __device__ inline T shuffle_up(T x, int distance) {
  return __shfl_up_sync(0xffffffffu, x, distance);
}
template <class T> __device__ inline complex_of<T> shuffle_up(complex_of<T> x, int distance) {
  return complex_of<T>{shuffle_up(x.re, distance), shuffle_up(x.im, distance)};
}
"""


def group_fold(kind, fold, group):
    """The function `fold_group(x, lane, kept)`: lane 0 of each `group` neighbouring threads gets the fold of their x.

    kind : C type                    for which shuffle_down is defined
    fold : name of a function        (kind, kind) -> kind
    group : int                      1, 2, ..., 32, or a multiple of 32: then the whole block, with kept, shared memory
                                     for group / 32 values, that is free when it is called
    """
    inside = min(group, WARP)
    text = f"""
__device__ inline {kind} fold_warp({kind} x) {{
#pragma unroll
  for (int distance = {inside // 2}; distance; distance /= 2) x = {fold}(x, shuffle_down(x, distance, {inside}));
  return x;
}}"""
    if group <= WARP:
        return text + f"""
__device__ inline {kind} fold_group({kind} x, int, {kind}*) {{ return fold_warp(x); }}
"""
    return text + f"""
__device__ inline {kind} fold_group({kind} x, int lane, {kind}* kept) {{
  x = fold_warp(x);
  if (lane % {WARP} == 0) kept[lane / {WARP}] = x;
  __syncthreads();
  x = kept[0];
#pragma unroll
  for (int i = 1; i < {group // WARP}; i++) x = {fold}(x, kept[i]);
  return x;                                                   /* every thread has it */
}}
"""
