/* Winograd's minimal filtering (arXiv:1509.09308) with stride 1, channels last: windows of 3 x 3 and 5 x 5, and lines
 * of 3 and 7 down a row or a column.
 *
 *   Y = A^T [(G g G^T) * (B^T d B)] A      for every tile of y, summed over channels where the product stands
 *
 * A tile of m x m places reads a x a positions, a = m + r - 1; of a line, m places and a positions. The points are 0, 1,
 * -1 and infinity for a = 4; 0, +-sqrt(1/2), +-sqrt(2) and infinity for a = 6: they err a quarter as much as 0, +-1,
 * +-2; 0, +-1/2, +-1, +-2 and infinity for a = 8; 0, +-2/5, +-4/5, +-5/4, +-5/2 and infinity for a = 10.
 * For each of the positions the tiles' channels times the filter's are one matrix product. The gradient of the
 * filter is the adjoint: G^T [sum over tiles of (B^T d B)^T (A dy A^T)] G.
 */
#ifndef THALWEG_WINOGRAD_H
#define THALWEG_WINOGRAD_H
#include <stddef.h>
#include <stdint.h>

#include "cpu/c/epilogue.h"
#include "cpu/filters.h"
#include "thalweg_abi.h"

enum { THW_MOST_WINDOW = 7, THW_MOST_OUTPUTS = 4, THW_MOST_POINTS = 10, THW_MOST_POSITIONS = 64 };

typedef struct { /* where the tiles lie: x is read, y is written; the gradient of the image swaps them */
  int64_t images, size[2];   /* of x, in y and x */
  int64_t places[2];         /* of y */
  int64_t before[2];         /* padding before x */
  int64_t depth, columns;    /* channels of x and of y */
  int64_t window[2], outputs[2]; /* r and m; both 1 across a line */
  /* filled in by plan */
  int64_t points[2], positions; /* a, and all of a tile */
  int form;                  /* what loops are unrolled for: winograd_points.h */
  int64_t grid[2], tiles;    /* tiles of an image; of all images */
} thw_tiling;

typedef struct {
  thw_tiling tiling;
  int32_t x, filter, is_turned; /* inputs; whether the filter is flipped and its channels are swapped */
  int32_t filter_lasts;
  const void* zeros;            /* depth of them */
  thw_finish finish;
  /* chosen by plan_winograd */
  int64_t block_tiles, blocks; /* tiles that go through all steps together, in one task or by phases */
  int32_t is_by_phases, can_stream;
  int64_t group_panels, groups, sum_terms;
  int64_t v_stride, v_plane, m_stride, m_plane, u_plane, fill_depth, fill_parts;
  int64_t u_numbers, v_numbers, m_numbers;
  int64_t tile_grain, product_grain;
  thw_layout layout;
  /* changes from run to run */
  thw_filter_use use;
} thw_winograd;

typedef struct { /* gradient of the filter: tiling.depth and .columns are those of x and of dy */
  thw_tiling tiling;
  int32_t x, dy;                /* inputs */
  const void* zeros;            /* the more of depth and columns of them */
  /* chosen by plan_winograd_gradient */
  int64_t block_tiles;          /* that are transformed together */
  int64_t v_stride, v_plane, d_plane, u_plane, group_panels, groups;
  int64_t v_numbers, d_numbers, u_numbers;
  int64_t tile_grain, product_grain, filter_grain;
  int64_t splits, split_tiles; /* splits > 0: each sums some tiles by itself, and they are added at the end */
} thw_winograd_gradient;
#endif
