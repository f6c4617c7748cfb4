/* Rows of a small-channel image copied into wider ones, once per REAL: a whole row of a filter is then one tap. */

typedef struct {
  const thw_margin* margin;
  const REAL* source;
  REAL* target;
} NAME(MarginCopy);

static void NAME(copy_margin_rows)(void* arg, int64_t begin, int64_t end, void* scratch) {
  (void)scratch;
  const NAME(MarginCopy)* copy = arg;
  const thw_margin* m = copy->margin;
  for (int64_t r = begin; r < end; r++) {
    REAL* row = copy->target + r * m->width;
    memset(row, 0, m->left * sizeof(REAL));
    memcpy(row + m->left, copy->source + r * m->length, m->length * sizeof(REAL));
    memset(row + m->left + m->length, 0, (m->width - m->left - m->length) * sizeof(REAL));
  }
}

/* x, or its copy in `target` where the job asks for margins. */
static const REAL* NAME(with_margin)(thw_call* call, const thw_margin* m, const REAL* x, REAL* target) {
  if (!m->width) return x;
  NAME(MarginCopy) copy = {m, x, target};
  call->core->parallel_for(call->core_ctx, m->rows, most(1, SMALL_WORK_BYTES / (m->width * (int64_t)sizeof(REAL))),
                           NAME(copy_margin_rows), &copy);
  return target;
}
