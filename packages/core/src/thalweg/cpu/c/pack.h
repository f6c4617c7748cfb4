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
#ifndef PICK /* four of the eight numbers of a and b */
#if defined(__clang__) || __GNUC__ >= 12
#define PICK(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#else
#define PICK(a, b, i, j, k, l) __builtin_shuffle(a, b, (NAME(four_order)){i, j, k, l})
#endif
#endif

/* A 4 x 4 block, transposed. */
INLINE void NAME(turn_block)(REAL* target, int64_t width, const REAL* source, int64_t stride) {
  NAME(four) a = *(const NAME(four)*)source, b = *(const NAME(four)*)(source + stride),
             c = *(const NAME(four)*)(source + 2 * stride), d = *(const NAME(four)*)(source + 3 * stride);
  NAME(four) ab = PICK(a, b, 0, 4, 1, 5), cd = PICK(c, d, 0, 4, 1, 5);
  NAME(four) ab_high = PICK(a, b, 2, 6, 3, 7), cd_high = PICK(c, d, 2, 6, 3, 7);
  *(NAME(four)*)target = PICK(ab, cd, 0, 1, 4, 5);
  *(NAME(four)*)(target + width) = PICK(ab, cd, 2, 3, 6, 7);
  *(NAME(four)*)(target + 2 * width) = PICK(ab_high, cd_high, 0, 1, 4, 5);
  *(NAME(four)*)(target + 3 * width) = PICK(ab_high, cd_high, 2, 3, 6, 7);
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
