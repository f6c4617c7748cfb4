"""Datasets made of others, with all their values known: `iterate(run)` gives an iterator over elements.

Iterators go on after an error: the next element comes when it is asked for.
"""
import itertools

from thalweg.framework import errors

from ..side_by_side import processors
from .ahead import Ahead, Done
from .functions import Calls, of_element
from .passes import Elements, Times, at_least_one
from .shuffle import RepeatedShuffle, Shuffle

AUTOTUNE = -1


class Zip:
    """Elements of several datasets side by side, up to the end of the shortest."""

    def __init__(self, inputs):
        self.inputs = inputs

    def iterate(self, run):
        return _Zipped([dataset.iterate(run) for dataset in self.inputs])


class _Zipped(Elements):
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


class _Chained(Elements):
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
    return Chain(Times(dataset, count))


class Part:
    """The elements from number `start` to before `stop`, each `step`-th of them: take, skip, shard."""

    def __init__(self, dataset, start, stop, step=1):
        self.dataset, self.start, self.stop, self.step = dataset, start, stop, step

    def iterate(self, run):
        return _Parted(self.dataset.iterate(run), self)


class _Parted(Elements):
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
    at_least_one(num_shards, f"Number of shards must be greater than zero (currently num_shards = {num_shards}).")
    if not 0 <= index < num_shards:
        raise errors.InvalidArgumentError(None, None, f"Index must be between 0 and {num_shards - 1} (currently index "
                                                      f"= {index}, num_shards = {num_shards}).")
    return Part(dataset, index, None, num_shards)


class Map:
    """What a function gives for each element, one after the other."""

    def __init__(self, dataset, function):
        self.dataset, self.function = dataset, function

    def iterate(self, run):
        return _Mapped(self.dataset.iterate(run), self.function, run)


class _Mapped(Elements):
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
    """As Map, with up to `workers` calls at the same time; the elements stay in order.

    Twice as many elements may be done or in work, so that the threads need not wait for each other at every one.
    """

    def __init__(self, dataset, function, workers):
        if workers != AUTOTUNE:
            at_least_one(workers, "num_parallel_calls must be greater than zero.")
        self.dataset, self.function, self.workers = dataset, function, workers

    def iterate(self, run):
        runner = run.runner(self.function.graph)
        workers = processors() if self.workers == AUTOTUNE else self.workers
        threads = 1 if runner.draws and runner.has_effects else workers      # a call that is made again must not show
        source, calls, captured = self.dataset.iterate(run), Calls(runner), self.function.captured
        return Ahead(source, lambda element: calls.new([*element, *captured]), threads, 2 * workers, run)


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


class _Filtered(Elements):
    def __init__(self, source, mapped):
        self.source, self.mapped = source, mapped

    def __next__(self):
        while True:
            element = next(self.source)
            self.mapped.source.element = element
            if next(self.mapped)[0]:
                return element


class _Handed(Elements):
    element = None

    def __next__(self):
        return self.element


class Interleave:
    """The elements of the datasets that a function gives: `block` of one, then of the next, in a cycle of `cycle`."""

    def __init__(self, dataset, function, cycle=1, block=1):
        self.dataset, self.function = dataset, function
        cycle = processors() if cycle == AUTOTUNE else cycle
        self.cycle = at_least_one(cycle, "cycle_length must be greater than zero.")
        self.block = at_least_one(block, "block_length must be greater than zero.")

    def iterate(self, run):
        return _Interleaved(Map(self.dataset, self.function).iterate(run), self.cycle, self.block, run)


class _Interleaved(Elements):
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


class Cache:
    """Remembers the elements of the first whole pass, in memory, and gives them again in later ones."""

    def __init__(self, dataset):
        self.dataset, self.elements = dataset, None

    def iterate(self, run):
        return _Caching(self, run) if self.elements is None else iter(self.elements)


class _Caching(Elements):
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


class _WithoutErrors(Elements):
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
