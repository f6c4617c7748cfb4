/* Gradients of filters by Winograd's filtering (winograd.h), once per REAL.
 *
 *   V [position][tile][v_stride]    D [position][panel][tile][PANEL]    U [position][depth][columns, whole vectors]
 *
 * Blocks of tiles one after the other, each in two phases: tiles of x and of dy are transformed, then their products
 * are added to U, position by position. At the end U becomes the filter's gradient. While U is small, splits of the
 * tiles do so side by side, each with a U of its own and with V and D in its thread's second-level cache: LeNet's
 * 32 -> 64 with 5 x 5 at batch 100 takes 3.4 ms instead of 6.4 (Xeon, two cores).
 */

#define GRADIENT_BYTES (8 << 20) /* of V and D together: they stay in the last-level cache */
#define SPLIT_BYTES (768 << 10)  /* of a split's V and D */
#define SPLIT_U (160 << 10)      /* numbers, at most, where tiles are split */
#define MOST_SPLITS 8
#define MOST_BLOCK_TILES 256

#define EACH_GRADIENT(FORM) FORM(6, 6, 3, 3) FORM(8, 8, 5, 5) EACH_LINE(FORM)

typedef struct {
  const thw_winograd_gradient* job;
  const REAL *x, *dy;
  REAL *y, *v, *d, *u;
  int64_t first, count; /* tiles of this block */
  int adds;             /* to what U holds */
} NAME(WinogradGradient);

/* --- tiles ------------------------------------------------------------------------------------------------------ */

/* A tile of dy, as rows of D's panels. */
INLINE void NAME(spread_tile)(const int points_y, const int points_x, const int outputs_y, const int outputs_x,
                              const thw_winograd_gradient* job, const REAL* const* at, const REAL* const* next,
                              REAL* d, int64_t row) {
  int64_t columns = job->tiling.columns;
  for (int64_t c = 0; c < columns; c += VL) {
    vector line[THW_MOST_OUTPUTS], half[THW_MOST_POINTS][THW_MOST_OUTPUTS], spread[THW_MOST_POINTS];
    UNROLLED for (int y = 0; y < outputs_y; y++) {
      UNROLLED for (int x = 0; x < outputs_x; x++) {
        const int i = y * outputs_x + x;
        __builtin_prefetch(next[i] + c);
        line[x] = c + VL <= columns ? LOAD(at[i] + c) : NAME(load_part)(at[i] + c, columns - c);
      }
      NAME(output_adjoint)(points_x, outputs_x, line, spread);
      UNROLLED for (int x = 0; x < points_x; x++) half[x][y] = spread[x];
    }
    int64_t panel = c / PANEL * PANEL, width = NAME(panel_width)(panel, columns);
    REAL* target = d + panel * job->block_tiles + row * width + (c - panel);
    UNROLLED for (int x = 0; x < points_x; x++) {
      NAME(output_adjoint)(points_y, outputs_y, half[x], spread);
      UNROLLED for (int y = 0; y < points_y; y++) STORE(target + (y * points_x + x) * job->d_plane, spread[y]);
    }
  }
}

INLINE void NAME(point_at_gradient)(const REAL** at, const NAME(WinogradGradient)* run, int64_t tile) {
  const thw_tiling* g = &run->job->tiling;
  const NAME(TilePlace) place = NAME(tile_place)(g, tile);
  NAME(point_at)(at, run->dy, g->outputs, place.image, place.at[0], place.at[1], g->places, g->columns,
                 run->job->zeros);
}

static void NAME(transform_tiles)(void* arg, int64_t begin, int64_t end, void* scratch) {
  (void)scratch;
  const NAME(WinogradGradient)* run = arg;
  const thw_winograd_gradient* job = run->job;
  const REAL* at[2][THW_MOST_OUTPUTS * THW_MOST_OUTPUTS];
  NAME(input_tiles)(&job->tiling, run->x, job->zeros, run->first + begin, end - begin, run->v + begin * job->v_stride,
                    job->v_stride, job->v_plane);
  NAME(point_at_gradient)(at[begin & 1], run, run->first + begin);
  for (int64_t i = begin; i < end; i++) {
    const REAL *const *now = at[i & 1], *const *next = i + 1 < end ? at[(i + 1) & 1] : now;
    if (i + 1 < end) NAME(point_at_gradient)(at[(i + 1) & 1], run, run->first + i + 1);
#define CASE(py, px, wy, wx)                                                                          \
  case FORM_OF(py, px, wy, wx):                                                                       \
    NAME(spread_tile)(py, px, (py) - (wy) + 1, (px) - (wx) + 1, job, now, next, run->d, i);           \
    break;
    switch (job->tiling.form) { EACH_GRADIENT(CASE) }
#undef CASE
  }
}

/* --- products --------------------------------------------------------------------------------------------------- */

/* U += V^T D at one position, for some panels. */
static void NAME(add_products)(void* arg, int64_t begin, int64_t end, void* scratch) {
  (void)scratch;
  const NAME(WinogradGradient)* run = arg;
  const thw_winograd_gradient* job = run->job;
  const thw_tiling* g = &job->tiling;
  const REAL* rows[MOST_BLOCK_TILES];
  int32_t numbers[MOST_BLOCK_TILES];
  int64_t width_of_u = NAME(packed_width)(g->columns), terms = most_terms(g);
  for (int64_t k = 0; k < run->count; k++) numbers[k] = (int32_t)k;
  for (int64_t task = begin; task < end; task++) {
    int64_t p = task / job->groups, column = task % job->groups * job->group_panels * PANEL;
    int64_t last_column = least(g->columns, column + job->group_panels * PANEL);
    for (int64_t k = 0; k < run->count; k++) rows[k] = run->v + p * job->v_plane + k * job->v_stride;
    for (; column < last_column; column += PANEL) {
      int64_t width = NAME(panel_width)(column, g->columns);
      for (int64_t i = 0, height; i < g->depth; i += height) {
        REAL* out[MR];
        height = least(MR, g->depth - i);
        for (int64_t r = 0; r < height; r++) out[r] = run->u + p * job->u_plane + (i + r) * width_of_u;
        const REAL* panel = run->d + p * job->d_plane + column * job->block_tiles;
        for (int64_t k = 0, depth; k < run->count; k += depth) {
          depth = least(terms, run->count - k);
          NAME(Tile) tile = {.rows = rows + k, .numbers = numbers + k, .depth = depth, .offset = i, .b = panel,
                             .out = out, .column = column, .columns = width, .accumulate = run->adds || k > 0};
          NAME(places_tiles)[height - 1][width / VL - 1](&tile);
        }
      }
    }
  }
}

/* --- the filter ------------------------------------------------------------------------------------------------- */

INLINE void NAME(finish_filter_row)(const int points_y, const int points_x, const int window_y, const int window_x,
                                    const NAME(WinogradGradient)* run, int64_t row) {
  const thw_tiling* g = &run->job->tiling;
  const REAL* u = run->u + row * NAME(packed_width)(g->columns);
  for (int64_t c = 0; c < g->columns; c += VL) {
    vector line[THW_MOST_POINTS], half[THW_MOST_WINDOW][THW_MOST_POINTS], taps[THW_MOST_WINDOW];
    UNROLLED for (int y = 0; y < points_y; y++) {
      UNROLLED for (int x = 0; x < points_x; x++) {
        const REAL* place = u + (y * points_x + x) * run->job->u_plane + c;
        line[x] = LOAD(place);
        for (int64_t split = 1; split < run->job->splits; split++)
          line[x] += LOAD(place + split * run->job->u_numbers);
      }
      NAME(filter_adjoint)(points_x, window_x, line, taps);
      UNROLLED for (int x = 0; x < window_x; x++) half[x][y] = taps[x];
    }
    UNROLLED for (int x = 0; x < window_x; x++) {
      NAME(filter_adjoint)(points_y, window_y, half[x], taps);
      UNROLLED for (int y = 0; y < window_y; y++) {
        REAL* target = run->y + ((y * window_x + x) * g->depth + row) * g->columns + c;
        if (c + VL <= g->columns)
          STORE(target, taps[y]);
        else
          memcpy(target, &taps[y], (g->columns - c) * sizeof(REAL));
      }
    }
  }
}

static void NAME(finish_filter)(void* arg, int64_t begin, int64_t end, void* scratch) {
  (void)scratch;
  const NAME(WinogradGradient)* run = arg;
#define CASE(py, px, wy, wx) \
  case FORM_OF(py, px, wy, wx): NAME(finish_filter_row)(py, px, wy, wx, run, row); break;
  for (int64_t row = begin; row < end; row++)
    switch (run->job->tiling.form) { EACH_GRADIENT(CASE) }
#undef CASE
}

/* --- running and planning --------------------------------------------------------------------------------------- */

static void NAME(run_splits)(void* arg, int64_t begin, int64_t end, void* scratch) {
  NAME(WinogradGradient) run = *(const NAME(WinogradGradient)*)arg;
  const thw_winograd_gradient* job = run.job;
  REAL* copies = run.u;
  run.v = scratch, run.d = run.v + job->v_numbers;
  for (int64_t split = begin; split < end; split++) {
    int64_t last = least(job->tiling.tiles, (split + 1) * job->split_tiles);
    run.u = copies + split * job->u_numbers;
    run.adds = 0;
    for (run.first = split * job->split_tiles; run.first < last; run.first += run.count, run.adds = 1) {
      run.count = least(job->block_tiles, last - run.first);
      NAME(transform_tiles)(&run, 0, run.count, NULL);
      NAME(add_products)(&run, 0, job->tiling.positions * job->groups, NULL);
    }
  }
}

static void NAME(run_phases)(thw_call* call, NAME(WinogradGradient)* run) {
  const thw_winograd_gradient* job = run->job;
  const thw_core_api* core = call->core;
  for (; run->first < job->tiling.tiles; run->first += job->block_tiles, run->adds = 1) {
    run->count = least(job->block_tiles, job->tiling.tiles - run->first);
    core->parallel_for(call->core_ctx, run->count, job->tile_grain, NAME(transform_tiles), run);
    core->parallel_for(call->core_ctx, job->tiling.positions * job->groups, job->product_grain, NAME(add_products), run);
  }
}

static int NAME(run_winograd_gradient)(thw_call* call, const thw_tensor* in, int32_t n_in, thw_tensor* out,
                                       int32_t n_out) {
  (void)n_in, (void)n_out;
  const thw_winograd_gradient* job = call->state;
  const thw_core_api* core = call->core;
  NAME(WinogradGradient) run = {.job = job, .x = in[job->x].data, .dy = in[job->dy].data, .y = out[0].data};
  run.u = call->workspace, run.v = run.u + job->u_numbers, run.d = run.v + job->v_numbers;
  if (job->splits)
    core->parallel_for(call->core_ctx, job->splits, 1, NAME(run_splits), &run);
  else
    NAME(run_phases)(call, &run);
  core->parallel_for(call->core_ctx, job->tiling.depth, job->filter_grain, NAME(finish_filter), &run);
  return THW_OK;
}

static void NAME(plan_winograd_gradient)(thw_winograd_gradient* job, size_t* workspace, size_t* scratch) {
  thw_tiling* g = &job->tiling;
  complete_tiling(g, THW_MOST_OUTPUTS);
  int64_t positions = g->positions;
  int64_t width = NAME(packed_width)(g->columns), panels = ceil_div(g->columns, PANEL);
  job->v_stride = NAME(packed_width)(g->depth) + SKEW;
  int64_t tile_bytes = positions * (job->v_stride + width) * (int64_t)sizeof(REAL);
  int is_split = positions * g->depth * width <= SPLIT_U;
  int64_t most_tiles = most(16, least(MOST_BLOCK_TILES, (is_split ? SPLIT_BYTES : GRADIENT_BYTES) / tile_bytes));
  job->block_tiles = ceil_div(g->tiles, ceil_div(g->tiles, most_tiles));
  job->splits = is_split ? least(MOST_SPLITS, ceil_div(g->tiles, job->block_tiles)) : 0;
  if (is_split) {
    int64_t blocks = ceil_div(ceil_div(g->tiles, job->block_tiles), job->splits);
    job->split_tiles = blocks * job->block_tiles;
    job->splits = ceil_div(g->tiles, job->split_tiles);
  }
  job->v_plane = job->block_tiles * job->v_stride + SKEW;
  job->d_plane = job->block_tiles * width + SKEW;
  job->u_plane = g->depth * width + SKEW;
  job->v_numbers = positions * job->v_plane, job->d_numbers = positions * job->d_plane;
  job->u_numbers = positions * job->u_plane;
  int64_t products = job->block_tiles * g->depth * g->columns; /* of a position */
  job->groups = least(panels, most(1, products / SMALL_WORK));
  job->group_panels = ceil_div(panels, job->groups);
  job->groups = ceil_div(panels, job->group_panels);
  job->product_grain = most(1, SMALL_WORK * job->groups / most(1, products));
  job->tile_grain = most(1, SMALL_WORK_BYTES / (positions * (g->depth + g->columns) * (int64_t)sizeof(REAL)));
  job->filter_grain = most(1, SMALL_WORK_BYTES / (positions * g->columns * (int64_t)sizeof(REAL)));
  size_t tiles_bytes = (job->v_numbers + job->d_numbers) * sizeof(REAL);
  *workspace = most(1, job->splits) * job->u_numbers * sizeof(REAL) + (is_split ? 0 : tiles_bytes);
  *scratch = is_split ? tiles_bytes : 0;
}

#define PLACES_TIME 1.15 /* of the micro-kernel of direct sums, whose factors lie a row apart, and of that of tiles */

static int NAME(is_gradient_quicker)(const thw_tiling* geometry) {
  thw_tiling g = *geometry;
  complete_tiling(&g, THW_MOST_OUTPUTS);
  return NAME(tiled_seconds)(&g, FILL_BYTES_PER_SECOND) * LEAST_GAIN < NAME(direct_seconds)(&g) * PLACES_TIME;
}
