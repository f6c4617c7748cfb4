/* Optimizer steps: one sweep over a variable, its slots and its gradient. */
#ifndef THALWEG_OPTIMIZERS_H
#define THALWEG_OPTIMIZERS_H
#include <stdint.h>

#include "isa.h"

enum { THW_SLOT = 'v', THW_GRADIENT = 'g', THW_HYPER = 'h' };

/* x: the data of the op's inputs, in TensorFlow's order; elements begin <= i < end are updated. `option` is the op's
 * attribute use_nesterov or update_slots. The gradient may be the variable's own buffer. */
typedef void (*thw_update)(void* const* x, int option, int64_t begin, int64_t end);

typedef struct {
  const char* op;       /* TensorFlow's op type */
  const char* inputs;   /* one letter per input: v variable or slot, h hyper-parameter (a scalar), g gradient */
  uint8_t dtype;        /* DataType of all of them */
  thw_update fn;
} thw_update_entry;

typedef struct { const thw_update_entry* entries; int count; } thw_optimizers_table;

THW_CHOOSE_TABLE(optimizers)

#endif
