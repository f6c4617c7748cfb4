/* Optimizer steps, for one instruction set: TensorFlow 1.15's formulas, element by element. */
#include "cpu/c/optimizers.h"

#include <tgmath.h>

/* SLOT(k) and GRAD(k) name input k as an array, HYPER(k) as a number; g is the gradient's element. */
#define SLOT(name, k) T* name = x[k]
#define GRAD(k) const T* grad = x[k]
#define HYPER(k) (*(const T*)x[k])

#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)
#define UPDATE(op) static void JOIN(op, S)(void* const* x, int option, int64_t begin, int64_t end)
#define EACH INDEPENDENT for (int64_t i = begin; i < end; i++)

/* 1 where a and b have one sign, -1 where they differ, 0 where one is 0 */
#define AGREEMENT(a, b) (T)((((a) > 0) - ((a) < 0)) * (((b) > 0) - ((b) < 0)))

#define DEFINE_UPDATES                                                                                    \
  UPDATE(ApplyGradientDescent) {                                                                          \
    SLOT(var, 0);                                                                                         \
    GRAD(2);                                                                                              \
    const T lr = HYPER(1);                                                                                \
    (void)option;                                                                                         \
    EACH var[i] -= grad[i] * lr;                                                                          \
  }                                                                                                       \
  UPDATE(ApplyMomentum) {                                                                                 \
    SLOT(var, 0);                                                                                         \
    SLOT(accum, 1);                                                                                       \
    GRAD(3);                                                                                              \
    const T lr = HYPER(2), momentum = HYPER(4);                                                           \
    if (option) {                                                                                         \
      EACH {                                                                                              \
        const T g = grad[i], a = accum[i] * momentum + g;                                                 \
        accum[i] = a;                                                                                     \
        var[i] -= g * lr + a * momentum * lr;                                                             \
      }                                                                                                   \
    } else {                                                                                              \
      EACH {                                                                                              \
        const T a = accum[i] * momentum + grad[i];                                                        \
        accum[i] = a;                                                                                     \
        var[i] -= a * lr;                                                                                 \
      }                                                                                                   \
    }                                                                                                     \
  }                                                                                                       \
  UPDATE(ApplyAdam) {                                                                                     \
    SLOT(var, 0);                                                                                         \
    SLOT(mean, 1);                                                                                        \
    SLOT(square, 2);                                                                                      \
    GRAD(9);                                                                                              \
    const T beta1 = HYPER(6), beta2 = HYPER(7), epsilon = HYPER(8);                                       \
    const T lr = HYPER(5) * sqrt(1 - HYPER(4)) / (1 - HYPER(3)); /* HYPER(3), (4): powers of the betas */ \
    const T now = option ? 1 - beta1 : 0, past = option ? beta1 : 1; /* of the step: Nesterov looks ahead */ \
    EACH {                                                                                                \
      const T g = grad[i];                                                                                \
      const T m = mean[i] + (g - mean[i]) * (1 - beta1), v = square[i] + (g * g - square[i]) * (1 - beta2); \
      mean[i] = m;                                                                                        \
      square[i] = v;                                                                                      \
      var[i] -= (g * now + m * past) * lr / (sqrt(v) + epsilon);                                          \
    }                                                                                                     \
  }                                                                                                       \
  UPDATE(ApplyAdaMax) {                                                                                   \
    SLOT(var, 0);                                                                                         \
    SLOT(mean, 1);                                                                                        \
    SLOT(largest, 2);                                                                                     \
    GRAD(8);                                                                                              \
    const T lr = HYPER(4) / (1 - HYPER(3)), beta1 = HYPER(5), beta2 = HYPER(6), epsilon = HYPER(7);       \
    (void)option;                                                                                         \
    EACH {                                                                                                \
      const T g = grad[i], m = mean[i] + (g - mean[i]) * (1 - beta1), old = beta2 * largest[i];           \
      const T v = old > fabs(g) ? old : fabs(g);                                                          \
      mean[i] = m;                                                                                        \
      largest[i] = v;                                                                                     \
      var[i] -= lr * (m / (v + epsilon));                                                                 \
    }                                                                                                     \
  }                                                                                                       \
  UPDATE(ApplyAdagrad) {                                                                                  \
    SLOT(var, 0);                                                                                         \
    SLOT(accum, 1);                                                                                       \
    GRAD(3);                                                                                              \
    const T lr = HYPER(2), share = option ? 1 : 0;                                                        \
    EACH {                                                                                                \
      const T g = grad[i], a = accum[i] + g * g * share;                                                  \
      accum[i] = a;                                                                                       \
      var[i] -= g * lr / sqrt(a);                                                                         \
    }                                                                                                     \
  }                                                                                                       \
  UPDATE(ApplyAdagradV2) {                                                                                \
    SLOT(var, 0);                                                                                         \
    SLOT(accum, 1);                                                                                       \
    GRAD(4);                                                                                              \
    const T lr = HYPER(2), epsilon = HYPER(3), share = option ? 1 : 0;                                    \
    EACH {                                                                                                \
      const T g = grad[i], a = accum[i] + g * g * share;                                                  \
      accum[i] = a;                                                                                       \
      var[i] -= g * lr / (sqrt(a) + epsilon);                                                             \
    }                                                                                                     \
  }                                                                                                       \
  UPDATE(ApplyRMSProp) {                                                                                  \
    SLOT(var, 0);                                                                                         \
    SLOT(square, 1);                                                                                      \
    SLOT(moment, 2);                                                                                      \
    GRAD(7);                                                                                              \
    const T lr = HYPER(3), rho = HYPER(4), momentum = HYPER(5), epsilon = HYPER(6);                       \
    (void)option;                                                                                         \
    EACH {                                                                                                \
      const T g = grad[i], s = square[i] + (g * g - square[i]) * (1 - rho);                               \
      const T m = moment[i] * momentum + g * lr / sqrt(s + epsilon);                                      \
      square[i] = s;                                                                                      \
      moment[i] = m;                                                                                      \
      var[i] -= m;                                                                                        \
    }                                                                                                     \
  }                                                                                                       \
  UPDATE(ApplyCenteredRMSProp) {                                                                          \
    SLOT(var, 0);                                                                                         \
    SLOT(mean, 1);                                                                                        \
    SLOT(square, 2);                                                                                      \
    SLOT(moment, 3);                                                                                      \
    GRAD(8);                                                                                              \
    const T lr = HYPER(4), rho = HYPER(5), momentum = HYPER(6), epsilon = HYPER(7);                       \
    (void)option;                                                                                         \
    EACH {                                                                                                \
      const T g = grad[i], s = square[i] + (g * g - square[i]) * (1 - rho);                               \
      const T c = mean[i] + (g - mean[i]) * (1 - rho);                                                    \
      const T m = moment[i] * momentum + g * lr / sqrt(s - c * c + epsilon);                              \
      square[i] = s;                                                                                      \
      mean[i] = c;                                                                                        \
      moment[i] = m;                                                                                      \
      var[i] -= m;                                                                                        \
    }                                                                                                     \
  }                                                                                                       \
  UPDATE(ApplyAdadelta) {                                                                                 \
    SLOT(var, 0);                                                                                         \
    SLOT(accum, 1);                                                                                       \
    SLOT(updates, 2);                                                                                     \
    GRAD(6);                                                                                              \
    const T lr = HYPER(3), rho = HYPER(4), epsilon = HYPER(5);                                            \
    (void)option;                                                                                         \
    EACH {                                                                                                \
      const T g = grad[i], a = accum[i] * rho + g * g * (1 - rho);                                        \
      const T u = sqrt(updates[i] + epsilon) / sqrt(a + epsilon) * g;                                     \
      accum[i] = a;                                                                                       \
      updates[i] = updates[i] * rho + u * u * (1 - rho);                                                  \
      var[i] -= u * lr;                                                                                   \
    }                                                                                                     \
  }                                                                                                       \
  /* `shrink` is added to the gradient of the linear term alone. */                                       \
  static inline void JOIN(ftrl, S)(void* const* x, T lr, T l1, T l2, T shrink, T power, int64_t begin,    \
                                   int64_t end) {                                                         \
    SLOT(var, 0);                                                                                         \
    SLOT(accum, 1);                                                                                       \
    SLOT(linear, 2);                                                                                      \
    GRAD(3);                                                                                              \
    EACH {                                                                                                \
      const T g = grad[i], old = accum[i], a = old + g * g;                                               \
      const T root = power == (T)-0.5 ? sqrt(a) : pow(a, -power);                                         \
      const T old_root = power == (T)-0.5 ? sqrt(old) : pow(old, -power);                                 \
      const T l = linear[i] + (g + 2 * shrink * var[i]) - (root - old_root) / lr * var[i];                \
      const T inside = l > l1 ? l1 : l < -l1 ? -l1 : l;                                                   \
      accum[i] = a;                                                                                       \
      linear[i] = l;                                                                                      \
      var[i] = (inside - l) / (root / lr + 2 * l2);                                                       \
    }                                                                                                     \
  }                                                                                                       \
  UPDATE(ApplyFtrl) {                                                                                     \
    (void)option;                                                                                         \
    JOIN(ftrl, S)(x, HYPER(4), HYPER(5), HYPER(6), 0, HYPER(7), begin, end);                              \
  }                                                                                                       \
  UPDATE(ApplyFtrlV2) {                                                                                   \
    (void)option;                                                                                         \
    JOIN(ftrl, S)(x, HYPER(4), HYPER(5), HYPER(6), HYPER(7), HYPER(8), begin, end);                       \
  }                                                                                                       \
  UPDATE(ApplyAdagradDA) {                                                                                \
    SLOT(var, 0);                                                                                         \
    SLOT(sums, 1);                                                                                        \
    SLOT(squares, 2);                                                                                     \
    GRAD(3);                                                                                              \
    const T lr = HYPER(4), l1 = HYPER(5), l2 = HYPER(6), steps = (T)*(const int64_t*)x[7];                \
    const T most = (l1 > 0 ? l1 : 0) * steps;                                                             \
    (void)option;                                                                                         \
    EACH {                                                                                                \
      const T g = grad[i], sum = sums[i] + g, square = squares[i] + g * g, over = fabs(sum) - most;       \
      sums[i] = sum;                                                                                      \
      squares[i] = square;                                                                                \
      var[i] = -lr * copysign(over > 0 ? over : 0, sum) / (l2 * steps * lr + sqrt(square));               \
    }                                                                                                     \
  }                                                                                                       \
  UPDATE(ApplyAddSign) {                                                                                  \
    SLOT(var, 0);                                                                                         \
    SLOT(mean, 1);                                                                                        \
    GRAD(6);                                                                                              \
    const T lr = HYPER(2), alpha = HYPER(3), decay = HYPER(4), beta = HYPER(5);                           \
    (void)option;                                                                                         \
    EACH {                                                                                                \
      const T g = grad[i], m = mean[i] * beta + g * (1 - beta);                                           \
      mean[i] = m;                                                                                        \
      var[i] -= lr * (alpha + decay * AGREEMENT(g, m)) * g;                                               \
    }                                                                                                     \
  }                                                                                                       \
  UPDATE(ApplyPowerSign) {                                                                                \
    SLOT(var, 0);                                                                                         \
    SLOT(mean, 1);                                                                                        \
    GRAD(6);                                                                                              \
    const T lr = HYPER(2), power = HYPER(3) * HYPER(4), beta = HYPER(5); /* log of the base, decay */     \
    const T up = lr * exp(power), down = lr * exp(-power);                                                \
    (void)option;                                                                                         \
    EACH {                                                                                                \
      const T g = grad[i], m = mean[i] * beta + g * (1 - beta), sign = AGREEMENT(g, m);                   \
      mean[i] = m;                                                                                        \
      var[i] -= (sign > 0 ? up : sign < 0 ? down : lr) * g;                                               \
    }                                                                                                     \
  }                                                                                                       \
  /* The point nearest to v under the penalties, for a step of length lr. */                              \
  static inline T JOIN(proximal, S)(T v, T lr, T l1, T l2) {                                              \
    const T over = fabs(v) - lr * l1;                                                                     \
    return copysign(over > 0 ? over : 0, v) / (1 + l2 * lr);                                              \
  }                                                                                                       \
  UPDATE(ApplyProximalGradientDescent) {                                                                  \
    SLOT(var, 0);                                                                                         \
    GRAD(4);                                                                                              \
    const T lr = HYPER(1), l1 = HYPER(2), l2 = HYPER(3);                                                  \
    (void)option;                                                                                         \
    EACH var[i] = JOIN(proximal, S)(var[i] - grad[i] * lr, lr, l1, l2);                                   \
  }                                                                                                       \
  UPDATE(ApplyProximalAdagrad) {                                                                          \
    SLOT(var, 0);                                                                                         \
    SLOT(accum, 1);                                                                                       \
    GRAD(5);                                                                                              \
    const T l1 = HYPER(3), l2 = HYPER(4), lr = HYPER(2);                                                  \
    (void)option;                                                                                         \
    EACH {                                                                                                \
      const T g = grad[i], a = accum[i] + g * g, own_lr = lr / sqrt(a);                                   \
      accum[i] = a;                                                                                       \
      var[i] = JOIN(proximal, S)(var[i] - g * own_lr, own_lr, l1, l2);                                    \
    }                                                                                                     \
  }

#define S f32
#define T float
DEFINE_UPDATES
#undef S
#undef T
#define S f64
#define T double
DEFINE_UPDATES
#undef S
#undef T

enum { F32 = 1, F64 = 2 };

#define ROWS(op, inputs) {#op, inputs, F32, op##_f32}, {#op, inputs, F64, op##_f64},

static const thw_update_entry ENTRIES[] = {
  ROWS(ApplyGradientDescent, "vhg")
  ROWS(ApplyMomentum, "vvhgh")
  ROWS(ApplyAdam, "vvvhhhhhhg")
  ROWS(ApplyAdaMax, "vvvhhhhhg")
  ROWS(ApplyAdagrad, "vvhg")
  ROWS(ApplyAdagradV2, "vvhhg")
  ROWS(ApplyRMSProp, "vvvhhhhg")
  ROWS(ApplyCenteredRMSProp, "vvvvhhhhg")
  ROWS(ApplyAdadelta, "vvvhhhg")
  ROWS(ApplyFtrl, "vvvghhhh")
  ROWS(ApplyFtrlV2, "vvvghhhhh")
  ROWS(ApplyAdagradDA, "vvvghhhh") /* the last is the global step, int64 */
  ROWS(ApplyAddSign, "vvhhhhg")
  ROWS(ApplyPowerSign, "vvhhhhg")
  ROWS(ApplyProximalGradientDescent, "vhhhg")
  ROWS(ApplyProximalAdagrad, "vvhhhg")
};

const thw_optimizers_table THW_TABLE(optimizers) = {ENTRIES, sizeof(ENTRIES) / sizeof(ENTRIES[0])};
