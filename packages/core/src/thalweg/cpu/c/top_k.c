/* See top_k.h. */
#include "top_k.h"

#include <stddef.h>
#include <string.h>

enum { FEW = 32 }; /* up to this k a sorted list that is inserted into beats sorting the row */

#define DEFINE_TOP_K(S, T)                                                                                \
  static void insert_##S(const T* x, int64_t columns, int64_t k, int32_t* places) {                       \
    int64_t held = 0;                                                                                     \
    for (int64_t i = 0; i < columns; i++) {                                                               \
      if (held == k && !(x[i] > x[places[k - 1]])) continue;                                              \
      int64_t at = held < k ? held++ : k - 1;                                                             \
      for (; at > 0 && x[i] > x[places[at - 1]]; at--) places[at] = places[at - 1];                       \
      places[at] = (int32_t)i;                                                                            \
    }                                                                                                     \
  }                                                                                                       \
  /* Merge sort of positions: stable, so that equals keep their order. */                                 \
  static const int32_t* sort_##S(const T* x, int64_t n, int32_t* scratch) {                               \
    int32_t *from = scratch, *to = scratch + n;                                                           \
    for (int64_t i = 0; i < n; i++) from[i] = (int32_t)i;                                                 \
    for (int64_t run = 1; run < n; run *= 2) {                                                            \
      for (int64_t low = 0; low < n; low += 2 * run) {                                                    \
        int64_t middle = low + run < n ? low + run : n, high = low + 2 * run < n ? low + 2 * run : n;     \
        int64_t a = low, b = middle;                                                                      \
        for (int64_t i = low; i < high; i++)                                                              \
          to[i] = b == high || (a < middle && !(x[from[b]] > x[from[a]])) ? from[a++] : from[b++];        \
      }                                                                                                   \
      int32_t* sorted = to;                                                                               \
      to = from;                                                                                          \
      from = sorted;                                                                                      \
    }                                                                                                     \
    return from;                                                                                          \
  }                                                                                                       \
  static void top_k_##S(const void* row, int64_t columns, int64_t k, void* out, int32_t* places,          \
                        int32_t* scratch) {                                                               \
    const T* x = row;                                                                                     \
    T* values = out;                                                                                      \
    if (k == 0) return;                                                                                   \
    if (k <= FEW)                                                                                         \
      insert_##S(x, columns, k, places);                                                                  \
    else                                                                                                  \
      memcpy(places, sort_##S(x, columns, scratch), (size_t)k * sizeof *places);                          \
    for (int64_t i = 0; i < k; i++) values[i] = x[places[i]];                                             \
  }

DEFINE_TOP_K(f32, float)
DEFINE_TOP_K(f64, double)
DEFINE_TOP_K(i32, int32_t)
DEFINE_TOP_K(u8, uint8_t)
DEFINE_TOP_K(i64, int64_t)

thw_top_k_loop thw_top_k(int dtype) {
  switch (dtype) {
    case 1: return top_k_f32;
    case 2: return top_k_f64;
    case 3: return top_k_i32;
    case 4: return top_k_u8;
    case 9: return top_k_i64;
    default: return NULL;
  }
}
