#include "cpu/filters.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/memory.h"

struct thw_kept {
  thw_kept* next;
  const uint64_t* counter; /* where the value's version is told: whose filter it is */
  thw_layout layout;
  size_t bytes;
  uint64_t made, making, seen; /* versions: of `data`; of what is being made; met last */
  const void *from, *seen_at;  /* where the value of `data`, and the one met last, lie: a run may still read the memory
                                  that its variable has left, and find the new value's version */
  void* data;                  /* NULL until something is kept */
  int users, readers;          /* kernels; calls that read or make `data` */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* held for a few instructions */
static thw_kept* all;
static thw_memory memory;
static size_t budget;
static uint64_t reads;

static void before_fork(void) { pthread_mutex_lock(&lock); }
static void after_fork(void) { pthread_mutex_unlock(&lock); }

/* Calls of other threads never come to their end here; what they were making, `made` says to be none. */
static void after_fork_in_child(void) {
  for (thw_kept* kept = all; kept; kept = kept->next) kept->readers = 0;
  pthread_mutex_unlock(&lock);
}

__attribute__((constructor)) static void begin(void) {
  thw_memory_init(&memory);
  pthread_atfork(before_fork, after_fork, after_fork_in_child);
}

void thw_filter_set_budget(size_t bytes) { budget = bytes; }

static thw_kept* find(const uint64_t* counter, const thw_layout* layout, size_t bytes) {
  for (thw_kept* kept = all; kept; kept = kept->next)
    if (kept->counter == counter && kept->bytes == bytes && !memcmp(&kept->layout, layout, sizeof *layout))
      return kept;
  thw_kept* kept = calloc(1, sizeof *kept);
  if (!kept) return NULL;
  *kept = (thw_kept){.next = all, .counter = counter, .layout = *layout, .bytes = bytes};
  return all = kept;
}

static void drop_unused(thw_kept* kept) {
  if (kept->users || kept->readers) return;
  thw_kept** link = &all;
  while (*link != kept) link = &(*link)->next;
  *link = kept->next;
  thw_memory_free(&memory, kept->data);
  free(kept);
}

static void leave(thw_filter_use* use) {
  if (!use->known) return;
  use->known->users--;
  drop_unused(use->known);
  use->known = NULL;
}

/* The copy to read, or to make where `made` is not the version; NULL: none is kept. */
static thw_kept* find_copy(thw_filter_use* use, const uint64_t* counter, uint64_t version, const void* source,
                           const thw_layout* layout, size_t bytes) {
  if (use->known && use->known->counter != counter) leave(use);
  if (!use->known) {
    use->known = find(counter, layout, bytes);
    if (!use->known) return NULL;
    use->known->users++;
  }
  thw_kept* kept = use->known;
  if (kept->made == version && kept->from == source) return kept;
  int is_new = kept->seen != version || kept->seen_at != source;
  kept->seen = version, kept->seen_at = source;
  if (is_new || kept->readers) return NULL;
  if (!kept->data && ((size_t)memory.bytes_in_use + bytes > budget ||
                      thw_memory_alloc(&memory, bytes, 64, &kept->data) != THW_OK))
    return NULL;
  kept->made = 0;
  kept->making = version, kept->from = source;
  return kept;
}

thw_filter thw_filter_take(thw_filter_use* use, const thw_call* call, int input, const void* source,
                           const thw_layout* layout, size_t bytes, void* own) {
  const uint64_t* counter = call->in_versions ? call->in_versions[input] : NULL;
  thw_filter filter = {.data = own};
  if (!counter || !bytes) return filter;
  pthread_mutex_lock(&lock);
  uint64_t version = __atomic_load_n(counter, __ATOMIC_ACQUIRE);
  thw_kept* kept = find_copy(use, counter, version, source, layout, bytes);
  if (kept) {
    kept->readers++;
    filter = (thw_filter){kept->data, kept->made == version, kept};
    reads += filter.is_made;
  }
  pthread_mutex_unlock(&lock);
  return filter;
}

void thw_filter_made(const thw_filter* filter) {
  if (!filter->kept) return;
  pthread_mutex_lock(&lock);
  filter->kept->made = filter->kept->making;
  pthread_mutex_unlock(&lock);
}

void thw_filter_give(const thw_filter* filter) {
  if (!filter->kept) return;
  pthread_mutex_lock(&lock);
  filter->kept->readers--;
  drop_unused(filter->kept);
  pthread_mutex_unlock(&lock);
}

void thw_filter_leave(thw_filter_use* use) {
  pthread_mutex_lock(&lock);
  leave(use);
  pthread_mutex_unlock(&lock);
}

size_t thw_filter_bytes(void) { return (size_t)memory.bytes_in_use; }
uint64_t thw_filter_reads(void) { return reads; }
