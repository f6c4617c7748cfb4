/* The formulas of the elementwise ops, one line each: X(op type, grain class, expression).
 *
 * The operands are a, b, c; k is the op's attribute; T is their type, U its unsigned twin. OWN(f) is f_f32 or f_f64.
 * Grain classes: CHEAP is bound by memory, VECTOR is a polynomial, LIBM is a call per element. Argument orders and
 * the treatment of ties, zeros and NaN are TensorFlow 1.15's.
 */
#ifndef THALWEG_ELEMENTWISE_FORMULAS_H
#define THALWEG_ELEMENTWISE_FORMULAS_H

#define SELU_SCALE ((T)1.0507009873554804934193349852946)
#define SELU_SCALE_ALPHA ((T)1.7580993408473768599402175208123)

/* a: features or x */
#define FLOAT_UNARY(X)                                                                                    \
  X(Neg, CHEAP, -a)                                                                                       \
  X(Abs, CHEAP, fabs(a))                                                                                  \
  X(Sign, CHEAP, (T)((a > 0) - (a < 0)))                                                                  \
  X(Square, CHEAP, a * a)                                                                                 \
  X(Sqrt, VECTOR, sqrt(a))                                                                                \
  X(Rsqrt, VECTOR, 1 / sqrt(a))                                                                           \
  X(Reciprocal, VECTOR, 1 / a)                                                                            \
  X(Inv, VECTOR, 1 / a)                                                                                   \
  X(Floor, CHEAP, floor(a))                                                                               \
  X(Ceil, CHEAP, ceil(a))                                                                                 \
  X(Round, CHEAP, a == 0 ? a : rint(a) + 0) /* half to even; of -0.3, 0 and not -0 */                     \
  X(Rint, CHEAP, rint(a))                                                                                 \
  X(Exp, VECTOR, OWN(exp)(a))                                                                             \
  X(Expm1, VECTOR, OWN(expm1)(a))                                                                         \
  X(Log, VECTOR, OWN(log)(a))                                                                             \
  X(Log1p, VECTOR, OWN(log1p)(a))                                                                         \
  X(Tanh, VECTOR, OWN(tanh)(a))                                                                           \
  X(Sigmoid, VECTOR, OWN(sigmoid)(a))                                                                     \
  X(Sin, LIBM, sin(a))                                                                                    \
  X(Cos, LIBM, cos(a))                                                                                    \
  X(Tan, LIBM, tan(a))                                                                                    \
  X(Asin, LIBM, asin(a))                                                                                  \
  X(Acos, LIBM, acos(a))                                                                                  \
  X(Atan, LIBM, atan(a))                                                                                  \
  X(Sinh, LIBM, sinh(a))                                                                                  \
  X(Cosh, LIBM, cosh(a))                                                                                  \
  X(Asinh, LIBM, asinh(a))                                                                                \
  X(Acosh, LIBM, acosh(a))                                                                                \
  X(Atanh, LIBM, atanh(a))                                                                                \
  X(Erf, LIBM, erf(a))                                                                                    \
  X(Erfc, LIBM, erfc(a))                                                                                  \
  X(Relu, CHEAP, a < 0 ? 0 : a)                                                                           \
  X(Relu6, CHEAP, a < 0 ? 0 : a > 6 ? 6 : a)                                                              \
  X(LeakyRelu, CHEAP, a > 0 ? a : a * k)                                                                  \
  X(Elu, VECTOR, a < 0 ? OWN(expm1)(a) : a)                                                               \
  X(Selu, VECTOR, a < 0 ? SELU_SCALE_ALPHA * OWN(expm1)(a) : SELU_SCALE * a)                              \
  X(Softplus, VECTOR, OWN(softplus)(a))                                                                   \
  X(Softsign, VECTOR, a / (1 + fabs(a)))

#define FLOAT_BINARY(X)                                                                                   \
  X(Add, CHEAP, a + b)                                                                                    \
  X(AddV2, CHEAP, a + b)                                                                                  \
  X(Sub, CHEAP, a - b)                                                                                    \
  X(Mul, CHEAP, a * b)                                                                                    \
  X(RealDiv, VECTOR, a / b)                                                                               \
  X(Div, VECTOR, a / b)                                                                                   \
  X(FloorDiv, VECTOR, floor(a / b))                                                                       \
  X(FloorMod, LIBM, OWN(floor_mod)(a, b))                                                                 \
  X(Mod, LIBM, fmod(a, b))                                                                                \
  X(TruncateMod, LIBM, fmod(a, b))                                                                        \
  X(Maximum, CHEAP, a < b ? b : a) /* a on ties; NaN in a stays, NaN in b does not */                     \
  X(Minimum, CHEAP, b < a ? b : a)                                                                        \
  X(SquaredDifference, CHEAP, (a - b) * (a - b))                                                          \
  X(Pow, LIBM, pow(a, b))                                                                                 \
  X(Atan2, LIBM, atan2(a, b))                                                                             \
  X(MulNoNan, CHEAP, b == 0 ? 0 : a * b)                                                                  \
  X(DivNoNan, VECTOR, b == 0 ? 0 : a / b)                                                                 \
  X(NextAfter, LIBM, nextafter(a, b))                                                                     \
  X(Xdivy, VECTOR, a == 0 ? 0 : a / b)                                                                    \
  X(Xlogy, VECTOR, a == 0 ? 0 : a * OWN(log)(b))                                                          \
  /* a: upstream gradient, b: features */                                                                 \
  X(ReluGrad, CHEAP, b > 0 ? a : 0)                                                                       \
  X(Relu6Grad, CHEAP, ((b > 0) & (b < 6)) ? a : 0)                                                        \
  X(LeakyReluGrad, CHEAP, b > 0 ? a : a * k)                                                              \
  X(SoftplusGrad, VECTOR, a * OWN(sigmoid)(b))                                                            \
  X(SoftsignGrad, VECTOR, a / ((1 + fabs(b)) * (1 + fabs(b))))                                            \
  /* a: upstream gradient, b: the op's output */                                                          \
  X(EluGrad, CHEAP, b < 0 ? a * (b + 1) : a)                                                              \
  X(SeluGrad, CHEAP, b < 0 ? a * (b + SELU_SCALE_ALPHA) : a * SELU_SCALE)                                 \
  /* a: the op's output, b: upstream gradient */                                                          \
  X(SigmoidGrad, CHEAP, b * a * (1 - a))                                                                  \
  X(TanhGrad, CHEAP, b * (1 - a * a))                                                                     \
  X(SqrtGrad, VECTOR, b * (T)0.5 / a)                                                                     \
  X(RsqrtGrad, CHEAP, b * (T)-0.5 * (a * a * a))                                                          \
  X(ReciprocalGrad, CHEAP, -b * a * a)                                                                    \
  X(InvGrad, CHEAP, -b * a * a)

#define FLOAT_TEST(X)                                                                                     \
  X(IsNan, CHEAP, a != a)                                                                                 \
  X(IsInf, CHEAP, fabs(a) == (T)INFINITY)                                                                 \
  X(IsFinite, CHEAP, fabs(a) < (T)INFINITY)

#define FLOAT_COMPARE(X)                                                                                  \
  X(ApproximateEqual, CHEAP, fabs(a - b) < k)

#define COMPARE(X)                                                                                        \
  X(Equal, CHEAP, a == b)                                                                                 \
  X(NotEqual, CHEAP, a != b)                                                                              \
  X(Less, CHEAP, a < b)                                                                                   \
  X(LessEqual, CHEAP, a <= b)                                                                             \
  X(Greater, CHEAP, a > b)                                                                                \
  X(GreaterEqual, CHEAP, a >= b)

/* Integers wrap around, as the machine's do; through U, where C defines that. */
#define INT_UNARY(X)                                                                                      \
  X(Neg, CHEAP, (T)(0 - (U)a))                                                                            \
  X(Abs, CHEAP, a < 0 ? (T)(0 - (U)a) : a)                                                                \
  X(Sign, CHEAP, (T)((a > 0) - (a < 0)))                                                                  \
  X(Square, CHEAP, (T)((U)a * (U)a))                                                                      \
  X(Relu, CHEAP, a < 0 ? 0 : a)                                                                           \
  X(Relu6, CHEAP, a < 0 ? 0 : a > 6 ? 6 : a)                                                              \
  X(Invert, CHEAP, (T)~a)

/* A shift's distance stays within the bits that there are. */
#define DISTANCE(b) within_bits(b, 8 * sizeof(T) - 1)

#define INT_BINARY(X)                                                                                     \
  X(Add, CHEAP, (T)((U)a + (U)b))                                                                         \
  X(AddV2, CHEAP, (T)((U)a + (U)b))                                                                       \
  X(Sub, CHEAP, (T)((U)a - (U)b))                                                                         \
  X(Mul, CHEAP, (T)((U)a * (U)b))                                                                         \
  X(Maximum, CHEAP, a < b ? b : a)                                                                        \
  X(Minimum, CHEAP, b < a ? b : a)                                                                        \
  X(SquaredDifference, CHEAP, (T)(((U)a - (U)b) * ((U)a - (U)b)))                                         \
  X(BitwiseAnd, CHEAP, a & b)                                                                             \
  X(BitwiseOr, CHEAP, a | b)                                                                              \
  X(BitwiseXor, CHEAP, a ^ b)                                                                             \
  X(LeftShift, CHEAP, (T)((U)a << DISTANCE(b)))                                                           \
  X(RightShift, CHEAP, a >> DISTANCE(b))

/* b != 0 and b != -1 here: the loops have seen to those. */
#define INT_DIVIDE(X)                                                                                     \
  X(Div, a / b, (T)(0 - (U)a))                                                                            \
  X(TruncateDiv, a / b, (T)(0 - (U)a))                                                                    \
  X(FloorDiv, a / b - (T)((a % b != 0) & ((a < 0) != (b < 0))), (T)(0 - (U)a))                            \
  X(Mod, a % b, 0)                                                                                        \
  X(TruncateMod, a % b, 0)                                                                                \
  X(FloorMod, (T)(a % b + (((a % b != 0) & ((a < 0) != (b < 0))) ? b : 0)), 0)

#define BOOL_BINARY(X)                                                                                    \
  X(LogicalAnd, CHEAP, a & b)                                                                             \
  X(LogicalOr, CHEAP, a | b)                                                                              \
  X(Equal, CHEAP, a == b)                                                                                 \
  X(NotEqual, CHEAP, a != b)

#endif
