/* Bias and its gradient, once per REAL. */

typedef struct {
  const thw_channels_job* job;
  const REAL *x, *bias;
  REAL* y;
  double* sums; /* [blocks][channels] */
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
  NAME(Bias) run = {job, in[0].data, in[1].data, out[0].data, NULL};
  call->core->parallel_for(call->core_ctx, job->blocks, job->grain, NAME(add_bias), &run);
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
    NAME(sum_rows)(run->x + first * job->channels, least(job->block_rows, job->rows - first), job->channels, sum);
    for (int64_t c = 0; c < job->channels; c++) run->sums[block * job->channels + c] = (double)sum[c];
  }
}

static int NAME(bias_add_grad)(thw_call* call, const thw_tensor* in, int32_t n_in, thw_tensor* out, int32_t n_out) {
  (void)n_in, (void)n_out;
  const thw_channels_job* job = call->state;
  NAME(Bias) run = {job, in[0].data, NULL, out[0].data, call->workspace};
  call->core->parallel_for(call->core_ctx, job->blocks, job->grain, NAME(sum_bias_blocks), &run);
  double* total = run.sums + job->blocks * job->channels;
  add_blocks(job, run.sums, total);
  for (int64_t c = 0; c < job->channels; c++) run.y[c] = (REAL)total[c];
  return THW_OK;
}
