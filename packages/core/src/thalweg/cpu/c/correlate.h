/* correlate (gemm.h), once per REAL.
 *
 * A task is a block of places times a group of panels. It expands its places into row pointers once, in scratch, and
 * runs the tiles over them. The filter is packed first where several blocks share it or it is kept from run to run
 * (filters.h); a single block packs what it needs itself, for some terms at a time, into scratch that stays in the
 * second-level cache.
 */

/* --- planning ------------------------------------------------------------------------------------------------- */

static int64_t NAME(packed_offset)(const thw_correlation* job, const thw_window* w, int64_t column) {
  return w->first_packed + column * w->n_taps * job->depth; /* whole panels come before it */
}

/* Places of a block of one tap. Where x is made there must be tasks without groups of panels, which would each make
   their block again, and blocks that stay in the second-level cache. */
static int64_t NAME(made_places)(thw_correlation* job, int64_t places) {
  int64_t most_made = MADE_BYTES / most(1, job->depth * (int64_t)sizeof(REAL));
  for (int64_t wanted = 96; job->makes_x && wanted >= 48; wanted /= 2)
    if (wanted <= most_made && places / wanted >= TASKS) return wanted;
  job->makes_x = 0;
  return 96;
}

/* Blocks of places: enough for whole tiles of each kind (order_places), few enough for the second-level cache. Where
   they are few, groups of panels make up the tasks, TASKS in all where there is so much to do. */
static void NAME(split_tasks)(thw_correlation* job, int64_t most_places, int64_t most_taps, int64_t products) {
  int64_t wanted = most_taps > 1 ? 192 : NAME(made_places)(job, most_places), all_blocks = 0;
  int64_t blocks = most(1, (most_places + wanted / 2) / wanted);
  job->block_places = ceil_div(ceil_div(most(most_places, 1), blocks), MR) * MR;
  for (int64_t i = 0; i < job->n_windows; i++) {
    job->windows[i].blocks = ceil_div(job->windows[i].places, job->block_places);
    all_blocks += job->windows[i].blocks * job->batches;
  }
  int64_t panels = ceil_div(job->columns, PANEL);
  int64_t groups = least(panels, least(ceil_div(TASKS, most(1, all_blocks)), 1 + products / SMALL_WORK));
  if (job->makes_x) groups = 1;
  job->group_panels = ceil_div(most(panels, 1), most(groups, 1));
  job->groups = ceil_div(panels, job->group_panels);
  job->is_prepacked = job->batches == 1 && (blocks > 1 || job->filter_lasts);
  job->tasks = 0;
  for (int64_t i = 0; i < job->n_windows; i++) {
    job->windows[i].first_task = job->tasks;
    job->tasks += job->windows[i].blocks * job->groups * job->batches;
  }
  job->grain = most(1, SMALL_WORK * job->tasks / most(1, products));
}

/* Terms of the sums that one pass takes: whole taps, or some channels of one. */
static void NAME(split_terms)(thw_correlation* job, int64_t most_taps) {
  int64_t terms = DEPTH_BLOCK;
  if (!job->is_prepacked)
    terms = least(terms, most(128, GROUP_BYTES / (job->group_panels * PANEL * (int64_t)sizeof(REAL))));
  job->taps_block = most(1, least(most_taps, terms / most(1, job->depth)));
  job->depth_block = most(1, ceil_div(job->depth, most(1, ceil_div(job->depth, terms))));
  int is_one_block = job->depth <= job->depth_block && most_taps <= job->taps_block;
  int64_t group_bytes = most_taps * job->depth * job->group_panels * PANEL * (int64_t)sizeof(REAL);
  job->is_row_major = is_one_block && group_bytes <= GROUP_BYTES;
}

/* What a packed filter depends on, besides its values. */
static thw_layout NAME(panel_layout)(const thw_correlation* job) {
  uint64_t order = 14695981039346656037u; /* FNV-1a over the taps */
  for (int64_t i = 0; i < job->n_windows; i++)
    for (int64_t t = 0; t < job->windows[i].n_taps; t++)
      order = (order ^ (uint64_t)job->windows[i].taps[t].filter) * 1099511628211u;
  return (thw_layout){{sizeof(REAL), (uint64_t)job->n_windows, order, (uint64_t)job->depth, (uint64_t)job->columns,
                       (uint64_t)job->block_stride, (uint64_t)job->row_stride, (uint64_t)job->column_stride}};
}

static void NAME(plan_correlation)(thw_correlation* job, size_t* workspace, size_t* scratch) {
  int64_t products = 0, most_places = 0, packed = 0, most_taps = 0, sums = 0;
  for (int64_t i = 0; i < job->n_windows; i++) {
    thw_window* w = &job->windows[i];
    complete_window(w);
    most_places = most(most_places, w->places);
    most_taps = most(most_taps, w->n_taps);
    products += w->places * w->n_taps * job->depth * job->columns * job->batches;
    w->first_packed = packed;
    packed += w->n_taps * job->depth * NAME(packed_width)(job->columns);
  }
  NAME(split_tasks)(job, most_places, most_taps, products);
  NAME(split_terms)(job, most_taps);
  job->is_product = NAME(plan_product)(job, &sums);
  job->layout = NAME(panel_layout)(job);
  job->packed_numbers = ceil_div(job->is_product ? sums : job->is_prepacked ? packed : 0, 16) * 16;
  job->pack_grain = most(1, SMALL_WORK_BYTES / most(1, most_taps * job->depth * PACK_PANELS * PANEL *
                                                           (int64_t)sizeof(REAL)));
  job->edge_numbers = NAME(edge_numbers)(job);
  *workspace = (job->packed_numbers + folded_numbers(&job->finish, job->columns)) * sizeof(REAL);
  *scratch = job->is_product ? 0 : NAME(layout_bytes)(job) + job->edge_numbers * sizeof(REAL) + 64;
  if (job->makes_x) *scratch += job->block_places * job->depth * sizeof(REAL) + job->maker_scratch + 64;
  if (!job->is_product && !job->is_prepacked)
    *scratch += job->taps_block * job->depth_block * job->group_panels * PANEL * sizeof(REAL);
}

/* --- packing -------------------------------------------------------------------------------------------------- */

/* Columns [first, end) of a window's filter, for these terms, as panels `distance` numbers apart. */
static void NAME(pack_filter)(const thw_correlation* job, const thw_window* w, const REAL* filter, int64_t first,
                              int64_t end, thw_terms s, REAL* target, int64_t distance) {
  int64_t depth = s.k1 - s.k0;
  for (int64_t t = s.t0; t < s.t1; t++)
    NAME(pack_panels)(target, distance, (t - s.t0) * depth, filter + w->taps[t].filter * job->block_stride +
                      s.k0 * job->row_stride, job->row_stride, job->column_stride, depth, first, end, job->columns);
}

/* A task packs PACK_PANELS panels of one window. */
static void NAME(prepack)(void* arg, int64_t begin, int64_t end, void* scratch) {
  (void)scratch;
  const NAME(Correlation)* run = arg;
  const thw_correlation* job = run->job;
  int64_t tasks = ceil_div(job->columns, PACK_PANELS * PANEL);
  for (int64_t i = begin; i < end; i++) {
    const thw_window* w = &job->windows[i / tasks];
    int64_t first = i % tasks * PACK_PANELS * PANEL, last = least(job->columns, first + PACK_PANELS * PANEL);
    NAME(pack_filter)(job, w, run->filter, first, last, (thw_terms){0, w->n_taps, 0, job->depth},
                      (REAL*)run->packed + NAME(packed_offset)(job, w, first), w->n_taps * job->depth * PANEL);
  }
}

/* --- running -------------------------------------------------------------------------------------------------- */

/* How many of the tile's taps come before tap t. */
INLINE int64_t NAME(taps_before)(const NAME(TilePlan)* tile, int64_t t, int64_t n_taps) {
  if (n_taps > MASKED_TAPS || t <= 0) return t;
  return __builtin_popcountll(t < 64 ? tile->taps & (((uint64_t)1 << t) - 1) : tile->taps);
}

/* One tile times one panel. Meanwhile a share of the rows `ahead`, if any, is fetched: so many `shares` are all. */
INLINE void NAME(run_tile)(const NAME(Block)* block, const NAME(TilePlan)* plan, int64_t column, const REAL* panel,
                           thw_terms s, const REAL* ahead, int64_t share, int64_t shares) {
  const NAME(Correlation)* run = block->run;
  const thw_window* w = block->window;
  int64_t width = NAME(panel_width)(column, run->job->columns);
  int64_t skipped = NAME(taps_before)(plan, s.t0, w->n_taps);
  int64_t taps = NAME(taps_before)(plan, s.t1, w->n_taps) - skipped;
  int is_first = s.t0 == 0 && s.k0 == 0, is_last = s.t1 == w->n_taps && s.k1 == run->job->depth;
  const NAME(Epilogue)* epilogue = is_last && run->has_epilogue ? &run->epilogue : NULL;
  if (!taps && !is_first && !epilogue) return;
  NAME(Tile) tile = {plan->rows + skipped * plan->height, plan->numbers + skipped, taps, s.k1 - s.k0, s.k0,
                     panel - s.t0 * (s.k1 - s.k0) * width, block->out + plan->first, column,
                     least(width, run->job->columns - column), !is_first, epilogue,
                     run->is_streamed && is_first && is_last, NULL, 0};
  if (ahead) {
    tile.ahead_lines = ceil_div(plan->height * AHEAD_TERMS * (int64_t)sizeof(REAL), 64 * shares);
    tile.ahead = (const char*)ahead + share * tile.ahead_lines * 64 * ceil_div(tile.depth, AHEAD_TERMS);
  }
  NAME(rows_tiles)[plan->height - 1][width / VL - 1](&tile);
}

/* All tiles and the group's panels, for these terms. A small filter stays in cache whole: then each row of y is
   finished before the next; otherwise one panel at a time meets all tiles. */
static void NAME(run_terms)(const NAME(Block)* block, int64_t first, int64_t end, thw_terms s) {
  const NAME(Correlation)* run = block->run;
  const thw_correlation* job = run->job;
  const thw_window* w = block->window;
  int64_t distance = (s.t1 - s.t0) * (s.k1 - s.k0) * PANEL;
  const REAL* panels = block->panels;
  if (job->is_prepacked) {
    distance = w->n_taps * job->depth * PANEL;
    panels = run->packed + NAME(packed_offset)(job, w, first);
  } else {
    NAME(pack_filter)(job, w, block->filter, first, end, s, block->panels, distance);
  }
  int64_t passed = job->is_prepacked ? s.t0 * job->depth + s.k0 : 0; /* rows of a panel before these terms */
  int64_t n_panels = ceil_div(end - first, PANEL);
  int is_dense = w->n_taps == 1 && w->places == w->grid[2] && w->step[2] * w->x_stride[3] == s.k1 - s.k0;
  int64_t outer = job->is_row_major ? block->n_tiles : n_panels, inner = job->is_row_major ? n_panels : block->n_tiles;
  for (int64_t i = 0; i < outer; i++)
    for (int64_t j = 0; j < inner; j++) {
      int64_t p = job->is_row_major ? j : i, column = first + p * PANEL;
      const REAL* panel = panels + p * distance + passed * NAME(panel_width)(column, job->columns);
      int64_t number = job->is_row_major ? i : j;
      const NAME(TilePlan)* tile = &block->tiles[number];
      const REAL* ahead = NULL; /* 256 -> 64 at 56 x 56: 110 -> 180 GF/s */
      if (is_dense && (job->is_row_major || p == 0))
        ahead = number + 1 == block->n_tiles ? block->next : tile[1].taps ? tile[1].rows[0] : NULL;
      NAME(run_tile)(block, tile, column, panel, s, ahead, p, job->is_row_major ? n_panels : 1);
    }
}

static void NAME(run_block)(const NAME(Block)* block, int64_t group) {
  const thw_correlation* job = block->run->job;
  int64_t first = group * job->group_panels * PANEL, end = least(job->columns, first + job->group_panels * PANEL);
  int64_t t = 0, taps = block->window->n_taps;
  do { /* once even where there is nothing to sum: the result is zero, and has its epilogue */
    int64_t next_t = least(taps, t + job->taps_block), k = 0;
    do {
      int64_t next_k = least(job->depth, k + job->depth_block);
      NAME(run_terms)(block, first, end, (thw_terms){t, next_t, k, next_k});
      k = next_k;
    } while (k < job->depth);
    t = next_t;
  } while (t < taps);
}

static void NAME(run_tasks)(void* arg, int64_t begin, int64_t end, void* scratch) {
  const NAME(Correlation)* run = arg;
  const thw_correlation* job = run->job;
  const thw_window* w = job->windows + job->n_windows - 1;
  for (int64_t task = end - 1; task >= begin; task--) {
    while (task < w->first_task) w--;
    int64_t i = task - w->first_task, group = i / w->blocks % job->groups;
    NAME(Block) block = {.run = run, .window = w};
    NAME(lay_out_block)(&block, i / w->blocks / job->groups, i % w->blocks * job->block_places, scratch);
    NAME(run_block)(&block, group);
  }
  if (run->is_streamed) stream_end();
}

static void NAME(run_all_tasks)(thw_call* call, const NAME(Correlation)* run) {
  call->core->parallel_for(call->core_ctx, run->job->tasks, run->job->grain, NAME(run_tasks), (void*)run);
}

/* With the filter packed beforehand: kept from an earlier run, or now. */
static void NAME(run_prepacked)(thw_call* call, NAME(Correlation)* run, thw_filter_use* use) {
  const thw_correlation* job = run->job;
  thw_filter filter = {.data = (void*)run->packed};
  if (job->filter_lasts)
    filter = thw_filter_take(use, call, job->filter, run->filter, &job->layout, job->packed_numbers * sizeof(REAL),
                             filter.data);
  run->packed = filter.data;
  if (!filter.is_made) {
    call->core->parallel_for(call->core_ctx, job->n_windows * ceil_div(job->columns, PACK_PANELS * PANEL),
                             job->pack_grain, NAME(prepack), run);
    thw_filter_made(&filter);
  }
  NAME(run_all_tasks)(call, run);
  thw_filter_give(&filter);
}

static int NAME(follow)(thw_call* call, void* state, const thw_tensor* in, thw_tensor* out, const thw_source* x) {
  const thw_correlation* job = state;
  REAL *packed = call->workspace, *folded = packed + job->packed_numbers;
  NAME(Correlation) run = {.job = job, .x = x->data, .source = *x, .filter = in[job->filter].data,
                           .packed = packed, .y = out[0].data};
  run.has_epilogue = NAME(set_epilogue)(&run.epilogue, &job->finish, job->columns, in, run.y, folded);
  int64_t rows = 0;
  for (int64_t i = 0; i < job->n_windows; i++) rows += job->windows[i].places * job->batches;
  run.is_streamed = NAME(is_streamed)(run.y, rows, job->columns);
  if (job->is_product) {
    NAME(run_product)(call, &run, packed);
    return THW_OK;
  }
  if (job->is_prepacked)
    NAME(run_prepacked)(call, &run, &((thw_correlation*)state)->use);
  else
    NAME(run_all_tasks)(call, &run);
  return THW_OK;
}

static int NAME(run_correlation)(thw_call* call, const thw_tensor* in, int32_t n_in, thw_tensor* out, int32_t n_out) {
  (void)n_in, (void)n_out;
  const thw_correlation* job = call->state;
  return NAME(follow)(call, call->state, in, out, &(thw_source){.data = in[job->x].data});
}
