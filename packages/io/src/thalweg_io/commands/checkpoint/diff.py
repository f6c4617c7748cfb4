"""Compares two checkpoints by name: tensors of one only, shapes, dtypes, values. NaN equals NaN.

How tensors are partitioned or stored makes no difference. Exit status: 0 the same, 1 they differ, 2 trouble.
"""
import argparse
import json
import math

import numpy as np

from thalweg.commands import console
from thalweg.commands.console import FOUND, OK

from .. import progress
from .numbers import blocks
from .source import Source, add_filter
from .text import count_text, shape_text

HELP = "two checkpoints: names, shapes, dtypes, values"


def add_arguments(parser):
    parser.add_argument("first", metavar="A")
    parser.add_argument("second", metavar="B")
    add_filter(parser)
    parser.add_argument("--rtol", type=_tolerance, default=0.0, metavar="R",
                        help="values with |a - b| <= atol + rtol * |b| count as equal (0)")
    parser.add_argument("--atol", type=_tolerance, default=0.0, metavar="A", help="(0)")
    parser.add_argument("--any-dtype", action="store_true", help="compare values also where dtypes differ")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.set_defaults(func=run)


def _tolerance(text):
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 on")
    return value


def run(options):
    with Source(options.first) as a, Source(options.second) as b:
        names = _names(a, b, options.only)
        total = sum(a.nbytes(name) or 0 for name in names if name in a)
        found = []
        with progress.bar("comparing", total) as advance:
            for name in names:
                found.append(compared(a, b, name, options))
                advance(a.nbytes(name) or 0 if name in a else 0)
    differing = [d for d in found if d["differs"]]
    if options.json:
        print(json.dumps(differing, indent=1))
    else:
        _print(a, b, differing, len(found))
    return FOUND if differing else OK


def _names(a, b, patterns):
    if not patterns:
        return sorted({*a.names(), *b.names()})
    found = set()
    for pattern in patterns:
        fitting = a.fitting(pattern) | b.fitting(pattern)
        found |= fitting or set(a.matching([pattern]))               # which says that there is none
    return sorted(found)


def compared(a, b, name, options):
    """What differs between the tensors of one name: {"name", "differs": "only_a", "shape", ..., or None, ...}."""
    if name not in b or name not in a:
        one = a if name in a else b
        return {"name": name, "differs": "only_a" if one is a else "only_b", "dtype": one.dtype(name).name,
                "shape": list(one.shape(name))}
    shapes, dtypes = (list(a.shape(name)), list(b.shape(name))), (a.dtype(name).name, b.dtype(name).name)
    if shapes[0] != shapes[1]:
        return {"name": name, "differs": "shape", "a": shapes[0], "b": shapes[1]}
    if dtypes[0] != dtypes[1] and not (options.any_dtype and "string" not in dtypes):
        return {"name": name, "differs": "dtype", "a": dtypes[0], "b": dtypes[1]}
    found = values_compared(a.read(name), b.read(name), options.rtol, options.atol)
    return {"name": name, "shape": shapes[0], **found}


@np.errstate(all="ignore")
def values_compared(a, b, rtol=0.0, atol=0.0):
    """{"differs": "values" or None, "count", "largest": |a - b|, "at", "a", "b": the elements there}."""
    count, largest, place, position = 0, -1.0, None, 0
    for x, y in blocks(a, b):
        different = ~_close(x, y, rtol, atol)
        if different.any():
            count += int(different.sum())
            distance = np.where(different, _distance(x, y), -1.0)
            at = int(np.argmax(distance))
            if distance[at] > largest:
                largest, place = float(distance[at]), (position + at, x[at], y[at])
        position += x.size
    if not count:
        return {"differs": None}
    at, x, y = place
    return {"differs": "values", "count": count, "size": a.size, "at": [int(i) for i in np.unravel_index(at, a.shape)],
            "largest": None if a.dtype.kind == "O" else largest if math.isfinite(largest) else str(largest),
            "a": _text(x), "b": _text(y)}


def _close(x, y, rtol, atol):
    if x.dtype.kind == "O" or (x.dtype.kind in "biu" and y.dtype.kind in "biu" and not (rtol or atol)):
        return np.asarray(x == y, bool)
    is_same = (x == y) | ((x != x) & (y != y))
    return is_same | (np.isfinite(x) & np.isfinite(y) & (_distance(x, y) <= atol + rtol * np.abs(_wide(y))))


def _distance(x, y):
    """|x - y| per element, without overflow of small types; infinite where one of them is no number, 1 for strings."""
    if x.dtype.kind == "O":
        return np.ones(x.size)
    distance = np.abs(_wide(x) - _wide(y))
    return np.where(np.isnan(distance), np.inf, distance)


def _wide(values):
    if values.dtype.kind == "c":
        return values.astype(np.complex128)
    return values.astype(np.longdouble if values.dtype.itemsize == 8 and values.dtype.kind in "iu" else np.float64)


def _text(value):
    text = str(value if isinstance(value, bytes) else value.item())
    return console.printable(text if len(text) < 60 else text[:57] + "...")


# --- printing ---------------------------------------------------------------------------------------

def _print(a, b, differing, count):
    if differing:
        print(f"--- {console.printable(a.path)}\n+++ {console.printable(b.path)}")
    rows = [(_SIGNS.get(d["differs"], "!"), console.printable(d["name"]), _difference(d)) for d in differing]
    for line in console.table(rows, "<<<"):
        print(line)
    print(f"{count_text(count, 'tensor')} compared, {len(differing):,} differ{'s' * (len(differing) == 1)}")


_SIGNS = {"only_a": "-", "only_b": "+"}


def _difference(d):
    if d["differs"] in _SIGNS:
        return f"only in {'A' if d['differs'] == 'only_a' else 'B'}: {d['dtype']} {shape_text(d['shape'])}"
    if d["differs"] == "shape":
        return f"shape {shape_text(d['a'])}, in B {shape_text(d['b'])}"
    if d["differs"] == "dtype":
        return f"dtype {d['a']}, in B {d['b']}"
    size = "" if d["largest"] is None else f", at most by {float(d['largest']):.3g}"
    where = f"{d['a']} and {d['b']} at {shape_text(d['at'])}"
    return f"{d['count']:,} of {count_text(d['size'], 'element')}{size}: {where}"
