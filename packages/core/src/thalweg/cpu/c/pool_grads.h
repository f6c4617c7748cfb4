/* Gradients of pooling, once per REAL.
 *
 * A task owns a band of an image: it clears it and adds the share of every window that reaches into it, in the order
 * of windows. Which element was the maximum is found again from x, as TensorFlow does, so that nothing is kept.
 */

/* Offset of the pixel that holds the first maximum of channel c. */
INLINE int64_t NAME(first_maximum)(const Positions* list, const REAL* x, int64_t channels, int64_t c) {
  int64_t first = list->at[0] * channels;
  for (int64_t k = 1; k < list->count; k++)
    if (x[list->at[k] * channels + c] > x[first + c]) first = list->at[k] * channels;
  return first;
}

/* dx[at[k]][c] += the share of dy[c] that belongs to position k, for owned positions; without `adds` it is set. */
INLINE void NAME(spread)(const int kind, const int adds, const Positions* list, const REAL* x, const REAL* pooled,
                         const REAL* dy, int64_t channels, REAL* dx) {
  int64_t c = 0;
  for (; c + VL <= channels; c += VL) {
    vector gradient = LOAD(dy + c), best = gradient;
    mask is_taken = {0};
    if (kind == SPREAD_MEAN) gradient = gradient / SPLAT((REAL)list->count);
    if (kind == SPREAD_ALL) best = LOAD(pooled + c);
    if (kind == SPREAD_FIRST) {
      best = LOAD(x + list->at[0] * channels + c);
      for (int64_t k = 1; k < list->count; k++) best = NAME(larger)(LOAD(x + list->at[k] * channels + c), best);
    }
    for (int64_t k = 0; k < list->count; k++) {
      vector share = gradient;
      if (kind != SPREAD_MEAN)
        share = (vector)((mask)gradient &
                         NAME(takes_part)(kind, LOAD(x + list->at[k] * channels + c), best, &is_taken));
      REAL* target = dx + list->at[k] * channels + c;
      if (adds) share += LOAD(target);
      if (list->is_owned[k]) STORE(target, share);
    }
  }
  for (; c < channels; c++) {
    int64_t first = kind == SPREAD_FIRST ? NAME(first_maximum)(list, x, channels, c) : 0;
    for (int64_t k = 0; k < list->count; k++) {
      int64_t pixel = list->at[k] * channels;
      int takes_part = kind == SPREAD_MEAN || (kind == SPREAD_FIRST && pixel == first) ||
                       (kind == SPREAD_ALL && x[pixel + c] == pooled[c]);
      REAL share = !takes_part ? 0 : kind == SPREAD_MEAN ? dy[c] / (REAL)list->count : dy[c];
      if (list->is_owned[k]) dx[pixel + c] = adds ? dx[pixel + c] + share : share;
    }
  }
}

/* Clears positions [begin, end) of the band's axis. */
static void NAME(clear_band)(const NAME(Pool)* run, REAL* dx, int64_t begin, int64_t end) {
  const thw_pool_job* job = run->job;
  int64_t line = job->size[2] * job->channels;
  if (job->band_axis == 0) line *= job->size[1];
  /* axis 1 has bands only where axis 0 has size 1 */
  if (end > begin) memset(dx + begin * line, 0, (end - begin) * line * sizeof(REAL));
}

typedef struct { int64_t image, low, high; } NAME(Band); /* positions [low, high) of the band's axis of an image */

/* Windows [from, to) of a row, by lists of positions. */
INLINE void NAME(spread_listed)(const int kind, const int adds, const NAME(Pool)* run, const NAME(Band)* band,
                                int64_t z, int64_t y, int64_t from, int64_t to, Positions* list) {
  const thw_pool_job* job = run->job;
  int64_t pixels = band->image * image_pixels(job) * job->channels;
  int64_t row = (band->image * job->places[0] + z) * job->places[1] + y;
  for (int64_t x = from; x < to; x++) {
    int64_t place = (row * job->places[2] + x) * job->channels;
    if (x == from) list_positions(job, z, y, x, band->low, band->high, list);
    else next_positions(job, z, y, x, band->low, band->high, list);
    NAME(spread)(kind, adds, list, run->x + pixels, run->pooled + place, run->dy + place, job->channels,
                 run->y + pixels);
  }
}

/* A row of windows: those that lie inside the band as job->form has them, the others by lists. */
INLINE void NAME(spread_windows)(const int kind, const int adds, const int is_streamed, const NAME(Pool)* run,
                                 const NAME(Band)* band, int64_t z, int64_t y, Positions* list) {
  const thw_pool_job* job = run->job;
  int64_t from = job->places[2], to = from, corner = y * job->step[1] - job->before[1];
  if (kind != SPREAD_ALL && job->form && corner >= band->low && corner + job->window[1] <= band->high)
    from = job->inside[2][0], to = job->inside[2][1];
  int64_t at = (band->image * job->size[1] + corner) * job->size[2] * job->channels;
  const REAL* dy = run->dy + (band->image * job->places[1] + y) * job->places[2] * job->channels;
  NAME(spread_listed)(kind, adds, run, band, z, y, 0, from, list);
  if (from < to && job->form == 2)
    NAME(spread_row)(kind, adds, 2, is_streamed, job, from, to, run->x + at, dy, run->y + at);
  else if (from < to)
    NAME(spread_row)(kind, adds, 3, is_streamed, job, from, to, run->x + at, dy, run->y + at);
  NAME(spread_listed)(kind, adds, run, band, z, y, to, job->places[2], list);
}

/* With `adds` positions are cleared just before the first window reaches them, while they stay in the caches. */
INLINE void NAME(spread_band)(const int kind, const int adds, const int is_streamed, const NAME(Pool)* run,
                              const NAME(Band)* band, Positions* list) {
  const thw_pool_job* job = run->job;
  const int axis = (int)job->band_axis;
  REAL* dx = run->y + band->image * image_pixels(job) * job->channels;
  int64_t first[3] = {0, 0, 0}, last[3] = {job->places[0], job->places[1], job->places[2]}, cleared = band->low;
  first[axis] = most(0, ceil_div(band->low + job->before[axis] - job->window[axis] + 1, job->step[axis]));
  last[axis] = least(last[axis], (band->high - 1 + job->before[axis]) / job->step[axis] + 1);
  for (int64_t z = first[0]; z < last[0]; z++)
    for (int64_t y = first[1]; y < last[1]; y++) {
      int64_t reached = (axis ? y : z) * job->step[axis] - job->before[axis] + job->window[axis];
      reached = least(band->high, most(cleared, reached));
      if (adds) NAME(clear_band)(run, dx, cleared, reached);
      cleared = reached;
      NAME(spread_windows)(kind, adds, is_streamed, run, band, z, y, list);
    }
  if (adds) NAME(clear_band)(run, dx, cleared, band->high);
}

INLINE void NAME(spread_bands)(const int kind, const int adds, const int is_streamed, const NAME(Pool)* run,
                               int64_t begin, int64_t end, void* scratch) {
  const thw_pool_job* job = run->job;
  Positions list;
  set_scratch(job, scratch, &list);
  for (int64_t task = begin; task < end; task++) {
    int64_t low = task % job->bands * job->band_size;
    NAME(Band) band = {task / job->bands, low, least(low + job->band_size, job->size[job->band_axis])};
    NAME(spread_band)(kind, adds, is_streamed, run, &band, &list);
  }
  if (is_streamed) stream_end();
}

#define SPREAD(name, kind)                                                                                        \
  static void NAME(name##_bands)(void* arg, int64_t begin, int64_t end, void* scratch) {                          \
    const NAME(Pool)* run = arg;                                                                                  \
    if (!run->job->is_tiled)                                                                                      \
      NAME(spread_bands)(kind, 1, 0, run, begin, end, scratch);                                                   \
    else if (NAME(is_streamed)(run->job, run->y, image_pixels(run->job)))                                         \
      NAME(spread_bands)(kind, 0, 1, run, begin, end, scratch);                                                   \
    else                                                                                                          \
      NAME(spread_bands)(kind, 0, 0, run, begin, end, scratch);                                                   \
  }                                                                                                               \
  static int NAME(name)(thw_call* call, const thw_tensor* in, int32_t n_in, thw_tensor* out, int32_t n_out) {     \
    (void)n_in, (void)n_out;                                                                                      \
    NAME(Pool) run = {.job = call->state, .x = in[0].data, .y = out[0].data};                                     \
    run.dy = in[(kind) == SPREAD_MEAN ? 1 : 2].data;                                                              \
    run.pooled = in[1].data;                                                                                      \
    call->core->parallel_for(call->core_ctx, run.job->images * run.job->bands, 1, NAME(name##_bands), &run);      \
    return THW_OK;                                                                                                \
  }
SPREAD(mean_grad, SPREAD_MEAN)
SPREAD(max_grad_first, SPREAD_FIRST)
SPREAD(max_grad_all, SPREAD_ALL)
#undef SPREAD

/* y[place] = what dy, which is as large as x, has where the first maximum was. */
static void NAME(collect_rows)(void* arg, int64_t begin, int64_t end, void* scratch) {
  const NAME(Pool)* run = arg;
  const thw_pool_job* job = run->job;
  int64_t channels = job->channels;
  Positions list;
  set_scratch(job, scratch, &list);
  for (int64_t i = begin * job->places[2]; i < end * job->places[2]; i++) {
    int64_t row = i / job->places[2], pixels = row / job->places[1] / job->places[0] * image_pixels(job) * channels;
    next_positions(job, row / job->places[1] % job->places[0], row % job->places[1], i % job->places[2], 0, 0, &list);
    for (int64_t c = 0; c < channels; c++)
      run->y[i * channels + c] = run->dy[pixels + NAME(first_maximum)(&list, run->x + pixels, channels, c) + c];
  }
}

static int NAME(max_grad_grad)(thw_call* call, const thw_tensor* in, int32_t n_in, thw_tensor* out, int32_t n_out) {
  (void)n_in, (void)n_out;
  NAME(Pool) run = {.job = call->state, .x = in[0].data, .dy = in[2].data, .y = out[0].data};
  call->core->parallel_for(call->core_ctx, run.job->rows, run.job->grain, NAME(collect_rows), &run);
  return THW_OK;
}
