"""`fused_ops` of the plan's fused products, as the end of a tile kernel."""
from typing import NamedTuple

from thalweg_cuda.work import Operand, Unsupported, input_

OPERANDS = {"BiasAdd": 1, "Add": 1, "FusedBatchNorm": 4}
_HIGHEST = {"Relu": float("inf"), "Relu6": 6.0}


class Epilogue(NamedTuple):
    """What happens to a sum of column n: (sum + bias - mean) scale / sqrt(variance + epsilon) + shift + residual,
    clamped. A bias that no normalisation follows is the shift."""

    bias: Operand | None = None
    scale: Operand | None = None
    mean: Operand | None = None
    variance: Operand | None = None
    epsilon: float = 0.0
    shift: Operand | None = None
    residual: Operand | None = None
    high: float | None = None    # None: not clamped to [0, high]

    def add_fields(self, frame, storage):
        """What _tile_text.EPILOGUE reads from a Frame, where IS_FUSED."""
        frame.add(f"const {storage}*", bias=self.bias, scale=self.scale, mean=self.mean, variance=self.variance,
                  shift=self.shift, residual=self.residual)
        frame.add("int", is_clamped=int(self.high is not None))
        frame.add("double", epsilon=self.epsilon, high=0.0 if self.high is None else self.high)


def names(request, attribute="fused_ops"):
    """The op types of a list attribute; plans join them with commas."""
    value = request.attrs[attribute]
    return [name for name in value.split(",") if name] if isinstance(value, str) else list(value)


def of(request, first, attribute="fused_ops", epsilon="epsilon"):
    """The Epilogue of ops in order: BiasAdd, FusedBatchNorm, Add, Relu or Relu6; operands from input `first` on."""
    found, epsilon = Epilogue(), float(request.attrs.get(epsilon, 0.0))
    for name in names(request, attribute):
        if name == "BiasAdd" and found == Epilogue():
            found, first = found._replace(shift=input_(first)), first + 1
        elif name == "FusedBatchNorm" and found == Epilogue(shift=found.shift):
            scale, shift, mean, variance = map(input_, range(first, first + 4))
            found, first = Epilogue(found.shift, scale, mean, variance, epsilon, shift), first + 4
        elif name == "Add" and found.residual is None and found.high is None:
            found, first = found._replace(residual=input_(first)), first + 1
        elif name in _HIGHEST and found.high is None:
            found = found._replace(high=_HIGHEST[name])
        else:
            raise Unsupported(f"{request.op_type}: {name!r} at this place of {attribute} {names(request, attribute)}")
    return found
