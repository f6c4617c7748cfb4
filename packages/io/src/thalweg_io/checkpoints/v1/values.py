"""The numbers of a tensor inside a V1 checkpoint: a TensorProto with a list of values and nothing else.

    list := one field, by the element type; numbers packed, strings one field each
"""
import numpy as np

from thalweg.framework import errors

from ...element_types import STRING, dtype_of_number
from ...wire import BYTES, FIXED32, FIXED64, VARINT, WireError, field_bytes, fields, signed
from ..texts import string_of

_FIXED, _VARINTS = "fixed", "varints"
_FORMS = {1: (5, _FIXED), 2: (6, _FIXED), STRING: (8, BYTES), 8: (9, _FIXED), 9: (10, _VARINTS), 10: (11, _VARINTS),
          18: (12, _FIXED), 19: (13, _VARINTS), **{n: (7, _VARINTS) for n in (3, 4, 5, 6, 11, 12, 13, 17)}}
_AT_ONCE = 1 << 18                                     # numbers; what is needed for each is freed after these
_WIRE_KIND = {4: FIXED32, 8: FIXED64}                  # of a number that is not packed, by its bytes


def is_stored(number):
    """Whether V1 checkpoints hold tensors of the DataType `number`."""
    return number in _FORMS


def least_bytes(count, number):
    """How many bytes `count` values of the DataType `number` take at least."""
    return count * (dtype_of_number(number, "").np.itemsize if _FORMS[number][1] is _FIXED else 1)


# --- writing ----------------------------------------------------------------------------------------

def tensor_message(array, number):
    """The TensorProto of an array of DataType `number`."""
    field, form = _FORMS[number]
    if not array.size:
        return b""
    if number == STRING:
        return b"".join(field_bytes(field, item) for item in map(string_of, array.ravel().tolist()))
    raw = _plain(np.ascontiguousarray(array).reshape(-1), number)
    return field_bytes(field, raw.tobytes() if form is _FIXED else packed_varints(raw))


def _plain(flat, number):
    """The numbers of an array as the machine's integers or little-endian floats."""
    if number == 19:
        return flat.astype(np.float16, copy=False).view(np.uint16)
    if flat.dtype.names:
        return flat[flat.dtype.names[0]]
    return flat if flat.dtype.kind in "biu" else flat.astype(flat.dtype.newbyteorder("<"), copy=False)


def packed_varints(numbers):
    """The varints of an integer array one after the other; negative ones take ten bytes."""
    return b"".join(_packed(numbers[k:k + _AT_ONCE]) for k in range(0, numbers.size, _AT_ONCE))


def _packed(numbers):
    left = numbers.astype(np.int64).view(np.uint64)
    rows = []                                          # [bytes of a varint, numbers], rows grown as they are needed
    sizes = np.ones(left.size, np.int64)
    while True:
        low, left = (left & np.uint64(0x7F)).astype(np.uint8), left >> np.uint64(7)
        is_more = left > 0
        rows.append(low | is_more.astype(np.uint8) << np.uint8(7))
        if not is_more.any():
            break
        sizes += is_more
    columns = np.stack(rows, axis=1)                   # [numbers, bytes]
    return columns[np.arange(columns.shape[1]) < sizes[:, None]].tobytes()


# --- reading ----------------------------------------------------------------------------------------

def values_of(message, dtype, count, owner):
    """The `count` values of a TensorProto as a flat array, which may be a read-only view of the message.

    Raises
    ------
    DataLossError        for another number of values, or values that the type cannot hold
    """
    field, form = _FORMS[dtype.as_datatype_enum]
    try:
        if form is BYTES:
            return _strings(message, field, count, owner)
        return _numbers(message, field, form, dtype, count, owner)
    except WireError as error:
        raise errors.DataLossError(None, None, f"{owner}: Unable to parse its values: {error}") from error


def _check_count(found, count, owner):
    if found != count:
        raise errors.DataLossError(None, None, f"{owner}: {found} values are stored, its shape wants {count}")


def _strings(message, field, count, owner):
    items = [bytes(value) for number, kind, value in fields(message) if (number, kind) == (field, BYTES)]
    _check_count(len(items), count, owner)
    array = np.empty(count, np.object_)
    array[:] = items
    return array


def _numbers(message, field, form, dtype, count, owner):
    found = fields(message)
    if form is _FIXED:
        item = dtype.real_dtype.np.newbyteorder("<")
        parts = [_fixed(kind, value, item) for number, kind, value in found if number == field]
        _check_count(sum(map(len, parts)) / (2 if dtype.is_complex else 1), count, owner)
        flat = parts[0] if len(parts) == 1 else np.concatenate([*parts, np.empty(0, item)])
        return flat.astype(item.newbyteorder("="), copy=False).view(dtype.np)
    parts = [_varints(kind, value) for number, kind, value in found if number == field]
    flat = parts[0] if len(parts) == 1 else np.concatenate([*parts, np.empty(0, np.int64)])
    _check_count(flat.size, count, owner)
    return _as_type(flat, dtype, owner)


def _fixed(kind, value, item):
    """The floats of one field: packed, or one number by itself."""
    if kind == BYTES:
        if len(value) % item.itemsize:
            raise WireError(f"{len(value)} bytes of packed numbers of {item.itemsize}")
        return np.frombuffer(value, item)
    if kind != _WIRE_KIND[item.itemsize]:
        raise WireError(f"wire type {kind} for a number of {item.itemsize} bytes")
    return np.frombuffer(value.to_bytes(item.itemsize, "little"), item)


def _varints(kind, value):
    """The integers of one field: packed, or one number by itself."""
    if kind == VARINT:
        return np.array([signed(value)], np.int64)
    if kind != BYTES:
        raise WireError(f"wire type {kind} for an integer")
    return unpacked_varints(value)


def unpacked_varints(data):
    """The integers of varints that stand one after the other.

    Raises
    ------
    WireError        if the last one is cut, or one is longer than 64 bits
    """
    data = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(data < 0x80)
    if data.size and (not ends.size or ends[-1] != data.size - 1):
        raise WireError("a varint is cut")
    starts = np.concatenate([[0], ends[:-1] + 1]) if ends.size else ends
    sizes = ends - starts + 1
    longest = int(sizes.max(initial=0))
    if longest > 10 or longest == 10 and (data[ends[sizes == 10]] > 1).any():
        raise WireError("a varint is too long")
    numbers = np.zeros(ends.size, np.uint64)
    for k in range(longest):
        has = sizes > k
        numbers[has] |= (data[starts[has] + k] & np.uint8(0x7F)).astype(np.uint64) << np.uint64(7 * k)
    return numbers.view(np.int64)


def _as_type(flat, dtype, owner):
    """int64 values as the element type; those that it cannot hold are damage."""
    if dtype.is_bool:
        return flat != 0
    kind = np.dtype(np.uint16) if dtype.as_datatype_enum == 19 else dtype.np[0] if dtype.np.names else dtype.np
    limits = np.iinfo(kind)
    if flat.size and not (limits.min <= int(flat.min()) and int(flat.max()) <= limits.max):
        raise errors.DataLossError(None, None, f"{owner}: a value that {dtype.name} cannot hold")
    return flat.astype(kind, copy=False).view(dtype.np)


