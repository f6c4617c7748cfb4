"""Layers as torch's users write them (torchvision's form: in-place relu, batch norm of nn)."""
import torch
from torch import nn

from .architectures import DECAY, EPSILON


class Layers:
    """Makes the layers of one network; `width` multiplies every count of filters or units."""

    def __init__(self, width=1.0):
        self.width = width

    def count(self, units):
        return max(1, round(units * self.width))

    def conv(self, channels, filters, size, stride=1, padding="SAME", bias=False):
        """Convolution; `size` is (rows, columns) or one number for both."""
        rows, columns = size if isinstance(size, tuple) else (size, size)
        border = (rows // 2, columns // 2) if padding == "SAME" else 0
        return nn.Conv2d(channels, filters, (rows, columns), stride, border, bias=bias)

    def norm(self, channels, has_scale=True):
        made = nn.BatchNorm2d(channels, eps=EPSILON, momentum=1 - DECAY)
        made.weight.requires_grad = has_scale
        return made

    def unit(self, channels, filters, size, stride=1, padding="SAME", relu=nn.ReLU, has_scale=True):
        """Convolution, batch norm, relu."""
        return nn.Sequential(self.conv(channels, filters, size, stride, padding), self.norm(filters, has_scale),
                             relu(inplace=True))


class Fork(nn.Module):
    """Chains side by side, their results concatenated by channels."""

    def __init__(self, branches):
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x):
        return torch.cat([branch(x) for branch in self.branches], 1)


class Residual(nn.Module):
    """relu(body(x) + shortcut(x))"""

    def __init__(self, body, shortcut):
        super().__init__()
        self.body, self.shortcut = body, shortcut

    def forward(self, x):
        return nn.functional.relu(self.body(x) + self.shortcut(x), inplace=True)


def pooled():
    """[N, C, H, W] -> [N, C], the mean."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
