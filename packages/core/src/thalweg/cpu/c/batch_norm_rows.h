/* Batch normalisation of float (arXiv:1502.03167, algorithm 1) and its gradient: one sweep for statistics, one to
 * apply them. A block's mean is known before its squares are summed, so that a large mean costs no accuracy. */

typedef struct {
  const thw_channels_job* job;
  const float *x, *dy;
  float* y;
  const float *mean, *factor, *offset;  /* per channel, of the sweep that applies them */
  const float *slope;
  double *first, *second;               /* sums per block: [blocks][channels] each */
} BatchNorm;

static int64_t rows_of_block(const thw_channels_job* job, int64_t block) {
  return least(job->block_rows, job->rows - block * job->block_rows);
}

/* first: sum of x; second: sum of (x - mean of the block)^2 */
static void sum_moments(void* arg, int64_t begin, int64_t end, void* scratch) {
  const BatchNorm* run = arg;
  const thw_channels_job* job = run->job;
  int64_t channels = job->channels;
  float *mean = scratch, *squares = mean + channels;
  for (int64_t block = begin; block < end; block++) {
    int64_t count = rows_of_block(job, block);
    const float* x = run->x + block * job->block_rows * channels;
    double *first = run->first + block * channels, *second = run->second + block * channels;
    sum_rows_float(x, count, channels, mean);
    for (int64_t c = 0; c < channels; c++) first[c] = mean[c], mean[c] /= (float)count;
    memset(squares, 0, channels * sizeof(float));
    int64_t r = 0;
    for (; r + 2 <= count; r += 2, x += 2 * channels)
      INDEPENDENT for (int64_t c = 0; c < channels; c++) {
        float a = x[c] - mean[c], b = x[channels + c] - mean[c];
        squares[c] += a * a + b * b;
      }
    if (r < count)
      INDEPENDENT for (int64_t c = 0; c < channels; c++) squares[c] += (x[c] - mean[c]) * (x[c] - mean[c]);
    for (int64_t c = 0; c < channels; c++) {
      /* The mean was rounded: the squares about the block's true mean are smaller by what it is off. */
      double off = first[c] / (double)count - (double)mean[c];
      second[c] = (double)squares[c] - off * off * (double)count;
    }
  }
}

/* Mean and biased variance of all rows from those of the blocks. */
static void join_moments(const BatchNorm* run, int64_t c, double* mean, double* variance) {
  const thw_channels_job* job = run->job;
  double sum = 0, squares = 0, rows = (double)job->rows;
  for (int64_t b = 0; b < job->blocks; b++) sum += run->first[b * job->channels + c];
  *mean = sum / rows;
  for (int64_t b = 0; b < job->blocks; b++) {
    double count = (double)rows_of_block(job, b), off = run->first[b * job->channels + c] / count - *mean;
    squares += run->second[b * job->channels + c] + off * off * count;
  }
  *variance = squares / rows;
}

static void normalise_rows(void* arg, int64_t begin, int64_t end, void* scratch) {
  (void)scratch;
  const BatchNorm* run = arg;
  int64_t channels = run->job->channels, last = least(end * run->job->block_rows, run->job->rows);
  for (int64_t row = begin * run->job->block_rows; row < last; row++) {
    const float* x = run->x + row * channels;
    float* y = run->y + row * channels;
    INDEPENDENT for (int64_t c = 0; c < channels; c++) y[c] = (x[c] - run->mean[c]) * run->factor[c] + run->offset[c];
  }
}

static void sweep(thw_call* call, const BatchNorm* run, thw_body_fn body) {
  call->core->parallel_for(call->core_ctx, run->job->blocks, run->job->grain, body, (void*)run);
}

/* in: x, scale, offset, mean, variance; out: y, mean, unbiased variance, mean, biased variance, maybe a scalar */
static int batch_norm_training(thw_call* call, const thw_tensor* in, int32_t n_in, thw_tensor* out, int32_t n_out) {
  (void)n_in;
  const thw_channels_job* job = call->state;
  int64_t channels = job->channels;
  double* sums = call->workspace;
  float* factor = (float*)(sums + 2 * job->blocks * channels);
  const float* scale = in[1].data;
  float *kept_mean = out[1].data, *kept_variance = out[2].data, *mean = out[3].data, *variance = out[4].data;
  BatchNorm run = {.job = job, .x = in[0].data, .y = out[0].data, .mean = mean, .factor = factor,
                   .offset = in[2].data, .first = sums, .second = sums + job->blocks * channels};
  sweep(call, &run, sum_moments);
  for (int64_t c = 0; c < channels; c++) {
    double centre, spread, rows = (double)job->rows;
    join_moments(&run, c, &centre, &spread);
    kept_mean[c] = mean[c] = (float)centre;
    variance[c] = (float)spread;
    kept_variance[c] = (float)(spread * rows / (rows > 2 ? rows - 1 : 1));
    factor[c] = (float)((double)scale[c] / sqrt(spread + job->epsilon));
  }
  sweep(call, &run, normalise_rows);
  if (n_out > 5) *(float*)out[5].data = 0;
  return THW_OK;
}

static int batch_norm_inference(thw_call* call, const thw_tensor* in, int32_t n_in, thw_tensor* out, int32_t n_out) {
  (void)n_in;
  const thw_channels_job* job = call->state;
  float* factor = call->workspace;
  const float *scale = in[1].data, *mean = in[3].data, *variance = in[4].data;
  BatchNorm run = {.job = job, .x = in[0].data, .y = out[0].data, .mean = mean, .factor = factor,
                   .offset = in[2].data};
  for (int64_t c = 0; c < job->channels; c++) {
    factor[c] = (float)((double)scale[c] / sqrt((double)variance[c] + job->epsilon));
    for (int k = 1; k < 5; k++) ((float*)out[k].data)[c] = k % 2 ? mean[c] : variance[c];
  }
  sweep(call, &run, normalise_rows);
  if (n_out > 5) *(float*)out[5].data = 0;
  return THW_OK;
}

/* first: sum of dy; second: sum of dy (x - mean) */
static void sum_gradients(void* arg, int64_t begin, int64_t end, void* scratch) {
  const BatchNorm* run = arg;
  const thw_channels_job* job = run->job;
  int64_t channels = job->channels;
  float *sum = scratch, *products = sum + channels;
  for (int64_t block = begin; block < end; block++) {
    int64_t count = rows_of_block(job, block), first = block * job->block_rows * channels, r = 0;
    const float *x = run->x + first, *dy = run->dy + first;
    memset(sum, 0, 2 * channels * sizeof(float));
    for (; r + 2 <= count; r += 2, x += 2 * channels, dy += 2 * channels)
      INDEPENDENT for (int64_t c = 0; c < channels; c++) {
        sum[c] += dy[c] + dy[channels + c];
        products[c] += dy[c] * (x[c] - run->mean[c]) + dy[channels + c] * (x[channels + c] - run->mean[c]);
      }
    if (r < count)
      INDEPENDENT for (int64_t c = 0; c < channels; c++) sum[c] += dy[c], products[c] += dy[c] * (x[c] - run->mean[c]);
    for (int64_t c = 0; c < channels; c++) {
      run->first[block * channels + c] = (double)sum[c];
      run->second[block * channels + c] = (double)products[c];
    }
  }
}

/* dx = factor (dy - offset - slope (x - mean)) */
static void training_gradient_rows(void* arg, int64_t begin, int64_t end, void* scratch) {
  (void)scratch;
  const BatchNorm* run = arg;
  int64_t channels = run->job->channels, last = least(end * run->job->block_rows, run->job->rows);
  for (int64_t row = begin * run->job->block_rows; row < last; row++) {
    const float *x = run->x + row * channels, *dy = run->dy + row * channels;
    float* dx = run->y + row * channels;
    INDEPENDENT for (int64_t c = 0; c < channels; c++)
      dx[c] = run->factor[c] * (dy[c] - run->offset[c] - run->slope[c] * (x[c] - run->mean[c]));
  }
}

static void inference_gradient_rows(void* arg, int64_t begin, int64_t end, void* scratch) {
  (void)scratch;
  const BatchNorm* run = arg;
  int64_t channels = run->job->channels, last = least(end * run->job->block_rows, run->job->rows);
  for (int64_t row = begin * run->job->block_rows; row < last; row++) {
    const float* dy = run->dy + row * channels;
    float* dx = run->y + row * channels;
    INDEPENDENT for (int64_t c = 0; c < channels; c++) dx[c] = run->factor[c] * dy[c];
  }
}

/* in: dy, x, scale, mean, variance; out: dx, dscale, doffset and two that are empty */
static int batch_norm_grad(thw_call* call, const thw_tensor* in, thw_tensor* out, thw_body_fn last_sweep) {
  const thw_channels_job* job = call->state;
  int64_t channels = job->channels;
  double *sums = call->workspace, rows = (double)job->rows;
  float *factor = (float*)(sums + 2 * job->blocks * channels), *shift = factor + channels, *slope = shift + channels;
  const float *scale = in[2].data, *variance = in[4].data;
  float *dscale = out[1].data, *doffset = out[2].data;
  BatchNorm run = {.job = job, .x = in[1].data, .dy = in[0].data, .y = out[0].data, .mean = in[3].data,
                   .factor = factor, .offset = shift, .slope = slope, .first = sums,
                   .second = sums + job->blocks * channels};
  sweep(call, &run, sum_gradients);
  for (int64_t c = 0; c < channels; c++) {
    double sum = 0, products = 0, inverse = 1 / sqrt((double)variance[c] + job->epsilon);
    for (int64_t b = 0; b < job->blocks; b++) {
      sum += run.first[b * channels + c];
      products += run.second[b * channels + c];
    }
    doffset[c] = (float)sum;
    dscale[c] = (float)(products * inverse);
    factor[c] = (float)((double)scale[c] * inverse);
    shift[c] = (float)(sum / rows);
    slope[c] = (float)(products * inverse * inverse / rows);
  }
  sweep(call, &run, last_sweep);
  return THW_OK;
}

static int batch_norm_training_grad(thw_call* call, const thw_tensor* in, int32_t n_in, thw_tensor* out,
                                    int32_t n_out) {
  (void)n_in, (void)n_out;
  return batch_norm_grad(call, in, out, training_gradient_rows);
}

static int batch_norm_inference_grad(thw_call* call, const thw_tensor* in, int32_t n_in, thw_tensor* out,
                                     int32_t n_out) {
  (void)n_in, (void)n_out;
  return batch_norm_grad(call, in, out, inference_gradient_rows);
}
