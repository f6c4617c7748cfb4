/* Maxima with their places, and gradients that follow the places, once per REAL. */

static void NAME(argmax_rows)(void* arg, int64_t begin, int64_t end, void* scratch) {
  const NAME(Pool)* run = arg;
  const thw_pool_job* job = run->job;
  int64_t channels = job->channels;
  Positions list;
  set_scratch(job, scratch, &list);
  for (int64_t i = begin * job->places[2]; i < end * job->places[2]; i++) {
    int64_t row = i / job->places[2], pixels = row / job->places[1] / job->places[0] * image_pixels(job) * channels;
    next_positions(job, row / job->places[1] % job->places[0], row % job->places[1], i % job->places[2], 0, 0, &list);
    for (int64_t c = 0; c < channels; c++) {
      int64_t element = NAME(first_maximum)(&list, run->x + pixels, channels, c) + c;
      int64_t number = element + (job->numbers_batch ? pixels : 0);
      run->y[i * channels + c] = run->x[pixels + element];
      if (job->is_wide_index)
        ((int64_t*)run->place)[i * channels + c] = number;
      else
        ((int32_t*)run->place)[i * channels + c] = (int32_t)number;
    }
  }
}

static int NAME(argmax)(thw_call* call, const thw_tensor* in, int32_t n_in, thw_tensor* out, int32_t n_out) {
  (void)n_in, (void)n_out;
  NAME(Pool) run = {.job = call->state, .x = in[0].data, .y = out[0].data, .place = out[1].data};
  call->core->parallel_for(call->core_ctx, run.job->rows, run.job->grain, NAME(argmax_rows), &run);
  return THW_OK;
}

/* The element of x that the place of result i names, as an offset in the whole tensor; -1 if there is none. */
INLINE int64_t NAME(named_element)(const NAME(Pool)* run, int64_t i) {
  const thw_pool_job* job = run->job;
  int64_t place = job->is_wide_index ? ((const int64_t*)run->place)[i] : ((const int32_t*)run->place)[i];
  int64_t image = image_pixels(job) * job->channels, limit = job->numbers_batch ? job->images * image : image;
  if (place < 0 || place >= limit) return -1;
  return job->numbers_batch ? place : i / (image_places(job) * job->channels) * image + place;
}

/* in: x, dy, place. Places may name any element, so images are one after the other. */
static int NAME(argmax_grad)(thw_call* call, const thw_tensor* in, int32_t n_in, thw_tensor* out, int32_t n_out) {
  (void)n_in, (void)n_out;
  NAME(Pool) run = {.job = call->state, .dy = in[1].data, .y = out[0].data, .place = in[2].data};
  const thw_pool_job* job = run.job;
  memset(run.y, 0, job->images * image_pixels(job) * job->channels * sizeof(REAL));
  for (int64_t i = 0; i < job->images * image_places(job) * job->channels; i++) {
    int64_t element = NAME(named_element)(&run, i);
    if (element < 0) {
      call->core->set_error(call->core_ctx, THW_INVALID, "MaxPoolGradWithArgmax: argmax names an element outside");
      return THW_INVALID;
    }
    run.y[element] += run.dy[i];
  }
  return THW_OK;
}

/* in: x, g, place; out: g at the places */
static int NAME(argmax_grad_grad)(thw_call* call, const thw_tensor* in, int32_t n_in, thw_tensor* out, int32_t n_out) {
  (void)n_in, (void)n_out;
  NAME(Pool) run = {.job = call->state, .dy = in[1].data, .y = out[0].data, .place = in[2].data};
  const thw_pool_job* job = run.job;
  for (int64_t i = 0; i < job->images * image_places(job) * job->channels; i++) {
    int64_t element = NAME(named_element)(&run, i);
    if (element < 0) {
      call->core->set_error(call->core_ctx, THW_INVALID, "MaxPoolGradGradWithArgmax: argmax names an element outside");
      return THW_INVALID;
    }
    run.y[i] = run.dy[element];
  }
  return THW_OK;
}
