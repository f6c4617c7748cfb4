"""Kernel calls as plans make them, those of tools/bench's networks above all, and how far each is from float64."""
import pathlib
import sys

import numpy as np

from thalweg.cpu.device import prepare_function
from thalweg.devices.placement import Placement, kernel_attrs
from thalweg.framework import dtypes
from thalweg.framework.declaration import REGISTRY
from thalweg.plan import pipeline
from thalweg.plan.bind import KERNEL
from thalweg.plan.memory import CONST
from thalweg.testing.kernel_call import KernelCall

BENCH = pathlib.Path(__file__).resolve().parents[2] / "tools" / "bench"
sys.path.insert(0, str(BENCH))

import tf_programs  # noqa: E402
from framework import tf  # noqa: E402
from networks import tf_networks  # noqa: E402
from networks.architectures import NETWORKS  # noqa: E402
from networks.tf_layers import Layers  # noqa: E402

CONVOLUTIONS = ("Conv2D", "_FusedConv2D", "Conv2DBackpropInput", "Conv2DBackpropFilter")


class Request:
    """One kernel call of a plan.

    Attributes
    ----------
    op_type : str
    attrs : dict                the node's, as kernels and reference bodies take them
    inputs : tuple              (shape, dtype name) each
    constants : dict            input number -> array, where the plan knows it
    outputs : tuple             (shape, dtype name) each
    writes_first : bool         output 0 is the variable that input 0 is
    """

    def __init__(self, op_type, attrs, inputs, outputs, constants=None):
        self.op_type, self.attrs, self.inputs, self.outputs = op_type, attrs, tuple(inputs), tuple(outputs)
        self.constants = constants or {}
        self.declaration = REGISTRY[op_type]
        self.writes_first = self.declaration.wants_ref[:1] == (True,)

    def __repr__(self):
        told = {name: value for name, value in self.attrs.items() if name in (
            "strides", "padding", "ksize", "fused_ops", "ops", "transpose_a", "transpose_b", "dilations")}
        return f"{self.op_type} {' '.join(f'{d}{list(s)}' for s, d in self.inputs)} {told}"

    @property
    def window(self):
        """Of a convolution, in y and x."""
        is_gradient = self.op_type == "Conv2DBackpropFilter"
        return tuple(self.constants[1][:2] if is_gradient else self.inputs[1][0][:2])

    @property
    def is_line(self):
        return 1 in self.window

    @property
    def is_tiled(self):
        """Whether Winograd's filtering takes it where it is asked for."""
        if self.op_type not in CONVOLUTIONS or set(self.attrs["strides"]) | set(self.attrs["dilations"]) != {1}:
            return False
        return self.window in ((3, 3), (5, 5), (1, 3), (3, 1), (1, 7), (7, 1))

    @property
    def terms(self):
        """Products in a sum of a convolution or matrix product."""
        if self.op_type == "Conv2DBackpropFilter":
            return int(np.prod(self.inputs[2][0][:-1]))
        if "MatMul" in self.op_type:
            return self.inputs[0][0][-2 if self.attrs.get("transpose_a", self.attrs.get("adj_x")) else -1]
        w = self.inputs[1][0]
        if self.op_type == "_FusedSeparableConv2D":                     # of the second: the first has few
            return w[2] * w[3]
        channels = 1 if "Depthwise" in self.op_type else w[3 if "BackpropInput" in self.op_type else 2]
        return int(np.prod(w[:2])) * channels

    @property
    def normalised(self):
        """Of each batch norm within a fused op: which input is its scale, and the products in a sum that it takes."""
        if self.op_type == "_FusedSeparableConv2D":
            return (3, int(np.prod(self.inputs[1][0][:2]))), (7, self.terms)
        ops = self.attrs.get("fused_ops", ())
        return ((2 + ("BiasAdd" in ops), self.terms),) if "FusedBatchNorm" in ops else ()

    @property
    def size(self):
        """Numbers in all its tensors."""
        return sum(int(np.prod(shape)) for shape, _ in (*self.inputs, *self.outputs))

    @property
    def key(self):
        """Equal for requests that any kernel answers alike."""
        constants = [(k, a.dtype.str, a.tobytes()) for k, a in sorted(self.constants.items()) if a.size < 100]
        return self.op_type, repr(sorted(self.attrs.items(), key=str)), self.inputs, self.outputs, str(constants)

    def draw(self):
        """Float64 arrays whose values float32 holds, such that the op has something to do."""
        random = np.random.default_rng(0)
        arrays = []
        for k, (shape, dtype) in enumerate(self.inputs):
            if k in self.constants:
                arrays.append(np.array(self.constants[k]))
            elif dtype == "float32":
                arrays.append(_fitting(self, k, random.standard_normal(shape)))
            else:
                arrays.append(random.integers(0, 2, shape).astype(dtype))
        return _belonging(self, [a.astype(np.float64) if a.dtype == np.float32 else a for a in arrays])

    def truth(self, arrays):
        """The outputs that the op's NumPy body gives in float64."""
        attrs = {name: dtypes.float64 if value is dtypes.float32 else value for name, value in self.attrs.items()}
        return [np.asarray(y) for y in self.declaration.reference([np.array(a) for a in arrays], attrs)]

    def run(self, arrays, algorithm, threads=2):
        """The outputs of the float32 kernel."""
        attrs = kernel_attrs(self.attrs) | ({} if algorithm == "auto" else {"convolution:algorithm": algorithm})
        inputs = [np.array(a, np.float32 if a.dtype == np.float64 else a.dtype) for a in arrays]
        outputs = [inputs[0] if self.writes_first and k == 0 else (shape, np.dtype(dtype))
                   for k, (shape, dtype) in enumerate(self.outputs)]
        return KernelCall(prepare_function(self.declaration.kernels["cpu"]), self.op_type, inputs, outputs, attrs,
                          tuple(self.constants), threads).run()


_VARIANCES = {"FusedBatchNormV3": 4, "_FusedBatchNormInference": 4, "ApplyAdam": 2}


def _fitting(request, k, values):
    """Normal numbers as input k may have them: variances are positive, scales near 1, decay rates below."""
    factors = {scale + 3 * i: terms ** i for scale, terms in request.normalised for i in (0, 1)}
    if k in factors:                                              # scales, and variances of sums
        values = (1 + 0.1 * np.tanh(values)) * factors[k]
    elif k == _VARIANCES.get(request.op_type):
        values = np.abs(values) + 0.5
    elif request.op_type.startswith("Apply") and not values.ndim:
        values = 0.25 + 0.5 * np.exp(-values ** 2)
    return np.asarray(values, np.float32).astype(np.float64)


def _belonging(request, arrays):
    """Makes inputs those that belong to the others: the maxima of what was pooled, the moments of what was normalised.
    """
    if request.op_type == "MaxPoolGrad":
        arrays[1] = REGISTRY["MaxPool"].reference(arrays[:1], request.attrs)[0]
    elif "FusedBatchNormGrad" in request.op_type:
        k = request.attrs.get("num_addends", 1)                    # x, after the gradients
        x = arrays[k] if arrays[k].size else np.zeros((1, 1, *arrays[k].shape[2:]))
        if request.attrs.get("num_features") == 2:
            _decide(x, *arrays[k + 4:])
        arrays[k + 2:k + 4] = [m.astype(np.float32).astype(np.float64) for m in (x.mean((0, 1, 2)), x.var((0, 1, 2)))]
    return arrays


def _decide(x, gain, shift):
    """Moves what an activation would decide by the last digits: of millions of elements, some are so near 0 or 6."""
    features = (x - x.mean((0, 1, 2))) * gain + shift
    for threshold in (0, 6):
        x += np.where(abs(features - threshold) < 1e-4 * abs(gain), 2.0 ** -6, 0)


def network_requests(name, batch=1):
    """The distinct kernel calls of one network: a step of inference and one of training."""
    found = {}
    for training in (False, True):
        with tf.Graph().as_default():
            fetch, feeds = _network(name, batch, training)
            found |= {request.key: request for request in plan_requests([fetch], feeds)}
    return list(found.values())


def _network(name, batch, training):
    about, layers = NETWORKS[name], Layers(training)
    images = tf.placeholder(tf.float32, [batch, about.side, about.side, about.channels])
    logits = getattr(tf_networks, name)(layers, images, about.classes)
    if not training:
        return tf.nn.softmax(logits), [images]
    labels = tf.placeholder(tf.int32, [batch])
    return tf_programs._train(about, logits, labels, layers.updates), [images, labels]


def plan_requests(fetches, feeds):
    """The distinct kernel calls that give float32 in the plan for these fetches, feeds having their static shapes."""
    template = pipeline.make_template(tuple(fetches), tuple(feeds), Placement(tf.ConfigProto()))
    plan = pipeline.specialise(template, [tuple(t.shape.as_list()) for t in feeds], {})
    found = {}
    for step in plan.steps:
        if step.kind == KERNEL and not step.node.declaration.is_random \
                and any(v.dtype.base_dtype is dtypes.float32 for v in step.outputs):
            request = _request_of(step)
            found.setdefault(request.key, request)
    return list(found.values())


def _request_of(step):
    described = [[(v.shape, v.dtype.base_dtype.name) for v in values] for values in (step.inputs, step.outputs)]
    constants = {k: v.storage.payload for k, v in enumerate(step.inputs) if v.storage.kind == CONST}
    return Request(step.node.op_type, step.node.attrs, *described, constants)


def error_of(y, truth):
    """The largest error over the root mean square of the truth where that is not 0: relu and padding do not count."""
    found = truth[(truth != 0) & np.isfinite(truth)]
    scale = np.sqrt(np.mean(np.square(found))) if found.size else 1.0
    return float(np.max(np.where(np.isnan(truth) & np.isnan(y), 0, np.abs(y - truth)), initial=0) / scale)
