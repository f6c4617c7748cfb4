"""Steps that the plans of training fuse: which nodes, and the same numbers as without; the IR is checked."""
import collections

import numpy as np
import pytest

import thalweg as tf
from thalweg.devices.placement import Placement
from thalweg.framework import flags
from thalweg.framework.declaration import REGISTRY
from thalweg.plan import bind, pipeline


@pytest.fixture(autouse=True)
def checked_fresh_graph(monkeypatch):
    monkeypatch.setattr(flags, "CHECK", 1)
    tf.reset_default_graph()


def plan_of(fetches, feeds=()):
    template = pipeline.make_template(tuple(fetches), tuple(feeds), Placement(tf.ConfigProto()))
    return pipeline.specialise(template, [None] * len(feeds), {})


def steps_of(fetches, feeds=()):
    """Op type -> how many steps of the plan run one."""
    steps = plan_of(fetches, feeds).steps
    return collections.Counter(s.node.op_type for s in steps if s.kind in (bind.KERNEL, bind.PYTHON))


def numbers(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(np.float32)


def assert_same_bits(fetches, feed):
    """Runs the fetches with and without the optimizer, in one and three threads."""
    plain = tf.ConfigProto()
    plain.graph_options.optimizer_options.opt_level = -1
    configs = [plain, tf.ConfigProto(intra_op_parallelism_threads=1), tf.ConfigProto(intra_op_parallelism_threads=3)]
    results = []
    for config in configs:
        with tf.Session(config=config) as session:
            session.run(tf.global_variables_initializer())
            results.append(session.run(fetches, feed))
    for other in results[1:]:
        for y, truth in zip(other, results[0], strict=True):
            np.testing.assert_array_equal(y, truth)


def norm(x, seed, data_format="NHWC"):
    """Batch norm with variables of its own: y, mean, variance."""
    channels = int(x.get_shape()[1 if data_format == "NCHW" else -1])
    scale, offset = (tf.Variable(numbers(channels, seed=seed + i)) for i in range(2))
    return tf.nn.fused_batch_norm(x, scale, offset, epsilon=1e-3, data_format=data_format)


def conv(x, filters, seed):
    channels = int(x.get_shape()[-1])
    return tf.nn.conv2d(x, tf.Variable(0.3 * numbers(1, 1, channels, filters, seed=seed)), [1, 1, 1, 1], "SAME")


def loss_of(y):
    return tf.reduce_sum(y * tf.constant(numbers(*y.get_shape().as_list(), seed=9)))


def gradients(y, *also):
    """Gradients of a loss of y with respect to all variables and `also`."""
    return tf.gradients(loss_of(y), [*tf.trainable_variables(), *also])


APART = {"Add", "AddV2", "AddN", "Relu", "Relu6", "ReluGrad", "Relu6Grad", "FusedBatchNormV3", "FusedBatchNormGradV3",
         "_Region"}
SHAPE = (3, 6, 7, 12)


def images(*shape):
    return tf.placeholder(tf.float32, shape or SHAPE, name="x")


# --- normalisation and activation -----------------------------------------------------------------------

@pytest.mark.parametrize("activation", [tf.nn.relu, tf.nn.relu6])
@pytest.mark.parametrize("channels", [1, 5, 32, 131])
def test_an_activation_joins_normalisation_and_its_gradient_that_of_normalisation(activation, channels):
    x = images(3, 6, 7, channels)
    y = activation(norm(x, 1)[0])
    found = [y, *tf.gradients(y * y, [*tf.trainable_variables(), x])]
    steps = steps_of(found, [x])
    assert steps["_FusedBatchNormEx"] == steps["_FusedBatchNormGradEx"] == 1
    assert not (APART - {"_Region"}) & set(steps)
    assert_same_bits(found, {x: 5 * numbers(3, 6, 7, channels) + 1})


@pytest.mark.parametrize("op_type", ["FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"])
def test_every_version_of_normalisation_is_fused(op_type):
    x, scale, offset = images(), tf.constant(numbers(12)), tf.constant(numbers(12, seed=1))
    empty = tf.constant([], tf.float32)
    op = REGISTRY[op_type](x, scale, offset, empty, empty, epsilon=1e-3)
    y = tf.nn.relu(op[0])
    found = [y, op[1], op[4], *gradients(y, x, scale, offset)]
    assert not APART & set(steps_of(found, [x]))
    assert_same_bits(found, {x: numbers(*SHAPE)})


def test_reserve_space_3_stays_zero_where_somebody_asks():
    x, vector, empty = images(), tf.constant(numbers(12)), tf.constant([], tf.float32)
    op = REGISTRY["FusedBatchNormV3"](x, vector, vector, empty, empty)
    found = [tf.nn.relu(op[0]), op[5]]
    assert steps_of(found, [x])["_FusedBatchNormEx"] == 1
    assert_same_bits(found, {x: numbers(*SHAPE)})


def test_statistics_may_be_used_and_fetched():
    x = images()
    y, mean, variance = norm(x, 1)
    average = tf.Variable(tf.zeros([12]), trainable=False)
    y = tf.nn.relu(y)
    found = [y, mean, variance, average.assign_sub((average - mean) * 0.1), *gradients(y, x)]
    assert steps_of(found, [x])["_FusedBatchNormEx"] == 1
    assert_same_bits(found, {x: numbers(*SHAPE)})


def test_a_normalised_value_that_is_fetched_or_used_elsewhere_stays():
    x = images()
    normal = norm(x, 1)[0]
    y = tf.nn.relu(normal)
    for found in ([y, normal], [y, tf.tanh(normal)]):
        assert steps_of(found, [x])["FusedBatchNormV3"] == 1
        assert_same_bits([*found, *gradients(y, x)], {x: numbers(*SHAPE)})
    steps = steps_of([normal, *gradients(y, x)], [x])          # the gradient then asks the activation's output
    assert steps["FusedBatchNormV3"] == steps["_FusedBatchNormGradEx"] == 1


def test_the_activations_gradient_can_be_fetched():
    x = images()
    normal = norm(x, 1)[0]
    y = tf.nn.relu(normal)
    found = [*tf.gradients(loss_of(y), [normal, *tf.trainable_variables(), x]), y]
    assert not APART & set(steps_of(found, [x]))
    assert_same_bits(found, {x: numbers(*SHAPE)})


@pytest.mark.parametrize("count", [2, 3, 4])
@pytest.mark.parametrize("channels", [12, 131])
def test_gradients_that_meet_at_the_activation_are_added_in_the_step(channels, count):
    x = images(2, 5, 7, channels)
    y = tf.nn.relu(norm(x, 1)[0])
    found = [*gradients(tf.concat([conv(y, 4, seed=i) for i in range(count)], 3), x), y]
    steps = steps_of(found, [x])
    assert steps["_FusedBatchNormGradEx"] == 1 and not APART & set(steps)
    assert_same_bits(found, {x: numbers(2, 5, 7, channels)})


def test_more_gradients_than_one_step_takes_are_added_before():
    x = images()
    y = tf.nn.relu(norm(x, 1)[0])
    found = gradients(tf.concat([conv(y, 1, seed=i) for i in range(9)], 3), x)
    steps = steps_of(found, [x])
    assert steps["AddN"] == steps["_FusedBatchNormGradEx"] == 1
    assert_same_bits(found, {x: numbers(*SHAPE)})


# --- residuals ------------------------------------------------------------------------------------------

def bottleneck(x, seed, project, activation=tf.nn.relu):
    shortcut = norm(conv(x, 12, seed), seed)[0] if project else x
    h = activation(norm(conv(x, 5, seed + 1), seed + 1)[0])
    return activation(norm(conv(h, 12, seed + 2), seed + 2)[0] + shortcut)


@pytest.mark.parametrize("activation", [tf.nn.relu, tf.nn.relu6])
def test_residual_blocks(activation):
    x = images()
    y = bottleneck(bottleneck(bottleneck(x, 1, True, activation), 4, False, activation), 7, False, activation)
    found = [y, *gradients(y, x)]
    steps = steps_of(found, [x])
    assert steps["_FusedBatchNormEx"] == steps["_FusedBatchNormGradEx"] == 6
    assert steps["FusedBatchNormV3"] == steps["FusedBatchNormGradV3"] == 1       # of the projection
    assert steps["Add"] == 1 and not (APART - {"FusedBatchNormV3", "FusedBatchNormGradV3", "Add"}) & set(steps)
    assert_same_bits(found, {x: numbers(*SHAPE)})


def test_both_results_of_a_block_lie_where_its_gradients_and_its_product_lay():
    x = images()
    y = bottleneck(bottleneck(x, 1, False), 4, False)
    plan = plan_of(gradients(y, x), [x])
    node = next(n for n in plan.nodes if n.op_type == "_FusedBatchNormGradEx" and n.attrs["num_addends"] == 2)
    dx, g, *_ = [v.storage.payload for v in node.outputs]
    assert g in [v.storage.payload for v in node.inputs[:2]] and dx is node.inputs[2].storage.payload


def test_training_steps_agree():
    x = images()
    y = bottleneck(bottleneck(x, 1, True), 4, False)
    loss = loss_of(y)
    updates = [v.assign_sub(0.01 * g) for v, g in zip(tf.trainable_variables(),
                                                      tf.gradients(loss, tf.trainable_variables()))]
    step = tf.group(*updates)
    feed, losses = {x: numbers(*SHAPE)}, []
    for level in (-1, 0):
        config = tf.ConfigProto()
        config.graph_options.optimizer_options.opt_level = level
        with tf.Session(config=config) as session:
            session.run(tf.global_variables_initializer())
            for _ in range(3):
                session.run(step, feed)
            losses.append(session.run([loss, *tf.trainable_variables()], feed))
    for plain, fused in zip(*losses):
        np.testing.assert_array_equal(plain, fused)


def test_a_sum_without_activation_joins_normalisation():
    x = images()
    y = norm(conv(x, 12, 1), 1)[0] + x
    assert steps_of([y], [x])["_FusedBatchNormEx"] == 1
    assert_same_bits([y, *gradients(y, x)], {x: numbers(*SHAPE)})


def test_a_residual_that_needs_the_statistics_is_left_alone():
    x = images()
    normal, mean, _ = norm(x, 1)
    y = tf.nn.relu(normal + tf.matmul(tf.ones([1, 126]), tf.reshape(mean * x, [126, 12])) * tf.ones_like(x))
    assert steps_of([y], [x])["FusedBatchNormV3"] == 1
    assert_same_bits([y, *gradients(y, x)], {x: numbers(*SHAPE)})


def test_a_fused_residual_that_needs_the_statistics_is_left_alone():
    x = images()
    normal, mean, _ = norm(x, 1)
    y = tf.nn.relu(normal + tf.nn.relu(norm(x * mean, 4)[0]))
    steps = steps_of([y], [x])
    assert steps["FusedBatchNormV3"] == steps["_FusedBatchNormEx"] == 1
    assert_same_bits([y, *gradients(y, x)], {x: numbers(*SHAPE)})


def test_a_residual_that_waits_for_the_normalisation_is_left_alone():
    x = images()
    normal = norm(x, 1)[0]
    with tf.control_dependencies([normal]):
        later = tf.identity(x) * 2.0
    y = tf.nn.relu(normal + later)
    assert_same_bits([y, *gradients(y, x)], {x: numbers(*SHAPE)})


# --- biases ---------------------------------------------------------------------------------------------

@pytest.mark.parametrize("activation", [tf.nn.relu, tf.nn.relu6])
@pytest.mark.parametrize("channels", [3, 32, 131])
def test_the_gradients_of_bias_and_activation_are_one_step(activation, channels):
    x = images()
    y = activation(tf.nn.bias_add(conv(x, channels, 1), tf.Variable(numbers(channels))))
    size = 3 * 3 * 4 * channels
    y = tf.reshape(tf.nn.avg_pool(y, [1, 2, 2, 1], [1, 2, 2, 1], "SAME"), [3, size // 3])
    weights, bias = tf.Variable(numbers(size // 3, 7)), tf.Variable(numbers(7, seed=1))
    hidden = activation(tf.nn.bias_add(tf.matmul(y, weights), bias))
    y = tf.matmul(hidden, tf.Variable(numbers(7, 4)))
    found = [y, *gradients(y, x)]
    steps = steps_of(found, [x])
    assert steps["_FusedBiasAddGrad"] == 2 and not {"ReluGrad", "Relu6Grad", "BiasAddGrad", "_Region"} & set(steps)
    assert_same_bits(found, {x: numbers(*SHAPE)})


def test_the_bias_of_float64():
    x = tf.placeholder(tf.float64, SHAPE)
    g = REGISTRY["Relu6Grad"](x, tf.reverse(x, [1]) * 6.0)
    found = [g, REGISTRY["BiasAddGrad"](g)]
    assert steps_of(found, [x])["_FusedBiasAddGrad"] == 1
    assert_same_bits(found, {x: numbers(*SHAPE)})


def pooled(x, activation, size, stride, padding):
    """Activation, pool, and the gradients of a loss with respect to what the activation took, and its sums."""
    features = activation(x)
    y = tf.nn.max_pool(features, [1, size, size, 1], [1, stride, stride, 1], padding)
    g, = tf.gradients(loss_of(y), x)
    return y, g, REGISTRY["BiasAddGrad"](g)


@pytest.mark.parametrize("activation, op_type", [(tf.nn.relu, "ReluGrad"), (tf.nn.relu6, "Relu6Grad")])
@pytest.mark.parametrize("size, stride, padding", [(2, 2, "VALID"), (3, 2, "SAME"), (3, 1, "SAME"), (2, 3, "VALID")])
def test_an_activations_gradient_comes_before_that_of_a_pool(activation, op_type, size, stride, padding):
    x = images()
    y, g, sums = pooled(x * 3.0, activation, size, stride, padding)
    nodes = plan_of([y, g, sums], [x]).nodes
    fused = next(n for n in nodes if n.op_type == "_FusedBiasAddGrad")
    assert fused.outputs[0].shape == tuple(y.get_shape().as_list()) and op_type not in [n.op_type for n in nodes]
    feed = {x: np.round(numbers(*SHAPE), 1)}                   # with equal maxima
    assert_same_bits([y, g], feed)
    with tf.Session() as session:
        g, sums = session.run([g, sums], feed)
    np.testing.assert_allclose(sums, g.astype(np.float64).sum((0, 1, 2)), rtol=1e-5, atol=1e-5)


def test_a_pools_gradient_that_is_used_or_is_of_other_maxima_is_not_swapped():
    x = images()
    features, window = tf.nn.relu(x), {"ksize": [1, 2, 2, 1], "strides": [1, 2, 2, 1], "padding": "SAME"}
    y = REGISTRY["MaxPool"](features, **window)
    dy = tf.reverse(y, [2])
    apart = REGISTRY["MaxPoolGrad"](features, y, dy, **window)
    other = REGISTRY["MaxPoolGrad"](features, y * 2.0 - 1.0, dy, **window)
    for scattered, also in ((apart, [apart]), (other, [])):
        g = REGISTRY["ReluGrad"](scattered, features)
        found = [g, REGISTRY["BiasAddGrad"](g), *also]
        fused = next(n for n in plan_of(found, [x]).nodes if n.op_type == "_FusedBiasAddGrad")
        assert fused.outputs[0].shape == SHAPE
        assert_same_bits(found, {x: numbers(*SHAPE)})


def test_an_activations_gradient_in_a_region_stays_there():
    x = images()
    g = REGISTRY["ReluGrad"](tf.tanh(x * 2.0), x)
    found = [g, REGISTRY["BiasAddGrad"](g)]
    assert steps_of(found, [x]) == {"_Region": 1, "BiasAddGrad": 1}
    assert_same_bits(found, {x: numbers(*SHAPE)})


def test_the_gradient_of_a_bias_alone_stays_so():
    x = images()
    found = [REGISTRY["BiasAddGrad"](x)]
    assert steps_of(found, [x]) == {"BiasAddGrad": 1}
    assert_same_bits(found, {x: numbers(*SHAPE)})


def test_the_bias_of_channels_first_stays_apart():
    x = images()
    g = REGISTRY["ReluGrad"](x, tf.reverse(x, [1]))
    found = [g, REGISTRY["BiasAddGrad"](g, data_format="NCHW")]
    assert steps_of(found, [x])["BiasAddGrad"] == 1
    assert_same_bits(found, {x: numbers(*SHAPE)})


# --- what is not fused ----------------------------------------------------------------------------------

def test_channels_first_stays_apart():
    x = images(2, 5, 3, 4)
    y = tf.nn.relu(norm(x, 1, "NCHW")[0])
    found = [y, *gradients(y, x)]
    steps = steps_of(found, [x])
    assert steps["FusedBatchNormV3"] == steps["FusedBatchNormGradV3"] == 1
    assert_same_bits(found, {x: numbers(2, 5, 3, 4)})


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16])
def test_sixteen_bits_are_fused_as_float32_is_and_round_once(dtype):
    feed, residual, placeholders = numbers(*SHAPE), numbers(*SHAPE, seed=3), {}

    def built(dtype):
        x, r = placeholders[dtype] = [tf.cast(images(), dtype) for _ in range(2)]
        y = tf.nn.relu(norm(x, 1)[0] + r)
        return [tf.cast(v, tf.float32) for v in (y, *tf.gradients(y * y, [x, *tf.trainable_variables()[-2:]]))]
    small, large = built(dtype), built(tf.float32)
    steps = steps_of(small, placeholders[dtype])
    assert steps["_FusedBatchNormEx"] == steps["_FusedBatchNormGradEx"] == 1 and not APART & set(steps) - {"_Region"}
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        v = session.run(tf.global_variables())
        same = dict(zip(tf.global_variables()[2:], v[:2]))
        found = session.run(small, dict(zip(placeholders[dtype], (feed, residual))))
        truth = session.run(large, {**dict(zip(placeholders[tf.float32], (feed, residual))), **same})
    unit = 2.0**-11 if dtype is tf.float16 else 2.0**-8
    for y, z in zip(found, truth, strict=True):
        np.testing.assert_allclose(y, z, rtol=0, atol=8 * unit * np.abs(z).max())


def test_unknown_shapes_stay_apart_until_they_are_fed():
    x = tf.placeholder(tf.float32, [None, None, None, 12])
    y = tf.nn.relu(norm(x, 1)[0])
    found = [y, *tf.gradients(y, x)]
    assert not any(op.startswith("_FusedBatchNorm") for op in steps_of(found, [x]))
    assert_same_bits(found, {x: numbers(*SHAPE)})


def test_inference_has_its_own_gradient():
    x = images()
    vectors = [tf.constant(np.abs(numbers(12, seed=i))) for i in range(4)]
    y = tf.nn.relu(tf.nn.fused_batch_norm(x, *vectors, is_training=False)[0])
    found = [y, *tf.gradients(y, [x, *vectors[:2]])]
    assert steps_of(found, [x])["FusedBatchNormGradV3"] == 1
    assert_same_bits(found, {x: numbers(*SHAPE)})


# --- orders that the program asks for -------------------------------------------------------------------

def test_what_waits_for_a_fused_gradient_still_does():
    x = images()
    normal = norm(x, 1)[0]
    y = tf.nn.relu(normal)
    g, dx = tf.gradients(loss_of(y), [normal, x])
    counter = tf.Variable(0.0, trainable=False)
    with tf.control_dependencies([g]):
        first = counter.assign_add(1.0)
    with tf.control_dependencies([first]):
        second = tf.identity(dx)
    assert_same_bits([second, first, y], {x: numbers(*SHAPE)})


def test_a_feature_that_waits_for_the_sum_of_gradients_is_left_alone():
    x = images()
    dy = tf.add_n([x * 2.0, x * 3.0, x * 5.0])
    with tf.control_dependencies([dy]):
        features = tf.identity(x) * 1.5
    g = REGISTRY["ReluGrad"](dy, features)
    one = tf.constant(np.ones(12, np.float32))
    found = REGISTRY["FusedBatchNormGrad"](g, x, one, one, one)[:3]
    assert steps_of(found, [x])["AddN"] == 1
    assert_same_bits(found, {x: numbers(*SHAPE)})


def test_statistics_that_come_after_the_activations_gradient_are_waited_for():
    x = images()
    g = REGISTRY["ReluGrad"](x * 2.0, x)
    mean = tf.reduce_mean(g, [0, 1, 2])
    one = tf.constant(np.ones(12, np.float32))
    found = REGISTRY["FusedBatchNormGrad"](g, x, one, mean, one)[:3]
    assert steps_of(found, [x])["FusedBatchNormGrad"] == 1
    assert_same_bits(found, {x: numbers(*SHAPE)})


def test_variables_are_read_where_the_program_reads_them():
    """The normalisation's gradient takes the scale, which is written between the two gradients."""
    x = images()
    scale = tf.Variable(numbers(12))
    one = tf.constant(np.ones(12, np.float32))
    g = REGISTRY["ReluGrad"](x * 2.0, x)
    with tf.control_dependencies([g]):
        write = scale.assign(one * 3.0)
    with tf.control_dependencies([write]):
        found = REGISTRY["FusedBatchNormGrad"](g, x, scale, one, one)[:3]
    assert_same_bits(found, {x: numbers(*SHAPE)})
