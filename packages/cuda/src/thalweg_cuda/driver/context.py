"""The primary context of a card, which cuBLAS, cuDNN and other packages use too, made current by `with`."""
import ctypes
import os
import time

_PATIENCE_S = 5.0                        # for threads whose work on the card is not done at the process's end
_opened: list = []                       # contexts of this process, for the fork guard
_fork_guard: list = []


class Context:
    """The primary context of one card.

        with context: ...                # current on this thread; before and after, whatever was

    PyCUDA frees what it allocated only in a context that is current, so what holds memory, streams or modules is
    closed inside such a `with`. In a forked child and after `close` entering raises RuntimeError.

    Attributes
    ----------
    driver : module             pycuda.driver
    device : pycuda.driver.Device
    refusal : str               why it cannot be used any more; "" while it can
    """

    __slots__ = ("driver", "device", "refusal", "_context", "_push", "_pop", "_inside")

    def __init__(self, driver, device):
        self.driver, self.device, self.refusal, self._inside = driver, device, "", []
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
        self._inside.append(None)        # a count that threads may change without a lock
        try:
            if self.refusal:
                raise RuntimeError(self.refusal)
            self._push()
        except BaseException:
            self._inside.pop()
            raise

    def __exit__(self, *exc):
        self._pop()
        self._inside.pop()

    def forbid(self, why):
        """Refuses all further use."""
        self.refusal = why

    def close(self, free):
        """Calls `free` in the context and gives that back, once no thread is inside: those that come now are refused.

        A daemon thread that was still in PyCUDA's C++ when the interpreter goes would abort the process.
        """
        self.forbid("this card has been closed: the process is ending")
        end = time.monotonic() + _PATIENCE_S
        while self._inside and time.monotonic() < end:
            time.sleep(0.001)
        if not self._inside:
            self._push()
            free()
            self._context.detach()


def _forbid():
    """In a forked child: the driver does not work there, not even to free what the parent has."""
    for context in _opened:
        context.forbid(f"CUDA was in use in the parent process {os.getppid()}, and a forked child cannot use it. "
                       "Start workers with multiprocessing.get_context('spawn'), or fork before the first Session.")
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(context._context))      # its finalizer would call the driver
