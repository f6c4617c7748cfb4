"""Kernels that no row of an op table and no network asks for: ops on variables, and the rest."""
import numpy as np

from thalweg.devices import KernelRequest
from thalweg.framework.declaration import REGISTRY
from thalweg.framework.dtypes import as_dtype
from thalweg_cuda.kernels._steps import STEPS

_FLOATS = "float16", "bfloat16", "float32", "float64"
_NUMBERS = *_FLOATS, "int32", "int64", "uint8", "complex64", "complex128"
_INDICES = "int32", "int64"
_SHAPE, _ROWS = (100, 3), (7,)                   # of variables; of indices


def requests():
    """A KernelRequest each."""
    for part in (_steps, _steps_of_rows, _assignments, _scatters, _segments, _diagonals, _others):
        yield from part()


def _request(op_type, inputs, output, values=None, **attrs):
    """Inputs and output are (dtype name, shape), `values` those of constant inputs by number."""
    dtypes, shapes = zip(*inputs)
    return KernelRequest(op_type, attrs, list(shapes), [output[1]], [as_dtype(d) for d in dtypes],
                         [as_dtype(output[0])], values)


def _operands(step, dtype, gradient):
    """Of an optimizer: variables and slots, scalars, the gradient, the global step."""
    kinds = {"v": (dtype, _SHAPE), "g": (dtype, gradient), "h": (dtype, ()), "n": ("int64", ())}
    return [kinds[letter] for letter in step.letters]


def _steps():
    for op_type, step in STEPS.items():
        for dtype in _FLOATS:
            yield _request(op_type, _operands(step, dtype, _SHAPE), (dtype, _SHAPE))


def _steps_of_rows():
    for op_type, step in STEPS.items():
        for dtype in _FLOATS if f"Sparse{op_type}" in REGISTRY else ():
            for index in _INDICES:
                inputs = _operands(step, dtype, _ROWS + _SHAPE[1:])
                inputs.insert(step.letters.index("g") + 1, (index, _ROWS))
                yield _request(f"Sparse{op_type}", inputs, (dtype, _SHAPE))


def _assignments():
    for op_type in ("AssignAdd", "AssignSub"):
        for dtype in _NUMBERS:
            yield _request(op_type, [(dtype, _SHAPE)] * 2, (dtype, _SHAPE))


def _scatters():
    for verb in ("Update", "Add", "Sub", "Mul", "Div", "Min", "Max"):
        for dtype in _NUMBERS:
            for index in _INDICES:
                rows = (dtype, _ROWS + _SHAPE[1:])
                yield _request(f"Scatter{verb}", [(dtype, _SHAPE), (index, _ROWS), rows], (dtype, _SHAPE))
                if verb in ("Update", "Add", "Sub"):
                    inputs = [(dtype, _SHAPE), (index, (*_ROWS, 1)), rows]
                    yield _request(f"ScatterNd{verb}", inputs, (dtype, _SHAPE))


def _segments():
    for name in ("Sum", "Mean", "Prod", "Max", "Min"):
        for dtype in _NUMBERS:
            for index in _INDICES:
                yield _request(f"Segment{name}", [(dtype, _SHAPE), (index, _SHAPE[:1])], (dtype, (9, *_SHAPE[1:])))


def _diagonals():
    square, line = (5, 5), (5,)
    for dtype in _NUMBERS:
        yield _request("Diag", [(dtype, line)], (dtype, square))
        yield _request("DiagPart", [(dtype, square)], (dtype, line))
        yield _request("MatrixSetDiag", [(dtype, square), (dtype, line)], (dtype, square))
        yield _request("MatrixBandPart", [(dtype, square), *[("int64", ())] * 2], (dtype, square))


def _others():
    x, pooled = (2, 9, 10, 4), (2, 8, 9, 4)
    for dtype in _FLOATS:
        yield _request("MaxPoolGradGradWithArgmax", [(dtype, x), (dtype, x), ("int64", pooled)], (dtype, pooled),
                       ksize=[1, 2, 2, 1], strides=[1, 1, 1, 1], padding="VALID", include_batch_in_index=False)
    for dtype in ("float32", "float64"):
        limits = {0: np.array(0, dtype), 1: np.array(1, dtype), 2: np.array(9, "int32")}
        yield _request("LinSpace", [*[(dtype, ())] * 2, ("int32", ())], (dtype, (9,)), limits)
