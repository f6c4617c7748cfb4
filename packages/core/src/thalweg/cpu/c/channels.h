/* Sweeps over rows of channels: biases, batch normalisation, local response normalisation, and their gradients.
 *
 * Whole rows are streamed, never one channel down the rows. A sum runs in the tensor's own type over a block of at
 * most 256 rows, which stays in cache; blocks are added in double, in order.
 */
#ifndef THALWEG_CHANNELS_H
#define THALWEG_CHANNELS_H
#include <stddef.h>
#include <stdint.h>

#include "cpu/c/isa.h"
#include "thalweg_abi.h"

typedef struct {
  int64_t rows, channels;
  double epsilon;                        /* batch norm */
  int32_t has_residual, is_clamped;      /* y = clamp(normalised + residual) between 0 and high */
  int32_t addends;                       /* of dy */
  int32_t features, keeps_g;             /* inputs that tell where an activation let through; whether g is a result */
  double high;                           /* the largest y that the activation lets through */
  int64_t radius;                        /* LRN: channels on either side */
  double bias, alpha, beta;
  /* chosen by plan */
  int64_t block_rows, blocks, grain;
} thw_channels_job;

typedef struct {
  /* Fills in the chosen fields; sizes in bytes. `sums`: numbers that a block keeps for each channel. */
  void (*plan)(thw_channels_job*, int64_t item_bytes, int64_t sums, size_t* workspace, size_t* scratch);
  thw_kernel_fn bias_add[2], bias_add_grad[2], activation_bias_add_grad[2];  /* [is_double] */
  thw_kernel_fn batch_norm_training, batch_norm_inference;
  thw_kernel_fn batch_norm_training_grad, batch_norm_inference_grad;
  thw_kernel_fn lrn, lrn_grad;                      /* float */
} thw_channels_table;

THW_CHOOSE_TABLE(channels)
#endif
