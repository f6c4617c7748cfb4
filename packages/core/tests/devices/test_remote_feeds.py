"""Feeds that lie on a device are taken from there; the host sees a copy where it must."""
import numpy as np
import pytest

import thalweg as tf
from thalweg import devices
from thalweg.testing import delayed_device

VALUE = np.arange(4, dtype=np.float32)


class Array:
    """Another package's array on an ordinal of DELAYED."""

    def __init__(self, ordinal, value):
        self.ordinal, self.shape, self.number = ordinal, value.shape, tf.as_dtype(value.dtype).as_datatype_enum
        self.device = devices.find_device("DELAYED", ordinal)[0]
        self.address = self.device.alloc(value.nbytes)
        self.device.h2d(self.address, value)

    def __del__(self):
        self.device.free(self.address)


class Elsewhere:
    """An array that says by DLPack's protocol that it is on some device."""

    def __init__(self, kind, array=None):
        self.kind, self.array = kind, array

    def __dlpack_device__(self):
        return self.kind, 0

    def __array__(self, dtype=None, copy=None):
        return VALUE


@pytest.fixture
def delayed():
    with delayed_device.registered(devices=2) as device, tf.Graph().as_default():
        def adopt(array):
            array = array.array if isinstance(array, Elsewhere) else array
            return (array.ordinal, array.address, array.shape, array.number, array) if type(array) is Array else None
        device.adopt = adopt
        yield device


@pytest.fixture
def session(delayed):
    with tf.Session() as session:
        yield session


def sums(ordinal=0):
    with tf.device(f"/device:DELAYED:{ordinal}"):
        x = tf.placeholder(tf.float32, [None])
        return x, tf.cumsum(x)


def test_a_feed_is_copied_inside_the_device(delayed, session):
    x, y = sums()
    array = Array(0, VALUE)
    session.run(y, {x: array})           # copies a constant, too
    delayed.counts.clear()
    for _ in range(3):
        assert session.run(y, {x: array}).tolist() == [0, 1, 3, 6]
    assert delayed.counts["h2d"] == 0 and delayed.counts["d2d"] == 3


def test_feeds_of_both_kinds_in_turns(delayed, session):
    x, y = sums()
    array = Array(0, VALUE)
    for _ in range(4):
        assert session.run(y, {x: VALUE + 1}).tolist() == [1, 3, 6, 10]
        assert session.run(y, {x: array}).tolist() == [0, 1, 3, 6]


def test_a_feed_of_another_ordinal(delayed, session):
    x, y = sums(1)
    assert session.run(y, {x: Array(0, VALUE)}).tolist() == [0, 1, 3, 6]


def test_two_feeds_of_which_one_is_remote(delayed, session):
    with tf.device("/device:DELAYED:0"):
        a, b = tf.placeholder(tf.float32, [4]), tf.placeholder(tf.float32, [4])
        y = tf.cumsum(a) + tf.cumsum(b)
    assert session.run(y, {a: Array(0, VALUE), b: VALUE}).tolist() == [0, 2, 6, 12]
    assert session.run(y, {a: VALUE, b: Array(0, VALUE)}).tolist() == [0, 2, 6, 12]


def test_the_host_reads_a_copy(delayed, session):
    x, y = sums()
    z = tf.py_func(lambda a: a.sum(), [x], tf.float32)
    fed, on_device, on_host = session.run([x, y, z], {x: Array(0, VALUE)})
    assert (fed.tolist(), on_device.tolist(), on_host) == ([0, 1, 2, 3], [0, 1, 3, 6], 6)


def test_a_bool_decides_a_branch(delayed, session):
    with tf.device("/device:DELAYED:0"):
        p = tf.placeholder(tf.bool, [])
        y = tf.cond(p, lambda: tf.constant(1.0), lambda: tf.constant(2.0))
    assert session.run(y, {p: Array(0, np.array(True))}) == 1
    assert session.run(y, {p: Array(0, np.array(False))}) == 2


def test_a_variable_takes_one(delayed, session):
    with tf.device("/device:DELAYED:0"):
        v = tf.Variable(tf.zeros([4]))
    v.load(Array(0, VALUE), session)
    assert session.run(v).tolist() == [0, 1, 2, 3]


def test_a_callable_takes_one(delayed, session):
    x, y = sums()
    assert session.make_callable(y, [x])(Array(0, VALUE)).tolist() == [0, 1, 3, 6]


def test_a_device_that_is_ready_is_opened_for_what_says_that_it_is_elsewhere(delayed, session):
    x, y = sums()
    assert session.run(y, {x: Elsewhere(12, Array(0, VALUE))}).tolist() == [0, 1, 3, 6]


def test_what_nobody_adopts_is_an_array_like(delayed, session):
    x, y = sums()
    assert session.run(y, {x: Elsewhere(1)}).tolist() == session.run(y, {x: Elsewhere(12)}).tolist() == [0, 1, 3, 6]


def test_nothing_is_converted_on_a_device(delayed, session):
    x, y = sums()
    with pytest.raises(TypeError, match=r"(?s)Cannot feed Tensor 'Placeholder:0' of dtype float32 with an array of "
                                        r"float64 on /device:DELAYED:0.*convert it to float32 there first"):
        session.run(y, {x: Array(0, VALUE.astype(np.float64))})
    with pytest.raises(ValueError, match=r"Cannot feed value of shape \(2, 2\) for Tensor 'Placeholder:0'"):
        session.run(y, {x: Array(0, VALUE.reshape(2, 2))})
