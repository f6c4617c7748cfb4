"""The same works in PyTorch: `how` is "eager" (channels last) or "compile"."""
import sys
from pathlib import Path

import torch

sys.path.append(str(Path(__file__).resolve().parents[1] / "bench"))

from networks import torch_networks
from networks.architectures import NETWORKS
from networks.torch_layers import Layers
from torch import nn

VERSION = torch.__version__


def is_usable():
    """Whether torch sees a card."""
    return torch.cuda.is_available()


def resnet50(how, batch, side, width, precision):
    about = NETWORKS["resnet50"]
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
    model = torch_networks.resnet50(Layers(width), side, about.classes).cuda().to(memory_format=torch.channels_last)
    x = torch.rand(batch, 3, side, side, device="cuda").to(memory_format=torch.channels_last)
    labels = torch.randint(0, about.classes, (batch,), device="cuda")
    optimizer = torch.optim.SGD(model.train().parameters(), 0.01, momentum=0.9)
    model = _compiled(how, model)

    def step():
        optimizer.zero_grad()
        with torch.autocast("cuda", torch.bfloat16, enabled=precision == "bfloat16"):
            loss = nn.functional.cross_entropy(model(x), labels)
        loss.backward()
        optimizer.step()
    return step, batch


def matmul(how, rows):
    a, b = (torch.randn(rows, rows, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    return lambda: a @ b, 2e-12 * rows ** 3


def elementwise(how, elements):
    """For "copy": what the card copies, counting bytes read and written, which is the speed of its memory."""
    x = torch.randn(elements, device="cuda")
    y = torch.empty_like(x)
    if how == "copy":
        return lambda: y.copy_(x), 8e-9 * elements
    run = _compiled(how, lambda x: torch.relu(x * 1.5 + 0.25))
    return lambda: run(x), 8e-9 * elements


def mlp(how, batch):
    x, labels = torch.rand(batch, 784, device="cuda"), torch.randint(0, 10, (batch,), device="cuda")
    layers = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10)).cuda()
    optimizer = torch.optim.SGD(layers.parameters(), 0.1)
    model = _compiled(how, layers)

    def step():
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), labels).backward()
        optimizer.step()
    return step, 1


def synchronize():
    torch.cuda.synchronize()


def peak_bytes():
    """The most memory that torch's tensors have taken in this process."""
    return torch.cuda.max_memory_allocated()


def _compiled(how, function):
    return torch.compile(function) if how == "compile" else function
