"""Arrays of other packages that lie on a card, through DLPack or `__cuda_array_interface__`."""
import numpy as np

from thalweg.framework.dtypes import as_dtype
from thalweg_cuda import dlpack
from thalweg_cuda.driver import libcuda

_NOT_DENSE = "the array is not dense and row-major: make it so first, in torch by .contiguous()"


def is_on_card(array):
    """Whether an object says that its memory is a card's."""
    if hasattr(array, "__dlpack_device__"):
        return array.__dlpack_device__()[0] in (dlpack.CUDA, dlpack.CUDA_MANAGED)
    return hasattr(type(array), "__cuda_array_interface__")      # a property, which may wait for work


class ForeignArray:
    """An array on a card, which the card's work may use from now on; its memory stays for as long as this object.

    Parameters
    ----------
    array : has __dlpack__ or __cuda_array_interface__
    ordinal_of : callable   driver's number of a card -> number of the device
    card_of : callable      number of the device -> Card

    Attributes
    ----------
    ordinal, address : int
    shape : tuple of int
    dtype : tf.DType
    """

    def __init__(self, array, ordinal_of, card_of):
        if hasattr(array, "__dlpack_device__"):
            self._take_dlpack(array, ordinal_of, card_of)
        else:
            self._take_interface(array, ordinal_of, card_of)

    def _take_dlpack(self, array, ordinal_of, card_of):
        self.ordinal = ordinal_of(array.__dlpack_device__()[1])
        # The other package makes our stream wait for what computes the array.
        self._owner = taken = dlpack.Taken(array.__dlpack__(stream=card_of(self.ordinal).streams.compute.handle))
        self.address, self.shape, self.dtype = taken.address, taken.shape, _dtype_of(taken.code, taken.bits)
        if not taken.is_dense:
            raise ValueError(_NOT_DENSE)

    def _take_interface(self, array, ordinal_of, card_of):
        interface = array.__cuda_array_interface__
        self._owner, self.shape = array, tuple(interface["shape"])
        self.address, self.dtype = interface["data"][0], as_dtype(np.dtype(interface["typestr"]))
        strides = interface.get("strides")
        if strides is not None and not dlpack.is_dense(self.shape, [s / self.dtype.size for s in strides]):
            raise ValueError(_NOT_DENSE)
        self.ordinal = ordinal_of(libcuda.number_of_card(self.address)) if self.address else 0
        stream = interface.get("stream")
        if stream is not None:
            card_of(self.ordinal).wait_for(stream)


def _dtype_of(code, bits):
    if (code, bits) == (dlpack.BFLOAT16, 16):
        return as_dtype("bfloat16")
    kind = {number: kind for kind, number in dlpack.CODES.items()}.get(code)
    if kind is None or bits % 8:
        raise ValueError(f"DLPack's dtype with code {code} and {bits} bits is none of thalweg's")
    return as_dtype(np.dtype(f"{kind}{bits // 8}"))
