/* The epilogue of a run (tile.h) from what the job asks for, once per REAL. */

/* scale = gamma / sqrt(variance + epsilon), shift = beta - mean * scale, in double. */
static void NAME(fold_normalisation)(int64_t columns, double epsilon, const thw_tensor* in, REAL* scale, REAL* shift) {
  const REAL *gamma = in[0].data, *beta = in[1].data, *mean = in[2].data, *variance = in[3].data;
  for (int64_t j = 0; j < columns; j++) {
    double factor = (double)gamma[j] / sqrt((double)variance[j] + epsilon);
    scale[j] = (REAL)factor;
    shift[j] = (REAL)((double)beta[j] - (double)mean[j] * factor);
  }
}

/* Whether there is anything to do after the sums. `folded`: memory of folded_numbers. */
static int NAME(set_epilogue)(NAME(Epilogue)* e, const thw_finish* f, int64_t columns, const thw_tensor* in,
                              const REAL* y, REAL* folded) {
  if (f->shift >= 0) e->shift = in[f->shift].data;
  if (f->normalisation >= 0) {
    REAL* shift = folded + ceil_div(columns, 16) * 16;
    NAME(fold_normalisation)(columns, f->epsilon, in + f->normalisation, folded, shift);
    e->scale = folded, e->shift = shift;
  }
  e->has_residual = f->residual >= 0;
  if (e->has_residual) e->residual = (const char*)in[f->residual].data - (const char*)y;
  e->is_clamped = f->is_clamped;
  e->low = (REAL)f->low, e->high = (REAL)f->high;
  return e->shift || e->has_residual || e->is_clamped;
}
