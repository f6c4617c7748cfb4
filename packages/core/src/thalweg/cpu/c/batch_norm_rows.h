/* Batch normalisation of float (arXiv:1502.03167, algorithm 1) and its gradient: one sweep for statistics, one to
 * apply them. Squares are summed about a value near the block's mean, so that a large mean costs no accuracy. */

#define GUESS_ROWS 16 /* of at most 256, which the sums find in cache */

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

INLINE void add_moments(const int together, const float* x, const float* shift, int64_t channels, float* sum,
                        float* squares) {
  INDEPENDENT for (int64_t c = 0; c < channels; c++) {
    float total = 0, square = 0;
    UNROLLED for (int r = 0; r < together; r++) {
      float off = x[r * channels + c] - shift[c];
      total += off;
      square += off * off;
    }
    sum[c] += total;
    squares[c] += square;
  }
}

/* The mean of the first rows, exactly theirs where they are equal. A single row can be several deviations off in some
   channel, and sums of squares about it lose as many digits. */
static void guess_means(const float* x, int64_t rows, int64_t channels, float* mean) {
  memset(mean, 0, channels * sizeof(float));
  for (int64_t r = 1; r < rows; r++)
    INDEPENDENT for (int64_t c = 0; c < channels; c++) mean[c] += x[r * channels + c] - x[c];
  INDEPENDENT for (int64_t c = 0; c < channels; c++) mean[c] = x[c] + mean[c] / (float)rows;
}

/* first: sum of x; second: sum of (x - mean of the block)^2. Both are summed about a guess. */
static void sum_moments(void* arg, int64_t begin, int64_t end, void* scratch) {
  const BatchNorm* run = arg;
  const thw_channels_job* job = run->job;
  int64_t channels = job->channels;
  float *sum = scratch, *squares = sum + channels, *guess = squares + channels;
  for (int64_t block = begin; block < end; block++) {
    int64_t count = rows_of_block(job, block), r = 0;
    const float* x = run->x + block * job->block_rows * channels;
    memset(sum, 0, 2 * channels * sizeof(float));
    guess_means(x, least(GUESS_ROWS, count), channels, guess);
    if (channels <= NARROW)
      for (; r + 4 <= count; r += 4) add_moments(4, x + r * channels, guess, channels, sum, squares);
    for (; r < count; r++) add_moments(1, x + r * channels, guess, channels, sum, squares);
    double *first = run->first + block * channels, *second = run->second + block * channels, n = (double)count;
    INDEPENDENT for (int64_t c = 0; c < channels; c++) {
      first[c] = (double)sum[c] + n * (double)guess[c];
      second[c] = (double)squares[c] - (double)sum[c] * (double)sum[c] / n;
    }
  }
}

/* Means and biased variances of all rows from the moments of the blocks (Chan, Golub, LeVeque 1979). */
static void join_moments(const BatchNorm* run, double* mean, double* variance) {
  const thw_channels_job* job = run->job;
  double rows = (double)job->rows;
  add_blocks(job, run->first, mean);
  add_blocks(job, run->second, variance);
  for (int64_t c = 0; c < job->channels; c++) mean[c] /= rows;
  for (int64_t b = 0; b < job->blocks; b++) {
    double count = (double)rows_of_block(job, b);
    const double* first = run->first + b * job->channels;
    INDEPENDENT for (int64_t c = 0; c < job->channels; c++) {
      double off = first[c] / count - mean[c];
      variance[c] += off * off * count;
    }
  }
  for (int64_t c = 0; c < job->channels; c++) variance[c] = variance[c] < 0 ? 0 : variance[c] / rows; /* rounding */
}

/* y = (x - mean) factor + offset */
static void normalise_rows(void* arg, int64_t begin, int64_t end, void* scratch) {
  (void)scratch;
  const BatchNorm* run = arg;
  const float *mean = run->mean, *factor = run->factor, *offset = run->offset;
  int64_t channels = run->job->channels, last = least(end * run->job->block_rows, run->job->rows);
  for (int64_t row = begin * run->job->block_rows; row < last; row++) {
    const float* x = run->x + row * channels;
    float* y = run->y + row * channels;
    INDEPENDENT for (int64_t c = 0; c < channels; c++) y[c] = (x[c] - mean[c]) * factor[c] + offset[c];
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
  double *centre = sums + 2 * job->blocks * channels, *spread = centre + channels, rows = (double)job->rows;
  float* factor = (float*)(spread + channels);
  const float* scale = in[1].data;
  float *kept_mean = out[1].data, *kept_variance = out[2].data, *mean = out[3].data, *variance = out[4].data;
  BatchNorm run = {.job = job, .x = in[0].data, .y = out[0].data, .mean = mean, .factor = factor,
                   .offset = in[2].data, .first = sums, .second = sums + job->blocks * channels};
  sweep(call, &run, sum_moments);
  join_moments(&run, centre, spread);
  for (int64_t c = 0; c < channels; c++) {
    kept_mean[c] = mean[c] = (float)centre[c];
    variance[c] = (float)spread[c];
    kept_variance[c] = (float)(spread[c] * rows / (rows > 2 ? rows - 1 : 1));
    factor[c] = (float)((double)scale[c] / sqrt(spread[c] + job->epsilon));
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

INLINE void add_gradients(const int together, const float* x, const float* dy, const float* mean, int64_t channels,
                          float* sum, float* products) {
  INDEPENDENT for (int64_t c = 0; c < channels; c++) {
    float total = 0, product = 0;
    UNROLLED for (int r = 0; r < together; r++) {
      total += dy[r * channels + c];
      product += dy[r * channels + c] * (x[r * channels + c] - mean[c]);
    }
    sum[c] += total;
    products[c] += product;
  }
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
    if (channels <= NARROW)
      for (; r + 4 <= count; r += 4)
        add_gradients(4, x + r * channels, dy + r * channels, run->mean, channels, sum, products);
    for (; r < count; r++)
      add_gradients(1, x + r * channels, dy + r * channels, run->mean, channels, sum, products);
    INDEPENDENT for (int64_t c = 0; c < channels; c++) {
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
  double *sum = sums + 2 * job->blocks * channels, *products = sum + channels;
  float *factor = (float*)(products + channels), *shift = factor + channels, *slope = shift + channels;
  const float *scale = in[2].data, *variance = in[4].data;
  float *dscale = out[1].data, *doffset = out[2].data;
  BatchNorm run = {.job = job, .x = in[1].data, .dy = in[0].data, .y = out[0].data, .mean = in[3].data,
                   .factor = factor, .offset = shift, .slope = slope, .first = sums,
                   .second = sums + job->blocks * channels};
  sweep(call, &run, sum_gradients);
  add_blocks(job, run.first, sum);
  add_blocks(job, run.second, products);
  for (int64_t c = 0; c < channels; c++) {
    double inverse = 1 / sqrt((double)variance[c] + job->epsilon);
    doffset[c] = (float)sum[c];
    dscale[c] = (float)(products[c] * inverse);
    factor[c] = (float)((double)scale[c] * inverse);
    shift[c] = (float)(sum[c] / rows);
    slope[c] = (float)(products[c] * inverse * inverse / rows);
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
