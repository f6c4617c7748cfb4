"""Every float32 kernel against float64, within the error that its algorithm may have.

Errors are the largest over the root mean square of the result. Limits are a third above the largest that was measured
on the networks' calls: docs/decisions/007-convolutions-by-tiles.md has the table, and says where it is above what the
kernels were designed for.
"""
import pytest
from kernel_requests import NETWORKS, error_of, network_requests, plan_requests, tf

FAMILIES = ("Conv2D", "Depthwise", "MatMul", "Pool", "BatchNorm", "LRN", "oftmax", "BiasAdd")
LARGE = 30_000_000                       # numbers; what is larger (VGG's first dense layer) is left to the long test
EXPECTED = {
    "lenet": {"_FusedConv2D", "Conv2DBackpropInput", "Conv2DBackpropFilter", "MaxPool", "MaxPoolGrad", "_FusedMatMul",
              "MatMul", "Softmax", "SparseSoftmaxCrossEntropyWithLogits", "_FusedBiasAddGrad"},
    "resnet50": {"_FusedConv2D", "Conv2D", "Conv2DBackpropInput", "Conv2DBackpropFilter", "FusedBatchNormV3",
                 "FusedBatchNormGradV3", "_FusedBatchNormEx", "_FusedBatchNormGradEx", "MaxPool", "MaxPoolGrad"},
    "vgg16": {"_FusedConv2D", "Conv2DBackpropInput", "Conv2DBackpropFilter", "MaxPool", "MaxPoolGrad"},
    "inception3": {"_FusedConv2D", "Conv2D", "Conv2DBackpropInput", "Conv2DBackpropFilter", "_FusedBatchNormEx",
                   "_FusedBatchNormGradEx", "AvgPool", "AvgPoolGrad", "MaxPool", "MaxPoolGrad"},
    "mobilenet": {"_FusedConv2D", "_FusedSeparableConv2D", "DepthwiseConv2dNative",
                  "DepthwiseConv2dNativeBackpropInput", "DepthwiseConv2dNativeBackpropFilter",
                  "_FusedBatchNormGradEx"},
}


def algorithms_of(request):
    if not request.is_tiled:
        return ("auto",)
    return ("exact", "4x4", "auto") if request.is_line else ("exact", "2x2", "4x4", "auto")


# Direct sums of more than 1000 products, and of fewer: y and dx; dw; and of matrix products.
DIRECT, DIRECT_FILTER, PRODUCT = (1.6e-5, 1e-5), (2.7e-6, 4.9e-6), 4.8e-6
# 4 x 4 places of a window, places of a line: y and dx; dw.
TILED = {(3, 3): (2.7e-5, 1.2e-5), (5, 5): (4.2e-5, 4e-5), (1, 3): (1.1e-5, 5.9e-6), (1, 7): (2.6e-5, 3.2e-5)}
FEW_CHANNELS = ((128, 1.9e-5), (256, 2.3e-5))                # of 3 x 3 windows: y and dx with no more than so many
TILED_2X2 = {(3, 3): 6.7e-6, (5, 5): 8.3e-6}                 # y and dx; filters' gradients are direct
OTHERS = {"FusedBatchNormGrad": 3.3e-6, "BatchNormEx": 1.1e-5, "FusedBatchNorm": 6e-6}     # means are small
OTHER = 1.5e-6


def limit_of(request, algorithm):
    """Of the largest error over the root mean square."""
    kind = request.op_type
    if "MatMul" in kind or kind == "_FusedSeparableConv2D":
        return PRODUCT
    if "Conv2D" not in kind:
        return next((limit for name, limit in OTHERS.items() if name in kind), OTHER)
    is_filter = kind == "Conv2DBackpropFilter"
    direct = (DIRECT_FILTER if is_filter else DIRECT)[request.terms <= 1000]
    if not request.is_tiled or algorithm == "exact":
        return direct
    window = tuple(sorted(request.window))
    if algorithm == "2x2":
        return direct if is_filter or request.is_line else TILED_2X2[window]
    tiled = TILED[window][is_filter]
    if window == (3, 3) and not is_filter:
        tiled = next((limit for channels, limit in FEW_CHANNELS if request.terms <= 9 * channels), tiled)
    return tiled if algorithm == "4x4" else max(tiled, direct)


def check(request):
    arrays = request.draw()
    truths = request.truth(arrays)
    for algorithm in algorithms_of(request):
        for k, (y, truth) in enumerate(zip(request.run(arrays, algorithm), truths, strict=True)):
            error, limit = error_of(y, truth), limit_of(request, algorithm)
            assert error <= limit, f"{request}, {algorithm}, output {k}: {error:.1e} > {limit:.1e}"


def is_of_a_family(request):
    return any(family in request.op_type for family in FAMILIES)


@pytest.mark.parametrize("name", EXPECTED)
def test_kernels_of_a_network(name):
    found = [r for r in network_requests(name) if is_of_a_family(r)]
    assert EXPECTED[name] <= {r.op_type for r in found}
    for request in found:
        if request.size < LARGE:
            check(request)


@pytest.mark.long
@pytest.mark.parametrize("batch", [1, 8])
@pytest.mark.parametrize("name", [name for name, network in NETWORKS.items() if network.parameters])
def test_all_kernels_of_a_network(name, batch):
    for request in network_requests(name, batch):
        check(request)


# --- odd shapes -----------------------------------------------------------------------------------------------------

# x [N, H, W, C], window, strides, dilations
ODD = {
    "1 place": ((1, 1, 1, 8), (3, 3), (1, 1), (1, 1)),
    "1 channel": ((2, 7, 6, 1), (3, 3), (1, 1), (1, 1)),
    "17 channels": ((3, 9, 10, 17), (3, 3), (1, 1), (1, 1)),
    "5 x 5": ((2, 7, 9, 17), (5, 5), (1, 1), (1, 1)),
    "stride beyond the window": ((2, 11, 9, 17), (2, 1), (3, 4), (1, 1)),
    "dilation": ((2, 11, 12, 17), (3, 2), (1, 1), (3, 2)),
    "window beyond the image": ((2, 2, 3, 5), (5, 5), (1, 1), (1, 1)),
    "no images": ((0, 5, 6, 4), (3, 3), (1, 1), (1, 1)),
}


def fed(*shape):
    return tf.placeholder(tf.float32, list(shape))


def with_gradients(y, *inputs):
    dy = fed(*y.shape.as_list())
    return [y, *tf.gradients(y, inputs, dy)], [*inputs, dy]


def convolution(x, window, strides, dilations, filters=19):
    w = fed(*window, x.shape[-1], filters)
    return with_gradients(tf.nn.conv2d(x, w, strides=[1, *strides, 1], padding="SAME", dilations=[1, *dilations, 1]),
                          x, w)


def depthwise(x, window, strides, dilations, multiplier=1):
    w = fed(*window, x.shape[-1], multiplier)
    y = tf.nn.depthwise_conv2d_native(x, w, strides=[1, *strides, 1], padding="SAME", dilations=[1, *dilations, 1])
    return with_gradients(y, x, w)


def pooling(pool):
    return lambda x, window, strides, dilations: with_gradients(pool(x, [1, *window, 1], [1, *strides, 1], "SAME"), x)


def batch_norm(x, window, strides, dilations):
    scale, offset = fed(x.shape[-1]), fed(x.shape[-1])
    return with_gradients(tf.nn.fused_batch_norm(x, scale, offset)[0], x, scale, offset)


def _line(y):
    return tf.nn.relu(tf.nn.fused_batch_norm(y, *[fed(y.shape[-1]) for _ in range(4)], is_training=False)[0])


def convolution_in_inference(x, window, strides, dilations):
    """With a bias, batch norm and an activation; before it the same without the bias."""
    w = fed(*window, x.shape[-1], 19)
    y = tf.nn.conv2d(_line(x), w, strides=[1, *strides, 1], padding="SAME", dilations=[1, *dilations, 1])
    y = _line(tf.nn.bias_add(y, fed(19)))
    return [y], [op.outputs[0] for op in y.graph.get_operations() if op.type == "Placeholder"]


def matrices(x, window, strides, dilations):
    a, b = fed(x.shape[1] * x.shape[2], x.shape[0]), fed(x.shape[0], x.shape[3])
    return with_gradients(tf.matmul(a, b), a, b)


def batches_of_matrices(x, window, strides, dilations):
    w = fed(*x.shape[:-2], x.shape[-1], 3)
    return with_gradients(tf.matmul(x, w), x, w)


def alone(function):
    return lambda x, window, strides, dilations: with_gradients(function(x), x)


def cross_entropy(x, window, strides, dilations):
    logits, labels = fed(x.shape[0], x.shape[3]), fed(x.shape[0], x.shape[3])
    return with_gradients(tf.nn.softmax_cross_entropy_with_logits(labels=labels, logits=logits), logits)


KERNELS = {
    "convolution": convolution, "in inference": convolution_in_inference,
    "one filter": lambda *case: convolution(*case, filters=1), "depthwise": depthwise,
    "depthwise, multiplied": lambda *case: depthwise(*case, multiplier=3),
    "max pooling": pooling(tf.nn.max_pool), "mean pooling": pooling(tf.nn.avg_pool), "batch norm": batch_norm,
    "local response": alone(tf.nn.local_response_normalization), "softmax": alone(tf.nn.softmax),
    "log softmax": alone(tf.nn.log_softmax), "cross entropy": cross_entropy, "matrices": matrices,
    "batches of matrices": batches_of_matrices,
}


@pytest.mark.parametrize("case", ODD.values(), ids=ODD)
@pytest.mark.parametrize("build", KERNELS.values(), ids=KERNELS)
def test_odd_shapes(build, case):
    shape, *options = case
    with tf.Graph().as_default():
        found = [r for r in plan_requests(*build(fed(*shape), *options)) if is_of_a_family(r)]
    assert found
    for request in found:
        check(request)
