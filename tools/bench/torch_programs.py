"""The same programs in torch. BENCH_SUBJECT says how: eager as users write it, compiled, or tuned.

`torch` and `torch_compile` take torch's defaults (NCHW memory, unfused optimizers). `torch_tuned` is eager with
channels-last memory and fused optimizers; `torch_frozen` compiles for inference with constant weights.
"""
import os

import numpy as np
import torch
import torch_kernels
from networks import torch_networks
from networks.architectures import NETWORKS
from networks.torch_layers import Layers
from torch import nn
from torch_kernels import NoSuchProgram

VERSION = torch.__version__
SUBJECT = os.environ.get("BENCH_SUBJECT", "torch")
COMPILED = SUBJECT in ("torch_compile", "torch_frozen")
TUNED = SUBJECT in ("torch_tuned", "torch_frozen")
torch.set_num_threads(int(os.environ.get("BENCH_THREADS", "2")))
if SUBJECT == "torch_frozen":
    import torch._inductor.config
    torch._inductor.config.freezing = True


def build_nodes(count):
    raise NoSuchProgram("torch has no graph that is built beforehand")


def input_training(**_):
    raise NoSuchProgram("these works are about tf.data")


input_bound = input_training


def run_overhead(length):
    x, one = torch.tensor(1.0), torch.tensor(1.0)

    def chain(y):
        for _ in range(length):
            y = y + one
        return y
    chain = _compiled(chain)
    return lambda: chain(x).item(), 1, 1e-6


def network(name, batch, training, side=None, width=1.0, per="image", **more):
    if training and SUBJECT == "torch_frozen":
        raise NoSuchProgram("weights are frozen for inference only")
    about, layers = NETWORKS[name], Layers(width)
    side = side or about.side
    model = _laid_out(getattr(torch_networks, name)(layers, side, about.classes, **more))
    random = np.random.RandomState(1)
    channels = layers.count(about.channels) if name == "stack" else about.channels
    x = _laid_out(torch.from_numpy(random.rand(batch, channels, side, side).astype(np.float32)))
    if training:
        step = _training(model, about, x, torch.from_numpy(random.randint(0, about.classes, batch)))
    else:
        step = _inference(model, x)
    return (step, batch, None) if per == "image" else (step, 1, 1e-3)


def _training(model, about, x, labels):
    model.train()
    fused = {"fused": True} if TUNED else {}
    trainable = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(trainable, 1e-3, **fused) if about.optimizer == "adam" \
        else torch.optim.SGD(trainable, 0.01, momentum=0.9, **fused)
    model = _compiled(model)

    def step():
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), labels).backward()
        optimizer.step()
    return step


def _inference(model, x):
    model = _compiled(model.eval())
    without_gradients = torch.no_grad if COMPILED else torch.inference_mode

    def step():
        with without_gradients():
            return torch.softmax(model(x), 1)
    return step


def parameters(name, **more):
    """Trainable parameters of a network."""
    about = NETWORKS[name]
    model = getattr(torch_networks, name)(Layers(), about.side, about.classes, **more)
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def kernel(of, **arguments):
    """One kernel class on one shape."""
    if of == "optimizer" and COMPILED:
        raise NoSuchProgram("torch.compile is for models; the optimizer runs as it does without")
    return getattr(torch_kernels, of)(_compiled, _laid_out, TUNED, **arguments), 1, 1e-3


def _compiled(function):
    if not COMPILED:
        return function
    torch._dynamo.reset()            # a work of its own, not a further shape of the last one
    return torch.compile(function)


def _laid_out(data):
    return data.to(memory_format=torch.channels_last) if TUNED else data
