"""One call of a host kernel outside of any plan."""
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

cimport numpy as cnp

import numpy as np

from thalweg.devices.abi cimport thw_call, thw_tensor
from thalweg.devices.core_api cimport RunContext, core_table, dl_dtype, start_run, take_error
from thalweg.devices.device cimport Kernel
from thalweg.runtime.memory cimport ALIGN
from thalweg.runtime.variables cimport RngState

from thalweg.devices.core_api import error_of_code
from thalweg.framework.dtypes import as_dtype

from .arrays import dense

cnp.import_array()


def run_kernel(Kernel kernel, list arrays, list out_shapes, list out_dtypes, RngState rng, bint writes_first,
               int threads):
    """Calls a host kernel: allocates the outputs, gives them as a list of arrays.

    With `writes_first` the kernel changes arrays[0], a variable's own buffer, which is then the first output.
    """
    cdef int n_in = len(arrays), n_out = len(out_shapes)
    cdef thw_tensor* operands = <thw_tensor*>calloc(n_in + n_out + 1, sizeof(thw_tensor))
    cdef thw_call call
    cdef RunContext context
    cdef int code
    arrays = [dense(a) for a in arrays]
    outputs = [arrays[0] if writes_first and k == 0 else np.empty(shape, dtype.np)
               for k, (shape, dtype) in enumerate(zip(out_shapes, out_dtypes))]
    workspace = np.empty(kernel.kernel.workspace_bytes + ALIGN, np.uint8)
    keep = []
    try:
        for k, array in enumerate([*arrays, *outputs]):
            keep.append(_fill_operand(&operands[k], array))
        start_run(&context, threads, kernel.kernel.scratch_bytes)
        memset(&call, 0, sizeof(call))
        call.struct_size, call.core, call.core_ctx = sizeof(call), core_table(), &context
        call.device, call.state = kernel.device.handle, kernel.kernel.state
        call.workspace = <char*>cnp.PyArray_DATA(workspace) + (-<size_t>cnp.PyArray_DATA(workspace)) % ALIGN
        call.rng = &rng.rng if rng is not None else NULL
        with nogil:
            code = kernel.kernel.fn(&call, operands, n_in, operands + n_in, n_out)
        if code != 0 or context.code != 0:
            code, text, exception = take_error(&context)
            raise exception or error_of_code(code, text)
        return outputs
    finally:
        free(operands)


cdef _fill_operand(thw_tensor* operand, array):
    """Describes a dense array; gives what must be kept alive while the descriptor is used."""
    dims = np.array(array.shape or (0,), np.int64)
    operand.data = cnp.PyArray_DATA(array)
    operand.ndim = array.ndim
    operand.shape = <int64_t*>cnp.PyArray_DATA(dims)
    operand.device.dl_type = 1
    operand.dtype = dl_dtype(as_dtype(array.dtype).as_datatype_enum)
    return dims
