"""Strings: joining, formatting numbers, reading them."""
import numpy as np

from thalweg.framework import errors, shapes
from thalweg.framework.declaration import define_op, elementwise
from thalweg.framework.dtypes import COMPLEX, DType, bool_, float32, float64, int8, int16, int32, int64


def _each(function, *arrays):
    """An object array of function(elements...), the arrays broadcast against each other."""
    arrays = np.broadcast_arrays(*arrays)
    result = np.empty(arrays[0].shape, object)
    flat = result.reshape(-1)
    for i, items in enumerate(zip(*(a.ravel() for a in arrays))):
        flat[i] = function(*items)
    return result


@define_op("StringJoin", "inputs: N*string -> output: string")
def string_join_op(inputs, *, separator=""):
    """The strings of several tensors joined element by element; scalars are repeated."""
    between = separator.encode()
    return _each(lambda *parts: between.join(parts), *inputs)


@string_join_op.shape
def string_join_shape(node, values):
    result: tuple | None = ()
    for value in values:
        if value is None:
            return None
        if value != ():
            result = value if result == () else shapes.merge(result, value)
    return result


def string_join(inputs, separator="", name=None):
    """The strings of several tensors joined element by element, `separator` between them."""
    return string_join_op(inputs, separator=separator, name=name)


@elementwise("AsString", "input: T -> output: string",
             T=(int8, int16, int32, int64, float32, float64, *COMPLEX, bool_))
def as_string_op(input, *, precision=-1, scientific=False, shortest=False, width=-1, fill=""):
    """Each number as a string: floats with `precision` digits (6 when -1), in "%f", "%e" or the shorter of both."""
    if len(fill) > 1:
        raise errors.InvalidArgumentError(None, None, f"Fill string must be one or fewer characters, not {fill!r}")
    style = ("g" if shortest else "e" if scientific else "f")
    spec = "%" + fill + (str(width) if width > -1 else "")
    real = spec + (f".{precision}" if precision > -1 else "") + style

    def text(value):
        if isinstance(value, (bool, np.bool_)):
            return (spec + "s") % ("true" if value else "false")
        if isinstance(value, (int, np.integer)):
            return (spec + "d") % value
        if isinstance(value, (complex, np.complexfloating)):
            return f"({real % value.real},{real % value.imag})"
        return real % value
    return _each(lambda value: text(value).encode(), input)


def as_string(input, precision=-1, scientific=False, shortest=False, width=-1, fill="", name=None):
    """Each number of a tensor as a string.

    precision : digits after the point, 6 when -1; scientific : "%e"; shortest : "%g"; width, fill : as in printf
    """
    return as_string_op(input, precision=precision, scientific=scientific, shortest=shortest, width=width, fill=fill,
                        name=name)


@elementwise("StringToNumber", "string_tensor: string -> output: out_type", out_type=(float32, float64, int32, int64))
def string_to_number_op(string_tensor, *, out_type: DType = float32):
    """Each string as a number; InvalidArgumentError for one that is none."""
    convert = int if out_type.kind == "i" else float

    def number(text):
        try:
            return out_type.np.type(convert(text))
        except (ValueError, OverflowError) as error:
            raise errors.InvalidArgumentError(None, None, f"StringToNumberOp could not correctly convert string: "
                                                          f"{text.decode('utf-8', 'replace')}") from error
    return _each(number, string_tensor).astype(out_type.np)


def string_to_number(string_tensor=None, out_type=float32, name=None, input=None):
    """Each string of a tensor as a number of dtype `out_type`."""
    return string_to_number_op(string_tensor if input is None else input, out_type=out_type, name=name)


@elementwise("StringLength", "input: string -> output: int32")
def string_length_op(input, *, unit="BYTE"):
    """The length of each string in bytes, or in characters for unit "UTF8_CHAR"."""
    count = len if unit == "BYTE" else lambda text: len(text.decode("utf-8"))
    return _each(count, input).astype(np.int32)


def string_length(input, name=None, unit="BYTE"):
    """The length of each string in bytes, or in characters for unit "UTF8_CHAR"."""
    return string_length_op(input, unit=unit, name=name)


for _op in (string_join_op, as_string_op, string_to_number_op, string_length_op):
    _op.no_gradient("strings have no gradient")
