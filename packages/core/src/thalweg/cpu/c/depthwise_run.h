/* Plans and runs of depthwise jobs, once per REAL. */

typedef struct {
  const REAL* narrow;
  REAL* wide;
  int64_t multiplier;
} NAME(Widening);

static void NAME(widen)(void* arg, int64_t begin, int64_t end, void* scratch) {
  (void)scratch;
  const NAME(Widening)* w = arg;
  for (int64_t i = begin; i < end; i++)
    for (int64_t m = 0; m < w->multiplier; m++) w->wide[i * w->multiplier + m] = w->narrow[i];
}

static void NAME(sum_back)(void* arg, int64_t begin, int64_t end, void* scratch) {
  (void)scratch;
  const NAME(Widening)* w = arg;
  for (int64_t i = begin; i < end; i++) {
    REAL sum = 0;
    for (int64_t m = 0; m < w->multiplier; m++) sum += w->wide[i * w->multiplier + m];
    ((REAL*)w->narrow)[i] = sum;
  }
}

static void NAME(plan_correlation)(thw_depthwise_job* job, size_t* workspace, size_t* scratch) {
  int64_t products = 0;
  job->rows = 0;
  for (int64_t i = 0; i < job->n_phases; i++) {
    thw_depthwise_phase* phase = &job->phases[i];
    complete_line(&phase->rows);
    complete_line(&phase->columns);
    phase->kind = neighbour_kind(&phase->columns, job->channels);
    job->rows = most(job->rows, phase->rows.places);
    products += job->images * phase->rows.places * phase->columns.places * job->channels * phase->rows.n_taps *
                phase->columns.n_taps;
  }
  job->grain = most(1, SMALL_PRODUCTS * job->images * job->rows / most(1, products));
  *workspace = ((job->widens_x ? job->x_numbers : 0) + (job->sums_y ? job->y_numbers : 0) +
                folded_numbers(&job->finish, job->channels)) * sizeof(REAL);
  *scratch = 2 * job->filter_rows * job->filter_columns * sizeof(void*);
}

static void NAME(plan_gathering)(thw_depthwise_job* job, size_t* workspace, size_t* scratch) {
  thw_depthwise_phase* phase = &job->phases[0];
  int64_t rows = job->images * phase->rows.places, filter = job->filter_rows * job->filter_columns * job->channels;
  int64_t products = rows * phase->columns.places * filter;
  job->chunks = most(1, least(least(rows, 16), products / SMALL_PRODUCTS));
  job->chunk_rows = ceil_div(rows, job->chunks);
  job->chunks = rows ? ceil_div(rows, job->chunk_rows) : 0;
  *workspace = ((job->widens_x ? job->x_numbers : 0) + job->chunks * filter) * sizeof(REAL);
  *scratch = 0;
}

static const REAL* NAME(widened)(thw_call* call, const thw_depthwise_job* job, const REAL* x, REAL* target) {
  if (!job->widens_x) return x;
  NAME(Widening) widening = {x, target, job->multiplier};
  call->core->parallel_for(call->core_ctx, job->x_numbers / job->multiplier, 1 << 15, NAME(widen), &widening);
  return target;
}

static NAME(Depthwise) NAME(begin_run)(thw_call* call, const thw_depthwise_job* job, const thw_tensor* in, REAL* y) {
  NAME(Depthwise) run = {.job = job, .other = in[job->other].data, .y = y};
  run.x = NAME(widened)(call, job, in[job->x].data, call->workspace);
  REAL* folded = (REAL*)call->workspace + (job->widens_x ? job->x_numbers : 0); /* no epilogue has sums_y as well */
  run.has_epilogue = NAME(set_epilogue)(&run.epilogue, &job->finish, job->channels, in, run.y, folded);
  return run;
}

static int NAME(run_correlation)(thw_call* call, const thw_tensor* in, int32_t n_in, thw_tensor* out, int32_t n_out) {
  (void)n_in, (void)n_out;
  const thw_depthwise_job* job = call->state;
  NAME(Depthwise) run = NAME(begin_run)(call, job, in, out[0].data);
  if (job->sums_y) run.y = call->workspace;
  call->core->parallel_for(call->core_ctx, job->images * job->rows, job->grain, NAME(run_rows), &run);
  NAME(Widening) back = {out[0].data, run.y, job->multiplier};
  if (job->sums_y)
    call->core->parallel_for(call->core_ctx, job->y_numbers / job->multiplier, 1 << 15, NAME(sum_back), &back);
  return THW_OK;
}

static int NAME(run_separable)(thw_call* call, const thw_tensor* in, int32_t n_in, thw_tensor* out, int32_t n_out) {
  (void)n_in, (void)n_out;
  const thw_separable* both = call->state;
  const thw_depthwise_job* job = both->depthwise;
  REAL* made = (REAL*)((char*)call->workspace + both->made_at);
  NAME(Depthwise) run = NAME(begin_run)(call, job, in, made);
  thw_source source = {.make = NAME(make_places), .maker = &run};
  if (!both->is_made_in_blocks) {
    call->core->parallel_for(call->core_ctx, job->images * job->rows, job->grain, NAME(run_rows), &run);
    source.data = made;
  }
  thw_call rest = *call;
  rest.workspace = (char*)call->workspace + both->product_at;
  return both->follow(&rest, both->product, in, out, &source);
}

typedef struct {
  const REAL* copies;
  REAL* sum;
  int64_t count, stride;
} NAME(Copies);

static void NAME(add_copies)(void* arg, int64_t begin, int64_t end, void* scratch) {
  (void)scratch;
  const NAME(Copies)* a = arg;
  for (int64_t i = begin; i < end; i++) {
    double sum = 0;
    for (int64_t k = 0; k < a->count; k++) sum += (double)a->copies[k * a->stride + i];
    a->sum[i] = (REAL)sum;
  }
}

static int NAME(run_gathering)(thw_call* call, const thw_tensor* in, int32_t n_in, thw_tensor* out, int32_t n_out) {
  (void)n_in, (void)n_out;
  const thw_depthwise_job* job = call->state;
  REAL *wide = call->workspace, *copies = wide + (job->widens_x ? job->x_numbers : 0);
  NAME(Depthwise) run = {.job = job, .other = in[job->other].data, .y = copies};
  run.x = NAME(widened)(call, job, in[job->x].data, wide);
  call->core->parallel_for(call->core_ctx, job->chunks, 1, NAME(gather_chunks), &run);
  int64_t filter = job->filter_rows * job->filter_columns * job->channels;
  NAME(Copies) sum = {copies, out[0].data, job->chunks, filter};
  call->core->parallel_for(call->core_ctx, filter, 1 << 15, NAME(add_copies), &sum);
  return THW_OK;
}
