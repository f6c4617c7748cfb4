/* Bias and its gradient, alone and behind an activation's, once per REAL. */

typedef struct {
  const thw_channels_job* job;
  const REAL *x, *bias;
  REAL* y;
  double* sums; /* [blocks][channels] */
  const REAL* features;
} NAME(Bias);

static void NAME(add_bias)(void* arg, int64_t begin, int64_t end, void* scratch) {
  (void)scratch;
  const NAME(Bias)* run = arg;
  int64_t channels = run->job->channels, last = least(end * run->job->block_rows, run->job->rows);
  for (int64_t row = begin * run->job->block_rows; row < last; row++) {
    const REAL* x = run->x + row * channels;
    REAL* y = run->y + row * channels;
    INDEPENDENT for (int64_t c = 0; c < channels; c++) y[c] = x[c] + run->bias[c];
  }
}

static int NAME(bias_add)(thw_call* call, const thw_tensor* in, int32_t n_in, thw_tensor* out, int32_t n_out) {
  (void)n_in, (void)n_out;
  const thw_channels_job* job = call->state;
  NAME(Bias) run = {.job = job, .x = in[0].data, .bias = in[1].data, .y = out[0].data};
  sweep(call, job, NAME(add_bias), &run);
  return THW_OK;
}

INLINE void NAME(add_rows)(const int together, const REAL* x, int64_t channels, REAL* sum) {
  INDEPENDENT for (int64_t c = 0; c < channels; c++) {
    REAL total = 0;
    UNROLLED for (int r = 0; r < together; r++) total += x[r * channels + c];
    sum[c] += total;
  }
}

/* sum[c] = the sum of rows [0, count) of x */
static void NAME(sum_rows)(const REAL* x, int64_t count, int64_t channels, REAL* sum) {
  int64_t r = 0;
  memset(sum, 0, channels * sizeof(REAL));
  if (channels <= NARROW)
    for (; r + 4 <= count; r += 4) NAME(add_rows)(4, x + r * channels, channels, sum);
  for (; r < count; r++) NAME(add_rows)(1, x + r * channels, channels, sum);
}

static void NAME(sum_bias_blocks)(void* arg, int64_t begin, int64_t end, void* scratch) {
  const NAME(Bias)* run = arg;
  const thw_channels_job* job = run->job;
  REAL* sum = scratch;
  for (int64_t block = begin; block < end; block++) {
    int64_t first = block * job->block_rows;
    NAME(sum_rows)(run->x + first * job->channels, rows_of_block(job, block), job->channels, sum);
    for (int64_t c = 0; c < job->channels; c++) run->sums[block * job->channels + c] = (double)sum[c];
  }
}

static void NAME(join_bias_blocks)(const NAME(Bias)* run, REAL* dbias) {
  const thw_channels_job* job = run->job;
  double* total = run->sums + job->blocks * job->channels;
  add_blocks(job, run->sums, total);
  for (int64_t c = 0; c < job->channels; c++) dbias[c] = (REAL)total[c];
}

static int NAME(bias_add_grad)(thw_call* call, const thw_tensor* in, int32_t n_in, thw_tensor* out, int32_t n_out) {
  (void)n_in, (void)n_out;
  const thw_channels_job* job = call->state;
  NAME(Bias) run = {.job = job, .x = in[0].data, .sums = call->workspace};
  sweep(call, job, NAME(sum_bias_blocks), &run);
  NAME(join_bias_blocks)(&run, out[0].data);
  return THW_OK;
}

/* g = dy where the activation gave more than 0 and at most `high`, and its sums, of `together` rows. */
INLINE void NAME(pass_rows)(const int together, const REAL* dy, const REAL* y, REAL high, int64_t channels, REAL* g,
                            REAL* sum) {
  INDEPENDENT for (int64_t c = 0; c < channels; c++) {
    REAL total = 0;
    UNROLLED for (int r = 0; r < together; r++) {
      int64_t k = r * channels + c;
      REAL here = (y[k] > 0) & (y[k] <= high) ? dy[k] : 0;
      g[k] = here;
      total += here;
    }
    sum[c] += total;
  }
}

static void NAME(pass_bias_blocks)(void* arg, int64_t begin, int64_t end, void* scratch) {
  const NAME(Bias)* run = arg;
  const thw_channels_job* job = run->job;
  int64_t channels = job->channels;
  REAL *sum = scratch, high = (REAL)job->high;
  for (int64_t block = begin; block < end; block++) {
    int64_t first = block * job->block_rows, count = rows_of_block(job, block), r = 0;
    const REAL *dy = run->x + first * channels, *y = run->features + first * channels;
    REAL* g = run->y + first * channels;
    memset(sum, 0, channels * sizeof(REAL));
    if (channels <= NARROW)
      for (; r + 4 <= count; r += 4)
        NAME(pass_rows)(4, dy + r * channels, y + r * channels, high, channels, g + r * channels, sum);
    for (; r < count; r++)
      NAME(pass_rows)(1, dy + r * channels, y + r * channels, high, channels, g + r * channels, sum);
    for (int64_t c = 0; c < channels; c++) run->sums[block * channels + c] = (double)sum[c];
  }
}

/* in: dy, features; out: g, its sum over the rows */
static int NAME(activation_bias_add_grad)(thw_call* call, const thw_tensor* in, int32_t n_in, thw_tensor* out,
                                          int32_t n_out) {
  (void)n_in, (void)n_out;
  const thw_channels_job* job = call->state;
  NAME(Bias) run = {.job = job, .x = in[0].data, .features = in[1].data, .y = out[0].data, .sums = call->workspace};
  sweep(call, job, NAME(pass_bias_blocks), &run);
  NAME(join_bias_blocks)(&run, out[1].data);
  return THW_OK;
}
