/* The gradient of batch normalisation of float, after that of an activation: one sweep for sums, one for dx.
 *
 * What reaches the normalisation is g: dy where the activation let through. The first sweep keeps g, in the memory of
 * another result or of dx, unless the second finds it again from dy and x alone. */

typedef struct {
  const thw_channels_job* job;
  const thw_tensor* addends;             /* dy is their sum */
  const float *dy, *x;                   /* dy: the only addend, or g where there are several */
  const float *features;                 /* the activation's output, or NULL */
  const float *mean, *gain, *offset;     /* features = (x - mean) gain + offset; gain: or NULL */
  float *g, *dx;                         /* g: or NULL */
  const float *factor, *shift, *slope;   /* per channel, of the second sweep */
  double *first, *second;                /* sums per block: [blocks][channels] each */
} BatchNormGrad;

enum { NOTHING, FEATURES, LINE };        /* what tells where the activation let through */

static int told_by(const BatchNormGrad* run) { return run->gain ? LINE : run->features ? FEATURES : NOTHING; }

/* g = the sum of all addends, of `count` numbers from i on; g may be the memory of one of the first two. */
static void add_addends(const BatchNormGrad* run, int64_t i, int64_t count) {
  const float *a = (const float*)run->addends[0].data + i, *b = (const float*)run->addends[1].data + i;
  float* g = run->g + i;
  INDEPENDENT for (int64_t k = 0; k < count; k++) g[k] = a[k] + b[k];
  for (int n = 2; n < run->job->addends; n++) {
    const float* more = (const float*)run->addends[n].data + i;
    INDEPENDENT for (int64_t k = 0; k < count; k++) g[k] += more[k];
  }
}

/* The sums of g and of g (x - mean), of `together` rows from number i on. */
INLINE void add_gradients(const int teller, const int keeps, const int together, const BatchNormGrad* run, int64_t i,
                          float* sum, float* products) {
  const float *x = run->x + i, *dy = run->dy + i, *mean = run->mean, *gain = run->gain, *offset = run->offset;
  const float *features = teller == FEATURES ? run->features + i : x, high = (float)run->job->high;
  float* g = keeps ? run->g + i : sum;
  int64_t channels = run->job->channels;
  INDEPENDENT for (int64_t c = 0; c < channels; c++) {
    float total = 0, product = 0;
    UNROLLED for (int r = 0; r < together; r++) {
      int64_t k = r * channels + c;
      float here = dy[k], off = x[k] - mean[c];
      if (teller != NOTHING) {
        float y = teller == LINE ? on_line(off, gain[c], offset[c]) : features[k];
        here = (y > 0) & (y <= high) ? here : 0;
      }
      if (keeps) g[k] = here;
      total += here;
      product += here * off;
    }
    sum[c] += total;
    products[c] += product;
  }
}

INLINE void sum_block(const int teller, const int keeps, const BatchNormGrad* run, int64_t block, float* sums) {
  const thw_channels_job* job = run->job;
  int64_t channels = job->channels, count = rows_of_block(job, block), r = 0;
  int64_t first = block * job->block_rows * channels;
  float *sum = sums, *products = sum + channels;
  memset(sum, 0, 2 * channels * sizeof(float));
  while (r < count) {
    int together = channels <= NARROW && r + 4 <= count ? 4 : 1;
    int64_t i = first + r * channels;
    if (job->addends > 1) add_addends(run, i, together * channels);
    if (together == 4) add_gradients(teller, keeps, 4, run, i, sum, products);
    else add_gradients(teller, keeps, 1, run, i, sum, products);
    r += together;
  }
  INDEPENDENT for (int64_t c = 0; c < channels; c++) {
    run->first[block * channels + c] = (double)sum[c];
    run->second[block * channels + c] = (double)products[c];
  }
}

/* first: sum of g; second: sum of g (x - mean) */
static void sum_gradients(void* arg, int64_t begin, int64_t end, void* scratch) {
  const BatchNormGrad* run = arg;
  int teller = told_by(run);
  for (int64_t block = begin; block < end; block++) {
    if (teller == LINE && run->g) sum_block(LINE, 1, run, block, scratch);
    else if (teller == LINE) sum_block(LINE, 0, run, block, scratch);
    else if (teller == FEATURES) sum_block(FEATURES, 1, run, block, scratch);
    else sum_block(NOTHING, 0, run, block, scratch);
  }
}

/* dx = factor (g - shift - slope (x - mean)) of rows [first, last) */
INLINE void apply_gradients(const int teller, const BatchNormGrad* run, const float* g, int64_t first, int64_t last) {
  const float *mean = run->mean, *gain = run->gain, *offset = run->offset, high = (float)run->job->high;
  const float *factor = run->factor, *shift = run->shift, *slope = run->slope;
  int64_t channels = run->job->channels;
  for (int64_t i = first * channels; i < last * channels; i += channels) {
    const float *x = run->x + i, *dy = g + i;
    float* dx = run->dx + i;
    INDEPENDENT for (int64_t c = 0; c < channels; c++) {
      float here = dy[c], off = x[c] - mean[c];
      if (teller == LINE) {
        float y = on_line(off, gain[c], offset[c]);
        here = (y > 0) & (y <= high) ? here : 0;
      }
      dx[c] = factor[c] * (here - shift[c] - slope[c] * off);
    }
  }
}

static void training_gradient_blocks(void* arg, int64_t begin, int64_t end, void* scratch) {
  (void)scratch;
  const BatchNormGrad* run = arg;
  int64_t first = begin * run->job->block_rows, last = least(end * run->job->block_rows, run->job->rows);
  if (run->g) apply_gradients(NOTHING, run, run->g, first, last);
  else if (told_by(run) == LINE) apply_gradients(LINE, run, run->dy, first, last);
  else apply_gradients(NOTHING, run, run->dy, first, last);
}

static void inference_gradient_blocks(void* arg, int64_t begin, int64_t end, void* scratch) {
  (void)scratch;
  const BatchNormGrad* run = arg;
  int64_t channels = run->job->channels, last = least(end * run->job->block_rows, run->job->rows);
  for (int64_t row = begin * run->job->block_rows; row < last; row++) {
    const float* dy = run->dy + row * channels;
    float* dx = run->dx + row * channels;
    INDEPENDENT for (int64_t c = 0; c < channels; c++) dx[c] = run->factor[c] * dy[c];
  }
}

/* The per-channel numbers of the second sweep, and the gradients of scale and offset. */
static void join_gradients(BatchNormGrad* run, const thw_tensor* in, thw_tensor* out, double* sum, float* factor) {
  const thw_channels_job* job = run->job;
  int64_t channels = job->channels;
  double *products = sum + channels, rows = (double)job->rows;
  float *shift = factor + channels, *slope = shift + channels, *dscale = out[0].data, *doffset = out[1].data;
  const float *scale = in[1].data, *variance = in[3].data;
  add_blocks(job, run->first, sum);
  add_blocks(job, run->second, products);
  for (int64_t c = 0; c < channels; c++) {
    double inverse = 1 / sqrt((double)variance[c] + job->epsilon);
    doffset[c] = (float)sum[c];
    dscale[c] = (float)(products[c] * inverse);
    factor[c] = (float)((double)scale[c] * inverse);
    shift[c] = (float)(sum[c] / rows);
    slope[c] = (float)(products[c] * inverse * inverse / rows);
  }
  run->factor = factor, run->shift = shift, run->slope = slope;
}

/* in: addends, x, scale, mean, variance, then nothing, or features, or gain and offset; out: dx, maybe g, dscale,
   doffset, maybe two that are empty */
static int batch_norm_grad(thw_call* call, const thw_tensor* in, thw_tensor* out, thw_body_fn last_sweep) {
  const thw_channels_job* job = call->state;
  double *sums = call->workspace, *sum = sums + 2 * job->blocks * job->channels;
  const thw_tensor* rest = in + job->addends;
  BatchNormGrad run = {.job = job, .addends = in, .dy = in[0].data, .x = rest[0].data, .dx = out[0].data,
                       .mean = rest[2].data, .first = sums, .second = sums + job->blocks * job->channels};
  if (job->features == 1) run.features = rest[4].data;
  if (job->features == 2) run.gain = rest[4].data, run.offset = rest[5].data;
  if (job->keeps_g) run.g = out[1].data;
  else if (job->addends > 1 || job->features == 1) run.g = run.dx;
  if (job->addends > 1) run.dy = run.g;
  sweep(call, job, sum_gradients, &run);
  join_gradients(&run, rest, out + 1 + job->keeps_g, sum, (float*)(sum + 2 * job->channels));
  sweep(call, job, last_sweep, &run);
  return THW_OK;
}

static int batch_norm_training_grad(thw_call* call, const thw_tensor* in, int32_t n_in, thw_tensor* out,
                                    int32_t n_out) {
  (void)n_in, (void)n_out;
  return batch_norm_grad(call, in, out, training_gradient_blocks);
}

static int batch_norm_inference_grad(thw_call* call, const thw_tensor* in, int32_t n_in, thw_tensor* out,
                                     int32_t n_out) {
  (void)n_in, (void)n_out;
  return batch_norm_grad(call, in, out, inference_gradient_blocks);
}
