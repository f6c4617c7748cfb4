/* Resizing images, for one instruction set. */
#include "cpu/c/resize.h"

#include <string.h>

#define BILINEAR(NAME, T)                                                                                     \
  static void NAME(const thw_resize_job* r, const void* data, float* y, int64_t begin, int64_t end) {             \
    const T* x = data;                                                                                        \
    const int64_t c = r->c, row = r->w * c;                                                                   \
    for (int64_t i = begin; i < end; i++) {                                                                   \
      const thw_place down = r->rows[i % r->oh];                                                              \
      const T* image = x + i / r->oh * r->h * row;                                                            \
      const T *upper = image + down.before * row, *lower = image + down.after * row;                          \
      float* out = y + i * r->ow * c;                                                                         \
      for (int64_t j = 0; j < r->ow; j++) {                                                                   \
        const thw_place across = r->columns[j];                                                               \
        const int64_t left = across.before * c, right = across.after * c;                                     \
        for (int64_t k = 0; k < c; k++) {                                                                     \
          const float a = upper[left + k], b = lower[left + k];                                               \
          const float top = a + ((float)upper[right + k] - a) * across.part;                                  \
          const float bottom = b + ((float)lower[right + k] - b) * across.part;                               \
          *out++ = top + (bottom - top) * down.part;                                                          \
        }                                                                                                     \
      }                                                                                                       \
    }                                                                                                         \
  }
BILINEAR(bilinear_f32, float)
BILINEAR(bilinear_u8, uint8_t)

static void bilinear_grad(const thw_resize_job* r, const float* dy, float* dx, int64_t begin, int64_t end) {
  const int64_t c = r->c, row = r->w * c;
  memset(dx + begin * r->h * row, 0, sizeof(float) * (end - begin) * r->h * row);
  for (int64_t i = begin * r->oh; i < end * r->oh; i++) {
    const thw_place down = r->rows[i % r->oh];
    float* image = dx + i / r->oh * r->h * row;
    float *upper = image + down.before * row, *lower = image + down.after * row;
    const float* in = dy + i * r->ow * c;
    for (int64_t j = 0; j < r->ow; j++, in += c) {
      const thw_place across = r->columns[j];
      const int64_t left = across.before * c, right = across.after * c;
      for (int64_t k = 0; k < c; k++) {
        const float top = in[k] * (1 - down.part), bottom = in[k] * down.part;
        upper[left + k] += top * (1 - across.part);
        upper[right + k] += top * across.part;
        lower[left + k] += bottom * (1 - across.part);
        lower[right + k] += bottom * across.part;
      }
    }
  }
}

static void nearest_grad(const thw_resize_job* r, const float* dy, float* dx, int64_t begin, int64_t end) {
  const int64_t c = r->c, row = r->w * c;
  memset(dx + begin * r->h * row, 0, sizeof(float) * (end - begin) * r->h * row);
  for (int64_t i = begin * r->oh; i < end * r->oh; i++) {
    float* out = dx + i / r->oh * r->h * row + r->rows[i % r->oh].before * row;
    const float* in = dy + i * r->ow * c;
    for (int64_t j = 0; j < r->ow; j++, in += c)
      for (int64_t k = 0; k < c; k++) out[r->columns[j].before * c + k] += in[k];
  }
}

const thw_resize_table THW_TABLE(resize) = {bilinear_f32, bilinear_u8, bilinear_grad, nearest_grad};
