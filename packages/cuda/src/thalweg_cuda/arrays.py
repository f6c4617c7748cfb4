"""Variables on a card, as arrays that other packages see without a copy."""
from math import prod

from thalweg.framework import errors
from thalweg.framework.dtypes import as_dtype
from thalweg_cuda import dlpack
from thalweg_cuda.driver.libcuda import number_of_card


class DeviceArray:
    """Dense memory on a card, for other packages: `torch.from_dlpack(array)`, `cupy.asarray(array)`.

    The memory stays as long as the array, or what has been made of it. It is the variable's own: the next run that
    writes the variable changes the array, and what another package writes is the variable's value. Work of other
    streams has to be done before such a run begins, and a run is done when it returns.

    Attributes
    ----------
    address : int
    shape : tuple of int
    dtype : tf.DType
    """

    def __init__(self, device, address, shape, dtype, owner):
        device.sync()                    # where the card cannot be used any more, this says why
        self._device, self._owner, self._number = device, owner, number_of_card(address)
        self.address, self.shape, self.dtype = address, tuple(shape), as_dtype(dtype)

    @property
    def nbytes(self):
        return prod(self.shape) * self.dtype.size

    @property
    def __cuda_array_interface__(self):
        if self.dtype.name == "bfloat16":
            raise AttributeError("__cuda_array_interface__ has no bfloat16: use DLPack")
        self._device.sync()
        return {"shape": self.shape, "typestr": self.dtype.np.str, "data": (self.address, False), "strides": None,
                "version": 3, "stream": None}

    def __dlpack__(self, *, stream=None, max_version=None, dl_device=None, copy=None):
        if copy:
            raise BufferError("a copy was asked for; this array gives its memory as it is")
        if dl_device is not None and tuple(dl_device) != self.__dlpack_device__():
            raise BufferError(f"the array lies on DLPack's device {self.__dlpack_device__()}, not on "
                              f"{tuple(dl_device)}")
        self._device.sync()              # so that it is there for every stream
        return dlpack.capsule(self.address, self.shape, self.dtype, self._number, self)

    def __dlpack_device__(self):
        return dlpack.CUDA, self._number

    def __repr__(self):
        return f"<DeviceArray {self.dtype.name} {list(self.shape)} on card {self._number}>"


def variable_array(session, variable):
    """The memory of a variable of a session as a DeviceArray.

    Raises
    ------
    TypeError                           for what is no variable
    tf.errors.FailedPreconditionError   if it has no value yet
    ValueError                          if it does not lie on a card
    """
    if getattr(getattr(variable, "op", None), "type", None) not in ("VariableV2", "Variable"):
        raise TypeError(f"variable_array: got {variable!r}, expected a tf.Variable; of any other tensor "
                        "session.run gives a value on the host")
    name = variable.op.name
    buffer = session._engine.variables.get(name)
    if buffer is None or not buffer.is_initialized:
        raise errors.FailedPreconditionError(
            None, variable.op, f"Variable {name} has no value in this session: run its initializer first")
    if buffer.device.type != "CUDA":
        raise ValueError(f"Variable {name} lies on {buffer.device.name}, not on a card: its value is "
                         "session.run(variable)")
    return DeviceArray(buffer.device, buffer.address, buffer.shape, buffer.dtype, buffer.memory)
