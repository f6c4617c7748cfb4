"""What the iterators over datasets have in common."""
import itertools

from thalweg.framework import errors


def at_least_one(value, text):
    if value <= 0:
        raise errors.InvalidArgumentError(None, None, text)
    return value


class Elements:
    """An iterator that an error does not end, as it would a generator: `__next__` of a subclass does the work."""

    def __iter__(self):
        return self


class Times:
    """A dataset, `count` times, as an iterable; for ever if that is negative."""

    def __init__(self, dataset, count):
        self.dataset, self.count = dataset, count

    def __iter__(self):
        return itertools.repeat(self.dataset) if self.count < 0 else itertools.repeat(self.dataset, self.count)
