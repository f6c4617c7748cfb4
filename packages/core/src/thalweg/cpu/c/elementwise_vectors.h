/* Elementwise loops in vectors, once per REAL: pairs of ops as one loop, so that what passes between the two stays in
 * registers, and loops that store past the caches. Bits are those of the ops one by one: each rounds its result.
 */

INLINE vector NAME(relu)(vector v) { return NAME(larger)((vector){0}, v); }

/* A product that the next addition must not take into one rounding. */
INLINE vector NAME(rounded)(vector v) {
  IN_REGISTER(v);
  return v;
}

/* X(name, operands, result of the vectors a, b, c) */
#ifndef VECTOR_PAIRS
#define VECTOR_PAIRS(X)                         \
  X(AddRelu, 2, NAME(relu)(a + b))              \
  X(MulAdd, 3, NAME(rounded)(a * b) + c)        \
  X(MulMul, 3, a * b * c)                       \
  X(SubSquare, 2, (a - b) * (a - b))
#define VECTOR_SINGLES(X)                       \
  X(Add, 2, a + b)                              \
  X(Sub, 2, a - b)                              \
  X(Mul, 2, a * b)                              \
  X(Relu, 1, NAME(relu)(a))
#endif

typedef struct { /* operands of a vector loop: a single value is repeated in lanes, and steps over it are 0 */
  const REAL* x[3];
  int64_t step[3];
  REAL lanes[3][VL];
} NAME(Operands);

INLINE void NAME(set_operands)(const int arity, const void* const* x, const int64_t* step, NAME(Operands)* set) {
  for (int k = 0; k < arity; k++) {
    set->x[k] = x[k];
    set->step[k] = step[k];
    if (step[k]) continue;
    for (int i = 0; i < VL; i++) set->lanes[k][i] = *(const REAL*)x[k];
    set->x[k] = set->lanes[k];
  }
}

#define VECTOR_LOOP(op, arity, expression)                                                                \
  INLINE vector NAME(op##_of)(vector a, vector b, vector c) {                                             \
    (void)b, (void)c;                                                                                     \
    return expression;                                                                                    \
  }                                                                                                       \
  /* Fewer elements than a vector has. */                                                                 \
  static void NAME(op##_edge)(const NAME(Operands)* set, REAL* y, int64_t from, int64_t to) {             \
    REAL in[3][VL] = {{0}}, out[VL];                                                                      \
    for (int k = 0; k < arity; k++)                                                                       \
      memcpy(in[k], set->x[k] + from * set->step[k], (to - from) * sizeof(REAL));                         \
    STORE(out, NAME(op##_of)(LOAD(in[0]), LOAD(in[1]), LOAD(in[2])));                                     \
    memcpy(y + from, out, (to - from) * sizeof(REAL));                                                    \
  }                                                                                                       \
  INLINE void NAME(op##_walk)(const int is_streamed, const void* const* x, const int64_t* step, REAL* y, int64_t n) { \
    NAME(Operands) set;                                                                                   \
    int64_t i = 0;                                                                                        \
    NAME(set_operands)(arity, x, step, &set);                                                             \
    if (is_streamed) {                                                                                    \
      i = least(n, (int64_t)(-(uintptr_t)y % VECTOR_BYTES / sizeof(REAL)));                               \
      NAME(op##_edge)(&set, y, 0, i);                                                                     \
    }                                                                                                     \
    const REAL *p = set.x[0], *q = set.x[arity > 1], *r = set.x[arity > 2 ? 2 : 0];                       \
    const int64_t by_p = set.step[0], by_q = set.step[arity > 1], by_r = set.step[arity > 2 ? 2 : 0];     \
    for (; i + VL <= n; i += VL) {                                                                        \
      vector v = NAME(op##_of)(LOAD(p + i * by_p), LOAD(q + i * by_q), LOAD(r + i * by_r));               \
      if (is_streamed) STREAM(y + i, v);                                                                  \
      else STORE(y + i, v);                                                                               \
    }                                                                                                     \
    if (i < n) NAME(op##_edge)(&set, y, i, n);                                                            \
  }                                                                                                       \
  static int NAME(op##_streamed)(const void* const* x, const int64_t* step, void* y, int64_t n, double alpha) { \
    (void)alpha;                                                                                          \
    NAME(op##_walk)(1, x, step, y, n);                                                                    \
    return THW_LOOP_OK;                                                                                   \
  }

#define VECTOR_PAIR(op, arity, expression)                                                                \
  VECTOR_LOOP(op, arity, expression)                                                                      \
  static int NAME(op##_pair)(const void* const* x, const int64_t* step, void* y, int64_t n, double alpha) { \
    (void)alpha;                                                                                          \
    NAME(op##_walk)(0, x, step, y, n);                                                                    \
    return THW_LOOP_OK;                                                                                   \
  }

VECTOR_SINGLES(VECTOR_LOOP)
VECTOR_PAIRS(VECTOR_PAIR)

#undef VECTOR_LOOP
#undef VECTOR_PAIR
