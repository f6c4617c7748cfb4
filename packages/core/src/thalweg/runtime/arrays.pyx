"""Arrays of the host on their way into a run and out of it."""
from libc.float cimport FLT_MAX
from libc.math cimport INFINITY

cimport numpy as cnp

import numpy as np

from .remote_array import RemoteArray

cnp.import_array()


def dense(array):
    """The array, or a copy of it, whose elements lie one after the other, each where its type may lie."""
    return array if array.flags.c_contiguous and array.flags.aligned else array.copy("C")


def ready_feed(value, cnp.dtype dtype, tuple shape):
    """The array that stands for a feed where `value` needs no closer look, else None.

    It needs none if it is a dense array of numbers of this dtype that fits this shape, or a Python float for a scalar.
    """
    cdef cnp.ndarray array
    cdef int i
    if dtype is None:
        return None
    if type(value) is float:
        return _scalar_array(value, dtype.type_num) if not shape else None
    if type(value) is not np.ndarray:
        return None
    array = value
    if array.descr is not dtype or dtype.type_num == cnp.NPY_OBJECT \
            or not cnp.PyArray_CHKFLAGS(array, cnp.NPY_ARRAY_C_CONTIGUOUS | cnp.NPY_ARRAY_ALIGNED):
        return None
    if shape is not None:
        if array.ndim != len(shape):
            return None
        for i in range(array.ndim):
            if shape[i] is not None and shape[i] != array.shape[i]:
                return None
    return array


cdef _scalar_array(double value, int type_num):
    """float32 or float64; None for other types, and for what float32 cannot hold."""
    if type_num != cnp.NPY_DOUBLE and (type_num != cnp.NPY_FLOAT or FLT_MAX < abs(value) < INFINITY):
        return None
    array = cnp.PyArray_EMPTY(0, NULL, type_num, 0)
    if type_num == cnp.NPY_FLOAT:
        (<float*>cnp.PyArray_DATA(array))[0] = <float>value
    else:
        (<double*>cnp.PyArray_DATA(array))[0] = value
    return array


def feed_key(list arrays):
    """What a plan depends on in what is fed: the scalar bools, (number, value) each, and the shapes."""
    cdef list bools = None
    cdef Py_ssize_t i
    cdef cnp.ndarray array
    for i in range(len(arrays)):
        if type(arrays[i]) is RemoteArray:
            continue                     # a bool comes to the host before
        array = arrays[i]
        if array.ndim == 0 and cnp.PyArray_TYPE(array) == cnp.NPY_BOOL:
            bools = bools or []
            bools.append((i, bool(array)))
    return () if bools is None else tuple(bools), tuple([a.shape for a in arrays])


def scalars(list values):
    """The same list, arrays of rank 0 replaced by NumPy scalars."""
    for i in range(len(values)):
        value = values[i]
        if isinstance(value, np.ndarray) and cnp.PyArray_NDIM(<cnp.ndarray>value) == 0:
            values[i] = value[()]
    return values


cdef new_array(tuple shape, cnp.dtype dtype):
    """An uninitialised array."""
    cdef cnp.npy_intp[32] dims
    cdef int i, rank = len(shape)
    if rank > 32 or dtype.type_num >= cnp.NPY_OBJECT:
        return np.empty(shape, dtype)
    for i in range(rank):
        dims[i] = shape[i]
    return cnp.PyArray_EMPTY(rank, dims, dtype.type_num, 0)


cdef as_array(result, dtype):
    if dtype.kind == "O":
        if isinstance(result, np.ndarray) and result.dtype == object:
            return result
        array = np.asarray(result, object)
        return array
    return np.asarray(result, dtype.np)


cdef bint is_free(array, shape, dtype) except -1:
    """Whether an array, which only the caller holds, is all there is of its memory, and fit for a variable."""
    return type(array) is np.ndarray and array.shape == shape and array.dtype == dtype and array.flags.owndata \
        and array.flags.carray
