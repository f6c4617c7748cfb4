"""What layers, optimizers, schedules and averages say when they refuse: what came, what to try, the user's line."""
import logging

import pytest

import thalweg as tf


def make_step():
    return tf.train.get_or_create_global_step()


def average(*args, **kwargs):
    return tf.train.ExponentialMovingAverage(0.9, *args, **kwargs)


REFUSED = {
    "no step": (lambda: tf.train.exponential_decay(0.1, None, 4, 0.5), ValueError,
                r"exponential_decay: it needs a global_step.*get_or_create_global_step"),
    "int rate": (lambda: tf.train.cosine_decay(1, make_step(), 4), TypeError,
                 r"cosine_decay: learning_rate is of int32\n +got +1\n"),
    "counts": (lambda: tf.train.piecewise_constant(make_step(), [1, 2], [1.0, 2.0]), ValueError,
               r"piecewise_constant: .*2 boundaries, 2 values"),
    "no boundary": (lambda: tf.train.piecewise_constant(make_step(), [], [1.0]), ValueError, r"at least one boundary"),
    "boundaries": (lambda: tf.train.piecewise_constant(make_step(), [1.5], [1.0, 2.0]), ValueError,
                   r"a boundary of float32, x of int64"),
    "values": (lambda: tf.train.piecewise_constant(make_step(), [1], [1.0, 2]), ValueError, r"float32, int32"),
    "second step": (lambda: [make_step(), tf.train.create_global_step()], ValueError,
                    r"create_global_step: the graph has a global step\n +got +global_step:0"),
    "no integers": (lambda: tf.train.assert_global_step(tf.constant(1.0, name="x")), TypeError,
                    r"global step: it must be a scalar of integers\n +got +x:0 float32 \(\)"),
    "no tensor": (lambda: tf.train.assert_global_step(3), TypeError, r"global step: .*got +3"),
    "no name": (lambda: average(name=""), ValueError, r"ExponentialMovingAverage: it needs a name"),
    "no list": (lambda: average().apply(tf.Variable(1.0)), TypeError, r"var_list is no list\n +got +<tf.Variable"),
    "no variable": (lambda: average().apply([3.0]), TypeError, r"it averages variables and tensors\n +got +3.0"),
    "ints": (lambda: average(name="mean").apply([tf.Variable(1, name="n")]), TypeError,
             r'moving average "mean": it averages floating point numbers\n +got +n:0 int32'),
    "no loss": (lambda: tf.train.AdamOptimizer().minimize(3.0), TypeError,
                r'optimizer "Adam": the loss is no Tensor: 3.0 of type float\n +expected +a Tensor that depends'),
    "no units": (lambda: tf.layers.dense(tf.ones([1, 8]), None), TypeError,
                 r'Dense "dense\w*": units must be an int, got None\n +expected +the number of outputs'),
    "units": (lambda: tf.layers.dense(tf.ones([1, 8]), -2), ValueError, r"units must be 0 or more, got -2"),
    "filters": (lambda: tf.layers.conv2d(tf.ones([1, 8, 8, 3]), -1, 3), ValueError,
                r'Conv2D "conv2d\w*": filters must be 0 or more, got -1'),
    "kernel size": (lambda: tf.layers.conv2d(tf.ones([1, 8, 8, 3]), 1, -3), ValueError,
                    r"kernel_size cannot be negative, got -3"),
    "unknown shape": (lambda: average(zero_debias=True).apply([tf.placeholder(tf.float32, [None], name="x")]),
                      ValueError, r"the shape of x/ExponentialMovingAverage:0 must be known"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusal(case):
    call, kind, text = REFUSED[case]
    with tf.Graph().as_default(), pytest.raises(kind, match="(?s)" + text) as info:
        call()
    assert "test_messages.py" in str(info.value)


def test_several_global_steps_are_logged(caplog):
    with tf.Graph().as_default(), caplog.at_level(logging.ERROR, "thalweg"):
        tf.add_to_collection(tf.GraphKeys.GLOBAL_STEP, make_step())
        assert tf.train.get_global_step() is None
    assert "none of the 2 in the collection" in caplog.text
