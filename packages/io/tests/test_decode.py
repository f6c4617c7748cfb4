"""Raw bytes, CSV, tensors in messages, JSON. What is expected is what TensorFlow 1.15 gave for the same, or said."""
import numpy as np
import pytest

import thalweg as tf


def run(fetch):
    with tf.Session() as session:
        return session.run(fetch)


# --- raw bytes --------------------------------------------------------------------------------------

@pytest.mark.parametrize("strings, dtype, little, expected", [
    ([b"\1\2\3\4", b"\5\6\7\10"], tf.int16, False, [[258, 772], [1286, 1800]]),
    (b"\0\0\x80\x3f", tf.float32, True, [1.0]), (b"\0\1\2", tf.bool, True, [False, True, True]),
    (np.zeros(0, object), tf.uint8, True, []), ([[b""]], tf.int64, True, [[[]]]),
    (b"\0\0\x80\x3f\0\0\0\xc0", tf.complex64, True, [1 - 2j])])
def test_decode_raw(strings, dtype, little, expected):
    found = run(tf.decode_raw(strings, dtype, little_endian=little))
    assert found.tolist() == expected and found.dtype == dtype.as_numpy_dtype


@pytest.mark.parametrize("strings, dtype, said", [
    ([b"\1\2\3"], tf.int16, "Input to DecodeRaw has length 3 that is not a multiple of 2, the size of int16"),
    ([b"1", b"12"], tf.uint8, "input strings to all be the same size, but element 1 has size 2 != 1")])
def test_raw_bytes_that_do_not_fit(strings, dtype, said):
    with pytest.raises(tf.errors.InvalidArgumentError, match=said):
        run(tf.decode_raw(strings, dtype))
    assert tf.io.decode_raw(tf.placeholder(tf.string, [2]), tf.uint8).shape.as_list() == [2, None]


# --- CSV --------------------------------------------------------------------------------------------

DEFAULTS = [[0], [7.0], [""]]


def csv(*lines, defaults=None, **options):
    found = run(tf.io.decode_csv(list(lines), DEFAULTS if defaults is None else defaults, **options))
    return [column.tolist() for column in found]


@pytest.mark.parametrize("lines, options, expected", [
    (["1,2.5,abc", '3,,"x,""y"""'], {}, [[1, 3], [2.5, 7.0], [b"abc", b'x,"y"']]),
    (['1,2,"a\nb"'], {}, [[1], [2], [b"a\nb"]]), (['1,2,"a"'], {"use_quote_delim": False}, [[1], [2], [b'"a"']]),
    (["1;2; a "], {"field_delim": ";"}, [[1], [2], [b" a "]]), (["NA,NA,NA"], {"na_value": "NA"}, [[0], [7], [b""]]),
    ([" 1, 2 , a"], {}, [[1], [2], [b" a"]]), (["-2,1e400,"], {}, [[-2], [np.inf], [b""]]),
    (['1,2,""'], {}, [[1], [2], [b""]]), (['1,"2",'], {}, [[1], [2], [b""]])])
def test_decode_csv(lines, options, expected):
    assert csv(*lines, **options) == expected


def test_columns_of_csv_that_are_wanted():
    assert csv("1,2,a,9", defaults=[[0], ["q"]], select_cols=[0, 2]) == [[1], [b"a"]]
    assert csv("1,", defaults=[0, 5]) == [[1], [5]]
    assert csv("1,2", defaults=[tf.constant([], tf.int64), tf.constant([], tf.float64)]) == [[1], [2]]
    for cols, said in (([2, 0], "not strictly increasing"), ([2], "do not match"), ([-1, 0], "negative")):
        with pytest.raises(ValueError, match=said):
            csv("1,2,a,9", defaults=[[0], ["q"]], select_cols=cols)
    assert tf.decode_csv(tf.placeholder(tf.string, [3, None]), [[0]])[0].shape.as_list() == [3, None]


@pytest.mark.parametrize("line, options, said", [
    ("1,2.5", {}, "Expect 3 fields but have 2 in record 0"), ("1,2.5,a,b", {}, "Expect 3 fields but have 4"),
    ("x,2.5,a", {}, "Field 0 in record 0 is not a valid int32: x"),
    ("1,z,a", {}, "Field 1 in record 0 is not a valid float: z"),
    ('1,2,a"b', {}, "Unquoted fields cannot have quotes/CRLFs inside"),
    ("1,2,ab\n", {}, "Unquoted fields cannot have"), ('1,2,"ab', {}, "Quoted field has to end with quote"),
    ('1,2,"ab"c', {}, "Quote inside a string has to be escaped"),
    ("1;2;a", {"field_delim": ";;"}, "field_delim should be only 1 char"),
    ("99999999999,1,a", {}, "Field 0 in record 0 is not a valid int32"), ("+1,1,a", {}, "not a valid int32: .1"),
    ("0x10,1,a", {}, "not a valid int32"), ("1_0,1,a", {}, "not a valid int32"),
    ("1,0x1p3,a", {}, "not a valid float"), ("", {}, "Expect 3 fields but have 0 in record 0"),
    ("1,2", {"select_cols": [0, 1, 5]}, "Expect 6 fields but have 2")])
def test_csv_that_does_not_fit(line, options, said):
    with pytest.raises(tf.errors.InvalidArgumentError, match=said):
        csv(line, **options)


def test_a_field_that_must_be_there():
    with pytest.raises(tf.errors.InvalidArgumentError, match="Field 2 is required but missing in record 0!"):
        csv("1,2.5,", defaults=[[0], [7.0], tf.constant([], tf.string)])
    with pytest.raises(TypeError, match="DataType uint8 not in list of allowed values"):
        csv("1", defaults=[tf.constant([], tf.uint8)])
    with pytest.raises(ValueError, match="Shape of a default must be a length-0 or length-1 vector"):
        csv("1", defaults=[[0, 1]])


# --- tensors in messages ----------------------------------------------------------------------------

@pytest.mark.parametrize("tensor, data", [
    ([[1, 2], [3, 4]], b'\x08\x03\x12\x08\x12\x02\x08\x02\x12\x02\x08\x02"\x10\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0'),
    (["a", "bc"], b"\x08\x07\x12\x04\x12\x02\x08\x02B\x01aB\x02bc"), (3.0, b'\x08\x01\x12\x00"\x04\x00\x00@@'),
    ([True, False], b'\x08\n\x12\x04\x12\x02\x08\x02"\x02\x01\x00')])
def test_tensors_in_messages(tensor, data):
    tensor = tf.constant(tensor)
    assert run(tf.io.serialize_tensor(tensor)) == data                      # TensorFlow's bytes
    found = run(tf.io.parse_tensor(data, tensor.dtype))
    assert np.array_equal(found, run(tensor)) and np.asarray(found).dtype == tensor.dtype.np


@pytest.mark.parametrize("data, dtype, said", [
    (b"\xff", tf.float32, "Could not parse `serialized` as TensorProto, 1 bytes"),
    (b"\x08\x03\x12\x00", tf.float32, r"Type mismatch between parsed tensor \(int32\) and dtype \(float32\)"),
    (b"\x08\x63\x12\x00", tf.float32, "Type mismatch between parsed tensor"),
    (b"\x08\x03\x12\x04\x12\x02\x08\x02\x22\x01\x00", tf.int32, "1 bytes of content for int32"),
    (b"\x08\x03\x12\x0b\x12\x09\x08\x80\x80\x80\x80\x80\x80\x80\x01", tf.int32, "most that are not given as bytes")])
def test_messages_that_do_not_fit(data, dtype, said):
    with pytest.raises(tf.errors.InvalidArgumentError, match=said):
        run(tf.io.parse_tensor(data, dtype))


# --- JSON -------------------------------------------------------------------------------------------

def test_examples_in_json():
    text = '{"features": {"feature": {"a": {"int64List": {"value": ["5"]}}}}}'
    found = run(tf.parse_single_example(tf.decode_json_example(text), {"a": tf.FixedLenFeature([], tf.int64)}))
    assert found == {"a": 5}
    for bad in ("{nonsense", '{"features": 3}', b"\xff"):
        with pytest.raises(tf.errors.InvalidArgumentError, match="Error while parsing JSON, element 0"):
            run(tf.decode_json_example([bad]))
