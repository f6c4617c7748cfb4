"""`fused_ops` of the plan's fused products, as the end of a tile kernel."""
from thalweg_cuda.work import Unsupported, input_

from ._tiles import Epilogue

_HIGHEST = {"Relu": float("inf"), "Relu6": 6.0}


def of(request, fused_ops, epsilon, first):
    """The Epilogue of ops in order: BiasAdd or FusedBatchNorm, Add, Relu or Relu6; operands from input `first` on."""
    found = Epilogue()
    for name in fused_ops:
        if name == "BiasAdd" and found == Epilogue():
            found, first = found._replace(shift=input_(first)), first + 1
        elif name == "FusedBatchNorm" and found == Epilogue():
            scale, shift, mean, variance = map(input_, range(first, first + 4))
            found, first = Epilogue(scale, mean, variance, float(epsilon), shift), first + 4
        elif name == "Add" and found.residual is None and found.high is None:
            found, first = found._replace(residual=input_(first)), first + 1
        elif name in _HIGHEST and found.high is None:
            found = found._replace(high=_HIGHEST[name])
        else:
            raise Unsupported(f"{request.op_type}: {name!r} at this place of fused_ops {list(fused_ops)}")
    return found
