"""Casts between element types; the rules are in _conversions.py."""
from . import kernel
from ._expression import Expression, Step
from ._generator import elementwise_work
from .prelude import TYPES, ctype


@kernel("Cast")
def cast(request, target):
    """Any pair of types; `Truncate` drops the surplus bits of what becomes a bfloat16."""
    source, to = request.in_dtypes[0], request.out_dtypes[0]
    ctype("Cast", source), ctype("Cast", to)
    op = "CastTruncated" if request.attrs.get("Truncate") and to == 14 else "Cast"
    expression = Expression((source,), (Step(op, (0,), to),), (0,))
    inplace = (0,) if TYPES[source].nbytes == TYPES[to].nbytes else ()
    return elementwise_work(expression, request.in_shapes, request.out_shapes[0], target, name="Cast",
                            inplace=inplace)
