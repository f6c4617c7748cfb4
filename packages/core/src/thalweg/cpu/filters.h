/* Filters that are made ready once per value: packed panels, transforms.
 *
 * Kernels that make the same of one variable or constant share one copy, whatever the shapes of their images. A value
 * is kept when it is met a second time, so weights that change with every step cost no memory, and while all copies
 * together stay within a budget (THALWEG_FILTER_CACHE_MB, 256 by default).
 */
#ifndef THALWEG_CPU_FILTERS_H
#define THALWEG_CPU_FILTERS_H
#include <stddef.h>
#include <stdint.h>

#include "thalweg_abi.h"

enum { THW_LAYOUT_NUMBERS = 8 };
typedef struct { /* all that decides how a filter is laid out, besides its values */
  uint64_t numbers[THW_LAYOUT_NUMBERS];
} thw_layout;

typedef struct thw_kept thw_kept;

typedef struct { /* in a kernel's state, zeroed */
  thw_kept* known; /* the copy that it uses; guarded by the lock in filters.c */
} thw_filter_use;

typedef enum { THW_FILTER_READY, THW_FILTER_MAKE, THW_FILTER_MAKE_ONCE } thw_filter_state;

/* What to do for input `input` of this call. READY: *data is made. MAKE: make it at *data, then call
   thw_filter_made. MAKE_ONCE: make it in memory of the call's own. With the first two, *kept has to be given back. */
thw_filter_state thw_filter_take(thw_filter_use* use, const thw_call* call, int input, const thw_layout* layout,
                                 size_t bytes, thw_kept** kept, void** data);
void thw_filter_made(thw_kept* kept);
void thw_filter_give(thw_kept* kept); /* NULL: nothing */

/* When the kernel is freed. */
void thw_filter_leave(thw_filter_use* use);

/* Bytes of all copies. */
size_t thw_filter_bytes(void);
#endif
