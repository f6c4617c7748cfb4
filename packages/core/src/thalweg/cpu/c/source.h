/* Where a job's windowed tensor comes from: memory, or a maker that is asked for each block of it when the block is
 * read, so that what two ops hand over never leaves the second-level cache. */
#ifndef THALWEG_SOURCE_H
#define THALWEG_SOURCE_H
#include <stddef.h>
#include <stdint.h>

#include "thalweg_abi.h"

typedef struct {
  const void* data; /* the tensor; NULL: it is made */
  void (*make)(const void* maker, int64_t begin, int64_t end, void* rows, void* scratch);
  const void* maker; /* makes places [begin, end), as dense rows of all channels */
} thw_source;

/* Runs a job on what a source gives; the call's state is another kernel's, its workspace is the job's. */
typedef int (*thw_follow_fn)(thw_call* call, void* job, const thw_tensor* in, thw_tensor* out, const thw_source* x);
#endif
