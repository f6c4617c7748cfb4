#include "testing/fake_stream.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { COPY, RECORD, WAIT };

typedef struct order {
  struct order* next;
  int kind;
  void* target;
  const void* source;
  void* staged; /* what has been read of the source already */
  size_t n;
  uint64_t delay_ns;
  fake_event* event;
} order;

struct fake_event { int users, has_happened; int64_t ns; };  /* users: its owner, and the orders that name it */
struct fake_stream { pthread_t thread; order *first, **last; int is_busy, is_ending; };

/* One lock for all streams and events: this is a device for tests. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

/* The child of a fork has none of the threads: its copies are done at once. */
static int is_forked;

static void after_fork_in_child(void) {
  is_forked = 1;
  pthread_mutex_init(&lock, NULL);
  pthread_cond_init(&changed, NULL);
}

static void watch_for_forks(void) { pthread_atfork(NULL, NULL, after_fork_in_child); }

static int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void release(fake_event* event) {
  if (!--event->users) free(event);
}

/* Without the lock. */
static void copy(const order* o) {
  struct timespec pause = {o->delay_ns / 1000000000, o->delay_ns % 1000000000};
  nanosleep(&pause, NULL);
  memcpy(o->target, o->source, o->n);
  free(o->staged);
}

/* With the lock, which it gives up while it copies or waits. */
static void carry_out(order* o) {
  if (o->kind == COPY) {
    pthread_mutex_unlock(&lock);
    copy(o);
    pthread_mutex_lock(&lock);
    return;
  }
  if (o->kind == RECORD) o->event->ns = now_ns(), o->event->has_happened = 1;
  while (!o->event->has_happened) pthread_cond_wait(&changed, &lock);
  release(o->event);
}

static void* work(void* arg) {
  fake_stream* stream = arg;
  pthread_mutex_lock(&lock);
  for (;;) {
    while (!stream->first && !stream->is_ending) pthread_cond_wait(&changed, &lock);
    if (!stream->first) break;
    order* o = stream->first;
    stream->first = o->next;
    if (!o->next) stream->last = &stream->first;
    stream->is_busy = 1;
    carry_out(o);
    free(o);
    stream->is_busy = 0;
    pthread_cond_broadcast(&changed);
  }
  pthread_mutex_unlock(&lock);
  return NULL;
}

fake_stream* fake_stream_new(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, watch_for_forks);
  fake_stream* stream = calloc(1, sizeof *stream);
  if (!stream) return NULL;
  stream->last = &stream->first;
  if (pthread_create(&stream->thread, NULL, work, stream)) {
    free(stream);
    return NULL;
  }
  return stream;
}

void fake_stream_free(fake_stream* stream) {
  pthread_mutex_lock(&lock);
  stream->is_ending = 1;
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&lock);
  if (!is_forked) pthread_join(stream->thread, NULL);
  free(stream);
}

static int append(fake_stream* stream, order given) {
  order* o = malloc(sizeof *o);
  if (!o) return 0;
  *o = given;
  pthread_mutex_lock(&lock);
  if (o->event) ++o->event->users;
  *stream->last = o;
  stream->last = &o->next;
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&lock);
  return 1;
}

int fake_stream_copy(fake_stream* stream, void* target, const void* source, size_t n, uint64_t delay_ns,
                     int reads_now) {
  if (is_forked) return memcpy(target, source, n), 1;
  void* staged = reads_now ? malloc(n + 1) : NULL;
  if (reads_now && !staged) return 0;
  if (staged) memcpy(staged, source, n);
  order o = {.kind = COPY, .target = target, .source = staged ? staged : source, .staged = staged, .n = n,
             .delay_ns = delay_ns};
  if (append(stream, o)) return 1;
  free(staged);
  return 0;
}

void fake_stream_sync(fake_stream* stream) {
  if (is_forked) return;
  pthread_mutex_lock(&lock);
  while (stream->first || stream->is_busy) pthread_cond_wait(&changed, &lock);
  pthread_mutex_unlock(&lock);
}

fake_event* fake_event_new(fake_stream* stream) {
  fake_event* event = calloc(1, sizeof *event);
  if (!event) return NULL;
  event->users = 1;
  if (is_forked) return event->has_happened = 1, event->ns = now_ns(), event;
  if (append(stream, (order){.kind = RECORD, .event = event})) return event;
  free(event);
  return NULL;
}

int fake_event_wait(fake_stream* stream, fake_event* event) {
  return is_forked || append(stream, (order){.kind = WAIT, .event = event});
}

int64_t fake_event_ns(fake_event* event) {
  pthread_mutex_lock(&lock);
  while (!event->has_happened) pthread_cond_wait(&changed, &lock);
  int64_t ns = event->ns;
  pthread_mutex_unlock(&lock);
  return ns;
}

void fake_event_free(fake_event* event) {
  pthread_mutex_lock(&lock);
  release(event);
  pthread_mutex_unlock(&lock);
}
