"""Training in 16 bits with a scaled loss: curves, overflow, gradients that would vanish, and what is said."""
import logging

import numpy as np
import pytest

import thalweg as tf
from thalweg.runtime import precision

experimental = tf.train.experimental
SIXTEEN_BITS = tf.ConfigProto(compute_type="float16")


@pytest.fixture(autouse=True)
def fresh_graph(monkeypatch):
    monkeypatch.setattr(precision._Rewrite, "is_enabled", False)
    monkeypatch.setattr(precision._Rewrite, "had_other_sessions", False)
    tf.reset_default_graph()
    tf.set_random_seed(1)


def classifier(images):
    """Logits of five classes for images [N, 12, 12, 3]."""
    h = tf.layers.conv2d(images, 16, 3, padding="same", use_bias=False)
    h = tf.nn.relu(tf.layers.batch_normalization(h, training=True))
    h = tf.layers.max_pooling2d(h, 2, 2)
    h = tf.nn.relu(tf.layers.batch_normalization(tf.layers.conv2d(h, 16, 3, padding="same"), training=True) + h)
    return tf.layers.dense(tf.layers.dropout(tf.layers.flatten(h), 0.2, training=True, seed=3), 5)


def pictures(random, batch=32):
    labels = random.integers(0, 5, batch)
    noise = 4 * random.standard_normal((batch, 12, 12, 3))
    return (noise + np.sin(labels[:, None, None, None] * np.arange(12)[:, None] * 0.5)).astype(np.float32), labels


def curve(config, steps=60, loss_scale=None):
    """Losses by step, of a classifier of which every run has the same batches."""
    tf.reset_default_graph()
    tf.set_random_seed(1)
    images, labels = tf.placeholder(tf.float32, [None, 12, 12, 3]), tf.placeholder(tf.int64, [None])
    loss = tf.losses.sparse_softmax_cross_entropy(labels, classifier(images))
    optimizer = tf.train.MomentumOptimizer(0.005, 0.9)
    if loss_scale is not None:
        optimizer = experimental.MixedPrecisionLossScaleOptimizer(optimizer, loss_scale)
    step, random = optimizer.minimize(loss), np.random.default_rng(2)
    with tf.Session(config=config) as session:
        session.run(tf.global_variables_initializer())
        losses = []
        for _ in range(steps):
            fed = dict(zip((images, labels), pictures(random)))
            losses.append(session.run([loss, step], fed)[0])
        assert all(v.dtype.base_dtype in (tf.float32, tf.int64) for v in tf.global_variables())
        assert all(np.isfinite(value).all() for value in session.run(tf.global_variables()))
    return np.array(losses)


@pytest.fixture(scope="module")
def float32_losses():
    return curve(tf.ConfigProto())


@pytest.mark.parametrize("dtype, scale", [("bfloat16", None), ("float16", "dynamic"), ("float16", 128)])
def test_training_follows_the_curve_of_float32(dtype, scale, float32_losses):
    losses = curve(tf.ConfigProto(compute_type=dtype), loss_scale=scale)
    early = np.abs(losses[:10] / float32_losses[:10] - 1).max()
    late = losses[-20:].mean() / float32_losses[-20:].mean()
    assert float32_losses[-20:].mean() < 0.2 * float32_losses[0] and (losses != float32_losses).any()
    assert early < (0.003 if dtype == "float16" else 0.01) and abs(late - 1) < 0.05


def test_a_scaled_loss_trains_as_a_plain_one_does_in_float32(float32_losses):
    np.testing.assert_allclose(curve(None, 10, 2.0**10), float32_losses[:10], rtol=1e-6)


# --- overflow and underflow in float16 ------------------------------------------------------------------

def product(gradient):
    """A variable [4, 4], the loss `gradient` times the sum of a product with it, and the product's factor to feed."""
    x = tf.placeholder(tf.float32, [4, 4])
    w = tf.get_variable("w", initializer=tf.zeros([4, 4]))
    return x, w, gradient * tf.reduce_sum(tf.matmul(x, w))


def test_a_step_that_overflows_in_float16_is_skipped_and_halves_the_scale():
    x, w, loss = product(1.0)
    scale = experimental.DynamicLossScale(initial_loss_scale=2.0**17, increment_period=3)
    step = tf.train.get_or_create_global_step()
    train = experimental.MixedPrecisionLossScaleOptimizer(tf.train.AdamOptimizer(0.5), scale).minimize(loss, step)
    state = [scale(), *tf.global_variables()]
    names = ["scale", *[v.op.name for v in tf.global_variables()]]
    with tf.Session(config=SIXTEEN_BITS) as session:
        session.run(tf.global_variables_initializer())
        seen = []
        for _ in range(7):
            session.run(train, {x: np.eye(4)})
            seen.append(dict(zip(names, session.run(state))))
    # 2^17 and 2^16 are infinite in float16; 2^15 is not; after three good steps it is 2^16 again, which fails again
    assert [s["scale"] for s in seen] == [2.0**16, 2.0**15, 2.0**15, 2.0**15, 2.0**16, 2.0**15, 2.0**15]
    assert [s["good_steps"] for s in seen] == [0, 0, 1, 2, 0, 0, 1]
    assert [s["global_step"] for s in seen] == [0, 0, 1, 2, 3, 3, 4]
    for before, after in ((0, 1), (4, 5)):
        assert not [n for n in names if n not in ("scale", "current_loss_scale", "good_steps")
                    and not np.array_equal(seen[before][n], seen[after][n])]
    assert np.isfinite(seen[-1]["w"]).all() and (seen[-1]["w"] != seen[1]["w"]).any()


def test_gradients_that_would_vanish_in_float16_arrive_scaled():
    moved = {}
    for scale in (1, 2.0**12):
        tf.reset_default_graph()
        x, w, loss = product(1e-9)
        train = experimental.MixedPrecisionLossScaleOptimizer(tf.train.GradientDescentOptimizer(1.0), scale)
        step = train.minimize(loss)
        with tf.Session(config=SIXTEEN_BITS) as session:
            session.run(tf.global_variables_initializer())
            session.run(step, {x: np.eye(4)})
            moved[scale] = session.run(w)
    assert not moved[1].any()
    np.testing.assert_allclose(moved[2.0**12], np.full([4, 4], -1e-9), rtol=0.05)


def test_sparse_gradients_are_scaled_and_skipped_too():
    table, factor = tf.get_variable("table", initializer=tf.ones([5, 2])), tf.placeholder(tf.float32, [])
    loss = factor * tf.reduce_sum(tf.nn.embedding_lookup(table, [1, 3, 1]))
    train = experimental.MixedPrecisionLossScaleOptimizer(tf.train.GradientDescentOptimizer(0.5), "dynamic")
    pairs = train.compute_gradients(loss)
    assert isinstance(pairs[0][0], tf.IndexedSlices)
    step = train.apply_gradients(pairs)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run(step, {factor: np.inf})
        assert (session.run(table) == 1).all()
        session.run(step, {factor: 1.0})
        assert session.run(table)[:, 0].tolist() == [1, 0, 1, 0.5, 1]


# --- the switch -----------------------------------------------------------------------------------------

def test_the_switch_leaves_the_cpu_in_float32():
    x, w, loss = product(1.0)
    scaled = experimental.enable_mixed_precision_graph_rewrite(tf.train.GradientDescentOptimizer(1.0), 4.0)
    assert isinstance(scaled, experimental.MixedPrecisionLossScaleOptimizer)
    gradient = tf.gradients(loss, w)[0]
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        assert session._engine._precision == (tf.float16, True)
        assert session.run(gradient, {x: np.full([4, 4], 1 + 2.0**-20)})[0, 0] == 4 + 2.0**-18
    with tf.Session(config=SIXTEEN_BITS) as session:
        session.run(tf.global_variables_initializer())
        assert session._engine._precision == (tf.float16, False)
        assert session.run(gradient, {x: np.full([4, 4], 1 + 2.0**-20)})[0, 0] == 4
    experimental.disable_mixed_precision_graph_rewrite()
    with tf.Session() as session:
        assert session._engine._precision is None


def test_the_switch_says_what_it_does_not_reach(caplog):
    with caplog.at_level(logging.WARNING, "thalweg"):
        experimental.enable_mixed_precision_graph_rewrite(tf.train.GradientDescentOptimizer(1.0))
        assert not caplog.records
        experimental.disable_mixed_precision_graph_rewrite()
        assert not caplog.records
        experimental.disable_mixed_precision_graph_rewrite()
        assert "but mixed precision is not enabled" in caplog.text
        tf.Session().close()
        experimental.enable_mixed_precision_graph_rewrite(tf.train.GradientDescentOptimizer(1.0))
        assert "has no effect on them" in caplog.text


def test_a_config_is_not_changed_by_the_switch():
    config = tf.ConfigProto()
    experimental.enable_mixed_precision_graph_rewrite(tf.train.GradientDescentOptimizer(1.0))
    tf.Session(config=config).close()
    assert config == tf.ConfigProto()


# --- what is refused ------------------------------------------------------------------------------------

def descent():
    return tf.train.GradientDescentOptimizer(0.1)


def scaled_twice():
    optimizer = experimental.MixedPrecisionLossScaleOptimizer(descent(), 2.0)
    return experimental.enable_mixed_precision_graph_rewrite(optimizer)


def weight_twice():
    scale = experimental.DynamicLossScale()
    scale._add_weight("good_steps", 0, tf.int64)


REFUSED = {
    "below one": (lambda: experimental.FixedLossScale(0.5), ValueError,
                  r"FixedLossScale: loss_scale_value must be a number of at least 1\n +got +0\.5\n"),
    "nan": (lambda: experimental.FixedLossScale(float("nan")), ValueError, r"a number of at least 1\n +got +nan\n"),
    "scale": (lambda: experimental.MixedPrecisionLossScaleOptimizer(descent(), "static"), ValueError,
              r"loss_scale: it cannot be interpreted\n +got +'static'\n +expected +a number of at least 1, "),
    "no scale": (lambda: experimental.MixedPrecisionLossScaleOptimizer(descent(), None), TypeError,
                 r"loss_scale: it cannot be interpreted\n +got +None\n"),
    "no optimizer": (lambda: experimental.enable_mixed_precision_graph_rewrite("Adam"), ValueError,
                     r"opt is no tf\.train\.Optimizer\n +got +'Adam' of type str\n"),
    "twice": (scaled_twice, ValueError,
              r'optimizer "GradientDescent": it scales its loss already\n +got +MixedPrecisionLoss'),
    "weight": (weight_twice, RuntimeError, r"DynamicLossScale: it has a variable 'good_steps' in this graph already"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusal(case):
    call, kind, text = REFUSED[case]
    with pytest.raises(kind, match=text) as info:
        call()
    assert "test_mixed_precision.py" in str(info.value)
    assert not precision._Rewrite.is_enabled
