/* Blocks of correlate (gemm.h), once per REAL: how a task lays out its places as tiles, with pointers to the rows of x
 * that they read.
 *
 * Windows in general: places whose taps read padding alike make up tiles, and padding points at zeros. Windows by rows
 * (one tap, or taps that are whole rows of few channels): a row's places have their taps in common, and only what
 * reaches over an edge of x is copied, cut.
 */

typedef struct { /* rows of the result that are computed together */
  int64_t first, height;   /* places, in the block's order */
  uint64_t taps;           /* that read inside x for at least one of them */
  const REAL** rows;       /* [taps][height] */
  const int32_t* numbers;  /* [taps] */
} NAME(TilePlan);

/* What lay_out_block writes, besides panels; a tile has at least one place. */
static size_t NAME(layout_bytes)(const thw_correlation* job) {
  int64_t taps = 1;
  for (int64_t i = 0; i < job->n_windows; i++) taps = most(taps, job->windows[i].n_taps);
  return job->block_places * (sizeof(thw_place) + sizeof(REAL*) + sizeof(NAME(TilePlan)) + taps * sizeof(REAL*) +
                              (1 + taps) * sizeof(int32_t) + 1);
}

/* Numbers for the rows that a block's places read over the edge of x. */
static int64_t NAME(edge_numbers)(const thw_correlation* job) {
  const thw_window* w = &job->windows[0]; /* only a job of one window has rows */
  if (!w->is_by_rows || w->reach == 1) return 0;
  int64_t of_row = w->inside_begin + w->grid[2] - w->inside_end, rows = job->block_places / most(1, w->grid[2]) + 2;
  return ceil_div(least(job->block_places, rows * of_row) * w->n_taps * job->depth, 16) * 16;
}

typedef struct { /* what a task has laid out in its scratch */
  const NAME(Correlation)* run;
  const thw_window* window;
  const REAL *x, *filter;    /* of this batch */
  int64_t count, n_tiles;
  thw_place* places;         /* [count], in order of memory */
  int32_t* order;            /* [count]: places whose taps read padding alike stand together */
  uint8_t* kind;             /* [count]: which taps those are; by rows: whether the place is at an edge */
  NAME(TilePlan)* tiles;
  REAL** out;                /* [count], in the block's order */
  REAL* panels;              /* packed here, unless prepacked */
  const REAL* next;          /* where the rows of the block that the task takes next begin, if they are all dense */
} NAME(Block);

/* Tiles over places [first, end) of the order, of nearly equal height, for the taps that any of their places has. */
static void NAME(cut_tiles)(NAME(Block)* block, int64_t first, int64_t end, uint64_t taps) {
  int64_t height = ceil_div(end - first, ceil_div(end - first, MR));
  for (; first < end; first += height) {
    height = least(height, end - first);
    block->tiles[block->n_tiles++] = (NAME(TilePlan)){first, height, taps, NULL, NULL};
  }
}

/* Orders the places so that tiles have few taps: places of the same taps together, kinds of fewer than half a tile
   at the end, mixed. */
static void NAME(order_places)(NAME(Block)* block) {
  enum { MOST_KINDS = 32 };
  const thw_place* places = block->places;
  uint64_t kinds[MOST_KINDS], mixed = 0;
  int64_t counts[MOST_KINDS + 1] = {0}, n_kinds = 0, kind = 0, done = 0;
  for (int64_t i = 0; i < block->count; i++) {
    if (i == 0 || places[i].taps != places[i - 1].taps)
      for (kind = 0; kind < n_kinds && kinds[kind] != places[i].taps;) kind++;
    if (kind == n_kinds && n_kinds < MOST_KINDS) kinds[n_kinds++] = places[i].taps;
    block->kind[i] = (uint8_t)kind;
    counts[kind]++;
  }
  for (int64_t k = 0; k < n_kinds; k++) {
    if (2 * counts[k] < MR && n_kinds > 1) continue;
    int64_t first = done;
    for (int64_t i = 0; done < first + counts[k]; i++)
      if (block->kind[i] == k) block->order[done++] = (int32_t)i;
    NAME(cut_tiles)(block, first, done, kinds[k]);
  }
  for (int64_t i = 0, first = done; done < block->count; i++) {
    if (block->kind[i] != MOST_KINDS && 2 * counts[block->kind[i]] >= MR) continue;
    block->order[done++] = (int32_t)i;
    mixed |= places[i].taps;
    if (done - first < MR && done < block->count) continue;
    NAME(cut_tiles)(block, first, done, mixed);
    first = done, mixed = 0;
  }
}

typedef struct { /* where a block of rows is laid out */
  int64_t begin;
  const REAL **corner, **rows; /* [count], of the places in x; next free */
  int32_t* numbers;            /* next free */
  REAL* edges;                 /* next free */
} NAME(Layout);

/* Row pointers of a tile; gives the next free ones. */
static const REAL** NAME(point_tile)(const NAME(Block)* block, NAME(TilePlan)* tile, const REAL** rows,
                                     int32_t* numbers) {
  const thw_window* w = block->window;
  const thw_place* places[MR];
  const REAL* corner[MR];
  int inside = 1;
  for (int64_t i = 0; i < tile->height; i++) {
    places[i] = &block->places[block->order[tile->first + i]];
    corner[i] = block->x + places[i]->x;
    inside &= places[i]->is_inside;
  }
  tile->rows = rows, tile->numbers = numbers;
  for (int64_t t = 0; t < w->n_taps; t++) {
    const thw_tap* tap = &w->taps[t];
    if (t < MASKED_TAPS && !(tile->taps >> t & 1)) continue;
    *numbers++ = (int32_t)t;
    for (int64_t i = 0; i < tile->height; i++)
      rows[i] = inside || reads_inside(w, places[i], tap) ? corner[i] + tap->offset
                                                          : (const REAL*)block->run->job->zeros;
    rows += tile->height;
  }
  return rows;
}

/* A tap's row of x for a place at its edge: the pixels that are inside, and zeros. */
static const REAL* NAME(cut_row)(const NAME(Block)* block, const REAL* row, int64_t x, REAL* target) {
  const thw_window* w = block->window;
  int64_t low = most(0, -x), high = least(w->reach, w->size[2] - x), pixel = w->x_stride[3];
  if (low >= high) return block->run->job->zeros;
  memset(target, 0, w->reach * pixel * sizeof(REAL));
  memcpy(target + low * pixel, row + low * pixel, (high - low) * pixel * sizeof(REAL));
  return target;
}

/* Tiles over places [first, end), whose taps are the same, with corners in x. */
static void NAME(point_rows)(NAME(Block)* block, NAME(Layout)* l, int64_t first, int64_t end, uint64_t taps) {
  const thw_window* w = block->window;
  int64_t n = block->n_tiles;
  NAME(cut_tiles)(block, first, end, taps);
  for (; n < block->n_tiles; n++) {
    NAME(TilePlan)* tile = &block->tiles[n];
    tile->rows = l->rows, tile->numbers = l->numbers;
    for (int64_t t = 0; t < w->n_taps; t++) {
      if (!(taps >> t & 1)) continue;
      *l->numbers++ = (int32_t)t;
      for (int64_t r = 0, i = tile->first; r < tile->height; r++, i++, l->rows++) {
        const REAL* row = l->corner[i] + w->taps[t].offset;
        *l->rows = row;
        if (!block->kind[i]) continue;
        int64_t column = (l->begin + i) % w->grid[2];
        *l->rows = NAME(cut_row)(block, row, w->corner[2] + w->taps[t].at[2] + column * w->step[2], l->edges);
        if (*l->rows == l->edges) l->edges += w->reach * w->x_stride[3];
      }
    }
  }
}

/* A block of a window by rows. */
static void NAME(lay_out_rows)(NAME(Block)* block, int64_t batch, NAME(Layout)* l) {
  const thw_window* w = block->window;
  const int64_t x_step = w->step[2] * w->x_stride[3], y_step = w->y_stride[3];
  int64_t first = 0, count;
  uint64_t run_taps = 0;
  for (int64_t i = 0; i < block->count; i += count) {
    int64_t column = (l->begin + i) % w->grid[2], rest = (l->begin + i) / w->grid[2], at[3] = {0, 0, column};
    at[1] = rest % w->grid[1], rest /= w->grid[1];
    at[0] = rest % w->grid[0];
    int64_t image = rest / w->grid[0];
    const REAL* x = block->x + image * w->x_stride[0];
    REAL* y = block->run->y + batch * block->run->job->y_batch_stride + w->y_first + image * w->y_stride[0];
    thw_place place = {0};
    for (int d = 0; d < 3; d++) {
      int64_t corner = w->corner[d] + at[d] * w->step[d];
      place.at[d] = (int32_t)corner;
      x += corner * w->x_stride[d + 1], y += at[d] * w->y_stride[d + 1];
    }
    uint64_t taps = 0;
    for (int64_t t = 0; t < w->n_taps; t++) taps |= (uint64_t)reads_row(w, &place, &w->taps[t]) << t;
    if (taps != run_taps && i > first) NAME(point_rows)(block, l, first, i, run_taps), first = i;
    run_taps = taps;
    count = least(block->count - i, w->grid[2] - column);
    for (int64_t j = i; j < i + count; j++, x += x_step, y += y_step) l->corner[j] = x, block->out[j] = y;
    for (int64_t j = 0; j < count; j++)
      block->kind[i + j] = column + j < w->inside_begin || column + j >= w->inside_end;
  }
  NAME(point_rows)(block, l, first, block->count, run_taps);
}

static void NAME(lay_out_block)(NAME(Block)* block, int64_t batch, int64_t begin, char* scratch) {
  const NAME(Correlation)* run = block->run;
  const thw_correlation* job = run->job;
  const thw_window* w = block->window;
  int64_t size = job->block_places;
  block->x = run->x + (job->batches > 1 ? job->x_offsets[batch] : 0);
  block->filter = run->filter + (job->batches > 1 ? job->filter_offsets[batch] : 0);
  block->count = least(size, w->places - begin);
  block->places = (thw_place*)scratch;
  block->out = (REAL**)(block->places + size);
  block->tiles = (NAME(TilePlan)*)(block->out + size);
  const REAL** rows = (const REAL**)(block->tiles + size);
  block->order = (int32_t*)(rows + size * most(1, w->n_taps));
  int32_t* numbers = block->order + size;
  block->kind = (uint8_t*)(numbers + size * w->n_taps);
  REAL* edges = (REAL*)(((uintptr_t)scratch + NAME(layout_bytes)(job) + 63) & ~(uintptr_t)63);
  block->panels = edges + job->edge_numbers;
  if (job->makes_x) {
    REAL* made = block->panels; /* the filter is prepacked */
    run->source.make(run->source.maker, begin, begin + block->count, made, made + size * job->depth);
    block->x = made - begin * job->depth;
  }
  if (w->is_by_rows) {
    NAME(lay_out_rows)(block, batch, &(NAME(Layout)){begin, (const REAL**)block->places, rows, numbers, edges});
    if (begin > 0 && !job->makes_x && block->tiles[0].taps) /* tasks go backwards */
      block->next = block->tiles[0].rows[0] - size * w->step[2] * w->x_stride[3];
    return;
  }
  if (expand_places(w, begin, block->count, block->places)) {
    for (int64_t i = 0; i < block->count; i++) block->order[i] = (int32_t)i;
    NAME(cut_tiles)(block, 0, block->count, ~(uint64_t)0);
  } else {
    find_taps(w, block->places, block->count);
    NAME(order_places)(block);
  }
  for (int64_t i = 0; i < block->count; i++)
    block->out[i] = run->y + batch * job->y_batch_stride + block->places[block->order[i]].y;
  for (int64_t i = 0; i < block->n_tiles; i++, numbers += w->n_taps)
    rows = NAME(point_tile)(block, &block->tiles[i], rows, numbers);
}
