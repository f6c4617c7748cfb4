"""Sixteen bits in sessions on a card: training in a compute type, and values that travel without their lower half."""
import numpy as np
import pytest

import thalweg as tf

STEPS = 8
OPTIMIZERS = {"momentum": lambda: tf.train.MomentumOptimizer(0.02, 0.9), "adam": lambda: tf.train.AdamOptimizer(0.01)}
LOSSY = tf.ConfigProto(graph_options=tf.GraphOptions(enable_bfloat16_sendrecv=True))


def normalised(x, scale, offset):
    """Batch norm in training, as `tf.nn.fused_batch_norm` gives it, then Relu."""
    return tf.nn.relu(tf.nn.fused_batch_norm(x, scale, offset)[0])


def classifier(images, weight):
    """Logits of five classes for images [N, 12, 12, 3]; `weight(*shape)` makes a variable."""
    h = tf.nn.conv2d(images, weight(3, 3, 3, 8), [1, 1, 1, 1], "SAME")
    h = tf.nn.max_pool(normalised(h, weight(8) + 1.0, weight(8)), [1, 2, 2, 1], [1, 2, 2, 1], "SAME")
    h = tf.nn.conv2d(h, weight(3, 3, 8, 16), [1, 2, 2, 1], "SAME")
    h = tf.nn.avg_pool(normalised(h, weight(16) + 1.0, weight(16)), [1, 3, 3, 1], [1, 3, 3, 1], "VALID")
    return tf.matmul(tf.reshape(h, [-1, 16]), weight(16, 5)) + weight(5)


def trained(device, optimizer, compute_type=None):
    """(losses by step, the variables after them, what fell back to the CPU) of STEPS steps with equal batches."""
    random, variables = np.random.default_rng(3), []

    def weight(*shape):
        scale = np.sqrt(2 / np.prod(shape[:-1])) if len(shape) > 1 else 0.1
        variables.append(tf.Variable((scale * random.standard_normal(shape)).astype(np.float32)))
        return variables[-1]
    with tf.Graph().as_default(), tf.device(device):
        images, labels = tf.placeholder(tf.float32, [24, 12, 12, 3]), tf.placeholder(tf.int64, [24])
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels=labels, logits=classifier(images, weight)))
        step, metadata, losses = OPTIMIZERS[optimizer]().minimize(loss), tf.RunMetadata(), []
        with tf.Session(config=tf.ConfigProto(compute_type=compute_type)) as session:
            session.run(tf.global_variables_initializer())
            for _ in range(STEPS):
                classes = random.integers(0, 5, 24)
                pictures = np.sin(classes[:, None, None, None] * np.arange(12)[:, None] * 0.5)
                given = {images: pictures + 0.3 * random.standard_normal((24, 12, 12, 3)), labels: classes}
                losses.append(session.run([loss, step], given, run_metadata=metadata)[0])
                assert not metadata.fallbacks or device == "/cpu:0", metadata.fallbacks
            return np.array(losses), session.run(variables)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("compute_type, apart", [("bfloat16", 0.02), ("float16", 0.003)])
def test_training_in_16_bits_goes_as_on_the_cpu(optimizer, compute_type, apart):
    """Both round to 16 bits, but not after the same ops: the curves stay together, and are not those of float32."""
    losses, values = trained("/gpu:0", optimizer, compute_type)
    on_cpu, values_on_cpu = trained("/cpu:0", optimizer, compute_type)
    assert np.abs(losses / on_cpu - 1).max() < apart
    assert all(v.dtype == np.float32 for v in values)
    changes = [np.linalg.norm(v - w) / np.linalg.norm(w) for v, w in zip(values, values_on_cpu)]
    assert max(changes) < 20 * apart
    assert losses[-1] < 0.7 * losses[0] and (losses != trained("/gpu:0", optimizer)[0]).any()


# --- a dynamic loss scale -------------------------------------------------------------------------------

def scaled_steps(device, optimizer, factors, counters=lambda: None):
    """(variables after each step of a loss that is multiplied by each of `factors`, their names, what was counted)."""
    with tf.Graph().as_default(), tf.device(device):
        x, factor = tf.placeholder(tf.float32, [8, 6]), tf.placeholder(tf.float32, [])
        w = tf.Variable(np.random.default_rng(4).standard_normal((6, 3)).astype(np.float32))
        loss = factor * tf.reduce_mean(tf.square(tf.matmul(x, w) - 1.0))
        scale = tf.train.experimental.DynamicLossScale(initial_loss_scale=2.0**10, increment_period=3)
        train = tf.train.experimental.MixedPrecisionLossScaleOptimizer(OPTIMIZERS[optimizer](), scale).minimize(
            loss, tf.train.get_or_create_global_step())
        found, counted, metadata = [], [], tf.RunMetadata()
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            for k in factors:
                counters()
                session.run(train, {x: np.random.default_rng(5).standard_normal((8, 6)), factor: k},
                            run_metadata=metadata)
                counted.append(counters())
                found.append(session.run(tf.global_variables()))
                assert not metadata.fallbacks or device == "/cpu:0", metadata.fallbacks
        return found, [v.op.name for v in tf.global_variables()], counted


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_steps_that_are_skipped_by_a_loss_scale_go_as_on_the_cpu(optimizer):
    factors = [1.0, 1.0, np.inf, 1.0, np.nan, np.inf, 1.0, 1.0, 1.0, 1.0]
    found, names, _ = scaled_steps("/gpu:0", optimizer, factors)
    wanted, _, _ = scaled_steps("/cpu:0", optimizer, factors)
    for values, others in zip(found, wanted):
        for value, other in zip(values, others):
            np.testing.assert_allclose(value, other, 1e-5, 1e-7)
    for k in (2, 4, 5):
        same = [n for n, now, before in zip(names, found[k], found[k - 1]) if np.array_equal(now, before)]
        assert set(names) - set(same) <= {"current_loss_scale", "good_steps"}
    last = dict(zip(names, found[-1]))
    assert last["current_loss_scale"] == 2.0**8 and last["good_steps"] == 1 and last["global_step"] == 7


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_step_with_a_loss_scale_is_one_replay(counters, optimizer):
    _, _, counted = scaled_steps("/gpu:0", optimizer, [1.0] * 5, counters)
    assert counted[-1]["bytes_d2h"] == 0 and counted[-1]["graph_launches"] == 1, counted[-1]


# --- between devices ------------------------------------------------------------------------------------

def cut(x):
    """float32 values without the lower half of their mantissa."""
    return (np.asarray(x, np.float32).view(np.uint32) & 0xFFFF0000).view(np.float32)


def through_the_cpu(config, feed, runs=3):
    """(what leaves the card, what comes of it there after a way through the CPU), of the last run."""
    with tf.device("/gpu:0"):
        x = tf.placeholder(tf.float32, feed.shape)
        a = tf.cumsum(x)
    with tf.device("/cpu:0"):
        b = tf.cumprod(a)
    with tf.device("/gpu:0"):
        c = tf.negative(b)
    with tf.Session(config=config) as session:
        first = session.run(a, {x: feed})
        return first, [session.run(c, {x: feed}) for _ in range(runs)][-1]


FEED = np.random.default_rng(5).normal(0, 1e-5, 1000).astype(np.float32) + np.eye(1, 1000, dtype=np.float32)[0]


def test_float32_travels_as_bfloat16_where_that_is_asked():
    """Each way as 32, 16 and 32 bits; what is fed and fetched keeps its digits."""
    first, whole = through_the_cpu(None, FEED)
    np.testing.assert_allclose(whole, -np.cumprod(first), 2e-6)
    again, value = through_the_cpu(LOSSY, FEED)
    np.testing.assert_array_equal(again, first)
    np.testing.assert_allclose(value, -cut(np.cumprod(cut(first))), 2**-7)
    assert not np.any(value.view(np.uint32) & 0xFFFF) and np.any(first.view(np.uint32) & 0xFFFF)


def test_which_halves_the_bytes_between_the_devices(counters):
    travelled = {}
    for name, config in ("whole", None), ("lossy", LOSSY):
        through_the_cpu(config, FEED, runs=1)
        counters()
        through_the_cpu(config, FEED, runs=4)
        travelled[name] = counters()
    for way in "bytes_d2h", "bytes_h2d":
        assert travelled["whole"][way] - travelled["lossy"][way] == 4 * 2 * FEED.size, travelled
