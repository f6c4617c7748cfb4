"""Datasets made of others, with all their values known: `iterate(run)` gives an iterator over elements.

Iterators go on after an error: the next element comes when it is asked for.
"""
import collections
import itertools

import numpy as np

from thalweg.framework import errors
from thalweg.framework.random_seed import seeded_state
from thalweg.ops import _philox

from .ahead import Ahead, Done, processors
from .elements import stacked
from .functions import Calls, of_element

AUTOTUNE = -1


def _at_least_one(value, text):
    if value <= 0:
        raise errors.InvalidArgumentError(None, None, text)
    return value


class _Iterator:
    """An iterator that an error does not end, as it would a generator: `__next__` of a subclass does the work."""

    def __iter__(self):
        return self


class Zip:
    """Elements of several datasets side by side, up to the end of the shortest."""

    def __init__(self, inputs):
        self.inputs = inputs

    def iterate(self, run):
        return _Zipped([dataset.iterate(run) for dataset in self.inputs])


class _Zipped(_Iterator):
    def __init__(self, sources):
        self.sources = sources

    def __next__(self):
        return [component for source in self.sources for component in next(source)]


class Chain:
    """One dataset after the other: concatenate, repeat."""

    def __init__(self, datasets):
        self.datasets = datasets             # an iterable that can be gone through several times

    def iterate(self, run):
        return _Chained(iter(self.datasets), run)


class _Chained(_Iterator):
    def __init__(self, datasets, run):
        self.datasets, self.run = datasets, run
        self.source, self.is_empty = None, True

    def __next__(self):
        while True:
            if self.source is None:
                dataset = next(self.datasets)
                self.source, self.is_empty = dataset.iterate(self.run), True
            try:
                element = next(self.source)
                self.is_empty = False
                return element
            except StopIteration:
                self.source = None
                if self.is_empty and isinstance(self.datasets, itertools.repeat):
                    raise                    # the same again would be empty again, for ever


def repeated(dataset, count):
    """`dataset` `count` times, for ever if that is negative."""
    if isinstance(dataset, Shuffle) and dataset.parent is not None:
        return RepeatedShuffle(dataset, count)
    return Chain(_Times(dataset, count))


class _Times:
    def __init__(self, dataset, count):
        self.dataset, self.count = dataset, count

    def __iter__(self):
        return itertools.repeat(self.dataset) if self.count < 0 else itertools.repeat(self.dataset, self.count)


class Part:
    """The elements from number `start` to before `stop`, each `step`-th of them: take, skip, shard."""

    def __init__(self, dataset, start, stop, step=1):
        self.dataset, self.start, self.stop, self.step = dataset, start, stop, step

    def iterate(self, run):
        return _Parted(self.dataset.iterate(run), self)


class _Parted(_Iterator):
    def __init__(self, source, part):
        self.source, self.part, self.number = source, part, 0

    def __next__(self):
        part = self.part
        while part.stop is None or self.number < part.stop:
            element = next(self.source)
            self.number += 1
            if self.number > part.start and (self.number - 1 - part.start) % part.step == 0:
                return element
        raise StopIteration


def sharded(dataset, num_shards, index):
    """Each `num_shards`-th element from number `index` on."""
    _at_least_one(num_shards, f"Number of shards must be greater than zero (currently num_shards = {num_shards}).")
    if not 0 <= index < num_shards:
        raise errors.InvalidArgumentError(None, None, f"Index must be between 0 and {num_shards - 1} (currently index = "
                                                      f"{index}, num_shards = {num_shards}).")
    return Part(dataset, index, None, num_shards)


class Map:
    """What a function gives for each element, one after the other."""

    def __init__(self, dataset, function):
        self.dataset, self.function = dataset, function

    def iterate(self, run):
        return _Mapped(self.dataset.iterate(run), self.function, run)


class _Mapped(_Iterator):
    def __init__(self, source, function, run):
        self.source, self.captured, self.runner = source, function.captured, run.runner(function.graph)
        self.number = -1

    def __next__(self):
        element = next(self.source)
        self.number += 1
        try:
            return self.runner([*element, *self.captured])
        except errors.OpError as error:
            raise of_element(error, self.number, self.runner.graph) from error.__cause__


class ParallelMap:
    """As Map, with up to `workers` calls at the same time; the elements stay in order."""

    def __init__(self, dataset, function, workers):
        if workers != AUTOTUNE:
            _at_least_one(workers, "num_parallel_calls must be greater than zero.")
        self.dataset, self.function, self.workers = dataset, function, workers

    def iterate(self, run):
        runner = run.runner(self.function.graph)
        workers = processors() if self.workers == AUTOTUNE else self.workers
        threads = 1 if runner.draws and runner.has_effects else workers      # a call that is made again must not show
        calls, captured = Calls(runner), self.function.captured
        return Ahead(self.dataset.iterate(run), lambda element: calls.new([*element, *captured]), threads, workers, run)


class Prefetch:
    """Up to `count` elements ahead of the consumer, made in a thread of their own."""

    def __init__(self, dataset, count):
        if count != AUTOTUNE and count < 0:
            raise errors.InvalidArgumentError(None, None, "buffer_size must be >= 0 or set buffer_size to be "
                                                          "tf.data.experimental.AUTOTUNE for auto-tuning")
        self.dataset, self.count = dataset, processors() if count == AUTOTUNE else count

    def iterate(self, run):
        source = self.dataset.iterate(run)
        return Ahead(source, Done, 1, self.count, run) if self.count else source


class Filter:
    """The elements for which a function holds."""

    def __init__(self, dataset, predicate):
        self.dataset, self.predicate = dataset, predicate

    def iterate(self, run):
        return _Filtered(self.dataset.iterate(run), Map(_Given(), self.predicate).iterate(run))


class _Given:
    """A dataset whose elements are handed over one by one."""

    def iterate(self, run):
        return _Handed()


class _Filtered(_Iterator):
    def __init__(self, source, mapped):
        self.source, self.mapped = source, mapped

    def __next__(self):
        while True:
            element = next(self.source)
            self.mapped.source.element = element
            if next(self.mapped)[0]:
                return element


class _Handed(_Iterator):
    element = None

    def __next__(self):
        return self.element


class Interleave:
    """The elements of the datasets that a function gives: `block` of one, then of the next, in a cycle of `cycle`."""

    def __init__(self, dataset, function, cycle=1, block=1):
        self.dataset, self.function = dataset, function
        self.cycle = _at_least_one(processors() if cycle == AUTOTUNE else cycle, "cycle_length must be greater than zero.")
        self.block = _at_least_one(block, "block_length must be greater than zero.")

    def iterate(self, run):
        return _Interleaved(Map(self.dataset, self.function).iterate(run), self.cycle, self.block, run)


class _Interleaved(_Iterator):
    def __init__(self, datasets, cycle, block, run):
        self.datasets, self.block, self.run = datasets, block, run
        self.sources = [None] * cycle
        self.position = self.taken = 0
        self.has_ended = False

    def __next__(self):
        while not self.has_ended or any(source is not None for source in self.sources):
            source = self.sources[self.position]
            if source is None:
                self._open()
                continue
            try:
                element = next(source)
            except StopIteration:
                self.sources[self.position] = None
                self._advance()
                continue
            self.taken += 1
            if self.taken == self.block:
                self._advance()
            return element
        raise StopIteration

    def _open(self):
        """Fills an empty place of the cycle with the next dataset; goes on where there is none."""
        if self.has_ended:
            self._advance()
            return
        try:
            self.sources[self.position] = next(self.datasets)[0][()].iterate(self.run)
        except StopIteration:
            self.has_ended = True

    def _advance(self):
        self.position, self.taken = (self.position + 1) % len(self.sources), 0


class Batch:
    """`size` elements as one; a last one of fewer, unless `drop_remainder`. `combine` makes one of a list of them."""

    def __init__(self, dataset, size, drop_remainder, combine=None):
        self.dataset, self.drop_remainder = dataset, drop_remainder
        self.size = _at_least_one(size, "Batch size must be greater than zero.")
        self.combine = combine or (lambda elements: stacked(elements, "BatchDatasetV2"))

    def iterate(self, run):
        return _Batched(self.dataset.iterate(run), self)


class _Batched(_Iterator):
    def __init__(self, source, batch):
        self.source, self.batch = source, batch

    def __next__(self):
        elements = list(itertools.islice(self.source, self.batch.size))
        if not elements or len(elements) < self.batch.size and self.batch.drop_remainder:
            raise StopIteration
        return self.batch.combine(elements)


class Padding:
    """Combines elements of different shapes: each component filled up with a value, at the end of each dimension.

    Parameters
    ----------
    sizes : list of lists of int        of each component's dimensions; -1: the largest in the batch
    values : list of arrays []          what is filled in
    """

    def __init__(self, sizes, values):
        self.sizes, self.values = sizes, values

    def __call__(self, elements):
        return [self._component([e[k] for e in elements], wanted, value)
                for k, (wanted, value) in enumerate(zip(self.sizes, self.values))]

    def _component(self, arrays, wanted, value):
        for array in arrays:
            if array.ndim != len(wanted):
                raise errors.InvalidArgumentError(None, None, "All elements in a batch must have the same rank as the "
                                                  f"padded shape: expected rank {len(wanted)}, got {array.ndim}")
        largest = [max(sizes) for sizes in zip(*[a.shape for a in arrays])]
        for size, want in zip(largest, wanted):
            if -1 < want < size:
                raise errors.DataLossError(None, None, "Attempted to pad to a smaller size than the input element: "
                                                       f"{size} elements into {want}")
        shape = [size if want == -1 else want for size, want in zip(largest, wanted)]
        batch = np.full((len(arrays), *shape), value, arrays[0].dtype)
        for target, array in zip(batch, arrays) if shape else ():
            target[tuple([slice(size) for size in array.shape])] = array
        if not shape:
            batch[:] = [a[()] for a in arrays]
        return batch


class Shuffle:
    """Elements in random order: each is drawn from a buffer of the next `size` ones. TensorFlow's order for a seed.

    With `reshuffles` every pass has an order of its own, all decided by the seed. A repetition fills the buffer with
    the next pass while it draws the rest of the last one.
    """

    def __init__(self, dataset, size, seed, seed2, reshuffles):
        self.dataset, self.size = dataset, _at_least_one(size, "buffer_size must be greater than zero.")
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
        self.shuffle, self.passes = shuffle, _Times(shuffle.dataset, count)

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


class _Shuffled(_Iterator):
    """The buffer is a ring: a drawn element changes places with the first, which then leaves. Elements are numbered."""

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


class Cache:
    """Remembers the elements of the first whole pass, in memory, and gives them again in later ones."""

    def __init__(self, dataset):
        self.dataset, self.elements = dataset, None

    def iterate(self, run):
        return _Caching(self, run) if self.elements is None else iter(self.elements)


class _Caching(_Iterator):
    def __init__(self, cache, run):
        self.cache, self.source, self.elements = cache, cache.dataset.iterate(run), []

    def __next__(self):
        try:
            element = next(self.source)
        except StopIteration:
            self.cache.elements = self.elements
            raise
        self.elements.append(element)
        return element


class WithoutErrors:
    """Leaves out the elements that fail: `tf.data.experimental.ignore_errors`."""

    def __init__(self, dataset):
        self.dataset = dataset

    def iterate(self, run):
        return _WithoutErrors(self.dataset.iterate(run))


class _WithoutErrors(_Iterator):
    def __init__(self, source):
        self.source = source

    def __next__(self):
        while True:
            try:
                return next(self.source)
            except (errors.CancelledError, errors.FailedPreconditionError):
                raise                            # not an element's: the session is closed, or a variable has no value
            except errors.OpError:
                continue
