/* Packed right-hand sides, once per REAL.
 *
 * A [depth, columns] matrix becomes panels of PANEL = NV * VL columns: panel p is [depth][PANEL], contiguous; the last
 * one is cut to whole vectors and padded with zeros. A panel is what tile.h reads as b.
 */
#ifndef PANEL
#define PANEL (NV * VL)
#endif

/* Width, in numbers, of the panel that starts at `column`: a whole number of vectors. */
INLINE int64_t NAME(panel_width)(int64_t column, int64_t columns) {
  return least(PANEL, ceil_div(columns - column, VL) * VL);
}

/* Numbers in all panels of a row of `columns`. */
INLINE int64_t NAME(packed_width)(int64_t columns) { return ceil_div(columns, VL) * VL; }

/* One row of a panel: target[j] = source[j], and zeros up to width. */
INLINE void NAME(pack_row)(REAL* target, const REAL* source, int64_t columns, int64_t width) {
  int64_t j = 0;
  for (; j + VL <= columns; j += VL) STORE(target + j, LOAD(source + j));
  for (; j < width; j++) target[j] = j < columns ? source[j] : 0;
}

typedef REAL NAME(four) __attribute__((vector_size(4 * sizeof(REAL)), aligned(sizeof(REAL)), may_alias));
typedef NAME(integer) NAME(four_order) __attribute__((vector_size(4 * sizeof(REAL))));

/* A 4 x 4 block, transposed. */
INLINE void NAME(turn_block)(REAL* target, int64_t width, const REAL* source, int64_t stride) {
  const NAME(four_order) low = {0, 4, 1, 5}, high = {2, 6, 3, 7}, even = {0, 1, 4, 5}, odd = {2, 3, 6, 7};
  NAME(four) a = *(const NAME(four)*)source, b = *(const NAME(four)*)(source + stride),
             c = *(const NAME(four)*)(source + 2 * stride), d = *(const NAME(four)*)(source + 3 * stride);
  NAME(four) ab = __builtin_shuffle(a, b, low), cd = __builtin_shuffle(c, d, low);
  NAME(four) ab_high = __builtin_shuffle(a, b, high), cd_high = __builtin_shuffle(c, d, high);
  *(NAME(four)*)target = __builtin_shuffle(ab, cd, even);
  *(NAME(four)*)(target + width) = __builtin_shuffle(ab, cd, odd);
  *(NAME(four)*)(target + 2 * width) = __builtin_shuffle(ab_high, cd_high, even);
  *(NAME(four)*)(target + 3 * width) = __builtin_shuffle(ab_high, cd_high, odd);
}

/* target[k * width + j] = source[j * column_stride + k]. A cache line of each column is used up before the next one
   is read: far columns would push each other out of the cache. */
static void NAME(pack_columns)(REAL* target, const REAL* source, int64_t column_stride, int64_t depth,
                               int64_t columns, int64_t width) {
  const int64_t line = 64 / sizeof(REAL), whole = columns / 4 * 4, turned = depth / 4 * 4;
  for (int64_t first = 0; first < turned; first += line)
    for (int64_t j = 0; j < whole; j += 4)
      for (int64_t k = first; k < least(first + line, turned); k += 4) {
        NAME(turn_block)(target + k * width + j, width, source + j * column_stride + k, column_stride);
        __builtin_prefetch(source + (j + (k - first) / 4) * column_stride + first + 4 * line, 0, 2);
      }
  for (int64_t r = 0; r < depth; r++)
    for (int64_t j = r < turned ? whole : 0; j < width; j++)
      target[r * width + j] = j < columns ? source[j * column_stride + r] : 0;
}

/* Rows row0, row0 + 1, ... of the panels of columns [first, end), which begin `distance` numbers apart, from a matrix
   source[k * row_stride + j * column_stride]; one of the strides is 1. Rows are read across all panels: where they
   are long, each costs a page of address space. */
static void NAME(pack_panels)(REAL* target, int64_t distance, int64_t row0, const REAL* source, int64_t row_stride,
                              int64_t column_stride, int64_t depth, int64_t first, int64_t end, int64_t columns) {
  if (column_stride != 1) {
    for (int64_t column = first; column < end; column += PANEL, target += distance) {
      int64_t width = NAME(panel_width)(column, columns);
      NAME(pack_columns)(target + row0 * width, source + column * column_stride, column_stride, depth,
                         least(width, columns - column), width);
    }
    return;
  }
  for (int64_t k = 0; k < depth; k++, source += row_stride) {
    REAL* panel = target;
    for (int64_t column = first; column < end; column += PANEL, panel += distance) {
      int64_t width = NAME(panel_width)(column, columns);
      for (int64_t j = 0; j < width; j += VL) __builtin_prefetch(source + 8 * row_stride + column + j);
      NAME(pack_row)(panel + (row0 + k) * width, source + column, least(width, columns - column), width);
    }
  }
}
