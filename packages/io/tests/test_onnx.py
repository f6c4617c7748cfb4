"""ONNX export against onnxruntime: the same values within the rounding of float32. Runs where that is installed."""
import importlib.util
import pathlib
import sys

import numpy as np
import onnxruntime
import pytest

import thalweg as tf
import thalweg_io.onnx
from thalweg.framework.declaration import REGISTRY
from thalweg_io.onnx.model import Model

BENCH = pathlib.Path(__file__).resolve().parents[3] / "tools" / "bench"
RNG = np.random.default_rng(7)


@pytest.fixture(autouse=True)
def graph():
    """A graph of its own for each test."""
    with tf.Graph().as_default() as graph:
        yield graph


def run_onnx(model, feeds):
    data = model.SerializeToString()
    if importlib.util.find_spec("onnx"):
        import onnx
        onnx.checker.check_model(data, full_check=True)
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, 1
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


def check(outputs, feeds, rtol=1e-5, atol=1e-6):
    """Exports the default graph from the fed placeholders to `outputs`; equal values. Gives the model."""
    outputs = outputs if isinstance(outputs, list) else [outputs]
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        expected = session.run(outputs, feeds)
        model = thalweg_io.onnx.export(session, list(feeds), outputs)
    got = run_onnx(model, {tensor.op.name: value for tensor, value in feeds.items()})
    for ours, theirs in zip(expected, got):
        assert theirs.dtype == ours.dtype and theirs.shape == np.shape(ours)
        np.testing.assert_allclose(theirs, ours, rtol, atol)
    return model


def types(model):
    return [node.op_type for node in model.graph.node]


def fed(shape, known=True, dtype=np.float32, low=-2.0, high=2.0):
    """A placeholder, its sizes known or not, and random values."""
    value = RNG.uniform(low, high, shape).astype(dtype)
    return tf.placeholder(tf.as_dtype(dtype), shape if known else [None] * len(shape)), value


# --- elementwise ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", [
    "abs", "exp", "nn.relu", "nn.relu6", "nn.elu", "nn.selu", "nn.softplus", "nn.softsign", "sigmoid", "tanh", "floor",
    "ceil", "round", "sign", "sin", "cos", "atan", "sinh", "cosh", "erf", "erfc", "square", "negative", "zeros_like",
    "ones_like", "expm1", "reciprocal", "nn.leaky_relu", "identity", "stop_gradient", "is_nan", "is_finite", "is_inf"])
def test_elementwise(name):
    function = tf
    for part in name.split("."):
        function = getattr(function, part)
    x, value = fed([3, 4], known=False)
    check(function(x), {x: value}, 1e-5, 1e-6)


@pytest.mark.parametrize("name", ["sqrt", "rsqrt", "log", "log1p"])
def test_elementwise_of_positive_numbers(name):
    x, value = fed([3, 4], low=0.1)
    check(getattr(tf, name)(x), {x: value})


@pytest.mark.parametrize("name", [
    "add", "subtract", "multiply", "divide", "maximum", "minimum", "squared_difference", "greater", "greater_equal",
    "less", "less_equal", "equal", "not_equal", "floordiv", "floormod", "div_no_nan"])
def test_two_inputs(name):
    x, a = fed([3, 1, 4])
    y, b = fed([2, 4], known=False)
    b[0, 0] = 0 if name == "div_no_nan" else b[0, 0]
    check(getattr(tf, name)(x, y), {x: a, y: b})


def test_integers_and_bools():
    x, y = tf.placeholder(tf.int32, [4], name="x"), tf.placeholder(tf.int32, [4], name="y")
    a, b = np.array([7, -7, 7, -7], np.int32), np.array([2, 2, -2, -2], np.int32)
    check([x // y, tf.floormod(x, y), tf.truncatediv(x, y), tf.cast(x, tf.float32) / 2.0, tf.logical_xor(x > 0, y > 0),
           tf.logical_and(x > 0, tf.logical_not(y > 0)), tf.where(x > 0, x, y), tf.add_n([x, y, x]),
           tf.pow(tf.abs(x), 2)], {x: a, y: b})


# --- images ---------------------------------------------------------------------------------------------

@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("stride, dilation", [(1, 1), (2, 1), (1, 2), (3, 1)])
def test_convolution(known, padding, stride, dilation):
    x, value = fed([2, 11, 10, 3], known)
    x.set_shape([None, None, None, 3])
    w = tf.constant(RNG.normal(size=(3, 2, 3, 5)).astype(np.float32))
    direct = tf.nn.conv2d(x, w, strides=[1, stride, stride, 1], padding=padding)
    rates = tf.nn.convolution(x, w, padding, strides=[stride] * 2, dilation_rate=[dilation] * 2)
    depthwise = tf.nn.depthwise_conv2d(x, w, [1, stride, stride, 1], padding, rate=[dilation] * 2)
    model = check([direct, rates, depthwise], {x: value}, 1e-4, 1e-5)
    assert types(model).count("Conv") == 3
    if known:
        assert set(types(model)) == {"Transpose", "Conv"}


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("stride, dilation", [(1, 2), (2, 2), (3, 2)])
def test_dilations_as_an_attribute(known, stride, dilation):
    x, value = fed([2, 11, 10, 3], known)
    x.set_shape([None, None, None, 3])
    w = tf.constant(RNG.normal(size=(3, 2, 3, 5)).astype(np.float32))
    y = tf.nn.conv2d(x, w, strides=[1, stride, stride, 1], padding="SAME", dilations=[1, dilation, dilation, 1])
    check(y, {x: value}, 1e-4, 1e-5)


def test_explicit_padding_and_computed_filters():
    x, value = fed([1, 5, 6, 2])
    w, filters = fed([3, 3, 2, 4])
    check(tf.nn.conv2d(x, w, strides=[1, 1, 1, 1], padding=[[0, 0], [1, 2], [0, 1], [0, 0]]), {x: value, w: filters},
          1e-4, 1e-5)


@pytest.mark.parametrize("padding, stride", [("SAME", 1), ("SAME", 2), ("SAME", 3), ("VALID", 2)])
def test_transposed_convolution(padding, stride):
    x, value = fed([2, 5, 4, 3])
    w = tf.constant(RNG.normal(size=(3, 2, 5, 3)).astype(np.float32))
    size = [5 * stride, 4 * stride] if padding == "SAME" else [4 * stride + 3, 3 * stride + 2]
    check(tf.nn.conv2d_transpose(x, w, [2, *size, 5], [1, stride, stride, 1], padding), {x: value}, 1e-4, 1e-5)


def test_transposed_convolution_of_unknown_size():
    x = tf.placeholder(tf.float32, [2, None, 4, 3])
    y = tf.nn.conv2d_transpose(x, tf.ones([3, 3, 5, 3]), tf.stack([2, tf.shape(x)[1] * 2, 8, 5]), [1, 2, 2, 1])
    with tf.Session() as session, pytest.raises(tf.errors.UnimplementedError, match="give the placeholder its height"):
        thalweg_io.onnx.export(session, [x], [y])


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_pooling(known, padding):
    x, value = fed([2, 7, 9, 3], known)
    x.set_shape([None, None, None, 3])
    check([tf.nn.max_pool(x, [1, 3, 2, 1], [1, 2, 2, 1], padding),
           tf.nn.avg_pool(x, [1, 3, 3, 1], [1, 2, 1, 1], padding)], {x: value})


def test_three_dimensions():
    x, value = fed([1, 4, 5, 6, 2])
    w = tf.constant(RNG.normal(size=(2, 3, 2, 2, 3)).astype(np.float32))
    y = tf.nn.relu(tf.nn.conv3d(x, w, [1, 1, 2, 1, 1], "SAME"))
    check(tf.nn.max_pool3d(y, [1, 2, 2, 2, 1], [1, 1, 1, 1, 1], "VALID"), {x: value}, 1e-4, 1e-5)


def test_normalization_of_images():
    x, value = fed([2, 5, 4, 6])
    scale, offset, mean = (RNG.normal(size=6).astype(np.float32) for _ in range(3))
    variance = RNG.uniform(0.5, 2, 6).astype(np.float32)
    y = tf.nn.fused_batch_norm(x, scale, offset, mean, variance, epsilon=1e-3, is_training=False)[0]
    z = tf.nn.batch_normalization(x, mean, variance, offset, scale, 1e-3)
    check([y, z, tf.nn.local_response_normalization(x, 2, 1.0, 0.3, 0.75)], {x: value}, 1e-4, 1e-5)


@pytest.mark.parametrize("options", [{}, {"align_corners": True}, {"half_pixel_centers": True}])
def test_resizing(options):
    x, value = fed([2, 4, 5, 3], known=False)
    x.set_shape([None, None, None, 3])
    bilinear, nearest = REGISTRY["ResizeBilinear"], REGISTRY["ResizeNearestNeighbor"]
    check([bilinear(x, [7, 9], **options), nearest(x, [7, 9], **options),
           bilinear(x, tf.shape(x)[1:3] * 2, **options)], {x: value}, 1e-5, 1e-5)


def test_blocks():
    x, value = fed([2, 4, 6, 8])
    blocks = tf.space_to_batch_nd(x, [2, 3], [[0, 0], [1, 2]])
    check([tf.depth_to_space(x, 2), tf.space_to_depth(x, 2), blocks,
           tf.batch_to_space_nd(blocks * 2, [2, 3], [[1, 0], [0, 1]])], {x: value})


# --- transposes -----------------------------------------------------------------------------------------

def test_transposes_only_where_a_network_begins_and_ends():
    x, value = fed([2, 8, 8, 3])
    def conv(y, filters, stride=1):
        w = tf.Variable(tf.random_normal([3, 3, int(y.shape[-1]), filters], seed=1))
        return tf.nn.conv2d(y, w, [1, stride, stride, 1], "SAME")
    y = tf.nn.relu(conv(x, 4) + tf.Variable(tf.ones([4])))
    z = tf.pad(conv(y * 2, 4), [[0, 0], [1, 1], [0, 0], [0, 0]])[:, 1:-1]
    y = tf.concat([tf.nn.bias_add(z, tf.ones([4])) + y, tf.sigmoid(y)], 3)
    a, b = tf.split(y, 2, 3)
    pooled = tf.nn.max_pool(a * b, [1, 2, 2, 1], [1, 2, 2, 1], "SAME")
    model = check([tf.reduce_mean(pooled, [1, 2])], {x: value}, 1e-4, 1e-5)
    assert types(model).count("Transpose") == 1
    model = check([pooled, tf.transpose(pooled, [0, 3, 1, 2]), tf.argmax(pooled, 3)], {x: value}, 1e-4, 1e-5)
    assert types(model).count("Transpose") == 2


def test_channels_first_all_along():
    x, value = fed([2, 3, 6, 6])
    y = tf.nn.relu(tf.nn.conv2d(tf.transpose(x, [0, 2, 3, 1]), tf.ones([3, 3, 3, 4]), [1, 1, 1, 1], "SAME"))
    model = check(tf.transpose(y, [0, 3, 1, 2]), {x: value}, 1e-4, 1e-5)
    assert "Transpose" not in types(model)


# --- matrices, reductions -------------------------------------------------------------------------------

def test_matrices():
    x, a = fed([4, 3], known=False)
    y, b = fed([4, 5])
    u, c = fed([2, 1, 3, 4])
    v, d = fed([5, 4, 2])
    check([tf.matmul(x, y, transpose_a=True), tf.matmul(y, y, transpose_b=True), tf.matmul(u, v), tf.nn.softmax(y),
           tf.nn.log_softmax(u), tf.tanh(tf.nn.bias_add(tf.matmul(y, tf.constant(b[:3].T)), tf.constant(b[0, :3])))],
          {x: a, y: b, u: c, v: d}, 1e-5, 1e-5)


def test_softmax_of_images():
    x, value = fed([2, 4, 5, 3])
    y = tf.nn.conv2d(x, tf.constant(RNG.normal(size=(1, 1, 3, 6)).astype(np.float32)), [1, 1, 1, 1], "SAME")
    check([tf.nn.softmax(y), tf.argmax(y, -1, output_type=tf.int32)], {x: value}, 1e-4, 1e-5)


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axes", [None, 1, [0, 2], [1, 2], [-1], []])
def test_reductions(axes, keepdims):
    x, value = fed([2, 3, 4], low=0.5)
    check([getattr(tf, f"reduce_{name}")(x, axes, keepdims) for name in ("sum", "mean", "max", "min", "prod")]
          + [tf.reduce_all(x > 1, axes, keepdims), tf.reduce_any(x > 1.9, axes, keepdims)], {x: value})


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axes", [[1, 2], [3], [1], [0, 3], [0, 1, 2, 3]])
def test_reductions_of_images(axes, keepdims):
    x, value = fed([2, 3, 4, 5])
    y = tf.nn.avg_pool(x, [1, 2, 2, 1], [1, 1, 1, 1], "SAME")
    check(tf.reduce_mean(y, axes, keepdims), {x: value})


def test_places():
    x, value = fed([3, 5])
    values, indices = tf.nn.top_k(x, 2)
    check([values, indices, tf.argmax(x, 0), tf.argmin(x, 1, output_type=tf.int32), tf.cumsum(x, 1),
           tf.cumsum(x, 0, exclusive=True, reverse=True), tf.nn.l2_loss(x), tf.where(x > 0)], {x: value})


# --- arrays ---------------------------------------------------------------------------------------------

def test_arrangements():
    x, value = fed([2, 3, 4])
    u, other = fed([2, 3, 4], known=False)
    parts = tf.split(x, [1, 2], 1)
    check([tf.reshape(x, [4, -1]), tf.reshape(u, [tf.shape(u)[0], -1]), tf.reshape(u, tf.stack([tf.shape(u)[1], -1])),
           tf.transpose(x, [2, 0, 1]), tf.concat([x, x], -1), *parts, *tf.split(x, 2, 2), tf.stack([x, x], 1),
           tf.unstack(x, axis=1)[1], tf.squeeze(x[:, :1], [1]), tf.squeeze(x[:1]), tf.expand_dims(x, -2),
           tf.tile(x, [1, 2, 3]), tf.pad(x, [[0, 1], [2, 0], [1, 1]]), tf.pad(x, [[1, 0]] * 3, constant_values=3.0),
           tf.pad(x, [[0, 1], [2, 0], [1, 1]], "REFLECT"), tf.broadcast_to(x[:, :1], [2, 3, 4]),
           tf.fill(tf.shape(u), 2.0),
           tf.shape(u), tf.size(u), tf.rank(u), tf.reverse(x, [0, 2]), tf.shape(u, out_type=tf.int64),
           tf.range(tf.shape(u)[1])], {x: value, u: other})


def test_slices():
    x, value = fed([4, 5, 6])
    u, other = fed([4, 5, 6], known=False)
    n = tf.shape(u)[1]
    check([x[1], x[-1], x[1:3, ::2], x[..., 0], x[:, tf.newaxis, 1], x[::-1, 3:0:-1], x[-2:, :-1, 2:5], u[:, 1:n - 1],
           u[:, n - 1], tf.slice(x, [1, 0, 2], [2, -1, 3]), tf.slice(u, [0, n - 2, 0], [-1, 2, 1]), x[1:2, ..., -1:],
           u[n - 5], u[..., tf.newaxis]], {x: value, u: other})


def test_slices_of_images():
    x, value = fed([4, 5, 6, 3])
    y = tf.nn.max_pool(x, [1, 2, 2, 1], [1, 1, 1, 1], "SAME")
    check([y[:, 1:, ::2], y[..., 0], y[:, 0], y[0], y[..., tf.newaxis, 1:], y[:, :, :, :]], {x: value})


def test_indices():
    x, value = fed([5, 3])
    i = tf.placeholder(tf.int32, [None], name="i")
    j = tf.placeholder(tf.int32, [2, 2], name="j")
    check([tf.gather(x, i), tf.gather(x, j[0], axis=1), tf.gather_nd(x, j), tf.one_hot(i - 1, 4),
           tf.one_hot(i, 4, 2.0, -1.0, 0), tf.nn.embedding_lookup(x, j)],
          {x: value, i: np.array([0, 4, 2], np.int32), j: np.array([[1, 2], [0, 1]], np.int32)})


# --- models ---------------------------------------------------------------------------------------------

def network(name, side, width):
    """A network of the benchmark with its images."""
    sys.path.insert(0, str(BENCH))
    try:
        from networks import architectures, tf_layers, tf_networks
    finally:
        sys.path.remove(str(BENCH))
    form = architectures.NETWORKS[name]
    x, value = fed([2, side or form.side, side or form.side, form.channels], low=0.0, high=1.0)
    x = tf.placeholder(tf.float32, [None, *value.shape[1:]], name="images")
    logits = getattr(tf_networks, name)(tf_layers.Layers(False, width), x, form.classes)
    return x, value, tf.identity(tf.nn.softmax(logits), name="probabilities")


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.setenv("BENCH_FRAMEWORK", "thalweg")


@pytest.mark.parametrize("name, side", [
    ("lenet", None), ("resnet50", 64), ("vgg16", 64), ("inception3", 107), ("mobilenet", 64)])
def test_networks(bench, name, side):
    x, value, y = network(name, side, 0.125)
    model = check(y, {x: value}, 1e-4, 1e-6)
    assert types(model).count("Transpose") <= 2
    assert [i.name for i in model.graph.input] == ["images"] and model.graph.output[0].name == "probabilities"


def test_the_file(tmp_path):
    x = tf.placeholder(tf.float32, [None, 2], name="x")
    v = tf.get_variable("v", initializer=[[1.0], [2.0]])
    tf.matmul(x, v, name="y")
    with tf.Session() as session:
        session.run(v.initializer)
        message = thalweg_io.onnx.export(session, ["x:0"], ["y", x, v], tmp_path / "m.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    assert [(i.name, i.shape) for i in session.get_inputs()] == [("x", ["x_0", 2])]
    assert [o.name for o in session.get_outputs()] == ["y", "x_1", "v"]
    assert [o.tolist() for o in session.run(["y"], {"x": np.ones([3, 2], np.float32)})] == [[[3.0]] * 3]
    assert message.opset_import[0].version == 13


def test_a_frozen_graph(graph, tmp_path):
    x = tf.placeholder(tf.float32, [None, 2], name="x")
    v = tf.get_variable("v", initializer=[[1.0], [2.0]])
    tf.matmul(x, v, name="y")
    with tf.Session() as session:
        session.run(v.initializer)
        frozen = tf.graph_util.convert_variables_to_constants(session, graph.as_graph_def(), ["y"])
    message = thalweg_io.onnx.export(frozen, ["x"], ["y"], str(tmp_path / "m.onnx"))
    assert run_onnx(message, {"x": np.ones([1, 2], np.float32)})[0].tolist() == [[3.0]]
    with pytest.raises(tf.errors.UnimplementedError, match="v .* is a variable without a value; pass the session"):
        thalweg_io.onnx.export(graph.as_graph_def(), ["x"], ["y"])


# --- what cannot be exported ----------------------------------------------------------------------------

def refused(inputs, outputs):
    with tf.Session() as session, pytest.raises(tf.errors.UnimplementedError) as found:
        thalweg_io.onnx.export(session, inputs, outputs)
    return str(found.value)


def test_an_unknown_op_is_named_with_its_line():
    x = tf.placeholder(tf.float32, [3], name="x")
    y = tf.lgamma(x, name="odd")
    text = refused([x], [y])
    assert "node odd: ONNX export has no form for the op Lgamma, built at" in text and "test_onnx.py:" in text
    z = tf.placeholder(tf.float32, [3], name="z")
    assert "the outputs need the placeholder z: name it among the inputs" in refused([x], [x + z])


def test_forms_that_onnx_lacks():
    x = tf.placeholder(tf.float32, [2, 4, 4, 3], name="x")
    assert "training mode" in refused([x], [tf.nn.fused_batch_norm(x, [1.0] * 3, [0.0] * 3)[0]])
    assert "repeats the border" in refused([x], [tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], "SYMMETRIC")])
    assert "pooling over batch or channels" in refused([x], [tf.nn.max_pool(x, [1, 1, 1, 3], [1, 1, 1, 3], "VALID")])
    assert "is complex64" not in refused([x], [tf.lgamma(x)])
    with tf.Session() as session:
        with pytest.raises(tf.errors.NotFoundError, match="tensor q:0 is not in the graph"):
            thalweg_io.onnx.export(session, ["q"], [x])
        with pytest.raises(TypeError, match="takes a session"):
            thalweg_io.onnx.export(session.graph, [x], [x])


def test_a_model_of_more_than_two_gigabytes(monkeypatch):
    monkeypatch.setattr("thalweg_io.onnx.model._MOST_BYTES", 15)
    x = tf.placeholder(tf.float32, [4], name="x")
    with tf.Session() as session, pytest.raises(tf.errors.InvalidArgumentError, match=(
            "constants of the ONNX model have 16 bytes up to add/y, and a file of this form holds at most 15")):
        thalweg_io.onnx.export(session, [x], [x + [1.0, 2.0, 3.0, 4.0]])


@pytest.mark.skipif(not importlib.util.find_spec("onnx"), reason="needs the onnx package")
def test_our_messages_are_the_standards():
    import onnx

    from thalweg_io.onnx.protos import ModelProto
    waiting = [(ModelProto.DESCRIPTOR, onnx.ModelProto.DESCRIPTOR)]
    seen = set()
    while waiting:
        ours, theirs = waiting.pop()
        if ours.name in seen:
            continue
        seen.add(ours.name)
        for field in ours.fields:
            other = theirs.fields_by_name[field.name]
            assert (field.number, field.type, field.is_repeated) == (other.number, other.type, other.is_repeated)
            if field.message_type:
                waiting.append((field.message_type, other.message_type))
        for enum in ours.enum_types:
            values = theirs.enum_types_by_name[enum.name].values_by_name
            assert all(value.number == values[value.name].number for value in enum.values)
    assert len(seen) >= 11


def test_names_are_used_once():
    model = Model()
    assert [model.unique("a") for _ in range(3)] == ["a", "a_1", "a_2"]
    assert model.constant(np.array([1, 2]), "c") == model.constant(np.array([1, 2]), "d") == "c"
    assert model.constant(np.array([1, 2], np.int32), "d") == "d"


def test_tensorflows_frozen_graph(golden):
    from thalweg_io.graphs.graph_files import read_graph_def
    values = np.load(golden / "frozen" / "frozen_io.npz")
    names = [key.removeprefix("many/inter/") for key in values if key.startswith("many/inter/")]
    keys = [f"many/inter/{name}" for name in names] + ["many/probs", "many/classes", "many/logits"]
    message = thalweg_io.onnx.export(read_graph_def(golden / "frozen" / "frozen.pb"), ["input"],
                                     [*names, "probs", "classes", "logits"])
    for got, key in zip(run_onnx(message, {"input": values["input_many"]}), keys):
        np.testing.assert_allclose(got, values[key], 1e-4, 1e-5)
