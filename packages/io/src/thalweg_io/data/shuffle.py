"""Datasets in random order, TensorFlow's for a seed."""
import collections

from thalweg.framework.random_seed import seeded_state
from thalweg.ops import _philox

from .passes import Elements, Times, at_least_one


class Shuffle:
    """Elements in random order: each is drawn from a buffer of the next `size` ones. TensorFlow's order for a seed.

    With `reshuffles` every pass has an order of its own, all decided by the seed. A repetition fills the buffer with
    the next pass while it draws the rest of the last one.
    """

    def __init__(self, dataset, size, seed, seed2, reshuffles):
        self.dataset, self.size = dataset, at_least_one(size, "buffer_size must be greater than zero.")
        self.seeds = seeded_state(seed, seed2)
        self.parent = _Words(*self.seeds) if reshuffles else None

    def iterate(self, run):
        words = _Words(*self.seeds)
        if self.parent is not None:
            words = _Words(*seeded_state(next(self.parent), next(self.parent)))
        return _Shuffled(iter([self.dataset]), self.size, words, run)


class RepeatedShuffle:
    """A Shuffle with `reshuffles` `count` times, for ever if that is negative: one stream for all orders."""

    def __init__(self, shuffle, count):
        self.shuffle, self.passes = shuffle, Times(shuffle.dataset, count)

    def iterate(self, run):
        return _Shuffled(iter(self.passes), self.shuffle.size, _Words(*self.shuffle.seeds), run)


class _Words:
    """The 32-bit words of a random stream, one after the other."""

    AT_ONCE = 256

    def __init__(self, key, counter):
        self.generator, self.ready = _philox.Generator(key, counter), iter(())

    def __next__(self):
        for word in self.ready:
            return word
        stream = self.generator.key, self.generator.reserve(self.AT_ONCE // 4)
        self.ready = iter(_philox.words(stream, self.AT_ONCE).tolist())
        return next(self.ready)


class _Shuffled(Elements):
    """The buffer is a ring: a drawn element changes places with the first, which then leaves."""

    def __init__(self, datasets, size, words, run):
        self.datasets, self.size, self.words, self.run = datasets, size, words, run
        self.buffer = {}                         # number modulo `size` -> element
        self.first = self.next = 0               # numbers: of the first in the buffer, of the next that comes
        self.ends = collections.deque()          # where the passes end that the buffer still holds, but for the last
        self.source = None
        self._begin_pass()

    def _begin_pass(self):
        dataset = next(self.datasets, None)
        self.source = None if dataset is None else dataset.iterate(self.run)

    def __next__(self):
        while self.source is not None and self.next - self.first < self.size:
            self._put()
        while self.ends and self.ends[0] == self.first:
            self.ends.popleft()
        if self.first == self.next:
            raise StopIteration
        end = self.ends[0] if self.ends else self.next
        place = (self.first + next(self.words) % (end - self.first)) % self.size
        element, self.buffer[place] = self.buffer[place], self.buffer[self.first % self.size]
        del self.buffer[self.first % self.size]
        self.first += 1
        return element

    def _put(self):
        try:
            self.buffer[self.next % self.size] = next(self.source)
            self.next += 1
        except StopIteration:
            self.ends.append(self.next)
            if self.next:
                self._begin_pass()
            else:
                self.source = None               # what is empty once is so for ever
