"""Plans of whole networks, made for a card that is only described: what plans make of ops, fused steps and regions."""
import sys
from pathlib import Path

import thalweg as tf
from thalweg import devices
from thalweg.devices.placement import Placement
from thalweg.plan import pipeline
from thalweg.runtime.precision import plan_precision
from thalweg_cuda.work import Unsupported

sys.path.append(str(Path(__file__).resolve().parents[4] / "tools/bench"))

from networks import tf_networks
from networks.architectures import NETWORKS
from networks.tf_layers import Layers

_BATCH = 32


class Described:
    """A device that has the kernels of a Catalogue and runs none."""

    def __init__(self, catalogue):
        self._catalogue = catalogue

    def count(self):
        return 1

    def describe(self, i):
        return {"compute_types": ["float16", "bfloat16"]}

    def kernel(self, i, op):
        try:
            return _Kernel(self._catalogue.prepare(op))
        except Unsupported as refusal:
            op.refusal = str(refusal)
            return None

    def alloc(self, i, nbytes, align):
        raise MemoryError("a card that is described has no memory")

    free = h2d = d2h = alloc


class _Kernel:
    """What a plan is laid out by."""

    def __init__(self, work):
        self.workspace_bytes, self.host_inputs = work.workspace_bytes, tuple(work.host_inputs)
        self.inplace, self.inplace_second = tuple(work.inplace), tuple(work.inplace_second)

    def __call__(self, inputs, outputs, **more):
        raise RuntimeError("a card that is described runs nothing")


def plan_networks(catalogue):
    """Plans a step of training and one of inference of each network, in float32 (or TF32), bfloat16 and float16."""
    devices.register(devices.DevicePlugin("DESCRIBED", lambda: Described(catalogue), addresses=True))
    try:
        for name in ("lenet", "resnet50", "vgg16", "inception3", "mobilenet"):
            for is_training in (True, False):
                for precision in ("", "bfloat16", "float16"):
                    _plan(name, is_training, tf.ConfigProto(compute_type=precision, allow_tf32=True))
    finally:
        devices.unregister("DESCRIBED")


def _plan(name, is_training, config):
    about = NETWORKS[name]
    images = _BATCH, about.side, about.side, about.channels
    with tf.Graph().as_default(), tf.device("/device:DESCRIBED:0"):
        x, labels = tf.placeholder(tf.float32, images), tf.placeholder(tf.int32, [_BATCH])
        layers = Layers(is_training, 1.0)
        result = getattr(tf_networks, name)(layers, x, about.classes)
        if is_training:
            result = _step(about, result, labels, layers.updates)
        with tf.Session(config=config):                                     # opens devices
            template = pipeline.make_template((result,), (x, labels), Placement(config))
            pipeline.specialise(template, [images, (_BATCH,)], {}, precision=plan_precision(config))


def _step(about, logits, labels, updates):
    """The operation that trains."""
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
    optimizer = tf.train.AdamOptimizer() if about.optimizer == "adam" else tf.train.MomentumOptimizer(0.01, 0.9)
    return tf.group(optimizer.minimize(loss), *updates)
