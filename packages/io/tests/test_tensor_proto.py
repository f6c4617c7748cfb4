"""Constants as messages: every dtype, the short form of fills, and messages that contradict themselves."""
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from thalweg.framework import errors
from thalweg.framework.dtypes import as_dtype, bfloat16, qint32
from thalweg_io.protos import TensorProto
from thalweg_io.tensor_proto import make_ndarray, make_tensor_proto, tensor_proto

KINDS = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32",
         "float64", "complex64", "complex128")


@given(st.sampled_from(KINDS).flatmap(lambda k: hnp.arrays(k, hnp.array_shapes(min_dims=0, min_side=0, max_side=3))))
def test_arrays_survive(array):
    message = tensor_proto(array)
    assert message.dtype == as_dtype(array.dtype).as_datatype_enum
    got = make_ndarray(message)
    assert got.dtype == array.dtype and got.shape == array.shape
    assert got.tobytes() == np.ascontiguousarray(array).tobytes()


@pytest.mark.parametrize("array", [np.array([b"a", b"\xff\0"], object), np.array([[b""] * 3] * 2, object),
                                   np.array([(1,), (65535,)], bfloat16.np), np.array([(-5,)] * 3, qint32.np),
                                   np.array(b"x", object)])
def test_strings_and_packed_types_survive(array):
    got = make_ndarray(tensor_proto(array))
    assert got.dtype == array.dtype and got.shape == array.shape and (got == array).all()


def test_a_fill_takes_one_value():
    assert tensor_proto(np.zeros((1000, 1000), np.float32)).ByteSize() < 40
    assert not tensor_proto(np.array([0.0, -0.0])).double_val


def test_what_other_writers_leave_out_is_filled():
    assert make_ndarray(TensorProto(dtype=1, tensor_shape=shape(3))).tolist() == [0, 0, 0]
    assert make_ndarray(TensorProto(dtype=7, tensor_shape=shape(2), string_val=[b"a"])).tolist() == [b"a", b"a"]
    assert make_ndarray(TensorProto(dtype=3, tensor_shape=shape(3), int_val=[1, 2])).tolist() == [1, 2, 2]
    held = TensorProto(dtype=1, tensor_shape=shape(2**24 + 1), float_val=np.ones(2**22))   # an eighth of it is there
    filled = make_ndarray(held)
    assert filled.shape == (2**24 + 1,) and filled.min() == filled.max() == 1
    assert make_ndarray(TensorProto(dtype=8, tensor_shape=shape(2), scomplex_val=[1, 2])).tolist() == [1 + 2j] * 2


def shape(*sizes):
    from thalweg_io.protos import TensorShapeProto
    return TensorShapeProto(dim=[TensorShapeProto.Dim(size=size) for size in sizes])


@pytest.mark.parametrize("message,match", [
    (dict(dtype=1, tensor_shape=(2,), float_val=[1, 2, 3]), "3 values for 2 elements"),
    (dict(dtype=1, tensor_shape=(2,), tensor_content=b"1234"), "4 bytes of content for float32"),
    (dict(dtype=7, tensor_shape=(2,), tensor_content=b"1234"), "bytes of content for string"),
    (dict(dtype=1, tensor_shape=(-2,)), "negative dimension"),
    (dict(dtype=1, tensor_shape=(2**28 + 1,), float_val=[1]), "at most 1073741824 bytes that it does not hold"),
    (dict(dtype=1, tensor_shape=(2**24 + 1,), float_val=[1, 2]), "at most 67108864 bytes that it does not hold"),
    (dict(dtype=8, tensor_shape=(2,), scomplex_val=[1]), "lacks its imaginary part"),
    (dict(dtype=99), "99 is not a data type"), (dict(dtype=0), "0 is not a data type"),
])
def test_contradictions_are_named(message, match):
    message = dict(message, tensor_shape=shape(*message.get("tensor_shape", ())))
    with pytest.raises(errors.InvalidArgumentError, match=match):
        make_ndarray(TensorProto(**message))
    with pytest.raises(errors.UnimplementedError, match="resource are not stored"):
        make_ndarray(TensorProto(dtype=20))


def test_the_public_function():
    assert make_ndarray(make_tensor_proto([1, 2, 3], "float64")).tolist() == [1.0, 2.0, 3.0]
    assert make_ndarray(make_tensor_proto(7, shape=[2, 2])).tolist() == [[7, 7], [7, 7]]
    with pytest.raises(TypeError, match="Expected Tensor's shape"):
        make_tensor_proto([1, 2], shape=[3], verify_shape=True)
    with pytest.raises(ValueError, match="3 values for 2 elements"):
        make_tensor_proto([1, 2, 3], shape=[2])
