"""The same work on many items in some threads, for work that mostly waits for the system without Python's lock."""
import concurrent.futures
import itertools
import os
import threading

_MOST_THREADS = 4                     # a disk and its cache are not quicker with more
_inside = threading.local()           # .work: whether this thread is at it already
_kept: list = []                      # the pool of the other threads, once there was work for them


def side_by_side(function, items):
    """[function(item) for item in items], several at a time; the error of the first item that has one is raised.

    The caller is one of the threads. Work inside of such work stays on its thread. When this returns or raises, no
    thread is at it any more.
    """
    is_alone = len(items) < 2 or getattr(_inside, "work", False)
    count = 1 if is_alone else min(_MOST_THREADS, len(items), processors())
    if count < 2:
        return [function(item) for item in items]
    work = _Work(function, items)
    helpers = [_pool().submit(work.run) for _ in range(count - 1)]
    try:
        work.run()
    finally:
        work.is_over = True
        concurrent.futures.wait([h for h in helpers if not h.cancel()])
        results, failures = work.let_go()
    if failures:
        raise failures[min(failures)]
    return results


class _Work:
    """Items that threads take one by one, in order, until one fails."""

    def __init__(self, function, items):
        self.function, self.items = function, items
        self.results, self.failures = [None] * len(items), {}
        self.numbers, self.is_over = itertools.count(), False

    def run(self):
        _inside.work = True
        try:
            while not self.is_over and (number := next(self.numbers)) < len(self.items):
                self._do(number)
        finally:
            _inside.work = False

    def let_go(self):
        """The results and the failures, kept by the caller alone: the pool holds its last work for a while."""
        kept = self.results, self.failures
        self.function, self.items, self.results, self.failures = None, (), [], {}
        return kept

    def _do(self, number):
        try:
            self.results[number] = self.function(self.items[number])
        except BaseException as error:                        # raised by the caller, in whichever thread it came
            self.failures[number], self.is_over = error, True


def _pool():
    if not _kept:
        _kept.append(concurrent.futures.ThreadPoolExecutor(_MOST_THREADS - 1, "thalweg-read"))
    return _kept[0]


def processors():
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_kept.clear)           # a child has none of the threads
