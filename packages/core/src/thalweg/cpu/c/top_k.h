/* The k largest elements of a row, the largest first; of equals the one that comes first. */
#ifndef THALWEG_TOP_K_H
#define THALWEG_TOP_K_H
#include <stdint.h>

/* places: k positions in x; scratch: 2 * columns numbers. */
typedef void (*thw_top_k_loop)(const void* x, int64_t columns, int64_t k, void* values, int32_t* places,
                               int32_t* scratch);

/* The loop for a DataType, or NULL. */
thw_top_k_loop thw_top_k(int dtype);

#endif
