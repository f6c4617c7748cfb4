/* The kernels of pool.h for one instruction set: float, then double. */
#include "cpu/c/pool.h"

#include "cpu/c/simd.h"

#define SMALL_BYTES (1 << 17) /* read in about 20 us of one core */

#include "cpu/c/pool_places.h"

enum { SPREAD_MEAN, SPREAD_FIRST, SPREAD_ALL }; /* who has a share in a window's gradient */

#define REAL float
#include "cpu/c/pool_inside.h"
#include "cpu/c/pool_rows.h"
#include "cpu/c/pool_grads.h"
#include "cpu/c/pool_argmax.h"
#undef REAL
#define REAL double
#include "cpu/c/pool_inside.h"
#include "cpu/c/pool_rows.h"
#include "cpu/c/pool_grads.h"
#include "cpu/c/pool_argmax.h"
#undef REAL

#define BOTH(f) {f##_float, f##_double}
const thw_pool_table THW_TABLE(pool) = {plan,
                                        BOTH(max),
                                        BOTH(max_grad_first),
                                        BOTH(max_grad_all),
                                        BOTH(max_grad_grad),
                                        BOTH(argmax),
                                        BOTH(argmax_grad),
                                        BOTH(argmax_grad_grad),
                                        BOTH(mean),
                                        BOTH(mean_grad)};
