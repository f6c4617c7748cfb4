"""Padding, mirroring and rolling: each element of the result comes from one place of the input, or from none."""
import math

from thalweg_cuda.work import Launch, output

from ._geometry import QUOTIENT, Walk, dense_strides, grid_stride, index_for
from ._items import moving, widened

_TEXT = QUOTIENT + """
typedef SIGNED PLACE;
extern "C" __global__ void margins(const T* x, VALUE T* y, INDEX n, PARAMETERS) {
  for (INDEX i = (INDEX)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += (INDEX)gridDim.x * blockDim.x) {
    bool inside = true;
    INDEX at_x = 0;
    OFFSETS
    y[i] = inside ? x[at_x] : OUTSIDE;
  }
}
"""

# How place p in the input is found of place p + before in the result, where the input has `count`
_RULES = {
    "pad": "inside = inside && (INDEX)p{d} < count{d};",
    "REFLECT": "p{d} = p{d} < 0 ? -p{d} : p{d} < (PLACE)count{d} ? p{d} : 2 * (PLACE)count{d} - 2 - p{d};",
    "SYMMETRIC": "p{d} = p{d} < 0 ? -1 - p{d} : p{d} < (PLACE)count{d} ? p{d} : 2 * (PLACE)count{d} - 1 - p{d};",
    "roll": "p{d} = p{d} < 0 ? p{d} + (PLACE)count{d} : p{d};",
}


def margins(rule, source, shape, befores, out_shape, item, target, value=None):
    """The command that makes an output of `out_shape` from an input of `shape`, of which it has `befores` more ahead.

    rule : "pad" (with zeros, or with the element at the operand `value`), "REFLECT", "SYMMETRIC" or "roll"
    """
    counts, befores, sizes = merged(shape, befores, out_shape, rule in ("pad", "roll"))
    if value is None and (rule in ("pad", "roll") or (befores[-1] == 0 and counts[-1] == sizes[-1])):
        factor = widened(item, counts[-1], befores[-1], sizes[-1])
        item *= factor
        for of in (counts, befores, sizes):
            of[-1] //= factor
    n = math.prod(sizes)
    index = index_for(n, math.prod(counts))
    walk = Walk(sizes, [], index)
    rank = range(len(sizes))
    parameters = [walk.parameters] * bool(walk.args)
    parameters += [f"INDEX before{d}, INDEX count{d}, INDEX step{d}" for d in rank]
    rules = [f"PLACE p{d} = (PLACE)(along{d} - before{d}); {_RULES[rule].format(d=d)} at_x += (INDEX)p{d} * step{d};"
             for d in rank]
    text = _TEXT.replace("PARAMETERS", ", ".join(parameters)).replace("SIGNED", index.name.removeprefix("u"))
    text = text.replace("OFFSETS", "\n    ".join([walk.offsets("i", []), *rules]))
    text = text.replace("VALUE", "const T* value," if value is not None else "").replace(
        "OUTSIDE", "*value" if value is not None else "T()")
    per_dimension = [index.scalar(v) for triple in zip(befores, counts, dense_strides(counts)) for v in triple]
    args = source, *(() if value is None else (value,)), output(), index.scalar(n), *walk.args, *per_dimension
    return Launch(moving(item, index, text), "margins", *grid_stride(n, target), args)


def merged(shape, befores, out_shape, joins_margins):
    """Lists of counts, befores and sizes over as few dimensions as can be; at least one.

    A dimension without margins becomes part of the one ahead of it, whose margins are whole rows then.
    """
    counts, ahead, sizes = [], [], []
    for count, before, size in zip(shape, befores, out_shape):
        if count == size == 1:
            continue
        is_plain = count == size and before == 0
        if counts and is_plain and (joins_margins or (ahead[-1] == 0 and counts[-1] == sizes[-1])):
            counts[-1], ahead[-1], sizes[-1] = counts[-1] * count, ahead[-1] * count, sizes[-1] * count
        else:
            counts.append(count)
            ahead.append(before)
            sizes.append(size)
    return counts or [1], ahead or [0], sizes or [1]
