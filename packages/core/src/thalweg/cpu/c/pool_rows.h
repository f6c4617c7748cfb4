/* Maxima and means of windows, once per REAL: a task is a row of places. */

typedef struct {
  const thw_pool_job* job;
  const REAL *x, *dy;  /* x: what is pooled; dy: gradients, one per place */
  const REAL* pooled;  /* the maxima, where gradients need them */
  REAL* y;
  void* place;         /* argmax */
} NAME(Pool);

/* y[c] = the maximum or the sum over `count` positions; wide enough blocks of c keep the sums' latency hidden. */
INLINE void NAME(fold)(const int is_max, REAL start, int64_t count, const int64_t* at, const REAL* x,
                       int64_t channels, REAL* y) {
  int64_t c = 0;
  for (; c + 2 * VL <= channels; c += 2 * VL) {
    vector low = SPLAT(start), high = SPLAT(start);
    for (int64_t k = 0; k < count; k++) {
      const REAL* p = x + at[k] * channels + c;
      if (is_max)
        low = NAME(larger)(LOAD(p), low), high = NAME(larger)(LOAD(p + VL), high);
      else
        low += LOAD(p), high += LOAD(p + VL);
    }
    if (!is_max) low /= SPLAT((REAL)count), high /= SPLAT((REAL)count);
    STORE(y + c, low);
    STORE(y + c + VL, high);
  }
  for (; c < channels; c++) {
    REAL total = start;
    for (int64_t k = 0; k < count; k++) {
      REAL v = x[at[k] * channels + c];
      total = is_max ? (v > total ? v : total) : total + v;
    }
    y[c] = is_max ? total : total / (REAL)count;
  }
}

INLINE void NAME(pool_rows)(const int is_max, const NAME(Pool)* run, int64_t begin, int64_t end, void* scratch) {
  const thw_pool_job* job = run->job;
  const REAL start = is_max ? (REAL)job->lowest : 0;
  Positions list;
  set_scratch(job, scratch, &list);
  for (int64_t row = begin; row < end; row++) {
    int64_t y = row % job->places[1], z = row / job->places[1] % job->places[0];
    const REAL* image = run->x + row / job->places[1] / job->places[0] * image_pixels(job) * job->channels;
    for (int64_t x = 0; x < job->places[2]; x++) {
      REAL* target = run->y + (row * job->places[2] + x) * job->channels;
      next_positions(job, z, y, x, 0, 0, &list);
      if (list.count == 4) /* 2 x 2 inside: positions stay in registers */
        NAME(fold)(is_max, start, 4, list.at, image, job->channels, target);
      else
        NAME(fold)(is_max, start, list.count, list.at, image, job->channels, target);
    }
  }
}

static void NAME(max_rows)(void* arg, int64_t begin, int64_t end, void* scratch) {
  NAME(pool_rows)(1, arg, begin, end, scratch);
}

static void NAME(mean_rows)(void* arg, int64_t begin, int64_t end, void* scratch) {
  NAME(pool_rows)(0, arg, begin, end, scratch);
}

static int NAME(max)(thw_call* call, const thw_tensor* in, int32_t n_in, thw_tensor* out, int32_t n_out) {
  (void)n_in, (void)n_out;
  NAME(Pool) run = {.job = call->state, .x = in[0].data, .y = out[0].data};
  call->core->parallel_for(call->core_ctx, run.job->rows, run.job->grain, NAME(max_rows), &run);
  return THW_OK;
}

static int NAME(mean)(thw_call* call, const thw_tensor* in, int32_t n_in, thw_tensor* out, int32_t n_out) {
  (void)n_in, (void)n_out;
  NAME(Pool) run = {.job = call->state, .x = in[0].data, .y = out[0].data};
  call->core->parallel_for(call->core_ctx, run.job->rows, run.job->grain, NAME(mean_rows), &run);
  return THW_OK;
}
