#define _GNU_SOURCE
#include "cpu/memory.h"

#include <malloc.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define LEAST_ALIGNMENT 64
#define HUGE_PAGE ((size_t)2 << 20)
#define LARGE (2 * HUGE_PAGE) /* from here on huge pages save more misses than their slack costs */

void thw_memory_init(thw_memory* memory) {
  *memory = (thw_memory){.bytes_limit = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGE_SIZE)};
}

static void raise_to(long long* most, long long value) {
  long long seen = __atomic_load_n(most, __ATOMIC_RELAXED);
  while (seen < value && !__atomic_compare_exchange_n(most, &seen, value, 1, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
  }
}

int thw_memory_alloc(thw_memory* memory, size_t bytes, size_t align, void** pointer) {
  /* Linux promises memory that it does not have: what cannot fit is refused here, not killed later. */
  if (bytes > memory->bytes_limit || (align & (align - 1))) return bytes > memory->bytes_limit ? THW_OOM : THW_INVALID;
  if (align < LEAST_ALIGNMENT) align = LEAST_ALIGNMENT;
  if (bytes >= LARGE && align < HUGE_PAGE) align = HUGE_PAGE;
  size_t rounded = ((bytes ? bytes : 1) + align - 1) & ~(align - 1);
  void* result = aligned_alloc(align, rounded);
  if (!result) return THW_OOM;
#ifdef MADV_HUGEPAGE
  if (bytes >= LARGE) madvise(result, rounded, MADV_HUGEPAGE); /* a wish: without it the memory is merely slower */
#endif
  long long size = (long long)malloc_usable_size(result);
  raise_to(&memory->peak_bytes, __atomic_add_fetch(&memory->bytes_in_use, size, __ATOMIC_RELAXED));
  raise_to(&memory->largest_alloc, size);
  __atomic_add_fetch(&memory->num_allocs, 1, __ATOMIC_RELAXED);
  *pointer = result;
  return THW_OK;
}

void thw_memory_free(thw_memory* memory, void* pointer) {
  if (!pointer) return;
  __atomic_sub_fetch(&memory->bytes_in_use, (long long)malloc_usable_size(pointer), __ATOMIC_RELAXED);
  free(pointer);
}

void thw_memory_stats(thw_memory* memory, thw_mem_stats* out) {
  out->bytes_in_use = out->bytes_reserved = __atomic_load_n(&memory->bytes_in_use, __ATOMIC_RELAXED);
  out->peak_bytes = __atomic_load_n(&memory->peak_bytes, __ATOMIC_RELAXED);
  out->num_allocs = __atomic_load_n(&memory->num_allocs, __ATOMIC_RELAXED);
  out->largest_alloc = __atomic_load_n(&memory->largest_alloc, __ATOMIC_RELAXED);
  out->bytes_limit = (int64_t)memory->bytes_limit;
}
