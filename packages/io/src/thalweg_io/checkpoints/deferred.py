"""Saves that go on in a thread: the ops hand over copies of the values and what to do with them, and are done."""
import concurrent.futures
import contextlib
import logging
import threading

import numpy as np

from ..side_by_side import side_by_side

logger = logging.getLogger("thalweg.io")

_WORTH_THREADS = 8 << 20              # bytes to copy
_MOST_WAITING = 2                     # saves of one saver that hold copies of the values
_collecting = threading.local()       # .jobs: list of (function, arrays), where this thread collects


@contextlib.contextmanager
def collecting():
    """Within it, save ops that run in this thread write nothing; gives a function that does it later."""
    if getattr(_collecting, "jobs", None) is not None:
        raise RuntimeError("a save is begun inside of another")
    _collecting.jobs = jobs = []

    def finish():
        while jobs:
            function, arrays = jobs.pop(0)
            function(arrays)

    try:
        yield finish
    finally:
        _collecting.jobs = None


def do(function, arrays=()):
    """Calls `function(arrays)` now, or later with copies of the arrays where this thread collects."""
    jobs = getattr(_collecting, "jobs", None)
    if jobs is None:
        function(arrays)
    else:
        jobs.append((function, _copies(arrays)))


def _copies(arrays):
    if sum(array.nbytes for array in arrays) < _WORTH_THREADS:
        return [np.array(array, order="C") for array in arrays]
    return side_by_side(lambda array: np.array(array, order="C"), arrays)


class SaveFuture(concurrent.futures.Future):
    """The outcome of a save; an error that nobody has asked for is logged when the last reference goes."""

    def __init__(self, path):
        super().__init__()
        self._path, self._is_asked = path, False

    def result(self, timeout=None):
        """The path, as `Saver.save` gives it; raises what went wrong."""
        self._is_asked = True
        return super().result(timeout)

    def exception(self, timeout=None):
        """What went wrong, None if nothing did."""
        self._is_asked = True
        return super().exception(timeout)

    def __del__(self):
        if not self._is_asked and self.done() and not self.cancelled() and super().exception() is not None:
            logger.error("Saving %s failed, and nobody asked for the outcome: %s", self._path, super().exception())


class Queue:
    """Work of one saver, done one after the other in a thread that ends when there is none.

    The interpreter's exit waits for it.
    """

    def __init__(self):
        self._executor, self._pending = None, []

    def wait(self, most=0):
        """Waits until at most `most` pieces are unfinished."""
        self._pending = [future for future in self._pending if not future.done()]
        while len(self._pending) > most:
            concurrent.futures.wait(self._pending, return_when=concurrent.futures.FIRST_COMPLETED)
            self._pending = [future for future in self._pending if not future.done()]

    def make_room(self):
        """Waits until a further piece may be added without holding too much memory."""
        self.wait(_MOST_WAITING - 1)

    def submit(self, path, function):
        """A SaveFuture of what `function()` gives; `path` is what to call it in a log."""
        if self._executor is None:
            self._executor = concurrent.futures.ThreadPoolExecutor(1, "thalweg-save")
        future = SaveFuture(path)
        future.set_running_or_notify_cancel()
        # the executor's own future tells when it is done, and holds no reference to the one that is asked
        self._pending.append(self._executor.submit(_run, [function], [future]))
        return future


def _run(function, future):
    future, function = future.pop(), function.pop()
    try:
        result = function()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)
