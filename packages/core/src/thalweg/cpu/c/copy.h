/* Copies between two strided views of memory: transposing, slicing, joining, padding and repeating are made of it. */
#ifndef THALWEG_COPY_H
#define THALWEG_COPY_H
#include <stdint.h>

#define THW_COPY_RANK 24

typedef struct {
  int32_t item;                        /* bytes of an element: 1, 2, 4, 8 or 16 */
  int32_t rank;                        /* dimensions left, at least 2; the last two are those of the inner loops */
  int64_t dim[THW_COPY_RANK];
  int64_t from[THW_COPY_RANK];         /* bytes from one element to the next in the source; 0: repeated */
  int64_t to[THW_COPY_RANK];           /* the same in the target */
  int64_t row_block, column_block;     /* elements of the last two dimensions in a unit of work */
  int64_t row_blocks, column_blocks;
  int64_t n_units;
} thw_copy;

/* Strides are in bytes and may be negative. Gives 1 if there are too many dimensions or an odd element size. */
int thw_copy_init(thw_copy* copy, int32_t item, int32_t rank, const int64_t* dims, const int64_t* from,
                  const int64_t* to);

/* Copies units begin <= u < end; `x` and `y` point to element 0 of both views, which must not overlap. */
void thw_copy_run(const thw_copy* copy, const char* x, char* y, int64_t begin, int64_t end);

#endif
