/* Who may call a device that can record: any number of threads, or the one that records, alone.
 *
 * A thread that waits here must not hold Python's lock, which those inside may need.
 */
#ifndef THALWEG_DEVICES_GATE_H
#define THALWEG_DEVICES_GATE_H
#include <pthread.h>
#include <stdlib.h>

typedef struct {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  int inside;    /* threads in a call */
  int recorders; /* threads that record, or wait to */
  int is_closed; /* one of them records */
} thw_gate;

/* Nobody is inside, nobody records: at first, and in the child of a fork, which has no other thread. */
static inline void thw_gate_reset(thw_gate* gate) {
  pthread_mutex_init(&gate->lock, NULL);
  pthread_cond_init(&gate->changed, NULL);
  gate->inside = gate->recorders = gate->is_closed = 0;
}

static inline thw_gate* thw_gate_new(void) {
  thw_gate* gate = (thw_gate*)malloc(sizeof(thw_gate));
  if (gate) thw_gate_reset(gate);
  return gate;
}

static inline void thw_gate_delete(thw_gate* gate) {
  if (!gate) return;
  pthread_mutex_destroy(&gate->lock);
  pthread_cond_destroy(&gate->changed);
  free(gate);
}

/* Before a call; NULL: a device that cannot record. Recorders go first, or many callers would keep them out. */
static inline void thw_gate_enter(thw_gate* gate) {
  if (!gate) return;
  pthread_mutex_lock(&gate->lock);
  while (gate->recorders) pthread_cond_wait(&gate->changed, &gate->lock);
  gate->inside++;
  pthread_mutex_unlock(&gate->lock);
}

/* The same without waiting: whether the call may be made. */
static inline int thw_gate_try_enter(thw_gate* gate) {
  if (!gate) return 1;
  pthread_mutex_lock(&gate->lock);
  int may_enter = !gate->recorders;
  gate->inside += may_enter;
  pthread_mutex_unlock(&gate->lock);
  return may_enter;
}

/* After a call; it may have begun before a fork. */
static inline void thw_gate_leave(thw_gate* gate) {
  if (!gate) return;
  pthread_mutex_lock(&gate->lock);
  if (gate->inside && --gate->inside == 0) pthread_cond_broadcast(&gate->changed);
  pthread_mutex_unlock(&gate->lock);
}

/* Around a recording. */
static inline void thw_gate_close(thw_gate* gate) {
  pthread_mutex_lock(&gate->lock);
  gate->recorders++;
  while (gate->inside || gate->is_closed) pthread_cond_wait(&gate->changed, &gate->lock);
  gate->is_closed = 1;
  pthread_mutex_unlock(&gate->lock);
}

static inline void thw_gate_open(thw_gate* gate) {
  pthread_mutex_lock(&gate->lock);
  if (gate->recorders) gate->recorders--;
  gate->is_closed = 0;
  pthread_cond_broadcast(&gate->changed);
  pthread_mutex_unlock(&gate->lock);
}
#endif
