/* Windows of 2 x 2 and 3 x 3 that lie inside their image, once per REAL, unrolled: a vector of channels stays in
 * registers from its window to its result. Order of elements and treatment of NaN are those of the other windows.
 */

/* The maximum or mean of one vector of channels. x: the window's corner; line: numbers in a line of the image. */
INLINE vector NAME(pooled)(const int is_max, const int size, REAL start, const REAL* x, int64_t line,
                           int64_t channels) {
  vector total = SPLAT(start);
  UNROLLED for (int i = 0; i < size; i++)
    UNROLLED for (int j = 0; j < size; j++) {
      vector value = LOAD(x + i * line + j * channels);
      if (is_max) total = NAME(larger)(value, total);
      else total += value;
    }
  if (!is_max) total /= SPLAT((REAL)(size * size));
  return total;
}

/* The channels from c on, fewer than a vector has. Not inlined: they would take the other channels' registers. */
static __attribute__((noinline)) void NAME(pool_last)(int is_max, int size, REAL start, const REAL* x, int64_t line,
                                                      int64_t channels, int64_t c, REAL* y) {
  for (; c < channels; c++) {
    REAL total = start;
    for (int i = 0; i < size; i++)
      for (int j = 0; j < size; j++) {
        REAL v = x[i * line + j * channels + c];
        total = is_max ? (v > total ? v : total) : total + v;
      }
    y[c] = is_max ? total : total / (REAL)(size * size);
  }
}

/* Places [from, to) of a row. x: the image's first line of the window, y: the row of results. */
INLINE void NAME(pool_inside)(const int is_max, const int size, const int is_streamed, const thw_pool_job* job,
                              int64_t from, int64_t to, const REAL* x, REAL* y) {
  const REAL start = is_max ? (REAL)job->lowest : 0;
  const int64_t channels = job->channels, line = job->size[2] * channels, step = job->step[2] * channels;
  const int64_t vectors = channels / VL * VL;
  x += (from * job->step[2] - job->before[2]) * channels;
  y += from * channels;
  for (int64_t place = from; place < to; place++, x += step, y += channels) {
    for (int64_t c = 0; c < vectors; c += VL) {
      vector pooled = NAME(pooled)(is_max, size, start, x + c, line, channels);
      if (is_streamed) STREAM(y + c, pooled);
      else STORE(y + c, pooled);
    }
    if (vectors < channels) NAME(pool_last)(is_max, size, start, x, line, channels, vectors, y);
  }
}

/* Where element k of a window takes part: the first that has the very bits of the maximum (there is always one, NaN
   included), or every one that equals what was pooled. */
INLINE mask NAME(takes_part)(const int kind, vector value, vector best, mask* is_taken) {
  if (kind == SPREAD_ALL) return (mask)(value == best);
  mask equal = (mask)((mask)value == (mask)best) & ~*is_taken;
  *is_taken |= equal;
  return equal;
}

/* The channels from c on, fewer than a vector has. */
static __attribute__((noinline)) void NAME(spread_last)(int kind, int adds, int size, const REAL* x, const REAL* dy,
                                                        int64_t line, int64_t channels, int64_t c, REAL* dx) {
  for (; c < channels; c++) {
    int64_t first = c;
    for (int k = 1; k < size * size; k++) {
      int64_t at = k / size * line + k % size * channels + c;
      if (kind == SPREAD_FIRST && x[at] > x[first]) first = at;
    }
    for (int k = 0; k < size * size; k++) {
      int64_t at = k / size * line + k % size * channels + c;
      REAL share = kind == SPREAD_MEAN ? dy[c] / (REAL)(size * size) : at == first ? dy[c] : 0;
      dx[at] = adds ? dx[at] + share : share;
    }
  }
}

/* Adds the share of a vector of dy that belongs to each element of its window to dx; without `adds` it is set. */
INLINE void NAME(spread_inside)(const int kind, const int adds, const int size, const int is_streamed, const REAL* x,
                                const REAL* dy, int64_t line, int64_t channels, REAL* dx) {
  vector value[9], gradient = LOAD(dy), best = gradient;
  mask is_taken = {0};
  if (kind == SPREAD_MEAN) gradient = gradient / SPLAT((REAL)(size * size));
  if (kind == SPREAD_FIRST) {
    UNROLLED for (int k = 0; k < size * size; k++) value[k] = LOAD(x + k / size * line + k % size * channels);
    best = value[0];
    UNROLLED for (int k = 1; k < size * size; k++) best = NAME(larger)(value[k], best);
  }
  UNROLLED for (int k = 0; k < size * size; k++) {
    REAL* target = dx + k / size * line + k % size * channels;
    vector share = gradient;
    if (kind == SPREAD_FIRST) share = (vector)((mask)gradient & NAME(takes_part)(kind, value[k], best, &is_taken));
    if (adds) share += LOAD(target);
    if (is_streamed) STREAM(target, share);
    else STORE(target, share);
  }
}

/* Places [from, to) of a row. x, dx: the first line of the row's windows. */
INLINE void NAME(spread_row)(const int kind, const int adds, const int size, const int is_streamed,
                             const thw_pool_job* job, int64_t from, int64_t to, const REAL* x, const REAL* dy,
                             REAL* dx) {
  const int64_t channels = job->channels, line = job->size[2] * channels, step = job->step[2] * channels;
  const int64_t vectors = channels / VL * VL, at = (from * job->step[2] - job->before[2]) * channels;
  x += at, dx += at, dy += from * channels;
  for (int64_t place = from; place < to; place++, x += step, dx += step, dy += channels) {
    for (int64_t c = 0; c < vectors; c += VL)
      NAME(spread_inside)(kind, adds, size, is_streamed, x + c, dy + c, line, channels, dx + c);
    if (vectors < channels) NAME(spread_last)(kind, adds, size, x, dy, line, channels, vectors, dx);
  }
}
