"""What `list_devices()` gives: rows that print as a table."""
from .entry import DEVICES


class Row:
    """One line of `list_devices()`.

    Attributes
    ----------
    name : str              "/device:CPU:0", or the plugin's name where there is no device
    device_type : str
    memory_limit_bytes : int    0 where the device does not say
    state, reason, source : str     reason: why there is no device, or what one that is open says it lacks
    package : str           the distribution that brings the plugin; empty where it is registered by hand
    """

    __slots__ = ("name", "device_type", "memory_limit_bytes", "state", "reason", "source", "package", "priority",
                 "build_tag")

    def __init__(self, entry, device):
        self.device_type = entry.type if entry.group == DEVICES else entry.group.rpartition(".")[2]
        self.name = entry.name if device is None else device.name
        stats = device.mem_stats() if device is not None else None
        self.memory_limit_bytes = stats["bytes_limit"] if stats else 0
        self.state, self.reason, self.source = entry.state, entry.reason or _lacks(device), entry.source
        self.package = entry.package
        self.priority = getattr(entry.plugin, "priority", None)
        self.build_tag = device.build_tag if device is not None else ""

    def __repr__(self):
        return f"Row({self.name!r}, {self.device_type!r}, {self.state!r}{f', {self.reason!r}' if self.reason else ''})"


def _lacks(device):
    """What an open device says it lacks: the texts of `describe()["lacks"]`."""
    if device is None:
        return ""
    try:
        return "; ".join(device.describe().get("lacks", ()))
    except Exception as error:           # a plugin's: one that cannot tell has a row all the same
        return f"it cannot tell about itself: {' '.join(str(error).split())}"


class Table(list):
    """Rows that print as a table."""

    def __str__(self):
        cells = [("device", "state", "from", "reason")] + [(r.name, r.state, r.source, r.reason) for r in self]
        widths = [max(len(row[i]) for row in cells) for i in range(3)]
        return "\n".join("  ".join([*(c.ljust(w) for c, w in zip(row, widths)), row[3]]).rstrip() for row in cells)
