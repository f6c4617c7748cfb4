/* Batch normalisation of float (arXiv:1502.03167, algorithm 1): one sweep for statistics, one to apply them, with the
 * residual and the activation that follow. Squares are summed about a value near the block's mean, so that a large mean
 * costs no accuracy. */

#define GUESS_ROWS 16 /* of at most 256, which the sums find in cache */

typedef struct {
  const thw_channels_job* job;
  const float *x, *residual;            /* residual: or NULL */
  float* y;
  const float *mean, *factor, *offset;  /* per channel */
  double *first, *second;               /* sums per block: [blocks][channels] each */
} BatchNorm;

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

/* Here and in the gradient, which finds out by it which elements the activation let through: the same bits. */
INLINE float on_line(float off, float factor, float offset) { return off * factor + offset; }

/* y = clamp((x - mean) factor + offset + residual) of rows [first, last) */
INLINE void normalise(const int has_residual, const int is_clamped, const BatchNorm* run, int64_t first, int64_t last) {
  const float *mean = run->mean, *factor = run->factor, *offset = run->offset, high = (float)run->job->high;
  int64_t channels = run->job->channels;
  for (int64_t row = first; row < last; row++) {
    const float *x = run->x + row * channels, *residual = has_residual ? run->residual + row * channels : x;
    float* y = run->y + row * channels;
    INDEPENDENT for (int64_t c = 0; c < channels; c++) {
      float v = on_line(x[c] - mean[c], factor[c], offset[c]);
      if (has_residual) v += residual[c];
      if (is_clamped) v = v < 0 ? 0 : v > high ? high : v;
      y[c] = v;
    }
  }
}

/* The same past the caches, in whole vectors. */
INLINE void stream(const int has_residual, const int is_clamped, const BatchNorm* run, int64_t first, int64_t last) {
  const float *mean = run->mean, *factor = run->factor, *offset = run->offset;
  const vector low = {0}, high = SPLAT((float)run->job->high);
  int64_t channels = run->job->channels;
  for (int64_t i = first * channels; i < last * channels; i += channels)
    for (int64_t c = 0; c < channels; c += VL) {
      vector v = (LOAD(run->x + i + c) - LOAD(mean + c)) * LOAD(factor + c) + LOAD(offset + c);
      if (has_residual) v += LOAD(run->residual + i + c);
      if (is_clamped) v = smaller_float(high, larger_float(low, v));
      stream_float(run->y + i + c, v);
    }
  stream_end();
}

/* Whether y is written past the caches: a large one leaves them before it is read, and costs no read of its lines. */
static int is_streamed(const BatchNorm* run) {
  const thw_channels_job* job = run->job;
  return job->rows * job->channels * (int64_t)sizeof(float) >= STREAMED_BYTES && job->channels % VL == 0 &&
         (uintptr_t)run->y % VECTOR_BYTES == 0 && run->y != run->x && run->y != run->residual;
}

INLINE void normalise_or_stream(const int has_residual, const int is_clamped, const BatchNorm* run, int64_t first,
                                int64_t last) {
  if (is_streamed(run)) stream(has_residual, is_clamped, run, first, last);
  else normalise(has_residual, is_clamped, run, first, last);
}

static void normalise_blocks(void* arg, int64_t begin, int64_t end, void* scratch) {
  (void)scratch;
  const BatchNorm* run = arg;
  int64_t first = begin * run->job->block_rows, last = least(end * run->job->block_rows, run->job->rows);
  if (run->residual && run->job->is_clamped) normalise_or_stream(1, 1, run, first, last);
  else if (run->residual) normalise_or_stream(1, 0, run, first, last);
  else if (run->job->is_clamped) normalise_or_stream(0, 1, run, first, last);
  else normalise_or_stream(0, 0, run, first, last);
}

/* in: x, scale, offset, then what is not read or the residual; out: y, mean, unbiased variance, mean, biased variance,
   maybe a scalar, maybe factor and offset for the gradient */
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
  if (job->has_residual) run.residual = in[3].data;
  sweep(call, job, sum_moments, &run);
  join_moments(&run, centre, spread);
  for (int64_t c = 0; c < channels; c++) {
    kept_mean[c] = mean[c] = (float)centre[c];
    variance[c] = (float)spread[c];
    kept_variance[c] = (float)(spread[c] * rows / (rows > 2 ? rows - 1 : 1));
    factor[c] = (float)((double)scale[c] / sqrt(spread[c] + job->epsilon));
  }
  sweep(call, job, normalise_blocks, &run);
  if (n_out > 5) *(float*)out[5].data = 0;
  if (n_out > 6) {
    memcpy(out[6].data, factor, channels * sizeof(float));
    memcpy(out[7].data, run.offset, channels * sizeof(float));
  }
  return THW_OK;
}

/* in: x, scale, offset, mean, variance, maybe the residual; out: y, maybe mean and variance twice and a scalar */
static int batch_norm_inference(thw_call* call, const thw_tensor* in, int32_t n_in, thw_tensor* out, int32_t n_out) {
  (void)n_in;
  const thw_channels_job* job = call->state;
  float* factor = call->workspace;
  const float *scale = in[1].data, *mean = in[3].data, *variance = in[4].data;
  BatchNorm run = {.job = job, .x = in[0].data, .y = out[0].data, .mean = mean, .factor = factor,
                   .offset = in[2].data};
  if (job->has_residual) run.residual = in[5].data;
  for (int64_t c = 0; c < job->channels; c++)
    factor[c] = (float)((double)scale[c] / sqrt((double)variance[c] + job->epsilon));
  for (int k = 1; k < 5 && k < n_out; k++)
    memcpy(out[k].data, k % 2 ? mean : variance, job->channels * sizeof(float));
  sweep(call, job, normalise_blocks, &run);
  if (n_out > 5) *(float*)out[5].data = 0;
  return THW_OK;
}
