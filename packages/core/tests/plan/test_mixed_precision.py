"""Plans whose products are computed in 16 bits: the types of values, where they are converted, on which devices.

The IR is checked after every pass.
"""
import collections

import numpy as np
import pytest

import thalweg as tf
from thalweg import devices
from thalweg.devices import DevicePlugin
from thalweg.devices.placement import Placement
from thalweg.devices.reference import ReferenceDevice
from thalweg.framework import flags
from thalweg.framework.declaration import REGISTRY
from thalweg.plan import bind, mixed_precision, pipeline

HALVES = [tf.float16, tf.bfloat16]


@pytest.fixture(autouse=True)
def checked_fresh_graph(monkeypatch):
    monkeypatch.setattr(flags, "CHECK", 1)
    tf.reset_default_graph()


def steps_of(fetches, feeds=(), dtype=tf.float16, only_where_faster=False, optimize=True):
    """The steps of a plan that compute, in order: nodes."""
    placement = Placement(tf.ConfigProto())
    template = pipeline.make_template(tuple(fetches), tuple(feeds), placement, optimize)
    plan = pipeline.specialise(template, [None] * len(feeds), {}, None, (dtype, only_where_faster))
    return [s.node for s in plan.steps if s.kind in (bind.KERNEL, bind.PYTHON)]


def types(node):
    """The types of a node's inputs and outputs, integers left out, as a text."""
    names = [[v.dtype.name for v in values if v.dtype.is_floating] for values in (node.inputs, node.outputs)]
    return " ".join(names[0]) + " -> " + " ".join(names[1])


def types_by_op(nodes):
    found = collections.defaultdict(list)
    for node in nodes:
        found[node.op_type].append(types(node))
    return dict(found)


def of_type(nodes, op_type):
    return [n for n in nodes if n.op_type == op_type]


def numbers(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(np.float32)


def variable(*shape, seed=0, scale=0.3):
    return tf.Variable(scale * numbers(*shape, seed=seed))


def image_classifier():
    """A training step: convolution, batch norm, relu, pool, convolution, batch norm, residual, relu, mean, product."""
    x = tf.placeholder(tf.float32, [8, 12, 12, 3], name="x")
    labels = tf.placeholder(tf.int64, [8], name="labels")
    h = tf.nn.max_pool(_unit(x, 3, 16, 1), [1, 2, 2, 1], [1, 2, 2, 1], "SAME")
    h = _unit(h, 16, 16, 2, residual=h)
    logits = tf.nn.bias_add(tf.matmul(tf.reduce_mean(h, [1, 2]), variable(16, 5, seed=3)), variable(5, seed=4))
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
    trained = tf.trainable_variables()
    step = tf.group(*[tf.assign_sub(v, 0.1 * g) for v, g in zip(trained, tf.gradients(loss, trained))])
    return loss, step, [x, labels]


def _unit(x, channels, filters, seed, residual=None):
    y = tf.nn.conv2d(x, variable(3, 3, channels, filters, seed=seed), [1, 1, 1, 1], "SAME")
    y = tf.nn.fused_batch_norm(y, tf.Variable(tf.ones([filters])), tf.Variable(tf.zeros([filters])))[0]
    return tf.nn.relu(y if residual is None else y + residual)


# --- a training step ------------------------------------------------------------------------------------

@pytest.mark.parametrize("dtype", HALVES)
def test_what_a_training_step_computes_in_which_type(dtype):
    loss, step, feeds = image_classifier()
    nodes = steps_of([loss, step], feeds, dtype)
    small, found = dtype.name, types_by_op(nodes)
    statistics = " ".join(["float32"] * 7)
    assert found["Conv2D"] == [f"{small} {small} -> {small}"] * 2
    assert found["Conv2DBackpropFilter"] == [f"{small} {small} -> {small}"] * 2
    assert found["Conv2DBackpropInput"] == [f"{small} {small} -> {small}"]
    assert found["MatMul"] == [f"{small} {small} -> {small}"] * 3
    assert found["_FusedBatchNormEx"] == [f"{small} float32 float32 -> {small} {statistics}",
                                          f"{small} float32 float32 {small} -> {small} {statistics}"]
    assert all(t.endswith("-> " + f"{small} " * (1 + side) + "float32 float32")
               for t, side in zip(found["_FusedBatchNormGradEx"], (1, 0), strict=True))
    assert found["MaxPool"] == [f"{small} -> {small}"]
    assert found["MaxPoolGrad"] == [f"{small} {small} {small} -> {small}"]
    for op_type in ("Mean", "SparseSoftmaxCrossEntropyWithLogits", "BiasAdd", "BiasAddGrad", "AssignSub"):
        assert all(small not in t for t in found[op_type]), op_type


def test_a_training_step_converts_no_more_than_it_has_to():
    loss, step, feeds = image_classifier()
    casts = [(n.inputs[0].node.name, n.attrs["DstT"].name) for n in of_type(steps_of([loss, step], feeds), "Cast")]
    down = [name for name, dtype in casts if dtype == "float16"]
    up = [name for name, dtype in casts if dtype == "float32"]
    # the images, three weights, the mean of the features and the gradient of the logits
    assert len(down) == 6 and len(set(down)) == 6 and sum(name.endswith("/read") for name in down) == 3
    # the features before their mean, the logits before the loss, the gradients of three weights
    assert len(up) == 5 and len(set(up)) == 5


@pytest.mark.parametrize("dtype", HALVES)
def test_losses_of_a_training_step_are_those_of_float32_nearly(dtype):
    loss, step, feeds = image_classifier()
    fed = dict(zip(feeds, (numbers(8, 12, 12, 3), np.arange(8) % 5)))
    curves = {}
    for name in ("", "float32", dtype):
        with tf.Session(config=tf.ConfigProto(compute_type=name)) as session:
            session.run(tf.global_variables_initializer())
            curves[name] = [session.run([loss, step], fed)[0] for _ in range(20)]
            assert {v.dtype.base_dtype for v in tf.global_variables()} == {tf.float32}
            assert all(value.dtype == np.float32 for value in session.run(tf.global_variables()))
    assert curves["float32"] == curves[""] and curves[""][-1] < 0.6 * curves[""][0]
    assert curves[dtype] != curves[""]
    np.testing.assert_allclose(curves[dtype], curves[""], rtol=1e-3 if dtype is tf.float16 else 6e-3)


# --- which nodes are painted ----------------------------------------------------------------------------

def test_the_lists_name_ops_that_there_are_and_share_none():
    lists = [mixed_precision.ALLOW, mixed_precision.INFER, mixed_precision.DENY, mixed_precision.CLEAR]
    assert not [name for names in lists for name in names if name not in REGISTRY]
    assert len(set().union(*lists)) == sum(map(len, lists))


def test_what_follows_a_loss_stays_in_float32():
    x, w = tf.placeholder(tf.float32, [4, 4]), tf.constant(numbers(4, 4))
    y = tf.matmul(x, w)
    z = tf.matmul(tf.tanh(tf.exp(y)), w)
    found = types_by_op(steps_of([tf.matmul(tf.tanh(y), w), z], [x]))
    assert found["MatMul"] == ["float16 float16 -> float16"] * 3
    assert found["Tanh"] == ["float16 -> float16"] and found["_Region"] == ["float32 -> float32"]     # of Exp and Tanh


def test_what_lies_on_one_side_of_a_product_only_stays_in_float32():
    x = tf.placeholder(tf.float32, [4, 4])
    y = tf.sigmoid(tf.matmul(tf.tanh(x), tf.constant(numbers(4, 4))))
    assert types_by_op(steps_of([y], [x]))["Tanh"] == ["float32 -> float32"]
    assert types_by_op(steps_of([y], [x]))["Sigmoid"] == ["float32 -> float32"]


def test_a_value_that_a_loss_takes_too_keeps_its_digits():
    x, w = tf.placeholder(tf.float32, [2, 8]), tf.constant(numbers(4, 4))
    flat = tf.transpose(tf.reshape(x, [4, 4]))
    y, target = tf.matmul(flat, w), tf.square(flat)
    fed = numbers(2, 8)
    with tf.Session(config=tf.ConfigProto(compute_type="bfloat16")) as session:
        np.testing.assert_array_equal(session.run([y, target], {x: fed})[1], np.square(fed.reshape(4, 4).T))
    assert types_by_op(steps_of([y], [x]))["Transpose"] == ["float16 -> float16"]
    assert types_by_op(steps_of([y, target], [x]))["Transpose"] == ["float32 -> float32"]
    assert types_by_op(steps_of([y, flat], [x]))["Transpose"] == ["float32 -> float32"]


def test_a_large_table_is_not_converted_for_a_few_of_its_rows():
    table, w = variable(1000, 4), tf.constant(numbers(4, 4))
    nodes = steps_of([tf.matmul(tf.gather(table, [3, 5]), w)])
    assert types_by_op(nodes)["GatherV2"] == ["float32 -> float32"]
    assert [n.inputs[0].shape for n in of_type(nodes, "Cast")] == [(2, 4)] * 2       # the rows; the product


def test_what_only_moves_the_result_of_a_product_moves_the_smaller_form():
    x = tf.placeholder(tf.float32, [4, 6])
    y = tf.transpose(tf.nn.relu(tf.matmul(x, tf.constant(numbers(6, 6)))))
    nodes = steps_of([y], [x])
    assert types_by_op(nodes)["Transpose"] == ["float16 -> float16"]
    assert [n.op_type for n in nodes][-2:] == ["Transpose", "Cast"]


def test_the_gradient_of_a_bias_is_summed_from_the_smaller_form():
    x = tf.placeholder(tf.float32, [4, 5, 5, 6])
    w, b = variable(3, 3, 6, 6), variable(6)
    y = tf.nn.conv2d(tf.tanh(tf.nn.bias_add(tf.nn.conv2d(x, w, [1, 1, 1, 1], "SAME"), b)), w, [1, 1, 1, 1], "SAME")
    found = types_by_op(steps_of(tf.gradients(y, [w, b]), [x]))
    assert found["BiasAddGrad"] == ["float16 -> float16"]


def test_masks_go_from_bool_to_sixteen_bits_at_once():
    x, w = tf.placeholder(tf.float32, [4, 4]), tf.constant(numbers(4, 4))
    kept = tf.placeholder(tf.bool, [4, 4])
    y = tf.matmul(tf.matmul(x, w) * tf.cast(kept, tf.float32), w)
    nodes = steps_of([y], [x, kept])
    assert sorted((n.inputs[0].dtype.name, n.outputs[0].dtype.name) for n in of_type(nodes, "Cast")) == [
        ("bool", "float16"), ("float16", "float32"), ("float32", "float16")]


def test_constants_are_converted_while_the_plan_is_made():
    x = tf.placeholder(tf.float32, [4, 4])
    y = tf.matmul(2.0 * tf.matmul(x, tf.constant(numbers(4, 4))), tf.constant(numbers(4, 4)))
    assert [n.inputs[0].node.op_type for n in of_type(steps_of([y], [x]), "Cast")][0] == "_Feed"
    assert len(of_type(steps_of([y], [x]), "Cast")) == 2
    assert len(of_type(steps_of([y], [x], optimize=False), "Cast")) == 5


@pytest.mark.parametrize("constant, painted", [(1e-8, False), (0.0, True), (1e-7, True), (-1e9, False), (65504, True),
                                               (np.inf, True), (np.nan, True), ([1.0, 70000.0, 1.0, 1.0], False)])
def test_a_constant_that_the_type_cannot_hold_keeps_its_op_in_float32(constant, painted):
    x, w = tf.placeholder(tf.float32, [4, 4]), tf.constant(numbers(4, 4))
    y = tf.matmul(tf.matmul(x, w) + constant, w)
    for dtype, smaller in ((tf.float16, painted), (tf.bfloat16, True)):
        name = dtype.name if smaller else "float32"
        found = types_by_op(steps_of([y], [x], dtype))
        assert f"{name} {name} -> {name}" in [*found.get("Add", []), *found.get("AddV2", []),
                                              *[t[len(f"{name} "):] for t in found.get("_FusedMatMul", [])]]


def test_the_gradient_of_a_mean_of_many_does_not_vanish():
    x, w = tf.placeholder(tf.float32, [70_000, 4]), variable(4, 4)
    y = tf.matmul(tf.reduce_mean(tf.matmul(x, w), 0, keepdims=True), w)
    gradient, fed, found = tf.gradients(tf.reduce_sum(y), w)[0], {x: 1 + numbers(70_000, 4)}, []
    for dtype in ("", "float16"):
        with tf.Session(config=tf.ConfigProto(compute_type=dtype)) as session:
            session.run(tf.global_variables_initializer())
            found.append(session.run(gradient, fed))
    np.testing.assert_allclose(found[1], found[0], rtol=0, atol=0.1 * np.abs(found[0]).max())


@pytest.mark.parametrize("dtype", HALVES)
def test_products_take_over_what_follows_them(dtype):
    x = y = tf.placeholder(tf.float32, [2, 6, 6, 4])
    w, b = tf.constant(numbers(3, 3, 4, 4)), variable(4)
    for _ in range(2):
        y = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(y, w, [1, 1, 1, 1], "SAME"), b))
    found = types_by_op(steps_of([y, *tf.gradients(tf.nn.conv2d(y, w, [1, 1, 1, 1], "SAME"), b)], [x], dtype))
    small = dtype.name
    assert found["_FusedConv2D"] == [f"{small} {small} {small} -> {small}"] * 2
    assert found["_FusedBiasAddGrad"] == [f"{small} {small} -> {small} {small}"] * 2


def test_elementwise_chains_between_products_become_one_region():
    x, w = tf.placeholder(tf.float32, [4, 4]), tf.constant(numbers(4, 4))
    y = tf.matmul(x, w)
    nodes = steps_of([tf.matmul(tf.sigmoid(y) * tf.tanh(y) + y, w)], [x], tf.bfloat16)
    assert types_by_op(nodes)["_Region"] == ["bfloat16 -> bfloat16"]


def test_other_types_stay_what_they_are():
    for dtype in (tf.float16, tf.float64):
        x = tf.placeholder(dtype, [4, 4])
        y = tf.nn.elu(tf.matmul(x, x))
        nodes = steps_of([tf.matmul(y, y)], [x], tf.bfloat16)
        assert types_by_op(nodes)["MatMul"] == [f"{dtype.name} {dtype.name} -> {dtype.name}"] * 2
        assert not of_type(nodes, "Cast")


def test_what_the_program_has_widened_itself_is_not_narrowed_again():
    x = tf.placeholder(tf.float16, [4, 4])
    wide = tf.cast(x, tf.float32)
    assert [types(n) for n in of_type(steps_of([tf.matmul(wide, wide)], [x]), "Cast")] == ["float16 -> float32"]


def test_shapes_that_the_run_finds_stay_in_float32():
    x = tf.placeholder(tf.float32, [None, 4])
    y = tf.matmul(tf.boolean_mask(x, tf.reduce_any(x > 0, 1)), tf.constant(numbers(4, 4)))
    with tf.Session(config=tf.ConfigProto(compute_type="float16")) as session:
        fed = numbers(5, 4)
        rows = fed[(fed > 0).any(1)]
        np.testing.assert_allclose(session.run(y, {x: fed}), rows @ numbers(4, 4), rtol=1e-6, atol=1e-6)


# --- variables ------------------------------------------------------------------------------------------

def test_a_variable_is_converted_once_for_each_of_its_states():
    x, w = tf.placeholder(tf.float32, [4, 4]), variable(4, 4)
    before = [tf.matmul(x, w), tf.matmul(w, x)]
    write = tf.assign_add(w, numbers(4, 4, seed=5))
    with tf.control_dependencies([write]):
        after = [tf.matmul(x, w), tf.matmul(w, x)]
    for fetches, count in ((before, 1), ([*before, write], 1), ([*before, *after], 2)):
        casts = of_type(steps_of(fetches, [x]), "Cast")
        assert sum(n.inputs[0].variable is not None for n in casts) == count
    with tf.Session(config=tf.ConfigProto(compute_type="float16")) as session:
        session.run(tf.global_variables_initializer())
        old, fed = session.run(w), numbers(4, 4, seed=6)
        found = session.run([*before, *after], {x: fed})
        new = session.run(w)
    np.testing.assert_array_equal(new, old + numbers(4, 4, seed=5))
    for y, truth in zip(found, (fed @ old, old @ fed, fed @ new, new @ fed), strict=True):
        np.testing.assert_allclose(y, truth, rtol=0, atol=0.01)


def test_branches_and_loops_compute_in_the_type_too():
    x, w, n = tf.placeholder(tf.float32, [4, 4]), variable(4, 4), tf.placeholder(tf.int32, [])
    y = tf.while_loop(lambda i, h: i < n, lambda i, h: (i + 1, tf.tanh(tf.matmul(h, w))), [0, x])[1]
    y = tf.cond(n > 2, lambda: tf.matmul(y, w), lambda: y)
    found = {}
    for dtype in ("", "bfloat16"):
        with tf.Session(config=tf.ConfigProto(compute_type=dtype)) as session:
            session.run(tf.global_variables_initializer())
            found[dtype] = session.run([y, *tf.gradients(y, [w])], {x: numbers(4, 4), n: 3})
    for a, b in zip(found[""], found["bfloat16"], strict=True):
        assert np.abs(a - b).max() > 1e-5
        np.testing.assert_allclose(b, a, rtol=0, atol=0.02 * np.abs(a).max())


# --- devices --------------------------------------------------------------------------------------------

class SmallTypes(ReferenceDevice):
    """A device that says that it gains by bfloat16, but knows no product of two matrices in it."""

    def __init__(self):
        self.seen = []

    def describe(self, i):
        return {"compute_types": ["bfloat16"]}

    def kernel(self, i, op):
        self.seen.append((op.op_type, op.in_dtypes[0] if op.in_dtypes else None, dict(op.attrs)))
        if op.op_type == "MatMul" and op.in_dtypes[0] == tf.bfloat16.as_datatype_enum:
            op.refusal = "no MatMul of bfloat16"
            return None
        return super().kernel(i, op)


@pytest.fixture
def small_types():
    device = SmallTypes()
    devices.register(DevicePlugin("SMALL", lambda: device, priority=10, host_memory=True, dl_type=1))
    yield device
    devices.unregister("SMALL")


def chain():
    x = tf.placeholder(tf.float32, [2, 6, 6, 4])
    y = tf.nn.conv2d(x, tf.constant(numbers(3, 3, 4, 4)), [1, 1, 1, 1], "SAME")
    return x, tf.matmul(tf.reshape(y, [-1, 4]), tf.constant(numbers(4, 4)))


def test_a_device_computes_in_the_types_for_which_it_has_kernels(small_types):
    with tf.device("/device:SMALL:0"):
        x, y = chain()
    found = types_by_op(steps_of([y], [x], tf.bfloat16))
    assert found["Conv2D"] == ["bfloat16 bfloat16 -> bfloat16"]
    assert found["MatMul"] == ["float32 float32 -> float32"]
    assert all(n.device == "/device:SMALL:0" for n in steps_of([y], [x], tf.bfloat16) if n.op_type != "Reshape")


def test_a_device_is_asked_once_per_op_and_attributes(small_types):
    with tf.device("/device:SMALL:0"):
        x = y = tf.placeholder(tf.float32, [None, 6, 6, 4])
        for _ in range(4):
            y = tf.nn.conv2d(y, tf.constant(numbers(3, 3, 4, 4)), [1, 1, 1, 1], "SAME")
    placement = Placement(tf.ConfigProto())
    template = pipeline.make_template((y,), (x,), placement)
    for batch in (2, 3):
        small_types.seen.clear()
        pipeline.specialise(template, [(batch, 6, 6, 4)], {}, None, (tf.bfloat16, False))
        asked = [op for op, *_ in small_types.seen if op == "Conv2D"]
        assert len(asked) == 4 + (batch == 2)


def test_the_switch_of_tensorflow_leaves_devices_alone_that_do_not_gain(small_types):
    x, y = chain()
    with tf.device("/device:SMALL:0"):
        z = chain()
    assert not of_type(steps_of([y], [x], tf.bfloat16, only_where_faster=True), "Cast")
    assert types_by_op(steps_of([z[1]], z[:1], tf.bfloat16, only_where_faster=True))["Conv2D"] == [
        "bfloat16 bfloat16 -> bfloat16"]
    assert not of_type(steps_of([z[1]], z[:1], tf.float16, only_where_faster=True), "Cast")


# --- options --------------------------------------------------------------------------------------------

def test_a_compute_type_that_there_is_not():
    for wrong in ("float64", "half32", 3.5):
        config, text = tf.ConfigProto(compute_type=wrong), r"(?s)no such compute type\n +got +.*'bfloat16'.*test_mixed"
        with pytest.raises(ValueError, match=text):
            tf.Session(config=config)


@pytest.mark.parametrize("told", ["half", tf.float16, np.float16, "float16"])
def test_spellings_of_a_compute_type(told):
    x, y = chain()
    with tf.Session(config=tf.ConfigProto(compute_type=told)) as session:
        assert session._engine._precision == (tf.float16, False)
        assert session.run(y, {x: numbers(2, 6, 6, 4)}).dtype == np.float32


def test_the_rewrite_means_float16_where_it_is_faster_and_a_compute_type_comes_before_it():
    for wish, compute_type, precision in ((0, "", None), (1, "", (tf.float16, True)), (2, "", None),
                                          (1, "bfloat16", (tf.bfloat16, False)), (1, "float32", None)):
        config = tf.ConfigProto(compute_type=compute_type)
        config.graph_options.rewrite_options.auto_mixed_precision = wish
        with tf.Session(config=config) as session:
            assert session._engine._precision == precision
    config.graph_options.rewrite_options = None
    with tf.Session(config=config) as session:
        assert session._engine._precision is None


@pytest.mark.parametrize("allowed", [False, True])
def test_tf32_is_an_attribute_of_kernels(small_types, allowed):
    with tf.device("/device:SMALL:0"):
        x, y = chain()
    with tf.Session(config=tf.ConfigProto(allow_tf32=allowed)) as session:
        session.run(y, {x: numbers(2, 6, 6, 4)})
    attrs = [attrs for op, _, attrs in small_types.seen if op in ("Conv2D", "MatMul")]
    assert len(attrs) == 2 and all(a.get("allow_tf32", False) == allowed for a in attrs)


def test_the_cpu_computes_float32_whatever_tf32_says():
    x, y = chain()
    found = []
    for allowed in (False, True):
        with tf.Session(config=tf.ConfigProto(allow_tf32=allowed)) as session:
            found.append(session.run(y, {x: numbers(2, 6, 6, 4)}))
    np.testing.assert_array_equal(*found)


def test_devices_are_asked_in_the_order_of_the_plan(monkeypatch):
    """What a device answers for one shape counts for all: in the order of a set, each run would ask for another."""
    asked, ask = [], mixed_precision._ask
    monkeypatch.setattr(mixed_precision, "_ask", lambda twin, where: asked.append(twin.rank) or ask(twin, where))
    x = tf.placeholder(tf.float32, [4, 8])
    y = x
    for k in range(12):
        y = tf.matmul(y, variable(8, 8, seed=k), transpose_b=bool(k % 2))
        y = (tf.nn.relu, tf.tanh, tf.nn.elu, tf.nn.softplus)[k % 4](y)
    steps_of([y], [x])
    assert len(asked) >= 4 and asked == sorted(asked)
