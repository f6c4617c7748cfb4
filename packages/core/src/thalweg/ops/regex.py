"""Whether strings match a pattern, for the plain patterns that graphs of savers hold.

TensorFlow's patterns match in linear time. Python's do not, and a graph may come from a file; so a pattern is text,
`.` for any character and `.*` for any text, and everything else is refused.
"""
import re

import numpy as np

from thalweg.framework import errors
from thalweg.framework.declaration import elementwise

from .strings import _each

_SPECIAL = set(r"[](){}|+?*\^$")


def _parts(pattern):
    """The texts between the `.*` of a pattern, as functions that find them."""
    text = pattern.removeprefix("^")
    if text.endswith("$") and not text.endswith("\\$"):
        text = text[:-1]
    parts, part, i = [], "", 0
    while i < len(text):
        if text.startswith(".*", i):
            parts.append(part)
            part, i = "", i + 2
            continue
        if text[i] == "\\" and i + 1 < len(text) and not text[i + 1].isalnum():
            part += re.escape(text[i + 1])
            i += 2
            continue
        if text[i] in _SPECIAL:
            raise errors.UnimplementedError(None, None, f"StaticRegexFullMatch: pattern {pattern!r} has {text[i]!r}; "
                                                        "thalweg matches text, `.` and `.*`")
        part += "." if text[i] == "." else re.escape(text[i])
        i += 1
    return [re.compile(p.encode()) for p in (*parts, part)]


def _matches(text, parts):
    """Whether `text` is the parts in their order, with anything but line ends between."""
    first, last = parts[0].match(text), None
    if first is None or len(parts) == 1:
        return first is not None and first.end() == len(text)
    if b"\n" in text:
        return False
    position = first.end()
    for part in parts[1:-1]:
        found = part.search(text, position)
        if found is None:
            return False
        position = found.end()
    last = re.search(b"(?:" + parts[-1].pattern + b")\\Z", text[position:])
    return last is not None


@elementwise("StaticRegexFullMatch", "input: string -> output: bool")
def static_regex_full_match_op(input, *, pattern: str):
    """Whether each string as a whole matches `pattern`."""
    parts = _parts(pattern)
    return _each(lambda text: _matches(text, parts), input).astype(np.bool_)


static_regex_full_match_op.no_gradient("strings have no gradient")
