"""The entries of an opened device's table, by ctypes: those that core does not use itself, and recordings by hand."""
import ctypes

from . import ctypes_abi as abi
from .device_call import addresses


class RawDevice:
    """Calls the table of a Device; a code other than OK is an AssertionError.

    Attributes
    ----------
    api : ctypes_abi.DeviceApi          entries that the device lacks are false
    handle : int                        what its `open` gave
    """

    def __init__(self, device):
        table, self.handle, _ = addresses(device)
        self.device, self.api = device, abi.DeviceApi.from_address(table)

    def call(self, name, *arguments):
        code = getattr(self.api, name)(self.handle, *arguments)
        assert code == abi.OK, f"{name} of {self.device.name} gave code {code}"

    def made(self, name, *arguments):
        """The address that an entry gives in its last argument."""
        found = ctypes.c_void_p()
        self.call(name, *arguments, ctypes.byref(found))
        return found.value

    def new_stream(self):
        return self.made("stream_create")

    def record(self, stream):
        """A new event."""
        return self.made("event_record", stream)

    def recorded(self, stream, work):
        """A recording of what `work()` asks for."""
        self.call("record_begin", stream)
        work()
        return self.made("record_end", stream)

    def nanoseconds(self, first, second):
        """The time between two events."""
        found = ctypes.c_uint64()
        self.call("event_elapsed_ns", first, second, ctypes.byref(found))
        return found.value


def address_of(array):
    return array.ctypes.data
