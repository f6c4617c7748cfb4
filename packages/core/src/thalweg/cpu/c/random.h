/* Random numbers of a range of outputs, as TensorFlow lays them out in a stream of Philox blocks.
 *
 * Each function is a thw_body_fn: (job, begin, end, scratch). An output is a function of the job and of its own index
 * alone, so that any split gives the same bits; `begin` is a multiple of THW_DRAW_STEP.
 */
#ifndef THALWEG_CPU_RANDOM_H
#define THALWEG_CPU_RANDOM_H
#include <stdint.h>

#include "philox.h"

enum {
  THW_DRAW_STEP = 4,
  THW_BLOCKS_PER_OUTPUT = 256 /* reserved, and the stretch of the stream that an output by rejection owns */
};

typedef struct {
  thw_stream stream;
  void* y;
  int64_t n;                    /* outputs in all */
  int64_t low;                  /* integers: low + word % span */
  uint64_t span;
  int64_t samples, parameters;  /* gamma, Poisson: y [samples, parameters] */
  const double* parameter;
  double limit;                 /* Poisson: the largest value of y's dtype */
  void (*store)(void* y, int64_t i, double value);
  int64_t classes;              /* multinomial: y [n / samples, samples] */
  const double* cumulated;      /* [n / samples, classes] unnormalised distribution functions */
} thw_draw_job;

void thw_uniform_f16(void* job, int64_t begin, int64_t end, void* scratch);
void thw_uniform_f32(void* job, int64_t begin, int64_t end, void* scratch);
void thw_uniform_f64(void* job, int64_t begin, int64_t end, void* scratch);
void thw_uniform_i32(void* job, int64_t begin, int64_t end, void* scratch);
void thw_uniform_i64(void* job, int64_t begin, int64_t end, void* scratch);
void thw_normal_f32(void* job, int64_t begin, int64_t end, void* scratch);
void thw_normal_f64(void* job, int64_t begin, int64_t end, void* scratch);
void thw_truncated_normal_f32(void* job, int64_t begin, int64_t end, void* scratch);
void thw_truncated_normal_f64(void* job, int64_t begin, int64_t end, void* scratch);
void thw_gamma(void* job, int64_t begin, int64_t end, void* scratch);
void thw_poisson(void* job, int64_t begin, int64_t end, void* scratch);
void thw_categories(void* job, int64_t begin, int64_t end, void* scratch);

/* The unnormalised distribution function of one row of logits; those that are not finite have no weight. */
void thw_cumulate(const double* logits, int64_t classes, double* cumulated);

/* The stream of a stateless op: the seed is the counter of one block under a fixed key, whose words are the key and the
 * upper half of the counter. */
void thw_stream_of_seed(int64_t first, int64_t second, thw_stream* stream);

/* order[0 .. n): Fisher and Yates from the front, one word of the stream per swap. */
void thw_shuffled(const thw_stream* stream, int64_t n, int64_t* order);

/* thw_draw_job.store for each dtype of y */
void thw_store_f32(void* y, int64_t i, double value);
void thw_store_f64(void* y, int64_t i, double value);
void thw_store_i32(void* y, int64_t i, double value);
void thw_store_i64(void* y, int64_t i, double value);
#endif
