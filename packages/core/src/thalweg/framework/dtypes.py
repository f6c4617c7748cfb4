"""Element types of tensors, with TensorFlow's names and numbers (`DT_FLOAT` = 1).

A reference dtype (`float32_ref`, number + 100) is the type of a variable's own buffer.
"""
import functools
import importlib
import numbers

import numpy as np

_REF_OFFSET = 100


class DType:
    """The type of a tensor's elements, as `tf.DType`; one object per number.

    Attributes
    ----------
    name : str                      "float32", "float32_ref"
    as_datatype_enum : int          TensorFlow's DataType number
    as_numpy_dtype : type           the NumPy scalar type (`numpy.object_` for strings); for bfloat16 that of the
                                    package ml_dtypes, or float32 where it is not installed
    np : numpy.dtype                of the arrays that hold it
    """

    __slots__ = ("name", "as_datatype_enum", "_scalar_type", "np", "base_dtype", "_ref", "kind", "size")

    def __init__(self, name, enum, numpy_type, kind, base=None):
        self.name, self.as_datatype_enum, self.kind = name, enum, kind
        self.np = None if numpy_type is None else np.dtype(numpy_type)
        self._scalar_type = None if self.np is None else (self.np if self.np.names else self.np.type)
        self.size = 0 if self.np is None or kind in "Ovr" else self.np.itemsize
        self.base_dtype = base or self
        self._ref = self if base else None

    @property
    def as_numpy_dtype(self):
        return numpy_bfloat16() if self.base_dtype is bfloat16 else self._scalar_type

    @property
    def is_ref_dtype(self):
        return self.base_dtype is not self

    _is_ref_dtype = is_ref_dtype

    @property
    def as_ref(self):
        """The reference dtype over this one."""
        return self._ref

    _as_ref = as_ref

    @property
    def real_dtype(self):
        """float32 for complex64, float64 for complex128, itself otherwise."""
        return {8: float32, 18: float64}.get(self.base_dtype.as_datatype_enum, self)

    @property
    def is_floating(self):
        return self.kind == "f" or self.base_dtype is bfloat16

    @property
    def is_complex(self):
        return self.kind == "c"

    @property
    def is_integer(self):
        return self.kind in "iu"

    @property
    def is_unsigned(self):
        return self.kind == "u"

    @property
    def is_bool(self):
        return self.kind == "b"

    @property
    def is_quantized(self):
        return self.kind == "q"

    @property
    def is_numpy_compatible(self):
        return self.np is not None

    @property
    def min(self):
        """The smallest value; TypeError where the type has no order."""
        return self._limits().min

    @property
    def max(self):
        """The largest finite value; TypeError where the type has no order."""
        return self._limits().max

    @property
    def limits(self):
        return self.min, self.max

    def holds(self, least, most):
        """Whether an integer type holds the integers from `least` to `most`."""
        return self.min <= least and most <= self.max

    def _limits(self):
        if self.kind == "f":
            return np.finfo(self.np)
        if self.kind in "iu":
            return np.iinfo(self.np)
        raise TypeError(f"Cannot find minimum and maximum value of {self!r}.")

    def is_compatible_with(self, other):
        """Whether a value of `other` may stand where this type is asked for (a reference reads as its base)."""
        other = as_dtype(other)
        return other in (self, self.base_dtype) or other.base_dtype is self

    def __eq__(self, other):
        if self is other:
            return True
        if other is None or isinstance(other, DType):
            return False
        try:
            return as_dtype(other) is self
        except TypeError:
            return False

    def __ne__(self, other):
        return not self == other

    def __hash__(self):
        return self.as_datatype_enum

    def __int__(self):
        return self.as_datatype_enum

    def __repr__(self):
        return f"tf.{self.name}"

    def __str__(self):
        return f"<dtype: {self.name!r}>"

    def __reduce__(self):
        return as_dtype, (self.as_datatype_enum,)


@functools.cache
def numpy_bfloat16():
    """NumPy's bfloat16, which the package ml_dtypes brings; without it float32, which holds each of its values."""
    try:
        return importlib.import_module("ml_dtypes").bfloat16
    except ImportError:
        return np.float32


def is_numpy_bfloat16(dtype):
    """Whether a NumPy dtype is some package's bfloat16: each registers one of this name."""
    return dtype.name == "bfloat16" and dtype.itemsize == 2


def _packed(name, numpy_type):
    """A one-field record, as TensorFlow keeps types that NumPy lacks: the raw bits under the type's name."""
    return np.dtype([(name, numpy_type)])


_TABLE = [
    ("float32", 1, np.float32, "f"), ("float64", 2, np.float64, "f"), ("int32", 3, np.int32, "i"),
    ("uint8", 4, np.uint8, "u"), ("int16", 5, np.int16, "i"), ("int8", 6, np.int8, "i"),
    ("string", 7, np.object_, "O"), ("complex64", 8, np.complex64, "c"), ("int64", 9, np.int64, "i"),
    ("bool", 10, np.bool_, "b"), ("qint8", 11, _packed("qint8", "i1"), "q"),
    ("quint8", 12, _packed("quint8", "u1"), "q"), ("qint32", 13, _packed("qint32", "<i4"), "q"),
    ("bfloat16", 14, _packed("bfloat16", "<u2"), "x"), ("qint16", 15, _packed("qint16", "<i2"), "q"),
    ("quint16", 16, _packed("quint16", "<u2"), "q"), ("uint16", 17, np.uint16, "u"),
    ("complex128", 18, np.complex128, "c"), ("float16", 19, np.float16, "f"), ("resource", 20, np.object_, "r"),
    ("variant", 21, np.object_, "v"), ("uint32", 22, np.uint32, "u"), ("uint64", 23, np.uint64, "u"),
]

_BY_ENUM: dict = {}
_BY_KEY: dict = {}


def _make_all():
    for name, enum, numpy_type, kind in _TABLE:
        dtype = DType(name, enum, numpy_type, kind)
        dtype._ref = DType(name + "_ref", enum + _REF_OFFSET, numpy_type, kind, base=dtype)
        for each in (dtype, dtype._ref):
            _BY_ENUM[each.as_datatype_enum] = each
            _BY_KEY[each.name] = _BY_KEY[each] = each
            globals()["bool_" if each.name == "bool" else each.name] = each
        if name not in ("variant", "resource"):
            _BY_KEY[dtype.np] = dtype
            _BY_KEY[dtype._scalar_type] = dtype
    _BY_KEY.update({bool: bool_, int: int32, float: float32, complex: complex128, str: string, bytes: string,
                    object: string, "half": float16, "float": float32, "double": float64, np.str_: string,
                    np.bytes_: string})


bool_: DType
int32: DType
int64: DType
float16: DType
float32: DType
float64: DType
complex64: DType
complex128: DType
string: DType
uint8: DType
int8: DType
int16: DType
uint16: DType
uint32: DType
uint64: DType
bfloat16: DType
resource: DType
variant: DType
qint8: DType
quint8: DType
qint32: DType
qint16: DType
quint16: DType

_make_all()
half, double = float16, float64

FLOATS = (float16, float32, float64)
COMPLEX = (complex64, complex128)
INTS = (int8, int16, int32, int64, uint8, uint16, uint32, uint64)
NUMBERS = FLOATS + COMPLEX + INTS
REALS = FLOATS + INTS
ANY = None                                   # a type letter without a list takes every dtype


def as_dtype(value):
    """The DType that `value` names: a DType, a NumPy dtype or type, a Python type, a name or a number.

    Raises TypeError when nothing matches.
    """
    if type(value) is DType:
        return value
    if isinstance(value, (numbers.Number, np.number, np.bool_)):      # the table might have a DType of equal hash
        found = _BY_ENUM.get(int(value)) if isinstance(value, (int, np.integer)) else None
    else:
        found = _from_table(value) or _from_numpy(value)
    if found is None:
        raise TypeError(f"Cannot convert value {value!r} to a TensorFlow DType.")
    return found


def _from_table(value):
    try:
        return _BY_KEY.get(value)
    except TypeError:                                     # unhashable
        return None


def _from_numpy(value):
    try:
        dtype = np.dtype(value)
    except TypeError:
        return None
    if dtype.kind in "SU":
        return string
    if is_numpy_bfloat16(dtype):
        return bfloat16
    return _BY_KEY.get(dtype) or _BY_KEY.get(dtype.newbyteorder("="))
