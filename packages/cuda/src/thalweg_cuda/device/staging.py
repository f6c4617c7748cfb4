"""Copies between the host's memory, which may be paged out, and a card, through pinned memory.

What is small is put into a ring of pinned memory and copied on the compute stream. What is large goes in pieces, on a
stream of its own: while one piece is copied by the card, the processor fills or empties the other.
"""
import threading

import numpy as np

SMALL_BYTES = 64 << 10
_RING_BYTES, _RING_PARTS = 1 << 20, 4
_PIECE_BYTES = 4 << 20


def pinned(driver, nbytes):
    """An array of bytes in pinned memory; MemoryError where the host has none."""
    try:
        return driver.pagelocked_empty(nbytes, np.uint8)
    except driver.MemoryError as error:
        raise MemoryError(f"the host gives no {nbytes:,} bytes of pinned memory, through which copies to and from a "
                          f"card go ({error}): free memory of the host, or raise its limit of locked memory, "
                          "ulimit -l") from error


class Inbox:
    """Copies to a card. To be used with the context current.

    Parameters
    ----------
    driver : module         pycuda.driver
    streams : Streams
    lock : RLock            the card's, which the caller does not hold
    """

    def __init__(self, driver, streams, lock):
        self._driver, self._streams, self._lock = driver, streams, lock
        self._ring = _Ring(driver, streams)
        self._large_lock, self._pieces = threading.Lock(), None

    def copy(self, address, source):
        """Copies an array of bytes to an address; the source has been read when it returns."""
        if source.size <= SMALL_BYTES:
            with self._lock:
                self.enqueue(address, source, self._streams.compute)
        else:
            with self._large_lock:
                self._copy_pieces(address, source)

    def enqueue(self, address, source, stream):
        """A small copy on a stream; the caller holds the card's lock."""
        place = self._ring.take(source.size)
        place[:] = source
        self._driver.memcpy_htod_async(address, place, stream)

    def _copy_pieces(self, address, source):
        if self._pieces is None:
            self._pieces = _Pieces(self._driver)
        h2d, compute = self._streams.h2d, self._streams.compute
        with self._lock:
            self._streams.order(compute, h2d)            # what ran before may still read what lies there
        try:
            for begin in range(0, source.size, _PIECE_BYTES):
                piece = source[begin:begin + _PIECE_BYTES]
                place, event = self._pieces.next()
                place[:piece.size] = piece
                try:
                    self._driver.memcpy_htod_async(address + begin, place[:piece.size], h2d)
                finally:
                    event.record(h2d)
        finally:                         # Ctrl-C between pieces: those under way still write there
            with self._lock:
                self._streams.order(h2d, compute)

    def close(self):
        """Frees the pinned memory."""
        self._ring = self._pieces = None


class Outbox:
    """Copies from a card. To be used with the context current.

    Small ones are finished by `finish`, after the compute stream has been waited for; each thread has its own.
    """

    def __init__(self, driver, streams, lock):
        self._driver, self._streams, self._lock = driver, streams, lock
        self._large_lock, self._pieces = threading.Lock(), None
        self._rooms = []                 # pinned rooms that nobody uses
        self._pending = {}               # thread's id -> _Room

    def copy(self, target, address):
        """Fills an array of bytes from an address, by the next `finish` of this thread at the latest."""
        if target.size > SMALL_BYTES:
            with self._large_lock:
                self._copy_pieces(target, address)
            return
        with self._lock:
            room = self._room()
            place = room.take(target)
            if place is not None:
                self._driver.memcpy_dtoh_async(place, address, self._streams.compute)
                return
        self._streams.compute.synchronize()              # the room is full
        self.finish()
        self.copy(target, address)

    def finish(self):
        """Hands over what has come for this thread."""
        room = self._pending.pop(threading.get_ident(), None)
        if room is not None:
            room.empty()
            self._rooms.append(room)

    def forget(self):
        """Drops what is on its way for this thread: nobody waits for it."""
        room = self._pending.pop(threading.get_ident(), None)
        if room is not None:
            room.forget()
            self._rooms.append(room)

    def _room(self):
        thread = threading.get_ident()
        room = self._pending.get(thread)
        if room is None:
            room = self._pending[thread] = self._rooms.pop() if self._rooms else _Room(self._driver)
        return room

    def _copy_pieces(self, target, address):
        if self._pieces is None:
            self._pieces = _Pieces(self._driver)
        with self._lock:
            self._streams.order(self._streams.compute, self._streams.d2h)
        waiting = []
        for begin in range(0, target.size, _PIECE_BYTES):
            piece = target[begin:begin + _PIECE_BYTES]
            if len(waiting) == 2:
                _empty(*waiting.pop(0))
            place, event = self._pieces.next()
            try:
                self._driver.memcpy_dtoh_async(place[:piece.size], address + begin, self._streams.d2h)
            finally:                     # also after Ctrl-C nobody may use the place before the copy is done
                event.record(self._streams.d2h)
            waiting.append((piece, place, event))
        for piece, place, event in waiting:
            _empty(piece, place, event)

    def close(self):
        """Frees the pinned memory."""
        self._rooms, self._pending, self._pieces = [], {}, None


class _Ring:
    """Pinned memory that is used over and over: a part is used again when the copies out of it are done."""

    def __init__(self, driver, streams):
        self._streams = streams
        self._parts = [pinned(driver, _RING_BYTES) for _ in range(_RING_PARTS)]
        self._events = [None] * _RING_PARTS
        self._part = self._used = 0

    def take(self, nbytes):
        """Room for `nbytes`, at most SMALL_BYTES, that nobody reads any more."""
        if self._used + nbytes > _RING_BYTES:
            self._turn()
        begin = self._used
        self._used += -(-nbytes // 16) * 16
        return self._parts[self._part][begin:begin + nbytes]

    def _turn(self):
        event = self._streams.event()
        event.record(self._streams.compute)
        self._events[self._part] = event
        self._part, self._used = (self._part + 1) % _RING_PARTS, 0
        event, self._events[self._part] = self._events[self._part], None
        if event is not None:
            _wait(event)
            self._streams.done_with(event)


class _Pieces:
    """Two pinned places with an event each, in turns."""

    def __init__(self, driver):
        self._places = [pinned(driver, _PIECE_BYTES) for _ in range(2)]
        self._events = [driver.Event(driver.event_flags.DISABLE_TIMING) for _ in range(2)]
        self._turn = 0

    def next(self):
        """A place whose last copy is done, and the event to record behind the next one."""
        self._turn ^= 1
        event = self._events[self._turn]
        _wait(event)                     # it is done where it was never recorded
        return self._places[self._turn], event


class _Room:
    """Pinned memory for the small copies of one thread, until they are done."""

    def __init__(self, driver):
        self._memory = pinned(driver, 4 * SMALL_BYTES)
        self._used, self._copies = 0, []

    def take(self, target):
        """A place that a copy for `target` fills; None where there is no room."""
        begin, size = self._used, target.size
        if begin + size > self._memory.size:
            return None
        self._used += -(-size // 16) * 16
        place = self._memory[begin:begin + size]
        self._copies.append((target, place))
        return place

    def empty(self):
        """Copies what has come to where it belongs."""
        for target, place in self._copies:
            target[:] = place
        self.forget()

    def forget(self):
        """Makes the room free."""
        self._copies.clear()
        self._used = 0


def _wait(event):
    """Asks before it waits: to wait for what is done is a synchronization, too."""
    if not event.query():
        event.synchronize()


def _empty(piece, place, event):
    event.synchronize()
    piece[:] = place[:piece.size]
