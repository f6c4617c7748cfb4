"""Device strings: `/job:worker/replica:0/task:0/device:CPU:0`, its short forms, and how scopes merge.

No device is known by name here: a string is only taken apart and put together.
"""
import functools
import re

_FIELDS = ("job", "replica", "task")
_SHORT = re.compile(r"^([A-Za-z_]+):(\d+|\*)$")


class DeviceSpec:
    """A partial description of a device, as `tf.DeviceSpec`."""

    __slots__ = ("job", "replica", "task", "device_type", "device_index")

    def __init__(self, job=None, replica=None, task=None, device_type=None, device_index=None):
        self.job, self.replica, self.task = job, replica, task
        self.device_type = device_type.upper() if device_type else device_type
        self.device_index = device_index

    @classmethod
    def from_string(cls, spec):
        """Parses a device string; ValueError when it is none."""
        return cls(*_parse(spec))

    def parse_from_string(self, spec):
        self.job, self.replica, self.task, self.device_type, self.device_index = _parse(spec)
        return self

    def merge_from(self, other):
        """Takes over every field that `other` gives."""
        for field in self.__slots__:
            value = getattr(other, field)
            if value is not None:
                setattr(self, field, value)

    def to_string(self):
        parts = [f"/{field}:{getattr(self, field)}" for field in _FIELDS if getattr(self, field) is not None]
        if self.device_type is not None:
            index = "*" if self.device_index is None else self.device_index
            parts.append(f"/device:{self.device_type}:{index}")
        return "".join(parts)

    __str__ = to_string


@functools.lru_cache(maxsize=1024)
def _parse(spec):
    job = replica = task = device_type = device_index = None
    for part in filter(None, spec.split("/")):
        key, _, value = part.partition(":")
        if key == "job":
            job = value
        elif key in ("replica", "task") and value.isdigit():
            replica, task = (int(value), task) if key == "replica" else (replica, int(value))
        elif device_type is not None and (key == "device" or _SHORT.match(part)):
            raise ValueError(f"Cannot specify multiple device types: {spec}")
        elif key == "device" and value:
            device_type, _, index = value.partition(":")
            device_type = None if device_type == "*" else device_type.upper()
            device_index = None if index in ("", "*") else int(index) if index.isdigit() else _refuse(spec)
        elif _SHORT.match(part):
            device_type, device_index = key.upper(), None if value == "*" else int(value)
        else:
            _refuse(spec)
    return job, replica, task, device_type, device_index


def _refuse(spec):
    raise ValueError(f"Unknown attribute or malformed device name: {spec!r}. A device is named like '/cpu:0', "
                     "'/device:GPU:1' or '/job:worker/task:0/device:CPU:0'.")


@functools.lru_cache(maxsize=4096)
def _merge(outer, inner):
    spec = DeviceSpec.from_string(outer)
    spec.merge_from(DeviceSpec.from_string(inner))
    return spec.to_string()


def merge_device(outer, inner):
    """The device string of scope `inner` inside scope `outer`; what `inner` leaves open, `outer` gives."""
    inner = inner.to_string() if isinstance(inner, DeviceSpec) else inner
    if inner is None:
        return ""
    if not isinstance(inner, str):
        raise TypeError(f"a device is a string, a DeviceSpec or a function, not {type(inner).__name__}")
    return _merge(outer, inner)
