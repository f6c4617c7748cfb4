"""The elementwise ops, one expression of one step each; their formulas are in _formulas.py."""
import numpy as np

from thalweg_cuda.work import Fill, Flag, Unsupported, Work, input_, output

from . import kernel
from ._expression import Expression, Step
from ._formulas import ATTRIBUTES, CHECKS, INTEGERS, OP_TYPES, SAME, formula
from ._generator import elementwise_work
from .prelude import TYPES, ctype


@kernel(*OP_TYPES)
def elementwise(request, target):
    """Any op that the table of formulas has; inputs broadcast, and Select takes a vector of conditions."""
    if request.attrs.get("incompatible_shape_error") is False and _broadcast(request.in_shapes) is None:
        return Work((Fill(output(), 1, int(request.op_type == "NotEqual")),))    # such tensors are simply unequal
    n_in = len(request.in_dtypes)
    for dtype in (*request.in_dtypes, *request.out_dtypes):
        ctype(request.op_type, dtype)
    formula(request.op_type, request.in_dtypes[-1])          # both are Unsupported where there is none
    step = Step(request.op_type, tuple(range(n_in)), request.out_dtypes[0], _is_checked(request))
    expression = Expression(request.in_dtypes, (step,), (0,))
    attribute = ATTRIBUTES.get(request.op_type)
    constants = (float(request.attrs[attribute]),) if attribute else ()
    shapes = _operand_shapes(request)
    name = SAME.get(request.op_type, request.op_type)
    told = CHECKS[name][3] if step.checked else None
    return elementwise_work(expression, shapes, request.out_shapes[0], target, constants=constants, name=name,
                            inplace=_reusable(request, shapes), flag=Flag(lambda words: told))


def _operand_shapes(request):
    """The inputs' shapes as they broadcast: a vector of conditions selects whole slices of the first dimension."""
    shapes, rank = list(request.in_shapes), len(request.out_shapes[0])
    if request.op_type == "Select" and len(shapes[0]) == 1:
        shapes[0] = shapes[0] + (1,) * (rank - 1)
    if _broadcast(shapes) != tuple(request.out_shapes[0]):
        raise Unsupported(f"{request.op_type}: shapes {shapes} do not broadcast to {request.out_shapes[0]}")
    return shapes


def _broadcast(shapes):
    """The shape that shapes broadcast to, or None."""
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        return None


def _reusable(request, shapes):
    """The inputs that are as large as the result, element by element: each is read before it is written."""
    nbytes = TYPES[request.out_dtypes[0]].nbytes
    return [k for k, shape in enumerate(shapes) if tuple(shape) == tuple(request.out_shapes[0])
            and TYPES[request.in_dtypes[k]].nbytes == nbytes]


def _is_checked(request):
    """Whether an operand may hold what the op must not get: a zero divisor of integers, a negative power."""
    number, wrong, _, _ = CHECKS.get(SAME.get(request.op_type, request.op_type), (None, "", 0, ""))
    if number is None or request.in_dtypes[0] not in INTEGERS:
        return False
    known = request.values.get(number)
    return known is None or bool(np.any(np.asarray(known) == 0 if wrong == "== 0" else np.asarray(known) < 0))


@kernel("CheckNumerics")
def check_numerics(request, target):
    """The tensor as it is; that it holds a NaN or an infinity is told with the op's message."""
    dtype, shape, message = request.in_dtypes[0], request.in_shapes[0], request.attrs["message"]
    formula("CheckNumerics", dtype)

    def tell(words):
        found = "Inf and NaN" if words[1] and words[2] else "NaN" if words[1] else "Inf"
        return f"{message} : Tensor had {found} values"
    expression = Expression((dtype,), (Step("CheckNumerics", (0,), dtype, checked=True),), (0,))
    return elementwise_work(expression, [shape], shape, target, name="CheckNumerics", inplace=(0,), flag=Flag(tell))


_MOST_TERMS = 64                 # of one launch


@kernel("AddN", "AccumulateNV2")
def add_n(request, target):
    """((x0 + x1) + x2) + ...: up to 64 terms in one pass over memory, more in passes that go on from the result."""
    n_in, dtype, shape = len(request.in_dtypes), request.in_dtypes[0], tuple(request.out_shapes[0])
    formula("Add", dtype)
    launches, sources = [], [input_(k) for k in range(n_in)]
    while sources:
        terms, sources = sources[:_MOST_TERMS], sources[_MOST_TERMS:]
        work = elementwise_work(_sum_of(len(terms), dtype), [shape] * len(terms), shape, target, name="AddN",
                                operands=terms)
        launches += work.commands
        sources = [output(), *sources] if sources else []
    return Work(tuple(launches), inplace=tuple(range(min(8, n_in))))


def _sum_of(count, dtype):
    if count == 1:
        return Expression((dtype,), (Step("Cast", (0,), dtype),), (0,))
    steps = [Step("Add", (count + j - 1 if j else 0, j + 1), dtype) for j in range(count - 1)]
    return Expression((dtype,) * count, tuple(steps), (count - 2,))
