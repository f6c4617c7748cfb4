/* Local response normalisation of float across channels (AlexNet, section 3.3) and its gradient. */

typedef struct {
  const thw_channels_job* job;
  const float *x, *y, *dy;
  float* result;
} Response;

/* sum[c] = padded[c] + ... + padded[c + 2 radius]; padded holds `radius` zeros, the channels, `radius` zeros. */
static void sum_neighbours(const thw_channels_job* job, const float* padded, float* sum) {
  memcpy(sum, padded, job->channels * sizeof(float));
  int64_t reach = least(2 * job->radius, job->channels + job->radius);
  for (int64_t k = 1; k <= reach; k++)
    INDEPENDENT for (int64_t c = 0; c < job->channels; c++) sum[c] += padded[c + k];
}

/* power[c] = sum[c]^-beta; the powers that networks use need no logarithm. */
static void negative_power(const float* sum, int64_t channels, double beta, float* power) {
  if (beta == 0.5)
    INDEPENDENT for (int64_t c = 0; c < channels; c++) power[c] = 1 / sqrtf(sum[c]);
  else if (beta == 0.75)
    INDEPENDENT for (int64_t c = 0; c < channels; c++) power[c] = 1 / (sqrtf(sum[c]) * sqrtf(sqrtf(sum[c])));
  else if (beta == 1)
    INDEPENDENT for (int64_t c = 0; c < channels; c++) power[c] = 1 / sum[c];
  else
    INDEPENDENT for (int64_t c = 0; c < channels; c++) power[c] = (float)pow((double)sum[c], -beta);
}

/* scale[c] = bias + alpha * the sum of squares around channel c */
static void response_scale(const thw_channels_job* job, const float* x, float* padded, float* scale) {
  INDEPENDENT for (int64_t c = 0; c < job->channels; c++) padded[job->radius + c] = x[c] * x[c];
  sum_neighbours(job, padded, scale);
  INDEPENDENT for (int64_t c = 0; c < job->channels; c++) scale[c] = (float)job->bias + (float)job->alpha * scale[c];
}

static void response_rows(void* arg, int64_t begin, int64_t end, void* scratch) {
  const Response* run = arg;
  const thw_channels_job* job = run->job;
  int64_t channels = job->channels, last = least(end * job->block_rows, job->rows);
  float *padded = scratch, *scale = padded + channels + 2 * job->radius, *power = scale + channels;
  memset(padded, 0, (channels + 2 * job->radius) * sizeof(float));
  for (int64_t row = begin * job->block_rows; row < last; row++) {
    const float* x = run->x + row * channels;
    float* y = run->result + row * channels;
    response_scale(job, x, padded, scale);
    negative_power(scale, channels, job->beta, power);
    INDEPENDENT for (int64_t c = 0; c < channels; c++) y[c] = x[c] * power[c];
  }
}

/* dx = dy scale^-beta - 2 alpha beta x * (sum around of dy y / scale) */
static void response_gradient_rows(void* arg, int64_t begin, int64_t end, void* scratch) {
  const Response* run = arg;
  const thw_channels_job* job = run->job;
  int64_t channels = job->channels, last = least(end * job->block_rows, job->rows);
  float *padded = scratch, *scale = padded + channels + 2 * job->radius, *power = scale + channels;
  float factor = (float)(2 * job->alpha * job->beta);
  memset(padded, 0, (channels + 2 * job->radius) * sizeof(float));
  for (int64_t row = begin * job->block_rows; row < last; row++) {
    const float *x = run->x + row * channels, *y = run->y + row * channels, *dy = run->dy + row * channels;
    float *dx = run->result + row * channels, *shared = scale;
    response_scale(job, x, padded, scale);
    negative_power(scale, channels, job->beta, power);
    INDEPENDENT for (int64_t c = 0; c < channels; c++) padded[job->radius + c] = dy[c] * y[c] / scale[c];
    sum_neighbours(job, padded, shared);
    INDEPENDENT for (int64_t c = 0; c < channels; c++) dx[c] = dy[c] * power[c] - factor * x[c] * shared[c];
  }
}

static int lrn(thw_call* call, const thw_tensor* in, int32_t n_in, thw_tensor* out, int32_t n_out) {
  (void)n_in, (void)n_out;
  const thw_channels_job* job = call->state;
  Response run = {.job = job, .x = in[0].data, .result = out[0].data};
  call->core->parallel_for(call->core_ctx, job->blocks, job->grain, response_rows, &run);
  return THW_OK;
}

/* in: dy, x, y */
static int lrn_grad(thw_call* call, const thw_tensor* in, int32_t n_in, thw_tensor* out, int32_t n_out) {
  (void)n_in, (void)n_out;
  const thw_channels_job* job = call->state;
  Response run = {.job = job, .dy = in[0].data, .x = in[1].data, .y = in[2].data, .result = out[0].data};
  call->core->parallel_for(call->core_ctx, job->blocks, job->grain, response_gradient_rows, &run);
  return THW_OK;
}
