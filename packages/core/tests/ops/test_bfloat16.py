"""bfloat16: 16 bits in memory, computed in float32, rounded once; TensorFlow 1.15.5 decides which ops take it."""
import numpy as np
import pytest

import thalweg as tf
from thalweg.framework.packed import to_float32, to_packed
from thalweg.testing.samples import reals
from thalweg.testing.table import Row, check_close

ONCE = 2.0**-8                                       # half a unit in the last of 8 bits, relative


def numbers(*shape):
    """Numbers that bfloat16 holds."""
    count = int(np.prod(shape))
    return to_float32(to_packed(np.linspace(0.25, 2.0, count, dtype=np.float32).reshape(shape), tf.bfloat16))


CALLS = {
    "Add": (tf.add, [(2, 3), (2, 3)]), "Mul": (tf.multiply, [(2, 3), (3,)]), "Div": (tf.divide, [(2, 3), (2, 3)]),
    "Maximum": (tf.maximum, [(2, 3), (3,)]), "Pow": (tf.pow, [(2, 3), (2, 3)]), "Less": (tf.less, [(2, 3), (3,)]),
    "Exp": (tf.exp, [(2, 3)]), "Sqrt": (tf.sqrt, [(2, 3)]), "Tanh": (tf.tanh, [(5,)]), "Round": (tf.round, [(5,)]),
    "IsNan": (tf.is_nan, [(3,)]), "Relu": (tf.nn.relu, [(2, 3)]), "LeakyRelu": (tf.nn.leaky_relu, [(2, 3)]),
    "Softmax": (tf.nn.softmax, [(2, 3)]), "L2Loss": (tf.nn.l2_loss, [(2, 3)]),
    "Sum": (lambda x: tf.reduce_sum(x, 1), [(2, 3)]), "Mean": (tf.reduce_mean, [(2, 3)]),
    "Max": (lambda x: tf.reduce_max(x, 0), [(2, 3)]), "ArgMax": (lambda x: tf.argmax(x, 1), [(2, 3)]),
    "Cumsum": (lambda x: tf.cumsum(x, 1), [(2, 3)]), "AddN": (lambda x, y: tf.add_n([x, y]), [(2, 3), (2, 3)]),
    "MatMul": (tf.matmul, [(2, 3), (3, 4)]), "BatchMatMul": (tf.matmul, [(2, 2, 3), (2, 3, 4)]),
    "Conv2D": (lambda x, w: tf.nn.conv2d(x, w, [1, 1, 1, 1], "SAME"), [(1, 4, 4, 2), (3, 3, 2, 3)]),
    "DepthwiseConv2d": (lambda x, w: tf.nn.depthwise_conv2d(x, w, [1, 1, 1, 1], "VALID"),
                        [(1, 4, 4, 2), (3, 3, 2, 2)]),
    "MaxPool": (lambda x: tf.nn.max_pool(x, [1, 2, 2, 1], [1, 2, 2, 1], "SAME"), [(1, 5, 4, 2)]),
    "AvgPool": (lambda x: tf.nn.avg_pool(x, [1, 2, 2, 1], [1, 2, 2, 1], "SAME"), [(1, 5, 4, 2)]),
    "BiasAdd": (tf.nn.bias_add, [(1, 2, 2, 3), (3,)]), "Reshape": (lambda x: tf.reshape(x, [3, 2]), [(2, 3)]),
    "Pad": (lambda x: tf.pad(x, [[1, 0], [0, 1]]), [(2, 3)]),
}


@pytest.mark.parametrize(("function", "shapes"), CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("on", ["/cpu:0", "/device:REFERENCE:0"])
@pytest.mark.parametrize("known", [True, False], ids=["", "unknown"])
def test_values_are_those_of_float32_rounded_once(function, shapes, on, known):
    values = [numbers(*s) for s in shapes]
    with tf.Graph().as_default(), tf.Session() as session, tf.device(on):
        fed = [tf.placeholder(tf.bfloat16, s if known else [None] * len(s)) for s in shapes]
        wide = [tf.placeholder(tf.float32, s) for s in shapes]
        y = function(*fed)
        assert y.dtype is (tf.bfloat16 if function(*wide).dtype is tf.float32 else function(*wide).dtype)
        found = session.run(y, dict(zip(fed, values)))
        expected = session.run(function(*wide), dict(zip(wide, values)))
    if y.dtype is tf.bfloat16:
        np.testing.assert_allclose(np.asarray(found, np.float32), expected, rtol=ONCE)
    else:
        assert np.array_equal(found, expected)


@pytest.mark.parametrize("name", ["Mul", "Div", "Exp", "Relu", "Softmax", "Sum", "Mean", "MatMul", "Conv2D",
                                  "AvgPool", "BiasAdd"])
def test_gradients_are_those_of_float32_up_to_rounding(name):
    function, shapes = CALLS[name]
    values = [numbers(*s) for s in shapes]
    with tf.Graph().as_default(), tf.Session() as session:
        narrow = [tf.constant(v, tf.bfloat16) for v in values]
        wide = [tf.constant(v) for v in values]
        found = tf.gradients(tf.square(function(*narrow)), narrow)
        assert all(g.dtype is tf.bfloat16 for g in found)
        pairs = session.run([[tf.cast(g, tf.float32) for g in found], tf.gradients(tf.square(function(*wide)), wide)])
    for a, b in zip(*pairs):
        np.testing.assert_allclose(a, b, rtol=8 * ONCE, atol=4 * ONCE * np.abs(b).max())


def test_variables_are_trained():
    with tf.Graph().as_default(), tf.Session() as session:
        v = tf.get_variable("v", initializer=tf.constant([1.0, -2.0], tf.bfloat16))
        square = tf.square(v)
        dv, = tf.gradients(square, v)
        step = tf.assign_sub(v, dv * tf.constant(0.25, tf.bfloat16))
        session.run(tf.global_variables_initializer())
        session.run(step)
        assert session.run(tf.cast(v, tf.float32)).tolist() == [0.5, -1.0]


@pytest.mark.parametrize(("value", "bits"), [(1.0, 0x3F80), (-0.0, 0x8000), (1.00390625, 0x3F80), (1.01171875, 0x3F82),
                                             (float("inf"), 0x7F80), (float("nan"), 0x7FC0), (3.4e38, 0x7F80)])
@pytest.mark.parametrize("on", ["/cpu:0", "/device:REFERENCE:0"])
def test_results_are_rounded_to_the_nearest_ties_to_even(value, bits, on):
    with tf.Graph().as_default(), tf.Session() as session, tf.device(on):
        x = tf.placeholder(tf.float32, [1])
        y = tf.cast(x, tf.bfloat16) * tf.constant([1.0], tf.bfloat16)
        assert session.run(y, {x: [value]}).view(np.uint16)[0] == bits
        assert to_packed(np.array([value]), tf.bfloat16).view(np.uint16)[0] == bits


def test_random_numbers_are_drawn_in_float32_and_cast():
    said = r"not in the list(.|\n)*try +dtype = tf.float32, then tf.cast\(x, tf.bfloat16\)(.|\n)*test_bfloat16"
    with tf.Graph().as_default(), pytest.raises(TypeError, match=said):
        tf.random_normal([2], dtype=tf.bfloat16)


def test_it_is_a_floating_type():
    assert tf.bfloat16.is_floating


# --- in the op tables -----------------------------------------------------------------------------------

def test_rows_of_float32_are_tried_in_16_bits():
    def names(*args, **options):
        return [dtype.name for dtype in Row(*args, **options).dtypes_of()]
    assert names(tf.nn.relu, reals(3), dtypes=["float32"]) == ["float32", "float16", "bfloat16"]
    assert names(tf.nn.relu, reals(3), dtypes=["float64"]) == ["float64"]
    assert "bfloat16" in names(tf.nn.relu, reals(3))
    assert names(tf.math.zeta, reals(3), reals(3), dtypes=["float32"]) == ["float32"]


def test_a_table_tells_bfloat16_that_is_off_by_four_units():
    want = to_packed(np.float32([1.0, -2.0]), tf.bfloat16)
    for got in (want, to_float32(want).astype(tf.bfloat16.as_numpy_dtype)):
        check_close(got, want, 1.0, "y")
    for got, message in ((to_packed(np.float32([1.0, -2.0 - 2.0**-4]), tf.bfloat16), "Not equal to tolerance"),
                         (to_float32(want).astype(np.float64), "y is float64, not bfloat16")):
        with pytest.raises(AssertionError, match=message):
            check_close(got, want, 1.0, "y")


@pytest.mark.parametrize(("op", "value"), [(tf.unsorted_segment_max, -1), (tf.unsorted_segment_min, 1)])
@pytest.mark.parametrize(("dtype", "largest"), [("float16", 65504.0), ("bfloat16", float.fromhex("0x1.fep127"))])
@pytest.mark.parametrize("on", ["/cpu:0", "/device:REFERENCE:0"])
def test_a_segment_without_rows_is_the_last_number_of_the_type(op, value, dtype, largest, on):
    with tf.Graph().as_default(), tf.Session() as session, tf.device(on):
        found = session.run(op(tf.placeholder_with_default(tf.constant([3.0], dtype), [1]), [1], 2))
    assert np.asarray(found, np.float64).tolist() == [value * largest, 3.0]
