/* The epilogue of a run (epilogue.h), once per REAL. */

#ifndef FOLDED_NUMBERS
#define FOLDED_NUMBERS
/* Numbers of workspace for a folded normalisation. */
INLINE int64_t folded_numbers(const thw_finish* f, int64_t columns) {
  return f->normalisation >= 0 ? 2 * ceil_div(columns, 16) * 16 : 0;
}
#endif

/* What happens to a finished sum: y = clamp(sum * scale + shift + residual). */
typedef struct {
  const REAL* scale; /* [columns], or NULL for 1; with a shift */
  const REAL* shift; /* [columns], or NULL for 0 */
  ptrdiff_t residual; /* bytes from an output element to its residual */
  int has_residual, is_clamped;
  REAL low, high;
} NAME(Epilogue);

INLINE REAL NAME(finish_one)(const NAME(Epilogue)* e, REAL sum, const REAL* out, int64_t column) {
  if (e->scale)
    sum = sum * e->scale[column] + e->shift[column];
  else if (e->shift)
    sum += e->shift[column];
  if (e->has_residual) sum += *(const REAL*)((const char*)out + e->residual);
  if (e->is_clamped) {
    sum = e->low > sum ? e->low : sum; /* NaN passes */
    sum = e->high < sum ? e->high : sum;
  }
  return sum;
}

/* scale = gamma / sqrt(variance + epsilon), shift = beta + (bias - mean) * scale, in double. `bias`: or NULL. */
static void NAME(fold_normalisation)(int64_t columns, double epsilon, const thw_tensor* in, const REAL* bias,
                                     REAL* scale, REAL* shift) {
  const REAL *gamma = in[0].data, *beta = in[1].data, *mean = in[2].data, *variance = in[3].data;
  for (int64_t j = 0; j < columns; j++) {
    double factor = (double)gamma[j] / sqrt((double)variance[j] + epsilon), before = bias ? (double)bias[j] : 0;
    scale[j] = (REAL)factor;
    shift[j] = (REAL)((double)beta[j] + (before - (double)mean[j]) * factor);
  }
}

/* Whether there is anything to do after the sums. `folded`: memory of folded_numbers. */
static int NAME(set_epilogue)(NAME(Epilogue)* e, const thw_finish* f, int64_t columns, const thw_tensor* in,
                              const REAL* y, REAL* folded) {
  if (f->shift >= 0) e->shift = in[f->shift].data;
  if (f->normalisation >= 0) {
    REAL* shift = folded + ceil_div(columns, 16) * 16;
    NAME(fold_normalisation)(columns, f->epsilon, in + f->normalisation, e->shift, folded, shift);
    e->scale = folded, e->shift = shift;
  }
  e->has_residual = f->residual >= 0;
  if (e->has_residual) e->residual = (const char*)in[f->residual].data - (const char*)y;
  e->is_clamped = f->is_clamped;
  e->low = (REAL)f->low, e->high = (REAL)f->high;
  return e->shift || e->has_residual || e->is_clamped;
}

INLINE vector NAME(finish_vector)(const NAME(Epilogue)* e, vector sum, const REAL* out, int64_t column) {
  if (e->scale)
    sum = sum * LOAD(e->scale + column) + LOAD(e->shift + column);
  else if (e->shift)
    sum += LOAD(e->shift + column);
  if (e->has_residual) sum += LOAD((const char*)out + e->residual);
  return e->is_clamped ? NAME(smaller)(SPLAT(e->high), NAME(larger)(SPLAT(e->low), sum)) : sum;
}
