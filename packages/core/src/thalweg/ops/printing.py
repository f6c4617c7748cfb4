"""Printing values while a graph runs."""
import collections
import sys

import numpy as np

from thalweg.framework import errors, nest
from thalweg.framework.conversion import convert_to_tensor
from thalweg.framework.declaration import define_op
from thalweg.framework.dtypes import string
from thalweg.framework.graph import Tensor

from .checks import item_text, summary

_printed: collections.Counter = collections.Counter()


@define_op("Print", "input: T, data: U... -> output: T", stateful=True)
def print_op(input, data, *, message="", first_n=-1, summarize=3):
    """The input; writes the message and the first `summarize` elements of each of the data to standard error."""
    print(message + "".join(summary(value, summarize) for value in data), file=sys.stderr, flush=True)
    return input


@print_op.shape
def print_shape(node, x, data):
    return x


@print_op.gradient
def print_grad(node, dy):
    return dy, *[None] * len(node.data)


def Print(input_, data, message=None, first_n=None, summarize=None, name=None):
    """`input_`; a run that needs it writes `message` and `data`, a list of tensors, to standard error.

    summarize : how many elements of each tensor; 3 when None, all when -1
    """
    return print_op(input_, data, message=message or "", first_n=-1 if first_n is None else first_n,
                    summarize=3 if summarize is None else summarize, name=name)


# --- tf.print ---------------------------------------------------------------------------------------

def _bracketed(value, edge, depth=1):
    """An array as tf.print writes it: nested brackets, the first and last `edge` of each dimension (-1: all)."""
    if not isinstance(value, np.ndarray) or not value.ndim:
        item = value[()] if isinstance(value, np.ndarray) else value
        return f'"{item_text(item)}"' if isinstance(item, bytes) else item_text(item)
    shown = list(value) if edge < 0 or len(value) <= 2 * edge else [*value[:edge], ..., *value[-edge:]]
    items = ["..." if item is ... else _bracketed(item, edge, depth + 1) for item in shown]
    between = " " if value.ndim == 1 else "\n" * (value.ndim - 1) + " " * depth
    return "[" + between.join(items) + "]"


@define_op("StringFormat", "inputs: T... -> output: string[]")
def string_format_op(inputs, *, template="%s", placeholder="%s", summarize=3):
    """The template with each placeholder replaced by one of the inputs, written out."""
    parts = template.split(placeholder)
    if len(parts) - 1 != len(inputs):
        raise errors.InvalidArgumentError(None, None, f"num placeholders in template and num inputs must match: "
                                                      f"{len(parts) - 1} vs. {len(inputs)}")
    text = parts[0]
    for value, part in zip(inputs, parts[1:]):
        text += _bracketed(value, summarize) + part
    return np.array(text.encode(), object)


string_format_op.no_gradient("the result is a text")


@define_op("PrintV2", "input: string[] ->", stateful=True, files=("output_stream",))
def print_v2_op(input, *, output_stream="stderr", end="\n"):
    """Writes a text to a stream ("stderr", "stdout") or appends it to a file ("file://PATH")."""
    text = input[()].decode("utf-8", "replace") + end
    if output_stream.startswith("file://"):
        with open(output_stream[7:], "a", encoding="utf-8") as file:
            file.write(text)
        return ()
    stream = {"stdout": sys.stdout, "log(info)": sys.stderr, "log(warning)": sys.stderr,
              "log(error)": sys.stderr}.get(output_stream, sys.stderr)
    stream.write(text)
    stream.flush()
    return ()


print_v2_op.no_gradient("it has no outputs")


def print_v2(*inputs, output_stream=None, summarize=3, sep=" ", end="\n", name=None):
    """An operation that writes tensors, texts and structures of them when it runs: `tf.print`.

    output_stream : sys.stderr (default), sys.stdout, or "file://PATH"
    summarize : how many first and last elements of each dimension; -1: all
    """
    target = "stdout" if output_stream is sys.stdout else output_stream if isinstance(output_stream, str) else "stderr"
    inner = name and f"{name}_format"
    if len(inputs) == 1 and isinstance(inputs[0], Tensor) and inputs[0].dtype is string and inputs[0]._shape == ():
        return print_v2_op(inputs[0], output_stream=target, end=end, name=name)
    tensors: list = []
    texts = [_template(value, tensors) for value in inputs]
    formatted = string_format_op(tensors, template=sep.join(texts), placeholder=_PLACE, summarize=summarize,
                                 name=inner)
    return print_v2_op(formatted, output_stream=target, end=end, name=name)


_PLACE = "{}"


def _template(value, tensors):
    """A structure as text with a place for each tensor, which is added to `tensors`."""
    if nest.is_nested(value):
        if isinstance(value, dict):
            return "{" + ", ".join(f"{k!r}: {_template(v, tensors)}" for k, v in value.items()) + "}"
        body = ", ".join(_template(v, tensors) for v in value)
        return f"[{body}]" if isinstance(value, list) else f"({body})"
    if hasattr(value, "_as_graph_element"):
        tensors.append(convert_to_tensor(value))
        return _PLACE
    return str(value)
