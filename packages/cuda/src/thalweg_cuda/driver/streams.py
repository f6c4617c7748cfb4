"""The streams of a card and the events between them."""

_NON_BLOCKING = 1                        # CU_STREAM_NON_BLOCKING: does not wait for the legacy default stream


class Streams:
    """A stream for kernels, one for each direction of copies, and one that graphs are captured on.

    To be made and used with the card's context current.
    """

    def __init__(self, driver):
        self._driver = driver
        self.compute, self.h2d, self.d2h, self.capture = [driver.Stream(_NON_BLOCKING) for _ in range(4)]
        self._events = []

    def event(self):
        """An event that takes no times; give it back with `done_with`."""
        return self._events.pop() if self._events else self._driver.Event(self._driver.event_flags.DISABLE_TIMING)

    def done_with(self, event):
        """Nobody waits for the event any more."""
        self._events.append(event)

    def order(self, first, then):
        """What is put on `then` from now on begins after what is on `first`."""
        event = self.event()
        event.record(first)
        then.wait_for_event(event)       # the wait is for this record: the event may be recorded anew at once
        self.done_with(event)

    def close(self):
        """Frees streams and events."""
        self._events.clear()
        self.compute = self.h2d = self.d2h = self.capture = None
