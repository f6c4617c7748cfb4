/* The CPU device's memory: aligned, counted, with huge pages for what is large. */
#ifndef THALWEG_CPU_MEMORY_H
#define THALWEG_CPU_MEMORY_H
#include <stddef.h>

#include "thalweg_abi.h"

typedef struct {
  size_t bytes_limit;                                         /* of the machine */
  long long bytes_in_use, peak_bytes, num_allocs, largest_alloc; /* changed atomically */
} thw_memory;

void thw_memory_init(thw_memory* memory);

/* At least 64-byte aligned memory for `bytes`, never NULL on success; THW_OOM where there is none. */
int thw_memory_alloc(thw_memory* memory, size_t bytes, size_t align, void** pointer);
void thw_memory_free(thw_memory* memory, void* pointer);
void thw_memory_stats(thw_memory* memory, thw_mem_stats* out);
#endif
