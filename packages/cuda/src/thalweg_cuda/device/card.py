"""One card: its context, streams, memory and programs. Any thread may use it; the lock orders what is enqueued."""
import collections
import contextlib
import threading

import numpy as np

from thalweg.framework import errors
from thalweg_cuda._version import __version__
from thalweg_cuda.compiler.images import default_folder
from thalweg_cuda.driver import libcuda
from thalweg_cuda.driver.context import Context
from thalweg_cuda.driver.streams import Streams
from thalweg_cuda.libraries import Libraries
from thalweg_cuda.libraries.choices import Choices
from thalweg_cuda.work import Target

from .flags import Flags
from .measuring import measure
from .pool import ALIGN, Pool
from .programs import Programs
from .recording import Recorder
from .staging import Inbox, Outbox


class Card:
    """An opened card.

    Parameters
    ----------
    driver : module         pycuda.driver, initialised
    compiler : Compiler
    number : int            the driver's, among the cards that it shows
    limit_bytes : int       most of its memory that the pool may take

    Attributes
    ----------
    lock : RLock            held while work is enqueued, and while it is waited for only where memory is short
                            (Pool.trim), the ring of small copies has come round, modules are unloaded, or a choice
                            is timed
    dropped : deque         recordings that nobody has any more: (handle, flag records)
    """

    def __init__(self, driver, compiler, number, limit_bytes):
        self.driver, self.number = driver, number
        self.lock, self.dropped, self._reached = threading.RLock(), collections.deque(), set()
        self.device = device = driver.Device(number)
        self.context, self._parts = Context(driver, device, self), contextlib.ExitStack()
        try:
            with self.context:
                self._open(device, compiler, limit_bytes)
        except BaseException:            # it is opened anew when it is next asked for
            self.context.close(self._free_all)
            raise

    def _open(self, device, compiler, limit_bytes):
        driver, attribute = self.driver, self.driver.device_attribute

        def kept(part):                  # until `close`, which closes the last one first
            return self._parts.enter_context(contextlib.closing(part))
        self.streams = kept(Streams(driver))
        self.pool = kept(Pool(self._allocate, self._mark, limit_bytes))
        self.inbox = kept(Inbox(driver, self.streams, self.lock))
        self.outbox = kept(Outbox(driver, self.streams, self.lock))
        self.flags, self.recorder = kept(Flags(driver)), Recorder(self)
        self.target = Target(tuple(device.compute_capability()),
                             device.get_attribute(attribute.MULTIPROCESSOR_COUNT),
                             device.get_attribute(attribute.MAX_SHARED_MEMORY_PER_BLOCK_OPTIN),
                             kept(Libraries(self.context)),
                             Choices(_choices_file(), f"{device.name()}, thalweg-cuda {__version__}", self._measure))
        self.programs = kept(Programs(self, compiler))

    @property
    def stream(self):
        """Where kernels go now."""
        return self.streams.compute if self.recorder.current is None else self.streams.capture

    # --- memory --------------------------------------------------------------------------------------

    def alloc(self, nbytes, align=ALIGN):
        """The address of memory, a multiple of `align`; MemoryError with figures."""
        with self.lock, self.context:
            self.free_dropped()
            return self.pool.alloc(nbytes, align)

    def give_back(self, addresses):
        """Frees memory and gives it back to the driver, after what is enqueued."""
        with self.lock, self.context:
            self.pool.give_back(addresses)

    def stats(self):
        """What a PyDevice tells of its memory."""
        with self.lock, self.context:
            return self.pool.stats()

    def _allocate(self, nbytes):
        try:
            return self.driver.mem_alloc(nbytes)
        except self.driver.MemoryError as error:
            free, total = self.driver.mem_get_info()
            raise MemoryError(f"the card has {free:,} of {total:,} bytes free ({error})") from None

    def _mark(self):
        """An event behind all that is enqueued: copies are ordered against the compute stream, before and after."""
        event = self.driver.Event(self.driver.event_flags.DISABLE_TIMING)
        event.record(self.streams.compute)
        return event

    # --- copies --------------------------------------------------------------------------------------

    def h2d(self, address, source):
        """Copies bytes of the host; they have been read when it returns."""
        with self.context:
            self.inbox.copy(address, np.frombuffer(source, np.uint8))

    def d2h(self, target, address):
        """Fills bytes of the host, by the next `sync` of this thread at the latest."""
        with self.context:
            self.outbox.copy(np.frombuffer(target, np.uint8), address)

    def d2d(self, target, source, nbytes):
        """Copies inside the card."""
        with self.lock, self.context:
            self.driver.memcpy_dtod_async(target, source, nbytes, self.stream)

    def copy_from(self, target, other, source, nbytes):
        """Copies from another card, after what was enqueued on either and before what comes."""
        first, second = sorted((self, other), key=lambda card: card.number)
        with first.lock, second.lock:
            if other.number not in self._reached:
                self._reached.add(other.number)
                self.context.reach(other.context)
            ready = other.reached()
            with self.context:
                done = self.streams.event()
                self.streams.compute.wait_for_event(ready)
                libcuda.call("cuMemcpyPeerAsync", target, self.context.handle, source, other.context.handle, nbytes,
                             self.streams.compute.handle)
                done.record(self.streams.compute)
            with other.context:
                other.streams.compute.wait_for_event(done)
            self.streams.done_with(done)
            other.streams.done_with(ready)

    def reached(self):
        """An event behind all that is enqueued; give it back with `streams.done_with`."""
        with self.lock, self.context:
            event = self.streams.event()
            event.record(self.streams.compute)
            return event

    # --- the order of things -----------------------------------------------------------------------------

    def sync(self):
        """Waits for all that is enqueued; hands over copies to the host, raises what kernels have told."""
        if self.recorder.is_mine():      # nobody waits while recording: Ctrl-C came before `record_end` had begun
            self._leave_recording()
        with self.context:
            try:
                self.streams.compute.synchronize()
            except self.driver.Error as error:
                self.outbox.forget()
                raise self._lost(error) from error
            except BaseException:
                self.outbox.forget()
                raise
            self.outbox.finish()
        self.flags.examine()

    def _lost(self, error):
        """The error of work that failed on the card, after which CUDA does nothing more in this context."""
        self.context.abandon(f"work on card {self.number} failed: {error}. CUDA does nothing more in this process on "
                             "that card: start a new one. compute-sanitizer, from NVIDIA's toolkit, finds the place")
        return errors.InternalError(None, None, self.context.refusal)

    def wait_for(self, stream):
        """Waits for another package's stream: a handle."""
        with self.context:
            libcuda.call("cuStreamSynchronize", stream)

    def record_for(self, flag, op_name):
        """A record for a launch of a node; the next `sync` examines it, a recording's each one after a replay."""
        record = self.flags.take()
        if self.recorder.current is None:
            self.flags.watch(record, flag, op_name)
        else:
            self.recorder.current.records.append((record, flag, op_name))
        return record

    def record_begin(self):
        """From now on work is noted and not done; not so after any exception, such as Ctrl-C's."""
        try:
            with self.lock, self.context:
                self.free_dropped()
                self.recorder.begin()
        except BaseException:
            self._leave_recording()
            raise

    def record_end(self):
        """What was noted, for `replay`. The recording is over also after an exception."""
        try:
            with self.lock, self.context:
                return self.recorder.end()
        except BaseException:
            self._leave_recording()
            raise

    def _leave_recording(self):
        """Ends a recording that nobody wants: later work would be noted and never done."""
        if self.context.refusal:
            self.recorder.current = None
        else:
            with self.lock, self.context:
                self.recorder.abandon()

    def replay(self, recording):
        """Enqueues what was noted."""
        with self.lock, self.context:
            self.recorder.replay(recording)

    def time_ns(self, enqueue, repeats=3, times=1):
        """ns that what `enqueue()` enqueues takes: the least of `repeats` means over `times`, by events of the card.

        Under the lock: work of other threads would be timed, too.
        """
        with self.lock, self.context:
            first, last, least = self.driver.Event(), self.driver.Event(), float("inf")
            for _ in range(repeats):
                first.record(self.streams.compute)
                for _ in range(times):
                    enqueue()
                last.record(self.streams.compute)
                last.synchronize()
                least = min(least, last.time_since(first) * 1e6 / times)
            return least

    def clear(self, address, nbytes):
        """Sets bytes to zero, after what is enqueued."""
        with self.lock, self.context:
            if nbytes:
                self.driver.memset_d8_async(address, 0, nbytes, self.streams.compute)

    def _measure(self, work, in_bytes, out_bytes):
        return measure(self, work, in_bytes, out_bytes)

    def free_dropped(self):
        """Frees what is left of dropped recordings; the caller holds the lock, in the context."""
        while self.dropped:
            executable, records = self.dropped.popleft()
            if executable is not None:
                libcuda.call("cuGraphExecDestroy", executable)
            self.flags.give_back(records)

    def close(self):
        """Gives everything back, at the process's end."""
        if not self.context.refusal:
            self.context.close(self._free_all)

    def _free_all(self):
        self.driver.Context.synchronize()
        self.free_dropped()
        self._parts.close()


def _choices_file():
    """Where the choices of kernels are kept; None where nothing is."""
    folder = default_folder()
    return folder and folder / "choices.json"
