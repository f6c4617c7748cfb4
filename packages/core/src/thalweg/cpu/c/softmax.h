/* Softmax and its cross entropies over rows of `classes` elements. */
#ifndef THALWEG_SOFTMAX_H
#define THALWEG_SOFTMAX_H
#include <stdint.h>

#include "isa.h"

/* y may be x. */
typedef void (*thw_softmax_loop)(const void* x, int64_t rows, int64_t classes, void* y);

/* loss[r] = -sum labels[r] log softmax(x[r]), backprop[r] = softmax(x[r]) - labels[r]; rows of x and labels lie
 * x_stride and labels_stride elements apart (0: one row for all). backprop is none of the inputs. */
typedef void (*thw_cross_entropy_loop)(const void* x, int64_t x_stride, const void* labels, int64_t labels_stride,
                                       int64_t rows, int64_t classes, void* loss, void* backprop);

/* The same for labels that are class numbers. Gives the last row whose label is none, or -1. */
typedef int64_t (*thw_sparse_cross_entropy_loop)(const void* x, const void* labels, int is_int64, int64_t rows,
                                                 int64_t classes, void* loss, void* backprop);

typedef struct {
  uint8_t dtype;
  thw_softmax_loop softmax, log_softmax;
  thw_cross_entropy_loop cross_entropy;
  thw_sparse_cross_entropy_loop sparse_cross_entropy;
} thw_softmax_entry;

typedef struct { const thw_softmax_entry* entries; } thw_softmax_table; /* float32, float64 */

THW_CHOOSE_TABLE(softmax)

#endif
