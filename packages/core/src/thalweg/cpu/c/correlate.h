/* correlate (gemm.h), once per REAL.
 *
 * A task is a block of places times a group of panels. It expands its places into row pointers once, in scratch, and
 * runs the tiles over them. The filter is packed first, into the call's workspace, where several blocks share it (the
 * place for a cache of packed filters: run_packed_correlation takes them ready); a single block packs what it needs
 * itself, panel by panel, into scratch that stays in the second-level cache.
 */

typedef struct {
  const thw_correlation* job;
  const REAL *x, *filter; /* filter: as given */
  const REAL* packed;     /* or, where job->is_prepacked, in panels */
  REAL* y;
  NAME(Epilogue) epilogue;
  int has_epilogue;
} NAME(Correlation);

/* --- planning ------------------------------------------------------------------------------------------------- */

static int64_t NAME(packed_offset)(const thw_correlation* job, const thw_window* w, int64_t column) {
  return w->first_packed + column * w->n_taps * job->depth; /* whole panels come before it */
}

static size_t NAME(rows_bytes)(const thw_correlation* job) {
  int64_t taps = 1;
  for (int64_t i = 0; i < job->n_windows; i++) taps = most(taps, job->windows[i].n_taps);
  return job->block_places * (sizeof(thw_place) + (taps + 1) * sizeof(void*));
}

static void NAME(plan_correlation)(thw_correlation* job, size_t* workspace, size_t* scratch) {
  int64_t places = 0, multiply_adds = 0, most_places = 0, packed = 0, most_taps = 0;
  for (int64_t i = 0; i < job->n_windows; i++) {
    thw_window* w = &job->windows[i];
    complete_window(w);
    places += w->places;
    most_places = most(most_places, w->places);
    most_taps = most(most_taps, w->n_taps);
    multiply_adds += w->places * w->n_taps * job->depth * job->columns * job->batches;
    w->first_packed = packed;
    packed += w->n_taps * job->depth * NAME(packed_width)(job->columns);
  }
  /* About 96 places at a time; a little more rather than a second, smaller block. */
  int64_t wanted = job->depth * most_taps >= 1024 && most_places >= 192 ? 48 : 96;
  int64_t blocks = most(1, (most_places + wanted / 2) / wanted);
  job->block_places = ceil_div(ceil_div(most(most_places, 1), blocks), MR) * MR;
  int64_t all_blocks = 0;
  for (int64_t i = 0; i < job->n_windows; i++) {
    thw_window* w = &job->windows[i];
    w->blocks = ceil_div(w->places, job->block_places);
    all_blocks += w->blocks;
  }
  all_blocks *= job->batches;
  /* Few blocks: let groups of panels make up the tasks, 16 in all where there is so much to do. */
  int64_t panels = ceil_div(job->columns, PANEL);
  int64_t groups = least(panels, least(ceil_div(16, most(1, all_blocks)), 1 + multiply_adds / SMALL_WORK));
  job->group_panels = ceil_div(most(panels, 1), most(groups, 1));
  job->groups = ceil_div(panels, job->group_panels);
  job->is_prepacked = job->batches == 1 && blocks > 1;
  job->taps_block = most(1, DEPTH_BLOCK / most(1, job->depth));
  job->depth_block = least(job->depth, DEPTH_BLOCK);
  int is_one_block = job->depth <= job->depth_block && most_taps <= job->taps_block;
  int64_t group_bytes = most_taps * job->depth * job->group_panels * PANEL * (int64_t)sizeof(REAL);
  job->is_row_major = is_one_block && group_bytes <= 400 * 1024;
  int64_t first = 0;
  for (int64_t i = 0; i < job->n_windows; i++) {
    job->windows[i].first_task = first;
    first += job->windows[i].blocks * job->groups * job->batches;
  }
  job->tasks = first;
  job->grain = most(1, SMALL_WORK * job->tasks / most(1, multiply_adds));
  job->packed_numbers = job->is_prepacked ? ceil_div(packed, 16) * 16 : 0;
  job->pack_grain = most(1, SMALL_WORK_BYTES / most(1, most_taps * job->depth * PANEL * (int64_t)sizeof(REAL)));
  job->margin_numbers = ceil_div(job->margin.rows * job->margin.width, 16) * 16;
  int64_t normalisation = job->finish.normalisation >= 0 ? 2 * ceil_div(job->columns, 16) * 16 : 0;
  *workspace = (job->packed_numbers + job->margin_numbers + normalisation) * sizeof(REAL);
  int64_t panel = least(job->taps_block, most(1, most_taps)) * most(1, job->depth_block) * PANEL;
  *scratch = NAME(rows_bytes)(job) + 64;
  if (!job->is_prepacked) *scratch += panel * (job->is_row_major ? job->group_panels : 1) * sizeof(REAL);
}

/* --- packing -------------------------------------------------------------------------------------------------- */

/* Panel at `column` of taps [t0, t1) and channels [k0, k1) of a window. */
static void NAME(pack_filter)(const thw_correlation* job, const thw_window* w, const REAL* filter, int64_t column,
                              int64_t t0, int64_t t1, int64_t k0, int64_t k1, REAL* target) {
  int64_t width = NAME(panel_width)(column, job->columns), columns = least(width, job->columns - column);
  for (int64_t t = t0; t < t1; t++, target += (k1 - k0) * width)
    NAME(pack_panel)(target, filter + w->taps[t].filter * job->block_stride + k0 * job->row_stride +
                     column * job->column_stride, job->row_stride, job->column_stride, k1 - k0, columns, width);
}

static void NAME(pack_panels)(void* arg, int64_t begin, int64_t end, void* scratch) {
  (void)scratch;
  const NAME(Correlation)* run = arg;
  const thw_correlation* job = run->job;
  int64_t panels = ceil_div(job->columns, PANEL);
  for (int64_t i = begin; i < end; i++) {
    const thw_window* w = &job->windows[i / panels];
    int64_t column = i % panels * PANEL;
    NAME(pack_filter)(job, w, run->filter, column, 0, w->n_taps, 0, job->depth,
                      (REAL*)run->packed + NAME(packed_offset)(job, w, column));
  }
}

/* --- running -------------------------------------------------------------------------------------------------- */

typedef struct { /* what a task has laid out in its scratch */
  const NAME(Correlation)* run;
  const thw_window* window;
  const REAL *x, *filter;    /* of this batch */
  int64_t count;             /* places of the block */
  int64_t height;            /* of its tiles, all but the last */
  const REAL** rows;         /* tile whose first place is p: rows + p * taps, as [taps][mr] */
  REAL** out;                /* [count] */
  REAL* panels;              /* packed here, unless prepacked */
} NAME(Block);

static void NAME(point_tile)(const NAME(Block)* block, const thw_place* places, int mr, const REAL** rows) {
  const thw_window* w = block->window;
  int inside = 1;
  for (int i = 0; i < mr; i++) inside &= places[i].is_inside;
  for (int64_t t = 0; t < w->n_taps; t++, rows += mr) {
    const thw_tap* tap = &w->taps[t];
    for (int i = 0; i < mr; i++)
      rows[i] = inside || reads_inside(w, &places[i], tap) ? block->x + (places[i].x + tap->offset)
                                                           : (const REAL*)block->run->job->zeros;
  }
}

static void NAME(lay_out_block)(NAME(Block)* block, int64_t batch, int64_t begin, char* scratch) {
  const NAME(Correlation)* run = block->run;
  const thw_correlation* job = run->job;
  const thw_window* w = block->window;
  thw_place* places = (thw_place*)scratch;
  block->x = run->x + (job->batches > 1 ? job->x_offsets[batch] : 0);
  block->filter = run->filter + (job->batches > 1 ? job->filter_offsets[batch] : 0);
  block->count = least(job->block_places, w->places - begin);
  block->height = ceil_div(block->count, ceil_div(block->count, MR));
  block->out = (REAL**)(places + job->block_places);
  block->rows = (const REAL**)(block->out + job->block_places);
  block->panels = (REAL*)(((uintptr_t)scratch + NAME(rows_bytes)(job) + 63) & ~(uintptr_t)63);
  expand_places(w, begin, block->count, places);
  for (int64_t i = 0; i < block->count; i++) block->out[i] = run->y + batch * job->y_batch_stride + places[i].y;
  for (int64_t p = 0; p < block->count; p += block->height)
    NAME(point_tile)(block, places + p, (int)least(block->height, block->count - p), block->rows + p * w->n_taps);
}

/* The packed panel at `column`, for these terms. */
static const REAL* NAME(panel_of)(const NAME(Block)* block, int64_t column, thw_terms s, REAL* target) {
  const NAME(Correlation)* run = block->run;
  const thw_correlation* job = run->job;
  if (job->is_prepacked)
    return run->packed + NAME(packed_offset)(job, block->window, column) +
           (s.t0 * job->depth + s.k0) * NAME(panel_width)(column, job->columns);
  NAME(pack_filter)(job, block->window, block->filter, column, s.t0, s.t1, s.k0, s.k1, target);
  return target;
}

/* The tile that begins at a place of the block, times one panel. */
INLINE void NAME(run_tile)(const NAME(Block)* block, int64_t first, int64_t column, const REAL* panel, thw_terms s) {
  const NAME(Correlation)* run = block->run;
  const thw_window* w = block->window;
  int64_t width = NAME(panel_width)(column, run->job->columns);
  int mr = (int)least(block->height, block->count - first);
  int is_first = s.t0 == 0 && s.k0 == 0, is_last = s.t1 == w->n_taps && s.k1 == run->job->depth;
  NAME(Tile) tile = {block->rows + first * w->n_taps + s.t0 * mr, s.t1 - s.t0, s.k1 - s.k0, s.k0, panel, width,
                     block->out + first, column, least(width, run->job->columns - column), !is_first,
                     is_last && run->has_epilogue ? &run->epilogue : NULL};
  NAME(rows_tiles)[mr - 1][width / VL - 1](&tile);
}

/* All tiles and the group's panels, for these terms. A small filter stays in cache whole: then each row of y is
   finished before the next; otherwise one panel at a time meets all tiles. */
static void NAME(run_terms)(const NAME(Block)* block, int64_t first, int64_t end, thw_terms s) {
  const thw_correlation* job = block->run->job;
  if (!job->is_row_major) {
    for (int64_t column = first; column < end; column += PANEL) {
      const REAL* panel = NAME(panel_of)(block, column, s, block->panels);
      for (int64_t p = 0; p < block->count; p += block->height) NAME(run_tile)(block, p, column, panel, s);
    }
    return;
  }
  int64_t panel_numbers = (s.t1 - s.t0) * (s.k1 - s.k0) * PANEL;
  for (int64_t p = 0; p < block->count; p += block->height) {
    REAL* target = block->panels;
    for (int64_t column = first; column < end; column += PANEL, target += panel_numbers) {
      const REAL* panel = p && !job->is_prepacked ? target : NAME(panel_of)(block, column, s, target);
      NAME(run_tile)(block, p, column, panel, s);
    }
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
}

/* scale = gamma / sqrt(variance + epsilon), shift = beta - mean * scale, in double. */
static void NAME(fold_normalisation)(const thw_correlation* job, const thw_tensor* in, REAL* scale, REAL* shift) {
  const REAL *gamma = in[0].data, *beta = in[1].data, *mean = in[2].data, *variance = in[3].data;
  for (int64_t j = 0; j < job->columns; j++) {
    double factor = (double)gamma[j] / sqrt((double)variance[j] + job->finish.epsilon);
    scale[j] = (REAL)factor;
    shift[j] = (REAL)((double)beta[j] - (double)mean[j] * factor);
  }
}

static void NAME(set_epilogue)(NAME(Correlation)* run, const thw_tensor* in, REAL* folded) {
  const thw_finish* f = &run->job->finish;
  NAME(Epilogue)* e = &run->epilogue;
  if (f->shift >= 0) e->shift = in[f->shift].data;
  if (f->normalisation >= 0) {
    REAL* shift = folded + ceil_div(run->job->columns, 16) * 16;
    NAME(fold_normalisation)(run->job, in + f->normalisation, folded, shift);
    e->scale = folded, e->shift = shift;
  }
  e->has_residual = f->residual >= 0;
  if (e->has_residual) e->residual = (const char*)in[f->residual].data - (const char*)run->y;
  e->is_clamped = f->is_clamped;
  e->low = (REAL)f->low, e->high = (REAL)f->high;
  run->has_epilogue = e->shift || e->has_residual || e->is_clamped;
}

static void NAME(run_packed_correlation)(thw_call* call, const NAME(Correlation)* run) {
  call->core->parallel_for(call->core_ctx, run->job->tasks, run->job->grain, NAME(run_tasks), (void*)run);
}

static int NAME(run_correlation)(thw_call* call, const thw_tensor* in, int32_t n_in, thw_tensor* out, int32_t n_out) {
  (void)n_in, (void)n_out;
  const thw_correlation* job = call->state;
  REAL *packed = call->workspace, *margin = packed + job->packed_numbers, *folded = margin + job->margin_numbers;
  NAME(Correlation) run = {.job = job, .x = in[job->x].data, .filter = in[job->filter].data, .packed = packed,
                           .y = out[0].data};
  run.x = NAME(with_margin)(call, &job->margin, run.x, margin);
  NAME(set_epilogue)(&run, in, folded);
  if (job->is_prepacked)
    call->core->parallel_for(call->core_ctx, job->n_windows * ceil_div(job->columns, PANEL), job->pack_grain,
                             NAME(pack_panels), &run);
  NAME(run_packed_correlation)(call, &run);
  return THW_OK;
}
