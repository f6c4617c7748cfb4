"""The parameters of a kernel with their values: declared in CUDA C and passed by a Launch from one list."""
import numpy as np

from ._geometry import multiplier_of

_SCALARS = {"int": np.int32, "int32": np.int32, "uint32": np.uint32, "int64": np.int64, "float": np.float32,
            "double": np.float64}


class Frame:
    """A list of fields, which kernels see as `struct Frame`.

    The text must say `INDEX`, the type of offsets in elements; the values are made for it.
    """

    def __init__(self, index="int32"):
        self.index, self._fields = index, []

    def add(self, ctype, **values):
        """Fields of one type: a number, a pointer (Operand, Flag; None: null), or a tuple (an array)."""
        self._fields += [(ctype, name, value) for name, value in values.items()]

    def declaration(self):
        """`struct Frame`, and what a kernel's head and first line are made of."""
        members = "".join(f"  {ctype} {name}{_extent(value)};\n" for ctype, name, value in self._fields)
        # names of their own, so that kernels may use those of the fields for variables
        parameters = ", ".join(f"{ctype} p_{name}" for ctype, name, _ in self._flat())
        arguments = ", ".join(_initializer(name, value) for _, name, value in self._fields)
        return f"""
typedef {self.index} INDEX;
struct Frame {{
{members}}};
#define PARAMETERS {parameters}
#define ARGUMENTS {arguments}
"""

    def args(self):
        """The values, for a Launch."""
        return tuple(self._value(ctype, value) for ctype, _, value in self._flat())

    def _flat(self):
        for ctype, name, value in self._fields:
            if _is_array(value):
                yield from ((ctype, f"{name}_{i}", each) for i, each in enumerate(value))
            else:
                yield ctype, name, value

    def _value(self, ctype, value):
        if ctype.endswith("*"):
            return np.uint64(0) if value is None else value
        return _SCALARS[self.index if ctype == "INDEX" else ctype](value)


def _is_array(value):
    return type(value) is tuple                  # Operand and Flag are NamedTuples


def _extent(value):
    return f"[{len(value)}]" if _is_array(value) else ""


def _initializer(name, value):
    return "{" + ", ".join(f"p_{name}_{i}" for i in range(len(value))) + "}" if _is_array(value) else f"p_{name}"


def add_divisor(frame, name, size):
    """The fields `name`, by which a kernel divides with `quotient`, `name`_multiplier and `name`_shift."""
    multiplier, shift = multiplier_of(max(size, 1))
    frame.add("uint32", **{name: max(size, 1), f"{name}_multiplier": multiplier, f"{name}_shift": shift})


def defines(**values):
    """`#define` lines; a bool is 0 or 1."""
    return "".join(f"#define {name} {int(value) if isinstance(value, bool) else value}\n"
                   for name, value in values.items())
