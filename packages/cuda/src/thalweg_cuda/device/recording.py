"""Recorded work: kernels and copies that are captured once as a CUDA graph, and launched as one from then on."""
from threading import get_ident

from thalweg_cuda.driver import libcuda


class Recording:
    """What a capture gave.

    Attributes
    ----------
    executable : int            handle of the graph; None before the end of the capture
    records : list of (Record, Flag, str)       what its kernels may write, its own for as long as it lives, with
                                                the node's name
    """

    def __init__(self, card):
        self._card, self.executable, self.records = card, None, []

    def __del__(self):
        # Whoever drops it may be in the midst of a capture, or another thread may: the card frees it later.
        self._card.dropped.append((self.executable, [record for record, _, _ in self.records]))


class Recorder:
    """Captures the work of one card; core lets nobody else use the card meanwhile."""

    def __init__(self, card):
        self._card = card
        self.current = None              # the Recording under way
        self._thread = 0                 # that it is of

    def is_mine(self):
        """Whether this thread records."""
        return self.current is not None and self._thread == get_ident()

    def begin(self):
        """From now on work is noted."""
        if self.current is not None:
            self.abandon()
        self._card.flags.reserve()
        self._thread, self.current = get_ident(), Recording(self._card)
        libcuda.begin_capture(self._card.streams.capture.handle)

    def end(self):
        """The Recording; None where `begin` has failed, DriverError where something cannot be captured."""
        recording, self.current = self.current, None
        if recording is None:
            return None
        recording.executable = libcuda.end_capture(self._card.streams.capture.handle)
        return recording

    def abandon(self):
        """Ends a capture that somebody has left."""
        self.current = None
        libcuda.abandon_capture(self._card.streams.capture.handle)

    def replay(self, recording):
        """Enqueues all work of a recording, behind what was enqueued before."""
        for record, flag, op_name in recording.records:
            self._card.flags.watch(record, flag, op_name, is_kept=True)
        libcuda.call("cuGraphLaunch", recording.executable, self._card.streams.compute.handle)
