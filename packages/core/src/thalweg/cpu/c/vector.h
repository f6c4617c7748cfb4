/* Products of a few rows with a matrix, once per REAL: correlate where there are at most ROWS places of one tap.
 *
 * The matrix is read once, in the order of memory, and nothing is packed: such products wait for memory alone. Where
 * it lies [depth][columns], a task takes a range of its rows and keeps sums for all columns, and the tasks' sums are
 * added in order; where it lies [columns][depth], a task takes dot products with a range of its rows.
 */

typedef struct { /* a run of a job */
  const thw_correlation* job;
  const REAL *x, *filter; /* filter: as given */
  const REAL* packed;     /* or, where job->is_prepacked, in panels */
  thw_source source;      /* of x, which is NULL where it is made */
  REAL* y;
  NAME(Epilogue) epilogue;
  int has_epilogue, is_streamed;
} NAME(Correlation);

typedef struct {
  const NAME(Correlation)* run;
  REAL* sums; /* [parts][rows][columns] */
} NAME(Product);

INLINE const REAL* NAME(left_row)(const NAME(Correlation)* run, int64_t i) {
  const thw_window* w = run->job->windows;
  return run->x + i * w->step[2] * w->x_stride[3];
}

INLINE REAL* NAME(result_row)(const NAME(Correlation)* run, int64_t i) {
  const thw_window* w = run->job->windows;
  return run->y + w->y_first + i * w->y_stride[3];
}

#define TOGETHER (THW_VL >= 16 ? 4 : 2) /* rows that share what is read of the matrix: as the registers allow */
#define CHUNK 1024 /* columns whose sums stay in the nearest cache, where several rows have some */

/* sums[i][j] += sum over four k of x[i][k] * b[k][j], for `count` rows of x. The four rows after these are fetched:
   pieces of rows are too short for the hardware. */
INLINE void NAME(add_four)(const int count, const REAL* const* x, const REAL* b, int64_t stride, int64_t columns,
                           REAL* sums, int64_t sums_stride) {
  const REAL *b1 = b + stride, *b2 = b1 + stride, *b3 = b2 + stride;
  vector factor[4][4];
  int64_t j = 0;
  UNROLLED for (int i = 0; i < count; i++) UNROLLED for (int k = 0; k < 4; k++) factor[i][k] = SPLAT(x[i][k]);
  for (; j + VL <= columns; j += VL) {
    const vector row = LOAD(b + j), row1 = LOAD(b1 + j), row2 = LOAD(b2 + j), row3 = LOAD(b3 + j);
    UNROLLED for (int k = 4; k < 8; k++) __builtin_prefetch(b + k * stride + j);
    UNROLLED for (int i = 0; i < count; i++) {
      REAL* sum = sums + i * sums_stride + j;
      STORE(sum, LOAD(sum) + (factor[i][0] * row + factor[i][1] * row1) + (factor[i][2] * row2 + factor[i][3] * row3));
    }
  }
  for (; j < columns; j++)
    UNROLLED for (int i = 0; i < count; i++)
      sums[i * sums_stride + j] += (x[i][0] * b[j] + x[i][1] * b1[j]) + (x[i][2] * b2[j] + x[i][3] * b3[j]);
}

/* The same for all rows of a run, from k on, and columns [first, first + columns). */
static void NAME(add_four_to_rows)(const NAME(Correlation)* run, int64_t k, int64_t first, int64_t columns, REAL* sums) {
  const thw_correlation* job = run->job;
  const REAL *b = run->filter + k * job->row_stride + first, *x[4];
  sums += first;
  for (int64_t i = 0, count; i < job->windows[0].places; i += count, sums += count * job->columns) {
    count = least(TOGETHER, job->windows[0].places - i);
    for (int64_t r = 0; r < count; r++) x[r] = NAME(left_row)(run, i + r) + k;
    if (count == TOGETHER) {
      NAME(add_four)(TOGETHER, x, b, job->row_stride, columns, sums, job->columns);
    } else {
      for (int64_t r = 0; r < count; r++)
        NAME(add_four)(1, x + r, b, job->row_stride, columns, sums + r * job->columns, job->columns);
    }
  }
}

/* Parts [begin, end) of the depth, each into sums of its own. */
static void NAME(sum_parts)(void* arg, int64_t begin, int64_t end, void* scratch) {
  (void)scratch;
  const NAME(Product)* product = arg;
  const NAME(Correlation)* run = product->run;
  const thw_correlation* job = run->job;
  int64_t rows = job->windows[0].places, columns = job->columns;
  for (int64_t part = begin; part < end; part++) {
    REAL* sums = product->sums + part * rows * columns;
    int64_t k = part * job->depth_block, last = least(k + job->depth_block, job->depth);
    memset(sums, 0, rows * columns * sizeof(REAL));
    int64_t chunk = rows > 1 ? CHUNK : columns, fours = k + (last - k) / 4 * 4;
    for (int64_t first = 0; first < columns; first += chunk)
      for (int64_t row = k; row < fours; row += 4)
        NAME(add_four_to_rows)(run, row, first, least(chunk, columns - first), sums);
    for (k = fours; k < last; k++)
      for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++)
          sums[i * columns + j] += NAME(left_row)(run, i)[k] * run->filter[k * job->row_stride + j];
  }
}

static void NAME(join_parts)(void* arg, int64_t begin, int64_t end, void* scratch) {
  (void)scratch;
  const NAME(Product)* product = arg;
  const NAME(Correlation)* run = product->run;
  int64_t rows = run->job->windows[0].places, columns = run->job->columns;
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = begin; j < end; j++) {
      REAL sum = 0, *y = NAME(result_row)(run, i) + j;
      for (int64_t part = 0; part < run->job->tasks; part++) sum += product->sums[(part * rows + i) * columns + j];
      *y = run->has_epilogue ? NAME(finish_one)(&run->epilogue, sum, y, j) : sum;
    }
}

/* out[n] = a . b_n for `count` rows b_n of a matrix, `stride` apart: they are read at the same time. */
INLINE void NAME(dots)(const int count, const REAL* a, const REAL* b, int64_t stride, int64_t depth, REAL* out) {
  vector even[4], odd[4];
  int64_t k = 0;
  UNROLLED for (int n = 0; n < count; n++) even[n] = odd[n] = (vector){0};
  for (; k + 2 * VL <= depth; k += 2 * VL)
    UNROLLED for (int n = 0; n < count; n++) {
      even[n] += LOAD(a + k) * LOAD(b + n * stride + k);
      odd[n] += LOAD(a + k + VL) * LOAD(b + n * stride + k + VL);
    }
  UNROLLED for (int n = 0; n < count; n++) {
    REAL lanes[VL], sum = 0;
    STORE(lanes, even[n] + odd[n]);
    for (int64_t i = k; i < depth; i++) sum += a[i] * b[n * stride + i];
    for (int i = 0; i < VL; i++) sum += lanes[i];
    out[n] = sum;
  }
}

/* Columns [begin, end) of the result, each a dot product with a row of the matrix. */
static void NAME(dot_columns)(void* arg, int64_t begin, int64_t end, void* scratch) {
  (void)scratch;
  const NAME(Product)* product = arg;
  const NAME(Correlation)* run = product->run;
  const thw_correlation* job = run->job;
  for (int64_t j = begin; j < end; j += 4)
    for (int64_t i = 0; i < job->windows[0].places; i++) {
      const REAL *a = NAME(left_row)(run, i), *b = run->filter + j * job->column_stride;
      REAL sums[4], *y = NAME(result_row)(run, i);
      if (j + 4 <= end)
        NAME(dots)(4, a, b, job->column_stride, job->depth, sums);
      else
        for (int64_t n = 0; n < end - j; n++) NAME(dots)(1, a, b + n * job->column_stride, 0, job->depth, sums + n);
      for (int64_t n = j; n < least(end, j + 4); n++)
        y[n] = run->has_epilogue ? NAME(finish_one)(&run->epilogue, sums[n - j], y + n, n) : sums[n - j];
    }
}

/* Whether a job is such a product; then its blocking, and the numbers that its sums need. */
static int NAME(plan_product)(thw_correlation* job, int64_t* sums) {
  const thw_window* w = job->windows;
  int64_t bytes = job->depth * job->columns * (int64_t)sizeof(REAL), rows = bytes < LARGE_MATRIX ? ROWS : LARGE_ROWS;
  if (job->n_windows != 1 || job->batches != 1 || w->n_taps != 1 || w->places > rows || w->places != w->grid[2] ||
      !job->columns || !job->depth || !w->places)
    return 0;
  if (w->corner[0] || w->corner[1] || w->corner[2] || w->taps->offset || w->taps->filter) return 0;
  if (w->inside_begin || w->inside_end < w->grid[2] || !w->size[0] || !w->size[1]) return 0; /* padding is no row */
  int64_t products = w->places * job->depth * job->columns;
  if (job->column_stride != 1) {
    job->grain = most(1, ceil_div(SMALL_READS, job->depth));
    *sums = 0;
    return 1;
  }
  int64_t parts = most(1, least(least(16, products / SMALL_READS), job->depth / 64));
  job->depth_block = ceil_div(ceil_div(job->depth, parts), 4) * 4;
  job->tasks = ceil_div(job->depth, job->depth_block);
  *sums = job->tasks * w->places * job->columns;
  return 1;
}

static void NAME(run_product)(thw_call* call, const NAME(Correlation)* run, REAL* sums) {
  const thw_correlation* job = run->job;
  NAME(Product) product = {run, sums};
  if (job->column_stride != 1) {
    call->core->parallel_for(call->core_ctx, job->columns, job->grain, NAME(dot_columns), &product);
    return;
  }
  call->core->parallel_for(call->core_ctx, job->tasks, 1, NAME(sum_parts), &product);
  call->core->parallel_for(call->core_ctx, job->columns, 1 << 13, NAME(join_parts), &product);
}
