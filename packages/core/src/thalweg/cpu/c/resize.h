/* Resizing images [n, h, w, c]; lines of places are made by ops/resize.py's rule, in cpu/resize.pyx. */
#ifndef THALWEG_RESIZE_H
#define THALWEG_RESIZE_H
#include <stdint.h>

#include "isa.h"

typedef struct {
  int32_t before, after;
  float part; /* of the way from `before` to `after` */
} thw_place;

typedef struct {
  int64_t h, w, c, oh, ow; /* of the image, of the result */
  const thw_place *rows, *columns;
} thw_resize_job;

/* Rows [begin, end) of the results of all images, counted through. */
typedef void (*thw_resize_rows)(const thw_resize_job* r, const void* x, float* y, int64_t begin, int64_t end);
/* Images [begin, end): dx from the gradient dy of the result. */
typedef void (*thw_resize_images)(const thw_resize_job* r, const float* dy, float* dx, int64_t begin, int64_t end);

typedef struct {
  thw_resize_rows bilinear_f32, bilinear_u8;
  thw_resize_images bilinear_grad, nearest_grad;
} thw_resize_table;

THW_CHOOSE_TABLE(resize)

#endif
