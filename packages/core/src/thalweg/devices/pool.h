/* The thread pool that kernels share, whichever device or package they belong to.
 *
 * A region is n items cut into chunks of exactly `grain`; threads claim chunks, so who runs which chunk varies but the
 * chunks themselves never do: results do not depend on the number of threads.
 */
#ifndef THALWEG_DEVICES_POOL_H
#define THALWEG_DEVICES_POOL_H
#include <stddef.h>
#include <stdint.h>

#include "thalweg_abi.h"

/* Runs body over [0, n) on at most `threads` threads, the caller among them. Each body gets `scratch_bytes` of memory
   of its own thread, 64-byte aligned, contents undefined (NULL for 0). Returns THW_OK, or THW_OOM when a thread found
   no scratch memory: then some chunks have not run. */
int thw_pool_run(int threads, int64_t n, int64_t grain, thw_body_fn body, void* arg, size_t scratch_bytes);

/* How long an idle worker spins before it sleeps, in pause instructions (2000 are about 40 microseconds). */
void thw_pool_set_spin(int pauses);

/* Workers that have been started in this process. */
int thw_pool_started(void);

/* Processors that this process may use: more threads than these never spin. */
void thw_pool_set_processors(int count);
#endif
