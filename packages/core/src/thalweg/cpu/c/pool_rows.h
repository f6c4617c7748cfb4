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

/* Whether results are written past the caches: large ones leave them before they are read. */
static int NAME(is_streamed)(const thw_pool_job* job, const REAL* y, int64_t pixels) {
  return job->images * pixels * job->channels * (int64_t)sizeof(REAL) >= STREAMED_BYTES && job->channels % VL == 0 &&
         (uintptr_t)y % VECTOR_BYTES == 0;
}

/* Places [from, to) of a row, by lists of positions. */
INLINE void NAME(pool_listed)(const int is_max, const NAME(Pool)* run, int64_t row, int64_t from, int64_t to,
                              Positions* list) {
  const thw_pool_job* job = run->job;
  const REAL start = is_max ? (REAL)job->lowest : 0;
  int64_t y = row % job->places[1], z = row / job->places[1] % job->places[0];
  const REAL* image = run->x + row / job->places[1] / job->places[0] * image_pixels(job) * job->channels;
  for (int64_t x = from; x < to; x++) {
    REAL* target = run->y + (row * job->places[2] + x) * job->channels;
    if (x == from) list_positions(job, z, y, x, 0, 0, list);
    else next_positions(job, z, y, x, 0, 0, list);
    NAME(fold)(is_max, start, list->count, list->at, image, job->channels, target);
  }
}

INLINE void NAME(pool_rows)(const int is_max, const NAME(Pool)* run, int64_t begin, int64_t end, void* scratch) {
  const thw_pool_job* job = run->job;
  const int is_streamed = NAME(is_streamed)(job, run->y, image_places(job));
  const int64_t line = job->size[2] * job->channels;
  Positions list;
  set_scratch(job, scratch, &list);
  for (int64_t row = begin; row < end; row++) {
    int64_t y = row % job->places[1], from = job->places[2], to = from;
    if (job->form && y >= job->inside[1][0] && y < job->inside[1][1]) from = job->inside[2][0], to = job->inside[2][1];
    const REAL* x = run->x + (row / job->places[1] * job->size[1] + y * job->step[1] - job->before[1]) * line;
    REAL* target = run->y + row * job->places[2] * job->channels;
    NAME(pool_listed)(is_max, run, row, 0, from, &list);
    if (job->form == 2 && is_streamed) NAME(pool_inside)(is_max, 2, 1, job, from, to, x, target);
    else if (job->form == 2) NAME(pool_inside)(is_max, 2, 0, job, from, to, x, target);
    else if (job->form == 3 && is_streamed) NAME(pool_inside)(is_max, 3, 1, job, from, to, x, target);
    else if (job->form == 3) NAME(pool_inside)(is_max, 3, 0, job, from, to, x, target);
    NAME(pool_listed)(is_max, run, row, to, job->places[2], &list);
  }
  if (is_streamed) stream_end();
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
