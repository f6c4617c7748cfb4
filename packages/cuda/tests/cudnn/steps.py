"""Every convolution of the benchmark networks in training, as what is asked of cuDNN."""
import sys
from pathlib import Path

import thalweg as tf
from thalweg.devices.core_api import KernelRequest
from thalweg_cuda.kernels import _by_cudnn
from thalweg_cuda.kernels._windows import conv_windows

sys.path.insert(0, str(Path(__file__).resolve().parents[4] / "tools/bench"))

from networks import tf_networks
from networks.architectures import NETWORKS
from networks.tf_layers import Layers

NAMES = ["lenet", "resnet50", "vgg16", "inception3", "mobilenet"]
# op type -> direction, and which inputs (or -1: the output) are x, filters and y
_KINDS = {"Conv2D": ("forward", 0, 1, -1), "Conv2DBackpropInput": ("image", -1, 1, 2),
          "Conv2DBackpropFilter": ("filter", 0, -1, 2)}


def convolutions(name, batch, storage, allow_tf32=False):
    """The different Convolutions of a step of training."""
    about = NETWORKS[name]
    with tf.Graph().as_default() as graph:
        images = tf.placeholder(tf.float32, [batch, about.side, about.side, about.channels])
        logits = getattr(tf_networks, name)(Layers(True), images, about.classes)
        tf.gradients(logits, [images, *tf.trainable_variables()])
        operations = [op for op in graph.get_operations() if op.type in _KINDS]
    return list(dict.fromkeys(_described(op, storage, allow_tf32) for op in operations))


def _described(op, storage, allow_tf32):
    direction, *places = _KINDS[op.type]
    tensors = [op.outputs[0] if k < 0 else op.inputs[k] for k in places]
    x, filters, y = (tuple(t.shape.as_list()) for t in tensors)
    names = "strides", "padding", "dilations", "data_format", "explicit_paddings"
    attrs = {name: op.get_attr(name) for name in names}
    attrs = {name: v.decode() if isinstance(v, bytes) else v for name, v in attrs.items()}
    request = KernelRequest("Conv2D", attrs, [x, filters], [y], [1, 1], [1])
    return _by_cudnn.described(direction, conv_windows(request, x, filters, y), filters, storage, allow_tf32)
