/* Places of a window, expanded for a block. */

typedef struct { int64_t t0, t1, k0, k1; } thw_terms; /* taps and channels that one pass sums */

/* A place, expanded. Lengths in numbers. */
typedef struct {
  int64_t x;         /* offset of the window's corner in x; it may lie outside */
  int64_t y;         /* offset in the other tensor */
  uint64_t taps;     /* bit t: tap t reads inside; set by find_taps, until then all are */
  int32_t at[3];     /* the corner's position */
  int32_t is_inside; /* every tap reads inside x */
} thw_place;

#define MASKED_TAPS 64 /* windows of more taps treat each as if it read inside somewhere */

/* Places [i, i + count) of a run along x; whether all are inside. */
static int expand_run(const thw_window* w, int64_t image, const int64_t at[3], int64_t count, thw_place* places) {
  int64_t z = w->corner[0] + at[0] * w->step[0], y = w->corner[1] + at[1] * w->step[1];
  int64_t x = w->corner[2] + at[2] * w->step[2], low = -w->least_at[2], high = w->size[2] - w->most_at[2];
  int64_t from = image * w->x_stride[0] + z * w->x_stride[1] + y * w->x_stride[2] + x * w->x_stride[3];
  int64_t to = w->y_first + image * w->y_stride[0] + at[0] * w->y_stride[1] + at[1] * w->y_stride[2] +
               at[2] * w->y_stride[3];
  int64_t last = x + (count - 1) * w->step[2];
  int row_inside = z + w->least_at[0] >= 0 && z + w->most_at[0] < w->size[0] && y + w->least_at[1] >= 0 &&
                   y + w->most_at[1] < w->size[1];
  int run_inside = row_inside && x >= low && last < high;
  for (int64_t i = 0; i < count; i++, x += w->step[2]) {
    places[i] = (thw_place){from, to, ~(uint64_t)0, {(int32_t)z, (int32_t)y, (int32_t)x},
                            run_inside || (row_inside && x >= low && x < high)};
    from += w->step[2] * w->x_stride[3];
    to += w->y_stride[3];
  }
  return run_inside;
}

/* Expands places [begin, begin + count), in order image, z, y, x; whether all are inside. */
static int expand_places(const thw_window* w, int64_t begin, int64_t count, thw_place* places) {
  int64_t rest = begin / w->grid[2], at[3], all_inside = 1;
  at[2] = begin % w->grid[2];
  at[1] = rest % w->grid[1];
  rest /= w->grid[1];
  at[0] = rest % w->grid[0];
  int64_t image = rest / w->grid[0];
  while (count > 0) {
    int64_t run = least(count, w->grid[2] - at[2]);
    all_inside &= expand_run(w, image, at, run, places);
    places += run;
    count -= run;
    at[2] = 0;
    if (++at[1] == w->grid[1]) {
      at[1] = 0;
      if (++at[0] == w->grid[0]) at[0] = 0, image++;
    }
  }
  return (int)all_inside;
}

/* Whether a tap reads a row of x, at whatever place of it. */
INLINE int reads_row(const thw_window* w, const thw_place* p, const thw_tap* t) {
  return (uint64_t)(p->at[0] + t->at[0]) < (uint64_t)w->size[0] &&
         (uint64_t)(p->at[1] + t->at[1]) < (uint64_t)w->size[1];
}

INLINE int reads_inside(const thw_window* w, const thw_place* p, const thw_tap* t) {
  return reads_row(w, p, t) && (uint64_t)(p->at[2] + t->at[2]) < (uint64_t)w->size[2];
}

/* Finds the taps that read inside x, for each place. */
static void find_taps(const thw_window* w, thw_place* places, int64_t count) {
  if (w->n_taps > MASKED_TAPS) return;
  for (int64_t i = 0; i < count; i++) {
    if (places[i].is_inside) continue;
    places[i].taps = 0;
    for (int64_t t = 0; t < w->n_taps; t++) places[i].taps |= (uint64_t)reads_inside(w, &places[i], &w->taps[t]) << t;
  }
}

/* Joins the axes of places that lie evenly spaced in both tensors, so that a 1 x 1 window or a matrix is one run. */
static void join_axes(thw_window* w) {
  int64_t grid[4] = {w->images, w->grid[0], w->grid[1], w->grid[2]};
  for (int d = 2; d >= 0; d--) {
    int64_t step = d ? w->step[d - 1] * w->x_stride[d] : w->x_stride[0];
    if (grid[d] != 1 && (step != grid[3] * w->step[2] * w->x_stride[3] || w->y_stride[d] != grid[3] * w->y_stride[3]))
      break;
    grid[3] *= grid[d];
    grid[d] = 1;
  }
  w->images = grid[0], w->grid[0] = grid[1], w->grid[1] = grid[2], w->grid[2] = grid[3];
  w->size[2] = most(w->size[2], grid[3] * w->step[2]);
}

/* What plan_* needs of a window before it can be expanded. */
static void complete_window(thw_window* w) {
  w->places = w->images * w->grid[0] * w->grid[1] * w->grid[2];
  int always_inside = w->n_taps == 1;
  w->reach = most(1, w->reach);
  for (int d = 0; d < 3; d++) {
    w->least_at[d] = w->n_taps ? INT64_MAX : 0;
    w->most_at[d] = w->n_taps ? INT64_MIN : 0;
    for (int64_t t = 0; t < w->n_taps; t++) {
      w->least_at[d] = least(w->least_at[d], w->taps[t].at[d]);
      w->most_at[d] = most(w->most_at[d], w->taps[t].at[d]);
    }
    int64_t end = w->corner[d] + (w->grid[d] - 1) * w->step[d] + w->most_at[d] + (d == 2 ? w->reach : 1);
    always_inside = always_inside && w->corner[d] + w->least_at[d] >= 0 && end <= w->size[d];
  }
  for (int64_t t = 0; t < w->n_taps; t++) {
    thw_tap* tap = &w->taps[t];
    tap->offset = tap->at[0] * w->x_stride[1] + tap->at[1] * w->x_stride[2] + tap->at[2] * w->x_stride[3];
  }
  if (always_inside) join_axes(w);
  w->is_by_rows = w->least_at[2] == w->most_at[2] && w->n_taps <= MASKED_TAPS && (w->reach > 1 || w->n_taps == 1);
  int64_t first = w->corner[2] + w->least_at[2], end = w->size[2] - w->reach + 1 - first; /* of what is read */
  w->inside_begin = first < 0 ? least(w->grid[2], ceil_div(-first, w->step[2])) : 0;
  w->inside_end = end > 0 ? least(w->grid[2], ceil_div(end, w->step[2])) : 0;
}
