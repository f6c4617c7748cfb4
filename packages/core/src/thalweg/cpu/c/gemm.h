/* Sums of products over windows: convolutions, their gradients and matrix products are cases of two jobs.
 *
 *   correlate: y[place, j] = sum over taps t, k < depth of x[place + t, k] * filter[t, k, j]        then an epilogue
 *   gather:    y[t, i, j]  = sum over places of x[place + t, i] * dy[place, j]
 *
 * A place is a window of a channels-last tensor x with three spatial axes (absent ones have size 1). Prepare fills a
 * job's first part; plan_* chooses the blocking, which depends on sizes and the instruction set alone, never on the
 * number of threads, so that results do not either.
 */
#ifndef THALWEG_GEMM_H
#define THALWEG_GEMM_H
#include <stddef.h>
#include <stdint.h>

#include "cpu/c/isa.h"
#include "cpu/c/source.h"
#include "cpu/c/winograd.h"
#include "cpu/filters.h"
#include "thalweg_abi.h"

typedef struct { /* one tap of a window */
  int64_t at[3];   /* where it reads, from the window's corner, in z, y, x */
  int64_t filter;  /* which block of the filter or of the result it belongs to */
  int64_t offset;  /* numbers from the corner's first channel; plan fills it in */
} thw_tap;

typedef struct { /* a grid of windows; lengths in numbers, not bytes */
  int64_t images, grid[3];    /* places */
  int64_t size[3], step[3];   /* extent of x, beyond which it is zero, and distance of windows */
  int64_t x_stride[4];        /* image, z, y, x */
  int64_t y_first, y_stride[4]; /* where places lie in the other tensor: the first, then image, z, y, x */
  int64_t corner[3];          /* position in x of the first window's corner; may be negative */
  int64_t reach;              /* pixels along x that a tap covers, where depth is more than a pixel's channels; or 0 */
  int64_t n_taps;
  thw_tap* taps;
  int64_t least_at[3], most_at[3]; /* over taps; plan fills these and the next in */
  int64_t places, blocks, first_task, first_packed;
  int64_t inside_begin, inside_end; /* places of a row whose taps all read inside it */
  int32_t is_by_rows;         /* a row's places have their taps in common */
} thw_window;

typedef struct { /* copy of x with wider rows, made first: rows of a small-channel image then need no bounds */
  int64_t rows, length, left, width; /* width 0: no copy; row r is [left zeros][length numbers][zeros] */
} thw_margin;

typedef struct {
  thw_window* windows;         /* several where a gradient falls apart into phases; they share x, filter and y */
  int64_t n_windows;
  int64_t depth, columns;
  int64_t block_stride, row_stride, column_stride; /* of the filter: tap, k, j; one of the last two is 1 */
  int32_t x, filter;           /* inputs */
  int32_t filter_lasts;        /* from run to run, perhaps: then it is packed as a whole, and kept */
  int64_t batches;             /* matrix products: so many of them, at these places */
  const int64_t *x_offsets, *filter_offsets; /* [batches] */
  int64_t y_batch_stride;
  const void* zeros;           /* depth of them */
  thw_finish finish;
  int32_t makes_x;             /* x may come from a maker (source.h); plan clears it where there are few blocks */
  size_t maker_scratch;
  /* chosen by plan_correlation */
  int64_t block_places, group_panels, groups, depth_block, taps_block, tasks, grain, pack_grain;
  int32_t is_prepacked, is_row_major, is_product;
  int64_t packed_numbers, edge_numbers;
  thw_layout layout;
  /* changes from run to run */
  thw_filter_use use;
} thw_correlation;

typedef struct {
  thw_window window;
  int64_t depth, columns;      /* the result is [blocks][depth][columns] */
  int64_t column_stride;       /* of dy; its places lie as window.y_* says */
  int32_t x, dy;               /* inputs */
  int64_t batches;
  const int64_t *x_offsets, *dy_offsets;
  thw_margin margin;
  thw_finish finish;           /* of a single batch */
  /* chosen by plan_gathering */
  int64_t tile_depth, depth_tiles, units_per_group, unit_groups, group_panels, panel_groups;
  int64_t place_block, splits, split_places;
  int32_t is_packed;
  int64_t tasks, grain, margin_numbers, copies_numbers;
} thw_gathering;

typedef struct {
  /* Fill in the chosen fields; sizes in bytes. is_double picks the number type. */
  void (*plan_correlation)(thw_correlation*, int is_double, size_t* workspace, size_t* scratch);
  void (*plan_gathering)(thw_gathering*, int is_double, size_t* workspace, size_t* scratch);
  thw_kernel_fn correlate[2], gather[2]; /* [is_double]; the state is the job */
  thw_follow_fn follow[2];               /* correlate on what another kernel's source gives */
  void (*plan_winograd)(thw_winograd*, int64_t outputs, size_t* workspace, size_t* scratch); /* float only */
  thw_kernel_fn winograd;
  void (*plan_winograd_gradient)(thw_winograd_gradient*, size_t* workspace, size_t* scratch);
  thw_kernel_fn winograd_gradient;
  int (*is_gradient_quicker)(const thw_tiling*); /* than gather */
  int64_t (*best_outputs)(const thw_tiling*, int filter_lasts); /* places of a tile's side; 0: correlate is quicker */
} thw_gemm_table;

THW_CHOOSE_TABLE(gemm)
#endif
