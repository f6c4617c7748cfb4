/* Broadcasting as blocks: an elementwise result is walked in blocks, and each operand gives for a block a pointer and
 * a step, 1 or 0, which is all that a loop (elementwise.h) knows of shapes.
 *
 * An operand that does not run along with the result is laid out in scratch memory: a row vector once per chunk of
 * blocks, repeated, so that any block finds its values in one piece; anything else block by block. Where the innermost
 * dimension is long, blocks are parts of rows instead, and nothing is copied.
 */
#ifndef THALWEG_BROADCAST_H
#define THALWEG_BROADCAST_H
#include <stdint.h>

#define THW_MAX_RANK 16

typedef enum {
  THW_ALONG,    /* as large as the result */
  THW_SCALAR,   /* one element */
  THW_PERIODIC, /* repeats every `period` elements of the result; tiled once per chunk */
  THW_GATHERED, /* anything; laid out for each block */
  THW_ROWS      /* blocks are parts of rows: a pointer into the operand, step 1 or 0 */
} thw_operand_kind;

typedef struct {
  thw_operand_kind kind;
  int32_t item;                  /* bytes of an element */
  int64_t period;                /* elements */
  int64_t scratch_at;            /* bytes into the worker's scratch memory */
  int64_t stride[THW_MAX_RANK];  /* elements, 0 where it is repeated; per dimension of the grid */
} thw_operand;

typedef struct {
  int64_t n;            /* elements of the result */
  int64_t block;        /* elements of a block; the last of a row or of all may be shorter */
  int64_t n_blocks;
  int64_t row_blocks;   /* blocks of a row where blocks are parts of rows, else 0 */
  int64_t scratch_bytes;
  int32_t rank;         /* dimensions left once size 1 is dropped and what can be merged is merged */
  int64_t dim[THW_MAX_RANK];
} thw_grid;

typedef struct { int64_t start, size; } thw_block;

/* The strides of an input of shape `dims` in a result of shape `out_dims`. 0: fine; 1: it does not broadcast. */
int thw_operand_init(thw_operand* operand, int32_t item, int32_t rank, const int64_t* dims, int32_t out_rank,
                     const int64_t* out_dims);

/* Chooses the blocks. Those without copies hold up to `max_block` elements, the others about `copy_block`. */
void thw_grid_init(thw_grid* grid, int32_t rank, const int64_t* dims, thw_operand* operands, int32_t n_operands,
                   int64_t max_block, int64_t copy_block);

/* Lays out the periodic operand in scratch memory; before the first block of a chunk. */
void thw_operand_tile(const thw_grid* grid, const thw_operand* operand, const void* data, char* scratch);

static inline thw_block thw_block_at(const thw_grid* grid, int64_t index) {
  thw_block b;
  int64_t end = grid->n;
  if (grid->row_blocks) {
    int64_t row = index / grid->row_blocks, length = grid->dim[grid->rank - 1];
    b.start = row * length + (index - row * grid->row_blocks) * grid->block;
    end = (row + 1) * length;
  } else {
    b.start = index * grid->block;
  }
  b.size = end - b.start < grid->block ? end - b.start : grid->block;
  return b;
}

/* Where the operand's values for a block lie; *step is 1 or 0. */
const void* thw_operand_block(const thw_grid* grid, const thw_operand* operand, const void* data, thw_block block,
                              char* scratch, int64_t* step);

#endif
