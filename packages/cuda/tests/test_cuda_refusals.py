"""What the kernels that move, gather, scatter and draw refuse, and in which words; what cannot be is an error."""
import numpy as np
import pytest

from thalweg.devices.core_api import KernelRequest
from thalweg.framework.dtypes import as_dtype
from thalweg_cuda import kernels
from thalweg_cuda.work import Target, Unsupported

F, H, I, L, B, C, S = map(as_dtype, ("float32", "float16", "int32", "int64", "bool", "complex64", "string"))


def prepare(op_type, inputs, outputs, attrs=None, values=None):
    """inputs, outputs: lists of (shape, dtype)."""
    values = {k: np.array(v) for k, v in (values or {}).items()}
    request = KernelRequest(op_type, attrs or {}, [s for s, _ in inputs], [s for s, _ in outputs],
                            [d for _, d in inputs], [d for _, d in outputs], values)
    return kernels.prepare(request, Target())


@pytest.mark.parametrize("request_, match", [
    (("Identity", [((2,), S)], [((2,), S)]), "Identity on CUDA: elements of string have no fixed size"),
    (("Transpose", [((2, 3), F), ((2,), I)], [((3, 2), F)]), "Transpose on CUDA needs a constant input 1"),
    (("StridedSlice", [((5, 4), F), ((1,), I), ((1,), I), ((1,), I)], [((2, 4), F)], {}, {3: [1]}),
     "StridedSlice on CUDA: bounds of a range are known at run only"),
    (("SpaceToDepth", [((1, 4, 2, 2, 4), F)], [((1, 16, 1, 1, 4), F)],
      {"block_size": 2, "data_format": "NCHW_VECT_C"}), "SpaceToDepth on CUDA in NCHW_VECT_C"),
    (("SpaceToBatchND", [((1, 9, 9, 1), F), ((2,), I), ((2, 2), I)], [((81, 1, 1, 1), F)], {},
      {1: [9, 9], 2: [[0, 0], [0, 0]]}), r"SpaceToBatchND on CUDA takes blocks of 64 places at most, not \[9, 9\]"),
    (("Range", [((), F)] * 3, [((None,), F)]), "Range: a shape is not known"),
    (("Neg", [((1,) * 33, F)], [((1,) * 33, F)]), "Neg on CUDA takes 32 dimensions at most, not 33"),
    (("OneHot", [((1,) * 32, I)], [((1,) * 33, F)]), "OneHot on CUDA takes 32 dimensions at most, not 33"),
    (("Range", [((), F)] * 3, [((3,), F)]), "Range on CUDA needs constant inputs"),
    (("LinSpace", [((), H), ((), H), ((), I)], [((3,), H)], {}, {0: 0.0, 1: 3.0, 2: 3}),
     "LinSpace on CUDA makes float32 and float64, not half"),
    (("GatherV2", [((3, 4), F), ((2,), I), ((), I)], [((2, 4), F)]), "GatherV2 on CUDA needs a constant axis"),
    (("GatherNd", [((1,) * 15, F), ((2, 15), I)], [((2,), F)]),
     "GatherNd on CUDA: positions of 15 numbers, at most 14"),
    (("ScatterAdd", [((2 ** 32, 1), F), ((2,), I), ((2, 1), F)], [((2 ** 32, 1), F)]),
     "CUDA scatters to 4294967294 rows at most, not 4294967296"),
    (("ScatterAdd", [((3, 1), F), ((2 ** 31,), I), ((2 ** 31, 1), F)], [((3, 1), F)]),
     "CUDA sorts 2147483647 keys at most, not 2147483648"),
    (("ScatterNdNonAliasingAdd", [((3,), B), ((2, 1), I), ((2,), B)], [((3,), B)]),
     "ScatterNdNonAliasingAdd on CUDA has no loop for bool"),
    (("ScatterDiv", [((3,), C), ((2,), I), ((2,), C)], [((3,), C)]), "ScatterDiv on CUDA has no loop for complex64"),
    (("UnsortedSegmentSum", [((2 ** 31, 1), F), ((2 ** 31,), I), ((), I)], [((3, 1), F)]),
     "UnsortedSegmentSum on CUDA takes less than 2.31 ids and segments, not 2147483648 and 3"),
    (("UnsortedSegmentMax", [((3,), C), ((3,), I), ((), I)], [((3,), C)]),
     "UnsortedSegmentMax on CUDA has no loop for complex64"),
    (("UnsortedSegmentSum", [((3,), B), ((3,), I), ((), I)], [((3,), B)]),
     "UnsortedSegmentSum on CUDA has no loop for bool"),
    (("TopK", [((3, 4), C)], [((3, 1), C), ((3, 1), I)], {"k": 1}), "TopK on CUDA has no loop for complex64"),
    (("TopK", [((2, 2 ** 30), F)], [((2, 2000), F), ((2, 2000), I)], {"k": 2000}),
     "TopK on CUDA sorts less than 2.31 elements, not 2 rows of 1073741824"),
    (("InTopK", [((3, 4), H), ((3,), I)], [((3,), B)], {"k": 1}), "InTopK on CUDA takes float32 predictions"),
    (("ApplyGradientDescent", [((3,), I), ((), I), ((3,), I)], [((3,), I)]),
     "ApplyGradientDescent on CUDA has no step for int32"),
    (("AssignAdd", [((3,), B), ((3,), B)], [((3,), B)]), "AssignAdd on CUDA has no loop for bool"),
    (("RandomStandardNormal", [((1,), I)], [((3,), as_dtype("bfloat16"))]),
     "RandomStandardNormal on CUDA makes half, float, double, not bfloat16"),
    (("RandomShuffle", [((3,), S)], [((3,), S)]), "RandomShuffle on CUDA: elements of string have no fixed size"),
    (("RandomPoissonV2", [((1,), I), ((3,), as_dtype("bfloat16"))], [((2, 3), F)]),
     "RandomPoissonV2 on CUDA takes and makes half, float, double, int32, int64, not bfloat16 and float"),
    (("Multinomial", [((2, 0), F), ((), I)], [((2, 3), L)]),
     r"Multinomial on CUDA takes real logits of at least one class, not float \[2, 0\]"),
], ids=lambda v: v[0] if isinstance(v, tuple) else "")
def test_refusals(request_, match):
    with pytest.raises(Unsupported, match=match):
        prepare(*request_)


@pytest.mark.parametrize("request_, match", [
    (("Reshape", [((2, 3), F), ((1,), I)], [((5,), F)]), "Reshape: 24 bytes of shape"),
    (("Slice", [((4,), F), ((1,), I), ((1,), I)], [((3,), F)], {}, {1: [2]}), "is outside of an input of shape"),
    (("StridedSlice", [((4,), F)] + [((1,), I)] * 3, [((3,), F)], {}, {1: [0], 2: [2], 3: [1]}),
     r"a slice of shape \(2,\), expected \(3,\)"),
    (("StridedSliceGrad", [((1,), I)] * 4 + [((3,), F)], [((4,), F)], {}, {1: [0], 2: [2], 3: [1]}),
     r"a gradient of shape \(3,\) for a slice of shape \(2,\)"),
    (("Pad", [((4,), F), ((1, 2), I)], [((2,), F)], {}, {1: [[-1, -1]]}), "expected none below 0"),
    (("MirrorPad", [((2,), F), ((1, 2), I)], [((6,), F)], {"mode": "REFLECT"}, {1: [[2, 2]]}),
     r"paddings \(2, 2\) of a dimension of 2"),
    (("Roll", [((4,), F), ((), I), ((), I)], [((4,), F)], {}, {1: 1, 2: 1}), "axis 1 is out of range"),
    (("Gather", [((4,), F), ((2,), I)], [((2, 2), F)], {"batch_dims": 1}), "axis 0 and 1 batch dimensions"),
    (("GatherNd", [((4,), F), ((2, 2), I)], [((2,), F)]), "positions of 2 numbers in a tensor of 1 dimensions"),
    (("ScatterAdd", [((4, 2), F), ((2,), I), ((2, 3), F)], [((4, 2), F)]), "updates of shape"),
    (("UnsortedSegmentSum", [((4, 2), F), ((3,), I), ((), I)], [((2, 2), F)]), "segment_ids of shape"),
    (("TopK", [((3,), F)], [((4,), F), ((4,), I)], {"k": 4}), "last dimension >= k = 4 but is 3"),
    (("ApplyGradientDescent", [((3,), F), ((), F), ((2,), F)], [((3,), F)]), r"operand 2 has shape \(2,\)"),
    (("SparseApplyAdagrad", [((3, 2), F), ((3, 2), F), ((), F), ((1, 2), F), ((1, 1), I)], [((3, 2), F)]),
     "expected a vector"),
    (("SparseApplyAdagrad", [((3, 2), F), ((3, 2), F), ((), F), ((1, 3), F), ((1,), I)], [((3, 2), F)]),
     r"operand 3 has shape \(1, 3\), expected \(1, 2\)"),
    (("Assign", [((3,), F), ((2,), F)], [((3,), F)]), r"a value of shape \(2,\) for a variable of shape \(3,\)"),
    (("SparseToDense", [((2, 1), I), ((2,), I), ((2,), F), ((), F)], [((3, 3), F)], {}, {1: [3, 3]}),
     "SparseToDense: indices of shape"),
], ids=lambda v: v[0] if isinstance(v, tuple) else "")
def test_what_cannot_be(request_, match):
    with pytest.raises(ValueError, match=match):
        prepare(*request_)
