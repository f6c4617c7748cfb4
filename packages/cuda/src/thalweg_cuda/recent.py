"""Tables that do not grow without end where shapes vary."""
import collections


class Recent:
    """The values that were used last, at most `most` of them; one thread at a time may use it."""

    def __init__(self, most):
        self._most, self._values = most, collections.OrderedDict()

    def get(self, key, make):
        """The value of a key; where it is not there any more, or never was, what `make()` gives."""
        if key not in self._values:
            self._values[key] = make()
            if len(self._values) > self._most:
                self._values.popitem(last=False)
        self._values.move_to_end(key)
        return self._values[key]

    def clear(self):
        """Forgets all."""
        self._values.clear()

    def __len__(self):
        return len(self._values)
