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

/* target[k * width + j] = source[k * row_stride + j] */
static void NAME(pack_rows)(REAL* target, const REAL* source, int64_t row_stride, int64_t depth, int64_t columns,
                            int64_t width) {
  for (int64_t k = 0; k < depth; k++, target += width, source += row_stride) {
    int64_t j = 0;
    for (; j + VL <= columns; j += VL) STORE(target + j, LOAD(source + j));
    for (; j < width; j++) target[j] = j < columns ? source[j] : 0;
  }
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

/* target[k * width + j] = source[j * column_stride + k] */
static void NAME(pack_columns)(REAL* target, const REAL* source, int64_t column_stride, int64_t depth,
                               int64_t columns, int64_t width) {
  int64_t whole = columns / 4 * 4, k = 0;
  for (; k + 4 <= depth; k += 4)
    for (int64_t j = 0; j < whole; j += 4)
      NAME(turn_block)(target + k * width + j, width, source + j * column_stride + k, column_stride);
  for (int64_t r = 0; r < depth; r++)
    for (int64_t j = r < k ? whole : 0; j < width; j++)
      target[r * width + j] = j < columns ? source[j * column_stride + r] : 0;
}

/* One panel of source[k * row_stride + j * column_stride]; one of the strides is 1. */
static void NAME(pack_panel)(REAL* target, const REAL* source, int64_t row_stride, int64_t column_stride,
                             int64_t depth, int64_t columns, int64_t width) {
  if (column_stride == 1)
    NAME(pack_rows)(target, source, row_stride, depth, columns, width);
  else
    NAME(pack_columns)(target, source, column_stride, depth, columns, width);
}
