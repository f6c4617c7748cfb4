/* Windows of a pooling as lists of positions. */

typedef struct { /* positions of one window, in order z, y, x */
  int64_t count;
  int64_t* at;     /* pixel number within the image */
  char* is_owned;  /* lies in the task's band, for gradients */
} Positions;

/* First and last position, exclusive, of window `place` on an axis, without padding. */
INLINE void window_range(const thw_pool_job* job, int axis, int64_t place, int64_t* begin, int64_t* end) {
  int64_t first = place * job->step[axis] - job->before[axis];
  *begin = most(first, 0);
  *end = least(first + job->window[axis], job->size[axis]);
}

/* The first and last place, exclusive, whose windows on an axis lie within positions [low, high). */
INLINE void places_within(const thw_pool_job* job, int axis, int64_t low, int64_t high, int64_t* begin, int64_t* end) {
  int64_t last = high + job->before[axis] - job->window[axis];
  *begin = least(job->places[axis], ceil_div(most(0, low + job->before[axis]), job->step[axis]));
  *end = last < 0 ? *begin : most(*begin, least(job->places[axis], last / job->step[axis] + 1));
}

/* Positions of the window at (z, y, x); those in [low, high) of the band's axis are owned. */
static void list_positions(const thw_pool_job* job, int64_t z, int64_t y, int64_t x, int64_t low, int64_t high,
                           Positions* list) {
  int64_t z0, z1, y0, y1, x0, x1;
  window_range(job, 0, z, &z0, &z1);
  window_range(job, 1, y, &y0, &y1);
  window_range(job, 2, x, &x0, &x1);
  list->count = 0;
  for (int64_t i = z0; i < z1; i++)
    for (int64_t j = y0; j < y1; j++) {
      int64_t position = job->band_axis ? j : i;
      char is_owned = position >= low && position < high;
      for (int64_t k = x0; k < x1; k++) {
        list->at[list->count] = (i * job->size[1] + j) * job->size[2] + k;
        list->is_owned[list->count++] = is_owned;
      }
    }
}

/* The same for the place to the right of the one in the list. */
static void next_positions(const thw_pool_job* job, int64_t z, int64_t y, int64_t x, int64_t low, int64_t high,
                           Positions* list) {
  int64_t first = (x - 1) * job->step[2] - job->before[2];
  if (x == 0 || first < 0 || first + job->step[2] + job->window[2] > job->size[2])
    list_positions(job, z, y, x, low, high, list);
  else
    for (int64_t k = 0; k < list->count; k++) list->at[k] += job->step[2];
}

INLINE int64_t image_pixels(const thw_pool_job* job) { return job->size[0] * job->size[1] * job->size[2]; }
INLINE int64_t image_places(const thw_pool_job* job) { return job->places[0] * job->places[1] * job->places[2]; }
INLINE int64_t window_volume(const thw_pool_job* job) { return job->window[0] * job->window[1] * job->window[2]; }

static void set_scratch(const thw_pool_job* job, void* scratch, Positions* list) {
  list->at = scratch;
  list->is_owned = (char*)(list->at + window_volume(job));
}

static void plan(thw_pool_job* job, int64_t item_bytes, size_t* scratch) {
  int64_t row_bytes = job->places[2] * job->channels * item_bytes * most(1, window_volume(job) / 2);
  job->rows = job->images * job->places[0] * job->places[1];
  job->grain = most(1, SMALL_BYTES / most(1, row_bytes));
  job->is_tiled = 1;
  for (int d = 0; d < 3; d++)
    job->is_tiled &= job->window[d] == job->step[d] && !job->before[d] &&
                     job->places[d] * job->step[d] >= job->size[d];
  for (int d = 0; d < 3; d++) places_within(job, d, 0, job->size[d], &job->inside[d][0], &job->inside[d][1]);
  int64_t edge = job->window[1];
  job->form = job->size[0] == 1 && job->window[0] == 1 && job->window[2] == edge && (edge == 2 || edge == 3)
                  ? (int32_t)edge
                  : 0;
  job->band_axis = job->size[0] > 1 ? 0 : 1;
  /* About 16 tasks in all; windows that reach over a band's edge are looked at twice. */
  int64_t length = job->size[job->band_axis], bands = least(ceil_div(16, most(1, job->images)), most(1, length / 8));
  if (image_pixels(job) * job->channels * job->images * item_bytes < SMALL_BYTES) bands = 1;
  job->band_size = most(1, ceil_div(length, bands));
  if (job->is_tiled) job->band_size = ceil_div(job->band_size, job->step[job->band_axis]) * job->step[job->band_axis];
  job->bands = ceil_div(length, job->band_size);
  *scratch = window_volume(job) * (sizeof(int64_t) + 1);
}
