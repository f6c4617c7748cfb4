"""Strings, printing, Python functions."""
import numpy as np
import pytest

import thalweg as tf
from thalweg.ops.regex import static_regex_full_match_op
from thalweg.testing.samples import bools, of, strings
from thalweg.testing.table import Bad, Row, table_test


def texts(*values):
    return lambda *inputs: np.array([v.encode() for v in values], object)


ROWS = [
    Row(static_regex_full_match_op, strings("s3://a", "/tmp/s3://a", "s3:/", "s3://"), pattern="^s3://.*",
        against=lambda x: np.array([True, False, False, True])),
    Row(static_regex_full_match_op, strings("a.c", "abc", "ab", "a.cc"), pattern=r"a\..", label="a point",
        against=lambda x: np.array([True, False, False, False])),
    Row(lambda a, b: tf.string_join([a, b], "-"), strings("a", "b"), strings("c", "d"), against=texts("a-c", "b-d"),
        label="join"),
    Row(lambda a, b: tf.string_join([a, b]), strings("a", "b"), strings("c", shape=()), against=texts("ac", "bc"),
        label="join with a scalar"),
    Row(tf.as_string, of("int32", 1, -20), against=texts("1", "-20")),
    Row(tf.as_string, of("float32", 1.5, -2.25), against=texts("1.500000", "-2.250000"), gradient=False),
    Row(tf.as_string, of("float64", 1.5, 1e-5), precision=2, against=texts("1.50", "0.00"), gradient=False),
    Row(tf.as_string, of("float64", 1500.0), scientific=True, precision=1, against=texts("1.5e+03"), gradient=False),
    Row(tf.as_string, of("float64", 1500.0, 1e-7), shortest=True, against=texts("1500", "1e-07"), gradient=False),
    Row(tf.as_string, of("int64", 7), width=4, fill="0", against=texts("0007")),
    Row(tf.as_string, of("complex64", 1 + 2j), precision=1, against=texts("(1.0,2.0)"), gradient=False),
    Row(tf.as_string, of("bool", True, False), against=texts("true", "false")),
    Row(tf.string_to_number, strings("1.5", "-2"), gradient=False,
        against=lambda s: np.array([1.5, -2.0], np.float32)),
    Row(tf.string_to_number, strings("15", "-2"), out_type=tf.int64, against=lambda s: np.array([15, -2])),
    Row(tf.strings.length, strings("abc", "\u00e9"), against=lambda s: np.array([3, 2], np.int32)),
    Row(tf.strings.length, strings("abc", "\u00e9"), unit="UTF8_CHAR", against=lambda s: np.array([3, 1], np.int32)),
    Row(tf.equal, strings("a"), strings("b"), against=np.equal),
    Row(tf.add, strings("a"), strings("b"), against=texts("ab")),
    Row(tf.as_string, bools(0), label="empty"),
    Bad(lambda a, b: tf.string_join([a, b]), strings("a", "b"), strings("a", "b", "c"), match="not compatible"),
]
test_strings = table_test(ROWS)


def run(build, **feeds):
    with tf.Graph().as_default() as graph, tf.Session(graph=graph) as session:
        return session.run(build())


def test_a_string_that_is_no_number_is_an_error():
    with pytest.raises(tf.errors.InvalidArgumentError, match="could not correctly convert string: one"):
        run(lambda: tf.string_to_number(tf.constant(["one"])))


def test_a_string_keeps_the_nuls_at_its_end():
    strings = tf.placeholder(tf.string, [None])
    one = strings[0]
    with tf.Session() as session:
        for alone in (one, tf.gather(strings, 0), tf.unstack(strings, 1)[0], tf.identity(one),
                      tf.constant([b"a\0"])[0], tf.cond(tf.constant(True), lambda: one, lambda: one)):
            assert session.run(alone, {strings: np.array([b"a\0"], object)}) == b"a\0"


COVERED = ("PyFunc", "PyFuncStateless", "Print", "PrintV2", "StringFormat")


def test_py_func_calls_a_function_of_arrays():
    def double(a, b):
        return a * 2, np.array([b.decode() + "!"], object)
    x, y = run(lambda: tf.py_func(double, [tf.constant([1.0, 2.0]), tf.constant("hi")], [tf.float32, tf.string]))
    assert x.tolist() == [2.0, 4.0] and y.tolist() == [b"hi!"]
    assert run(lambda: tf.py_func(lambda: np.float32(3.5), [], tf.float32)) == np.float32(3.5)
    assert run(lambda: tf.numpy_function(np.sum, [tf.constant([1, 2])], tf.int64)) == 3


def test_py_func_without_outputs_is_an_operation():
    seen = []
    assert run(lambda: tf.py_func(lambda x: seen.append(int(x)), [tf.constant(7)], [])) is None
    assert seen == [7]


def test_a_stateless_py_func_is_its_own_op():
    with tf.Graph().as_default():
        assert tf.py_func(np.negative, [tf.constant(1)], tf.int32, stateful=False).op.type == "PyFuncStateless"
    assert run(lambda: tf.py_func(np.negative, [tf.constant(1)], tf.int32, stateful=False)) == -1


@pytest.mark.parametrize("function, message", [(lambda: (1.0, 2.0), "returns 2 values, but expects to see 1"),
                                               (lambda: np.float64(1), "is float64, but expects float32"),
                                               (lambda: 1 / 0, "division by zero")])
def test_what_a_py_func_gives_is_checked(function, message):
    with pytest.raises(Exception, match=message):
        run(lambda: tf.py_func(function, [], tf.float32))


def test_a_py_func_lives_as_long_as_its_graph():
    import gc
    import weakref

    class Function:
        def __call__(self):
            return np.float32(1)
    function = Function()
    alive = weakref.ref(function)
    with tf.Graph().as_default():
        tf.py_func(function, [], tf.float32)
    del function
    gc.collect()
    assert alive() is None


def test_print_writes_to_standard_error(capfd):
    x = run(lambda: tf.Print(tf.constant(1.0), [tf.constant([1.0, 2.0, 3.0, 4.0]), tf.constant(["a"])], "got: "))
    assert x == 1.0 and capfd.readouterr().err == "got: [1 2 3...][a]\n"
    run(lambda: tf.Print(tf.constant(1.0), [tf.constant([1.0, 1 / 3])], summarize=-1))
    assert capfd.readouterr().err == "[1 0.333333343]\n"


def test_print_is_transparent_to_gradients():
    with tf.Graph().as_default():
        x = tf.constant(3.0)
        assert tf.gradients(tf.Print(x, [x]) * 2.0, x)[0] is not None


def test_tf_print_writes_structures(capfd, tmp_path):
    with tf.Graph().as_default() as graph, tf.Session(graph=graph) as session:
        cube = tf.constant(np.zeros([2, 2, 2]))
        session.run(tf.print("a", tf.constant([[1.0, 2.5]]), [1, tf.constant([True])], tf.constant("abc"),
                             {"k": tf.constant(3)}, tf.range(100)))
        assert capfd.readouterr().err == "a [[1 2.5]] [1, [1]] \"abc\" {'k': 3} [0 1 2 ... 97 98 99]\n"
        session.run(tf.print(cube, end="."))
        assert capfd.readouterr().err == "[[[0 0]\n  [0 0]]\n\n [[0 0]\n  [0 0]]]."
        session.run(tf.print(tf.constant("to a file"), output_stream=f"file://{tmp_path}/log"))
    assert (tmp_path / "log").read_text() == "to a file\n"


def test_py_func_wants_a_function():
    with tf.Graph().as_default(), pytest.raises(ValueError, match="Expected func to be callable, got .*'int'.: 3"):
        tf.py_func(3, [], tf.float32)
