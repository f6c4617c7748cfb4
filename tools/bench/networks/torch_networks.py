"""The networks in torch: each gives a module from images [N, C, H, W] to logits [N, classes]."""
from torch import nn

from . import architectures
from .torch_layers import Fork, Residual, pooled


def lenet(layers, side, classes):
    parts, channels = [], 1
    for filters in map(layers.count, (32, 64)):
        parts += [layers.conv(channels, filters, 5, bias=True), nn.ReLU(inplace=True), nn.MaxPool2d(2)]
        channels = filters
    units = layers.count(1024)
    return nn.Sequential(*parts, nn.Flatten(), nn.Linear((side // 4) ** 2 * channels, units), nn.ReLU(inplace=True),
                         nn.Dropout(0.4), nn.Linear(units, classes))


def resnet50(layers, side, classes):
    channels = layers.count(64)
    parts = [layers.unit(3, channels, 7, 2), nn.MaxPool2d(3, 2, 1)]
    for stage, (filters, blocks) in enumerate(architectures.RESNET50):
        for block in range(blocks):
            inner, outer = layers.count(filters), layers.count(4 * filters)
            parts.append(_bottleneck(layers, channels, inner, outer, 2 if stage and block == 0 else 1, block == 0))
            channels = outer
    return nn.Sequential(*parts, pooled(), nn.Linear(channels, classes))


def _bottleneck(layers, channels, inner, outer, stride, project):
    body = nn.Sequential(layers.unit(channels, inner, 1), layers.unit(inner, inner, 3, stride),
                         layers.conv(inner, outer, 1), layers.norm(outer))
    shortcut = nn.Sequential(layers.conv(channels, outer, 1, stride), layers.norm(outer)) if project else nn.Identity()
    return Residual(body, shortcut)


def vgg16(layers, side, classes):
    parts, channels = [], 3
    for filters, convolutions in architectures.VGG16:
        for _ in range(convolutions):
            parts += [layers.conv(channels, layers.count(filters), 3, bias=True), nn.ReLU(inplace=True)]
            channels = layers.count(filters)
        parts.append(nn.MaxPool2d(2))
    size, units = (side // 32) ** 2 * channels, layers.count(4096)
    parts.append(nn.Flatten())
    for before in (size, units):
        parts += [nn.Linear(before, units), nn.ReLU(inplace=True), nn.Dropout(0.5)]
    return nn.Sequential(*parts, nn.Linear(units, classes))


def inception3(layers, side, classes):
    body, channels = _chain(layers, 3, architectures.INCEPTION3)
    return nn.Sequential(body, pooled(), nn.Dropout(0.2), nn.Linear(channels, classes))


def _chain(layers, channels, chain):
    """(module, channels of its result)"""
    parts = []
    for part in chain:
        if part == architectures.POOL:
            parts.append(nn.AvgPool2d(3, 1, 1, count_include_pad=False))
        elif part == architectures.REDUCE:
            parts.append(nn.MaxPool2d(3, 2))
        elif isinstance(part, list):
            branches = [_chain(layers, channels, branch) for branch in part]
            parts.append(Fork([module for module, _ in branches]))
            channels = sum(size for _, size in branches)
        else:
            filters, size, stride, padding = part
            filters = layers.count(filters)
            parts.append(layers.unit(channels, filters, size, stride, padding, has_scale=False))
            channels = filters
    return nn.Sequential(*parts), channels


def mobilenet(layers, side, classes):
    channels = layers.count(32)
    parts = [layers.unit(3, channels, 3, 2, relu=nn.ReLU6)]
    for filters, stride in architectures.MOBILENET:
        parts += [nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False), layers.norm(channels),
                  nn.ReLU6(inplace=True), layers.unit(channels, layers.count(filters), 1, relu=nn.ReLU6)]
        channels = layers.count(filters)
    return nn.Sequential(*parts, pooled(), nn.Dropout(0.001), nn.Linear(channels, classes))


def stack(layers, side, classes, depth):
    filters = layers.count(64)
    parts = []
    for _ in range(depth):
        parts += [layers.conv(filters, filters, 3, bias=True), nn.ReLU(inplace=True)]
    return nn.Sequential(*parts, pooled(), nn.Linear(filters, classes))
