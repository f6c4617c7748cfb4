"""Why kernels of some ops have a stack; of all others, a stack is a mistake.

`--ptxas-options=-v` among NVRTC's options has its log tell spills from arrays that lie in local memory.
"""
from typing import NamedTuple


class Reason(NamedTuple):
    """Why kernels of these ops have up to `nbytes` of stack."""

    text: str
    nbytes: int
    op_types: tuple


REASONS = (
    Reason("NVIDIA's sin, cos and tan of float64 reduce large arguments in an array of 40 bytes, on a path that few "
           "arguments take; complex numbers and the gradients of gamma functions are computed by them", 40,
           ("Cos", "Cosh", "Digamma", "Exp", "Expm1", "IgammaGradA", "Polygamma", "Pow", "RandomGammaGrad", "Sigmoid",
            "Sin", "Sinh", "Tan", "Tanh")),
    Reason("ptxas spills a few words so that one more block fits a multiprocessor, at 32, 40, 48 or 64 registers; "
           "with __launch_bounds__(256, 1) it spills none, and takes up to 96", 16,
           ("Asin", "Atan", "AvgPool", "AvgPool3DGrad", "DepthwiseConv2dNative",
            "DepthwiseConv2dNativeBackpropInput", "MaxPool", "MaxPoolGrad", "Polygamma", "Relu6",
            "_FusedBatchNormGradEx", "_FusedDepthwiseConv2dNative")),
    Reason("the same in tiles of products, mostly of 16 bits, at 80, 128 or 168 registers; without, they take up to "
           "195, and fewer blocks fit", 64,
           ("BatchMatMulV2", "Conv2D", "Conv2DBackpropFilter", "Conv3DBackpropInputV2", "MatMul", "_FusedConv2D")),
)


def unexplained(now, reasons=REASONS):
    """Sentences on stacks that are larger than what there are reasons for; `now` as registers.compiled makes it."""
    for (op_type, arch), (_, use) in sorted(now.items()):
        known = sum(reason.nbytes for reason in reasons if op_type in reason.op_types)
        if use.stack > known:
            yield (f"{op_type} on sm_{arch} has a stack of {use.stack} bytes, stacks.py has reasons for {known}: "
                   "change the kernel, or find out what lies there and say it")


def idle(table, reasons=REASONS):
    """(op type, reason) of those that no row of a table of all cards needs."""
    used = {op_type for (op_type, _), (_, use) in table.items() if use.stack}
    return [(op_type, reason.text) for reason in reasons for op_type in reason.op_types if op_type not in used]
