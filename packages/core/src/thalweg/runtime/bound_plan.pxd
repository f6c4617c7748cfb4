"""A plan's steps, flat, with what they find in a session."""
from libc.stdint cimport int64_t, uint64_t

from thalweg.devices.abi cimport thw_tensor
from thalweg.devices.device cimport Device, Kernel
from thalweg.runtime.shared cimport Shared
from thalweg.runtime.steps cimport CEnd, CStep
from thalweg.runtime.variables cimport RngState, VariableBuffer


cdef class BoundPlan:
    cdef readonly object plan
    cdef Shared shared
    cdef list values, calls, keep, variables, arena_devices, arena_sizes
    cdef dict index_of
    cdef CStep* steps
    cdef int n_steps, n_operands, n_objects
    cdef thw_tensor* operands
    cdef int64_t* shape_store
    cdef int* operand_value              # operand -> index of its value
    cdef uint64_t** operand_version      # operand -> the version of its bytes; NULL where they last for the run only
    cdef list patch_feeds, patch_fetches, patch_given, patch_variables, patch_arena
    cdef dict copies_of_feeds            # number of a feed -> see _copies_of_feed in feeds.pyx
    cdef list fetch_shapes, fetch_dtypes  # of the caller's arrays; None where a step brings the value
    cdef list written                    # buffers that steps write in place
    cdef set taken_objects               # values that only an assignment needs, which may read them itself
    cdef set reshaped                    # variables that a step gives another buffer before others read it
    cdef list remote                     # an End for each device that is not the host's
    cdef list draws                      # (end, [(step's position, RngState, blocks)]): kernels that core draws for
    cdef size_t max_scratch, arena_total
    cdef int threads
    cdef object held                     # the session's variables by name

    cdef _number_values(self)
    cdef _make_operands(self)
    cdef _describe(self, int k, int index, dict offsets)
    cdef _make_steps(self, engine)
    cdef _bind_kernel(self, CStep* step, Kernel kernel)
    cdef CEnd* _end(self, Device device) except NULL
    cdef _bind_generator(self, CStep* step, int position, Kernel kernel, RngState rng)
    cdef _set_versions(self, CStep* step, Py_ssize_t first)
    cdef _upload_constants(self, CStep* step, planned, Kernel kernel)
    cdef VariableBuffer _uploaded(self, value, array, Device device)
    cdef _bind_move(self, CStep* step, planned)
    cdef _home(self, value, node)
    cdef _list_patches(self)
