"""Memory of a card: blocks of the driver's that are kept when they are freed, and given again."""
import bisect
import collections

ALIGN = 256                              # of what the driver gives
_SMALL_BYTES = 1 << 20
_SMALL_STEP, _LARGE_STEP = 512, 2 << 20  # the driver's own pages are of 2 MiB


class Pool:
    """Blocks by address. A freed block is given again when the work that was enqueued before has passed.

    Parameters
    ----------
    allocate : callable         nbytes -> what int() makes an address of, and `free()` frees; MemoryError: no room
    mark : callable             () -> an event behind all work that is enqueued now, with query() and synchronize()
    limit_bytes : int           most bytes to take from the driver

    To be used by one thread at a time, except `free`, which any thread may call at any time.
    """

    def __init__(self, allocate, mark, limit_bytes):
        self._allocate, self._mark, self.limit_bytes = allocate, mark, limit_bytes
        self._used = {}                  # address -> _Block
        self._idle = []                  # (nbytes, address, _Block), sorted
        self._returned = collections.deque()
        self.bytes_in_use = self.peak_bytes = self.bytes_reserved = self.largest_alloc = 0
        self.num_allocs = self.num_reserved = 0              # so far: blocks given, blocks taken from the driver

    def alloc(self, nbytes, align=ALIGN):
        """The address of a block of at least `nbytes`, a multiple of `align`; MemoryError with figures."""
        self._collect()
        size = _rounded(nbytes + (align if align > ALIGN else 0))
        block = self._take_idle(size) or self._reserve(size)
        address = -(-block.address // align) * align
        self._used[address] = block
        self.num_allocs += 1
        self.bytes_in_use += block.nbytes
        self.peak_bytes = max(self.peak_bytes, self.bytes_in_use)
        self.largest_alloc = max(self.largest_alloc, block.nbytes)
        return address

    def free(self, address):
        """Gives a block back; calls no driver."""
        self._returned.append(address)

    def give_back(self, addresses):
        """Frees blocks and gives just them back to the driver, after the work that was enqueued before."""
        event = self._mark() if addresses else None
        for address in addresses:
            block = self._used.pop(address)
            self.bytes_in_use -= block.nbytes
            block.event = event
            self._release(block)

    def stats(self):
        """Counts of bytes, as a PyDevice gives them."""
        self._collect()
        return {"bytes_in_use": self.bytes_in_use, "peak_bytes": self.peak_bytes,
                "bytes_reserved": self.bytes_reserved, "bytes_limit": self.limit_bytes,
                "num_allocs": self.num_allocs, "largest_alloc": self.largest_alloc}

    def trim(self):
        """Gives all idle blocks back to the driver, after the work that may still use them."""
        self._collect()
        while self._idle:
            self._release(self._idle.pop()[2])           # off the list first: an error must not free it twice

    def _release(self, block):
        """Gives a block back to the driver."""
        self.bytes_reserved -= block.nbytes
        if block.event is not None:
            block.event.synchronize()
        block.memory.free()

    def close(self):
        """Frees everything, also what is in use: the context goes."""
        self.trim()
        while self._used:
            self._used.popitem()[1].memory.free()

    def _collect(self):
        """Takes up what `free` was told: one event stands for all of it."""
        event = None
        while self._returned:
            block = self._used.pop(self._returned.popleft(), None)
            if block is None:            # of before a `close`
                continue
            event = event or self._mark()
            block.event = event
            self.bytes_in_use -= block.nbytes
            bisect.insort(self._idle, (block.nbytes, block.address, block))

    def _take_idle(self, size):
        """The smallest idle block that fits without waste and that no work uses any more."""
        most = size + max(size // 4, _SMALL_STEP)
        k = bisect.bisect_left(self._idle, (size,))
        while k < len(self._idle) and self._idle[k][0] <= most:
            block = self._idle[k][2]
            if block.event is None or block.event.query():
                del self._idle[k]
                block.event = None
                return block
            k += 1
        return None

    def _reserve(self, size):
        """A new block of the driver's; idle ones are given back first where there is no room beside them."""
        if self.bytes_reserved + size > self.limit_bytes:
            self.trim()
        if self.bytes_reserved + size > self.limit_bytes:
            raise MemoryError(self._figures(size))
        try:
            memory = self._allocate(size)
        except MemoryError:
            self.trim()
            try:
                memory = self._allocate(size)
            except MemoryError as error:
                raise MemoryError(f"{self._figures(size)}; {error}") from error
        self.bytes_reserved += size
        self.num_reserved += 1
        return _Block(memory, size)

    def _figures(self, size):
        return (f"{size:,} bytes are wanted, {self.bytes_in_use:,} are in use in {len(self._used)} blocks, at most "
                f"{self.limit_bytes:,} may be")


class _Block:
    __slots__ = ("memory", "address", "nbytes", "event")

    def __init__(self, memory, nbytes):
        self.memory, self.address, self.nbytes, self.event = memory, int(memory), nbytes, None


def _rounded(nbytes):
    step = _SMALL_STEP if nbytes <= _SMALL_BYTES else _LARGE_STEP
    return max(-(-nbytes // step), 1) * step
