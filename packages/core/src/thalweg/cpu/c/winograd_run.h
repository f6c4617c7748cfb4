/* Winograd convolutions (winograd.h), once per REAL: transform tiles of x to V, multiply by the filter's U, transform
 * the products M to tiles of y.
 *
 *   U [position][panel][depth][PANEL]    V [position][tile][v_stride]    M [position][tile][m_stride]
 *
 * Many tiles: a task takes a block of them through all three steps in its own scratch. Few tiles, or a U that is
 * larger than the caches: the steps are phases over a block, in the call's workspace, so that products are split by
 * position and by panel, and all threads read U once for a block. A large U for many tiles, where none is kept from
 * run to run, is never whole: a task makes a piece of it and uses it at once. Strides are skewed, or the positions'
 * streams would fall into the same cache sets.
 */

#define SKEW 16              /* numbers: a cache line */
#define BLOCK_TILES 24      /* of a task */
#define PHASE_TILES 384     /* of a block by phases: V and M stay in the last-level cache */
#define LARGE_U (3 << 20)   /* numbers that are read from memory each time */
#define STREAM_TILES 96     /* that make up for making pieces of U anew for each block of them */
#define FILL_AHEAD 8         /* rows of a filter that are fetched before they are read */
#define LEAST_BLOCKS 8

typedef struct {
  const thw_winograd* job;
  const REAL *x, *filter;
  REAL *y, *u, *v, *m;  /* u: NULL where it is made piece by piece; v and m: of a block, by phases */
  int64_t first, count; /* tiles of that block */
  NAME(Epilogue) epilogue;
  int has_epilogue, is_streamed;
} NAME(Winograd);

INLINE const REAL* NAME(panel_of_u)(const NAME(Winograd)* run, int64_t point, int64_t column) {
  return run->u + point * run->job->u_plane + column * run->job->tiling.depth; /* whole panels come before it */
}

/* --- the filter ------------------------------------------------------------------------------------------------- */

/* Rows [begin, end) of the positions. */
INLINE void NAME(transform_filter)(const int points_y, const int points_x, const int window_y, const int window_x,
                                   const int begin, const int end, const REAL* taps, int64_t tap_distance,
                                   int64_t count, REAL* u, int64_t u_plane) {
  for (int64_t i = 0; i < count; i += VL) {
    vector g[THW_MOST_WINDOW][THW_MOST_WINDOW], half[THW_MOST_POINTS][THW_MOST_WINDOW], line[THW_MOST_POINTS];
    UNROLLED for (int y = 0; y < window_y; y++) UNROLLED for (int x = 0; x < window_x; x++)
      g[x][y] = LOAD(taps + (y * window_x + x) * tap_distance + i);
    UNROLLED for (int x = 0; x < window_x; x++) {
      NAME(filter_line)(points_y, window_y, g[x], line);
      UNROLLED for (int p = 0; p < points_y; p++) half[p][x] = line[p];
    }
    UNROLLED for (int p = begin; p < end; p++) {
      NAME(filter_line)(points_x, window_x, half[p], line);
      UNROLLED for (int q = 0; q < points_x; q++) STORE(u + ((p - begin) * points_x + q) * u_plane + i, line[q]);
    }
  }
}

static void NAME(transform_packed)(int form, const REAL* packed, int64_t count, REAL* u, int64_t u_plane) {
#define CASE(py, px, wy, wx)                                                                          \
  case FORM_OF(py, px, wy, wx):                                                                       \
    NAME(transform_filter)(py, px, wy, wx, 0, py, packed, count, count, u, u_plane);                  \
    break;
  switch (form) { EACH_SQUARE(CASE) EACH_LINE(CASE) }
#undef CASE
}

/* A task packs some rows of a panel, tap by tap, and transforms them. */
static void NAME(fill_u)(void* arg, int64_t begin, int64_t end, void* scratch) {
  const NAME(Winograd)* run = arg;
  const thw_winograd* job = run->job;
  const thw_tiling* g = &job->tiling;
  int64_t taps = g->window[0] * g->window[1], row_stride = job->is_turned ? 1 : g->columns;
  int64_t column_stride = job->is_turned ? g->depth : 1;
  REAL* packed = scratch;
  for (int64_t i = begin; i < end; i++) {
    int64_t column = i / job->fill_parts * PANEL, k = i % job->fill_parts * job->fill_depth;
    int64_t rows = least(job->fill_depth, g->depth - k), width = NAME(panel_width)(column, g->columns);
    for (int64_t t = 0; t < taps; t++)
      NAME(pack_panels)(packed + t * rows * width, 0, 0,
                        run->filter + (job->is_turned ? taps - 1 - t : t) * g->depth * g->columns + k * row_stride,
                        row_stride, column_stride, rows, column, least(column + PANEL, g->columns), g->columns);
    REAL* u = (REAL*)NAME(panel_of_u)(run, 0, column) + k * width;
    NAME(transform_packed)(g->form, packed, rows * width, u, job->u_plane);
  }
}

/* One half of the positions of a panel, straight from a filter that is not turned and whose rows need no padding. */
INLINE void NAME(fill_half)(const int points, const int window, const int half, const thw_tiling* g,
                            const REAL* filter, int64_t column, int64_t width, REAL* u, int64_t u_plane) {
  const int begin = half * points / 2, end = begin + points / 2;
  const int64_t distance = g->depth * g->columns;
  for (int64_t k = 0; k < g->depth; k++) {
    const REAL* taps = filter + k * g->columns + column;
    UNROLLED for (int t = 0; t < window * window; t++) /* they lie too far apart for the hardware to foresee */
      for (int64_t i = 0; i < width; i += VL) __builtin_prefetch(taps + t * distance + FILL_AHEAD * g->columns + i);
    NAME(transform_filter)(points, points, window, window, begin, end, taps, distance, width, u + k * width, u_plane);
  }
}

static void NAME(fill_half_panel)(const thw_tiling* g, const REAL* filter, int64_t column, int64_t width, int half,
                                  REAL* u, int64_t u_plane) {
#define CASE(py, px, wy, wx)                                                                          \
  case FORM_OF(py, px, wy, wx):                                                                       \
    if (half) NAME(fill_half)(py, wy, 1, g, filter, column, width, u, u_plane);                       \
    else NAME(fill_half)(py, wy, 0, g, filter, column, width, u, u_plane);                            \
    break;
  switch (g->form) { EACH_SQUARE(CASE) }
#undef CASE
}

/* --- tiles of x ------------------------------------------------------------------------------------------------- */

typedef struct { int64_t image, at[2]; } NAME(TilePlace); /* the first place of y */

INLINE NAME(TilePlace) NAME(tile_place)(const thw_tiling* g, int64_t tile) {
  int64_t row = tile / g->grid[1];
  return (NAME(TilePlace)){row / g->grid[0],
                           {row % g->grid[0] * g->outputs[0], tile % g->grid[1] * g->outputs[1]}};
}

/* The first `count` numbers of a vector, and zeros. */
INLINE vector NAME(load_part)(const REAL* p, int64_t count) {
  REAL numbers[VL] = {0};
  memcpy(numbers, p, count * sizeof(REAL));
  return LOAD(numbers);
}

/* `next`: what the next tile reads is fetched meanwhile; small pieces of many rows are too much for the hardware. */
INLINE void NAME(transform_input)(const int points_y, const int points_x, const REAL* const* at,
                                  const REAL* const* next, int64_t depth, REAL* v, int64_t v_plane) {
  for (int64_t c = 0; c < depth; c += VL) {
    vector d[THW_MOST_POINTS], half[THW_MOST_POINTS][THW_MOST_POINTS], line[THW_MOST_POINTS];
    UNROLLED for (int y = 0; y < points_y; y++) {
      UNROLLED for (int x = 0; x < points_x; x++) {
        const int i = y * points_x + x;
        __builtin_prefetch(next[i] + c);
        d[x] = c + VL <= depth ? LOAD(at[i] + c) : NAME(load_part)(at[i] + c, depth - c);
      }
      NAME(input_line)(points_x, d, line);
      UNROLLED for (int x = 0; x < points_x; x++) half[x][y] = line[x];
    }
    UNROLLED for (int x = 0; x < points_x; x++) {
      NAME(input_line)(points_y, half[x], line);
      UNROLLED for (int y = 0; y < points_y; y++) STORE(v + (y * points_x + x) * v_plane + c, line[y]);
    }
  }
}

/* Pointers to a tile's positions in a channels-last tensor from (y, x) on; zeros where they lie outside. */
INLINE void NAME(point_at)(const REAL** at, const REAL* tensor, const int64_t sides[2], int64_t image, int64_t y,
                           int64_t x, const int64_t size[2], int64_t channels, const REAL* zeros) {
  for (int64_t i = 0; i < sides[0]; i++)
    for (int64_t j = 0; j < sides[1]; j++) {
      int is_inside = (uint64_t)(y + i) < (uint64_t)size[0] && (uint64_t)(x + j) < (uint64_t)size[1];
      at[i * sides[1] + j] = is_inside ? tensor + ((image * size[0] + y + i) * size[1] + x + j) * channels : zeros;
    }
}

INLINE void NAME(point_at_tile)(const REAL** at, const thw_tiling* g, const REAL* x, int64_t tile,
                                const REAL* zeros) {
  const NAME(TilePlace) place = NAME(tile_place)(g, tile);
  NAME(point_at)(at, x, g->points, place.image, place.at[0] - g->before[0], place.at[1] - g->before[1], g->size,
                 g->depth, zeros);
}

/* Tiles [first, first + count) of x, as rows of V. */
static void NAME(input_tiles)(const thw_tiling* g, const REAL* x, const REAL* zeros, int64_t first, int64_t count,
                              REAL* v, int64_t v_stride, int64_t v_plane) {
  const REAL* at[2][THW_MOST_POSITIONS];
  NAME(point_at_tile)(at[0], g, x, first, zeros);
  for (int64_t i = 0; i < count; i++, v += v_stride) {
    const REAL *const *now = at[i & 1], *const *next = i + 1 < count ? at[(i + 1) & 1] : now;
    if (i + 1 < count) NAME(point_at_tile)(at[(i + 1) & 1], g, x, first + i + 1, zeros);
#define CASE(py, px) \
  case FORM_OF(py, px, 0, 0): NAME(transform_input)(py, px, now, next, g->depth, v, v_plane); break;
    switch (FORM_OF(g->points[0], g->points[1], 0, 0)) {
      CASE(4, 4) CASE(6, 6) CASE(8, 8) CASE(1, 6) CASE(6, 1) CASE(1, 10) CASE(10, 1)
    }
#undef CASE
  }
}

/* --- products --------------------------------------------------------------------------------------------------- */

/* M = V U at one position, for `count` tiles and the panel of U that begins with `column`. `lines`: cache lines of what
   lies after it that are fetched for each AHEAD_TERMS of a tile. */
static void NAME(multiply_panel)(const thw_winograd* job, const REAL* u, int64_t column, const REAL* v, REAL* m,
                                 int64_t count, int64_t lines) {
  const int32_t number = 0;
  int64_t most_height = ceil_div(count, ceil_div(count, MR)), width = NAME(panel_width)(column, job->tiling.columns);
  const char* ahead = (const char*)(u + job->tiling.depth * width);
  for (int64_t i = 0, height; i < count; i += height) {
    const REAL* rows[MR];
    REAL* out[MR];
    height = least(most_height, count - i);
    for (int64_t r = 0; r < height; r++) rows[r] = v + (i + r) * job->v_stride, out[r] = m + (i + r) * job->m_stride;
    for (int64_t k = 0, depth; k < job->tiling.depth; k += depth) {
      depth = least(job->sum_terms, job->tiling.depth - k);
      NAME(Tile) tile = {.rows = rows, .numbers = &number, .taps = 1, .depth = depth, .offset = k, .b = u + k * width,
                         .out = out, .column = column, .columns = width, .accumulate = k > 0, .ahead = ahead,
                         .ahead_lines = lines};
      NAME(rows_tiles)[height - 1][width / VL - 1](&tile);
      ahead += lines * 64 * ceil_div(depth, AHEAD_TERMS);
    }
  }
}

/* The panels of columns [first, end). Few tiles would wait for a large U: they fetch the next panel meanwhile. */
static void NAME(multiply)(const NAME(Winograd)* run, int64_t point, const REAL* v, REAL* m, int64_t count,
                           int64_t first, int64_t end) {
  int64_t heights = ceil_div(count, MR), lines = 0;
  if (heights <= 4 && run->job->u_numbers > LARGE_U) /* 7 x 7, 512 -> 512 at batch 8: 1.22 times the speed */
    lines = ceil_div(AHEAD_TERMS * PANEL * (int64_t)sizeof(REAL), 64 * heights);
  for (int64_t column = first; column < end; column += PANEL)
    NAME(multiply_panel)(run->job, NAME(panel_of_u)(run, point, column), column, v, m, count, lines);
}

/* --- tiles of y ------------------------------------------------------------------------------------------------- */

INLINE void NAME(store_place)(const NAME(Winograd)* run, vector sum, REAL* out, int64_t column) {
  int64_t columns = run->job->tiling.columns;
  if (column + VL <= columns) {
    if (run->has_epilogue) sum = NAME(finish_vector)(&run->epilogue, sum, out, column);
    if (run->is_streamed)
      STREAM(out, sum);
    else
      STORE(out, sum);
    return;
  }
  REAL sums[VL];
  STORE(sums, sum);
  for (int64_t j = 0; j < columns - column; j++)
    out[j] = run->has_epilogue ? NAME(finish_one)(&run->epilogue, sums[j], out + j, column + j) : sums[j];
}

INLINE void NAME(transform_output)(const int points_y, const int points_x, const int outputs_y, const int outputs_x,
                                   const NAME(Winograd)* run, const REAL* m, int64_t m_plane, REAL* y,
                                   const int64_t valid[2]) {
  const thw_tiling* g = &run->job->tiling;
  for (int64_t column = 0; column < g->columns; column += VL) {
    vector s[THW_MOST_POINTS], half[THW_MOST_OUTPUTS][THW_MOST_POINTS], line[THW_MOST_OUTPUTS];
    UNROLLED for (int i = 0; i < points_y; i++) {
      UNROLLED for (int j = 0; j < points_x; j++) s[j] = LOAD(m + (i * points_x + j) * m_plane + column);
      NAME(output_line)(points_x, outputs_x, s, line);
      UNROLLED for (int j = 0; j < outputs_x; j++) half[j][i] = line[j];
    }
    UNROLLED for (int j = 0; j < outputs_x; j++) {
      if (j >= valid[1]) break;
      NAME(output_line)(points_y, outputs_y, half[j], line);
      UNROLLED for (int i = 0; i < outputs_y; i++)
        if (i < valid[0]) NAME(store_place)(run, line[i], y + (i * g->places[1] + j) * g->columns + column, column);
    }
  }
}

static void NAME(output_tile)(const NAME(Winograd)* run, int64_t tile, const REAL* m, int64_t m_plane) {
  const thw_tiling* g = &run->job->tiling;
  const NAME(TilePlace) place = NAME(tile_place)(g, tile);
  const int64_t valid[2] = {g->places[0] - place.at[0], g->places[1] - place.at[1]};
  REAL* y = run->y + ((place.image * g->places[0] + place.at[0]) * g->places[1] + place.at[1]) * g->columns;
#define CASE(py, px, wy, wx)                                                                          \
  case FORM_OF(py, px, wy, wx):                                                                       \
    NAME(transform_output)(py, px, (py) - (wy) + 1, (px) - (wx) + 1, run, m, m_plane, y, valid);      \
    break;
  switch (g->form) { EACH_SQUARE(CASE) EACH_LINE(CASE) }
#undef CASE
}

/* --- running ---------------------------------------------------------------------------------------------------- */

static void NAME(run_tile_blocks)(void* arg, int64_t begin, int64_t end, void* scratch) {
  const NAME(Winograd)* run = arg;
  const thw_winograd* job = run->job;
  REAL *v = scratch, *m = v + job->v_numbers;
  for (int64_t block = begin; block < end; block++) {
    int64_t first = block * job->block_tiles, count = least(job->block_tiles, job->tiling.tiles - first);
    NAME(input_tiles)(&job->tiling, run->x, job->zeros, first, count, v, job->v_stride, job->v_plane);
    for (int64_t p = 0; p < job->tiling.positions; p++)
      NAME(multiply)(run, p, v + p * job->v_plane, m + p * job->m_plane, count, 0, job->tiling.columns);
    for (int64_t i = 0; i < count; i++) NAME(output_tile)(run, first + i, m + i * job->m_stride, job->m_plane);
  }
  if (run->is_streamed) stream_end();
}

static void NAME(run_input_phase)(void* arg, int64_t begin, int64_t end, void* scratch) {
  (void)scratch;
  const NAME(Winograd)* run = arg;
  const thw_winograd* job = run->job;
  NAME(input_tiles)(&job->tiling, run->x, job->zeros, run->first + begin, end - begin, run->v + begin * job->v_stride,
                    job->v_stride, job->v_plane);
}

static void NAME(run_product_phase)(void* arg, int64_t begin, int64_t end, void* scratch) {
  (void)scratch;
  const NAME(Winograd)* run = arg;
  const thw_winograd* job = run->job;
  for (int64_t i = begin; i < end; i++) {
    int64_t p = i / job->groups, first = i % job->groups * job->group_panels * PANEL;
    NAME(multiply)(run, p, run->v + p * job->v_plane, run->m + p * job->m_plane, run->count, first,
                   least(job->tiling.columns, first + job->group_panels * PANEL));
  }
}

/* A task makes half of the positions of a panel of U and uses it at once, while it is in the nearest cache. */
static void NAME(run_streamed_products)(void* arg, int64_t begin, int64_t end, void* scratch) {
  const NAME(Winograd)* run = arg;
  const thw_winograd* job = run->job;
  const thw_tiling* g = &job->tiling;
  const int64_t positions = g->positions / 2;
  for (int64_t i = begin; i < end; i++) {
    int64_t column = i / 2 * PANEL, width = NAME(panel_width)(column, g->columns), plane = g->depth * width + SKEW;
    REAL* u = scratch;
    NAME(fill_half_panel)(g, run->filter, column, width, i & 1, u, plane);
    for (int64_t p = 0, point = (i & 1) * positions; p < positions; p++, point++)
      NAME(multiply_panel)(job, u + p * plane, column, run->v + point * job->v_plane, run->m + point * job->m_plane,
                           run->count, 0);
  }
}

static void NAME(run_output_phase)(void* arg, int64_t begin, int64_t end, void* scratch) {
  (void)scratch;
  const NAME(Winograd)* run = arg;
  for (int64_t i = begin; i < end; i++)
    NAME(output_tile)(run, run->first + i, run->m + i * run->job->m_stride, run->job->m_plane);
  if (run->is_streamed) stream_end();
}

static void NAME(run_tiles)(thw_call* call, NAME(Winograd)* run) {
  const thw_winograd* job = run->job;
  const thw_core_api* core = call->core;
  if (!job->is_by_phases) {
    core->parallel_for(call->core_ctx, job->blocks, 1, NAME(run_tile_blocks), run);
    return;
  }
  int64_t panels = ceil_div(job->tiling.columns, PANEL);
  for (run->first = 0; run->first < job->tiling.tiles; run->first += run->count) {
    run->count = least(job->block_tiles, job->tiling.tiles - run->first);
    core->parallel_for(call->core_ctx, run->count, job->tile_grain, NAME(run_input_phase), run);
    if (!run->u)
      core->parallel_for(call->core_ctx, 2 * panels, 1, NAME(run_streamed_products), run);
    else
      core->parallel_for(call->core_ctx, job->tiling.positions * job->groups, job->product_grain, NAME(run_product_phase), run);
    core->parallel_for(call->core_ctx, run->count, job->tile_grain, NAME(run_output_phase), run);
  }
}

static int NAME(run_winograd)(thw_call* call, const thw_tensor* in, int32_t n_in, thw_tensor* out, int32_t n_out) {
  (void)n_in, (void)n_out;
  thw_winograd* job = call->state;
  REAL *u = call->workspace, *v = u + (job->can_stream ? 0 : job->u_numbers), *folded = v;
  NAME(Winograd) run = {.job = job, .x = in[job->x].data, .filter = in[job->filter].data, .y = out[0].data};
  if (job->is_by_phases) run.v = v, run.m = v + job->v_numbers, folded = run.m + job->m_numbers;
  run.has_epilogue = NAME(set_epilogue)(&run.epilogue, &job->finish, job->tiling.columns, in, run.y, folded);
  thw_filter filter = {.data = job->can_stream ? NULL : u};
  if (job->filter_lasts)
    filter = thw_filter_take(&job->use, call, job->filter, run.filter, &job->layout, job->u_numbers * sizeof(REAL),
                             filter.data);
  run.u = filter.data;
  if (run.u && !filter.is_made) {
    call->core->parallel_for(call->core_ctx, ceil_div(job->tiling.columns, PANEL) * job->fill_parts, 1, NAME(fill_u),
                             &run);
    thw_filter_made(&filter);
  }
  NAME(run_tiles)(call, &run);
  thw_filter_give(&filter);
  return THW_OK;
}

/* --- choosing --------------------------------------------------------------------------------------------------- */

/* Seconds of one core, fitted to measurements of 45 shapes on a Zen 5, with AVX-512 and with AVX2: what is chosen by them
   takes at most a fifth longer than the best. They belong to the instruction set and are not measured on the user's
   machine: the choice decides bits, which have to stay the same. */
#define SUMS_PER_SECOND (THW_VL * 0.8e10)                      /* multiply-adds of the micro-kernel */
#define ALONE (THW_VL == 16 ? 1.85 : 1.25)                     /* time of a panel of one vector, where two take 2 */
#define TILE_BYTES_PER_SECOND (THW_VL == 16 ? 48e9 : 36e9)     /* of V and M, written and read */
#define FILL_BYTES_PER_SECOND 20e9                             /* of U, made and read */
#define KEPT_BYTES_PER_SECOND 50e9                             /* of U, read while products are computed */
#define LEAST_GAIN 1.1                                         /* of a method that errs more */

/* Columns of a product as its time counts them. */
static double NAME(timed_width)(int64_t columns) {
  int64_t vectors = ceil_div(columns, VL);
  return ((double)(vectors & ~1) + (vectors & 1 ? ALONE : 0)) * VL;
}

static double NAME(tiled_seconds)(const thw_tiling* g, double u_bytes_per_second) {
  double positions = (double)g->positions, tiles = (double)g->tiles, depth = (double)g->depth;
  double width = (double)NAME(packed_width)(g->columns);
  double tile_bytes = 2 * positions * tiles * ((double)NAME(packed_width)(g->depth) + width) * sizeof(REAL);
  double sums = positions * (tiles < MR / 2 ? MR / 2 : tiles) * depth * NAME(timed_width)(g->columns);
  return sums / SUMS_PER_SECOND + tile_bytes / TILE_BYTES_PER_SECOND + /* few tiles leave lanes idle */
         positions * depth * width * sizeof(REAL) / u_bytes_per_second;
}

static double NAME(direct_seconds)(const thw_tiling* g) {
  double places = (double)(g->images * g->places[0] * g->places[1]);
  return places * (double)(g->window[0] * g->window[1] * g->depth) * NAME(timed_width)(g->columns) / SUMS_PER_SECOND;
}

/* Places of a tile's side for the quickest method; 0: direct sums. */
static int64_t NAME(best_outputs)(const thw_tiling* geometry, int filter_lasts) {
  thw_tiling g = *geometry;
  int64_t best = 0;
  double u_bytes_per_second = filter_lasts ? KEPT_BYTES_PER_SECOND : FILL_BYTES_PER_SECOND;
  double filter_bytes = (double)(g.window[0] * g.window[1] * g.depth * NAME(packed_width)(g.columns)) * sizeof(REAL);
  double least_seconds = (NAME(direct_seconds)(&g) + filter_bytes / u_bytes_per_second) / LEAST_GAIN;
  for (int64_t outputs = is_line(&g) ? 4 : 2; outputs <= THW_MOST_OUTPUTS; outputs += 2) {
    complete_tiling(&g, outputs);
    double seconds = NAME(tiled_seconds)(&g, u_bytes_per_second);
    if (seconds < least_seconds) best = outputs, least_seconds = seconds;
  }
  return best;
}

/* --- planning --------------------------------------------------------------------------------------------------- */

static void NAME(plan_winograd)(thw_winograd* job, int64_t outputs, size_t* workspace, size_t* scratch) {
  thw_tiling* g = &job->tiling;
  complete_tiling(g, outputs);
  int64_t positions = g->positions, panels = ceil_div(g->columns, PANEL);
  int64_t width = NAME(packed_width)(g->columns);
  job->sum_terms = ceil_div(g->depth, ceil_div(g->depth, most_terms(g)));
  job->u_plane = g->depth * width + SKEW;
  job->u_numbers = positions * job->u_plane;
  job->is_by_phases = job->u_numbers > LARGE_U || g->tiles < LEAST_BLOCKS * BLOCK_TILES;
  job->can_stream = job->u_numbers > LARGE_U && g->tiles >= STREAM_TILES && !is_line(g) && !job->is_turned &&
                    g->columns % VL == 0;
  job->blocks = most(1, ceil_div(g->tiles, job->is_by_phases ? PHASE_TILES : BLOCK_TILES));
  job->block_tiles = job->is_by_phases ? most(1, ceil_div(g->tiles, job->blocks)) : BLOCK_TILES;
  job->v_stride = NAME(packed_width)(g->depth) + SKEW;
  job->m_stride = width + SKEW;
  job->v_plane = job->block_tiles * job->v_stride + SKEW;
  job->m_plane = job->block_tiles * job->m_stride + SKEW;
  job->v_numbers = positions * job->v_plane;
  job->m_numbers = positions * job->m_plane;
  int64_t products = job->block_tiles * g->depth * g->columns;
  job->groups = least(panels, most(1, products / SMALL_WORK));
  job->group_panels = ceil_div(panels, job->groups);
  job->groups = ceil_div(panels, job->group_panels);
  job->product_grain = most(1, SMALL_WORK * job->groups / most(1, products));
  job->tile_grain = most(1, SMALL_WORK_BYTES / (positions * most(g->depth, g->columns) * (int64_t)sizeof(REAL)));
  job->fill_depth = least(g->depth, 32);
  job->fill_parts = ceil_div(g->depth, job->fill_depth);
  job->layout = (thw_layout){{sizeof(REAL), 0x57u << 8 | (uint64_t)job->is_turned, (uint64_t)g->form,
                              (uint64_t)g->depth, (uint64_t)g->columns}};
  int64_t fill = g->window[0] * g->window[1] * job->fill_depth * PANEL;
  if (job->can_stream) fill = most(fill, positions / 2 * (g->depth * PANEL + SKEW));
  *scratch = most(fill, job->is_by_phases ? 0 : job->v_numbers + job->m_numbers) * sizeof(REAL);
  *workspace = ((job->can_stream ? 0 : job->u_numbers) + (job->is_by_phases ? job->v_numbers + job->m_numbers : 0) +
                folded_numbers(&job->finish, g->columns)) * sizeof(REAL);
}
