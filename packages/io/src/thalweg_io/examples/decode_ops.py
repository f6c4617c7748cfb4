"""Ops that decode strings: raw bytes, lines of CSV, tensors in messages, Examples in JSON."""
import math
import re

import numpy as np

from thalweg.framework import errors, shapes
from thalweg.framework.conversion import convert_to_tensor
from thalweg.framework.declaration import define_op, elementwise
from thalweg.framework.dtypes import (
    DType,
    as_dtype,
    bool_,
    complex64,
    complex128,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    string,
    uint8,
    uint16,
)

_NO_GRADIENT = "what is decoded from strings has no gradient"
_MOST_OF_A_FEW = 1 << 26                             # elements that a message may ask for by repeating its last value
_INTEGER, _WHITE = re.compile(rb"-?[0-9]+"), b" \t\n\v\f\r"
_FLOAT = re.compile(rb"[+-]?([0-9]+\.?[0-9]*([eE][+-]?[0-9]+)?|\.[0-9]+([eE][+-]?[0-9]+)?|inf(inity)?|nan)", re.I)


def _invalid(text):
    return errors.InvalidArgumentError(None, None, text)


# --- raw bytes --------------------------------------------------------------------------------------

@define_op("DecodeRaw", "bytes: string -> output: out_type",
           out_type=(float16, float32, float64, int32, uint16, uint8, int16, int8, int64, complex64, complex128,
                     bool_))
def decode_raw_op(bytes, *, out_type: DType, little_endian: bool = True):
    """The bytes of each string as numbers, in a new last dimension; all strings are of one length."""
    strings, size = bytes.ravel().tolist(), out_type.size
    length = len(strings[0]) if strings else 0
    for i, text in enumerate(strings):
        if len(text) != length:
            raise _invalid(f"DecodeRaw requires input strings to all be the same size, but element {i} has size "
                           f"{len(text)} != {length}")
    if length % size:
        raise _invalid(f"Input to DecodeRaw has length {length} that is not a multiple of {size}, the size of "
                       f"{out_type.name}")
    stored = np.dtype(out_type.np).newbyteorder("<" if little_endian else ">")
    found = np.frombuffer(b"".join(strings), stored).astype(out_type.np)
    if out_type is bool_:
        found = np.frombuffer(b"".join(strings), np.uint8) != 0
    return found.reshape(*bytes.shape, length // size)


@decode_raw_op.shape
def decode_raw_shape(node, strings):
    return None if strings is None else (*strings, None)


def decode_raw(input_bytes=None, out_type=None, little_endian=True, name=None, bytes=None):
    """The bytes of each string as numbers of `out_type`, in a new last dimension.

    Raises InvalidArgumentError, when run, for strings of unlike lengths, or no multiple of a number's size.
    """
    return decode_raw_op(input_bytes if bytes is None else bytes, out_type=as_dtype(out_type),
                         little_endian=little_endian, name=name)


# --- CSV --------------------------------------------------------------------------------------------

_CSV_TYPES = (float32, float64, int32, int64, string)


@define_op("DecodeCSV", "records: string, record_defaults: OUT_TYPE... -> output: OUT_TYPE...")
def decode_csv_op(records, record_defaults, *, field_delim=",", use_quote_delim=True, na_value="",
                  select_cols: list[int] = ()):
    """One tensor per column of lines in CSV (RFC 4180)."""
    if len(field_delim.encode()) != 1:
        raise _invalid(f"field_delim should be only 1 char, not {field_delim!r}")
    wanted = list(select_cols) or range(len(record_defaults))
    readers = [_column_reader(k, d, na_value.encode()) for k, d in zip(wanted, record_defaults)]
    columns = [np.empty(records.shape, d.dtype) for d in record_defaults]
    flat = [column.reshape(-1) for column in columns]
    for i, record in enumerate(records.ravel().tolist()):
        fields = _fields(record, field_delim.encode(), use_quote_delim)
        if len(fields) != len(wanted) if not select_cols else len(fields) <= wanted[-1]:
            raise _invalid(f"Expect {len(wanted) if not select_cols else wanted[-1] + 1} fields but have "
                           f"{len(fields)} in record {i}")
        for target, read, k in zip(flat, readers, wanted):
            target[i] = read(fields[k], i)
    return columns


def _fields(record, delimiter, has_quotes):
    """The fields of one line, (bytes, whether it was in quotes) each."""
    if not record:
        return []
    if not has_quotes:
        return record.split(delimiter)
    if b'"' not in record and b"\n" not in record and b"\r" not in record:
        return record.split(delimiter)
    fields, position = [], 0
    while True:
        field, position = _field(record, position, delimiter)
        fields.append(field)
        if position >= len(record):
            return fields
        position += 1
        if position == len(record):
            return [*fields, b""]


def _field(record, position, delimiter):
    """(field, place of the delimiter behind it, or the end)."""
    if record[position:position + 1] != b'"':
        end = record.find(delimiter, position)
        end = len(record) if end < 0 else end
        field = record[position:end]
        if any(c in field for c in b'"\r\n'):
            raise _invalid("Unquoted fields cannot have quotes/CRLFs inside")
        return field, end
    parts, position = [], position + 1
    while True:
        end = record.find(b'"', position)
        if end < 0:
            raise _invalid("Quoted field has to end with quote followed by delim or end")
        parts.append(record[position:end])
        position = end + 1
        follows = record[position:position + 1]
        if follows == b'"':
            parts.append(b'"')
            position += 1
        elif follows in (b"", delimiter):
            return b"".join(parts), position
        else:
            raise _invalid("Quote inside a string has to be escaped by another quote")


def _column_reader(number, default, na_value):
    """A function (field, number of the record) -> the value in one column."""
    dtype = as_dtype(default.dtype)
    convert = (lambda text: text) if dtype is string else _integer(dtype) if dtype.kind == "i" else _float

    def read(field, i):
        if not field or field == na_value:
            if not default.size:
                raise _invalid(f"Field {number} is required but missing in record {i}!")
            return default.reshape(-1)[0]
        value = convert(field)
        if value is None:
            raise _invalid(f"Field {number} in record {i} is not a valid {_CSV_NAMES.get(dtype, dtype.name)}: "
                           f"{field.decode('utf-8', 'backslashreplace')}")
        return value
    return read


_CSV_NAMES = {float32: "float", float64: "double"}


def _integer(dtype):
    limits = np.iinfo(dtype.np)

    def convert(text):
        text = text.strip(_WHITE)
        value = int(text) if len(text) < 21 and _INTEGER.fullmatch(text) else None
        return value if value is not None and limits.min <= value <= limits.max else None
    return convert


def _float(text):
    text = text.strip(_WHITE)
    return float(text) if _FLOAT.fullmatch(text) else None


@decode_csv_op.shape
def decode_csv_shape(node, records, defaults):
    for shape in defaults:
        if shape is not None and (len(shape) > 1 or shape and shape[0] is not None and shape[0] > 1):
            raise ValueError(f"Shape of a default must be a length-0 or length-1 vector, or a scalar, not "
                             f"{shapes.text(shape)}")
    return [records] * len(defaults)


def decode_csv(records, record_defaults, field_delim=",", use_quote_delim=True, name=None, na_value="",
               select_cols=None):
    """Lines of CSV as one tensor per column, each of the shape of `records`.

    Parameters
    ----------
    records : string
    record_defaults : list of arrays [0], [1] or []     one per column: its dtype (float32, float64, int32, int64 or
                                                        string), and the value of an empty field; [0]: it must be there
    field_delim : str                   one character
    use_quote_delim : bool              whether `"` encloses fields
    na_value : str                      stands for an empty field, too
    select_cols : list of int           the columns that are wanted, in increasing order

    Raises
    ------
    ValueError                for select_cols that are not increasing, or not as many as the defaults
    InvalidArgumentError      when run, for another number of fields, a field that is no such number, is missing, or
                              has quotes in wrong places
    """
    select_cols = list(select_cols or ())
    if any(b <= a for a, b in zip(select_cols, select_cols[1:])):
        raise ValueError("select_cols is not strictly increasing.")
    if select_cols and select_cols[0] < 0:
        raise ValueError("select_cols contains negative values.")
    if select_cols and len(select_cols) != len(record_defaults):
        raise ValueError("Length of select_cols and record_defaults do not match.")
    defaults = [convert_to_tensor(d, name="record_defaults") for d in record_defaults]
    for default in defaults:
        if default.dtype not in _CSV_TYPES:
            raise errors.DTypeError(f"Value passed to parameter 'record_defaults' has DataType {default.dtype.name} "
                                    "not in list of allowed values: float32, float64, int32, int64, string")
    return decode_csv_op(records, defaults, field_delim=field_delim, use_quote_delim=use_quote_delim,
                         na_value=na_value, select_cols=select_cols, name=name)


# --- tensors in messages ----------------------------------------------------------------------------

@define_op("SerializeTensor", "tensor: T -> serialized: string[]")
def serialize_tensor_op(tensor):
    """A TensorProto, serialized: dtype, shape, and the bytes of the values, or the strings."""
    from ..protos import TensorProto
    dtype = as_dtype(tensor.dtype)
    message = TensorProto(dtype=dtype.as_datatype_enum)
    message.tensor_shape.SetInParent()
    for size in tensor.shape:
        message.tensor_shape.dim.add(size=size)
    if dtype is string:
        message.string_val.extend(tensor.ravel().tolist())
    else:
        message.tensor_content = np.ascontiguousarray(tensor).tobytes()
    return message.SerializeToString()


def serialize_tensor(tensor, name=None):
    """A tensor as a string: a TensorProto message, which `parse_tensor` takes apart."""
    return serialize_tensor_op(tensor, name=name)


@define_op("ParseTensor", "serialized: string[] -> output: out_type")
def parse_tensor_op(serialized, *, out_type: DType):
    """The tensor in a serialized TensorProto."""
    from google.protobuf.message import DecodeError

    from ..protos import TensorProto
    from ..tensor_proto import make_ndarray
    try:
        message = TensorProto.FromString(serialized.item())
    except DecodeError as error:
        raise _invalid(f"Could not parse `serialized` as TensorProto, {len(serialized.item())} bytes: {error}") \
            from error
    if message.dtype != out_type.as_datatype_enum:
        raise _invalid(f"Type mismatch between parsed tensor ({_name_of(message.dtype)}) and dtype ({out_type.name})")
    if not message.tensor_content and math.prod(d.size for d in message.tensor_shape.dim) > _MOST_OF_A_FEW:
        raise _invalid(f"a tensor of {[d.size for d in message.tensor_shape.dim]} in {len(serialized.item())} bytes: "
                       f"{_MOST_OF_A_FEW} elements are the most that are not given as bytes")
    return make_ndarray(message, "the parsed tensor")


def _name_of(number):
    try:
        return as_dtype(number).name
    except TypeError:
        return str(number)


parse_tensor_op.shape(lambda node, serialized: None)


def parse_tensor(serialized, out_type, name=None):
    """The tensor in a serialized TensorProto message; its shape is known when it runs.

    Raises InvalidArgumentError, when run, for what is no such message, or one of another type.
    """
    return parse_tensor_op(serialized, out_type=as_dtype(out_type), name=name)


# --- JSON -------------------------------------------------------------------------------------------

@elementwise("DecodeJSONExample", "json_examples: string -> binary_examples: string")
def decode_json_example_op(json_examples):
    """tf.train.Example messages in JSON, serialized."""
    from google.protobuf import json_format

    from ..protos import Example
    result = np.empty(json_examples.shape, object)
    for i, text in enumerate(json_examples.ravel().tolist()):
        try:
            result.reshape(-1)[i] = json_format.Parse(text, Example()).SerializeToString()
        except (json_format.ParseError, UnicodeDecodeError, RecursionError, ValueError) as error:
            raise _invalid(f"Error while parsing JSON, element {i}: {error}") from error
    return result


def decode_json_example(json_examples, name=None):
    """tf.train.Example messages in JSON (protobuf's mapping), serialized; InvalidArgumentError for what is none."""
    return decode_json_example_op(json_examples, name=name)


for _op in (decode_raw_op, decode_csv_op, serialize_tensor_op, parse_tensor_op, decode_json_example_op):
    _op.no_gradient(_NO_GRADIENT)
