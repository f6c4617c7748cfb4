"""What layers do with their arguments: sizes, paddings, formats, names of functions; and how they refuse them."""
import numbers

import thalweg as tf
from thalweg.framework import errors
from thalweg.ops.cond import smart_cond

from .. import refusal


def refused(layer, problem, inputs=None, expected=None, hint=None, kind=errors.ShapeError):
    """The error with which a layer refuses its inputs or arguments; `kind` is its class."""
    got = None if inputs is None else f"inputs {inputs.dtype.base_dtype.name} {inputs.get_shape()}"
    return refusal.refused(f'{type(layer).__name__} "{layer.name}"', problem, got, expected, hint, kind)


def sizes(layer, value, what):
    """An int, or one per spatial dimension of the layer, as a tuple."""
    if isinstance(value, numbers.Integral):
        found = (int(value),) * layer.rank
    else:
        try:
            found = tuple(int(v) for v in value)
        except (TypeError, ValueError):
            found = ()
    if len(found) != layer.rank:
        raise refused(layer, f"{what} must be an int or {layer.rank} of them, not {value!r}", kind=ValueError)
    if min(found) < 0:
        raise refused(layer, f"{what} cannot be negative, got {value!r}", kind=ValueError)
    return found


def count(layer, value, what):
    """The number of a layer's outputs, an int of 0 or more."""
    try:
        found = int(value)
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise refused(layer, f"{what} must be an int, got {value!r}", expected="the number of outputs",
                      kind=kind) from error
    if found < 0:
        raise refused(layer, f"{what} must be 0 or more, got {value!r}", expected="the number of outputs",
                      kind=ValueError)
    return found


def padding_name(layer, padding, *more):
    """ "same" or "valid", given in any case, or one of `more`."""
    allowed = ("valid", "same", *more)
    if str(padding).lower() not in allowed:
        raise refused(layer, f"padding must be one of {', '.join(allowed)}, not {padding!r}", kind=ValueError)
    return str(padding).lower()


def format_name(layer, data_format):
    """ "channels_last" or "channels_first", given in any case."""
    name = str(data_format).lower()
    if name not in ("channels_last", "channels_first"):
        raise refused(layer, f"data_format must be channels_last or channels_first, not {data_format!r}",
                      hint="channels_last for NHWC, channels_first for NCHW", kind=ValueError)
    return name


def op_format(data_format, rank):
    """The ops' name of a format: NHWC, NCHW and their kin for `rank` spatial dimensions."""
    spatial = "DHW"[3 - rank:]
    return f"N{spatial}C" if data_format == "channels_last" else f"NC{spatial}"


def all_dimensions(data_format, spatial):
    """Sizes per spatial dimension with 1 for batch and channels, as the ops want them."""
    return [1, *spatial, 1] if data_format == "channels_last" else [1, 1, *spatial]


def channel_count(layer, shape, axis):
    """The size of the channel dimension, which must be known."""
    channels = shape[axis].value
    if channels is None:
        raise refused(layer, f"the size of the inputs' dimension {axis} must be known, the shape is {shape}",
                      hint="tensor.set_shape(...) before the layer, or a placeholder with that size")
    return channels


_ACTIVATIONS = {"elu": "nn.elu", "exponential": "exp", "relu": "nn.relu", "selu": "nn.selu", "sigmoid": "nn.sigmoid",
                "softmax": "nn.softmax", "softplus": "nn.softplus", "softsign": "nn.softsign", "tanh": "nn.tanh"}


def activation_of(layer, value):
    """A callable, or None for the identity, of what the caller gave: a callable, a name or None."""
    if value is None or value == "linear":
        return None
    if callable(value):
        return value
    if value not in _ACTIVATIONS:
        raise refused(layer, f"there is no activation {value!r}",
                      expected="a function such as tf.nn.relu, or one of " + ", ".join(sorted(_ACTIVATIONS)),
                      kind=ValueError)
    room, _, name = _ACTIVATIONS[value].rpartition(".")
    return getattr(tf.nn if room else tf, name)


def initializer_of(layer, value):
    """An initializer of what the caller gave: an initializer, a class, the name of one in tf.initializers, or None."""
    if not isinstance(value, str):
        return value() if isinstance(value, type) else value
    try:
        return getattr(tf.initializers, value)()
    except AttributeError:
        raise refused(layer, f"there is no initializer {value!r}",
                      expected="tf.glorot_uniform_initializer() or its like, or a name in tf.initializers",
                      kind=ValueError) from None


def choose(training, true_fn, false_fn):
    """`true_fn()` or `false_fn()`: now, where `training` is known while the graph is built, else by `tf.cond`."""
    if isinstance(training, tf.Variable):
        return tf.cond(training, true_fn, false_fn)
    return smart_cond(False if training is None else training, true_fn, false_fn)
