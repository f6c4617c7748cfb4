/* See broadcast.h. */
#include "broadcast.h"

#include <string.h>

enum { LONG_ROW = 256 }; /* elements from which a row is worth a call of its own */

int thw_operand_init(thw_operand* operand, int32_t item, int32_t rank, const int64_t* dims, int32_t out_rank,
                     const int64_t* out_dims) {
  int64_t stride = 1;
  memset(operand, 0, sizeof *operand);
  operand->item = item;
  if (rank > out_rank || out_rank > THW_MAX_RANK) return 1;
  for (int32_t j = rank - 1, i = out_rank - 1; j >= 0; j--, i--) {
    if (dims[j] != out_dims[i] && dims[j] != 1) return 1;
    operand->stride[i] = dims[j] == 1 ? 0 : stride;
    stride *= dims[j];
  }
  return 0;
}

/* Whether dimension d of every operand runs on into dimension e, the next one that is kept. */
static int mergeable(const thw_grid* grid, const thw_operand* operands, int32_t n, int32_t d, int32_t e) {
  for (int32_t k = 0; k < n; k++)
    if (operands[k].stride[d] != operands[k].stride[e] * grid->dim[e]) return 0;
  return 1;
}

static void move_dimension(thw_grid* grid, thw_operand* operands, int32_t n, int32_t from, int32_t to) {
  grid->dim[to] = grid->dim[from];
  for (int32_t k = 0; k < n; k++) operands[k].stride[to] = operands[k].stride[from];
}

static void drop_and_merge(thw_grid* grid, thw_operand* operands, int32_t n) {
  int32_t last = THW_MAX_RANK; /* kept dimensions gather at the end, innermost last */
  for (int32_t d = grid->rank - 1; d >= 0; d--) {
    if (grid->dim[d] == 1) continue;
    if (last < THW_MAX_RANK && mergeable(grid, operands, n, d, last))
      grid->dim[last] *= grid->dim[d];
    else
      move_dimension(grid, operands, n, d, --last);
  }
  grid->rank = THW_MAX_RANK - last;
  for (int32_t d = 0; d < grid->rank; d++) move_dimension(grid, operands, n, last + d, d);
}

/* Elements of the innermost dimensions that the operand runs along with; 1 if it is repeated in the last. */
static int64_t dense_size(const thw_grid* grid, const thw_operand* operand, int32_t* first) {
  int64_t size = 1;
  int32_t d = grid->rank;
  while (d > 0 && operand->stride[d - 1] == size) size *= grid->dim[--d];
  *first = d;
  return size;
}

static void classify(const thw_grid* grid, thw_operand* operand, int64_t longest_period) {
  int32_t first, d = 0;
  int64_t size = dense_size(grid, operand, &first);
  while (d < first && operand->stride[d] == 0) d++;
  operand->period = size;
  operand->kind = first == 0                                 ? THW_ALONG
                  : d < first                                ? THW_GATHERED
                  : size == 1                                ? THW_SCALAR
                  : size <= longest_period                   ? THW_PERIODIC
                                                             : THW_GATHERED;
}

void thw_grid_init(thw_grid* grid, int32_t rank, const int64_t* dims, thw_operand* operands, int32_t n_operands,
                   int64_t max_block, int64_t copy_block) {
  int is_simple = 1;
  memset(grid, 0, sizeof *grid);
  grid->rank = rank;
  grid->n = 1;
  for (int32_t d = 0; d < rank; d++) grid->n *= grid->dim[d] = dims[d];
  if (grid->n == 0) return; /* no blocks */
  drop_and_merge(grid, operands, n_operands);
  for (int32_t k = 0; k < n_operands; k++) {
    classify(grid, &operands[k], copy_block);
    is_simple &= operands[k].kind == THW_ALONG || operands[k].kind == THW_SCALAR;
  }
  int64_t row = grid->rank ? grid->dim[grid->rank - 1] : 1;
  grid->block = max_block;
  if (!is_simple && row >= LONG_ROW) {
    grid->row_blocks = (row + max_block - 1) / max_block;
    grid->block = (row + grid->row_blocks - 1) / grid->row_blocks; /* parts of about equal size */
    for (int32_t k = 0; k < n_operands; k++) operands[k].kind = THW_ROWS;
    grid->n_blocks = grid->n / row * grid->row_blocks;
    return;
  }
  if (!is_simple) grid->block = copy_block / row * row; /* whole rows */
  if (grid->block > grid->n) grid->block = grid->n;
  grid->n_blocks = (grid->n + grid->block - 1) / grid->block;
  for (int32_t k = 0; k < n_operands; k++) {
    thw_operand* o = &operands[k];
    int64_t held = o->kind == THW_PERIODIC ? o->period + grid->block : o->kind == THW_GATHERED ? grid->block : 0;
    o->scratch_at = grid->scratch_bytes;
    grid->scratch_bytes += (held * o->item + 63) / 64 * 64;
  }
}

void thw_operand_tile(const thw_grid* grid, const thw_operand* operand, const void* data, char* scratch) {
  if (operand->kind != THW_PERIODIC) return;
  char* tile = scratch + operand->scratch_at;
  int64_t done = operand->period * operand->item;
  int64_t total = grid->n_blocks == 1 ? grid->n * operand->item : done + grid->block * operand->item;
  memcpy(tile, data, done);
  for (; done < total; done *= 2) memcpy(tile + done, tile, done < total - done ? done : total - done);
}

/* The offset in elements of row `row` of the operand, and the position in each outer dimension. */
static int64_t locate(const thw_grid* grid, const thw_operand* operand, int64_t row, int64_t* position) {
  int64_t offset = 0;
  for (int32_t d = grid->rank - 2; d >= 0; d--) {
    int64_t up = row / grid->dim[d];
    position[d] = row - up * grid->dim[d];
    offset += position[d] * operand->stride[d];
    row = up;
  }
  return offset;
}

static int64_t next_row(const thw_grid* grid, const thw_operand* operand, int64_t offset, int64_t* position) {
  for (int32_t d = grid->rank - 2; d >= 0; d--) {
    offset += operand->stride[d];
    if (++position[d] < grid->dim[d]) break;
    offset -= grid->dim[d] * operand->stride[d];
    position[d] = 0;
  }
  return offset;
}

#define GATHER(name, T)                                                                                   \
  static void name(const thw_grid* grid, const thw_operand* operand, const T* x, thw_block block, T* y) { \
    int64_t position[THW_MAX_RANK], row = grid->dim[grid->rank - 1], step = operand->stride[grid->rank - 1]; \
    int64_t offset = locate(grid, operand, block.start / row, position);                                  \
    for (int64_t left = block.size; left > 0; left -= row, y += row) {                                    \
      if (step)                                                                                           \
        for (int64_t i = 0; i < row; i++) y[i] = x[offset + i];                                           \
      else                                                                                                \
        for (int64_t i = 0; i < row; i++) y[i] = x[offset];                                               \
      offset = next_row(grid, operand, offset, position);                                                 \
    }                                                                                                     \
  }

GATHER(gather_8, uint8_t)
GATHER(gather_16, uint16_t)
GATHER(gather_32, uint32_t)
GATHER(gather_64, uint64_t)

static const void* gather(const thw_grid* grid, const thw_operand* operand, const void* data, thw_block block,
                          void* to) {
  switch (operand->item) {
    case 1: gather_8(grid, operand, data, block, to); break;
    case 2: gather_16(grid, operand, data, block, to); break;
    case 4: gather_32(grid, operand, data, block, to); break;
    default: gather_64(grid, operand, data, block, to);
  }
  return to;
}

const void* thw_operand_block(const thw_grid* grid, const thw_operand* operand, const void* data, thw_block block,
                              char* scratch, int64_t* step) {
  const char* x = data;
  *step = 1;
  switch (operand->kind) {
    case THW_ALONG: return x + block.start * operand->item;
    case THW_SCALAR: *step = 0; return x;
    case THW_PERIODIC: return scratch + operand->scratch_at + block.start % operand->period * operand->item;
    case THW_GATHERED: return gather(grid, operand, data, block, scratch + operand->scratch_at);
    case THW_ROWS: break;
  }
  int64_t position[THW_MAX_RANK], row = grid->dim[grid->rank - 1], index = block.start / row;
  int64_t offset = locate(grid, operand, index, position);
  *step = operand->stride[grid->rank - 1];
  return x + (offset + (block.start - index * row) * *step) * operand->item;
}
