/* Pooling over windows of a channels-last tensor with three spatial axes, and the gradients. Padding is no element:
 * it is never the maximum and does not count for the mean. */
#ifndef THALWEG_POOL_H
#define THALWEG_POOL_H
#include <stddef.h>
#include <stdint.h>

#include "cpu/c/isa.h"
#include "thalweg_abi.h"

typedef struct {
  int64_t images, channels;
  int64_t size[3], places[3], window[3], step[3], before[3]; /* z, y, x */
  double lowest;          /* what a maximum starts from: NaN never wins */
  int32_t numbers_batch;  /* argmax counts through the batch, not within an image */
  int32_t is_wide_index;  /* argmax is int64, else int32 */
  /* chosen by plan */
  int64_t rows, grain;    /* rows of places, and how many make a task worth its while */
  int32_t is_tiled;       /* each position belongs to exactly one window */
  int32_t form;           /* 2 or 3: windows of that many lines and columns, unrolled where they lie inside; else 0 */
  int64_t inside[3][2];   /* the places of an axis, from and to, whose windows lie inside */
  int64_t band_axis, band_size, bands; /* gradients: a task owns so many positions of this axis of one image */
} thw_pool_job;

typedef struct {
  void (*plan)(thw_pool_job*, int64_t item_bytes, size_t* scratch);
  /* [is_double]; in, out: */
  thw_kernel_fn max[2];               /* x; y */
  thw_kernel_fn max_grad_first[2];    /* x, y, dy; dx: to the first of equal elements */
  thw_kernel_fn max_grad_all[2];      /* x, y, dy; dx: to each element that equals y */
  thw_kernel_fn max_grad_grad[2];     /* x, y, g; dy: what g has where the first maximum was */
  thw_kernel_fn argmax[2];            /* x; y, place */
  thw_kernel_fn argmax_grad[2];       /* x, dy, place; dx */
  thw_kernel_fn argmax_grad_grad[2];  /* x, g, place; dy */
  thw_kernel_fn mean[2];              /* x; y */
  thw_kernel_fn mean_grad[2];         /* shape, dy; dx */
} thw_pool_table;

THW_CHOOSE_TABLE(pool)
#endif
