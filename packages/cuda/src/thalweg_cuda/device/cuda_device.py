"""The PyDevice of all cards: what thalweg.devices asks, by the number of the card."""
import atexit
import contextlib
import importlib.metadata
import threading
import traceback

from thalweg.framework import errors
from thalweg_cuda import kernels
from thalweg_cuda.compiler import Compiler, Nvrtc
from thalweg_cuda.driver import libcuda
from thalweg_cuda.libraries.report import report
from thalweg_cuda.work import Unsupported

from .bound import Bound
from .card import Card
from .foreign import ForeignArray, is_on_card
from .options import Options
from .usable import check_driver, fast_types, pair, sorted_out

_opened: list = []                       # the CudaDevice that was opened last


def opened_card(i):
    """The Card of `/device:CUDA:i`, once the device is open: for tests and tools. Sessions know their own."""
    return _opened[0].card(i)


class CudaDevice:
    """The cards of this machine; each is opened when it is first used.

    Parameters
    ----------
    driver : module         pycuda.driver, initialised
    compiler : Compiler
    """

    def __init__(self, driver, compiler):
        self._driver, self._compiler = driver, compiler
        self._numbers, self._refusals = sorted_out(driver, compiler.nvrtc)
        self._options = [Options()] * self.count()
        self._cards, self._lock = {}, threading.Lock()
        atexit.register(self.close)

    @classmethod
    def open(cls):
        """Imports PyCUDA and loads NVRTC; an error says what is missing or too old."""
        driver = _pycuda()
        if not libcuda.finds_cards():
            return NoCards()
        driver.init()
        check_driver(driver)
        _opened[:] = [cls(driver, Compiler(Nvrtc.load()))]
        return _opened[0]

    def count(self):
        """Cards that the driver shows, as CUDA_VISIBLE_DEVICES decides, and that are not too old."""
        return len(self._numbers)

    def card(self, i):
        """The Card of `/device:CUDA:i`; RuntimeError where it cannot be used any more."""
        card = self._cards.get(i)
        if card is None:
            with self._lock:
                card = self._cards.get(i)
                if card is None:
                    card = self._cards[i] = Card(self._driver, self._compiler, self._number(i), self._limit(i))
        card.context.check()
        return card

    def _number(self, i, options=None):
        """The driver's number of `/device:CUDA:i`; NotFoundError where a session's options leave it out."""
        options = options or self._options[i]
        if not options.visible:
            return self._numbers[i]
        number = options.number(i, self._driver.Device.count())
        if number in self._refusals:
            raise errors.NotFoundError(None, None, f"/device:CUDA:{i}: {self._refusals[number]}; leave it out of "
                                                   "GPUOptions' visible_device_list")
        return number

    def _limit(self, i):
        """Bytes that the card's pool may take."""
        total = self._driver.Device(self._number(i)).total_memory()
        return int(total * (self._options[i].memory_fraction or 1.0))

    def configure(self, i, options):
        """Takes a session's GPUOptions, before any session has used the card."""
        asked = Options(**options)
        self._number(i, asked)           # names a card that is there, or raises
        self._options[i] = asked

    # --- memory and copies ---------------------------------------------------------------------------

    def alloc(self, i, nbytes, align):
        """An address; MemoryError with figures."""
        return self.card(i).alloc(nbytes, align)

    def free(self, i, address):
        """Gives memory back, after the work that uses it; at any time, also when the card has been closed."""
        self._cards[i].pool.free(address)

    def h2d(self, i, address, source, stream=None):
        """Copies bytes of the host, which have been read when it returns."""
        self.card(i).h2d(address, source)

    def d2h(self, i, target, address, stream=None):
        """Fills bytes of the host by the next `sync`."""
        self.card(i).d2h(target, address)

    def d2d(self, i, target, source, nbytes, stream=None):
        """Copies inside a card."""
        self.card(i).d2d(target, source, nbytes)

    def copy_peer(self, i, target, other, source, nbytes):
        """Copies from the card `other`."""
        self.card(i).copy_from(target, self.card(other), source, nbytes)

    def sync(self, i, stream=None):
        """Waits for the card; raises what went wrong in its work."""
        self.card(i).sync()

    # --- kernels -------------------------------------------------------------------------------------

    def kernel(self, i, op):
        """A Bound, or None: `op.refusal` says why."""
        card = self.card(i)
        try:
            with card.context:           # libraries look for plans by handles that are bound to it
                work = kernels.prepare(op, card.target)
            return Bound(card, work, op.op_type, op.name)
        except Unsupported as refusal:
            op.refusal = str(refusal)
            return None

    def record_begin(self, i):
        """From now on kernels and copies inside the card are noted and not done."""
        self.card(i).record_begin()

    def record_end(self, i):
        """What was noted: a Recording."""
        return self.card(i).record_end()

    def replay(self, i, recording):
        """Does what was noted."""
        self.card(i).replay(recording)

    # --- what it tells -------------------------------------------------------------------------------

    def stats(self, i):
        """Bytes of the card's memory. One that nobody has used is not opened for that: a context takes memory."""
        card = self._cards.get(i)
        return {"bytes_limit": self._limit(i)} if card is None else card.stats()

    def describe(self, i):
        """Name, capability, memory and the versions of all that takes part."""
        device, card = self._driver.Device(self._number(i)), self._cards.get(i)
        libraries, lacks = report({} if card is None else card.target.libraries.reasons)
        return {"name": device.name(), "compute capability": ".".join(map(str, device.compute_capability())),
                "compute_types": fast_types(device.compute_capability()),
                "multiprocessors": device.get_attribute(self._driver.device_attribute.MULTIPROCESSOR_COUNT),
                "memory": device.total_memory(), "driver": pair(self._driver.get_driver_version()),
                "NVRTC": ".".join(map(str, self._compiler.nvrtc.version)),
                "PyCUDA": importlib.metadata.version("pycuda"), **libraries, **lacks}

    def adopt(self, array):
        """`(i, address, shape, DataType number, owner)` of another package's array on a card; None: it is on none."""
        if not is_on_card(array):
            return None
        taken = ForeignArray(array, self._ordinal, self.card)
        return taken.ordinal, taken.address, taken.shape, taken.dtype.as_datatype_enum, taken

    def _ordinal(self, number):
        """The `i` of `/device:CUDA:i` for the driver's number of a card."""
        for i in range(self.count()):
            if self._number(i) == number:
                return i
        if number in self._refusals:
            raise ValueError(f"the array lies on a card that is too old: {self._refusals[number]}")
        raise ValueError(f"the array lies on card {number}, which visible_device_list leaves out")

    def close(self):
        """Gives back memory, streams and contexts while the driver still works."""
        with contextlib.ExitStack() as cards:            # each is closed, also where another one fails
            for card in self._cards.values():
                cards.callback(card.close)


def _pycuda():
    """pycuda.driver; ImportError says what is wrong with it, also as the reason that a listing shows."""
    try:
        import pycuda.driver as driver
        driver.init                      # a package of that name without its library has none
    except (Exception, SystemExit) as error:
        text = f"{type(error).__name__}: {error}"
        if "libcuda.so" in text:
            raise ImportError(f"PyCUDA cannot be loaded: {error}. It needs the NVIDIA driver's library") from error
        broken = ImportError(f"PyCUDA is broken: {text}; install it anew: tools/pycuda-wheel builds it")
        broken.add_note(traceback.format_exc())          # as its cause it would be the reason, in its own words
        raise broken from None
    return driver


class NoCards(CudaDevice):
    """What there is under a driver without a card, or with CUDA_VISIBLE_DEVICES="": core counts, and asks no more."""

    def __init__(self):
        self._numbers = ()
