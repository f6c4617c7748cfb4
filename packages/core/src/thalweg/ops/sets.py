"""Operations on the sets that stand in the last dimension of arrays."""
from collections.abc import Callable

import numpy as np

from thalweg.framework.declaration import define_op
from thalweg.framework.dtypes import int8, int16, int32, int64, string, uint8, uint16
from thalweg.framework.shapes import compatible

_OPERATIONS: dict[str, Callable] = {"a-b": np.setdiff1d, "b-a": lambda a, b: np.setdiff1d(b, a),
                                    "intersection": np.intersect1d, "union": np.union1d}


@define_op("DenseToDenseSetOperation",
           "set1: T, set2: T -> result_indices: int64[N, R], result_values: T[N], result_shape: int64[R]",
           T=(int8, int16, int32, int64, uint8, uint16, string))
def dense_to_dense_set_operation(set1, set2, *, set_operation: str, validate_indices: bool = True):
    """The distinct values of one operation per row, sorted, as a sparse array: places, values, shape.

    set1, set2 : equal in all but the last dimension; set_operation : "a-b", "b-a", "intersection" or "union"
    """
    rows = [_OPERATIONS[set_operation](a, b) for a, b in zip(set1.reshape(-1, set1.shape[-1]),
                                                             set2.reshape(-1, set2.shape[-1]))]
    outer = set1.shape[:-1]
    places = [(*place, i) for place, row in zip(np.ndindex(*outer), rows) for i in range(len(row))]
    shape = [*outer, max((len(row) for row in rows), default=0)]
    return (np.array(places, np.int64).reshape(-1, set1.ndim), np.concatenate([set1.reshape(-1)[:0], *rows]),
            np.array(shape, np.int64))


@dense_to_dense_set_operation.shape
def dense_to_dense_set_operation_shape(node, set1, set2):
    if node.set_operation not in _OPERATIONS:
        raise ValueError(f"set_operation must be one of {', '.join(_OPERATIONS)}, not {node.set_operation!r}")
    if None in (set1, set2):
        return {"R": None if set1 is set2 else len(set1 or set2)}
    if len(set1) != len(set2) or not set1 or not compatible(set1[:-1], set2[:-1]):
        raise ValueError("set1 and set2 must have equal dimensions but for the last")
    return {"R": len(set1)}


dense_to_dense_set_operation.no_gradient("it selects values; TensorFlow gives it no gradient either")
