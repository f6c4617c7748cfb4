"""Matrix products, as jobs of cpu/c/gemm.h: rows of the left factor are windows with one tap."""
from thalweg.cpu._gemm cimport (int64_t, new_correlation, new_gathering, set_correlation, set_finish, set_gathering,
                                thw_correlation, thw_gathering, thw_window)
from thalweg.cpu._request cimport Request

import numpy as np

from thalweg.cpu._request import Unsupported


def matmul(Request r):
    """Prepare MatMul, either factor transposed or not."""
    if _is_turned(r):
        set_gathering(r, _turned_product(r, r.attr_bool("transpose_b", False), None))
    else:
        set_correlation(r, _product(r, r.attr_bool("transpose_b", False), None))


def fused_matmul(Request r):
    """Prepare _FusedMatMul: MatMul, then BiasAdd, FusedBatchNorm, a residual Add, Relu or Relu6 in one sweep."""
    cdef thw_correlation* product
    cdef thw_gathering* turned
    if _is_turned(r):
        turned = _turned_product(r, r.attr_bool("transpose_b", False), None)
        set_finish(r, &turned.finish, 2)
        set_gathering(r, turned)
    else:
        product = _product(r, r.attr_bool("transpose_b", False), None)
        set_finish(r, &product.finish, 2)
        set_correlation(r, product)


cdef bint _is_turned(Request r) except? True:
    """Whether the left factor has to be read down its columns; a single column lies in memory as a row does."""
    return r.attr_bool("transpose_a", False) and r.out_shapes[0][0] != 1


def batch_matmul(Request r):
    """Prepare BatchMatMul and BatchMatMulV2; leading dimensions are broadcast."""
    x, y = r.in_shapes
    batch = _leading(r.out_shapes[0])
    x_batches, y_batches = _batch_indices(_leading(x), batch), _batch_indices(_leading(y), batch)
    cdef bint turn_x = r.attr_bool("adj_x", False), turn_y = r.attr_bool("adj_y", False)
    if not turn_x and len(x_batches) > 1 and not y_batches.any() and (np.diff(x_batches) == 1).all():
        x_batches = y_batches = None                        # all left factors meet one right: a single product
    if turn_x:
        set_gathering(r, _turned_product(r, turn_y, (x_batches, y_batches)))
    else:
        set_correlation(r, _product(r, turn_y, None if x_batches is None else (x_batches, y_batches)))


def _leading(shape):
    """The dimensions of a batch of matrices."""
    return shape[:len(shape) - 2]


def _batch_indices(shape, batch):
    """For each matrix of the result, in order, the number of the factor's matrix that it is made of."""
    count = np.prod(shape, dtype=np.int64)
    return np.broadcast_to(np.arange(count).reshape(shape), batch).reshape(-1)


cdef tuple _sizes(Request r, bint turn_a, bint turn_b):
    """M, N and K of a [M, K] times [K, N] product; all leading dimensions of a count as rows."""
    a, b = r.in_shapes[0], r.in_shapes[1]
    if len(a) < 2 or len(b) < 2:
        raise Unsupported(f"{r.op_type}: factors of shapes {a} and {b}")
    rows, inner = a[len(a) - 2], a[len(a) - 1]
    other, columns = b[len(b) - 2], b[len(b) - 1]
    if turn_a:
        rows, inner = inner, rows
    if turn_b:
        other, columns = columns, other
    if inner != other or r.out_shapes[0][len(r.out_shapes[0]) - 2:] != (rows, columns):
        raise Unsupported(f"{r.op_type}: {a} times {b} does not give {r.out_shapes[0]}")
    return rows, columns, inner


cdef int _fill_offsets(int64_t* offsets, numbers, int64_t size) except -1:
    for i in range(len(numbers)):
        offsets[i] = <int64_t>numbers[i] * size
    return 0


cdef int _fill_rows(thw_window* w, int64_t count, int64_t x_stride, int64_t y_stride) except -1:
    """A run of `count` places with one tap."""
    w.images = w.n_taps = 1
    for k in range(3):
        w.grid[k] = w.size[k] = w.step[k] = 1
    w.grid[2] = w.size[2] = count
    w.x_stride[3], w.y_stride[3] = x_stride, y_stride
    return 0


cdef thw_correlation* _product(Request r, bint turn_b, batches) except NULL:
    """y = a b or a b^T. `batches`: None, or for each matrix of y those of a and b."""
    cdef int64_t rows, columns, inner
    rows, columns, inner = _sizes(r, r.attr_bool("transpose_a", False), turn_b)
    cdef int64_t count = 1 if batches is None else len(batches[0])
    cdef thw_correlation* job = new_correlation(r, 1, 1, inner, count)
    job.x, job.filter, job.columns = 0, 1, columns
    job.row_stride = 1 if turn_b else columns
    job.column_stride = inner if turn_b else 1
    if batches is None:
        rows *= np.prod(_leading(r.out_shapes[0]), dtype=np.int64)
    else:
        job.y_batch_stride = rows * columns
        _fill_offsets(<int64_t*>job.x_offsets, batches[0], rows * inner)
        _fill_offsets(<int64_t*>job.filter_offsets, batches[1], inner * columns)
    _fill_rows(job.windows, rows, inner, columns)
    return job


cdef thw_gathering* _turned_product(Request r, bint turn_b, batches) except NULL:
    """y = a^T b or a^T b^T, as a sum over the rows of a."""
    cdef int64_t rows, columns, inner
    rows, columns, inner = _sizes(r, True, turn_b)
    cdef int64_t count = 1 if batches is None else len(batches[0])
    cdef thw_gathering* job = new_gathering(r, 1, rows, count)
    job.x, job.dy, job.columns, job.column_stride = 0, 1, columns, inner if turn_b else 1
    if batches is not None:
        _fill_offsets(<int64_t*>job.x_offsets, batches[0], inner * rows)
        _fill_offsets(<int64_t*>job.dy_offsets, batches[1], inner * columns)
    _fill_rows(&job.window, inner, rows, 1 if turn_b else columns)
    return job
