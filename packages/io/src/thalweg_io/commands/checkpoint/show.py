"""Shows tensors: their statistics and values, or a part: 'conv/kernel[0,:,:,-1]' (quote it, for the shell)."""
import base64
import json
import re

import numpy as np

from thalweg.commands import console
from thalweg.framework import errors

from .numbers import as_numbers, statistics
from .source import Source
from .text import count_text, shape_text

HELP = "values and statistics of tensors"

_INDEXED = re.compile(r"(?P<name>.+)\[(?P<index>[-0-9:,. ]*)\]", re.DOTALL)
_NOTE = {"c": " of absolute values", "O": " of lengths"}


def add_arguments(parser):
    parser.add_argument("checkpoint", metavar="CHECKPOINT")
    parser.add_argument("name", nargs="+", metavar="NAME", help="a name or a glob, with [...] after it a part")
    parser.add_argument("--stats", action="store_true", help="statistics only")
    parser.add_argument("--full", action="store_true", help="all values; by default a large tensor is cut")
    parser.add_argument("--precision", type=int, default=6, metavar="N", help="digits of a value (6)")
    parser.add_argument("--json", action="store_true", help="statistics, and with --full the values, for programs")
    parser.set_defaults(func=run)


def run(options):
    with Source(options.checkpoint) as source:
        parts = [_Part(source, *found) for name in options.name for found in _found(source, name)]
        if options.json:
            print(json.dumps([part.as_dict(options.full) for part in parts], indent=1))
            return
        for i, part in enumerate(parts):
            print("\n" * (i > 0) + part.text(options))


def _found(source, text):
    """[(name, index)] of an argument; the index is None for all of a tensor."""
    match = _INDEXED.fullmatch(text)
    if text in source or match is None:
        return [(name, None) for name in source.matching([text])]
    return [(name, match["index"]) for name in source.matching([match["name"]])]


class _Part:
    """A tensor, or a part of it; the values are read when they are asked for, and not kept."""

    def __init__(self, source, name, index):
        self.source, self.name = source, name
        self.label = name if index is None else f"{name}[{index}]"
        self.index = None if index is None else _index(index, source.shape(name), self.label)

    def read(self):
        value = self.source.read(self.name)
        return value if self.index is None else np.asarray(value[self.index])

    def text(self, options):
        value = self.read()
        head = (f"{console.printable(self.label)}  {self.source.dtype(self.name).name} {shape_text(value.shape)}, "
                f"{count_text(value.size, 'element')}")
        lines = [head, *([_statistics_text(value)] if value.size else [])]
        return "\n".join(lines if options.stats else [*lines, _values_text(value, options)])

    def as_dict(self, is_full):
        value = self.read()
        found = {"name": self.name, "dtype": self.source.dtype(self.name).name, "shape": list(value.shape),
                 "statistics": {k: _json_number(v) for k, v in statistics(value).items()}}
        if self.index is not None:
            found["part"] = self.label
        return {**found, "values": _json_values(value)} if is_full else found


def _index(text, shape, label):
    """"0,:,-1" as an index; InvalidArgumentError unless it fits the shape."""
    parts = [part.strip() for part in text.split(",")]
    try:
        index = tuple(... if part == "..." else slice(*(int(n) if n else None for n in part.split(":")))
                      if ":" in part else int(part) for part in parts)
        np.broadcast_to(np.uint8(0), shape)[index]
    except (ValueError, IndexError, TypeError) as error:
        raise errors.InvalidArgumentError(None, None, f"{label}: [{text}] is no part of shape {shape_text(shape)}: "
                                                      f"{error}") from error
    return index


def _statistics_text(value):
    found = statistics(value)
    numbers = "  ".join(f"{label} {found[label]:.6g}" for label in ("min", "max", "mean", "std")
                        if found[label] is not None)
    counts = "".join(f"  {label} {found[label]:,}" for label in ("zeros", "nan", "inf") if found[label])
    return f"  {numbers}{counts}{_NOTE.get(as_numbers(value[:0] if value.ndim else value).dtype.kind, '')}"


def _values_text(value, options):
    with np.printoptions(precision=options.precision, threshold=value.size + 1 if options.full else 200, edgeitems=2,
                         linewidth=119):
        text = np.array2string(as_numbers(value))
    return "\n".join(f"  {console.printable(line)}" for line in text.splitlines())


def _json_number(number):
    """A number that JSON knows: NaN and infinities as texts."""
    return number if number is None or np.isfinite(number) else str(number)


def _json_values(value):
    numbers = as_numbers(value)
    if numbers.dtype.kind == "O":
        return _nested(numbers, lambda item: {"base64": base64.b64encode(item).decode()})
    if numbers.dtype.kind == "c":
        return _nested(numbers, lambda item: [_json_number(item.real), _json_number(item.imag)])
    if numbers.dtype.kind == "f" and not np.isfinite(numbers).all():
        return _nested(numbers, _json_number)
    return numbers.tolist()


def _nested(array, function):
    return np.array([function(item) for item in array.ravel().tolist()] + [None], object)[:-1].reshape(
        array.shape).tolist()
