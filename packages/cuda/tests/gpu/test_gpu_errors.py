"""What kernels find wrong while they run on a card is told as by the CPU's; what a card refuses runs there."""
import numpy as np
import pytest

import thalweg as tf


def scattered(x, i):
    return tf.scatter_add(tf.Variable(np.ones(3, np.float32)), i, x)


def labelled(x, i):
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=i, logits=tf.stack([x, x, x]))


# name: (build from float32 [3] and int64 [3], ints that are right, ints that are wrong)
WRONG = {
    "gather": (tf.gather, [0, 1, 2], [0, 3, 1]),
    "gather_nd": (lambda x, i: tf.gather_nd(x, tf.reshape(i, [3, 1])), [0, 1, 2], [0, 1, 7]),
    "scatter": (scattered, [0, 1, 2], [0, -1, 1]),
    "segments": (lambda x, i: tf.unsorted_segment_sum(x, i, 3), [0, 0, 1], [0, 5, 1]),
    "labels": (labelled, [0, 1, 2], [0, 1, 3]),
    "division": (lambda x, i: tf.constant([5, 6, 7], tf.int64) // i, [1, 2, 3], [1, 0, 3]),
    "check_numerics": (lambda x, i: tf.check_numerics(x / tf.cast(i, tf.float32), "ratio"), [1, 2, 3], [1, 0, 3])}


def error_of(build, device, right, wrong, runs_before):
    """The error of a run after some that went well, as (op type, op name, words up to the user's line)."""
    with tf.Graph().as_default(), tf.Session() as session:
        with tf.device(device):
            x, i = tf.placeholder(tf.float32, [3]), tf.placeholder(tf.int64, [3])
            y = build(x, i)
        session.run(tf.global_variables_initializer())
        for k in range(runs_before):
            metadata = tf.RunMetadata()
            session.run(y, {x: [1, 2, 3], i: right}, run_metadata=metadata)
            assert k == 0 or "recorded" in [segment.mode for segment in metadata.segments]
        with pytest.raises(tf.errors.InvalidArgumentError) as caught:
            session.run(y, {x: [1, 2, 3], i: wrong})
    error = caught.value
    assert str(error).count("built at") == 1 and __file__ in str(error)
    words = str(error).partition("\n  built at")[0]
    return error.op.type, error.op.name, words.replace(".  Label values: 0 1 3", "")     # a card's kernel tells one


@pytest.mark.parametrize("name", sorted(WRONG))
@pytest.mark.parametrize("runs_before", [0, 1, 2], ids=["eager", "recorded", "replayed"])
def test_a_kernel_that_finds_something_wrong_tells_what_the_cpu_tells(name, runs_before):
    build, right, wrong = WRONG[name]

    def longer(x, i):
        y = tf.cumsum(tf.cumsum(x)) * 0.5
        return tf.cumsum(tf.cumsum(tf.cast(build(y, i), tf.float32)))
    told = error_of(longer, "/gpu:0", right, wrong, runs_before)
    assert told == error_of(longer, "/cpu:0", right, wrong, 0)


@pytest.mark.parametrize("inside", [
    lambda x, i: tf.while_loop(lambda k, a: k < 2, lambda k, a: (k + 1, tf.gather(a, i)), [tf.constant(0), x])[1],
    lambda x, i: tf.cond(tf.reduce_sum(x) > 0, lambda: tf.gather(x, i), lambda: x)], ids=["while", "cond"])
def test_inside_of_a_body_too(inside):
    told = error_of(inside, "/gpu:0", [0, 1, 2], [0, 3, 1], 1)
    assert told == error_of(inside, "/cpu:0", [0, 1, 2], [0, 3, 1], 0)


def test_two_nodes_of_one_kernel_are_told_apart():
    with tf.device("/gpu:0"):
        x, i = tf.placeholder(tf.float32, [3]), tf.placeholder(tf.int64, [2])
        y = tf.gather(x, i, name="first") + tf.gather(tf.cumsum(x), i + 1, name="second")
    with tf.Session() as session, pytest.raises(tf.errors.InvalidArgumentError, match="= 3 is not in") as caught:
        session.run(y, {x: [1, 2, 3], i: [0, 2]})
    assert caught.value.op.name == "second"


@pytest.mark.parametrize("rank, device", [(32, "/device:CUDA:0"), (33, "/device:CPU:0")])
def test_what_has_too_many_dimensions_runs_on_the_cpu(rank, device):
    x = tf.placeholder(tf.float32, (2, *[1] * (rank - 2), 3))
    with tf.device("/gpu:0"):
        y = tf.transpose(x + tf.ones(x.shape)) * 2
    metadata, value = tf.RunMetadata(), np.arange(6, dtype=np.float32).reshape(x.shape.as_list())
    with tf.Session() as session:
        got = session.run(y, {x: value}, tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE), metadata)
    assert got.tolist() == ((value + 1).T * 2).tolist()
    assert {row[2] for row in metadata.step_stats if row[1] == "Transpose"} == {device}
