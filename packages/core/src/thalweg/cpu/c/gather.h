/* gather (gemm.h), once per REAL: gradients of filters, and products with a transposed left factor.
 *
 * The result is made of tiles: a unit, up to MR channels of one tap, by one panel of columns. A task owns a range of
 * units, a group of panels and a range of places; it walks its places in blocks and packs what it needs of dy and, tap
 * by tap, of x: read in place, rows would lie far apart, and fall into few cache sets. Where a few panels do not pay for
 * that, it reads x through one pointer per place. While the result is small, places are split first: each split sums
 * into its own copy, and the copies are added in order.
 */

typedef struct {
  const thw_gathering* job;
  const REAL *x, *dy;
  REAL* y;         /* the result, or copies of it */
  REAL* result;
  NAME(Epilogue) epilogue;
  int has_epilogue;
} NAME(Gathering);

/* --- planning ------------------------------------------------------------------------------------------------- */

static void NAME(split_places)(thw_gathering* job, int64_t wanted, int64_t result_bytes) {
  int64_t blocks = ceil_div(job->window.places, job->place_block);
  job->splits = most(1, least(least(wanted, blocks), COPIES_BYTES / most(1, result_bytes)));
  const thw_finish* f = &job->finish;
  if (f->shift >= 0 || f->normalisation >= 0 || f->residual >= 0 || f->is_clamped) job->splits = 1; /* whole sums */
  job->split_places = most(1, ceil_div(blocks, job->splits)) * job->place_block;
  job->splits = most(1, ceil_div(job->window.places, job->split_places));
}

static void NAME(split_result)(thw_gathering* job, int64_t wanted) {
  int64_t units = job->window.n_taps * job->depth_tiles, panels = ceil_div(job->columns, PANEL);
  int64_t block_bytes = job->place_block * job->columns * (int64_t)sizeof(REAL);
  int64_t panel_groups = most(1, ceil_div(block_bytes, GROUP_BYTES)); /* dy stays in the second-level cache; as few */
  int64_t unit_groups = most(1, least(units / 8, ceil_div(wanted, panel_groups))); /* of both as will do: each packs */
  panel_groups = most(panel_groups, least(panels / 4, wanted / unit_groups)); /* the other's factor again */
  job->units_per_group = most(1, ceil_div(units, unit_groups));
  job->group_panels = most(1, ceil_div(panels, panel_groups));
  job->unit_groups = ceil_div(units, job->units_per_group);
  job->panel_groups = ceil_div(panels, job->group_panels);
}

/* From one unit's packed rows to the next's: a vector more than they hold, since copies run over. */
INLINE int64_t NAME(unit_stride)(const thw_gathering* job) { return job->place_block * MR + 2 * VL; }

static void NAME(plan_gathering)(thw_gathering* job, size_t* workspace, size_t* scratch) {
  thw_window* w = &job->window;
  complete_window(w);
  int64_t result = w->n_taps * job->depth * job->columns, multiply_adds = result * w->places * job->batches;
  job->tile_depth = most(1, ceil_div(job->depth, most(1, ceil_div(job->depth, MR))));
  job->depth_tiles = ceil_div(job->depth, job->tile_depth);
  int is_large = result * (int64_t)sizeof(REAL) >= LARGE_RESULT && w->n_taps == 1;
  job->place_block = most(1, least(is_large ? 2 * PLACE_BLOCK : PLACE_BLOCK, w->places));
  int64_t wanted = ceil_div(least(16, 1 + multiply_adds / SMALL_WORK), most(1, job->batches));
  NAME(split_places)(job, wanted, result * job->batches * (int64_t)sizeof(REAL));
  NAME(split_result)(job, ceil_div(wanted, job->splits));
  job->tasks = job->batches * job->splits * job->unit_groups * job->panel_groups;
  job->grain = most(1, SMALL_WORK * job->tasks / most(1, multiply_adds));
  job->margin_numbers = ceil_div(job->margin.rows * job->margin.width, 16) * 16;
  job->copies_numbers = job->splits > 1 ? job->splits * result * job->batches : 0;
  *workspace = (job->margin_numbers + job->copies_numbers + folded_numbers(&job->finish, job->columns)) * sizeof(REAL);
  job->is_packed = w->n_taps == 1 || job->group_panels > 2;
  int64_t numbers = job->group_panels * job->place_block * PANEL;
  if (job->is_packed) numbers += least(job->units_per_group, job->depth_tiles) * NAME(unit_stride)(job);
  *scratch = job->place_block * (sizeof(thw_place) + sizeof(void*) + sizeof(int32_t)) + 64 + numbers * sizeof(REAL);
}

/* --- one block of places ---------------------------------------------------------------------------------------- */

typedef struct { /* a task at one block of its places */
  const NAME(Gathering)* run;
  const REAL *x, *dy;  /* of this batch */
  REAL* y;
  int64_t count;       /* places */
  thw_place* places;
  const REAL** rows;   /* of one tap, at the places where it reads inside x */
  int32_t* numbers;    /* of those places in the block */
  int64_t inside;      /* their count */
  REAL* panels;        /* dy: [group's panels][count][PANEL] */
  REAL* units;         /* x at one tap: [units][count][MR] */
  int64_t first_column, end_column;
  int is_first, is_last;
  const char *ahead_x, *ahead_dy; /* of the next block */
  int64_t ahead_lines, ahead_bytes; /* that a tile fetches: lines for each AHEAD_TERMS places, and all */
  int64_t turn, dy_turns, turns; /* tiles so far; that fetch dy; that fetch */
} NAME(GatherBlock);

static void NAME(pack_places)(const NAME(GatherBlock)* block) {
  const thw_gathering* job = block->run->job;
  REAL* target = block->panels;
  int64_t distance = block->count * PANEL;
  if (job->column_stride != 1) { /* a transposed matrix: places lie side by side */
    NAME(pack_panels)(target, distance, 0, block->dy + block->places[0].y, 1, job->column_stride, block->count,
                      block->first_column, block->end_column, job->columns);
    return;
  }
  for (int64_t k = 0; k < block->count; k++) {
    const REAL* row = block->dy + block->places[k].y;
    REAL* panel = target;
    for (int64_t column = block->first_column; column < block->end_column; column += PANEL, panel += distance) {
      int64_t width = NAME(panel_width)(column, job->columns);
      NAME(pack_row)(panel + k * width, row + column, least(width, job->columns - column), width);
    }
  }
}

/* Padding adds nothing to the sums: a place at which the tap reads padding is left out. */
static void NAME(point_places)(NAME(GatherBlock)* block, const thw_tap* tap) {
  const thw_window* w = &block->run->job->window;
  int64_t inside = 0;
  for (int64_t k = 0; k < block->count; k++) {
    const thw_place* p = &block->places[k];
    block->rows[inside] = block->x + (p->x + tap->offset);
    block->numbers[inside] = (int32_t)k;
    inside += p->is_inside || reads_inside(w, p, tap);
  }
  block->inside = inside;
}

/* Copies units [begin, end) of the rows side by side; eight rows at a time stay in the first-level cache. */
static void NAME(pack_units)(const NAME(GatherBlock)* block, int64_t begin, int64_t end) {
  const thw_gathering* job = block->run->job;
  const int reach = MR > VL ? 2 * VL : VL; /* numbers that whole vectors copy */
  for (int64_t first = 0; first < block->inside; first += 8) {
    int64_t last = least(first + 8, block->inside);
    for (int64_t unit = begin; unit < end; unit++) {
      int64_t i = unit * job->tile_depth, length = least(job->depth - i, MR);
      REAL* target = block->units + (unit - begin) * NAME(unit_stride)(job);
      for (int64_t k = first; k < last; k++) {
        const REAL* row = block->rows[k] + i;
        __builtin_prefetch(block->rows[least(k + 8, block->inside - 1)] + i); /* 135 -> 175 GF/s at 512 -> 128 */
        if (i + reach > job->depth || reach < MR) {
          memcpy(target + k * MR, row, length * sizeof(REAL));
        } else {
          STORE(target + k * MR, LOAD(row));
          if (VL < MR) STORE(target + k * MR + VL, LOAD(row + VL));
        }
      }
    }
  }
}

/* Before the tiles of a block: what they fetch meanwhile for the next one, where it lies in one piece. */
static void NAME(look_ahead)(NAME(GatherBlock)* block, int64_t next, int64_t units) {
  const thw_gathering* job = block->run->job;
  const thw_window* w = &job->window;
  int64_t count = least(block->count, w->places - next), panels = block->end_column - block->first_column;
  block->ahead_lines = block->turn = 0;
  if (!job->is_packed || w->n_taps != 1 || w->places != w->grid[2] || count <= 0) return;
  int is_x_whole = job->unit_groups == 1 && w->step[2] * w->x_stride[3] == job->depth;
  int is_dy_whole = job->panel_groups == 1 && job->column_stride == 1 && w->y_stride[3] == job->columns;
  int64_t x_lines = is_x_whole ? count * job->depth * (int64_t)sizeof(REAL) / 64 : 0;
  int64_t dy_lines = is_dy_whole ? count * job->columns * (int64_t)sizeof(REAL) / 64 : 0;
  int64_t pieces = units * ceil_div(panels, PANEL) * ceil_div(block->count, AHEAD_TERMS);
  block->ahead_lines = ceil_div(x_lines + dy_lines, most(1, pieces));
  block->ahead_bytes = 64 * block->ahead_lines * ceil_div(block->count, AHEAD_TERMS);
  block->ahead_dy = (const char*)(block->dy + w->y_first + next * w->y_stride[3]);
  block->ahead_x = (const char*)(block->x + next * job->depth) + w->corner[2] * w->x_stride[3];
  block->dy_turns = ceil_div(dy_lines * 64, most(1, block->ahead_bytes));
  block->turns = block->dy_turns + ceil_div(x_lines * 64, most(1, block->ahead_bytes));
}

static void NAME(run_unit)(NAME(GatherBlock)* block, REAL* y, int64_t unit, const REAL* const* rows,
                           int64_t offset, NAME(tile_fn) const (*tiles)[NV]) {
  const thw_gathering* job = block->run->job;
  int64_t i = unit * job->tile_depth, mr = least(job->tile_depth, job->depth - i);
  const REAL* panel = block->panels;
  REAL* out[MR];
  for (int64_t r = 0; r < mr; r++) out[r] = y + (i + r) * job->columns;
  for (int64_t column = block->first_column; column < block->end_column; column += PANEL) {
    int64_t width = NAME(panel_width)(column, job->columns);
    NAME(Tile) tile = {rows, block->numbers, 1, block->inside, offset, panel, out, column,
                       least(width, job->columns - column), !block->is_first,
                       block->is_last && block->run->has_epilogue ? &block->run->epilogue : NULL, 0, NULL, 0};
    if (block->ahead_lines && block->turn < block->turns) {
      int64_t x_turn = block->turn - block->dy_turns;
      tile.ahead = x_turn < 0 ? block->ahead_dy + block->turn * block->ahead_bytes
                              : block->ahead_x + x_turn * block->ahead_bytes;
      tile.ahead_lines = block->ahead_lines;
      block->turn++;
    }
    tiles[mr - 1][width / VL - 1](&tile);
    panel += block->count * PANEL;
  }
}

/* Units [begin, end) of one tap, for every panel of the group. */
static void NAME(run_tap)(NAME(GatherBlock)* block, const thw_tap* tap, int64_t begin, int64_t end) {
  const thw_gathering* job = block->run->job;
  REAL* y = block->y + tap->filter * job->depth * job->columns;
  NAME(point_places)(block, tap);
  if (!job->is_packed) {
    for (int64_t unit = begin; unit < end; unit++)
      NAME(run_unit)(block, y, unit, block->rows, unit * job->tile_depth, NAME(places_tiles));
    return;
  }
  NAME(pack_units)(block, begin, end);
  int is_whole = block->inside == block->count;
  for (int64_t k = 0; k < (is_whole ? 1 : block->inside); k++) block->rows[k] = block->units + k * MR;
  for (int64_t unit = begin; unit < end; unit++)
    NAME(run_unit)(block, y, unit, block->rows, (unit - begin) * NAME(unit_stride)(job),
                   is_whole ? NAME(packed_tiles) : NAME(places_tiles));
}

/* --- running ---------------------------------------------------------------------------------------------------- */

static void NAME(gather_task)(NAME(GatherBlock)* block, int64_t split, int64_t unit_group) {
  const thw_gathering* job = block->run->job;
  int64_t end = least(job->window.places, (split + 1) * job->split_places);
  int64_t first_unit = unit_group * job->units_per_group;
  int64_t end_unit = least(job->window.n_taps * job->depth_tiles, first_unit + job->units_per_group);
  int64_t begin = split * job->split_places;
  do { /* once even where there are no places: the result is zero, and has its epilogue */
    block->is_first = begin == split * job->split_places;
    block->count = least(job->place_block, end - begin);
    block->is_last = begin + block->count == job->window.places;
    if (block->count) {
      expand_places(&job->window, begin, block->count, block->places);
      NAME(pack_places)(block);
    }
    NAME(look_ahead)(block, begin + block->count, end_unit - first_unit);
    for (int64_t unit = first_unit; unit < end_unit;) {
      int64_t t = unit / job->depth_tiles, next = least(end_unit, (t + 1) * job->depth_tiles);
      NAME(run_tap)(block, &job->window.taps[t], unit - t * job->depth_tiles, next - t * job->depth_tiles);
      unit = next;
    }
    begin += block->count;
  } while (begin < end);
}

static void NAME(gather_tasks)(void* arg, int64_t begin, int64_t end, void* scratch) {
  const NAME(Gathering)* run = arg;
  const thw_gathering* job = run->job;
  int64_t result = job->window.n_taps * job->depth * job->columns;
  NAME(GatherBlock) block = {.run = run, .places = scratch};
  block.rows = (const REAL**)(block.places + job->place_block);
  block.numbers = (int32_t*)(block.rows + job->place_block);
  block.panels = (REAL*)(((uintptr_t)(block.numbers + job->place_block) + 63) & ~(uintptr_t)63);
  block.units = block.panels + job->group_panels * job->place_block * PANEL;
  for (int64_t task = begin; task < end; task++) {
    int64_t i = task, unit_group = i % job->unit_groups;
    i /= job->unit_groups;
    int64_t panel_group = i % job->panel_groups;
    i /= job->panel_groups;
    int64_t split = i % job->splits, batch = i / job->splits;
    block.x = run->x + (job->batches > 1 ? job->x_offsets[batch] : 0);
    block.dy = run->dy + (job->batches > 1 ? job->dy_offsets[batch] : 0);
    block.y = run->y + (split * job->batches + batch) * result;
    block.first_column = panel_group * job->group_panels * PANEL;
    block.end_column = least(job->columns, block.first_column + job->group_panels * PANEL);
    NAME(gather_task)(&block, split, unit_group);
  }
}

/* result[i] = the sum of all copies, in order */
static void NAME(add_copies)(void* arg, int64_t begin, int64_t end, void* scratch) {
  (void)scratch;
  const NAME(Gathering)* run = arg;
  int64_t splits = run->job->splits, stride = run->job->copies_numbers / splits;
  for (int64_t i = begin; i < end; i++) {
    REAL sum = run->y[i];
    for (int64_t s = 1; s < splits; s++) sum += run->y[s * stride + i];
    run->result[i] = sum;
  }
}

static int NAME(run_gathering)(thw_call* call, const thw_tensor* in, int32_t n_in, thw_tensor* out, int32_t n_out) {
  (void)n_in, (void)n_out;
  const thw_gathering* job = call->state;
  const thw_core_api* core = call->core;
  int64_t result = job->window.n_taps * job->depth * job->columns * job->batches;
  REAL *margin = call->workspace, *copies = margin + job->margin_numbers;
  NAME(Gathering) run = {.job = job, .x = in[job->x].data, .dy = in[job->dy].data, .y = out[0].data,
                         .result = out[0].data};
  run.x = NAME(with_margin)(call, &job->margin, run.x, margin);
  run.has_epilogue = NAME(set_epilogue)(&run.epilogue, &job->finish, job->columns, in, run.y,
                                        copies + job->copies_numbers);
  if (job->splits > 1) run.y = copies;
  core->parallel_for(call->core_ctx, job->tasks, job->grain, NAME(gather_tasks), &run);
  if (job->splits > 1) core->parallel_for(call->core_ctx, result, 1 << 15, NAME(add_copies), &run);
  return THW_OK;
}
