/* Depthwise convolution, once per REAL; a task is a row of places of every phase.
 *
 * Four neighbouring places share the loads of their taps; channels run innermost, so that a row of the image is read
 * in the order of memory. Windows of 3 and 5 columns whose taps are neighbours load each pixel once for all places
 * that it serves, and leave out those beyond the image's edge; any other window takes a list of pointers.
 */

typedef struct {
  const thw_depthwise_job* job;
  const REAL *x, *other;
  REAL* y;
  NAME(Epilogue) epilogue;
  int has_epilogue;
} NAME(Depthwise);

typedef struct { /* up to PLACES neighbours of a row */
  int64_t n_rows;             /* of the window, that read inside x */
  const REAL **x, **w;        /* [n_rows]: the strip's first pixel and the first tap */
  int64_t w_step, channels;   /* from tap to tap; from pixel to pixel */
  int64_t from, to, count;    /* pixels inside x; places that are stored */
  REAL* y;
  int64_t y_step;
  const NAME(Epilogue)* epilogue; /* NULL: store the sums */
} NAME(Strip);

/* The epilogue of a strip's sums for channels c, c + 1, ..., whose first place is stored at y. */
INLINE void NAME(finish_strip)(const NAME(Epilogue)* e, int64_t count, vector sum[PLACES], const REAL* y,
                               int64_t y_step, int64_t c) {
  if (e->scale) {
    vector scale = LOAD(e->scale + c), shift = LOAD(e->shift + c);
    UNROLLED for (int i = 0; i < PLACES; i++) sum[i] = sum[i] * scale + shift;
  } else if (e->shift) {
    vector shift = LOAD(e->shift + c);
    UNROLLED for (int i = 0; i < PLACES; i++) sum[i] += shift;
  }
  if (e->has_residual)
    UNROLLED for (int i = 0; i < PLACES; i++)
      if (i < count) sum[i] += LOAD((const char*)(y + i * y_step) + e->residual);
  if (e->is_clamped) {
    vector low = SPLAT(e->low), high = SPLAT(e->high);
    UNROLLED for (int i = 0; i < PLACES; i++) sum[i] = NAME(smaller)(high, NAME(larger)(low, sum[i]));
  }
}

/* sum[i] += sum over taps k of x[(i*step + k)*channels] * w[k*w_step], for pixels [from, to) of x. */
INLINE void NAME(add_row)(const int columns, const int step, const REAL* x, int64_t channels, const REAL* w,
                          int64_t w_step, int64_t from, int64_t to, vector sum[PLACES]) {
  vector weight[5];
  UNROLLED for (int k = 0; k < columns; k++) {
    weight[k] = LOAD(w + k * w_step);
    IN_REGISTER(weight[k]);
  }
  UNROLLED for (int j = 0; j < (PLACES - 1) * step + columns; j++) {
    if (j < from || j >= to) continue;
    vector pixel = LOAD(x + j * channels);
    IN_REGISTER(pixel);
    UNROLLED for (int i = 0; i < PLACES; i++)
      if (j - i * step >= 0 && j - i * step < columns) sum[i] += pixel * weight[j - i * step];
  }
}

/* y[i*y_step + c] = sum over rows r and taps k of x[r][(i*step + k)*channels + c] * w[r][k*w_step + c]. Whole: all
   pixels are inside, all places stored. */
INLINE void NAME(strip)(const int columns, const int step, const int is_whole, const NAME(Strip)* strip) {
  const NAME(Strip) s = *strip; /* what is stored cannot change a copy */
  const NAME(Epilogue) e = s.epilogue ? *s.epilogue : (NAME(Epilogue)){0};
  const int64_t pixels = (PLACES - 1) * step + columns, count = is_whole ? PLACES : s.count;
  const int64_t from = is_whole ? 0 : s.from, to = is_whole ? pixels : s.to;
  for (int64_t c = 0; c < s.channels; c += VL) {
    if (c + VL > s.channels) c = s.channels - VL; /* some channels twice */
    vector sum[PLACES];
    UNROLLED for (int i = 0; i < PLACES; i++) sum[i] = (vector){0};
    if (s.n_rows == 3)
      UNROLLED for (int r = 0; r < 3; r++)
        NAME(add_row)(columns, step, s.x[r] + c, s.channels, s.w[r] + c, s.w_step, from, to, sum);
    else
      for (int64_t r = 0; r < s.n_rows; r++)
        NAME(add_row)(columns, step, s.x[r] + c, s.channels, s.w[r] + c, s.w_step, from, to, sum);
    NAME(finish_strip)(&e, count, sum, s.y + c, s.y_step, c);
    UNROLLED for (int i = 0; i < PLACES; i++)
      if (i < count) STORE(s.y + i * s.y_step + c, sum[i]);
  }
}

#define STRIPS(columns, step)                                                                   \
  static void NAME(strip_##columns##_##step)(const NAME(Strip)* s) {                            \
    int is_whole = s->from <= 0 && s->to >= (PLACES - 1) * step + columns && s->count == PLACES; \
    if (is_whole) NAME(strip)(columns, step, 1, s);                                             \
    else NAME(strip)(columns, step, 0, s);                                                      \
  }
STRIPS(3, 1) STRIPS(3, 2) STRIPS(5, 1) STRIPS(5, 2)
#undef STRIPS

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

typedef struct { /* taps of a run of places in one row, rows of the window outermost */
  int64_t n_taps;
  const REAL **x, **w;
} NAME(TapList);

/* The row of x that a tap of a row of places reads; NULL: it lies outside. */
INLINE const REAL* NAME(tap_row)(const NAME(Depthwise)* run, const thw_line* rows, int64_t image, int64_t row,
                                 int64_t i) {
  int64_t y = rows->corner + row * rows->step + rows->taps[i].at;
  return y < 0 || y >= rows->size ? NULL : run->x + image * run->job->x_image + y * run->job->x_row;
}

INLINE const REAL* NAME(tap_filter)(const NAME(Depthwise)* run, const thw_depthwise_phase* phase, int64_t i,
                                    int64_t j) {
  const thw_depthwise_job* job = run->job;
  int64_t tap = phase->rows.taps[i].filter * job->filter_columns + phase->columns.taps[j].filter;
  return run->other + tap * job->channels;
}

/* Taps of the place (row, column) that read inside x. */
static void NAME(list_taps)(const NAME(Depthwise)* run, const thw_depthwise_phase* phase, int64_t image, int64_t row,
                            int64_t column, NAME(TapList)* list) {
  const thw_line *rows = &phase->rows, *columns = &phase->columns;
  list->n_taps = 0;
  for (int64_t i = 0; i < rows->n_taps; i++) {
    const REAL* from = NAME(tap_row)(run, rows, image, row, i);
    for (int64_t j = 0; from && j < columns->n_taps; j++) {
      int64_t x = columns->corner + column * columns->step + columns->taps[j].at;
      if (x < 0 || x >= columns->size) continue;
      list->x[list->n_taps] = from + x * run->job->channels;
      list->w[list->n_taps++] = NAME(tap_filter)(run, phase, i, j);
    }
  }
}

/* Places [begin, end) of a row, of any window; y: where the row's place 0 is stored. */
static void NAME(run_listed)(const NAME(Depthwise)* run, const thw_depthwise_phase* phase, int64_t image, int64_t row,
                             int64_t begin, int64_t end, REAL* y, NAME(TapList)* list) {
  const thw_line* columns = &phase->columns;
  int64_t channels = run->job->channels, x_step = columns->step * channels, y_step = phase->y_column;
  int64_t inside_end = least(end, columns->inside_end);
  for (int64_t x = begin; x < end;) {
    NAME(list_taps)(run, phase, image, row, x, list);
    if (x < columns->inside_begin || x + PLACES > inside_end) {
      NAME(listed_taps)(1, list->n_taps, list->x, list->w, 0, y + x * y_step, 0, channels);
      x++;
    } else {
      for (; x + PLACES <= inside_end; x += PLACES) {
        NAME(listed_taps)(PLACES, list->n_taps, list->x, list->w, x_step, y + x * y_step, y_step, channels);
        for (int64_t t = 0; t < list->n_taps; t++) list->x[t] += PLACES * x_step;
      }
    }
  }
}

/* The same for a window of neighbours, with the epilogue. */
static void NAME(run_strips)(const NAME(Depthwise)* run, const thw_depthwise_phase* phase, int64_t image, int64_t row,
                             int64_t begin, int64_t end, REAL* y, NAME(TapList)* list) {
  const thw_line* columns = &phase->columns;
  int64_t channels = run->job->channels, first = columns->corner + begin * columns->step + columns->taps[0].at;
  NAME(Strip) strip = {.x = list->x, .w = list->w, .channels = channels, .y_step = phase->y_column,
                       .w_step = (columns->taps[1].filter - columns->taps[0].filter) * channels,
                       .from = -first, .to = columns->size - first,
                       .epilogue = run->has_epilogue ? &run->epilogue : NULL};
  for (int64_t i = 0; i < phase->rows.n_taps; i++) {
    const REAL* from = NAME(tap_row)(run, &phase->rows, image, row, i);
    if (!from) continue;
    strip.x[strip.n_rows] = from + first * channels;
    strip.w[strip.n_rows++] = NAME(tap_filter)(run, phase, i, 0);
  }
  int64_t pixels = PLACES * columns->step;
  for (int64_t x = begin; x < end; x += PLACES, strip.from -= pixels, strip.to -= pixels) {
    strip.y = y + x * strip.y_step;
    strip.count = least(PLACES, end - x);
    switch (phase->kind) {
      case 31: NAME(strip_3_1)(&strip); break;
      case 32: NAME(strip_3_2)(&strip); break;
      case 51: NAME(strip_5_1)(&strip); break;
      default: NAME(strip_5_2)(&strip);
    }
    for (int64_t r = 0; r < strip.n_rows; r++) strip.x[r] += pixels * channels;
  }
}

/* The epilogue for places [begin, end) of a row, which have just been written and are near. */
static void NAME(finish_places)(const NAME(Depthwise)* run, int64_t begin, int64_t end, REAL* y) {
  int64_t channels = run->job->channels;
  y += begin * channels;
  for (int64_t i = begin; i < end; i++, y += channels) {
    int64_t c = 0;
    for (; c + VL <= channels; c += VL) STORE(y + c, NAME(finish_vector)(&run->epilogue, LOAD(y + c), y + c, c));
    for (; c < channels; c++) y[c] = NAME(finish_one)(&run->epilogue, y[c], y + c, c);
  }
}

static void NAME(run_places)(const NAME(Depthwise)* run, const thw_depthwise_phase* phase, int64_t image, int64_t row,
                             int64_t begin, int64_t end, REAL* y, NAME(TapList)* list) {
  if (phase->kind) {
    NAME(run_strips)(run, phase, image, row, begin, end, y, list);
    return;
  }
  NAME(run_listed)(run, phase, image, row, begin, end, y, list);
  if (run->has_epilogue) NAME(finish_places)(run, begin, end, y);
}

static void NAME(run_rows)(void* arg, int64_t begin, int64_t end, void* scratch) {
  const NAME(Depthwise)* run = arg;
  const thw_depthwise_job* job = run->job;
  NAME(TapList) list = {.x = scratch};
  list.w = list.x + job->filter_rows * job->filter_columns;
  for (int64_t i = begin; i < end; i++)
    for (int64_t p = 0; p < job->n_phases; p++) { /* a row of each phase: neighbouring rows are written together */
      const thw_depthwise_phase* phase = &job->phases[p];
      int64_t image = i / job->rows, row = i % job->rows;
      if (row >= phase->rows.places) continue;
      NAME(run_places)(run, phase, image, row, 0, phase->columns.places,
                       run->y + image * job->y_image + phase->y_first + row * phase->y_row, &list);
    }
}

/* Places [begin, end) of all images as rows of a block; a maker of source.h. */
static void NAME(make_places)(const void* maker, int64_t begin, int64_t end, void* rows, void* scratch) {
  const NAME(Depthwise)* run = maker;
  const thw_depthwise_job* job = run->job;
  const thw_depthwise_phase* phase = &job->phases[0];
  int64_t width = phase->columns.places;
  NAME(TapList) list = {.x = scratch};
  list.w = list.x + job->filter_rows * job->filter_columns;
  REAL* y = rows;
  for (int64_t place = begin, count; place < end; place += count, y += count * job->channels) {
    int64_t row = place / width, column = place % width;
    count = least(width - column, end - place);
    NAME(run_places)(run, phase, row / job->rows, row % job->rows, column, column + count,
                     y - column * job->channels, &list);
  }
}
