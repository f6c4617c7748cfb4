"""What a user reads when a run fails: the op and the user's line, whatever raised."""
import inspect
import pickle

import numpy as np
import pytest

import thalweg as tf
from thalweg.framework import errors


def line():
    return inspect.currentframe().f_back.f_lineno


@pytest.fixture
def session():
    with tf.Graph().as_default(), tf.Session() as session:
        yield session


def test_an_error_that_a_body_raises_names_the_op_and_the_line(session):
    index = tf.placeholder(tf.int32, [None])
    row, at = tf.gather(tf.ones([3]), index, name="row"), line()
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        session.run(row, {index: [5]})
    assert str(caught.value).splitlines() == ["indices[0] = 5 is not in [0, 3)", "\t [[GatherV2 'row']]",
                                              f"  built at  {__file__}:{at} in {inspect.stack()[0].function}"]
    assert caught.value.op is row.op


def test_an_assertion_names_the_op_and_the_line(session):
    x = tf.placeholder(tf.float32, [])
    with tf.control_dependencies([tf.assert_equal(x, 3.0)]):
        same = tf.identity(x)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"did not hold(.|\n)*\[\[Assert '.*'\]\]\n.*test_mes"):
        session.run(same, {x: 1.0})


def test_an_error_of_a_python_function_names_the_op_and_the_line(session):
    y = tf.py_func(lambda x: 1 // int(x), [np.int64(0)], tf.int64)
    with pytest.raises(tf.errors.UnknownError, match=r"ZeroDivisionE.*\n\t \[\[PyFunc .*\n.*test_messages"):
        session.run(y)


@pytest.mark.parametrize("raised, kind", [
    (TypeError, tf.errors.InvalidArgumentError), (UnicodeError, tf.errors.InvalidArgumentError),
    (StopIteration, tf.errors.OutOfRangeError), (MemoryError, tf.errors.ResourceExhaustedError),
    (NotImplementedError, tf.errors.UnimplementedError), (KeyError, tf.errors.UnknownError),
    (IndexError, tf.errors.UnknownError), (OverflowError, tf.errors.UnknownError), (OSError, tf.errors.UnknownError)])
def test_what_a_python_function_raises_has_the_kind_that_tensorflow_gives_it(session, raised, kind):
    def fail(x):
        raise raised("mine")
    with pytest.raises(kind, match=f"{raised.__name__}: .*mine"):
        session.run(tf.py_func(fail, [1.0], tf.float32))


@pytest.mark.parametrize("cls", [tf.errors.OpError, *tf.errors.OpError.__subclasses__()])
def test_errors_of_a_run_can_be_sent_to_other_processes(cls):
    with tf.Graph().as_default():
        op = tf.no_op()
    error = pickle.loads(pickle.dumps(cls(None, op, "mine")))
    assert type(error) is cls and str(error) == error.message == "mine" and error.args == ("mine",)
    assert error.op is None and error.node_def is None and error.error_code == cls.error_code
    assert pickle.loads(pickle.dumps(tf.errors.OpError(None, op, "mine", 5))).error_code == 5


def test_an_error_of_a_worker_reaches_who_waits_for_it(session):
    bad = tf.check_numerics(tf.constant([1.0]) / 0.0, "too large", name="bad")
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        session.run(bad)
    copy = pickle.loads(pickle.dumps(caught.value))
    assert type(copy) is tf.errors.InvalidArgumentError and str(copy) == str(caught.value) and "'bad'" in str(copy)
    for cls in (errors.ShapeError, errors.DTypeError, errors.ConversionError):
        assert str(pickle.loads(pickle.dumps(cls("mine")))) == "mine"


def test_none_is_no_feed(session):
    x = tf.placeholder(tf.float32, [], name="x")
    with pytest.raises(ValueError, match="Cannot feed None for Tensor 'x:0', which has dtype float32"):
        session.run(x, {x: None})


def test_long_labels_keep_their_distance(session):
    tf.get_variable("w", [2])
    with pytest.raises(ValueError, match="made again at [^ ]*test_messages.py"):
        tf.get_variable("w", [2])


# --- while the graph is built -------------------------------------------------------------------------

def reused(name, shape):
    with tf.variable_scope("a", reuse=True):
        return tf.get_variable(name, shape)


BUILDING = {
    "two dtypes": (lambda: tf.add(tf.ones([2]), tf.ones([2], tf.int32), name="sum"), TypeError,
                   ["Input 'y' of 'Add' Op has type int32", "got       y int32 (2,), ", "expected  y float32",
                    "node      'sum'", "try       tf.cast(y, tf.float32)"]),
    "dtype not taken": (lambda: tf.sqrt(tf.ones([2], tf.int32)), TypeError,
                        ["'Sqrt' Op has DataType int32 not in list of allowed values: ", "got       x int32 (2,), ",
                         "try       tf.cast(x, tf.float32)"]),
    "dtype of a value": (lambda: tf.convert_to_tensor(tf.ones([2]), tf.int32), TypeError,
                         ["requested dtype int32", "try       tf.cast(x, tf.int32)"]),
    "set_shape": (lambda: tf.zeros([2], name="z").set_shape([3]), ValueError,
                  ["set_shape of z:0: ", "got       (3,)", "expected  a shape compatible with (2,)",
                   "try       tf.reshape"]),
    "branches": (lambda: tf.cond(tf.constant(True), lambda: tf.ones([]), lambda: tf.ones([], tf.int32)), ValueError,
                 ["true_fn and false_fn must have the same type: float32, int32", "expected  float32 or int32",
                  "try       tf.cast(..., tf.float32) in false_fn"]),
    "loop": (lambda: tf.while_loop(lambda i: i < 3, lambda i: tf.cast(i, tf.float32), [0]), TypeError,
             ["enters the loop as int32, but the body gives float32", "try       tf.cast(x, tf.int32)"]),
    "no variable": (lambda: reused("nope", [2]), ValueError, ["Variable a/nope does not exist", "try       reuse="]),
    "no initializer": (lambda: tf.get_variable("q"), ValueError, ["Variable q: ", "try       tf.get_variable('q'"]),
    "unfit initializer": (lambda: tf.get_variable("q", [2], initializer=tf.orthogonal_initializer()), ValueError,
                          ["Variable q: its initializer Orthogonal gives no value of shape (2,) and dtype float32: "
                           "The tensor to initialize must be", "try       another initializer"]),
    "initializer of another dtype": (lambda: tf.get_variable("q", initializer="a", dtype=tf.int32), ValueError,
                                     ["and explicit dtype", "variable  q"]),
    "iteration": (lambda: list(tf.placeholder(tf.float32, [None])), TypeError, ["try       tf.unstack"]),
    "truth": (lambda: bool(tf.constant(1, name="c")), TypeError, ["Python bool is not allowed (c:0)"]),
    "MatMul": (lambda: tf.matmul(tf.zeros([2, 3]), tf.zeros([4, 5]), name="m"), ValueError,
               ['MatMul "m": Dimensions must be equal, but are 3 and 4',
                "got       a float32 (2, 3), b float32 (4, 5)", "expected  a [M, K], b [K, N]",
                "try       tf.transpose or tf.reshape"]),
    "MatMul, transposed": (lambda: tf.matmul(tf.zeros([2, 3]), tf.zeros([3, 4]), transpose_b=True), ValueError,
                           ["expected  a [M, K], b [N, K]", "try       without transpose_b=True"]),
    "MatMul, ranks": (lambda: tf.matmul(tf.zeros([3]), tf.zeros([3, 4])), ValueError, ["try  "]),
    "Conv2D, channels": (lambda: tf.nn.conv2d(tf.zeros([2, 8, 8, 3]), tf.zeros([5, 5, 1, 64]), [1] * 4, "SAME"),
                         ValueError, ['Conv2D "', "got       input float32 (2, 8, 8, 3), filter float32 (5, 5, 1, 64)",
                                      "expected  input [N, H, W, C], filter [KH, KW, C, F]",
                                      "try       filters of shape (5, 5, 3, 64)"]),
    "Conv2D, small": (lambda: tf.nn.conv2d(tf.zeros([2, 2, 2, 3]), tf.zeros([5, 5, 3, 4]), [1] * 4, "VALID"),
                      ValueError, ["Negative dimension size", "expected  input [N, H, W, C]",
                                   'try       padding "SAME"']),
    "Conv2D, channels first": (lambda: tf.nn.conv2d(tf.zeros([2, 3]), tf.zeros([5, 5, 3, 4]), [1] * 4, "SAME",
                                                    data_format="NCHW"),
                               ValueError, ["expected  input [N, C, H, W], filter [KH, KW, C, F]"]),
}


@pytest.mark.parametrize(("build", "kind", "parts"), BUILDING.values(), ids=BUILDING)
def test_a_wrong_graph_is_an_error_with_the_line(session, build, kind, parts):
    with pytest.raises(kind) as caught:
        build()
    for part in [*parts, f"built at  {__file__}:"]:
        assert part in str(caught.value)


# --- when it runs -------------------------------------------------------------------------------------

def sizes(*values):
    return tf.placeholder_with_default(np.array(values, np.int64), [len(values)])


def drawn(*values):
    return tf.py_func(lambda: np.array(values), [], tf.int64)


RUNNING = {
    "too many elements": (lambda: tf.reduce_sum(tf.zeros([1 << 40, 1 << 30], name="z")),
                          tf.errors.InvalidArgumentError,
                          ["z:0 would have ", "got       Fill 'z', float32 (1099511627776, 1073741824)",
                           "try       a smaller shape"]),
    "a negative size": (lambda: tf.fill(sizes(-2, 3), 1.0, name="f"), tf.errors.InvalidArgumentError,
                        ['Fill "f": Fill dimensions must be >= 0, not [-2, 3]', "got       dims int64 (2,)"]),
    "a size of -1": (lambda: tf.fill(sizes(-1, 3), 1.0), tf.errors.InvalidArgumentError,
                     ["must be >= 0, not [-1, 3]"]),
    "a size that only the run tells": (lambda: tf.fill(drawn(-1, 3), 1.0, name="f"),
                                       tf.errors.InvalidArgumentError,
                                       ['Fill "f": Fill dimensions must be >= 0, not [-1, 3]',
                                        "got       dims int64 (2,)"]),
    "broadcasting to a size of -1": (lambda: tf.broadcast_to(tf.ones([]), drawn(-1, 3)),
                                     tf.errors.InvalidArgumentError, ["Dimension -1 must be >= 0"]),
    "random numbers": (lambda: tf.random_normal(sizes(-2, 3)), tf.errors.InvalidArgumentError,
                       ["Dimension -2 must be >= 0"]),
    "an arena": (lambda: tf.reduce_sum(tf.random_normal([1 << 21, 1 << 21], name="r") * 2.0),
                 tf.errors.ResourceExhaustedError,
                 ["has no memory for the ", "r/RandomStandardNormal",
                  "16.0 TiB, by RandomStandardNormal at " + __file__,
                  "try       a smaller batch"]),
    "a fetch": (lambda: tf.zeros([1 << 21, 1 << 21], name="z"), tf.errors.ResourceExhaustedError,
                ["no memory for a fetch: z:0 takes 16.0 TiB", "got       float32 (2097152, 2097152), by Fill 'z'"]),
    "a variable": (lambda: tf.get_variable("v", [1 << 21, 1 << 21]).initializer, tf.errors.ResourceExhaustedError,
                   ["no memory for a variable: v:0 takes 16.0 TiB", "try       a smaller shape"]),
}


@pytest.mark.parametrize(("build", "kind", "parts"), RUNNING.values(), ids=RUNNING)
def test_a_run_that_fails_tells_the_op_and_the_line(session, build, kind, parts):
    fetch = build()
    with pytest.raises(kind) as caught:
        session.run(fetch)
    for part in [*parts, f"built at  {__file__}:"]:
        assert part in str(caught.value)
    assert caught.value.op is not None


def test_an_exception_of_a_prepare_function_becomes_the_error_of_the_op(session, monkeypatch):
    from thalweg.devices.placement import Placement

    def broken(*_):
        raise ValueError("a mistake in a kernel")
    monkeypatch.setattr(Placement, "find_kernel", broken)
    x = tf.placeholder(tf.float32, [2])
    with pytest.raises(tf.errors.InvalidArgumentError,
                       match=r"ValueError: a mistake in a kernel\n\t \[\[Tanh 't'\]\]\n  built at .*test_messages"):
        session.run(tf.tanh(x, name="t"), {x: [1, 2]})


@pytest.mark.parametrize(("value", "kind"), [([300, 1], ValueError), (300, TypeError), ([-1], ValueError)])
def test_a_feed_out_of_the_range_of_its_dtype_names_the_tensor(session, value, kind):
    x = tf.placeholder(tf.uint8, name="x")
    with pytest.raises(kind, match="x:0|Type of feed value 300"):
        session.run(x, {x: value})


def test_a_feed_that_is_no_number_tells_the_range_and_the_line(session):
    x = tf.placeholder(tf.uint8, name="x")
    with pytest.raises(ValueError, match=r"Cannot feed Tensor 'x:0' of dtype uint8 with list: (.|\n)*"
                                         r"try +numbers in \[0, 255\], or (.|\n)*built at .*test_messages"):
        session.run(x, {x: [300, 1]})


def test_sizes_have_units():
    from thalweg.framework.errors import size_text
    assert [size_text(n) for n in (0, 1023, 1536, 1 << 40)] == ["0 bytes", "1023 bytes", "1.5 KiB", "1.0 TiB"]
