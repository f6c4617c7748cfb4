"""The stacks of TensorFlow 1.x's while gradients."""
import numpy as np
import pytest

import thalweg as tf
from thalweg.ops import stack

COVERED = ("StackV2", "StackPushV2", "StackPopV2", "StackCloseV2")


@pytest.fixture
def session():
    with tf.Graph().as_default(), tf.Session() as session:
        yield session


def pushed(handle, *values):
    """The last of several pushes, each after the one before."""
    last = handle.op
    for value in values:
        with tf.control_dependencies([last]):
            last = stack.stack_push_v2(handle, value).op
    return last


def test_what_was_pushed_last_is_popped_first(session):
    handle = stack.stack_v2(-1, elem_type=tf.float32)
    x = tf.placeholder(tf.float32, [2])
    with tf.control_dependencies([pushed(handle, x, x * 2)]):
        first = stack.stack_pop_v2(handle, elem_type=tf.float32)
    with tf.control_dependencies([first.op]):
        second = stack.stack_pop_v2(handle, elem_type=tf.float32)
    assert first.shape.ndims is None and stack.stack_push_v2(handle, x).shape == [2]
    for run in range(2):                                 # each run has a stack of its own
        a, b = session.run([first, second], {x: [run, 3]})
        np.testing.assert_array_equal([a, b], [[2 * run, 6], [run, 3]])


def test_a_pushed_value_is_kept_as_it_was(session):
    handle, v = stack.stack_v2(-1, elem_type=tf.float32), tf.Variable([1.0, 2.0])
    push = stack.stack_push_v2(handle, v)
    with tf.control_dependencies([push]):
        changed = tf.assign(v, [5.0, 6.0])
    with tf.control_dependencies([changed]):
        popped = stack.stack_pop_v2(handle, elem_type=tf.float32)
    session.run(v.initializer)
    assert session.run(popped).tolist() == [1.0, 2.0]


def test_stacks_that_are_empty_or_full(session):
    handle = stack.stack_v2(1, elem_type=tf.int32)
    with pytest.raises(tf.errors.InvalidArgumentError, match="StackPopV2: the stack is empty"):
        session.run(stack.stack_pop_v2(handle, elem_type=tf.int32))
    with pytest.raises(tf.errors.InvalidArgumentError, match="StackPushV2: the stack has its 1 values, max_size"):
        session.run(pushed(handle, 1, 2))
    with tf.control_dependencies([pushed(handle, 1)]):
        closed = stack.stack_close_v2(handle)
    with tf.control_dependencies([closed]):
        popped = stack.stack_pop_v2(handle, elem_type=tf.int32)
    with pytest.raises(tf.errors.InvalidArgumentError, match="is empty"):
        session.run(popped)
