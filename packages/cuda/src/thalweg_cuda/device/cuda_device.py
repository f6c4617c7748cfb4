"""The PyDevice of all cards: what thalweg.devices asks, by the number of the card."""
import atexit
import importlib.metadata
import threading

from thalweg_cuda import kernels
from thalweg_cuda.compiler import Compiler, Nvrtc
from thalweg_cuda.work import Unsupported

from .bound import Bound
from .card import Card
from .options import Options

ALIGN = 256                              # of what `alloc` gives
_opened: list = []                       # the CudaDevice of this process


def opened_card(i):
    """The Card of `/device:CUDA:i`, once the device is open."""
    return _opened[0].card(i)


class CudaDevice:
    """The cards of this machine; each is opened when it is first used.

    Parameters
    ----------
    driver : module         pycuda.driver, initialised
    compiler : Compiler
    """

    def __init__(self, driver, compiler):
        self._driver, self._compiler, self._options = driver, compiler, Options()
        self._cards, self._lock = {}, threading.Lock()
        atexit.register(self.close)

    @classmethod
    def open(cls):
        """Imports PyCUDA and loads NVRTC; ImportError or OSError says what is missing."""
        try:
            import pycuda.driver as driver
        except ImportError as error:
            raise ImportError(f"PyCUDA cannot be loaded: {error}. It needs the NVIDIA driver's libcuda.so.1; build it "
                              "anew if it was built for another Python") from error
        driver.init()
        _opened[:] = [cls(driver, Compiler(Nvrtc.load()))]
        return _opened[0]

    def count(self):
        """Cards that the driver shows, as CUDA_VISIBLE_DEVICES decides."""
        return self._driver.Device.count()

    def card(self, i):
        """The Card of `/device:CUDA:i`."""
        card = self._cards.get(i)
        if card is None:
            with self._lock:
                card = self._cards.get(i)
                if card is None:
                    number = self._options.number(i, self.count())
                    card = self._cards[i] = Card(self._driver, self._compiler, number, self._options.memory_fraction)
        return card

    def configure(self, i, options):
        """Takes a session's GPUOptions, before the card's first use."""
        self._options = Options(**options.get("gpu_options", {}))

    # --- memory and copies ---------------------------------------------------------------------------

    def alloc(self, i, nbytes, align):
        """An address; MemoryError with figures."""
        if ALIGN % align:
            raise ValueError(f"memory is aligned to {ALIGN} bytes, {align} were asked for")
        return self.card(i).alloc(nbytes)

    def free(self, i, address):
        """Gives memory back, after the work that uses it."""
        self.card(i).pool.free(address)

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
            return Bound(card, kernels.prepare(op, card.target), op.op_type)
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
        """Bytes of the card's memory."""
        return self.card(i).stats()

    def describe(self, i):
        """Name, capability, memory and the versions of all that takes part."""
        card = self.card(i)
        major, minor = card.target.capability
        return {"name": card.device.name(), "compute capability": f"{major}.{minor}",
                "multiprocessors": card.target.multiprocessors, "memory": card.device.total_memory(),
                "driver": _pair(self._driver.get_driver_version()),
                "NVRTC": ".".join(map(str, self._compiler.nvrtc.version)),
                "PyCUDA": importlib.metadata.version("pycuda"),
                **{name: str(getattr(library, "version", "")) for name, library in card.target.libraries.items()}}

    def close(self):
        """Gives back memory, streams and contexts while the driver still works."""
        for card in self._cards.values():
            card.close()


def _pair(version):
    return f"{version // 1000}.{version % 1000 // 10}"
