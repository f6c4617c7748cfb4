/* Depthwise convolution and its gradients: every channel has a window of its own, so that vectors run over channels.
 *
 *   correlate: y[place, c] = sum over taps of x[place + tap, c] * filter[tap, c]
 *   gather:    y[tap, c]   = sum over places of x[place + tap, c] * dy[place, c]
 *
 * A window is the product of taps on rows and taps on columns. Several filters for a channel (the multiplier) are
 * treated by widening: each channel of x is repeated so many times first, and a gradient of x is summed back.
 */
#ifndef THALWEG_DEPTHWISE_H
#define THALWEG_DEPTHWISE_H
#include <stddef.h>
#include <stdint.h>

#include "cpu/c/epilogue.h"
#include "cpu/c/isa.h"
#include "cpu/c/source.h"
#include "thalweg_abi.h"

typedef struct { int64_t at, filter; } thw_line_tap; /* from the window's corner; row or column of the filter */

typedef struct { /* taps ascend in `at` */
  int64_t places, size, step, corner; /* windows on this axis; extent of x, distance, first corner */
  int64_t n_taps;
  thw_line_tap* taps;
  int64_t inside_begin, inside_end;   /* places whose taps all read inside x; plan fills it in */
} thw_line;

typedef struct { /* a grid of places that share their taps */
  thw_line rows, columns;
  int64_t y_first, y_row, y_column;   /* places in the other tensor's image, in numbers */
  int64_t kind;                       /* of kernel; plan fills it in */
} thw_depthwise_phase;

typedef struct {
  thw_depthwise_phase* phases;
  int64_t n_phases, images, channels;
  int64_t filter_rows, filter_columns;
  int64_t x_image, x_row, y_image;    /* strides, in numbers; a pixel of x has `channels` */
  int64_t multiplier, x_numbers, y_numbers; /* of whole tensors, widened */
  int32_t x, other;                   /* inputs: the windowed tensor; filter or dy */
  int32_t widens_x, sums_y;           /* because of the multiplier */
  thw_finish finish;                  /* of a correlation of one phase */
  /* chosen by plan */
  int64_t rows, grain, chunk_rows, chunks; /* rows: of the phase that has most */
} thw_depthwise_job;

typedef struct { /* a correlation of one phase, whose result is what another job reads */
  thw_depthwise_job* depthwise;
  void* product;
  thw_follow_fn follow;
  int32_t is_made_in_blocks;         /* by the product's run; else as a whole before it, in the workspace */
  int32_t arguments;                 /* the product's first operand among the inputs */
  size_t depthwise_scratch;
  size_t made_at, product_at;        /* in the workspace */
} thw_separable;

typedef struct {
  void (*plan_correlation)(thw_depthwise_job*, int is_double, size_t* workspace, size_t* scratch);
  void (*plan_gathering)(thw_depthwise_job*, int is_double, size_t* workspace, size_t* scratch);
  thw_kernel_fn correlate[2], gather[2];
  thw_kernel_fn separable[2]; /* of a thw_separable */
} thw_depthwise_table;

THW_CHOOSE_TABLE(depthwise)
#endif
