"""Products of matrices by cuBLASLt, as rivals of the tile kernels."""
import math

from thalweg_cuda.libraries import LibraryError
from thalweg_cuda.libraries.cublaslt import Product
from thalweg_cuda.work import LibraryCall, Work, output, workspace

from ._expression import Expression, Step
from ._generator import elementwise_work
from ._rivals import no_plan

_CLAMPS = {math.inf: "Relu", 6.0: "Relu6"}


def works(request, product, target):
    """[(name, Work)] for a Product of _tiles.py, best first; empty where the library is not there, or cannot."""
    library, asked = target.libraries.get("cublaslt"), asked_for(product, bool(request.attrs.get("allow_tf32", False)))
    if library is None or asked is None:
        return []
    try:
        plans = library.plans(asked)
    except LibraryError as error:
        return no_plan(request, "cublaslt", error)
    end = clamp(request, product, target)
    return [(f"cublaslt {i}", Work((call_of(product, plan, workspace()), *end), plan.workspace_bytes))
            for i, plan in enumerate(plans)]


def asked_for(product, allow_tf32):
    """What is asked of cuBLASLt, without a clamp; None for what is no product of plain matrices, or is normalised."""
    a, b, y, epilogue = product.a, product.b, product.y, product.epilogue
    if not (product.m * product.n * product.k * product.batches) or y.by_places or y.row_stride != product.n \
            or y.column_stride != 1 or product.batch_sizes[:3] != (1, 1, 1):
        return None
    op_a = _op(a, product.m, product.k)
    op_b = _op(b, product.n, product.k)
    if not op_a or not op_b or product.batches > 1 and y.batch_stride != product.m * product.n:
        return None
    if epilogue is not None and epilogue.scale is not None:
        return None
    return Product(product.dtype.storage, product.m, product.n, product.k, op_a, {"N": "T", "T": "N", "C": "C"}[op_b],
                   product.batches, a.batch_strides[3], b.batch_strides[3],
                   has_bias=epilogue is not None and epilogue.shift is not None,
                   has_residual=epilogue is not None and epilogue.residual is not None, allow_tf32=allow_tf32)


def _op(factor, rows, k):
    """How a factor of `rows` rows and k columns lies: "N" by rows, "T" by columns; "C": that and conjugate."""
    if factor.kind != "MATRIX":
        return None
    if factor.is_conjugate:
        # a conjugate factor is a transposed one; of b, rows are columns, so that it lies as "N" does
        return "C"
    if (factor.row_stride, factor.depth_stride) == (k, 1):
        return "N"
    return "T" if (factor.row_stride, factor.depth_stride) == (1, rows) else None


def clamp(request, product, target):
    """The commands that end a Product with its Relu or Relu6, in place on output 0; none where it has none.

    cuBLASLt has an epilogue for Relu, documented as max(x, 0). What becomes of a NaN is not said; by C's fmax it is 0,
    and a network that diverges would look well. The op's own kernel keeps it. That is one more pass over the result,
    which is timed with the product: own tiles clamp in registers, and win where the pass is dear.
    """
    if product.epilogue is None or product.epilogue.high is None:
        return ()
    dtype, count = request.out_dtypes[0], product.m * product.n * product.batches
    name = _CLAMPS[product.epilogue.high]
    return elementwise_work(Expression((dtype,), (Step(name, (0,), dtype),), (0,)), [(count,)], (count,), target,
                            name=name, operands=[output()]).commands


def call_of(product, plan, place):
    """The LibraryCall of a Product, but for its clamp, by a plan whose workspace is at `place`."""
    epilogue = product.epilogue
    more = [] if epilogue is None else [o for o in (epilogue.shift, epilogue.residual) if o is not None]
    has_bias = epilogue is not None and epilogue.shift is not None

    def call(stream, a, b, y, place, *rest):
        bias = rest[0] if has_bias else 0
        plan.run(stream, a, b, y, place, bias, rest[has_bias] if len(rest) > has_bias else 0)
    return LibraryCall("cublasLtMatmul", call, (product.a.operand, product.b.operand, product.y.operand, place, *more))
