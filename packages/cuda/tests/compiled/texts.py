"""The texts in CUDA C that lie in thalweg_cuda/kernels, and which of them are part of no source."""
import ast
import re
from pathlib import Path
from typing import NamedTuple

from thalweg_cuda import kernels

_WRITTEN = re.compile(r"__global__|__device__")
# what prepare functions replace: a letter of a factor, {NAME}, {{ and }}, a word in capitals
_REPLACED = re.compile(r"[@$]|\{\w*\}|\{\{|\}\}|\b[A-Z][A-Z0-9_]*\b")


class Text(NamedTuple):
    """A string of a module: where it stands, and its pieces between what is replaced."""

    place: str
    pieces: tuple

    def is_in(self, source):
        """Whether all pieces stand in a source, in order."""
        at = 0
        for piece in self.pieces:
            at = source.find(piece, at)
            if at < 0:
                return False
            at += len(piece)
        return True


def texts(folder=Path(kernels.__file__).parent):
    """Every Text of functions or kernels in the modules of a folder."""
    for path in sorted(folder.glob("*.py")):
        tree = ast.parse(path.read_text())
        joined = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)
                  if part is not node}
        for node in ast.walk(tree):
            written = [] if id(node) in joined else _strings(node)
            if _WRITTEN.search("".join(written)):
                yield Text(f"{path.name}:{node.lineno}", tuple(p for s in written for p in _pieces(s)))


def _strings(node):
    """The constant parts of a string or an f-string."""
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    return [part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)]


def _pieces(string):
    return [piece for piece in _REPLACED.split(string) if piece.strip()]


def in_none(found, sources):
    """Those of the Texts `found` that are in none of the sources, strings."""
    return [text for text in found if not any(map(text.is_in, sources))]
