"""Work ahead of the consumer: threads that take elements from a source in order, work on them side by side, and keep a
bounded number of results ready in the order of the source. Prefetching is the case without work.

The threads know only what they share with the consumer, not the consumer itself: when that is dropped, they end. They
end as well with the session, and before the interpreter does.
"""
import atexit
import collections
import os
import threading
import time
import weakref

from thalweg.framework import errors

JOIN_SECONDS = 2.0                       # how long the end of the interpreter waits for threads at work

_alive: weakref.WeakSet = weakref.WeakSet()


class Done:
    """An element on which there is nothing left to do."""

    def __init__(self, element):
        self.element = element

    def run(self):
        """Nothing."""

    def result(self):
        return self.element


class _Failed(Done):
    def result(self):
        raise self.element


class _Slot:
    __slots__ = ("task", "is_ready")

    def __init__(self, task):
        self.task, self.is_ready = task, False


class _Shared:
    """What the threads and the consumer share.

    Attributes
    ----------
    source : iterator           elements, taken by one thread at a time
    task_of : callable          element -> an object with run(), called in a thread, and result(), by the consumer
    room, ready : Condition     of one lock: threads wait for room in `slots`, the consumer for the first of them
    slots : deque of _Slot      in the order of the source, at most `capacity`
    """

    def __init__(self, source, task_of, capacity):
        self.source, self.task_of, self.capacity = source, task_of, capacity
        self.slots = collections.deque()
        self.has_ended = self.is_closed = self.is_orphaned = False
        self.threads = []
        self._make_locks()

    def _make_locks(self):
        lock = threading.RLock()
        self.room, self.ready = threading.Condition(lock), threading.Condition(lock)
        self.source_lock = threading.Lock()

    def start(self, count):
        for _ in range(count):
            thread = threading.Thread(target=self._work, name="thalweg-data", daemon=True)
            thread.start()
            self.threads.append(thread)

    def _work(self):
        while True:
            with self.source_lock:
                slot = self._next_slot()
            if slot is None:
                return
            slot.task.run()
            with self.ready:
                slot.is_ready = True
                if self.slots and self.slots[0] is slot:
                    self.ready.notify()
            del slot                                     # the next element may be long in coming

    def _next_slot(self):
        """A slot for the next element, once there is room for it; None when there is none."""
        with self.room:
            while len(self.slots) >= self.capacity and not self.is_closed:
                self.room.wait()
            if self.is_closed or self.has_ended:
                return None
        try:
            slot = _Slot(self.task_of(next(self.source)))
        except StopIteration:
            slot = None
        except BaseException as error:                   # whatever it is, it is raised where the element is asked for
            slot = _Slot(_Failed(error))
        with self.ready:
            if slot is None:
                self.has_ended = True
                self.ready.notify_all()
            else:
                self.slots.append(slot)
        return slot

    def close(self):
        """Lets the threads end when they are done with what they are at."""
        with self.ready:
            self.is_closed = True
            self.slots.clear()
            self.room.notify_all()
            self.ready.notify_all()

    def orphan(self):
        """After a fork the child has no threads, and locks that nobody will ever release."""
        self.is_orphaned = True
        self._make_locks()


class Ahead:
    """An iterator over `source` with the work on each element done ahead, in `workers` threads.

    Parameters
    ----------
    source : iterator
    task_of : callable      see _Shared; called in the order of the elements
    workers, capacity : int     threads, and how many results may wait, those in work included
    run : Run               what it belongs to (iterator.py)
    """

    def __init__(self, source, task_of, workers, capacity, run):
        self._shared, self._workers, self._run = _Shared(source, task_of, capacity), workers, run
        run.add(self._shared)
        _alive.add(self._shared)

    def __iter__(self):
        return self

    def __next__(self):
        shared = self._shared
        if shared.is_orphaned:
            raise errors.FailedPreconditionError(None, None, errors.explain(
                "the threads that prepare this iterator's elements did not come along when the process was forked",
                hint="a session of this process's own, with an iterator that begins in it"))
        if not shared.threads:
            shared.start(self._workers)
        with shared.ready:
            while not (shared.slots and shared.slots[0].is_ready):
                if shared.is_closed:
                    raise errors.CancelledError(None, None, "the iterator has been closed, or initialized anew")
                if shared.has_ended and not shared.slots:
                    raise StopIteration
                self._run.wait(shared.ready)
            slot = shared.slots.popleft()
            shared.room.notify()
        return slot.task.result()

    def __del__(self):
        self._shared.close()


def _end_threads():
    for shared in list(_alive):
        shared.close()
    end = time.monotonic() + JOIN_SECONDS
    for shared in list(_alive):
        for thread in shared.threads:
            thread.join(max(0.0, end - time.monotonic()))


def _after_fork_in_child():
    for shared in list(_alive):
        shared.orphan()


atexit.register(_end_threads)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
