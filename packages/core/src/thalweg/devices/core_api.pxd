"""Core's side of the device contract, for the executor and the devices of core."""
from thalweg.devices.abi cimport (int32_t, int64_t, uint16_t, uint32_t, uint64_t, thw_call, thw_core_api, thw_dldtype,
                                  thw_op_desc, thw_rng, thw_tensor)


cdef extern from "devices/core_api.h" nogil:
    ctypedef struct RunContext "thw_run_context":
        int code                    # thw_code of the first error; look after every step, also if it returned 0
        int is_claimed
        int threads                 # most threads of one parallel_for; 0: as many as the process has
        size_t scratch_bytes        # the most that a kernel of the plan asks for, per worker
        void* exception             # PyObject*, owned; take it with take_error
        char message[2048]

    ctypedef struct thw_attr:
        pass

    ctypedef struct thw_shape:
        const int64_t* dims
        int32_t ndim

    ctypedef struct thw_node:
        void* python
        int32_t n_attrs
        int32_t n_in
        int32_t n_out
        thw_attr* attrs
        thw_shape* in_shapes
        thw_shape* out_shapes
        thw_tensor* in_values


cdef class KernelRequest:
    cdef readonly str op_type, name
    cdef readonly dict attrs, values
    cdef readonly tuple in_shapes, out_shapes       # plain shapes; None and None dimensions: not known
    cdef readonly tuple in_dtypes, out_dtypes       # DataType numbers without the reference offset
    cdef readonly object declaration                # OpDeclaration or None
    cdef readonly tuple ref_inputs, ref_outputs     # operands that are a variable's own buffer
    cdef public str refusal                         # why the last device that was asked has no kernel
    cdef thw_node node
    cdef thw_op_desc desc
    cdef list memory                                # what the pointers in node and desc point into
    cdef int _describe(self) except -1


# The table that core hands to plugins and kernels.
cdef const thw_core_api* core_table() noexcept nogil

# A context that is ready for a run. Lock-free, no Python.
cdef void start_run(RunContext* context, int threads, size_t scratch_bytes) noexcept nogil

# Keeps `error` as the first error of a run, unless there is one. Needs the GIL.
cdef void keep_exception(RunContext* context, object error) noexcept

# (thw_code, message, exception or None) of a run that failed; empties the context. Needs the GIL.
cdef tuple take_error(RunContext* context)

# The same for errors told outside of a run on this thread, copies among them: (0, "", None) when there is none.
cdef tuple take_outside_error()

# Where errors told outside of a run are kept on this thread, emptied.
cdef RunContext* fresh_outside_context() noexcept

# DLPack type of a DataType number; lanes 0 where DLPack has none (strings, resources).
cdef thw_dldtype dl_dtype(int datatype) noexcept nogil

# Bytes of one element of a DataType number, 0 where there is no fixed size.
cdef size_t item_size(int datatype) noexcept nogil

# Takes blocks from a generator, as kernels do: (counter as 4 ints, key as 2 ints).
cdef tuple reserve_random(thw_rng* rng, uint64_t blocks)

# Sets a generator's state: key two, counter four 32-bit words.
cdef int fill_rng(thw_rng* rng, key, counter) except -1
