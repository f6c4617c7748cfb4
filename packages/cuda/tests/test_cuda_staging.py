"""Pinned memory that the host does not give; the rest of staging needs a driver (gpu/test_gpu_card.py)."""
from types import SimpleNamespace

import pytest

from thalweg_cuda.device import staging


class DriversMemoryError(Exception):
    """PyCUDA's is no MemoryError."""


def test_no_pinned_memory():
    def refuse(shape, dtype):
        raise DriversMemoryError("cuMemHostAlloc failed: out of memory")
    driver = SimpleNamespace(pagelocked_empty=refuse, MemoryError=DriversMemoryError)
<<<<<<< HEAD
    text = r"the host gives no 4,096 bytes of pinned memory, .* \(cuMemHostAlloc failed: out of memory\): .*ulimit -l"
=======
    text = r"the host gives no 4,096 bytes of pinned memory.* \(cuMemHostAlloc failed: out of memory\): .*, ulimit -l"
>>>>>>> 461df7251c1e3eaada4b3749b7679edbc094f540
    with pytest.raises(MemoryError, match=text):
        staging.pinned(driver, 4096)
