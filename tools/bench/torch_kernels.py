"""One kernel class each, in torch: gives the step. `compiled` and `laid_out` do to functions and images what the
subject wants (see torch_programs)."""
import kernels
import torch
from torch.nn import functional


class NoSuchProgram(Exception):
    """What torch does not have, or does not do in this way."""


def conv(compiled, laid_out, tuned, kind, batch, rows, channels, filters, size, stride=1, fresh=False):
    border, out = [n // 2 for n in size], -(-rows // stride)
    x = laid_out(torch.randn(batch, channels, rows, rows))
    w = laid_out(torch.randn(filters, channels, *size))
    one = torch.ones(())
    if kind == "forward":
        def run(x, w, one):
            return functional.conv2d(x, w * one if fresh else w, stride=stride, padding=border)
        return _forward(compiled(run), x, w, one)
    dy = laid_out(torch.randn(batch, filters, out, out))
    mask = [kind == "grad_input", kind == "grad_filter", False]

    def run_back(dy, x, w):
        return torch.ops.aten.convolution_backward(dy, x, w, None, [stride] * 2, border, [1, 1], False, [0, 0], 1,
                                                   mask)
    return _forward(compiled(run_back), dy, x, w)


def depthwise(compiled, laid_out, tuned, batch, rows, channels, stride):
    def run(x, w, bias):
        return functional.relu(functional.conv2d(x, w, bias, stride, 1, groups=channels), inplace=True)
    return _forward(compiled(run), laid_out(torch.randn(batch, channels, rows, rows)), torch.randn(channels, 1, 3, 3),
                    torch.randn(channels))


def batch_norm(compiled, laid_out, tuned, batch, rows, channels, backward):
    def run(x, scale, offset):
        return functional.relu(functional.batch_norm(x, None, None, scale, offset, training=True), inplace=True)
    shape = batch, channels, rows, rows
    inputs = laid_out(torch.randn(shape)), torch.randn(channels), torch.randn(channels)
    return _both(compiled(run), inputs, laid_out(torch.randn(shape))) if backward else _forward(compiled(run), *inputs)


def add_relu(compiled, laid_out, tuned, batch, rows, channels):
    def run(x, y):
        return functional.relu(x + y, inplace=True)
    return _forward(compiled(run), *(laid_out(torch.randn(batch, channels, rows, rows)) for _ in range(2)))


def max_pool(compiled, laid_out, tuned, batch, rows, channels, size, backward):
    def run(x):
        return functional.max_pool2d(x, size, 2, size // 2 if size % 2 else 0)
    x, dy = (laid_out(torch.randn(batch, channels, n, n)) for n in (rows, rows // 2))
    return _both(compiled(run), [x], dy) if backward else _forward(compiled(run), x)


def softmax_cross_entropy(compiled, laid_out, tuned, batch, classes):
    labels = torch.zeros(batch, dtype=torch.int64)

    def run(logits):
        return functional.cross_entropy(logits, labels)
    return _both(compiled(run), [torch.randn(batch, classes)], None)


def optimizer(compiled, laid_out, tuned, rule):
    parameters = [torch.nn.Parameter(torch.randn(shape)) for shape in kernels.resnet50_shapes()]
    for parameter in parameters:
        parameter.grad = torch.randn(parameter.shape)
    fused = {"fused": True} if tuned else {}
    return (torch.optim.Adam(parameters, 1e-3, **fused) if rule == "adam"
            else torch.optim.SGD(parameters, 0.01, momentum=0.9, **fused)).step


def elementwise_chain(compiled, laid_out, tuned, count):
    def run(x, y):
        h = torch.sigmoid(x * y + x)
        h = torch.sqrt(h * h + 1.0)
        return torch.maximum(h - y, x) * 0.5 + y
    return _forward(compiled(run), torch.randn(count), torch.randn(count))


def cast(compiled, laid_out, tuned, count, source, target):
    x, target = torch.randn(count).to(getattr(torch, source)), getattr(torch, target)
    return _forward(compiled(lambda x: x.to(target)), x)


def _forward(function, *inputs):
    def step():
        with torch.no_grad():
            function(*inputs)
    return step


def _both(function, inputs, dy):
    """Forward and backward: gradients by all inputs."""
    inputs = [x.requires_grad_() for x in inputs]
    return lambda: torch.autograd.grad(function(*inputs), inputs, dy)
