"""Errors and rules of variables and scopes; what they build is compared with TensorFlow in tests/tf1."""
import threading

import numpy as np
import pytest

import thalweg as tf
from thalweg.variables.partitioned import (
    fixed_size_partitioner,
    min_max_variable_partitioner,
    variable_axis_size_partitioner,
)


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def run(fetch, feed=None):
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        return session.run(fetch, feed)


# --- Variable --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("arguments,match", [
    (dict(), "initial_value must be specified"),
    (dict(initial_value=1.0, collections="x"), "collections argument .* must be a list, tuple, or set. Got x"),
    (dict(initial_value=1.0, constraint=3), "`constraint` argument must be a callable"),
    (dict(initial_value=1.0, variable_def=object()), "mutually exclusive"),
])
def test_variable_refuses(arguments, match):
    with pytest.raises(ValueError, match=match):
        tf.Variable(**arguments)


def test_the_shape_of_the_initial_value_must_be_known():
    with pytest.raises(ValueError, match="initial_value must have a shape specified.*validate_shape=False"):
        tf.Variable(tf.placeholder(tf.float32, [None]))
    free = tf.Variable(tf.placeholder_with_default(np.zeros([2, 3], np.float32), None), validate_shape=False)
    assert free.get_shape().ndims is None
    assert run(free).shape == (2, 3)
    free.set_shape([2, None])
    assert free.value().get_shape().as_list() == [2, None]


def test_python_protocol():
    v, w = tf.Variable(1.0), tf.Variable(1.0)
    assert {v: 1}[v] == 1 and v == v and v != w and v != 1.0 and bool(v)
    with pytest.raises(TypeError, match="'Variable' object is not iterable"):
        list(v)
    with pytest.raises(NotImplementedError, match=r"Cannot convert a variable \(Variable:0\).*session.run"):
        np.array(v)
    assert repr(v) == str(v) == "<tf.Variable 'Variable:0' shape=() dtype=float32_ref>"
    with pytest.raises(TypeError, match="Incompatible type conversion requested to type 'int32' for variable"):
        tf.convert_to_tensor(v, tf.int32)


def test_every_operator_reads_the_variable():
    a, b = tf.Variable([[1.0, 2.0], [3.0, 4.0]]), tf.Variable([1, 2])
    results = run([a + 1.0, 1.0 + a, a - 1.0, 1.0 - a, a * a, a / 2.0, 2.0 / a, a // 2.0, a % 2.0, a**2.0, 2.0**a,
                   -a, abs(-a), a @ a, a < 2.0, a >= 2.0, a[0], a[:, 1], b + b])
    x = np.array([[1.0, 2.0], [3.0, 4.0]])
    want = [x + 1, 1 + x, x - 1, 1 - x, x * x, x / 2, 2 / x, x // 2, x % 2, x**2, 2**x, -x, x, x @ x, x < 2, x >= 2,
            x[0], x[:, 1], [2, 4]]
    for found, value in zip(results, want):
        np.testing.assert_allclose(found, value, rtol=1e-6)


def test_load_and_eval():
    v = tf.Variable([1.0, 2.0])
    nodes = len(tf.get_default_graph().get_operations())
    with tf.Session() as session:
        v.load([5.0, 6.0], session)
        assert v.eval().tolist() == [5, 6]
        assert session.run(v.initialized_value()).tolist() == [5, 6]
    assert len(tf.get_default_graph().get_operations()) > nodes


def test_initialized_value_counts_as_in_tensorflow():
    v = tf.Variable([1.0, 2.0], name="v")
    w = tf.Variable(v.initialized_value() * 2.0, name="w")
    graph = tf.get_default_graph()
    assert graph._last_id == 31                     # what default seeds depend on; TensorFlow 1.15's count
    assert [t.name for t in w.initializer.inputs] == ["w:0", "mul_w:0"]
    with tf.Session() as session:
        session.run([w.initializer, v.initializer])
        assert session.run(w).tolist() == [2, 4]


def test_constraint_and_switches_are_kept():
    v = tf.Variable(1.0, trainable=False, constraint=abs, use_resource=True, expected_shape=[],
                    synchronization=tf.VariableSynchronization.ON_READ, aggregation=tf.VariableAggregation.MEAN)
    assert v.constraint is abs and not v.trainable and v not in tf.trainable_variables()
    assert v.synchronization == tf.VariableSynchronization.ON_READ
    assert v.aggregation == tf.VariableAggregation.MEAN


def test_initial_values_in_any_order():
    a = tf.Variable(2.0)
    b = tf.Variable(a * 3.0)
    c = tf.Variable(tf.exp(b) + a)
    with tf.Session() as session:
        session.run(c.initializer)                              # b and a are not initialized at all
        np.testing.assert_allclose(session.run(c), np.exp(6.0) + 2.0, rtol=1e-6)


def test_scatter_wants_slices():
    v = tf.Variable([1.0, 2.0])
    with pytest.raises(ValueError, match="sparse_delta is not IndexedSlices"):
        v.scatter_add(3.0)
    s = tf.IndexedSlices(tf.constant([5.0]), tf.constant([1]))
    with tf.Session() as session:
        for word, want in (("add", 7), ("sub", -3), ("mul", 10), ("div", 0.4), ("min", 2), ("max", 5), ("update", 5)):
            session.run(v.initializer)
            np.testing.assert_allclose(session.run(getattr(v, f"scatter_{word}")(s)), [1, want], rtol=1e-6)


def test_collections():
    v = tf.Variable(1.0, name="a/v", collections=["mine", "mine"])
    assert tf.get_collection("mine") == [v] and tf.global_variables() == []
    assert tf.trainable_variables() == [v]
    tf.Variable(1.0, name="b/v")
    assert [x.name for x in tf.global_variables("b")] == ["b/v:0"] and tf.trainable_variables(scope="c") == []


# --- get_variable ------------------------------------------------------------------------------------------------

def test_a_duplicate_names_both_places():
    tf.get_variable("b", [10])
    with pytest.raises(ValueError, match=r"Variable b already exists, disallowed. Did you mean to set reuse=True or "
                                         r"reuse=tf.AUTO_REUSE in VarScope\? Originally defined at:") as error:
        tf.get_variable("b", [10])
    lines = [int(part.split(" ")[0].split(":")[0]) for part in str(error.value).split("test_variables.py:")[1:]]
    assert len(lines) == 2 and lines[1] == lines[0] + 3


@pytest.mark.parametrize("arguments,match", [
    (("w", [11]), r"Trying to share variable foo/w, but specified shape \(11,\) and found shape \(10,\)"),
    (("w", [10], tf.int32), "Trying to share variable foo/w, but specified dtype int32 and found dtype float32_ref"),
    (("ww", [10]), r"Variable foo/ww does not exist, or was not created with tf.get_variable\(\)(.|\n)*near +foo/w"),
])
def test_sharing_refuses(arguments, match):
    with tf.variable_scope("foo"):
        tf.get_variable("w", [10])
    with tf.variable_scope("foo", reuse=True), pytest.raises(ValueError, match=match):
        tf.get_variable(*arguments)


@pytest.mark.parametrize("arguments,error,match", [
    (dict(shape=[3], initializer=tf.zeros_initializer, dtype=tf.float32, custom_getter=3), ValueError,
     "custom_getter which is not callable"),
    (dict(shape=[3], initializer=np.zeros([3])), ValueError, "If initializer is a constant, do not specify shape"),
    (dict(), ValueError, "Variable x: The initializer passed is not valid for shape <unknown>"),
    (dict(shape=[None, 3]), ValueError, r"for shape \(\?, 3\), .* GlorotUniform takes a shape\n  try +tf\.get_"),
    (dict(shape=[2], dtype=tf.complex64), ValueError, "An initializer for variable x of .*complex64.* is required"),
    (dict(initializer=np.zeros([3]), dtype=tf.float32), ValueError, "Initializer type .*float64.* and explicit dtype"),
    (dict(shape=[4], partitioner=3), ValueError, "Partitioner must be callable, but received: 3"),
    (dict(shape=[4], partitioner=lambda **_: 3), ValueError, "Partitioner must return a sequence, but saw: 3"),
    (dict(shape=[4], partitioner=lambda **_: [1, 2]), ValueError, "does not match the Variable's rank"),
    (dict(shape=[4], partitioner=lambda **_: [0]), ValueError, "zero partitions for some axes"),
    (dict(shape=[4, 4], partitioner=lambda **_: [2, 2]), ValueError, "Can only slice a variable along one dimension"),
    (dict(shape=[4], partitioner=lambda **_: [5]), ValueError, "Cannot split dimension 0 of size 4 into 5 parts"),
    (dict(shape=[None], partitioner=lambda **_: [1]), ValueError, "must be fully defined, but instead was"),
])
def test_get_variable_refuses(arguments, error, match):
    with pytest.raises(error, match=match):
        tf.get_variable("x", **arguments)


def test_a_variable_has_a_name():
    with pytest.raises(ValueError, match="'' is not a valid node name: a variable needs"):
        tf.get_variable("", [2])


def test_auto_reuse():
    def make():
        with tf.variable_scope("s", reuse=tf.AUTO_REUSE):
            return tf.get_variable("v", [2])
    assert make() is make()
    assert str(tf.AUTO_REUSE) == "_ReuseMode.AUTO_REUSE"


def test_a_passing_failure_leaves_no_scope_behind():
    with pytest.raises(ZeroDivisionError), tf.variable_scope("a", reuse=True):
        raise ZeroDivisionError
    assert tf.get_variable_scope().name == "" and not tf.get_variable_scope().reuse


@pytest.mark.parametrize("arguments,error,match", [
    ((None,), TypeError, "If default_name is None then name_or_scope is required"),
    ((3,), TypeError, "name_or_scope must be a string or VariableScope"),
    ((None, "x", None, None, None, None, None, None, True), ValueError, "cannot be used without a name_or_scope"),
    (("x", None, None, None, None, None, None, None, "yes"), ValueError, "reuse parameter must be True or False"),
])
def test_variable_scope_refuses(arguments, error, match):
    with pytest.raises(error, match=match), tf.variable_scope(*arguments):
        pass


def test_scope_settings_can_change():
    with tf.variable_scope("s") as scope:
        scope.set_initializer(tf.ones_initializer())
        scope.set_dtype(tf.float64)
        scope.set_regularizer(lambda v: tf.reduce_sum(v))
        scope.set_partitioner(tf.fixed_size_partitioner(2))
        v = tf.get_variable("v", [4])
        scope.set_partitioner(None)
        w = tf.get_variable("w", [4])
        assert scope.initializer is not None and scope.partitioner is None and scope.use_resource is None
    assert v.dtype == tf.float64 and len(list(v)) == 2 and w.dtype.base_dtype == tf.float64
    assert len(tf.get_collection(tf.GraphKeys.REGULARIZATION_LOSSES)) == 3
    assert run([tf.convert_to_tensor(v), w])[0].tolist() == [1, 1, 1, 1]
    assert [x.name for x in scope.trainable_variables()] == ["s/v/part_0:0", "s/v/part_1:0", "s/w:0"]


def test_scopes_belong_to_the_thread():
    names = []
    graph = tf.get_default_graph()

    def other():
        with graph.as_default():
            names.append(tf.get_variable_scope().name)
    with tf.variable_scope("s"):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert names == [""]


def test_old_argument_order():
    x = tf.constant(1.0)
    with tf.variable_op_scope([x], None, "deflt"):
        assert tf.get_variable("v", [1]).name == "deflt/v:0"


def test_variable_creators():
    def twice(next_creator, **options):
        return next_creator(**{**options, "trainable": False})
    with tf.variable_creator_scope(twice):
        tf.get_variable("v", [1])
    tf.get_variable("w", [1])
    assert [v.name for v in tf.trainable_variables()] == ["w:0"]


# --- variables in parts --------------------------------------------------------------------------------------------

def test_parts_behave_as_one():
    with tf.variable_scope("s"):
        v = tf.get_variable("v", [5, 2], partitioner=fixed_size_partitioner(2), initializer=tf.ones_initializer())
    assert v.name == "s/v" and v.dtype == tf.float32 and v.get_shape() == v.shape == (5, 2) and len(v) == 2
    assert "parts=2" in repr(v)
    total = v + 1.0
    row = v[3]
    change = v.assign_add(tf.ones([5, 2]))
    assert run([total, row])[0].tolist() == [[2, 2]] * 5
    assert [c.shape for c in run(change)] == [(3, 2), (2, 2)]
    with tf.variable_scope("s", reuse=True):
        assert tf.get_variable("v", [5, 2]) is v
        for arguments, match in ((dict(shape=[4, 2]), "shape"), (dict(shape=[5, 2], dtype=tf.int32), "dtype"),
                                 (dict(shape=[5, 2], partitioner=fixed_size_partitioner(5)), "partitions")):
            with pytest.raises(ValueError, match=f"Trying to reuse partitioned variable s/v.*{match}"):
                tf.get_variable("v", **arguments)
    with tf.variable_scope("s"):
        with pytest.raises(ValueError, match="No partitioner was provided, but a partitioned version"):
            tf.get_variable("v", [5, 2])
        with pytest.raises(ValueError, match="Partitioned variable with name s/v already exists"):
            tf.get_variable("v", [5, 2], partitioner=fixed_size_partitioner(2))
    with pytest.raises(NotImplementedError, match="doesn't support being used as a reference"):
        tf.gradients(total, v)


@pytest.mark.parametrize("partitioner,shape,want", [
    (fixed_size_partitioner(4), [10, 3], [4, 1]),
    (fixed_size_partitioner(4), [1, 5], [1, 1]),
    (variable_axis_size_partitioner(24), [10, 3], [5, 1]),
    (variable_axis_size_partitioner(24, max_shards=3), [10, 3], [3, 1]),
    (variable_axis_size_partitioner(100000), [1000, 100], [4, 1]),
    (min_max_variable_partitioner(20, min_slice_size=64), [10, 3], [2, 1]),
    (min_max_variable_partitioner(20, min_slice_size=1), [7, 2], [7, 1]),
    (min_max_variable_partitioner(3), [1000, 100], [2, 1]),
])
def test_partitioners_are_tensorflows(partitioner, shape, want):
    assert list(partitioner(shape=tf.TensorShape(shape), dtype=tf.float32)) == want


def test_partitioners_refuse():
    for arguments in (dict(max_shard_bytes=0), dict(max_shard_bytes=1, bytes_per_string_element=0),
                      dict(max_shard_bytes=1, max_shards=-1)):
        with pytest.raises(ValueError, match="must be positive"):
            variable_axis_size_partitioner(**arguments)


# --- initialization -------------------------------------------------------------------------------------------------

def test_reports_and_old_names():
    v, w = tf.Variable(1.0, name="v"), tf.Variable(1.0, name="w")
    report = tf.report_uninitialized_variables()
    with tf.Session() as session:
        assert session.run(report).tolist() == [b"v", b"w"]
        session.run(tf.variables_initializer([w]))
        assert session.run(report).tolist() == [b"v"]
        assert session.run([tf.is_variable_initialized(v), tf.is_variable_initialized(w)]) == [False, True]
        session.run(tf.initialize_all_variables())
        session.run(tf.initialize_local_variables())
        session.run(tf.initialize_variables([v]))
        assert session.run(report).tolist() == []
    assert tf.all_variables() == [v, w] and tf.model_variables() == [] == tf.moving_average_variables()


def test_assertion_names_the_variable():
    assert tf.assert_variables_initialized() is None
    tf.Variable(1.0, name="weight")
    before = tf.get_default_graph()._last_id
    check = tf.assert_variables_initialized()
    assert tf.get_default_graph()._last_id == before + 1       # TensorFlow's Rank
    with tf.Session() as session:
        with pytest.raises(tf.errors.FailedPreconditionError, match="weight"):
            session.run(check)
        session.run(tf.global_variables_initializer())
        session.run(check)


def test_empty_report():
    with tf.Session() as session:
        assert session.run(tf.report_uninitialized_variables()).shape == (0,)


@pytest.mark.parametrize("dtype", [tf.float32, tf.float16])
@pytest.mark.parametrize("is_resource, want", [(True, [4, 3, 2, 1]), (False, [1, 2, 2, 1])])
def test_a_scatter_into_itself_reads_as_tensorflows_variables_do(dtype, is_resource, want):
    for value_of in (tf.identity, lambda v: v):
        v = tf.Variable(tf.cast([1, 2, 3, 4], dtype), use_resource=is_resource)
        written = tf.scatter_update(v, [3, 2, 1, 0], value_of(v))
        with tf.Session() as session:
            session.run(v.initializer)
            session.run(written)
            assert session.run(v).tolist() == want
