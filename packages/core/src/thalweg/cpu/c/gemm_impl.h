/* The jobs of gemm.h for one instruction set: float, then double. */
#include "cpu/c/gemm.h"

#include <math.h>

#include "cpu/c/simd.h"

#define SMALL_WORK (1 << 20)        /* multiply-adds in about 20 us of one core: not worth splitting */
#define SMALL_WORK_BYTES (1 << 18)  /* bytes copied in about 20 us */
#define DEPTH_BLOCK 2048            /* terms of a sum that one pass takes, for accuracy and the caches */
#define SMALL_READS (1 << 17)       /* numbers of a matrix read in about 20 us */
#define PACK_PANELS 4              /* panels that are packed together */
#define ROWS 4                      /* products of so many rows are a matter of reading the matrix ... */
#define LARGE_ROWS 12               /* ... and of so many, where the matrix comes from memory */
#define LARGE_MATRIX (16 << 20)     /* bytes */
#define TASKS 16                    /* at least so many where there is so much to do */
#define MADE_BYTES (512 << 10)      /* of x that is made for a block: it stays in the second-level cache */
#define GROUP_BYTES (384 << 10)     /* of panels that a task packs for itself: they stay in the second-level cache */
#define PLACE_BLOCK 256             /* places that gather takes at a time; twice as many, so that sums are ... */
#define LARGE_RESULT (1 << 20)      /* ... added half as often, to a result of so many bytes of one tap */
#define COPIES_BYTES (4 << 20)      /* at most so much for partial results that are added at the end */

#include "cpu/c/window.h"

#define REAL float
#include "cpu/c/finish.h"
#include "cpu/c/tile.h"
#include "cpu/c/pack.h"
#include "cpu/c/margin.h"
#include "cpu/c/vector.h"
#include "cpu/c/blocks.h"
#include "cpu/c/correlate.h"
#include "cpu/c/gather.h"
#include "cpu/c/winograd_points.h"
#include "cpu/c/winograd_run.h"
#include "cpu/c/winograd_gradient.h"
#undef REAL

#define REAL double
#include "cpu/c/finish.h"
#include "cpu/c/tile.h"
#include "cpu/c/pack.h"
#include "cpu/c/margin.h"
#include "cpu/c/vector.h"
#include "cpu/c/blocks.h"
#include "cpu/c/correlate.h"
#include "cpu/c/gather.h"
#undef REAL

static void plan_correlation(thw_correlation* job, int is_double, size_t* workspace, size_t* scratch) {
  (is_double ? plan_correlation_double : plan_correlation_float)(job, workspace, scratch);
}

static void plan_gathering(thw_gathering* job, int is_double, size_t* workspace, size_t* scratch) {
  (is_double ? plan_gathering_double : plan_gathering_float)(job, workspace, scratch);
}

const thw_gemm_table THW_TABLE(gemm) = {plan_correlation,
                                        plan_gathering,
                                        {run_correlation_float, run_correlation_double},
                                        {run_gathering_float, run_gathering_double},
                                        {follow_float, follow_double},
                                        plan_winograd_float,
                                        run_winograd_float,
                                        plan_winograd_gradient_float,
                                        run_winograd_gradient_float,
                                        is_gradient_quicker_float,
                                        best_outputs_float};
