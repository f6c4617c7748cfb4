"""Each pass of the plan by itself, on small graphs; the IR is checked after every pass."""
import numpy as np
import pytest

import thalweg as tf
from thalweg.cpu._loops import supported
from thalweg.devices.placement import Placement
from thalweg.framework import flags
from thalweg.framework.declaration import REGISTRY
from thalweg.plan import check, effects, fuse, memory, pipeline
from thalweg.plan.ir import COPY, FETCH, PlanError, sorted_nodes
from thalweg.plan.prune import prune, unfed_placeholder
from thalweg.plan.simplify import simplify


@pytest.fixture(autouse=True)
def checked_fresh_graph(monkeypatch):
    monkeypatch.setattr(flags, "CHECK", 1)
    tf.reset_default_graph()


def kinds(ir):
    return [n.op_type for n in ir.nodes]


def made(fetches, feeds=(), shapes=None, optimize=True):
    """The Plan of a fetch."""
    template = pipeline.make_template(tuple(fetches), tuple(feeds), Placement(tf.ConfigProto()), optimize)
    return pipeline.specialise(template, shapes or [None] * len(feeds), {})


# --- prune ----------------------------------------------------------------------------------------------

def test_prune_keeps_what_the_fetch_needs_and_stops_at_feeds():
    a, b = tf.constant(1.0), tf.constant(2.0)
    c = tf.add(a, b)
    d = tf.square(c)
    tf.exp(d)                                                  # nobody asks for it
    assert kinds(prune([d], [])) == ["Const", "Const", "Add", "Square"]
    assert kinds(prune([d], [c])) == ["_Feed", "Square"]
    assert kinds(prune([c], [c])) == ["_Feed"]


def test_prune_follows_control_inputs():
    step = tf.no_op(name="before")
    with tf.control_dependencies([step]):
        y = tf.identity(tf.constant(1.0))
    assert "NoOp" in kinds(prune([y], []))


def test_an_unfed_placeholder_is_found_with_the_path_to_the_fetch():
    x = tf.placeholder(tf.float32, [], name="x")
    y = tf.square(x + 1.0, name="y")
    node, path = unfed_placeholder(prune([y], []))
    assert node.name == "x" and [n.name for n in path] == ["x", "add", "y"]
    assert unfed_placeholder(prune([y], [x])) is None


# --- simplify -------------------------------------------------------------------------------------------

def simplified(fetches, feeds=()):
    ir = prune(fetches, list(feeds))
    effects.resolve_variables(ir)
    simplify(ir)
    ir.check("simplify")
    return ir


def test_constants_are_folded():
    ir = simplified([tf.constant([1.0, 2.0]) * 3.0 + 1.0])
    assert kinds(ir) == ["Const"]
    np.testing.assert_array_equal(ir.nodes[0].attrs["value"], [4.0, 7.0])


def test_shapes_are_folded_where_they_are_known():
    x = tf.placeholder(tf.float32, [2, 3])
    assert kinds(simplified([tf.shape(x)], [x])) == ["_Feed", "Const"]
    y = tf.placeholder(tf.float32, [None, 3])
    assert "Shape" in kinds(simplified([tf.shape(y)], [y]))


def test_common_subexpressions_are_merged():
    x = tf.placeholder(tf.float32, [3])
    ir = simplified([tf.sin(x) * tf.sin(x)], [x])
    assert kinds(ir).count("Sin") == 1


def test_a_sum_of_two_is_an_addition_where_shapes_say_so():
    x, y = tf.placeholder(tf.float32, [3]), tf.placeholder(tf.float32, [None])
    assert plan_kinds(made([tf.add_n([x, y])], [x, y])) == ["AddN"]
    assert plan_kinds(made([tf.add_n([x, y])], [x, y], shapes=[(3,), (3,)])) == ["Add"]
    assert plan_kinds(made([tf.add_n([x, y, y])], [x, y], shapes=[(3,), (3,)])) == ["AddN"]
    z = tf.exp(tf.add_n([x, y]))
    assert plan_kinds(made([z], [x, y], shapes=[(3,), (3,)])) == ["_Region"]
    with tf.Session() as session:                              # no broadcasting
        with pytest.raises(tf.errors.InvalidArgumentError, match="Shapes must be equal"):
            session.run(z, {x: np.ones(3), y: np.ones(1)})


def test_random_ops_are_neither_merged_nor_folded():
    ir = simplified([tf.random_uniform([2], seed=1) + tf.random_uniform([2], seed=1)])
    assert kinds(ir).count("RandomUniform") == 2


def test_identities_go():
    x = tf.placeholder(tf.float32, [3])
    assert kinds(simplified([tf.sqrt(tf.identity(tf.stop_gradient(x)))], [x])) == ["_Feed", "Sqrt"]


def test_a_reduction_over_no_axes_goes():
    x = tf.placeholder(tf.float32, [3])
    axes = tf.constant([], tf.int32)
    for fold in (tf.reduce_sum, tf.reduce_mean, tf.reduce_max, tf.reduce_min, tf.reduce_prod):
        assert kinds(simplified([tf.sqrt(fold(x, axes))], [x])) == ["_Feed", "Sqrt"]
        assert "Const" in kinds(simplified([tf.sqrt(fold(x, [0]))], [x]))


def test_reads_before_and_after_a_write_are_not_merged():
    v = tf.Variable(1.0)
    before = tf.square(v)
    with tf.control_dependencies([before]):
        write = v.assign(5.0)
    with tf.control_dependencies([write]):
        after = tf.square(v)
    with tf.Session() as session:
        session.run(v.initializer)
        assert session.run([before, after]) == [1.0, 25.0]


# --- the order of reads and writes -----------------------------------------------------------------------

def test_a_fetched_variable_is_read_where_it_was_made():
    v = tf.Variable(1.0)
    read = v + 0.0
    write = v.assign_add(1.0)
    later = v + 0.0
    with tf.Session() as session:
        session.run(v.initializer)
        assert session.run([read, write, later, v]) == [1.0, 2.0, 2.0, 1.0]
        assert session.run(v) == 2.0


def test_writes_keep_the_order_of_the_program():
    v = tf.Variable(0.0)
    first, second = v.assign(3.0), v.assign(4.0)
    with tf.Session() as session:
        session.run(v.initializer)
        assert session.run([second, first]) == [4.0, 3.0]
        assert session.run(v) == 4.0


def test_a_snapshot_outlives_a_write():
    v = tf.Variable([1.0, 2.0])
    old = tf.identity(v.read_value())
    with tf.control_dependencies([old]):
        write = v.assign([5.0, 5.0])
    with tf.control_dependencies([write]):
        difference = v - old
    with tf.Session() as session:
        session.run(v.initializer)
        np.testing.assert_array_equal(session.run(difference), [4.0, 3.0])


@pytest.mark.parametrize("also", [[], ["z"], ["r"], ["r", "z"]])
def test_a_snapshot_is_one_whatever_else_is_fetched(also):
    v = tf.Variable([10.0, 11.0])
    r = v.read_value()
    z = v * 1.0                                                # takes v/read, which reads where it is taken
    with tf.control_dependencies([r]):
        write = v.assign_add([1.0, 1.0])
    with tf.control_dependencies([write]):
        old = r * 1.0
    with tf.Session() as session:
        session.run(v.initializer)
        assert session.run([old, write, *[{"r": r, "z": z}[name] for name in also]])[0].tolist() == [10.0, 11.0]


def test_identity_under_a_control_dependency_sees_the_write():
    v = tf.Variable(1.0)
    with tf.control_dependencies([v.assign(7.0)]):
        y = tf.identity(v)
    with tf.Session() as session:
        session.run(v.initializer)
        assert session.run(y) == 7.0


# --- fuse -----------------------------------------------------------------------------------------------

def plan_kinds(plan):
    return [s.node.op_type for s in plan.steps]


def plain_config():
    config = tf.ConfigProto()
    config.graph_options.optimizer_options.opt_level = -1
    return config


def test_convolution_takes_over_bias_and_activation():
    x = tf.placeholder(tf.float32, [2, 6, 6, 3])
    w, b = tf.constant(np.ones([3, 3, 3, 4], np.float32)), tf.constant(np.ones(4, np.float32))
    y = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, w, [1, 1, 1, 1], "SAME"), b))
    assert plan_kinds(made([y], [x])) == ["_FusedConv2D"]
    with_add = tf.nn.conv2d(x, w, [1, 1, 1, 1], "SAME") + b
    assert plan_kinds(made([with_add], [x])) == ["_FusedConv2D"]


def block(x, is_training=False):
    """A residual block: convolution, normalisation, shortcut, activation."""
    random = np.random.RandomState(0)
    w, scale, offset, mean, variance = (tf.constant(random.rand(*s).astype(np.float32))
                                        for s in [(3, 3, 8, 8), *[(8,)] * 4])
    moments = {} if is_training else {"mean": mean, "variance": variance}
    h = tf.nn.fused_batch_norm(tf.nn.conv2d(x, w, [1, 1, 1, 1], "SAME"), scale, offset, epsilon=1e-3,
                               is_training=is_training, **moments)
    return h, tf.nn.relu(h[0] + x)


def test_convolution_takes_over_normalisation_residual_and_activation():
    x = tf.placeholder(tf.float32, [2, 6, 6, 8])
    norm, y = block(x)
    plan = made([y], [x])
    assert plan_kinds(plan) == ["_FusedConv2D"]
    assert plan.steps[0].node.attrs["fused_ops"] == ["FusedBatchNorm", "Add", "Relu"]
    assert "FusedBatchNormV3" in plan_kinds(made([y, norm[1]], [x]))           # its moments are fetched
    assert "_FusedConv2D" not in plan_kinds(made([block(x, is_training=True)[1]], [x]))
    feed = {x: np.random.RandomState(1).randn(2, 6, 6, 8)}
    with tf.Session() as fused, tf.Session(config=plain_config()) as unfused:
        np.testing.assert_allclose(fused.run(y, feed), unfused.run(y, feed), rtol=1e-5, atol=1e-5)


def test_convolution_takes_over_bias_and_then_normalisation():
    """What tf.layers make of a convolution, with its bias, and a normalisation after it."""
    rng = np.random.RandomState(3)

    def variable(*shape):
        return tf.Variable(rng.rand(*shape).astype(np.float32), use_resource=True)

    x = tf.placeholder(tf.float32, [2, 6, 6, 8])
    h = tf.nn.bias_add(tf.nn.conv2d(x, variable(3, 3, 8, 8), [1, 1, 1, 1], "SAME"), variable(8))
    h = tf.nn.fused_batch_norm(h, *(variable(8) for _ in range(4)), epsilon=0.25, is_training=False)[0]
    y = tf.nn.relu(h + x)
    computed = [n for n in made([y], [x]).nodes if n.inputs and n.op_type not in ("Identity", FETCH)]
    assert [n.op_type for n in computed] == ["_FusedConv2D"]
    assert computed[0].attrs["fused_ops"] == ["BiasAdd", "FusedBatchNorm", "Add", "Relu"]
    feed = {x: np.random.RandomState(1).randn(2, 6, 6, 8)}
    with tf.Session() as fused, tf.Session(config=plain_config()) as unfused:
        for session in fused, unfused:
            session.run(tf.global_variables_initializer())
        np.testing.assert_allclose(fused.run(y, feed), unfused.run(y, feed), rtol=1e-5, atol=1e-5)


def test_a_bias_after_the_normalisation_is_a_step_of_its_own():
    x = tf.placeholder(tf.float32, [2, 6, 6, 8])
    y = tf.nn.bias_add(block(x)[0][0], tf.constant(np.arange(8, dtype=np.float32)))
    assert plan_kinds(made([y], [x])) == ["_FusedConv2D", "BiasAdd"]


def normalised(x, seed, **options):
    """In inference, by constants."""
    scale, offset, mean, variance = tf.unstack(tf.constant(np.random.RandomState(seed).rand(4, 8).astype(np.float32)))
    return tf.nn.fused_batch_norm(x, scale, offset, mean, variance, epsilon=0.25, is_training=False, **options)


@pytest.mark.parametrize("dtype", [tf.float32, tf.float16])
def test_normalisation_before_a_convolution_takes_over_residual_and_activation(dtype):
    x, z = tf.placeholder(dtype, [None, 6, 6, 8]), tf.placeholder(dtype, [None, 6, 6, 8])
    small, feed = [(3, 6, 6, 8)] * 2, {v: np.random.RandomState(k).randn(3, 6, 6, 8) for k, v in enumerate((x, z))}
    w = tf.constant(np.random.RandomState(2).randn(3, 3, 8, 4), dtype)
    for y, followers in ((tf.nn.relu(normalised(x, 3)[0]), ["Relu"]), (normalised(x, 3)[0] + z, ["Add"]),
                         (tf.nn.relu6(z + normalised(x, 3)[0]), ["Add", "Relu6"])):
        convolved = tf.nn.conv2d(y, w, [1, 1, 1, 1], "SAME")
        plan = made([convolved], [x, z], small)
        assert plan_kinds(plan) == ["_FusedBatchNormInference", "Conv2D"]
        assert plan.steps[0].node.attrs["fused_ops"] == followers
        assert plan.steps[0].node.attrs["epsilon"] == 0.25
        with tf.Session() as fused, tf.Session(config=plain_config()) as unfused:
            for found, expected in zip(fused.run([y, convolved], feed), unfused.run([y, convolved], feed)):
                np.testing.assert_allclose(found, expected, **{"rtol": 1e-5, "atol": 1e-5} if dtype == tf.float32
                                           else {"rtol": 0.01, "atol": 0.03})


def test_normalisation_that_is_asked_for_more_than_its_result_stays():
    x = tf.placeholder(tf.float32, [2, 6, 6, 8])
    norm = normalised(x, 0)
    assert plan_kinds(made([norm[0]], [x])) == ["FusedBatchNormV3"]                        # nothing follows
    assert "FusedBatchNormV3" in plan_kinds(made([tf.nn.relu(norm[0]), norm[1]], [x]))     # its statistics
    assert "FusedBatchNormV3" in plan_kinds(made([tf.nn.relu(norm[0]), norm[0]], [x]))     # what is between
    first = tf.placeholder(tf.float32, [2, 8, 6, 6])
    turned = tf.nn.relu(normalised(first, 0, data_format="NCHW")[0])
    assert "_FusedBatchNormInference" not in plan_kinds(made([turned], [first]))


def test_two_normalisations_that_meet_are_added_once():
    x = tf.placeholder(tf.float32, [2, 6, 6, 8])
    y = tf.nn.relu(normalised(x, 0)[0] + normalised(x, 1)[0])
    assert sorted(plan_kinds(made([y], [x]))) == ["FusedBatchNormV3", "_FusedBatchNormInference"]
    feed = {x: np.random.RandomState(1).randn(2, 6, 6, 8)}
    with tf.Session() as fused, tf.Session(config=plain_config()) as unfused:
        np.testing.assert_allclose(fused.run(y, feed), unfused.run(y, feed), rtol=1e-5, atol=1e-5)


def test_depthwise_convolution_takes_over_bias_and_activation():
    x = tf.placeholder(tf.float32, [2, 6, 6, 8])
    w, bias = tf.constant(np.ones([3, 3, 8, 1], np.float32)), tf.constant(np.full(8, -7, np.float32))
    y = tf.nn.relu6(tf.nn.bias_add(tf.nn.depthwise_conv2d(x, w, [1, 2, 2, 1], "SAME"), bias))
    plan = made([y], [x])
    assert plan_kinds(plan) == ["_FusedDepthwiseConv2dNative"]
    feed = {x: np.random.RandomState(1).rand(2, 6, 6, 8) * 3}
    with tf.Session() as fused, tf.Session(config=plain_config()) as unfused:
        np.testing.assert_allclose(fused.run(y, feed), unfused.run(y, feed), rtol=1e-5, atol=1e-5)


def test_two_products_that_meet_are_added_once():
    x = tf.placeholder(tf.float32, [3, 4])
    a, b = tf.constant(np.ones([4, 4], np.float32)), tf.constant(np.full([4, 4], 2, np.float32))
    y = tf.nn.relu(tf.matmul(x, a) + tf.matmul(x, b))
    assert sorted(plan_kinds(made([y], [x]))) == ["MatMul", "_FusedMatMul"]
    with tf.Session() as session:
        np.testing.assert_array_equal(session.run(y, {x: np.ones((3, 4))}), np.full((3, 4), 12))


def test_a_residual_that_waits_for_the_product_is_left_alone():
    v = tf.Variable(np.ones((4, 4), np.float32))
    x = tf.placeholder(tf.float32, [4, 4])
    product = tf.matmul(x, v)
    with tf.control_dependencies([product]):
        later = tf.py_func(lambda a: a + 1, [x], tf.float32)
    later.set_shape([4, 4])
    y = tf.nn.relu(product + later)
    with tf.Session() as session:
        session.run(v.initializer)
        np.testing.assert_array_equal(session.run(y, {x: np.ones((4, 4))}), np.full((4, 4), 6))


def test_a_product_with_two_users_is_not_fused():
    x = tf.placeholder(tf.float32, [2, 3])
    product = tf.matmul(x, tf.constant(np.ones([3, 4], np.float32)))
    y = tf.nn.relu(tf.nn.bias_add(product, tf.constant(np.ones(4, np.float32))))
    assert "MatMul" in plan_kinds(made([y, product], [x]))


def test_elementwise_chains_become_one_region():
    x = tf.placeholder(tf.float32, [4, 5])
    y = tf.sqrt(tf.abs(x * 2.0 + 1.0)) - tf.exp(x)
    assert plan_kinds(made([y], [x])) == ["_Region"]
    assert len(plan_kinds(made([y], [x], optimize=False))) > 3


def test_a_region_that_is_run_for_an_operation_has_its_result():
    """Without one no kernel takes it, and Python ran it."""
    x = tf.Variable(np.ones(4, np.float32))
    y = tf.sqrt(x * x + 1.0)
    plan = made([y.op])
    (region,) = [n for n in plan.nodes if n.op_type == "_Region"]
    assert region.attrs["results"] == [2] and not plan.fallbacks


def test_a_region_never_waits_for_itself():
    x = tf.placeholder(tf.float32, [4, 4])
    a = tf.exp(x)
    b = tf.matmul(a, a)                                        # leaves the region and comes back
    y = (a + b) * a
    feed = np.linspace(0, 1, 16, dtype=np.float32).reshape(4, 4)
    with tf.Session() as session:
        got = session.run(y, {x: feed})
    e = np.exp(feed)
    np.testing.assert_allclose(got, (e + e @ e) * e, rtol=1e-5)


def test_fusion_keeps_values():
    x = tf.placeholder(tf.float32, [None, 8, 8, 3])
    w = tf.constant(np.random.RandomState(0).randn(3, 3, 3, 8).astype(np.float32))
    y = tf.nn.relu(tf.nn.conv2d(x, w, [1, 2, 2, 1], "SAME") + tf.constant(np.arange(8, dtype=np.float32) - 4))
    z = tf.tanh(y * y + 1.0) / (1.0 + tf.exp(-y))
    feed = {x: np.random.RandomState(1).randn(3, 8, 8, 3)}
    with tf.Session() as fused, tf.Session(config=plain_config()) as unfused:
        np.testing.assert_allclose(fused.run(z, feed), unfused.run(z, feed), rtol=1e-5, atol=1e-6)


# --- separable convolutions -----------------------------------------------------------------------------

def separable(x, size=3, strides=1, multiplier=1, filters=10, padding="SAME", dilation=1):
    """A depthwise convolution and a pointwise one, each with batch norm and relu6: (what is between, the result)."""
    random = np.random.RandomState(0)
    channels = x.shape.as_list()[3] * multiplier

    def norm(h, n):
        scale, offset, mean, variance = (tf.constant(random.rand(n).astype(np.float32)) for _ in range(4))
        return tf.nn.fused_batch_norm(h, scale, offset, mean, variance, epsilon=1e-3, is_training=False)[0]
    w = tf.constant(random.randn(size, size, channels // multiplier, multiplier).astype(np.float32))
    p = tf.constant(random.randn(1, 1, channels, filters).astype(np.float32))
    h = tf.nn.depthwise_conv2d_native(x, w, [1, strides, strides, 1], padding, dilations=[1, dilation, dilation, 1])
    h = tf.nn.relu6(norm(h, channels))
    return h, tf.nn.relu6(norm(tf.nn.conv2d(h, p, [1, 1, 1, 1], "SAME"), filters))


SEPARABLE = {
    "blocks": ((1, 30, 29, 16), {}),
    "odd": ((3, 41, 23, 19), {"strides": 2, "filters": 33}),
    "multiplier": ((2, 23, 21, 5), {"multiplier": 3}),
    "dilated": ((1, 33, 35, 8), {"dilation": 2, "padding": "VALID"}),
    "5x5": ((1, 33, 35, 24), {"size": 5, "padding": "VALID"}),
    "small": ((1, 5, 7, 16), {}),
    "no images": ((0, 30, 29, 16), {}),
}


@pytest.mark.parametrize("shape, options", SEPARABLE.values(), ids=SEPARABLE)
def test_depthwise_and_pointwise_become_one(shape, options):
    x = tf.placeholder(tf.float32, [None, *shape[1:]])
    _, y = separable(x, **options)
    assert plan_kinds(made([y], [x], [shape])) == ["_FusedSeparableConv2D"]
    feed = {x: np.random.RandomState(1).randn(*shape)}
    with tf.Session() as fused, tf.Session(config=plain_config()) as unfused:
        np.testing.assert_allclose(fused.run(y, feed), unfused.run(y, feed), rtol=1e-5, atol=1e-5)
    with tf.Session(config=tf.ConfigProto(intra_op_parallelism_threads=1)) as one, \
            tf.Session(config=tf.ConfigProto(intra_op_parallelism_threads=2)) as two:
        assert one.run(y, feed).tobytes() == two.run(y, feed).tobytes()


def test_plain_depthwise_and_pointwise_become_one():
    x = tf.placeholder(tf.float32, [1, 6, 6, 4])
    w, p = tf.constant(np.ones([3, 3, 4, 1], np.float32)), tf.constant(np.ones([1, 1, 4, 2], np.float32))
    y = tf.nn.separable_conv2d(x, w, p, [1, 1, 1, 1], "SAME")
    assert plan_kinds(made([y], [x])) == ["_FusedSeparableConv2D"]
    feed = {x: np.random.RandomState(1).rand(1, 6, 6, 4)}
    with tf.Session() as fused, tf.Session(config=plain_config()) as unfused:
        np.testing.assert_allclose(fused.run(y, feed), unfused.run(y, feed), rtol=1e-5)


def test_a_separable_chain_stays_in_its_order():
    """A residual around two of them; what is between the parts of the second is that of the first no more."""
    x = tf.placeholder(tf.float32, [1, 28, 30, 8])
    _, first = separable(x, filters=8)
    _, second = separable(first, filters=8)
    y = second + first
    assert sorted(plan_kinds(made([y], [x])))[-2:] == ["_FusedSeparableConv2D"] * 2
    feed = {x: np.random.RandomState(1).randn(1, 28, 30, 8)}
    with tf.Session() as fused, tf.Session(config=plain_config()) as unfused:
        np.testing.assert_allclose(fused.run(y, feed), unfused.run(y, feed), rtol=1e-5, atol=1e-5)


def test_what_is_between_and_has_other_users_stays():
    x = tf.placeholder(tf.float32, [1, 28, 30, 8])
    h, y = separable(x, filters=8)
    kept = ["_FusedDepthwiseConv2dNative", "_FusedConv2D"]
    assert plan_kinds(made([y, h], [x])) == kept                               # it is fetched
    assert plan_kinds(made([y, tf.tanh(h)], [x]))[:1] == kept[:1]              # a second consumer
    w = tf.constant(np.random.RandomState(2).randn(1, 1, 8, 8).astype(np.float32))
    own = tf.nn.relu(tf.nn.conv2d(h, w, [1, 1, 1, 1], "SAME") + h)             # the residual of its own product
    assert "_FusedSeparableConv2D" not in plan_kinds(made([own], [x]))
    feed = {x: np.random.RandomState(1).randn(1, 28, 30, 8)}
    with tf.Session() as fused, tf.Session(config=plain_config()) as unfused:
        for got, truth in zip(fused.run([y, h, own], feed), unfused.run([y, h, own], feed), strict=True):
            np.testing.assert_allclose(got, truth, rtol=1e-5, atol=1e-5)


def test_what_is_waited_for_between_stays():
    """An assignment waits for the depthwise part; the pointwise part reads what it assigned."""
    x = tf.placeholder(tf.float32, [1, 6, 6, 4])
    p = tf.Variable(np.ones([1, 1, 4, 2], np.float32))
    h = tf.nn.depthwise_conv2d(x, tf.constant(np.ones([3, 3, 4, 1], np.float32)), [1, 1, 1, 1], "SAME")
    with tf.control_dependencies([h]):
        twice = tf.assign(p, 2 * p)
    with tf.control_dependencies([twice]):
        y = tf.nn.conv2d(h, p, [1, 1, 1, 1], "SAME")
    with tf.Session() as session:
        session.run(p.initializer)
        got = session.run(y, {x: np.ones((1, 6, 6, 4))})
    assert got[0, 2, 2, 0] == 9 * 4 * 2


def test_other_convolutions_after_a_depthwise_one_stay_apart():
    x = tf.placeholder(tf.float32, [1, 6, 6, 4])
    h = tf.nn.depthwise_conv2d(x, tf.constant(np.ones([3, 3, 4, 1], np.float32)), [1, 1, 1, 1], "SAME")
    w, p = tf.constant(np.ones([3, 3, 4, 2], np.float32)), tf.constant(np.ones([1, 1, 4, 2], np.float32))
    border = [[0, 0], [1, 1], [1, 1], [0, 0]]
    for y in (tf.nn.conv2d(h, w, [1, 1, 1, 1], "SAME"), tf.nn.conv2d(h, p, [1, 2, 2, 1], "SAME"),
              tf.nn.conv2d(h, p, [1, 1, 1, 1], border)):
        assert plan_kinds(made([y], [x])) == ["DepthwiseConv2dNative", "Conv2D"]


# --- memory ---------------------------------------------------------------------------------------------

def test_no_two_live_values_share_memory():
    random = np.random.RandomState(0)
    x = tf.placeholder(tf.float32, [16, 16])
    values = [x]
    for _ in range(60):
        a, b = (values[random.randint(len(values))] for _ in range(2))
        values.append(tf.matmul(a, b) if random.rand() < 0.5 else tf.maximum(a, tf.transpose(b)))
    plan = made(values[-5:], [x])
    alive = {}
    for node in plan.nodes:
        for value in node.outputs:
            if value.storage.kind == memory.ARENA:
                alive[id(value.storage.payload)] = value.storage.payload
    pieces = list(alive.values())
    assert len(pieces) > 5
    for i, a in enumerate(pieces):
        for b in pieces[i + 1:]:
            apart = a.end < b.start or b.end < a.start
            assert apart or a.offset + a.nbytes <= b.offset or b.offset + b.nbytes <= a.offset


def diamond():
    """A value that is taken twice, in between by a kernel that could overwrite it."""
    x = tf.placeholder(tf.float32, [64, 64])
    a = tf.matmul(x, x)
    return made([tf.matmul(tf.exp(a), a)], [x])


def test_the_check_finds_bytes_that_two_live_values_share(monkeypatch):
    def all_at_the_beginning(allocations):
        for allocation in allocations:
            allocation.offset = 0
        return {a.device: 1 << 20 for a in allocations}
    diamond()
    monkeypatch.setattr(memory, "_assign_offsets", all_at_the_beginning)
    with pytest.raises(PlanError, match=r"memory: Exp.*:0 \(bytes 0 to 16384, .*\) and MatMul.*:0 \(.* overlap in"):
        diamond()


def test_the_check_finds_an_input_that_is_overwritten_too_early(monkeypatch):
    def greedy(value, node, ends, nbytes, device):
        found = [v.storage.payload for v in node.inputs if v.storage.kind == memory.ARENA]
        return found[0] if found and node.op_type == "Exp" else None
    monkeypatch.setattr(memory, "_in_place", greedy)
    with pytest.raises(PlanError, match="Exp.*:0 .* and MatMul.*:0 .* overlap in"):
        diamond()


def test_the_check_finds_bytes_outside_of_the_arena(monkeypatch):
    monkeypatch.setattr(memory, "_assign_offsets", lambda allocations, real=memory._assign_offsets:
                        {device: nbytes - 64 for device, nbytes in real(allocations).items()})
    with pytest.raises(PlanError, match="lies outside of the arena of"):
        diamond()


def test_the_check_finds_an_alias_that_sees_too_much():
    x = tf.placeholder(tf.float32, [4, 6])
    plan = made([tf.matmul(tf.reshape(x, [6, 4]), x)], [x])
    (reshaped,) = [v for n in plan.nodes for v in n.outputs if v.base is not None]
    check.check_layout(plan)
    reshaped.shape = (7, 4)
    with pytest.raises(PlanError, match="Reshape.*:0 is seen in the bytes of"):
        check.check_layout(plan)


def test_the_check_finds_steps_that_do_not_find_their_values():
    plan = diamond()
    step = next(s for s in plan.steps if s.node.op_type == "Exp")
    for kind, text in (memory.OBJECT, "runs in C, but .* is a Python object"), (memory.CONST, "writes .* a constant"):
        step.outputs[0].storage = memory.Storage(kind, 0)
        with pytest.raises(PlanError, match=text):
            check.check_steps(plan.steps)
    step.outputs[0].storage = None
    with pytest.raises(PlanError, match="has no storage"):
        check.check_steps(plan.steps)


def test_the_arena_is_smaller_than_the_sum_of_values():
    x = y = tf.placeholder(tf.float32, [64, 64])
    for _ in range(20):
        y = tf.matmul(y, x)
    plan = made([y], [x])
    assert sum(plan.arena_bytes.values()) <= 3 * 64 * 64 * 4


def test_a_reshape_costs_no_step():
    x = tf.placeholder(tf.float32, [4, 6])
    plan = made([tf.matmul(tf.reshape(x, [6, 4]), x)], [x])
    assert plan_kinds(plan) == ["MatMul"]


# --- copies and the check -----------------------------------------------------------------------------------

def test_the_check_finds_a_broken_order():
    x = tf.placeholder(tf.float32, [3])
    ir = prune([tf.sin(tf.cos(x))], [x])
    ir.nodes.reverse()
    with pytest.raises(PlanError, match="is not made before it"):
        ir.check("a test")


def test_a_cycle_is_refused():
    a = tf.constant(1.0)
    b = tf.square(a)
    c = tf.square(b)
    b.op._add_control_input(c.op)
    with pytest.raises(ValueError, match="cycle"):
        prune([c], [])


def test_sorted_nodes_prefers_the_order_of_the_program():
    x = tf.placeholder(tf.float32, [3])
    ir = prune([tf.add(tf.sin(x), tf.cos(x))], [x])
    assert sorted_nodes(list(reversed(ir.nodes))) == ir.nodes


def test_a_fetch_costs_no_copy_where_a_kernel_makes_it():
    x = tf.placeholder(tf.float32, [3, 3])
    steps = made([tf.matmul(x, x)], [x]).steps
    assert [s.node.op_type for s in steps] == ["MatMul"] and FETCH not in plan_kinds(made([tf.matmul(x, x)], [x]))
    assert COPY not in [s.node.op_type for s in steps]


# --- what may be in a region ----------------------------------------------------------------------------

# What the list that was kept by hand had.
LISTED = set("""Add AddV2 Sub Mul RealDiv Div Maximum Minimum SquaredDifference Neg Abs Square Sqrt Rsqrt Reciprocal
Inv Exp Log Log1p Expm1 Tanh Sigmoid Relu Relu6 Elu Softplus ReluGrad Relu6Grad EluGrad SigmoidGrad
TanhGrad SqrtGrad RsqrtGrad Pow LeakyRelu LeakyReluGrad""".split())
DTYPES = [tf.float32, tf.float64]


def region_ops(dtype):
    """The ops that may be in a region of the CPU: by their declarations, if it has loops."""
    placement = Placement(tf.ConfigProto())
    return {name for name, declaration in REGISTRY.items() if fuse.may_be_in_region(declaration)
            and placement.fuses(placement.host.name, "_Region", dtype, name)}


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.name)
def test_a_region_holds_what_works_element_by_element_in_one_type(dtype):
    found = region_ops(dtype)
    assert LISTED | {"Sin", "Floor", "Selu", "SeluGrad", "SoftplusGrad", "Xlogy", "Erf"} <= found
    loops = {op for op, number in supported() if number == dtype.as_datatype_enum}
    same = {op for op in loops if not op.startswith("Is") and REGISTRY[op].outputs[0].letter} - {"Select"}
    assert found == same                                       # comparisons give another type
    assert not found & {"Less", "ApproximateEqual", "Select", "AddN", "Cast", "Identity", "Softmax", "Lgamma"}


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.name)
@pytest.mark.parametrize("op_type", sorted(region_ops(tf.float32)))
def test_an_op_gives_the_same_bits_in_a_region(op_type, dtype):
    op, rng = REGISTRY[op_type], np.random.default_rng(3)
    attrs = {"alpha": 0.25} if op.attributes else {}
    values = [rng.normal(0, 2, 50).astype(dtype.np) for _ in op.inputs]
    operands = [tf.placeholder(dtype, [50]) for _ in op.inputs]
    y = op(*operands, **attrs)
    z = tf.negative(y)
    assert plan_kinds(made([z], operands)) == ["_Region"]
    with tf.Session() as session:
        feed = dict(zip(operands, values))
        alone, inside = session.run(y, feed), session.run(z, feed)
    np.testing.assert_array_equal(-alone, inside)
