/* See copy.h. */
#include "copy.h"

#include <string.h>

enum { ROW_BLOCK = 64, COLUMN_BLOCK = 16384, SHORT_ROW_BYTES = 64, TILE = 16, FEW_ROWS = 8 };

typedef struct { uint64_t low, high; } pair_64;

static int64_t magnitude(int64_t v) { return v < 0 ? -v : v; }

/* --- the dimensions -------------------------------------------------------------------------------------------- */

static void swap_dimensions(thw_copy* c, int32_t i, int32_t j) {
  int64_t dim = c->dim[i], from = c->from[i], to = c->to[i];
  c->dim[i] = c->dim[j], c->from[i] = c->from[j], c->to[i] = c->to[j];
  c->dim[j] = dim, c->from[j] = from, c->to[j] = to;
}

/* Moves dimension i to place j > i; those between move up by one. */
static void move_inward(thw_copy* c, int32_t i, int32_t j) {
  for (; i < j; i++) swap_dimensions(c, i, i + 1);
}

/* Largest steps in the target first, so that it is written in order. */
static void sort_dimensions(thw_copy* c) {
  for (int32_t i = 1; i < c->rank; i++)
    for (int32_t j = i; j > 0 && magnitude(c->to[j]) > magnitude(c->to[j - 1]); j--) swap_dimensions(c, j, j - 1);
}

static void merge_dimensions(thw_copy* c) {
  int32_t last = 0;
  for (int32_t i = 1; i < c->rank; i++) {
    if (c->from[last] == c->from[i] * c->dim[i] && c->to[last] == c->to[i] * c->dim[i]) {
      c->dim[last] *= c->dim[i];
      c->from[last] = c->from[i];
      c->to[last] = c->to[i];
    } else {
      last++;
      c->dim[last] = c->dim[i], c->from[last] = c->from[i], c->to[last] = c->to[i];
    }
  }
  if (c->rank) c->rank = last + 1;
}

/* Makes the last but one dimension the one along which the source is dense, if the last is not: then tiles of both
 * are read and written by whole cache lines. */
static void bring_source_in(thw_copy* c) {
  if (c->rank < 2 || magnitude(c->from[c->rank - 1]) <= c->item) return;
  for (int32_t i = 0; i < c->rank - 2; i++)
    if (magnitude(c->from[i]) == c->item) {
      move_inward(c, i, c->rank - 2);
      return;
    }
}

/* A unit of work is rows times columns: few rows of few columns would be mostly overhead. */
static void bring_rows_in(thw_copy* c) {
  int32_t row = c->rank - 2;
  if (row > 0 && c->dim[row] < FEW_ROWS && c->dim[row - 1] > c->dim[row]) swap_dimensions(c, row - 1, row);
}

static void add_outer_dimension(thw_copy* c) {
  for (int32_t i = c->rank++; i > 0; i--)
    c->dim[i] = c->dim[i - 1], c->from[i] = c->from[i - 1], c->to[i] = c->to[i - 1];
  c->dim[0] = 1, c->from[0] = c->to[0] = 0;
}

int thw_copy_init(thw_copy* c, int32_t item, int32_t rank, const int64_t* dims, const int64_t* from,
                  const int64_t* to) {
  int64_t outer = 1;
  memset(c, 0, sizeof *c);
  c->item = item;
  if (item != 1 && item != 2 && item != 4 && item != 8 && item != 16) return 1;
  for (int32_t i = 0; i < rank; i++) {
    if (dims[i] == 0) return 0; /* no units */
    if (dims[i] == 1) continue;
    if (c->rank == THW_COPY_RANK - 2) return 1;
    c->dim[c->rank] = dims[i], c->from[c->rank] = from[i], c->to[c->rank] = to[i];
    c->rank++;
  }
  sort_dimensions(c);
  merge_dimensions(c);
  bring_source_in(c);
  bring_rows_in(c);
  if (c->rank == 0) {
    c->rank = 1;
    c->dim[0] = 1, c->from[0] = c->to[0] = item;
  }
  if (c->rank == 1) add_outer_dimension(c);
  int64_t rows = c->dim[c->rank - 2], columns = c->dim[c->rank - 1];
  c->column_block = columns < COLUMN_BLOCK ? columns : COLUMN_BLOCK;
  c->row_block = ROW_BLOCK;
  while (c->row_block * c->column_block < COLUMN_BLOCK && c->row_block < rows) c->row_block *= 2;
  if (c->row_block > rows) c->row_block = rows;
  c->row_blocks = (rows + c->row_block - 1) / c->row_block;
  c->column_blocks = (columns + c->column_block - 1) / c->column_block;
  for (int32_t i = 0; i < c->rank - 2; i++) outer *= c->dim[i];
  c->n_units = outer * c->row_blocks * c->column_blocks;
  return 0;
}

/* --- rows and columns ------------------------------------------------------------------------------------------ */

#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 12
#define HAS_SHUFFLE 0
#else
#define HAS_SHUFFLE 1
#endif

#if HAS_SHUFFLE
typedef uint32_t four_32 __attribute__((vector_size(16)));
#define SHUFFLE(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)

static inline four_32 load_four(const char* x) { four_32 v; memcpy(&v, x, 16); return v; }
static inline void store_four(char* y, four_32 v) { memcpy(y, &v, 16); }

/* y[i][j] = x[j][i] for 4 x 4 elements of 4 bytes; both have dense rows. */
static inline void transpose_four(const char* x, int64_t x_row, char* y, int64_t y_row) {
  four_32 a = load_four(x), b = load_four(x + x_row), c = load_four(x + 2 * x_row), d = load_four(x + 3 * x_row);
  four_32 ab_low = SHUFFLE(a, b, 0, 4, 1, 5), ab_high = SHUFFLE(a, b, 2, 6, 3, 7);
  four_32 cd_low = SHUFFLE(c, d, 0, 4, 1, 5), cd_high = SHUFFLE(c, d, 2, 6, 3, 7);
  store_four(y, SHUFFLE(ab_low, cd_low, 0, 1, 4, 5));
  store_four(y + y_row, SHUFFLE(ab_low, cd_low, 2, 3, 6, 7));
  store_four(y + 2 * y_row, SHUFFLE(ab_high, cd_high, 0, 1, 4, 5));
  store_four(y + 3 * y_row, SHUFFLE(ab_high, cd_high, 2, 3, 6, 7));
}
#endif

typedef struct { int64_t rows, columns, x_row, x_column, y_row, y_column; } extent; /* steps in bytes */

#define DEFINE_COPIES(S, T)                                                                               \
  static inline void one_##S(const char* x, char* y) { T v; memcpy(&v, x, sizeof v); memcpy(y, &v, sizeof v); } \
  static inline void strided_##S(extent e, const char* x, char* y) {                                      \
    for (int64_t i = 0; i < e.rows; i++, x += e.x_row, y += e.y_row)                                      \
      for (int64_t j = 0; j < e.columns; j++) one_##S(x + j * e.x_column, y + j * e.y_column);            \
  }                                                                                                       \
  /* Dense in the target along columns and in the source along rows. */                                   \
  static void tiles_##S(extent e, const char* x, char* y) {                                               \
    for (int64_t i = 0; i < e.rows; i += TILE)                                                            \
      for (int64_t j = 0; j < e.columns; j += TILE) {                                                     \
        extent tile = e;                                                                                  \
        tile.rows = e.rows - i < TILE ? e.rows - i : TILE;                                                \
        tile.columns = e.columns - j < TILE ? e.columns - j : TILE;                                       \
        tile_##S(tile, x + i * e.x_row + j * e.x_column, y + i * e.y_row + j * e.y_column);               \
      }                                                                                                   \
  }                                                                                                       \
  static void copy_##S(extent e, const char* x, char* y) {                                                \
    const int64_t item = sizeof(T);                                                                       \
    if (e.x_row == item && e.y_column == item && e.rows > 1)                                              \
      tiles_##S(e, x, y);                                                                                 \
    else if (e.y_column == item && e.x_column == item) /* constant steps: the compiler makes vectors */   \
      strided_##S((extent){e.rows, e.columns, e.x_row, item, e.y_row, item}, x, y);                       \
    else if (e.y_column == item && e.x_column == 0)                                                       \
      strided_##S((extent){e.rows, e.columns, e.x_row, 0, e.y_row, item}, x, y);                          \
    else                                                                                                  \
      strided_##S(e, x, y);                                                                               \
  }

static inline void strided_8(extent e, const char* x, char* y);
static inline void strided_16(extent e, const char* x, char* y);
static inline void strided_32(extent e, const char* x, char* y);
static inline void strided_64(extent e, const char* x, char* y);
static inline void strided_128(extent e, const char* x, char* y);

#define tile_8 strided_8
#define tile_16 strided_16
#define tile_64 strided_64
#define tile_128 strided_128

static inline void tile_32(extent e, const char* x, char* y) {
  int64_t i = 0;
#if HAS_SHUFFLE
  for (; i + 4 <= e.rows; i += 4) {
    int64_t j = 0;
    for (; j + 4 <= e.columns; j += 4)
      transpose_four(x + i * 4 + j * e.x_column, e.x_column, y + i * e.y_row + j * 4, e.y_row);
    extent rest = {4, e.columns - j, 4, e.x_column, e.y_row, 4};
    strided_32(rest, x + i * 4 + j * e.x_column, y + i * e.y_row + j * 4);
  }
#endif
  e.rows -= i;
  strided_32(e, x + i * 4, y + i * e.y_row);
}

DEFINE_COPIES(8, uint8_t)
DEFINE_COPIES(16, uint16_t)
DEFINE_COPIES(32, uint32_t)
DEFINE_COPIES(64, uint64_t)
DEFINE_COPIES(128, pair_64)

static void copy_extent(int32_t item, extent e, const char* x, char* y) {
  if (e.x_column == item && e.y_column == item && e.columns * item >= SHORT_ROW_BYTES) {
    for (int64_t i = 0; i < e.rows; i++) memcpy(y + i * e.y_row, x + i * e.x_row, e.columns * item);
    return;
  }
  switch (item) {
    case 1: copy_8(e, x, y); break;
    case 2: copy_16(e, x, y); break;
    case 4: copy_32(e, x, y); break;
    case 8: copy_64(e, x, y); break;
    default: copy_128(e, x, y);
  }
}

void thw_copy_run(const thw_copy* c, const char* x, char* y, int64_t begin, int64_t end) {
  const int32_t row = c->rank - 2, column = c->rank - 1;
  for (int64_t u = begin; u < end; u++) {
    int64_t outer = u, from, to;
    int64_t j = outer % c->column_blocks * c->column_block;
    outer /= c->column_blocks;
    int64_t i = outer % c->row_blocks * c->row_block;
    outer /= c->row_blocks;
    from = i * c->from[row] + j * c->from[column];
    to = i * c->to[row] + j * c->to[column];
    for (int32_t d = row - 1; d >= 0; d--) {
      int64_t position = outer % c->dim[d];
      outer /= c->dim[d];
      from += position * c->from[d];
      to += position * c->to[d];
    }
    extent e = {c->dim[row] - i, c->dim[column] - j, c->from[row], c->from[column], c->to[row], c->to[column]};
    if (e.rows > c->row_block) e.rows = c->row_block;
    if (e.columns > c->column_block) e.columns = c->column_block;
    copy_extent(c->item, e, x + from, y + to);
  }
}
