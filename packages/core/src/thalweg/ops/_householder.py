"""QR of small float32 matrices in TensorFlow 1.15's order of operations: seeded orthogonal weights have its very bits.

TensorFlow decomposes in float32 with Eigen, in vectors of eight (its AVX build), and a float32 sum depends on its
order: columns of the matrix are summed row by row, columns of q in eight lanes. Wide matrices, and 48 columns or more,
where Eigen works in blocks, are left to LAPACK.
"""
import numpy as np

LIMIT = 47                              # columns; Eigen applies 48 reflections at once
_LANES = 8
_ROWS = 128                             # from which on Eigen sums 16 rows at a time


def decompose(a):
    """(q [M, N], r [N, N]) of a float32 matrix a [M, N], N <= M and N <= LIMIT, by Householder reflections."""
    a = a.copy()
    columns = a.shape[1]
    scales = [_eliminate(a, k) for k in range(columns)]
    q = np.eye(*a.shape, dtype=a.dtype)
    for k in reversed(range(columns)):
        _reflect(q[k:], a[k + 1:, k], scales[k], _lane_sums)
    return q, np.triu(a[:columns])


def _eliminate(a, k):
    """Reflects a[k:, k:] so that column k vanishes below the diagonal, where the reflection's vector then lies."""
    head, tail = a[k, k], a[k + 1:, k]
    length = np.add.accumulate(tail * tail)[-1] if tail.size else 0
    if length <= np.finfo(a.dtype).tiny:
        tail[:] = 0
        return a.dtype.type(0)
    beta = np.sqrt(head * head + length)
    beta = -beta if head >= 0 else beta
    tail /= head - beta
    scale = (beta - head) / beta
    _reflect(a[k:, k + 1:], tail, scale, _row_sums)
    a[k, k] = beta
    return scale


def _reflect(block, tail, scale, column_sums):
    """block -= scale * v (v' block) in place, with v = [1, *tail]."""
    if scale == 0 or block.shape[1] == 0:
        return
    along = column_sums(tail[:, None] * block[1:]) + block[0]
    block[0] -= scale * along
    block[1:] -= (scale * tail)[:, None] * along


def _row_sums(products):
    """Sums of the columns, row after row; of many rows in blocks."""
    rows, total = len(products), np.zeros(products.shape[1], products.dtype)
    step = rows if rows < _ROWS else 16
    for start in range(0, rows, step):
        total = total + np.add.accumulate(products[start:start + step])[-1]
    return total


def _lane_sums(products):
    """Sums of the columns in eight lanes, the last rows one by one; a last odd column also uses four lanes."""
    rows, columns = products.shape
    full = rows - rows % _LANES
    total = np.zeros(columns, products.dtype)
    if full:
        lanes = np.add.accumulate(products[:full].reshape(-1, _LANES, columns))[-1]            # [8, columns]
        total = _four_lanes(lanes[:4] + lanes[4:])
    rest = products[full:]
    is_halved = columns % 2 == 1 and len(rest) >= 4
    last = total[-1] + _four_lanes(rest[:4, -1]) if is_halved else None
    for row in rest:
        total = total + row
    if is_halved:
        for product in rest[4:, -1]:
            last = last + product
        total[-1] = last
    return total


def _four_lanes(x):
    return (x[0] + x[2]) + (x[1] + x[3])
