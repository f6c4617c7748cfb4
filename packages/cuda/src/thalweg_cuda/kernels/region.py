"""The region kernel: a chain of elementwise ops as one expression, whose inner results stay in registers.

Attributes of a `_Region` node, as plans make them (lists of strings and floats are texts with commas):
    ops      op types in the order of execution
    args     operands of each op, as many slots for each; slot k < n_in is input k, slot n_in + j the result of op j,
             -1 nothing
    alphas   the constant of each op, for those that have one
    results  numbers of the ops whose results leave the region, one per output
"""
from thalweg_cuda.work import Unsupported

from . import kernel
from ._expression import Expression, Step
from ._formulas import BOOLS, CHECKS, INTEGERS, SAME, formula
from ._generator import elementwise_work
from .prelude import TYPES

_TESTS = frozenset(("Equal", "NotEqual", "Less", "LessEqual", "Greater", "GreaterEqual", "IsNan", "IsInf", "IsFinite",
                    "ApproximateEqual"))


@kernel("_Region")
def region(request, target):
    """A fused chain of ops of one type; inner results of half types keep the precision of float32."""
    expression = _expression(request)
    alphas = [float(a) for a in _items(request.attrs.get("alphas", "")) if a != ""]
    constants = [alphas[j] if j < len(alphas) else 0.0 for j, _ in expression.constants()]
    shape = request.out_shapes[0]
    if any(tuple(s) != tuple(shape) for s in request.out_shapes):
        raise Unsupported(f"a region with outputs of shapes {request.out_shapes}")
    work = elementwise_work(expression, request.in_shapes, shape, target, constants=constants, name="region",
                            inplace=_reusable(request))
    if len(expression.steps) > 1:
        return work
    # Plans ask with a region of one op whether they may fuse it, and make none: nothing is compiled for a question.
    return work._replace(commands=lambda values: work.commands)


def _expression(request):
    ops, args = _items(request.attrs["ops"]), [int(a) for a in _items(request.attrs["args"])]
    results, n_in = [int(r) for r in _items(request.attrs["results"])], len(request.in_dtypes)
    each = len(args) // len(ops)
    dtypes, steps = list(request.in_dtypes), []
    for j, op_type in enumerate(ops):
        operands = tuple(a for a in args[j * each:(j + 1) * each] if a >= 0)
        if not operands or max(operands) >= n_in + j:
            raise ValueError(f"region: op {j}, {op_type}, takes slots {operands}; it may take those below {n_in + j}")
        steps.append(_step(op_type, operands, dtypes))
        dtypes.append(steps[-1].dtype)
    expression = Expression(request.in_dtypes, tuple(steps), tuple(results))
    if expression.outputs != tuple(request.out_dtypes):
        raise ValueError(f"region: the outputs have DataTypes {request.out_dtypes}, their ops give "
                         f"{expression.outputs}")
    return expression


def _step(op_type, operands, dtypes):
    dtype = dtypes[operands[-1]]
    if SAME.get(op_type, op_type) in CHECKS and dtype in INTEGERS:
        raise Unsupported(f"{op_type} of integers in a region, where wrong operands are not told of")
    formula(op_type, dtype)
    return Step(op_type, operands, 10 if op_type in _TESTS or dtype in BOOLS else dtype)


def _items(value):
    """A list that has come as a list or as a text with commas; one number is a list of one."""
    return value.split(",") if isinstance(value, str) else list(value) if isinstance(value, (list, tuple)) else [value]


def _reusable(request):
    """The inputs that output 0 may overwrite: each element's inputs are all read before its results are written."""
    nbytes = TYPES[request.out_dtypes[0]].nbytes
    return [k for k, shape in enumerate(request.in_shapes[:8]) if tuple(shape) == tuple(request.out_shapes[0])
            and TYPES[request.in_dtypes[k]].nbytes == nbytes]
