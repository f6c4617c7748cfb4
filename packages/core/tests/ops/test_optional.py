"""Optionals, and sums and zeros of variants."""
import numpy as np
import pytest

import thalweg as tf
from thalweg.ops import math, optional, tensor_list

COVERED = ("OptionalFromValue", "OptionalNone", "OptionalHasValue", "OptionalGetValue")
ANY = np.int32(-1)


@pytest.fixture
def session():
    with tf.Graph().as_default(), tf.Session() as session:
        yield session


def some(*values):
    return optional.optional_from_value([tf.constant(v) for v in values])


def got(value, types=(tf.float32,), shapes=(None,)):
    return optional.optional_get_value(value, output_types=list(types), output_shapes=list(shapes))


def test_what_an_optional_holds(session):
    value = some([1.0, 2.0], 3)
    a, b = got(value, (tf.float32, tf.int32), ([2], None))
    assert a.shape == [2] and b.shape.ndims is None
    assert session.run(a).tolist() == [1, 2] and session.run(b) == 3
    assert session.run(optional.optional_has_value(value))
    assert not session.run(optional.optional_has_value(optional.optional_none()))


def test_zeros_and_sums(session):
    value, empty = some([1.0, 2.0]), optional.optional_none()
    assert session.run(got(tf.zeros_like(value))[0]).tolist() == [0, 0]
    assert session.run(got(math.add_n_op([value, value, value]))[0]).tolist() == [3, 6]
    assert not session.run(optional.optional_has_value(math.add_n_op([tf.zeros_like(empty), empty])))
    handle = tensor_list.tensor_list_from_tensor([[1.0], [2.0]], [1])
    nested = tensor_list.tensor_list_from_tensor(tf.stack([handle, handle]), [])
    total = math.add_n_op([nested, tf.zeros_like(nested), nested])
    inner = tensor_list.tensor_list_get_item(total, 1, [], element_dtype=tf.variant)
    assert session.run(tensor_list.tensor_list_stack(inner, ANY, element_dtype=tf.float32)).tolist() == [[2], [4]]


def test_gradients(session):
    x = tf.placeholder(tf.float32, [2])
    y, = got(optional.optional_from_value([x * x]))
    assert session.run(tf.gradients(y * 3, x), {x: [1, 2]})[0].tolist() == [6, 12]


BAD = {
    "nothing": (lambda: got(optional.optional_none()), "the given optional does not have a value"),
    "types": (lambda: got(some(3)), r"the optional holds \['int32'\], expected \['float32'\]"),
    "a list": (lambda: got(tensor_list.tensor_list_reserve(ANY, 2, element_dtype=tf.float32)),
               "OptionalGetValue: expected a variant that holds an optional, got <list of 2 tensors>"),
    "an optional": (lambda: tensor_list.tensor_list_length(some(3)),
                    "expected a variant that holds a list of tensors, got <optional of 1 tensors>"),
    "sum": (lambda: optional.optional_has_value(math.add_n_op([some(1.0), optional.optional_none()])),
            "the sum of optionals: they hold <optional of 1 tensors> and <optional without a value>"),
    "mixed": (lambda: optional.optional_has_value(math.add_n_op(
        [some(1.0), tensor_list.tensor_list_reserve(ANY, 2, element_dtype=tf.float32)])), "the sum of optionals: "),
}


@pytest.mark.parametrize("name", BAD)
def test_messages(session, name):
    build, message = BAD[name]
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        session.run(build())
