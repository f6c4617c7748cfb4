/* The jobs of depthwise.h for one instruction set: float, then double. */
#include "cpu/c/depthwise.h"

#include <math.h>

#include "cpu/c/simd.h"

#define SMALL_PRODUCTS (1 << 18) /* in about 20 us of one core: these kernels wait for memory */
#define PLACES 4                 /* neighbours in a row that are computed together */

/* Places whose taps all read inside. */
static void complete_line(thw_line* line) {
  line->inside_begin = 0, line->inside_end = line->places;
  for (int64_t t = 0; t < line->n_taps; t++) {
    int64_t first = line->corner + line->taps[t].at;
    if (first < 0) line->inside_begin = most(line->inside_begin, ceil_div(-first, line->step));
    line->inside_end = least(line->inside_end, line->size > first ? ceil_div(line->size - first, line->step) : 0);
  }
}

/* The kernel for 3 or 5 neighbouring taps at step 1 or 2, at least a vector of channels; or 0. */
static int neighbour_kind(const thw_line* columns, int64_t channels) {
  const thw_line_tap* taps = columns->taps;
  if (channels < THW_VL || (columns->n_taps != 3 && columns->n_taps != 5) || columns->step > 2) return 0;
  int64_t filter_step = taps[1].filter - taps[0].filter;
  for (int64_t k = 1; k < columns->n_taps; k++)
    if (taps[k].at != taps[0].at + k || taps[k].filter != taps[0].filter + k * filter_step) return 0;
  return (int)(columns->n_taps * 10 + columns->step);
}

/* Places of a row at which a tap reads inside x: [begin, end). */
static void tap_range(const thw_line* line, const thw_line_tap* tap, int64_t* begin, int64_t* end) {
  int64_t first = line->corner + tap->at; /* x of place 0 */
  *begin = first >= 0 ? 0 : least(line->places, ceil_div(-first, line->step));
  *end = line->size > first ? most(*begin, least(line->places, ceil_div(line->size - first, line->step))) : *begin;
}

#define REAL float
#include "cpu/c/finish.h"
#include "cpu/c/depthwise_rows.h"
#include "cpu/c/depthwise_grad.h"
#include "cpu/c/depthwise_run.h"
#undef REAL
#define REAL double
#include "cpu/c/finish.h"
#include "cpu/c/depthwise_rows.h"
#include "cpu/c/depthwise_grad.h"
#include "cpu/c/depthwise_run.h"
#undef REAL

static void plan_correlation(thw_depthwise_job* job, int is_double, size_t* workspace, size_t* scratch) {
  (is_double ? plan_correlation_double : plan_correlation_float)(job, workspace, scratch);
}

static void plan_gathering(thw_depthwise_job* job, int is_double, size_t* workspace, size_t* scratch) {
  (is_double ? plan_gathering_double : plan_gathering_float)(job, workspace, scratch);
}

const thw_depthwise_table THW_TABLE(depthwise) = {plan_correlation,
                                                  plan_gathering,
                                                  {run_correlation_float, run_correlation_double},
                                                  {run_gathering_float, run_gathering_double},
                                                  {run_separable_float, run_separable_double}};
