"""The kernel classes of shared/design/cpu_kernels.md, section 1: their shapes, and the ratios that it expects.

A backward kernel of normalisation or pooling has no public function of its own, so it is measured with its forward
kernel; the expected ratio of such a pair is that of two halves that take the peer equally long.
"""
from networks.architectures import RESNET50


class KernelClass:
    """Shapes that one expectation holds for.

    Attributes
    ----------
    name, about : str
    realistic, stretch : float or None      ratio to the best peer (or to `against`)
    against : str or None                   a subject, where the study compares with that one alone
    shapes : dict                           {name of the work after "kernel_": (program, arguments)}
    """

    def __init__(self, name, realistic, stretch, shapes, about="", against=None):
        self.name, self.realistic, self.stretch = name, realistic, stretch
        self.shapes, self.about, self.against = shapes, about, against


def resnet50_shapes():
    """Shapes of ResNet-50's 161 parameters: 25,557,032 numbers."""
    shapes, channels = [[7, 7, 3, 64], [64], [64]], 64
    for filters, blocks in RESNET50:
        for block in range(blocks):
            convolutions = [(1, channels, filters), (3, filters, filters), (1, filters, 4 * filters)]
            convolutions += [(1, channels, 4 * filters)] if block == 0 else []
            for size, before, after in convolutions:
                shapes += [[size, size, before, after], [after], [after]]
            channels = 4 * filters
    return [*shapes, [2048, 1000], [1000]]


def both(forward, backward):
    """The ratio of a pair of kernels that take the peer equally long."""
    return round(2 / (1 / forward + 1 / backward), 2)


_BOTTLENECKS = [(56, 64), (28, 128), (14, 256), (7, 512)]
_POINTWISE = [(56, 64, 256), (56, 256, 64), (28, 512, 128), (14, 256, 1024), (7, 2048, 512)]


def _conv(kind, batches, shapes, size, stride=1, fresh=False):
    """{name: (program, arguments)} of convolutions; a shape is (rows, channels) or (rows, channels, filters)."""
    size = size if isinstance(size, tuple) else (size, size)
    title = f"conv{size[0]}x{size[1]}" + ("s2" if stride == 2 else "") + f"_{kind}" + ("_fresh" if fresh else "")
    found = {}
    for batch in batches:
        for rows, channels, *filters in shapes:
            filters = filters[0] if filters else channels
            found[f"{title}_{rows}x{rows}x{channels}to{filters}_b{batch}"] = ("conv", {
                "kind": kind, "batch": batch, "rows": rows, "channels": channels, "filters": filters,
                "size": list(size), "stride": stride, **({"fresh": True} if fresh else {})})
    return found


def _on(program, title, rows_channels, batches=(8,), **more):
    return {f"{title}_{rows}x{rows}x{channels}_b{batch}":
            (program, {"batch": batch, "rows": rows, "channels": channels, **more})
            for batch in batches for rows, channels in rows_channels}


def _others(kind):
    """Convolutions that are neither 3x3 with stride 1 nor 1x1, but for 5x5."""
    return {**_conv(kind, (1, 8), [(56, 128)], 3, 2), **_conv(kind, (1, 8), [(224, 3, 64)], 7, 2),
            **_conv(kind, (1, 8), [(17, 128)], (1, 7)), **_conv(kind, (1, 8), [(17, 192)], (7, 1))}


_NORMS = [(56, 64), (56, 256), (14, 1024)]
_CHAINS = {f"elementwise_chain_{n}": ("elementwise_chain", {"count": n}) for n in (4096, 65536, 4194304)}

CLASSES = [
    KernelClass("conv3x3_forward", 2.0, 3.0, _conv("forward", (1, 8), _BOTTLENECKS[:3], 3), "filters unchanged"),
    KernelClass("conv3x3_forward_7x7", 1.5, 2.2, _conv("forward", (1, 8), _BOTTLENECKS[3:], 3), "filters unchanged"),
    KernelClass("conv3x3_forward_fresh_b8", 1.8, 2.7, _conv("forward", (8,), _BOTTLENECKS, 3, fresh=True),
                "filters new at every run"),
    KernelClass("conv3x3_forward_fresh_b1", 1.0, 1.5, _conv("forward", (1,), _BOTTLENECKS, 3, fresh=True),
                "filters new at every run"),
    KernelClass("conv_other_forward", 1.0, 1.2, _others("forward"), "3x3 and 7x7 with stride 2, 1x7, 7x1"),
    KernelClass("conv5x5_forward", 1.0, 1.8, _conv("forward", (1, 8), [(35, 48, 64)], 5)),
    KernelClass("conv1x1_forward", 1.0, 1.15, _conv("forward", (1, 8), _POINTWISE, 1)),
    KernelClass("depthwise_s1", 1.2, 1.8, _on("depthwise", "depthwise_s1", [(112, 32), (28, 256), (14, 512)], (1, 8),
                                              stride=1), "with bias and relu"),
    KernelClass("depthwise_s2", 2.0, 3.0, _on("depthwise", "depthwise_s2", [(112, 64), (28, 256)], (1, 8), stride=2),
                "with bias and relu"),
    KernelClass("conv3x3_grad_input", 1.7, 2.8, _conv("grad_input", (1, 8), _BOTTLENECKS, 3)),
    KernelClass("conv3x3_grad_filter", 2.5, 4.0, _conv("grad_filter", (1, 8), _BOTTLENECKS, 3)),
    KernelClass("conv_other_grad_filter", 1.2, 1.5, {**_conv("grad_filter", (1, 8), [(56, 128)], 3, 2),
                                                     **_conv("grad_filter", (1, 8), [(35, 48, 64)], 5)},
                "3x3 with stride 2, 5x5"),
    KernelClass("conv1x1_grad_input", 1.1, 1.4, _conv("grad_input", (8,), _POINTWISE, 1)),
    KernelClass("conv1x1_grad_filter", 1.0, 1.15, _conv("grad_filter", (8,), _POINTWISE, 1)),
    KernelClass("batch_norm_forward", 1.3, 2.5, _on("batch_norm", "batch_norm_forward", _NORMS, backward=False),
                "training, with relu"),
    KernelClass("batch_norm_both", both(1.3, 1.25), both(2.5, 1.8),
                _on("batch_norm", "batch_norm_both", _NORMS, backward=True),
                "training, with relu, forward + backward"),
    KernelClass("add_relu", 1.3, 1.8, _on("add_relu", "add_relu", _NORMS)),
    KernelClass("max_pool_forward", 1.2, 1.8, {
        **_on("max_pool", "max_pool3x3_forward", [(112, 64)], size=3, backward=False),
        **_on("max_pool", "max_pool2x2_forward", [(112, 128)], size=2, backward=False)}, "stride 2"),
    KernelClass("max_pool3x3_both", both(1.2, 1.1), both(1.8, 1.5),
                _on("max_pool", "max_pool3x3_both", [(112, 64)], size=3, backward=True), "forward + backward"),
    KernelClass("max_pool2x2_both", both(1.2, 3.0), both(1.8, 7.0),
                _on("max_pool", "max_pool2x2_both", [(112, 128)], size=2, backward=True), "forward + backward"),
    KernelClass("softmax_cross_entropy", 2.5, 3.5, {
        f"softmax_cross_entropy_{n}x{c}": ("softmax_cross_entropy", {"batch": n, "classes": c})
        for n, c in ((100, 10), (32, 1000))}, "value and gradient"),
    KernelClass("optimizer", 1.05, 1.15, {f"optimizer_{rule}": ("optimizer", {"rule": rule})
                                          for rule in ("momentum", "adam")}, "25.6 M parameters in 161 tensors"),
    KernelClass("elementwise_chain", 2.4, None, _CHAINS, "10 operations, against torch without compilation", "torch"),
    KernelClass("elementwise_chain_compiled", None, 1.0, dict(list(_CHAINS.items())[-1:]),
                "10 operations on 16 MB, against torch.compile", "torch_compile"),
    KernelClass("cast", 1.1, 1.3, {
        f"cast_{source}_{target}_4194304": ("cast", {"count": 4194304, "source": source, "target": target})
        for source, target in (("float32", "float16"), ("float16", "float32"))}),
]
