"""Products of matrices and of batches of matrices."""
import math

from thalweg_cuda.work import Unsupported, Work, input_, output

from . import _by_cublaslt, _epilogue, _rivals, kernel
from ._tiles import Factor, Product, Result, launches
from .prelude import ctype

_TAKEN = {"float", "double", "half", "bfloat16", "int32", "int64", "complex64", "complex128"}


@kernel("MatMul")
def matmul(request, target):
    """a b, either factor transposed or not."""
    return _matrices(request, target, None)


@kernel("_FusedMatMul")
def fused_matmul(request, target):
    """MatMul of floats, then `fused_ops`."""
    dtype = ctype(request.op_type, request.in_dtypes[0])
    if dtype.compute not in ("float", "double"):
        raise Unsupported(f"{request.op_type} on CUDA takes floats, not {dtype.storage}")
    return _matrices(request, target, _epilogue.of(request, 2))


@kernel("BatchMatMul", "BatchMatMulV2")
def batch_matmul(request, target):
    """Products of the last two dimensions; the leading ones are broadcast."""
    turn_x, turn_y = bool(request.attrs["adj_x"]), bool(request.attrs["adj_y"])
    sizes, x_strides, y_strides = batches(request)
    product = factors(request, turn_x, turn_y)
    is_complex = product.dtype.compute.startswith("complex")
    x_matrix, y_matrix = product.m * product.k, product.k * product.n
    product = product._replace(
        batch_sizes=sizes,
        a=product.a._replace(batch_strides=tuple(s * x_matrix for s in x_strides), is_conjugate=turn_x and is_complex),
        b=product.b._replace(batch_strides=tuple(s * y_matrix for s in y_strides), is_conjugate=turn_y and is_complex),
        y=product.y._replace(batch_stride=product.m * product.n))
    return _work(request, product, target)


def _matrices(request, target, epilogue):
    turn_a, turn_b = bool(request.attrs["transpose_a"]), bool(request.attrs["transpose_b"])
    return _work(request, factors(request, turn_a, turn_b)._replace(epilogue=epilogue), target)


def _work(request, product, target):
    commands, nbytes = launches(product, target)
    return _rivals.best(request, target, _by_cublaslt.works(request, product, target), Work(tuple(commands), nbytes))


def factors(request, turn_a, turn_b):
    """The Product of the last two dimensions of both inputs, of a single batch."""
    dtype = ctype(request.op_type, request.in_dtypes[0])
    if dtype.storage not in _TAKEN:
        raise Unsupported(f"{request.op_type} on CUDA takes {', '.join(sorted(_TAKEN))}, not {dtype.storage}")
    a, b = request.in_shapes[:2]
    m, k = a[-2:][::-1 if turn_a else 1]
    other, n = b[-2:][::-1 if turn_b else 1]
    if k != other or request.out_shapes[0][-2:] != (m, n):
        raise Unsupported(f"{request.op_type}: {a} times {b} does not give {request.out_shapes[0]}")
    return Product(
        dtype, m, n, k, extent=max(math.prod(s) for s in (a, b, request.out_shapes[0])),
        a=Factor(input_(0), is_along_k=not turn_a, row_stride=1 if turn_a else k, depth_stride=m if turn_a else 1),
        b=Factor(input_(1), is_along_k=turn_b, row_stride=k if turn_b else 1, depth_stride=1 if turn_b else n),
        y=Result(output(), row_stride=n))


def batches(request):
    """Up to four sizes of the batch of the result, and how the matrices of both factors step along them."""
    x, y, out = (shape[:-2] for shape in (*request.in_shapes[:2], request.out_shapes[0]))
    groups = []                          # [size, is x repeated, is y repeated], dimensions that go together joined
    for axis in range(-len(out), 0):
        size = out[axis]
        if size == 1:
            continue
        repeated = [-axis > len(shape) or shape[axis] == 1 for shape in (x, y)]
        if groups and groups[-1][1:] == repeated:
            groups[-1][0] *= size
        else:
            groups.append([size, *repeated])
    if len(groups) > 4:
        raise Unsupported(f"{request.op_type}: batches of shapes {x} and {y} broadcast in more than four steps")
    groups = [[1, True, True]] * (4 - len(groups)) + groups
    return tuple(g[0] for g in groups), _steps(groups, 1), _steps(groups, 2)


def _steps(groups, which):
    steps, step = [], 1
    for group in reversed(groups):
        steps.insert(0, 0 if group[which] else step)
        step *= 1 if group[which] else group[0]
    return tuple(steps)
