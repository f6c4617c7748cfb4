"""Where a node was made, and what it is called: user frames and unique names."""
import re
import sys

_OURS = {"thalweg", "thalweg_nn", "thalweg_io"}

VALID_OP_NAME = re.compile(r"^[A-Za-z0-9.][A-Za-z0-9_.\\/>-]*$")
VALID_SCOPE_NAME = re.compile(r"^[A-Za-z0-9_.\\/>-]*$")


class Frame:
    """One line of the user's program: file, line, function."""

    __slots__ = ("filename", "line", "function")

    def __init__(self, filename, line, function):
        self.filename, self.line, self.function = filename, line, function

    def __str__(self):
        place = "" if self.function == "<module>" else f" in {self.function}"
        return f"{self.filename}:{self.line}{place}"


def user_frame():
    """The innermost frame that is not thalweg's own: about a microsecond, no traceback object."""
    frame = sys._getframe(1)
    while frame is not None:
        module = frame.f_globals.get("__name__") or ""
        if module.partition(".")[0] not in _OURS:
            return Frame(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)
        frame = frame.f_back
    return None


class UniqueNames:
    """TensorFlow 1.x's rule: the first `conv` keeps its name, the next is `conv_1`; case does not distinguish."""

    __slots__ = ("_uses",)

    def __init__(self):
        self._uses = {}

    def unique(self, name, mark_as_used=True):
        key = name.lower()
        uses = self._uses
        count = uses.get(key, 0)
        if mark_as_used:
            uses[key] = count + 1
        if not count:
            return name
        unique_key = key
        while unique_key in uses:
            unique_key = f"{key}_{count}"
            count += 1
        if mark_as_used:
            uses[unique_key] = 1
        return f"{name}_{count - 1}"
