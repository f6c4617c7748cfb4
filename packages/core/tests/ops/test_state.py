"""Ops that write a variable's buffer."""
import numpy as np
import pytest

import thalweg as tf
from thalweg.ops import state
from thalweg.testing.table import device_names

COVERED = ("Assign", "AssignAdd", "AssignSub", "CountUpTo", "IsVariableInitialized", "ScatterAdd", "ScatterDiv",
           "ScatterMax", "ScatterMin", "ScatterMul", "ScatterNdAdd", "ScatterNdSub", "ScatterNdUpdate", "ScatterSub",
           "ScatterUpdate", "VariableV2", "Variable", "TemporaryVariable")
PLACES = pytest.mark.parametrize("place", [*device_names(), "/device:REFERENCE:0"])


@pytest.fixture
def session():
    with tf.Graph().as_default() as graph, tf.Session(graph=graph) as session:
        yield session


def variable(session, value, name="v"):
    value = np.asarray(value)
    v = state.variable_op(shape=value.shape, dtype=tf.as_dtype(value.dtype), name=name)
    session.run(state.assign(v, value).op)
    return v


@PLACES
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int32", "int64", "complex64"])
def test_assignments(session, place, dtype):
    with tf.device(place):
        v = variable(session, np.array([1, 2, 3], dtype))
        added = state.assign_add(v, np.array([1, 1, 1], dtype))
        assert session.run(added).tolist() == [2, 3, 4]
        assert session.run(state.assign_sub(v, np.array([2, 0, 0], dtype))).tolist() == [0, 3, 4]
        assert session.run(tf.identity(v)).tolist() == [0, 3, 4]


@PLACES
@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("value_of", [lambda v: v, tf.identity, lambda v: tf.reshape(v, [2, 2])])
@pytest.mark.parametrize("write, factor", [(state.assign, 1), (state.assign_add, 2), (state.assign_sub, 0)])
def test_a_variable_can_be_assigned_its_own_value(session, place, dtype, value_of, write, factor):
    values = np.array([[1, 2], [3, 4]], dtype)
    with tf.device(place):
        v = variable(session, values)
        assert session.run(write(v, value_of(v))).tolist() == (factor * values).tolist()
        assert session.run(tf.identity(v)).tolist() == (factor * values).tolist()


ROWS = np.arange(6.0).reshape(3, 2) + 1


@PLACES
@pytest.mark.parametrize("write, update", [
    (state.scatter_update, lambda v, i, u: v.__setitem__(i, u)), (state.scatter_add, np.add.at),
    (state.scatter_sub, np.subtract.at), (state.scatter_mul, np.multiply.at), (state.scatter_div, np.divide.at),
    (state.scatter_min, np.minimum.at), (state.scatter_max, np.maximum.at)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scatter_of_rows(session, place, write, update, dtype):
    indices, updates = np.array([2, 0, 2]), (np.arange(6.0).reshape(3, 2) + 2).astype(dtype)
    want = ROWS.astype(dtype)
    update(want, indices, updates)
    with tf.device(place):
        v = variable(session, ROWS.astype(dtype))
        assert np.allclose(session.run(write(v, indices, updates)), want)


def test_a_scalar_update_is_repeated(session):
    v = variable(session, ROWS)
    assert session.run(state.scatter_add(v, [0], np.float64(1)))[0].tolist() == [2, 3]


@PLACES
@pytest.mark.parametrize("write, want", [(state.scatter_nd_update, [9, 2, 8]), (state.scatter_nd_add, [10, 2, 11]),
                                         (state.scatter_nd_sub, [-8, 2, -5])])
def test_scatter_of_elements(session, place, write, want):
    with tf.device(place):
        v = variable(session, [1.0, 2.0, 3.0])
        assert session.run(write(v, [[0], [2]], [9.0, 8.0])).tolist() == want


def test_integers_divide_without_the_fraction(session):
    v = variable(session, np.array([7, -7], np.int32))
    assert session.run(state.scatter_div(v, [0, 1], np.array([2, 2], np.int32))).tolist() == [3, -3]
    with pytest.raises(tf.errors.InvalidArgumentError, match="by zero"):
        session.run(state.scatter_div(v, [0], np.array([0], np.int32)))


def test_count_up_to_gives_the_value_and_stops_at_the_limit(session):
    v = variable(session, np.int32(0))
    counted = state.count_up_to(v, 2)
    assert [session.run(counted), session.run(counted)] == [0, 1]
    with pytest.raises(tf.errors.OutOfRangeError, match="Reached limit of 2"):
        session.run(counted)


def test_whether_a_variable_is_initialized(session):
    v = state.variable_op(shape=(), dtype=tf.float32, name="late")
    assert not session.run(state.is_variable_initialized(v))
    session.run(state.assign(v, 1.0).op)
    assert session.run(state.is_variable_initialized(v))


def test_an_assignment_may_change_the_shape_when_asked(session):
    v = variable(session, [1.0, 2.0])
    with pytest.raises(tf.errors.ShapeError, match="to match"):
        state.assign(v, [1.0, 2.0, 3.0])
    with tf.Graph().as_default() as graph, tf.Session(graph=graph) as other:
        free = state.variable_op(shape=None, dtype=tf.float32, name="free")
        other.run(state.assign(free, [1.0, 2.0], validate_shape=False).op)
        other.run(state.assign(free, [1.0, 2.0, 3.0], validate_shape=False).op)
        assert other.run(tf.identity(free)).tolist() == [1, 2, 3]


@pytest.mark.parametrize("build, match", [
    (lambda v: state.scatter_add(v, [0], [[1.0, 2.0, 3.0]]), "updates has shape"),
    (lambda v: state.scatter_nd_add(v, [[0]], [1.0]), "updates has shape"),
    (lambda v: state.assign_add(tf.identity(v), 1.0), "has no attribute|mutable"),
])
def test_bad_writes_are_refused(session, build, match):
    with pytest.raises((ValueError, TypeError, AttributeError), match=match):
        build(variable(session, ROWS.astype(np.float32)))


def test_an_index_outside_is_an_error(session):
    v = variable(session, ROWS)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"3.*\[0, 3\)"):
        session.run(state.scatter_add(v, [3], [[1.0, 1.0]]))


def test_the_older_forms_of_a_variable_build():
    with tf.Graph().as_default():
        assert state.variable_v1(shape=(2,), dtype=tf.float32).dtype.is_ref_dtype
        assert state.temporary_variable(shape=(2,), dtype=tf.float32, var_name="t").shape == [2]
