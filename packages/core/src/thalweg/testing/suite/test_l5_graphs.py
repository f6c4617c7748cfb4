"""L5: whole programs: variables, control flow, soft placement, files, random numbers, small models that learn."""
import importlib.util

import numpy as np
import pytest

import thalweg as tf
from thalweg.framework import dtypes, errors
from thalweg.framework.graph import Graph
from thalweg.testing.kit import each, needs

_NUMBERS = ("float32", "float64", "float16", "int32", "int64", "complex64", "bool")


def needs_package(name):
    if importlib.util.find_spec(f"thalweg_{name}") is None:
        pytest.skip(f"needs thalweg-{name}, which is not installed")


# --- feeds, fetches, variables ----------------------------------------------------------------------

@each(lambda kit: {name: name for name in _NUMBERS})
def test_what_is_fed_can_be_fetched(kit, case):
    values = np.array([[0, 1, 2], [3, 4, 5]]).astype(case)
    with tf.device(kit.place):
        x = tf.placeholder(case, [None, None])
        y, z = tf.identity(x), tf.reshape(tf.stack([x, x]), [-1])
    with kit.session() as session:
        for given in (values, np.asfortranarray(values), values[::-1, ::2], values[:0], values[:, :1]):
            got, flat = session.run([y, z], {x: given})
            assert got.dtype == given.dtype and np.array_equal(got, given)
            assert np.array_equal(flat, np.concatenate([given.ravel(), given.ravel()]))


@each(lambda kit: {name: name for name in _NUMBERS if name != "bool"})
def test_variables(kit, case):
    with tf.device(kit.place):
        v = tf.Variable(np.array([1, 2, 3], case))
        x = tf.placeholder(case, [3])
        add, set_, twice = v.assign_add(x), v.assign(x), v + v
    with kit.session() as session:
        session.run(v.initializer)
        assert session.run(add, {x: np.array([1, 0, 2], case)}).tolist() == [2, 2, 5]
        assert session.run(twice).tolist() == [4, 4, 10]
        assert session.run(set_, {x: np.array([7, 8, 9], case)}).tolist() == [7, 8, 9]
        assert session.run(v).tolist() == [7, 8, 9]


def test_sessions_have_variables_of_their_own(kit):
    with tf.device(kit.place):
        v = tf.Variable([1.0, 2.0])
        add = v.assign_add([1.0, 1.0])
    with kit.session() as first, kit.session() as second:
        for session in (first, second):
            session.run(v.initializer)
        first.run(add)
        assert first.run(v).tolist() == [2, 3] and second.run(v).tolist() == [1, 2]


def test_the_shapes_of_feeds_may_change(kit):
    with tf.device(kit.place):
        x = tf.placeholder(tf.float32, [None, 4])
        y = tf.reduce_sum(tf.matmul(x, tf.ones([4, 3])) * 2.0, 1)
    with kit.session() as session:
        for n in (1, 7, 0, 300, 7, 1):
            assert session.run(y, {x: np.ones((n, 4))}).tolist() == [24.0] * n


# --- control flow -----------------------------------------------------------------------------------

def test_branches_and_loops(kit):
    with tf.device(kit.place):
        x = tf.placeholder(tf.float32, [2])
        n = tf.placeholder(tf.int32, [])
        v = tf.Variable([1.0, 2.0])
        branch = tf.cond(n > 2, lambda: x * v, lambda: x - v)
        _, loop = tf.while_loop(lambda i, a: i < n, lambda i, a: (i + 1, a * x + v), [0, x])
        slope, = tf.gradients(loop, x)
    with kit.session() as session:
        session.run(v.initializer)
        given = np.float32([2, 3])
        assert session.run(branch, {x: given, n: 3}).tolist() == [2, 6]
        assert session.run(branch, {x: given, n: 1}).tolist() == [1, 1]
        for count in (0, 1, 3):
            value, derivative = given.copy(), np.ones(2)
            for _ in range(count):
                value, derivative = value * given + [1, 2], derivative * given + value
            got, gradient = session.run([loop, slope], {x: given, n: count})
            np.testing.assert_allclose(got, value, 1e-5)
            np.testing.assert_allclose(gradient, derivative, 1e-5)


def test_a_map_and_a_scan(kit):
    with tf.device(kit.place):
        x = tf.placeholder(tf.float32, [None, 2])
        mapped = tf.map_fn(lambda row: row * row[0], x)
        sums = tf.scan(lambda a, row: a + row, x)
    given = np.float32([[1, 2], [3, 4], [5, 6]])
    with kit.session() as session:
        got, running = session.run([mapped, sums], {x: given})
    np.testing.assert_allclose(got, given * given[:, :1], 1e-6)
    np.testing.assert_allclose(running, np.cumsum(given, 0), 1e-6)


# --- regions ----------------------------------------------------------------------------------------

ELEMENTWISE = {
    "Neg": lambda v, w: -v, "Mul": lambda v, w: v * w, "Sub": lambda v, w: v - w, "Tanh": lambda v, w: tf.tanh(v),
    "Maximum": tf.maximum, "Square": lambda v, w: tf.square(v), "Exp": lambda v, w: tf.exp(v),
    "Relu": lambda v, w: tf.nn.relu(v),
}


def claimed_elementwise(kit, dtype):
    return [op for op in ELEMENTWISE if kit.caps.claims(op, dtypes.as_dtype(dtype))]


@needs("compile")
@each(lambda kit: {name: name for name in ("float32", "float64", "float16")
                   if len(claimed_elementwise(kit, name)) > 1})
def test_a_region_of_elementwise_ops_is_one_kernel(kit, case):
    with tf.device(kit.place):
        x, row = tf.placeholder(case, [30, 40]), tf.placeholder(case, [40])
        values = [x]
        for op_type in claimed_elementwise(kit, case):
            values.append(ELEMENTWISE[op_type](values[-1], values[0]))
        y, z = values[-1], values[-2]
        if kit.caps.claims("Mul", dtypes.as_dtype(case)):
            y = y * row                                     # one that broadcasts
    rng, metadata = np.random.default_rng(2), tf.RunMetadata()
    feeds = {x: rng.uniform(-1, 1, (30, 40)).astype(case), row: rng.uniform(-1, 1, 40).astype(case)}
    with kit.session() as session:
        got = session.run([y, z], feeds, tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE), metadata)
    with kit.session(rewrites=False) as session:
        expected = session.run([y, z], feeds)
    steps = [op_type for _, op_type, device, *_ in metadata.step_stats if device == kit.place and op_type != "_Copy"]
    assert steps == ["_Region"]
    factor = kit.caps.tolerance(claimed_elementwise(kit, case), dtypes.as_dtype(case))
    for a, b in zip(got, expected):
        np.testing.assert_allclose(a, b, 32 * factor * np.finfo(case).eps, 32 * factor * np.finfo(case).eps)


# --- placement --------------------------------------------------------------------------------------

def refused_op(kit):
    """(op type, feed, tensor) of an op that the device has no kernel for; None if it has one for each of these."""
    x = tf.placeholder(tf.float64, [3, 3])
    for build in (lambda: tf.lgamma(x), lambda: tf.zeta(x + 2.0, x + 1.0), lambda: tf.qr(x)[0], lambda: tf.cumsum(x),
                  lambda: tf.matrix_band_part(x, 0, 1), lambda: tf.exp(x), lambda: tf.reverse(x, [0])):
        with tf.device(kit.place):
            y = build()
        if y.op.type in kit.misplaced([y], [x], [np.eye(3)]):
            return y.op.type, x, y
    return None


def test_what_it_has_no_kernel_for_runs_elsewhere_and_is_counted(kit):
    found = refused_op(kit)
    if found is None:
        pytest.skip("it has a kernel for each op that this test knows to be rare")
    op_type, x, y = found
    metadata = tf.RunMetadata()
    with kit.session(soft=True) as session:
        session.run(y, {x: np.eye(3)}, options=tf.RunOptions(trace_level=1), run_metadata=metadata)
    if not kit.device.is_host:                          # between two devices of one memory nothing has to move
        assert (op_type, kit.place) in metadata.fallbacks
        with kit.session(soft=False) as session, pytest.raises(errors.InvalidArgumentError,
                                                               match=f"cannot place .*{op_type}.* on {kit.place}"):
            session.run(y, {x: np.eye(3)})


def test_a_graph_on_two_devices(kit):
    x = tf.placeholder(tf.float32, [50, 50])
    with tf.device(kit.place):
        a = x * 2.0 + 1.0
    with tf.device("/device:CPU:0"):
        b = tf.reduce_max(a, 0) - tf.reduce_min(a, 0)
    with tf.device(kit.place):
        c = a + b
    given = np.random.default_rng(1).standard_normal((50, 50)).astype(np.float32)
    expected = given * 2 + 1
    expected = expected + (expected.max(0) - expected.min(0))
    with kit.session() as session:
        for _ in range(3):
            np.testing.assert_allclose(session.run(c, {x: given}), expected, 1e-5, 1e-5)


@needs("multi_device")
def test_a_graph_on_two_devices_of_this_type(kit):
    x = tf.placeholder(tf.float32, [100])
    with tf.device(kit.place):
        v = tf.Variable(tf.ones([100]))
        a = x * v
    with tf.device(f"/device:{kit.device.type}:1"):
        b = a + x
    with tf.device(kit.place):
        c = a - b * v
    with kit.session() as session:
        session.run(v.initializer)
        for k in range(5):
            assert session.run(c, {x: np.full(100, k)}).tolist() == [-k] * 100


def test_a_device_that_is_not_there_is_named(kit):
    with tf.device(f"/device:{kit.device.type}:99"):
        y = tf.placeholder(tf.float32, []) + 1.0
    with kit.session(soft=False) as session, pytest.raises(errors.InvalidArgumentError,
                                                           match=f"explicitly assigned to .*{kit.device.type}:99"):
        session.run(y, {y.op.inputs[0]: 1.0})


# --- random numbers ---------------------------------------------------------------------------------

DRAWS = {
    "random_uniform": lambda: tf.random_uniform([1000], seed=3),
    "random_uniform float64": lambda: tf.random_uniform([500], dtype=tf.float64, seed=4),
    "random_uniform int32": lambda: tf.random_uniform([1000], -5, 1000, tf.int32, seed=5),
    "random_normal": lambda: tf.random_normal([1000], seed=6),
    "truncated_normal": lambda: tf.truncated_normal([1000], seed=7),
    "multinomial": lambda: tf.multinomial(tf.zeros([3, 4]), 50, seed=8),
    "random_shuffle": lambda: tf.random_shuffle(tf.range(100), seed=9),
    "random_gamma": lambda: tf.random_gamma([200], 2.0, seed=10),
    "stateless_random_uniform": lambda: tf.random.stateless_uniform([100], [1, 2]),
}


@each(lambda kit: DRAWS)
def test_random_numbers_are_the_cpus(kit, case):
    """Bits are equal; what a logarithm or a cosine makes of them may differ in the last place."""
    draws = []
    for place in ("/device:CPU:0", kit.place):
        with Graph().as_default(), tf.device(place):
            values = case()
            with kit.session() as session:
                draws.append([session.run(values) for _ in range(3)])
    for ours, cpu in zip(draws[1], draws[0]):
        if cpu.dtype.kind == "f" and case in (DRAWS["random_normal"], DRAWS["truncated_normal"],
                                              DRAWS["random_gamma"]):
            np.testing.assert_allclose(ours, cpu, 1e-5, 1e-6)
        else:
            assert ours.tobytes() == cpu.tobytes()


# --- files ------------------------------------------------------------------------------------------

def test_what_is_saved_here_is_restored_on_the_cpu_and_back(kit, tmp_path):
    needs_package("io")
    values = {name: (np.arange(6).reshape(2, 3) + 1).astype(name) for name in ("float32", "float64", "int32")}

    def on(place, work):
        with Graph().as_default(), tf.device(place):
            variables = {n: tf.Variable(np.zeros((2, 3), n), name=f"v_{n}") for n in values}
            saver = tf.train.Saver()
            with kit.session() as session:
                return work(session, variables, saver)

    def save(session, variables, saver):
        for name, v in variables.items():
            session.run(v.assign(values[name]))
        return saver.save(session, str(tmp_path / "first"))

    def restore(prefix, again):
        def work(session, variables, saver):
            saver.restore(session, prefix)
            for name, v in variables.items():
                assert np.array_equal(session.run(v), values[name])
            return saver.save(session, str(tmp_path / again))
        return work
    first = on(kit.place, save)
    second = on("/device:CPU:0", restore(first, "second"))
    on(kit.place, restore(second, "third"))


# --- models -----------------------------------------------------------------------------------------

def line(rng):
    """y = 2 x - 1 by least squares."""
    x, y = tf.placeholder(tf.float32, [None, 1]), tf.placeholder(tf.float32, [None, 1])
    loss = tf.reduce_mean(tf.square(tf.layers.dense(x, 1) - y))
    data = rng.uniform(-1, 1, (64, 1))
    return loss, tf.train.GradientDescentOptimizer(0.3), {x: data, y: 2 * data - 1}, 60, 1e-3


def exclusive_or(rng):
    """Two hidden layers learn a parity."""
    x, y = tf.placeholder(tf.float32, [None, 2]), tf.placeholder(tf.float32, [None, 1])
    hidden = tf.layers.dense(tf.layers.dense(x, 16, tf.nn.tanh), 16, tf.nn.relu)
    loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=tf.layers.dense(hidden, 1)))
    corners = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    return loss, tf.train.AdamOptimizer(0.03), {x: corners, y: corners.sum(1, keepdims=True) % 2}, 200, 0.05


def classifier(rng):
    """A softmax over three clouds of points."""
    x, y = tf.placeholder(tf.float32, [None, 2]), tf.placeholder(tf.int32, [None])
    logits = tf.layers.dense(tf.layers.dense(x, 12, tf.nn.relu), 3)
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits))
    labels = np.arange(90) % 3
    points = np.array([[0, 2], [2, -1], [-2, -1]])[labels] + 0.4 * rng.standard_normal((90, 2))
    return loss, tf.train.MomentumOptimizer(0.1, 0.9), {x: points, y: labels}, 80, 0.05


def convnet(rng):
    """Convolution, batch norm, pooling: which way do the stripes run?"""
    x, y = tf.placeholder(tf.float32, [None, 8, 8, 1]), tf.placeholder(tf.int32, [None])
    maps = tf.layers.conv2d(x, 8, 3, padding="same", use_bias=False)
    maps = tf.layers.max_pooling2d(tf.nn.relu(tf.layers.batch_normalization(maps, training=True)), 2, 2)
    logits = tf.layers.dense(tf.layers.flatten(maps), 2)
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits))
    labels = np.arange(32) % 2
    stripes = np.where(np.arange(8) % 2, 1.0, -1.0)
    images = np.stack([np.broadcast_to(stripes[:, None] if k else stripes, (8, 8)) for k in labels])[..., None]
    images = images + 0.3 * rng.standard_normal(images.shape)
    return loss, tf.train.AdamOptimizer(0.02), {x: images, y: labels}, 40, 0.1


def recurrent(rng):
    """A loop over embedded words remembers the first of them."""
    words, y = tf.placeholder(tf.int32, [None, 6]), tf.placeholder(tf.int32, [None])
    table = tf.get_variable("words", [4, 8])
    inside, between = tf.get_variable("inside", [8, 16]), tf.get_variable("between", [16, 16])
    first = tf.zeros([tf.shape(words)[0], 16])
    _, state = tf.while_loop(lambda t, h: t < 6, lambda t, h: (t + 1, tf.tanh(
        tf.matmul(tf.nn.embedding_lookup(table, words[:, t]), inside) + tf.matmul(h, between))), [0, first])
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=tf.layers.dense(state, 4)))
    sentences = rng.integers(0, 4, (64, 6))
    return loss, tf.train.AdamOptimizer(0.03), {words: sentences, y: sentences[:, 0]}, 120, 0.2


@each(lambda kit: {f.__name__: f for f in (line, exclusive_or, classifier, convnet, recurrent)})
def test_models_learn(kit, case):
    needs_package("nn")
    tf.set_random_seed(7)
    with tf.device(kit.place):
        loss, optimizer, feeds, steps, target = case(np.random.default_rng(7))
        train = optimizer.minimize(loss)
    with kit.session() as session:
        session.run(tf.global_variables_initializer())
        begun = session.run(loss, feeds)
        for _ in range(steps):
            session.run(train, feeds)
        ended = session.run(loss, feeds)
    assert np.isfinite(ended) and ended < target < begun, f"the loss went from {begun} to {ended}, not below {target}"


def test_a_model_of_the_core_alone_learns(kit):
    """Gradient descent written out, where thalweg-nn is not there."""
    with tf.device(kit.place):
        x, y = tf.placeholder(dtypes.float32, [None, 3]), tf.placeholder(dtypes.float32, [None, 1])
        w = tf.Variable(tf.zeros([3, 1]))
        loss = tf.reduce_mean(tf.square(tf.matmul(x, w) - y))
        step = w.assign_sub(0.3 * tf.gradients(loss, w)[0])
    data = np.random.default_rng(1).standard_normal((40, 3))
    feeds = {x: data, y: data @ [[1.0], [-2.0], [0.5]]}
    with kit.session() as session:
        session.run(w.initializer)
        for _ in range(60):
            session.run(step, feeds)
        np.testing.assert_allclose(session.run(w), [[1], [-2], [0.5]], atol=1e-3)
