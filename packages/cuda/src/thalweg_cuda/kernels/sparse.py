"""SparseToDense."""
import math

import numpy as np

from thalweg_cuda.work import Flag, Launch, Source, Work, input_, output

from . import kernel
from ._fill import filled
from ._geometry import grid_stride
from ._places import Places
from ._runs import Runs
from ._views import item_bytes
from ._workspace import Workspace
from .prelude import PRELUDE, ctype
from .scatter import replaced

# Positions of `depth` numbers must increase, the first number counting most.
_ORDER = PRELUDE + """
extern "C" __global__ void check_order(const I* indices, int64* flag, uint32 n, uint32 depth) {
  for (uint32 i = 1 + blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
    const I *before = indices + (uint64)(i - 1) * depth, *own = before + depth;
    uint32 d = 0;
    while (d < depth && own[d] == before[d]) d++;
    if ((d == depth || own[d] < before[d]) && claim(flag, d == depth ? 2 : 3)) {
      flag[1] = i;
      for (uint32 k = 0; k < depth; k++) flag[2 + k] = own[k];
    }
  }
}
"""


def _listed(numbers):
    return f"[{','.join(map(str, numbers))}]"


@kernel("SparseToDense")
def sparse_to_dense(r, target):
    """A default value with values at places; of a place that is repeated the last counts."""
    indices, shape, t = r.in_shapes[0], r.out_shapes[0], ctype(r.op_type, r.in_dtypes[2])
    count, depth = indices if len(indices) == 2 else (math.prod(indices), 1)
    if depth != len(shape) or r.in_shapes[2] not in ((), (count,)):
        raise ValueError(f"SparseToDense: indices of shape {indices} and values of shape {r.in_shapes[2]} for a "
                         f"result of shape {shape}")
    default = filled(output(), math.prod(shape), item_bytes(r, r.out_dtypes[0]), target, source=input_(3))
    if not count:
        return Work(default)

    def tell(words):
        place = f"indices[{words[1]}] = {_listed(words[2:2 + depth])}"
        return place + {1: f" is out of bounds: need 0 <= index < {_listed(shape)}", 2: " is repeated",
                        3: " is out of order: sorted indices are wanted, see tf.sparse.reorder"}[words[0]]
    places = Places(_Positions(r, (count, depth)), 0, shape, True, "indices", "")
    places.flag = Flag(tell)
    space = Workspace()
    runs = Runs(places, input_(0), space, target)
    commands = [*default, *runs.commands]
    if r.attrs.get("validate_indices", True) and count > 1:
        source = Source(PRELUDE + places.text + _ORDER.removeprefix(PRELUDE))
        commands.append(Launch(source, "check_order", *grid_stride(count, target),
                               (input_(0), Flag(tell), np.uint32(count), np.uint32(depth))))
    if math.prod(shape):
        is_one = r.in_shapes[2] == ()
        commands.append(replaced(t, runs, places, 1, input_(2), is_one, target))
    return Work(tuple(commands), space.nbytes)


class _Positions:
    """A request whose index tensor has the form [n, depth]."""

    def __init__(self, request, shape):
        self.op_type, self.in_shapes, self.in_dtypes = request.op_type, (shape,), request.in_dtypes
