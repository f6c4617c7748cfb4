"""Ops on each element: one or several inputs, broadcast to a common shape. They work in either form of images."""
import numpy as np

from ..exporter import channels_first_axes, converts

_UNARY = {"Abs": "Abs", "Acos": "Acos", "Acosh": "Acosh", "Asin": "Asin", "Asinh": "Asinh", "Atan": "Atan",
          "Atanh": "Atanh", "Ceil": "Ceil", "Cos": "Cos", "Cosh": "Cosh", "Erf": "Erf", "Exp": "Exp",
          "Floor": "Floor", "Inv": "Reciprocal", "IsInf": "IsInf", "IsNan": "IsNaN", "Log": "Log",
          "LogicalNot": "Not", "Neg": "Neg", "Reciprocal": "Reciprocal", "Relu": "Relu", "Rint": "Round",
          "Round": "Round", "Sigmoid": "Sigmoid", "Sign": "Sign", "Sin": "Sin", "Sinh": "Sinh",
          "Softplus": "Softplus", "Softsign": "Softsign", "Sqrt": "Sqrt", "Tan": "Tan", "Tanh": "Tanh"}

_BINARY = {"Add": "Add", "AddV2": "Add", "Sub": "Sub", "Mul": "Mul", "RealDiv": "Div", "Div": "Div",
           "TruncateDiv": "Div", "Pow": "Pow", "Maximum": "Max", "Minimum": "Min", "Greater": "Greater",
           "GreaterEqual": "GreaterOrEqual", "Less": "Less", "LessEqual": "LessOrEqual", "Equal": "Equal",
           "LogicalAnd": "And", "LogicalOr": "Or"}

SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805       # arXiv:1706.02515


# --- one input ------------------------------------------------------------------------------------------

def unary(function):
    """A converter from a function (exporter, name of the input, op) -> name of the result, in either form."""
    def convert(c, op):
        x = op.inputs[0]
        is_first = c.is_first(x)
        c.set_in_form(op.outputs[0], function(c, c.in_form(x, is_first), op), is_first)
    return convert


for _op_type, _name in _UNARY.items():
    converts(_op_type)(unary(lambda c, x, op, name=_name: c.add(name, [x])))


@converts("Identity", "StopGradient", "PreventGradient", "CheckNumerics", "PlaceholderWithDefault", "EnsureShape",
          "ReadVariableOp")
def identity(c, op):
    c.alias(op.outputs[0], op.inputs[0])


@converts("IdentityN")
def identity_n(c, op):
    for source, result in zip(op.inputs, op.outputs):
        c.alias(result, source)


@converts("Relu6")
@unary
def relu6(c, x, op):
    return c.add("Clip", [x, c.like(op.inputs[0], 0), c.like(op.inputs[0], 6)])


@converts("LeakyRelu")
@unary
def leaky_relu(c, x, op):
    return c.add("LeakyRelu", [x], alpha=op.attrs["alpha"])


@converts("Elu")
@unary
def elu(c, x, op):
    return c.add("Elu", [x], alpha=1.0)


@converts("Selu")
@unary
def selu(c, x, op):
    return c.add("Selu", [x], alpha=SELU_ALPHA, gamma=SELU_SCALE)


@converts("Square")
@unary
def square(c, x, op):
    return c.add("Mul", [x, x])


@converts("Rsqrt")
@unary
def rsqrt(c, x, op):
    return c.add("Reciprocal", [c.add("Sqrt", [x], f"{op.name}/sqrt")])


@converts("Log1p")
@unary
def log1p(c, x, op):
    return c.add("Log", [c.add("Add", [x, c.like(op.inputs[0], 1)], f"{op.name}/plus_one")])


@converts("Expm1")
@unary
def expm1(c, x, op):
    return c.add("Sub", [c.add("Exp", [x], f"{op.name}/exp"), c.like(op.inputs[0], 1)])


@converts("Erfc")
@unary
def erfc(c, x, op):
    return c.add("Sub", [c.like(op.inputs[0], 1), c.add("Erf", [x], f"{op.name}/erf")])


@converts("IsFinite")
@unary
def is_finite(c, x, op):
    difference = c.add("Sub", [x, x], f"{op.name}/difference")       # 0, or NaN of what is not finite
    return c.add("Equal", [difference, c.like(op.inputs[0], 0)])


@converts("ZerosLike")
@unary
def zeros_like(c, x, op):
    return c.add("Expand", [c.like(op.inputs[0], 0), c.add("Shape", [x], f"{op.name}/shape")])


@converts("OnesLike")
@unary
def ones_like(c, x, op):
    return c.add("Expand", [c.like(op.inputs[0], 1), c.add("Shape", [x], f"{op.name}/shape")])


@converts("Cast")
@unary
def cast(c, x, op):
    from ..model import type_number
    return c.add("Cast", [x], to=type_number(op.attrs["DstT"], op.name))


# --- several inputs -------------------------------------------------------------------------------------

def broadcasting(function):
    """A converter from a function (exporter, names of inputs, op) -> name of the result.

    The inputs come with channels first where one of them is so and the others can be brought there.
    """
    def convert(c, op):
        rank = max((len(t._shape) for t in op.inputs if t._shape is not None), default=0)
        is_first = any(c.is_first(t) and c.rank(t) == rank for t in op.inputs) and all(
            _can_be_first(c, t, rank) for t in op.inputs)
        names = [_as_first(c, t, rank) if is_first else c.plain(t) for t in op.inputs]
        c.set_in_form(op.outputs[0], function(c, names, op), is_first)
    return convert


def _can_be_first(c, tensor, rank):
    if tensor._shape is None:
        return False
    return c.array(tensor) is not None or len(tensor._shape) in (0, 1, rank)


def _as_first(c, tensor, rank):
    """A tensor that is broadcast to images of `rank` with channels first."""
    array, own = c.array(tensor), c.rank(tensor)
    if own == rank:
        return c.first(tensor)
    if own == 0:
        return c.plain(tensor)
    if array is not None:
        wide = array.reshape((1,) * (rank - own) + array.shape)
        return c.constant(np.transpose(wide, channels_first_axes(rank)), f"{tensor.op.name}/nchw")
    return c.unsqueezed(c.plain(tensor), range(1, rank - 1))          # [C] -> [C, 1, 1]


for _op_type, _name in _BINARY.items():
    converts(_op_type)(broadcasting(lambda c, names, op, name=_name: c.add(name, names)))


@converts("AddN", "AccumulateNV2")
@broadcasting
def add_n(c, names, op):
    total, *others = names                                            # ONNX's Sum takes no integers
    for other in others[:-1]:
        total = c.add("Add", [total, other], f"{op.name}/partial")
    return c.add("Add", [total, others[-1]]) if others else c.add("Identity", [total])


@converts("NotEqual")
@broadcasting
def not_equal(c, names, op):
    return c.add("Not", [c.add("Equal", names, f"{op.name}/equal")])


@converts("LogicalXor")
@broadcasting
def logical_xor(c, names, op):
    return c.add("Xor", names)


@converts("SquaredDifference")
@broadcasting
def squared_difference(c, names, op):
    difference = c.add("Sub", names, f"{op.name}/difference")
    return c.add("Mul", [difference, difference])


@converts("DivNoNan")
@broadcasting
def div_no_nan(c, names, op):
    zero = c.like(op.inputs[0], 0)
    return c.add("Where", [c.add("Equal", [names[1], zero], f"{op.name}/by_zero"), zero,
                           c.add("Div", names, f"{op.name}/quotient")])


@converts("FloorDiv")
@broadcasting
def floor_div(c, names, op):
    if op.inputs[0].dtype.base_dtype.kind == "f":
        return c.add("Floor", [c.add("Div", names, f"{op.name}/quotient")])
    rest = c.add("Mod", names, f"{op.name}/rest")                     # of the divisor's sign
    return c.add("Div", [c.add("Sub", [names[0], rest], f"{op.name}/multiple"), names[1]])


@converts("FloorMod", "Mod")
@broadcasting
def floor_mod(c, names, op):
    if op.inputs[0].dtype.base_dtype.kind != "f":
        if op.type == "Mod":
            c.fail("TensorFlow's Mod of integers takes the dividend's sign; use tf.floormod")
        return c.add("Mod", names)
    quotient = c.add("Floor", [c.add("Div", names, f"{op.name}/quotient")], f"{op.name}/floor")
    return c.add("Sub", [names[0], c.add("Mul", [quotient, names[1]], f"{op.name}/multiple")])


@converts("SelectV2")
@broadcasting
def select_v2(c, names, op):
    return c.add("Where", names)


@converts("Select")
def select(c, op):
    condition, chosen, other = op.inputs
    name, rank = c.plain(condition), c.rank(chosen)
    if c.rank(condition) == 1 and rank > 1:                           # one bit per row
        name = c.unsqueezed(name, range(1, rank))
    c.set_plain(op.outputs[0], c.add("Where", [name, c.plain(chosen), c.plain(other)]))


@converts("BiasAdd", "BiasAddV1")
def bias_add(c, op):
    x, bias = op.inputs
    if op.attrs.get("data_format") == "NCHW":
        name = c.unsqueezed(c.plain(bias), range(1, c.rank(x) - 1))
        c.set_plain(op.outputs[0], c.add("Add", [c.plain(x), name]))
        return
    is_first = c.is_first(x)
    added = _as_first(c, bias, c.rank(x)) if is_first else c.plain(bias)
    c.set_in_form(op.outputs[0], c.add("Add", [c.in_form(x, is_first), added]), is_first)
