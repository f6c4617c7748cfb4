/* Filters that are made ready once per value: packed panels, transforms.
 *
 * Kernels that make the same of one variable or constant share one copy, whatever the shapes of their images. A value
 * is kept when it is met a second time, so weights that change with every step cost no memory, and while all copies
 * together stay within a budget.
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

typedef struct { /* a filter for the time of one call */
  void* data;
  int is_made;    /* 0: it has to be made at `data`, and thw_filter_made called then */
  thw_kept* kept; /* NULL: `data` is the call's own memory */
} thw_filter;

/* The filter that is input `input` of this call, at `source`; `own`, of `bytes`, is used where none is kept. Give it
   back. */
thw_filter thw_filter_take(thw_filter_use* use, const thw_call* call, int input, const void* source,
                           const thw_layout* layout, size_t bytes, void* own);
void thw_filter_made(const thw_filter* filter);
void thw_filter_give(const thw_filter* filter);

/* When the kernel is freed. */
void thw_filter_leave(thw_filter_use* use);

/* For all copies together; before the first of them is made. */
void thw_filter_set_budget(size_t bytes);

/* Bytes of all copies, and how often a call found one that was made. */
size_t thw_filter_bytes(void);
uint64_t thw_filter_reads(void);
#endif
