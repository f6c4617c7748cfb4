/* The sweeps of channels.h for one instruction set. */
#include "cpu/c/channels.h"

#include <math.h>

#include "cpu/c/simd.h"

#define BLOCK_ROWS 256           /* rows that are summed in the tensor's own type */
#define BLOCK_BYTES (512 << 10)  /* and at most so much: more blocks than workers */
#define NARROW 128               /* channels: four rows at a time spare loads and stores of the sums. Wider rows are
                                    taken one by one, since the hardware's prefetch follows one stream */
#define SMALL_BYTES (1 << 17)    /* swept in about 20 us of one core */

static void plan(thw_channels_job* job, int64_t item_bytes, int64_t sums, size_t* workspace, size_t* scratch) {
  int64_t row_bytes = most(1, job->channels * item_bytes);
  job->block_rows = most(1, least(BLOCK_ROWS, BLOCK_BYTES / row_bytes));
  job->blocks = job->channels ? ceil_div(job->rows, job->block_rows) : 0;
  job->grain = most(1, SMALL_BYTES / (job->block_rows * row_bytes));
  *workspace = (sums * (job->blocks + 1) * sizeof(double) + 3 * sizeof(float)) * job->channels;
  *scratch = 3 * job->channels * item_bytes + 2 * job->radius * item_bytes;
}

static int64_t rows_of_block(const thw_channels_job* job, int64_t block) {
  return least(job->block_rows, job->rows - block * job->block_rows);
}

static void sweep(thw_call* call, const thw_channels_job* job, thw_body_fn body, void* run) {
  call->core->parallel_for(call->core_ctx, job->blocks, job->grain, body, run);
}

/* total[c] = the sum over blocks of sums[block][c], in order */
static void add_blocks(const thw_channels_job* job, const double* sums, double* total) {
  memset(total, 0, job->channels * sizeof(double));
  for (int64_t b = 0; b < job->blocks; b++)
    INDEPENDENT for (int64_t c = 0; c < job->channels; c++) total[c] += sums[b * job->channels + c];
}

#define REAL float
#include "cpu/c/bias_rows.h"
#undef REAL
#define REAL double
#include "cpu/c/bias_rows.h"
#undef REAL
#define REAL float
#include "cpu/c/batch_norm_rows.h"
#include "cpu/c/batch_norm_grad_rows.h"
#undef REAL
#include "cpu/c/lrn_rows.h"

const thw_channels_table THW_TABLE(channels) = {plan,
                                                {bias_add_float, bias_add_double},
                                                {bias_add_grad_float, bias_add_grad_double},
                                                {activation_bias_add_grad_float, activation_bias_add_grad_double},
                                                batch_norm_training,
                                                batch_norm_inference,
                                                batch_norm_training_grad,
                                                batch_norm_inference_grad,
                                                lrn,
                                                lrn_grad};
