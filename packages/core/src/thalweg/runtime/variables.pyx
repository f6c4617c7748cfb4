"""What a session holds from run to run: its variables' storage, its generators, and versions of bytes."""
from libc.stdint cimport uint64_t

cimport numpy as cnp

import numpy as np

from thalweg.devices.core_api cimport fill_rng, reserve_random
from thalweg.devices.device cimport Device
from thalweg.runtime.memory cimport DeviceMemory, aligned_array

from thalweg.framework import shapes

cnp.import_array()

cdef extern from * nogil:
    """
    static uint64_t thw_last_version; /* of any variable's or constant's bytes, in this process */
    static void thw_set_new_version(uint64_t* version) {
      __atomic_store_n(version, __atomic_add_fetch(&thw_last_version, 1, __ATOMIC_RELAXED), __ATOMIC_RELEASE);
    }
    """
    void thw_set_new_version(uint64_t* version)


cdef void set_new_version(uint64_t* version) noexcept nogil:
    thw_set_new_version(version)


cdef class VariableBuffer:
    """The storage of one variable in one session: its bytes on a device, or an array of Python objects.

    On the host it may be an array that an assignment leaves to it (plan/taking.py). A constant's is shared: nobody
    writes to it, and `own` copies it before a program that does writes the variable.

    Attributes
    ----------
    name : str
    shape : tuple or None       None until a first value of unknown shape has come
    is_initialized : bool
    is_shaped_by_value : bool   declared without a full shape
    array : ndarray or None     the value seen as an array, where the host can see it
    frame : Frame or None       the user's line that made the variable
    """

    def __init__(self, name, dtype, shape, Device device):
        self.name, self.dtype, self.device = name, dtype, device
        self.data = NULL
        set_new_version(&self.version)
        self.is_shaped_by_value = not shapes.is_known(shape)
        if not self.is_shaped_by_value:
            self._allocate(shape)
            self.takes = device.is_host and dtype.kind != "O"

    cdef _allocate(self, shape):
        self.shape, self.is_shared = shape, False
        if self.dtype.kind == "O":
            self.array = np.empty(shape, object)
            return
        self.nbytes = shapes.size_of(shape) * self.dtype.size
        if self.device.is_host:
            self.array = self.memory = aligned_array(shape, self.dtype.np)
            self.data = cnp.PyArray_DATA(self.array)
        else:
            self.memory = DeviceMemory(self.device, max(self.nbytes, 1))
            self.data = <void*>(<DeviceMemory>self.memory).pointer

    @property
    def is_initialized(self):
        return self.initialized != 0

    @property
    def address(self):
        """Where it lies on its device, 0 before a first value; as long as `memory` is held, that stays its own."""
        return <size_t>self.data

    def assign(self, value):
        """Takes a new value, of any shape; True when the buffer moved and frames must look again."""
        cdef bint moved = False
        value = np.asarray(value)
        if self.shape != value.shape or self.is_shared or (self.array is None and self.data == NULL):
            self._allocate(value.shape)
            moved = True
        if self.array is not None:
            self.array[...] = value
        else:
            value = np.ascontiguousarray(value, self.dtype.np)
            self.device.h2d(<size_t>self.data, value)
        self.takes = False
        self.initialized = 1
        set_new_version(&self.version)
        return moved

    cdef take(self, array, bint is_shared):
        """An array of the variable's shape and dtype becomes its storage; frames must look again."""
        self.array = self.memory = array
        self.data = cnp.PyArray_DATA(array)
        self.takes = self.is_shared = is_shared
        set_new_version(&self.version)

    cdef bint own(self, bint with_value=True) except -1:
        """Makes the memory the variable's own for good; True when it moved and frames must look again."""
        self.takes = False
        if not self.is_shared:
            return False
        copy = aligned_array(self.shape, self.dtype.np)
        if with_value:
            copy[...] = self.array       # other threads may run meanwhile
        if not self.is_shared:
            return False                 # one of them was quicker
        self.array = self.memory = copy
        self.data = cnp.PyArray_DATA(copy)
        self.is_shared = False
        return True

    def read(self):
        """A copy of the value as an array; None when there is none yet."""
        if not self.initialized:
            return None
        if self.array is not None:
            return self.array.copy()
        result = np.empty(self.shape, self.dtype.np)
        self.device.d2h(result, <size_t>self.data)
        return result


cdef class RngState:
    """The generator of one random op in one session; kernels in C and reference bodies draw from the same one."""

    def __init__(self, key, counter):
        fill_rng(&self.rng, key, counter)

    @property
    def key(self):
        return self.rng.key[0], self.rng.key[1]

    @property
    def drawn(self):
        """Count of the blocks drawn so far; setting it goes to another place of the stream."""
        return self.rng.counter[0]                       # a seed decides the upper half alone

    @drawn.setter
    def drawn(self, uint64_t blocks):
        self.rng.counter[0] = blocks

    def reserve(self, blocks):
        """Takes `blocks` blocks of 128 bits; the counter of the first, four 32-bit words."""
        return reserve_random(&self.rng, blocks)[0]


cdef class ConstantVersion:
    """The version of a constant's bytes, one for all programs of a session."""

    def __init__(self, array):
        self.array = array
        set_new_version(&self.version)
