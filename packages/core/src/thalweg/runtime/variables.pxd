"""What a session holds from run to run: its variables' storage, its generators, and versions of bytes."""
from libc.stdint cimport uint64_t

from thalweg.devices.abi cimport thw_rng
from thalweg.devices.device cimport Device

cdef extern from * nogil:
    """
    /* Who sees that a variable is set sees the move of its buffer, too. */
    static inline int thw_is_set(const int* flag) { return __atomic_load_n(flag, __ATOMIC_ACQUIRE); }
    static inline void thw_set(int* flag) { __atomic_store_n(flag, 1, __ATOMIC_RELEASE); }
    """
    bint is_set "thw_is_set"(const int* flag)
    void set_flag "thw_set"(int* flag)

# Gives bytes a version that nothing else in this process has.
cdef void set_new_version(uint64_t* version) noexcept nogil


cdef class VariableBuffer:
    cdef readonly str name
    cdef readonly Device device
    cdef readonly object dtype
    cdef public object shape, frame
    cdef readonly object array
    cdef int initialized
    cdef uint64_t version                # a new one after each write, for kernels that keep what they make of it
    cdef void* data
    cdef readonly Py_ssize_t nbytes
    cdef readonly bint is_shaped_by_value
    cdef readonly object memory          # owns `data`; frames hold it too, as their run may read an earlier buffer
    cdef bint takes                      # no program writes it in place: it may take a value's array
    cdef bint is_shared                  # `array` is a constant's
    cdef object source                   # the constant whose bytes these are
    cdef object __weakref__

    cdef _allocate(self, shape)
    cdef take(self, array, bint is_shared)
    cdef bint own(self, bint with_value=*) except -1


cdef class RngState:
    cdef thw_rng rng


cdef class ConstantVersion:
    cdef uint64_t version
    cdef readonly object array           # kept, so that its address stays its own
    cdef object __weakref__
