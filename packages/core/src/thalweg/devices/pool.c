/* One region at a time has the workers; a second caller meanwhile runs its region alone, since it keeps a processor
 * busy as well as a worker would.
 *
 * `gate` holds all that decides whether a worker may enter, in one word, so that a late worker can never mix two
 * regions: bits 0-11 workers inside, 12-23 workers allowed, 24 open, 32-63 the region's number. The caller closes the
 * gate when no chunk is left to claim and waits only for those inside, not for workers that never woke up.
 */
#define _GNU_SOURCE
#include "devices/pool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define MAX_WORKERS 255
#define MAX_DEPTH 4 /* nested regions that have scratch of their own */
#define INSIDE UINT64_C(0xfff)
#define ALLOWED_SHIFT 12
#define OPEN (UINT64_C(1) << 24)
#define LINE __attribute__((aligned(128)))

static struct {
  LINE uint32_t generation; /* changes when a region opens; workers sleep on it */
  LINE uint64_t gate;
  LINE int64_t next;        /* the next chunk to claim */
  LINE int is_taken;        /* a caller owns the workers */
  int sleepers, callers, started, processors, spin;
  int failed;               /* a thread of this region found no scratch memory */
  int64_t n, grain;
  thw_body_fn body;
  void* arg;
  size_t scratch_bytes;
} pool = {.spin = 2000, .processors = 1};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t scratch_key;
static __thread int depth;                /* regions that this thread is inside of */
static __thread struct { void* memory; size_t bytes; } scratch[MAX_DEPTH];

/* --- scratch memory --------------------------------------------------------------------------------- */

static void free_scratch(void* unused) {
  (void)unused;
  for (int i = 0; i < MAX_DEPTH; ++i) {
    free(scratch[i].memory);
    scratch[i].memory = NULL;
    scratch[i].bytes = 0;
  }
}

/* This thread's memory for the current depth; NULL when there is none to be had. */
static void* scratch_of(size_t bytes) {
  int level = depth - 1;
  if (scratch[level].bytes < bytes) {
    free(scratch[level].memory);
    bytes = (bytes + 4095) & ~(size_t)4095;
    scratch[level].memory = aligned_alloc(64, bytes);
    scratch[level].bytes = scratch[level].memory ? bytes : 0;
    pthread_setspecific(scratch_key, &scratch); /* not NULL: free_scratch runs when the thread ends */
  }
  return scratch[level].memory;
}

/* --- waiting ---------------------------------------------------------------------------------------- */

static inline void pause_once(void) {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

#if defined(__linux__) && !defined(THW_NO_FUTEX)
static void sleep_while(uint32_t seen) {
  syscall(SYS_futex, &pool.generation, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
}
static void wake(int count) { syscall(SYS_futex, &pool.generation, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0); }
static void reset_sleep(void) {}
#else
static pthread_mutex_t sleep_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t woken = PTHREAD_COND_INITIALIZER;
static void sleep_while(uint32_t seen) {
  pthread_mutex_lock(&sleep_lock);
  while (__atomic_load_n(&pool.generation, __ATOMIC_SEQ_CST) == seen) pthread_cond_wait(&woken, &sleep_lock);
  pthread_mutex_unlock(&sleep_lock);
}
static void wake(int count) {
  (void)count;
  pthread_mutex_lock(&sleep_lock);
  pthread_cond_broadcast(&woken);
  pthread_mutex_unlock(&sleep_lock);
}
static void reset_sleep(void) {
  pthread_mutex_init(&sleep_lock, NULL);
  pthread_cond_init(&woken, NULL);
}
#endif

static int load(const int* count) { return __atomic_load_n(count, __ATOMIC_RELAXED); }

/* Spinning helps only while every thread has a processor; otherwise it takes the time of the one waited for. */
static int spin_limit(void) {
  int awake = load(&pool.started) - load(&pool.sleepers);
  return load(&pool.callers) + awake > load(&pool.processors) ? 0 : load(&pool.spin);
}

/* Returns when a region newer than `seen` has opened. */
static uint32_t wait_for_region(uint32_t seen) {
  for (int i = spin_limit(); i > 0; --i) {
    if (__atomic_load_n(&pool.generation, __ATOMIC_ACQUIRE) != seen) break;
    pause_once();
  }
  while (__atomic_load_n(&pool.generation, __ATOMIC_SEQ_CST) == seen) {
    __atomic_add_fetch(&pool.sleepers, 1, __ATOMIC_SEQ_CST);
    sleep_while(seen);
    __atomic_sub_fetch(&pool.sleepers, 1, __ATOMIC_SEQ_CST);
  }
  return __atomic_load_n(&pool.generation, __ATOMIC_ACQUIRE);
}

/* --- one region ------------------------------------------------------------------------------------- */

static int64_t end_of(int64_t begin, int64_t grain, int64_t n) { return n - begin < grain ? n : begin + grain; }

static int run_alone(int64_t n, int64_t grain, thw_body_fn body, void* arg, size_t scratch_bytes) {
  ++depth;
  int is_spare = depth > MAX_DEPTH; /* deeper than anybody nests: memory for this region only */
  void* memory = !scratch_bytes ? NULL : is_spare ? aligned_alloc(64, (scratch_bytes + 63) & ~(size_t)63)
                                                  : scratch_of(scratch_bytes);
  int code = scratch_bytes && !memory ? THW_OOM : THW_OK;
  if (code == THW_OK)
    for (int64_t begin = 0; begin < n; begin = end_of(begin, grain, n)) body(arg, begin, end_of(begin, grain, n), memory);
  if (is_spare) free(memory);
  --depth;
  return code;
}

/* Claims and runs chunks until none is left. */
static void run_chunks(void) {
  ++depth;
  void* memory = pool.scratch_bytes ? scratch_of(pool.scratch_bytes) : NULL;
  if (pool.scratch_bytes && !memory) {
    __atomic_store_n(&pool.failed, 1, __ATOMIC_RELAXED);
  } else {
    int64_t n = pool.n, grain = pool.grain, chunks = (n - 1) / grain + 1, i;
    while ((i = __atomic_fetch_add(&pool.next, 1, __ATOMIC_RELAXED)) < chunks)
      pool.body(pool.arg, i * grain, end_of(i * grain, grain, n), memory);
  }
  --depth;
}

static int enter(void) {
  uint64_t gate = __atomic_load_n(&pool.gate, __ATOMIC_ACQUIRE);
  while ((gate & OPEN) && (gate & INSIDE) < ((gate >> ALLOWED_SHIFT) & INSIDE))
    if (__atomic_compare_exchange_n(&pool.gate, &gate, gate + 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE)) return 1;
  return 0;
}

static void* work(void* seen) {
  for (uint32_t region = (uint32_t)(uintptr_t)seen;;) {
    region = wait_for_region(region);
    if (enter()) {
      run_chunks();
      __atomic_sub_fetch(&pool.gate, 1, __ATOMIC_RELEASE);
    }
  }
  return NULL;
}

/* Workers ignore signals: Python's main thread is the one that handles Ctrl-C. */
static void start_workers(int wanted) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  while (load(&pool.started) < wanted) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, work, (void*)(uintptr_t)pool.generation)) break; /* fewer will do */
    pthread_detach(thread);
    __atomic_add_fetch(&pool.started, 1, __ATOMIC_RELAXED);
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void open_region(int workers) {
  pool.next = 0;
  pool.failed = 0;
  uint64_t number = (uint64_t)(pool.generation + 1) << 32;
  __atomic_store_n(&pool.gate, number | OPEN | ((uint64_t)workers << ALLOWED_SHIFT), __ATOMIC_RELEASE);
  __atomic_add_fetch(&pool.generation, 1, __ATOMIC_SEQ_CST);
  if (__atomic_load_n(&pool.sleepers, __ATOMIC_SEQ_CST)) wake(workers);
}

static void close_region(void) {
  __atomic_and_fetch(&pool.gate, ~OPEN, __ATOMIC_ACQ_REL);
  for (int i = spin_limit(); __atomic_load_n(&pool.gate, __ATOMIC_ACQUIRE) & INSIDE;)
    i-- > 0 ? pause_once() : (void)sched_yield();
}

/* --- the outside ------------------------------------------------------------------------------------ */

/* The child of a fork has none of the workers, and nobody else's region. */
static void after_fork_in_child(void) {
  pool.gate = 0;
  pool.is_taken = pool.sleepers = pool.callers = pool.started = 0;
  reset_sleep();
}

static void initialise(void) {
  pthread_key_create(&scratch_key, free_scratch);
  pthread_atfork(NULL, NULL, after_fork_in_child);
}

static int run_shared(int threads, int64_t n, int64_t grain, thw_body_fn body, void* arg, size_t scratch_bytes) {
  if (load(&pool.started) < threads - 1) start_workers(threads - 1);
  pool.n = n;
  pool.grain = grain;
  pool.body = body;
  pool.arg = arg;
  pool.scratch_bytes = scratch_bytes;
  open_region(threads - 1);
  run_chunks();
  close_region();
  return pool.failed ? THW_OOM : THW_OK;
}

int thw_pool_run(int threads, int64_t n, int64_t grain, thw_body_fn body, void* arg, size_t scratch_bytes) {
  if (n <= 0) return THW_OK;
  if (grain < 1) grain = 1;
  pthread_once(&once, initialise);
  int64_t chunks = (n - 1) / grain + 1;
  if (threads > MAX_WORKERS + 1) threads = MAX_WORKERS + 1;
  if (threads > chunks) threads = (int)chunks;
  if (threads < 2 || depth > 0) return run_alone(n, grain, body, arg, scratch_bytes);
  __atomic_add_fetch(&pool.callers, 1, __ATOMIC_RELAXED);
  int code, was_taken = 0;
  if (__atomic_compare_exchange_n(&pool.is_taken, &was_taken, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
    code = run_shared(threads, n, grain, body, arg, scratch_bytes);
    __atomic_store_n(&pool.is_taken, 0, __ATOMIC_RELEASE);
  } else {
    code = run_alone(n, grain, body, arg, scratch_bytes);
  }
  __atomic_sub_fetch(&pool.callers, 1, __ATOMIC_RELAXED);
  return code;
}

void thw_pool_set_spin(int pauses) { __atomic_store_n(&pool.spin, pauses < 0 ? 0 : pauses, __ATOMIC_RELAXED); }
int thw_pool_started(void) { return load(&pool.started); }
void thw_pool_set_processors(int count) { __atomic_store_n(&pool.processors, count < 1 ? 1 : count, __ATOMIC_RELAXED); }
