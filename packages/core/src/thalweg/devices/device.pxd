"""An opened device and the kernels that it gave, for the executor."""
from thalweg.devices.abi cimport int32_t, uint64_t, thw_device_api, thw_kernel, thw_kernel_fn
from thalweg.devices.core_api cimport KernelRequest


cdef extern from "devices/gate.h" nogil:
    ctypedef struct Gate "thw_gate":
        pass
    Gate* new_gate "thw_gate_new"()
    void delete_gate "thw_gate_delete"(Gate* gate)
    void reset_gate "thw_gate_reset"(Gate* gate)
    void enter "thw_gate_enter"(Gate* gate)
    bint try_enter "thw_gate_try_enter"(Gate* gate)
    void leave "thw_gate_leave"(Gate* gate)
    void close_gate "thw_gate_close"(Gate* gate)
    void open_gate "thw_gate_open"(Gate* gate)


cdef class Device:
    cdef const thw_device_api* api
    cdef void* handle                    # what api.open gave: the first argument of the table's functions
    cdef void* stream                    # what api.stream_create gave; NULL where there is none
    cdef Gate* gate                      # around every call; NULL where the device cannot record
    cdef readonly str name               # "/device:CPU:0"
    cdef readonly str type               # "CPU"
    cdef readonly int ordinal
    cdef readonly object plugin          # its DevicePlugin
    cdef readonly bint is_host           # its pointers may be read and written by the host
    cdef readonly int dl_type            # DLPack's number of this kind of device
    cdef readonly str last_refusal       # why the last find_kernel gave None
    cdef readonly str build_tag
    cdef object owner                    # the capsule or PyDevice: the table lives as long as it
    cdef int n_kernels                   # alive; the device is closed after the last of them
    cdef bint is_ending
    cdef list unfreed                    # (pointer, whether it is a recording), while somebody else records
    cdef readonly dict options           # what it has been configured with; None: nothing yet
    cdef object __weakref__

    cdef int give_back(self, size_t pointer, bint is_recording) except -1
    cdef int give_back_unfreed(self) except -1
    cdef int close_if_unused(self) except -1
    cdef int check(self, int code, str what) except -1    # raises what a failed table function told


cdef class Kernel:
    cdef thw_kernel kernel               # fn, state, flags, workspace_bytes, scratch_bytes
    cdef readonly Device device
    cdef readonly str op_type
    cdef readonly tuple out_shapes, out_dtypes
    cdef readonly tuple ref_inputs       # inputs, flat, that are a variable's own buffer
    cdef readonly tuple ref_outputs      # outputs that are the buffer of the first such input
    cdef object owner                    # what must outlive the kernel besides the device

    cpdef bint reads_on_host(self, int k)
    cpdef bint may_overwrite(self, int k, int output)
