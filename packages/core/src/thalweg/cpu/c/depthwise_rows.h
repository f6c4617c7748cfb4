/* Depthwise convolution, once per REAL; a task is a row of places of every phase.
 *
 * Four neighbouring places share the loads of their taps; channels run innermost, so that a row of the image is read
 * in the order of memory. Windows of 3 and 5 columns whose taps are neighbours load each pixel once for all places
 * that it serves; any other window, and the image's edges, take a list of pointers.
 */

typedef struct {
  const thw_depthwise_job* job;
  const REAL *x, *other;
  REAL* y;
  NAME(Epilogue) epilogue;
  int has_epilogue;
} NAME(Depthwise);

/* y[i*y_step + c] = sum over taps of x[t][i*x_step + c] * w[t][c] for `places` places. */
INLINE void NAME(listed_taps)(const int places, int64_t n_taps, const REAL* const* x, const REAL* const* w,
                              int64_t x_step, REAL* y, int64_t y_step, int64_t channels) {
  int64_t c = 0;
  for (; c + VL <= channels; c += VL) {
    vector sum[PLACES];
    UNROLLED for (int i = 0; i < places; i++) sum[i] = (vector){0};
    for (int64_t t = 0; t < n_taps; t++) {
      vector weight = LOAD(w[t] + c);
      UNROLLED for (int i = 0; i < places; i++) sum[i] += LOAD(x[t] + i * x_step + c) * weight;
    }
    UNROLLED for (int i = 0; i < places; i++) STORE(y + i * y_step + c, sum[i]);
  }
  for (; c < channels; c++)
    for (int i = 0; i < places; i++) {
      REAL sum = 0;
      for (int64_t t = 0; t < n_taps; t++) sum += x[t][i * x_step + c] * w[t][c];
      y[i * y_step + c] = sum;
    }
}

/* The same for PLACES places and `columns` neighbouring taps in each of n_rows rows: x[r] is a row's first tap. */
INLINE void NAME(neighbours)(const int columns, const int step, int64_t n_rows, const REAL* const* x,
                             const REAL* const* w, REAL* y, int64_t y_step, int64_t channels) {
  for (int64_t c = 0; c + VL <= channels; c += VL) {
    vector sum[PLACES];
    UNROLLED for (int i = 0; i < PLACES; i++) sum[i] = (vector){0};
    for (int64_t r = 0; r < n_rows; r++) {
      vector weight[5];
      UNROLLED for (int k = 0; k < columns; k++) weight[k] = LOAD(w[r * columns + k] + c);
      UNROLLED for (int j = 0; j < (PLACES - 1) * step + columns; j++) {
        vector pixel = LOAD(x[r * columns] + j * channels + c);
        UNROLLED for (int i = 0; i < PLACES; i++)
          if (j - i * step >= 0 && j - i * step < columns) sum[i] += pixel * weight[j - i * step];
      }
    }
    UNROLLED for (int i = 0; i < PLACES; i++) STORE(y + i * y_step + c, sum[i]);
  }
}

typedef struct { /* taps of a run of places in one row, rows of the window outermost */
  int64_t n_rows, n_taps;
  const REAL **x, **w;
} NAME(TapList);

/* Taps of the place (row, column) that read inside x. */
static void NAME(list_taps)(const NAME(Depthwise)* run, const thw_depthwise_phase* phase, int64_t image, int64_t row,
                            int64_t column, NAME(TapList)* list) {
  const thw_depthwise_job* job = run->job;
  const thw_line *rows = &phase->rows, *columns = &phase->columns;
  list->n_rows = list->n_taps = 0;
  for (int64_t i = 0; i < rows->n_taps; i++) {
    int64_t y = rows->corner + row * rows->step + rows->taps[i].at;
    if (y < 0 || y >= rows->size) continue;
    list->n_rows++;
    for (int64_t j = 0; j < columns->n_taps; j++) {
      int64_t x = columns->corner + column * columns->step + columns->taps[j].at;
      if (x < 0 || x >= columns->size) continue;
      list->x[list->n_taps] = run->x + image * job->x_image + y * job->x_row + x * job->channels;
      list->w[list->n_taps++] = run->other + (rows->taps[i].filter * job->filter_columns + columns->taps[j].filter) *
                                                 job->channels;
    }
  }
}

static void NAME(run_places)(int kind, const NAME(TapList)* list, int64_t step, REAL* y, int64_t y_step,
                             int64_t channels) {
  switch (kind) {
    case 31: NAME(neighbours)(3, 1, list->n_rows, list->x, list->w, y, y_step, channels); return;
    case 32: NAME(neighbours)(3, 2, list->n_rows, list->x, list->w, y, y_step, channels); return;
    case 51: NAME(neighbours)(5, 1, list->n_rows, list->x, list->w, y, y_step, channels); return;
    case 52: NAME(neighbours)(5, 2, list->n_rows, list->x, list->w, y, y_step, channels); return;
    default: NAME(listed_taps)(PLACES, list->n_taps, list->x, list->w, step * channels, y, y_step, channels);
  }
}

/* The epilogue for a row of places, which has just been written and is near. */
static void NAME(finish_row)(const NAME(Depthwise)* run, REAL* y, int64_t places) {
  int64_t channels = run->job->channels;
  for (int64_t i = 0; i < places; i++, y += channels) {
    int64_t c = 0;
    for (; c + VL <= channels; c += VL) STORE(y + c, NAME(finish_vector)(&run->epilogue, LOAD(y + c), y + c, c));
    for (; c < channels; c++) y[c] = NAME(finish_one)(&run->epilogue, y[c], y + c, c);
  }
}

static void NAME(run_row)(const NAME(Depthwise)* run, const thw_depthwise_phase* phase, int64_t image, int64_t row,
                          NAME(TapList)* list) {
  const thw_depthwise_job* job = run->job;
  const thw_line* columns = &phase->columns;
  int kind = neighbour_kind(columns, job->channels);
  REAL* y = run->y + image * job->y_image + phase->y_first + row * phase->y_row;
  for (int64_t x = 0; x < columns->places;) {
    NAME(list_taps)(run, phase, image, row, x, list);
    if (x >= columns->inside_begin && x + PLACES <= columns->inside_end) {
      int64_t first = x;
      for (; x + PLACES <= columns->inside_end; x += PLACES) {
        NAME(run_places)(kind, list, columns->step, y + x * phase->y_column, phase->y_column, job->channels);
        for (int64_t t = 0; t < list->n_taps; t++) list->x[t] += PLACES * columns->step * job->channels;
      }
      if (x > first) continue;
    }
    NAME(listed_taps)(1, list->n_taps, list->x, list->w, 0, y + x * phase->y_column, 0, job->channels);
    x++;
  }
  if (run->has_epilogue) NAME(finish_row)(run, y, columns->places);
}

static void NAME(run_rows)(void* arg, int64_t begin, int64_t end, void* scratch) {
  const NAME(Depthwise)* run = arg;
  const thw_depthwise_job* job = run->job;
  NAME(TapList) list = {.x = scratch};
  list.w = list.x + job->filter_rows * job->filter_columns;
  for (int64_t i = begin; i < end; i++)
    for (int64_t p = 0; p < job->n_phases; p++) /* a row of each phase: neighbouring rows are written together */
      if (i % job->rows < job->phases[p].rows.places)
        NAME(run_row)(run, &job->phases[p], i / job->rows, i % job->rows, &list);
}
