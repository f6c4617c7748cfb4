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
    for part in (_steps, _steps_of_rows, _assignments, _scatters, _segments, _diagonals, _volumes, _largest, _casts,
                 _transposes, _others):
        yield from part()


def _request(op_type, inputs, output, values=None, **attrs):
    """Inputs and output (or a list of them) are (dtype name, shape), `values` those of constant inputs by number."""
    dtypes, shapes = zip(*inputs)
    out_dtypes, out_shapes = zip(*(output if isinstance(output, list) else [output]))
    return KernelRequest(op_type, attrs, list(shapes), list(out_shapes), [as_dtype(d) for d in dtypes],
                         [as_dtype(d) for d in out_dtypes], values)


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


def _volumes():
    """Convolutions that a product of matrices may take: channels in fours, and before the rest."""
    x, filters, y = (2, 6, 7, 8, 4), (3, 3, 3, 4, 8), (2, 3, 4, 4, 8)
    for dtype in _FLOATS:
        for data_format in ("NDHWC", "NCDHW"):
            ours, theirs = (x, y) if data_format == "NDHWC" else ((s[0], s[4], *s[1:4]) for s in (x, y))
            attrs = {"strides": [1 if n in "NC" else 2 for n in data_format], "padding": "SAME",
                     "data_format": data_format, "dilations": [1] * 5, "allow_tf32": True}
            image, weights, result, sizes = (dtype, ours), (dtype, filters), (dtype, theirs), ("int32", (5,))
            yield _request("Conv3D", [image, weights], result, **attrs)
            yield _request("Conv3DBackpropInputV2", [sizes, weights, result], image, **attrs)
            yield _request("Conv3DBackpropFilterV2", [image, sizes, result], weights, **attrs)


def _largest():
    """Of rows that are too long to compare each element with all others; of rows that are sorted."""
    for dtype in (*_FLOATS, *_INDICES, "uint8"):
        for rows, columns, k in ((3, 5000, 10), (3, 5000, 2000)):
            inputs = [(dtype, (rows, columns)), ("int32", ())]
            yield _request("TopKV2", inputs, [(dtype, (rows, k)), ("int32", (rows, k))], {1: np.array(k, "int32")},
                           sorted=True)


def _casts():
    """Those that no row of a table has."""
    for dtype in ("float16", "bfloat16", "float32", "float64", "complex64"):
        yield _request("Cast", [(dtype, _SHAPE)], ("uint64", _SHAPE), Truncate=False)
        yield _request("Cast", [(dtype, _SHAPE)], ("bfloat16", _SHAPE), Truncate=True)


def _transposes():
    """Of matrices large enough for tiles, in every size of elements."""
    for dtype in ("uint8", "float16", "float32", "float64", "complex128"):
        yield _request("Transpose", [(dtype, (65, 33)), ("int32", (2,))], (dtype, (33, 65)),
                       {1: np.array([1, 0], "int32")})


def _others():
    x, pooled = (2, 9, 10, 4), (2, 8, 9, 4)
    for dtype in _FLOATS:
        yield _request("MaxPoolGradGradWithArgmax", [(dtype, x), (dtype, x), ("int64", pooled)], (dtype, pooled),
                       ksize=[1, 2, 2, 1], strides=[1, 1, 1, 1], padding="VALID", include_batch_in_index=False)
    for dtype in ("float32", "float64"):
        yield _request("RandomGammaGrad", [(dtype, _SHAPE)] * 2, (dtype, _SHAPE))
        limits = {0: np.array(0, dtype), 1: np.array(1, dtype), 2: np.array(9, "int32")}
        yield _request("LinSpace", [*[(dtype, ())] * 2, ("int32", ())], (dtype, (9,)), limits)
