"""The primary context of a card, which cuBLAS, cuDNN and other packages use too, made current by `with`."""
import ctypes
import logging
import os
import time
from threading import get_ident

_PATIENCE_S = 5.0                        # for threads whose work on the card is not done at the process's end
_opened: list = []                       # contexts of this process, for the fork guard
_fork_guard: list = []
_log = logging.getLogger("thalweg")


class Context:
    """The primary context of one card.

        with context: ...                # current on this thread; before and after, whatever was

    PyCUDA frees what it allocated only in a context that is current, so what holds memory, streams or modules is
    closed inside such a `with`. In a forked child and after `close` entering raises RuntimeError.

    Attributes
    ----------
    driver : module             pycuda.driver
    device : pycuda.driver.Device
    owner : Card                what holds all that PyCUDA has allocated in the context
    refusal : str               why it cannot be used any more; "" while it can
    """

    __slots__ = ("driver", "device", "owner", "refusal", "_context", "_push", "_pop", "_inside")

    def __init__(self, driver, device, owner):
        self.driver, self.device, self.owner, self.refusal, self._inside = driver, device, owner, "", []
        self._context = device.retain_primary_context()
        self._push, self._pop = self._context.push, driver.Context.pop
        _opened.append(self)
        if not _fork_guard:
            os.register_at_fork(after_in_child=_forbid)
            _fork_guard.append(True)

    @property
    def handle(self):
        """The CUcontext, for ctypes."""
        return self._context.handle

    def __enter__(self):
        me = get_ident()
        self._inside.append(me)          # threads may change the list without a lock
        try:
            self.check()
            self._push()
        except BaseException:
            self._inside.remove(me)
            raise

    def __exit__(self, *exc):
        self._pop()
        self._inside.remove(get_ident())

    def check(self):
        """RuntimeError where it cannot be used any more."""
        if self.refusal:
            raise RuntimeError(self.refusal)

    def abandon(self, why):
        """Refuses all further use, for good, and lets nothing of it be freed: the driver does nothing more here."""
        self.refusal = why
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self.owner))

    def close(self, free):
        """Calls `free` in the context and gives that back, once no other thread is inside: new ones are refused.

        A daemon thread that was still in PyCUDA's C++ when the interpreter goes would abort the process.
        """
        self.refusal = "this card has been closed: the process is ending"
        end = time.monotonic() + _PATIENCE_S
        while self._others_inside() and time.monotonic() < end:
            time.sleep(0.001)
        if self._others_inside():
            self.abandon(self.refusal)
        else:
            self._push()
            try:
                free()
            except BaseException:        # PyCUDA aborts a process that ends with a context pushed
                self._pop()
                self.abandon(self.refusal)
                raise
            self._context.detach()
            _opened.remove(self)

    def _others_inside(self):
        me = get_ident()                 # Ctrl-C may have ended an exit of this thread before it took itself off
        return [thread for thread in self._inside if thread != me]

    def reach(self, other):
        """Lets copies from another card go between the two directly, where they can; else the log says why not."""
        if self.device.can_access_peer(other.device):
            with self:
                try:
                    self.driver.Context.enable_peer_access(other._context)
                except self.driver.Error as error:       # a card may have few peers; the driver copies all the same
                    if "already enabled" not in str(error):          # by another package
                        _log.info("copies from card %d to card %d do not go directly: %s", other.owner.number,
                                  self.owner.number, error)


def _forbid():
    """In a forked child: the driver does not work there, not even to free what the parent has."""
    for context in _opened:
        context.abandon(f"CUDA was in use in the parent process {os.getppid()}, and a forked child cannot use it. "
                        "Start workers with multiprocessing.get_context('spawn'), or fork before the first Session.")
