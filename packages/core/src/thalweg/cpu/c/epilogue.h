/* What a kernel does to its finished sums before it stores them: the end of a fused op. */
#ifndef THALWEG_EPILOGUE_H
#define THALWEG_EPILOGUE_H
#include <stdint.h>

typedef struct {
  int32_t shift, residual;     /* inputs, or -1: y = clamp(normalised(sum + shift) + residual) */
  int32_t normalisation;       /* the first of scale, offset, mean, variance; or -1 */
  int32_t is_clamped;
  double low, high, epsilon;
} thw_finish;
#endif
