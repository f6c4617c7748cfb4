"""Variables on a card, seen by other packages without a copy, and their arrays, taken without the host."""
from math import prod

import numpy as np

from thalweg.framework import errors
from thalweg.framework.dtypes import as_dtype
from thalweg_cuda import dlpack
from thalweg_cuda.device.cuda_device import opened_card


class DeviceArray:
    """Dense memory on a card, for other packages: `torch.from_dlpack(array)`, `cupy.asarray(array)`.

    The memory stays as long as the array, or what has been made of it. It is the variable's own: the next run that writes
    the variable changes the array, and what another package writes is the variable's value. Work of other streams has to
    be done before such a run begins, and a run is done when it returns.

    Attributes
    ----------
    address : int
    shape : tuple of int
    dtype : tf.DType
    """

    def __init__(self, card, address, shape, dtype, owner):
        self._card, self._owner = card, owner
        self.address, self.shape, self.dtype = address, tuple(shape), as_dtype(dtype)

    @property
    def nbytes(self):
        return prod(self.shape) * self.dtype.size

    @property
    def __cuda_array_interface__(self):
        if self.dtype.name == "bfloat16":
            raise AttributeError("__cuda_array_interface__ has no bfloat16: use DLPack")
        self._card.wait()
        return {"shape": self.shape, "typestr": self.dtype.np.str, "data": (self.address, False), "strides": None,
                "version": 3, "stream": None}

    def __dlpack__(self, *, stream=None, max_version=None, dl_device=None, copy=None):
        if copy:
            raise BufferError("a copy was asked for; this array gives its memory as it is")
        if dl_device is not None and tuple(dl_device) != self.__dlpack_device__():
            raise BufferError(f"the array lies on DLPack's device {self.__dlpack_device__()}, not on {tuple(dl_device)}")
        self._card.wait()                # so that it is there for every stream
        return dlpack.capsule(self.address, self.shape, self.dtype, self._card.number, self)

    def __dlpack_device__(self):
        return dlpack.CUDA, self._card.number

    def __repr__(self):
        return f"<DeviceArray {self.dtype.name} {list(self.shape)} on card {self._card.number}>"


class ForeignArray:
    """Another package's array on a card, for as long as this object lives.

    Parameters
    ----------
    array : has __dlpack__ or __cuda_array_interface__
    card_of : callable      driver's number of a card -> Card

    Attributes
    ----------
    card : Card
    address : int
    shape : tuple of int
    dtype : tf.DType
    """

    def __init__(self, array, card_of):
        if hasattr(array, "__dlpack_device__"):
            self._take_dlpack(array, card_of)
        else:
            self._take_interface(array, card_of)

    def _take_dlpack(self, array, card_of):
        kind, number = array.__dlpack_device__()
        if kind not in (dlpack.CUDA, dlpack.CUDA_MANAGED):
            raise ValueError(f"an array on a card was expected; this one lies on DLPack's device type {int(kind)}")
        self.card = card_of(number)
        # The other package makes our stream wait for what computes the array.
        self._owner = taken = dlpack.Taken(array.__dlpack__(stream=self.card.streams.compute.handle))
        self.address, self.shape, self.dtype = taken.address, taken.shape, _dtype_of(taken.code, taken.bits)
        if not taken.is_dense:
            raise ValueError(_NOT_DENSE)

    def _take_interface(self, array, card_of):
        interface = array.__cuda_array_interface__
        self._owner, self.shape = array, tuple(interface["shape"])
        self.address, self.dtype = interface["data"][0], as_dtype(np.dtype(interface["typestr"]))
        strides = interface.get("strides")
        if strides is not None and not dlpack.is_dense(self.shape, [s / self.dtype.size for s in strides]):
            raise ValueError(_NOT_DENSE)
        self.card = card_of(None)
        self.card.wait_for(interface.get("stream"))


_NOT_DENSE = "the array is not dense and row-major: make it so first, in torch by .contiguous()"


def _dtype_of(code, bits):
    if (code, bits) == (dlpack.BFLOAT16, 16):
        return as_dtype("bfloat16")
    kind = {number: kind for kind, number in dlpack.CODES.items()}.get(code)
    if kind is None or bits % 8:
        raise ValueError(f"DLPack's dtype with code {code} and {bits} bits is none of thalweg's")
    return as_dtype(np.dtype(f"{kind}{bits // 8}"))


def variable_array(session, variable):
    """The memory of a variable of a session as a DeviceArray.

    Raises
    ------
    tf.errors.FailedPreconditionError   if it has no value yet
    ValueError                          if it does not lie on a card
    """
    name = variable.op.name
    buffer = session._engine.variables.get(name)
    if buffer is None or not buffer.is_initialized:
        raise errors.FailedPreconditionError(None, variable.op, f"Variable {name} has no value in this session: run its "
                                             "initializer first")
    if buffer.device.type != "CUDA":
        raise ValueError(f"Variable {name} lies on {buffer.device.name}, not on a card: its value is "
                         "session.run(variable)")
    return DeviceArray(opened_card(buffer.device.ordinal), buffer.address, buffer.shape, buffer.dtype, buffer.memory)
