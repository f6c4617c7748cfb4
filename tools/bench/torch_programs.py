"""The same networks in torch, eager, channels-last memory where torch itself advises it for CPUs (images)."""
import sys

import numpy as np
import torch
from torch import nn

VERSION = torch.__version__
torch.set_num_threads(int(sys.argv[2]))


class NoSuchProgram(Exception):
    """torch has no graph to build or to run."""


def build_nodes(count):
    raise NoSuchProgram("torch has no graph that is built beforehand")


def run_overhead(length):
    x, one = torch.tensor(1.0), torch.tensor(1.0)

    def step():
        y = x
        for _ in range(length):
            y = y + one
        return y.item()
    return step, 1, 1e-6


def lenet(batch, training):
    model = nn.Sequential(nn.Conv2d(1, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 5, padding=2),
                          nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(3136, 1024), nn.ReLU(),
                          nn.Dropout(0.4), nn.Linear(1024, 10))
    return _step(model, [batch, 1, 28, 28], 10, training, lambda p: torch.optim.Adam(p, 1e-3))


def resnet50(batch, training):
    layers = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    channels = 64
    for stage, (filters, blocks) in enumerate([(64, 3), (128, 4), (256, 6), (512, 3)]):
        for block in range(blocks):
            layers.append(_Bottleneck(channels, filters, 2 if stage and block == 0 else 1, block == 0))
            channels = 4 * filters
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2048, 1000))
    return _step(model, [batch, 3, 224, 224], 1000, training, lambda p: torch.optim.SGD(p, 0.01, momentum=0.9))


class _Bottleneck(nn.Module):
    def __init__(self, channels, filters, stride, project):
        super().__init__()
        out = 4 * filters
        self.body = nn.Sequential(
            nn.Conv2d(channels, filters, 1, bias=False), nn.BatchNorm2d(filters), nn.ReLU(),
            nn.Conv2d(filters, filters, 3, stride, 1, bias=False), nn.BatchNorm2d(filters), nn.ReLU(),
            nn.Conv2d(filters, out, 1, bias=False), nn.BatchNorm2d(out))
        self.shortcut = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out)) \
            if project else nn.Identity()

    def forward(self, x):
        return torch.relu(self.body(x) + self.shortcut(x))


def _step(model, shape, classes, training, optimizer):
    random = np.random.RandomState(1)
    x = torch.from_numpy(random.rand(*shape).astype(np.float32))
    labels = torch.from_numpy(random.randint(0, classes, shape[0]))
    if training:
        model.train()
        optimizer = optimizer(model.parameters())

        def step():
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), labels).backward()
            optimizer.step()
    else:
        model.eval()

        def step():
            with torch.inference_mode():
                return torch.softmax(model(x), 1)
    return step, shape[0], None
