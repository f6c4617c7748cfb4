"""Pinned memory that the host does not give; the rest of staging needs a driver (gpu/test_gpu_card.py)."""
import threading
from types import SimpleNamespace

import numpy as np
import pytest

from thalweg_cuda.device import staging


class DriversMemoryError(Exception):
    """PyCUDA's is no MemoryError."""


def test_no_pinned_memory():
    def refuse(shape, dtype):
        raise DriversMemoryError("cuMemHostAlloc failed: out of memory")
    driver = SimpleNamespace(pagelocked_empty=refuse, MemoryError=DriversMemoryError)
    text = r"the host gives no 4,096 bytes of pinned memory.* \(cuMemHostAlloc failed: out of memory\): .*, ulimit -l"
    with pytest.raises(MemoryError, match=text):
        staging.pinned(driver, 4096)


class Pieces:
    """Streams and a driver that write down what is put on streams; the second copy is Ctrl-C's."""

    h2d, d2h, compute = "h2d", "d2h", "compute"
    MemoryError, event_flags = DriversMemoryError, SimpleNamespace(DISABLE_TIMING=0)

    def __init__(self):
        self.log = []

    def pagelocked_empty(self, shape, dtype):
        return np.zeros(shape, dtype)

    def Event(self, flags):
        return SimpleNamespace(query=lambda: True, synchronize=lambda: None, record=lambda on: self.log.append(on))

    def order(self, first, then):
        self.log.append((first, then))

    def copy(self, *arguments):
        self.log.append("copy")
        if self.log.count("copy") == 2:
            raise KeyboardInterrupt
    memcpy_htod_async = memcpy_dtoh_async = copy


@pytest.mark.parametrize("kind, log", [
    (staging.Inbox, [("compute", "h2d"), "copy", "h2d", "copy", "h2d", ("h2d", "compute")]),
    (staging.Outbox, [("compute", "d2h"), "copy", "d2h", "copy", "d2h"])])
def test_ctrl_c_between_pieces_leaves_them_in_order(kind, log):
    there = Pieces()
    box = kind(there, there, threading.RLock())
    array, address = np.zeros(10 << 20, np.uint8), 4096
    with pytest.raises(KeyboardInterrupt):
        box.copy(*((address, array) if kind is staging.Inbox else (array, address)))
    assert there.log == log
