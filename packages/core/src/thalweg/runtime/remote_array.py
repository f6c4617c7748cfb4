"""Feeds that lie on a device: arrays of other packages, which a device knows by an address."""
import numpy as np

from thalweg import devices
from thalweg.framework import errors, shapes
from thalweg.framework.dtypes import as_dtype


class RemoteArray:
    """Dense, row-major memory on a device, for one run.

    Attributes
    ----------
    device : Device
    address : int
    shape : tuple of int
    dtype : DType
    owner : what keeps the memory
    """

    __slots__ = ("device", "address", "shape", "dtype", "owner")

    def __init__(self, device, address, shape, dtype, owner):
        self.device, self.address, self.shape, self.dtype, self.owner = device, address, shape, dtype, owner

    def to_host(self):
        """A copy in the host's memory."""
        array = np.empty(self.shape, self.dtype.np)
        self.device.d2h(array, self.address)
        return array


def remote_feed(tensor, value):
    """The RemoteArray for a feed that lies on a device of ours; None for all other values.

    TypeError, ValueError where it is not what `tensor` wants: nothing is converted on a device.
    """
    if type(value).__module__ in ("builtins", "numpy"):
        return None
    found = devices.adopt(value)
    if found is None:
        return None
    device, address, shape, number, owner = found
    array = RemoteArray(device, address, tuple(shape), as_dtype(number), owner)
    wanted = tensor.dtype.base_dtype
    if array.dtype != wanted:
        raise TypeError(errors.explain(
            f"Cannot feed Tensor '{tensor.name}' of dtype {wanted.name} with an array of {array.dtype.name} on "
            f"{device.name}", hint=f"convert it to {wanted.name} there first; a NumPy array would be converted",
            built_at=tensor.op.frame))
    if not shapes.compatible(array.shape, tensor._shape):
        raise ValueError(f"Cannot feed value of shape {array.shape} for Tensor '{tensor.name}', which has shape "
                         f"'{shapes.text(tensor._shape)}'")
    return array.to_host() if wanted.kind == "b" and not array.shape else array     # plans depend on fed bools
