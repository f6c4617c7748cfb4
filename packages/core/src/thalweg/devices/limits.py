"""How many devices of a type a session may use."""
from numbers import Integral

from thalweg.framework.errors import explain
from thalweg.framework.naming import user_frame

from .plugin import DevicePlugin


class Limits:
    """ConfigProto's `device_count`: {"GPU": 0} is about every device that answers to GPU, by its type or an alias.

    ValueError for what is no count.
    """

    def __init__(self, counts=None):
        for name, count in (counts or {}).items():
            if not isinstance(count, Integral) or isinstance(count, bool) or count < 0:
                raise ValueError(explain(f"ConfigProto: device_count[{name!r}] must be a count of devices",
                                         got=repr(count), built_at=user_frame()))
        self._counts = {name.upper(): count for name, count in (counts or {}).items()}

    def of(self, plugin):
        """`(count, the name that it was given for)` of a plugin's devices; infinitely many where nothing is said."""
        if not self._counts or not isinstance(plugin, DevicePlugin):
            return float("inf"), ""
        names = {plugin.type, *[alias.upper() for alias in plugin.aliases]} & set(self._counts)
        return min([(self._counts[name], name) for name in names], default=(float("inf"), ""))


NO_LIMITS = Limits()
