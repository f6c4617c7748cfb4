/* The gradient of depthwise filters, once per REAL: a task is a chunk of rows of places with sums of its own, and the
 * chunks' sums are added in order. */

/* sum[k][c] += over places of x[k][place * x_step + c] * dy[place * channels + c], for `taps` taps. */
INLINE void NAME(add_products)(const int taps, const REAL* const* x, int64_t x_step, const REAL* dy, int64_t places,
                               int64_t channels, REAL* const* sum) {
  int64_t c = 0;
  for (; c + 2 * VL <= channels; c += 2 * VL) {
    vector acc[3][2];
    UNROLLED for (int k = 0; k < taps; k++) acc[k][0] = acc[k][1] = (vector){0};
    for (int64_t i = 0; i < places; i++) {
      vector low = LOAD(dy + i * channels + c), high = LOAD(dy + i * channels + c + VL);
      UNROLLED for (int k = 0; k < taps; k++) {
        acc[k][0] += LOAD(x[k] + i * x_step + c) * low;
        acc[k][1] += LOAD(x[k] + i * x_step + c + VL) * high;
      }
    }
    UNROLLED for (int k = 0; k < taps; k++) {
      STORE(sum[k] + c, LOAD(sum[k] + c) + acc[k][0]);
      STORE(sum[k] + c + VL, LOAD(sum[k] + c + VL) + acc[k][1]);
    }
  }
  for (; c < channels; c++)
    for (int k = 0; k < taps; k++) {
      REAL total = 0;
      for (int64_t i = 0; i < places; i++) total += x[k][i * x_step + c] * dy[i * channels + c];
      sum[k][c] += total;
    }
}

/* One row of places against one row of the image, up to three taps at a time. */
static void NAME(gather_taps)(const thw_depthwise_job* job, const REAL* x_row, const REAL* dy_row, REAL* sums,
                              int64_t first, int64_t count) {
  const thw_line* columns = &job->phases[0].columns;
  int64_t channels = job->channels, begin[3], end[3], common_begin = 0, common_end = columns->places;
  const REAL* x[3];
  REAL* sum[3];
  for (int64_t k = 0; k < count; k++) {
    const thw_line_tap* tap = &columns->taps[first + k];
    tap_range(columns, tap, &begin[k], &end[k]);
    common_begin = most(common_begin, begin[k]);
    common_end = least(common_end, end[k]);
    x[k] = x_row + (columns->corner + tap->at) * channels;
    sum[k] = sums + tap->filter * channels;
  }
  common_end = most(common_begin, common_end);
  int64_t step = columns->step * channels;
  for (int64_t k = 0; k < count; k++) { /* places that the other taps miss */
    int64_t low_end = least(end[k], common_begin), high_begin = most(begin[k], common_end);
    const REAL *low = x[k] + begin[k] * step, *high = x[k] + high_begin * step;
    if (low_end > begin[k])
      NAME(add_products)(1, &low, step, dy_row + begin[k] * channels, low_end - begin[k], channels, &sum[k]);
    if (end[k] > high_begin)
      NAME(add_products)(1, &high, step, dy_row + high_begin * channels, end[k] - high_begin, channels, &sum[k]);
    x[k] += common_begin * step;
  }
  const REAL* dy = dy_row + common_begin * channels;
  if (count == 3) NAME(add_products)(3, x, step, dy, common_end - common_begin, channels, sum);
  if (count == 2) NAME(add_products)(2, x, step, dy, common_end - common_begin, channels, sum);
  if (count == 1) NAME(add_products)(1, x, step, dy, common_end - common_begin, channels, sum);
}

/* run->y holds a copy of the filter's gradient per chunk. */
static void NAME(gather_chunks)(void* arg, int64_t begin, int64_t end, void* scratch) {
  (void)scratch;
  const NAME(Depthwise)* run = arg;
  const thw_depthwise_job* job = run->job;
  const thw_line* rows = &job->phases[0].rows;
  int64_t row_numbers = job->filter_columns * job->channels, filter = job->filter_rows * row_numbers;
  for (int64_t chunk = begin; chunk < end; chunk++) {
    REAL* sums = run->y + chunk * filter;
    memset(sums, 0, filter * sizeof(REAL));
    int64_t last = least((chunk + 1) * job->chunk_rows, job->images * rows->places);
    for (int64_t i = chunk * job->chunk_rows; i < last; i++) {
      int64_t image = i / rows->places, row = i % rows->places;
      const REAL* dy_row = run->other + image * job->y_image + row * job->phases[0].y_row;
      for (int64_t r = 0; r < rows->n_taps; r++) {
        int64_t y = rows->corner + row * rows->step + rows->taps[r].at;
        if (y < 0 || y >= rows->size) continue;
        const REAL* x_row = run->x + image * job->x_image + y * job->x_row;
        for (int64_t k = 0; k < job->phases[0].columns.n_taps; k += 3)
          NAME(gather_taps)(job, x_row, dy_row, sums + rows->taps[r].filter * row_numbers, k,
                            least(3, job->phases[0].columns.n_taps - k));
      }
    }
  }
}
