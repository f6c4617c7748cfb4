"""Strings, printing, Python functions."""
import numpy as np
import pytest

import thalweg as tf
from thalweg.testing.table import table_test
from thalweg.testing.tables.strings import ROWS

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
