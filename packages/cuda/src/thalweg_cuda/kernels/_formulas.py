"""The formulas of the elementwise ops, one line each: op type -> expression in CUDA C, per kind of numbers.

The operands are a, b, c; k is the op's attribute; T is their type, U an unsigned type as wide (at least 32 bits), R
the type of the result. `name@` is `namef` where T is float. Argument orders and the treatment of ties, zeros, NaN are
TensorFlow 1.15's, as in the reference bodies and in core's cpu/c/elementwise_formulas.h. Functions that CUDA does not
have are in _functions.py; no intrinsics of reduced accuracy are used.
"""
from thalweg_cuda.work import Unsupported

FLOATING, INTEGERS, COMPLEX, BOOLS = frozenset((1, 2, 14, 19)), frozenset((3, 4, 5, 6, 9, 17, 22, 23)), \
    frozenset((8, 18)), frozenset((10,))

# op types that share a formula -> the one that has it
SAME = {"AddV2": "Add", "BiasAdd": "Add", "BiasAddV1": "Add", "Inv": "Reciprocal", "InvGrad": "ReciprocalGrad",
        "RealDiv": "Div", "TruncateMod": "Mod", "SelectV2": "Select"}

# op types whose attribute `k` is not named alpha
ATTRIBUTES = {"ApproximateEqual": "tolerance", "LeakyRelu": "alpha", "LeakyReluGrad": "alpha"}

_COMPARE = {"Equal": "a == b", "NotEqual": "a != b", "Less": "a < b", "LessEqual": "a <= b", "Greater": "a > b",
            "GreaterEqual": "a >= b"}

_RECTIFIERS = {"Relu": "a < 0 ? (T)0 : a", "Relu6": "a < 0 ? (T)0 : a > 6 ? (T)6 : a",
               "ReluGrad": "b > 0 ? a : (T)0", "Relu6Grad": "b > 0 && b < 6 ? a : (T)0",
               "Maximum": "a < b ? b : a",                   # a on ties; NaN in a stays, NaN in b does not
               "Minimum": "b < a ? b : a"}

_FUNCTIONS = ("Exp", "Expm1", "Log", "Log1p", "Tanh", "Sin", "Cos", "Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh",
              "Asinh", "Acosh", "Atanh", "Erf", "Erfc", "Lgamma", "Sqrt", "Rsqrt", "Floor", "Ceil", "Rint", "Sigmoid",
              "Softplus")

_FLOAT = {
    **_COMPARE, **_RECTIFIERS, **{name: f"{name.lower()}@(a)" for name in _FUNCTIONS},
    "Neg": "-a", "Abs": "fabs@(a)", "Sign": "(T)((a > 0) - (a < 0))", "Square": "a * a", "Reciprocal": "1 / a",
    "Round": "a == 0 ? a : rint@(a) + 0",                    # half to even; of -0.3, 0 and not -0
    "LeakyRelu": "a < a * k ? a * k : a",
    "Elu": "a < 0 ? expm1@(a) : a",
    "Selu": "a < 0 ? (T)1.7580993408473768 * expm1@(a) : (T)1.0507009873554805 * a",     # arXiv:1706.02515
    "Softsign": "a / (1 + fabs@(a))",
    "Add": "a + b", "Sub": "a - b", "Mul": "a * b", "Div": "a / b", "TruncateDiv": "trunc@(a / b)",
    "FloorDiv": "floor@(a / b)", "FloorMod": "floor_mod@(a, b)", "Mod": "fmod@(a, b)",
    "SquaredDifference": "(a - b) * (a - b)", "Pow": "pow@(a, b)", "Atan2": "atan2@(a, b)",
    "MulNoNan": "b == 0 ? (T)0 : a * b", "DivNoNan": "b == 0 ? (T)0 : a / b", "NextAfter": "nextafter@(a, b)",
    "Xdivy": "a == 0 ? (T)0 : a / b", "Xlogy": "a == 0 ? (T)0 : a * log@(b)",
    # a: upstream gradient, b: features
    "LeakyReluGrad": "b > 0 ? a : a * k", "SoftplusGrad": "a * sigmoid@(b)",
    "SoftsignGrad": "a / ((1 + fabs@(b)) * (1 + fabs@(b)))",
    # a: upstream gradient, b: the op's output
    "EluGrad": "b < 0 ? a * (b + 1) : a",
    "SeluGrad": "b < 0 ? a * (b + (T)1.7580993408473768) : a * (T)1.0507009873554805",
    # a: the op's output, b: upstream gradient
    "SigmoidGrad": "b * a * (1 - a)", "TanhGrad": "b * (1 - a * a)", "SqrtGrad": "b * (T)0.5 / a",
    "RsqrtGrad": "b * (T)-0.5 * (a * a * a)", "ReciprocalGrad": "-b * (a * a)",
    "IsNan": "a != a", "IsInf": "fabs@(a) == (T)infinity()", "IsFinite": "fabs@(a) < (T)infinity()",
    "ApproximateEqual": "fabs@(a - b) < k",
    "Complex": "pair{a, b}", "CheckNumerics": "examined(a, flag)",
    # special functions are computed in double and rounded once
    "Digamma": "(T)digamma(a)", "Polygamma": "(T)polygamma(a, b)", "Zeta": "(T)zeta(a, b)",
    "Igamma": "(T)igamma(a, b)", "Igammac": "(T)igammac(a, b)", "IgammaGradA": "(T)igamma_grad_a(a, b)",
    "RandomGammaGrad": "(T)variate_shift(a, b)",
    "Betainc": "(T)betainc(a, b, c)", "BesselI0e": "(T)bessel_e(0, a)", "BesselI1e": "(T)bessel_e(1, a)",
}

_WITHIN = "within_bits(b, 8 * sizeof(T) - 1)"                # a shift's distance stays within the bits that there are

# Integers wrap around, through U where C leaves that open. Divisors are not 0 here (CHECKS).
_INTEGER = {
    **_COMPARE, **_RECTIFIERS,
    "Neg": "(T)(0 - (U)a)", "Abs": "a < 0 ? (T)(0 - (U)a) : a", "Sign": "(T)((a > 0) - (a < 0))",
    "Square": "(T)((U)a * (U)a)", "Round": "a", "Invert": "(T)~a",
    "Add": "(T)((U)a + (U)b)", "Sub": "(T)((U)a - (U)b)", "Mul": "(T)((U)a * (U)b)",
    "SquaredDifference": "(T)(((U)a - (U)b) * ((U)a - (U)b))",
    "BitwiseAnd": "(T)(a & b)", "BitwiseOr": "(T)(a | b)", "BitwiseXor": "(T)(a ^ b)",
    "LeftShift": f"(T)((U)a << {_WITHIN})", "RightShift": f"(T)(a >> {_WITHIN})",
    "Div": "divide(a, b)", "TruncateDiv": "divide(a, b)", "FloorDiv": "floor_divide(a, b)", "Mod": "modulo(a, b)",
    "FloorMod": "floor_modulo(a, b)", "Pow": "power(a, b)", "Reciprocal": "floor_divide((T)1, a)",
    "ApproximateEqual": "distance(a, b) < k",
}

_BOOL = {"LogicalAnd": "a && b", "LogicalOr": "a || b", "LogicalNot": "!a", "Equal": "a == b", "NotEqual": "a != b"}

_COMPLEX_FUNCTIONS = ("Exp", "Expm1", "Log", "Log1p", "Tanh", "Sin", "Cos", "Tan", "Asin", "Acos", "Atan", "Sinh",
                      "Cosh", "Asinh", "Acosh", "Atanh", "Sqrt")

_COMPLEX = {
    **{name: f"complex_{name.lower()}(a)" for name in _COMPLEX_FUNCTIONS},
    "Equal": "a == b", "NotEqual": "!(a == b)", "Neg": "-a", "Sign": "complex_sign(a)",
    "Round": "complex_round(a)", "Square": "a * a",
    "Rsqrt": "one(a) / complex_sqrt(a)", "Reciprocal": "one(a) / a", "Sigmoid": "one(a) / (one(a) + complex_exp(-a))",
    "Add": "a + b", "Sub": "a - b", "Mul": "a * b", "Div": "a / b", "Pow": "complex_pow(a, b)",
    "SquaredDifference": "(a - b) * conjugate(a - b)",
    "MulNoNan": "is_zero(b) ? T{0, 0} : a * b", "DivNoNan": "is_zero(b) ? T{0, 0} : a / b",
    "Xdivy": "is_zero(a) ? T{0, 0} : a / b", "Xlogy": "is_zero(a) ? T{0, 0} : a * complex_log(b)",
    "SigmoidGrad": "b * a * (one(a) - a)", "TanhGrad": "b * (one(a) - a * a)",
    "SqrtGrad": "scaled(b, 0.5) / conjugate(a)",
    "RsqrtGrad": "scaled(b, -0.5) * conjugate(a * a * a)", "ReciprocalGrad": "-b * conjugate(a * a)",
    "ApproximateEqual": "modulus(a - b) < k",
    "Conj": "conjugate(a)", "Real": "(R)a.re", "Imag": "(R)a.im", "Angle": "(R)argument(a)",
    "ComplexAbs": "(R)modulus(a)",
}

# op types whose operands are moved as bits, whatever they mean
BITS = {"Select": "a ? b : c"}

_DIVISION, _POWER = "Integer division by zero", "Integers to negative integer powers are not allowed"

# Ops that may find an operand of integers wrong: (its number, what is wrong, what is taken instead, what is told)
CHECKS = {**dict.fromkeys(("Div", "TruncateDiv", "FloorDiv", "Mod", "FloorMod"), (1, "== 0", 1, _DIVISION)),
          "Reciprocal": (0, "== 0", 1, _DIVISION), "Pow": (1, "< 0", 0, _POWER)}

_TABLES = ((FLOATING, _FLOAT), (INTEGERS, _INTEGER), (COMPLEX, _COMPLEX), (BOOLS, _BOOL))

OP_TYPES = sorted({*_FLOAT, *_INTEGER, *_COMPLEX, *_BOOL, *BITS, *SAME} - {"BiasAdd", "BiasAddV1", "CheckNumerics"})


def formula(op_type, dtype):
    """The expression of an op for operands of a DataType number; Unsupported where there is none."""
    name = SAME.get(op_type, op_type)
    if name in BITS:
        return BITS[name]
    for kinds, table in _TABLES:
        if dtype in kinds and name in table:
            return table[name]
    raise Unsupported(f"{op_type} on CUDA has no formula for DataType {dtype}")


def has_formula(op_type, dtype):
    """Whether there is one."""
    try:
        return bool(formula(op_type, dtype))
    except Unsupported:
        return False
