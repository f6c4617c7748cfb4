"""Static shapes: `TensorShape` and `Dimension` as in TensorFlow 1.x, and the plain form used inside.

Inside thalweg a shape is a tuple of ints and None (an unknown dimension), or None (unknown rank).
`TensorShape` is the face that users see.
"""
from .packages import needs_io


def _dimension_value(value):
    if value is None or isinstance(value, int) and type(value) is int:
        number = value
    elif isinstance(value, Dimension):
        return value._value
    else:
        number = value.__index__() if hasattr(value, "__index__") else int(value)
        if not isinstance(value, (str, bytes)) and number != value:
            raise ValueError(f"Ambiguous dimension: {value!r} is no whole number")
    if number is not None and number < 0:
        raise ValueError(f"Dimension {number} must be >= 0")
    return number


class Dimension:
    """One dimension of a shape: a size, or None where it is unknown. Comparison with an unknown gives None."""

    __slots__ = ("_value",)

    def __init__(self, value):
        self._value = _dimension_value(value)

    @property
    def value(self):
        return self._value

    def is_compatible_with(self, other):
        other = _dimension_value(other)
        return self._value is None or other is None or self._value == other

    def assert_is_compatible_with(self, other):
        if not self.is_compatible_with(other):
            raise ValueError(f"Dimensions {self} and {other} are not compatible")

    def merge_with(self, other):
        self.assert_is_compatible_with(other)
        return Dimension(_dimension_value(other) if self._value is None else self._value)

    def __int__(self):
        return self._value          # Python raises the TypeError for None

    __index__ = __int__

    def __bool__(self):
        return bool(self._value)

    def __hash__(self):
        return hash(self._value)

    def __repr__(self):
        return f"Dimension({self._value!r})"

    def __str__(self):
        return "?" if self._value is None else str(self._value)


def _binary(name, compute, wrap=True):
    def method(self, other):
        try:
            other = _dimension_value(other)
        except (TypeError, ValueError):
            return NotImplemented
        if self._value is None or other is None:
            return Dimension(None) if wrap else None
        result = compute(self._value, other)
        return Dimension(result) if wrap else result
    method.__name__ = name
    setattr(Dimension, name, method)


for _name, _compute in {"add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b,
                        "floordiv": lambda a, b: a // b, "div": lambda a, b: a // b,
                        "mod": lambda a, b: a % b}.items():
    _binary(f"__{_name}__", _compute)
    _binary(f"__r{_name}__", lambda a, b, f=_compute: f(b, a))
for _name, _compute in {"eq": lambda a, b: a == b, "ne": lambda a, b: a != b, "lt": lambda a, b: a < b,
                        "le": lambda a, b: a <= b, "gt": lambda a, b: a > b, "ge": lambda a, b: a >= b}.items():
    _binary(f"__{_name}__", _compute, wrap=False)


class TensorShape:
    """The shape of a tensor, fully or partly known, as `tf.TensorShape`."""

    __slots__ = ("_plain",)

    def __init__(self, dims):
        self._plain = plain(dims)

    @property
    def dims(self):
        return None if self._plain is None else [Dimension(d) for d in self._plain]

    @property
    def ndims(self):
        return None if self._plain is None else len(self._plain)

    rank = ndims

    def as_list(self):
        """The dimensions as ints and None; ValueError when even the rank is unknown."""
        if self._plain is None:
            raise ValueError("as_list() is not defined on an unknown TensorShape.")
        return list(self._plain)

    def as_proto(self):
        with needs_io("shape.as_proto()"):
            from thalweg_io.protos import TensorShapeProto
        if self._plain is None:
            return TensorShapeProto(unknown_rank=True)
        return TensorShapeProto(dim=[TensorShapeProto.Dim(size=-1 if d is None else d) for d in self._plain])

    def num_elements(self):
        return size_of(self._plain)

    def is_fully_defined(self):
        return is_known(self._plain)

    def assert_is_fully_defined(self):
        if not self.is_fully_defined():
            raise ValueError(f"Shape {self} is not fully defined")

    def is_compatible_with(self, other):
        return compatible(self._plain, plain(other))

    def assert_is_compatible_with(self, other):
        if not self.is_compatible_with(other):
            raise ValueError(f"Shapes {self} and {as_shape(other)} are incompatible")

    def assert_same_rank(self, other):
        other = as_shape(other)
        if None not in (self.ndims, other.ndims) and self.ndims != other.ndims:
            raise ValueError(f"Shapes {self} and {other} must have the same rank")

    def assert_has_rank(self, rank):
        if self.ndims not in (None, rank):
            raise ValueError(f"Shape {self} must have rank {rank}")

    def with_rank(self, rank):
        self.assert_has_rank(rank)
        return TensorShape([None] * rank) if self._plain is None else self

    def with_rank_at_least(self, rank):
        if self.ndims is not None and self.ndims < rank:
            raise ValueError(f"Shape {self} must have rank at least {rank}")
        return self

    def with_rank_at_most(self, rank):
        if self.ndims is not None and self.ndims > rank:
            raise ValueError(f"Shape {self} must have rank at most {rank}")
        return self

    def merge_with(self, other):
        try:
            return TensorShape(merge(self._plain, plain(other)))
        except ValueError:
            raise ValueError(f"Shapes {self} and {as_shape(other)} are not compatible") from None

    def concatenate(self, other):
        other = plain(other)
        return TensorShape(None if self._plain is None or other is None else self._plain + other)

    def __len__(self):
        if self._plain is None:
            raise ValueError("Cannot take the length of shape with unknown rank.")
        return len(self._plain)

    def __iter__(self):
        if self._plain is None:
            raise ValueError("Cannot iterate over a shape with unknown rank.")
        return iter(self.dims)

    def __getitem__(self, key):
        if self._plain is not None:
            found = self._plain[key]
            return TensorShape(found) if isinstance(key, slice) else Dimension(found)
        if isinstance(key, slice):
            start, stop = key.start or 0, key.stop
            known = stop is not None and start >= 0 and stop >= 0 and key.step in (None, 1)
            return TensorShape([None] * max(stop - start, 0) if known else None)
        return Dimension(None)

    def __bool__(self):
        return self._plain is not None

    def __eq__(self, other):
        try:
            return self._plain == plain(other)
        except (TypeError, ValueError):
            return NotImplemented

    def __hash__(self):
        return hash(self._plain)

    def __add__(self, other):
        return self.concatenate(other)

    def __radd__(self, other):
        return as_shape(other).concatenate(self)

    def __repr__(self):
        return f"TensorShape({'None' if self._plain is None else [Dimension(d) for d in self._plain]})"

    def __str__(self):
        return text(self._plain)

    def __reduce__(self):
        return TensorShape, (self._plain,)


def as_shape(value):
    """`value` as a TensorShape."""
    return value if isinstance(value, TensorShape) else TensorShape(value)


def unknown_shape(ndims=None):
    """A shape of which at most the rank is known."""
    return TensorShape(None if ndims is None else [None] * ndims)


def plain(value):
    """Any spelling of a shape as a tuple of ints and None, or None: list, int, TensorShape, proto, Dimension."""
    if value is None:
        return None
    if type(value) is tuple or type(value) is list:
        return tuple([_dimension_value(d) for d in value])
    if isinstance(value, TensorShape):
        return value._plain
    if hasattr(value, "unknown_rank"):                                     # a TensorShapeProto
        return None if value.unknown_rank else tuple(None if d.size == -1 else d.size for d in value.dim)
    try:
        return tuple([_dimension_value(d) for d in value])
    except TypeError:
        return (_dimension_value(value),)


def text(shape):
    """A plain shape as TensorFlow prints it: `(2, ?, 3)`, `(5,)`, `<unknown>`."""
    if shape is None:
        return "<unknown>"
    body = ", ".join("?" if d is None else str(d) for d in shape)
    return f"({body},)" if len(shape) == 1 else f"({body})"


def is_known(shape):
    """Whether every dimension of a plain shape is a number."""
    return shape is not None and None not in shape


def size_of(shape):
    """Count of elements of a plain shape, or None."""
    if shape is None or None in shape:
        return None
    size = 1
    for d in shape:
        size *= d
    return size


def compatible(a, b):
    """Whether two plain shapes may describe the same tensor."""
    if a is None or b is None or a == b:
        return True
    return len(a) == len(b) and all(x is None or y is None or x == y for x, y in zip(a, b))


def merge(a, b):
    """What is known from both of two plain shapes; ValueError when they contradict."""
    if a is None or b is None:
        return a if b is None else b
    if not compatible(a, b):
        raise ValueError(f"Shapes {text(a)} and {text(b)} are not compatible")
    return tuple(y if x is None else x for x, y in zip(a, b))


def broadcast(a, b):
    """The shape of an elementwise result, NumPy's rule; None dimensions pass through. ValueError if none."""
    if a == b and a is not None and None not in a:
        return a
    if a is None or b is None:
        return None
    if len(a) < len(b):
        a, b = b, a
    result = list(a)
    offset = len(a) - len(b)
    for i, y in enumerate(b):
        x = a[offset + i]
        if x == y or y == 1:
            continue
        if x == 1:
            result[offset + i] = y
        elif x is None:
            result[offset + i] = y
        elif y is not None:
            raise ValueError(f"shapes {text(a)} and {text(b)} do not broadcast")
    return tuple(result)
