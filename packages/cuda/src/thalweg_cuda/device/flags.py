"""Records in which kernels tell of wrong inputs: pinned memory that the card writes and the host just looks at."""
import threading
from typing import NamedTuple

import numpy as np

from thalweg.framework import errors
from thalweg_cuda.work import FLAG_WORDS

_RECORDS = 512                           # of one block


class Record(NamedTuple):
    """One record.

    Attributes
    ----------
    words : ndarray of int64 [FLAG_WORDS]
    address : int                           of the same memory, for the card
    """

    words: np.ndarray
    address: int


class Flags:
    """The records of a card, and which of them kernels may write that each thread has enqueued.

    To be used with the context current and the card's lock held, except `examine`, which needs neither.
    """

    def __init__(self, driver):
        self._driver, self._blocks, self._free = driver, [], []
        self._watched = {}               # thread's id -> [(Record, Flag, node's name, whether it is a recording's)]

    def reserve(self):
        """Makes sure that many records can be had without an allocation, which a capture does not allow."""
        if len(self._free) < _RECORDS // 2:
            self._add_block()

    def take(self):
        """A record of zeros."""
        if not self._free:
            self._add_block()
        return self._free.pop()

    def give_back(self, records):
        """Nobody writes these records any more."""
        self._free.extend(records)

    def watch(self, record, flag, op_name, is_kept=False):
        """The next `examine` of this thread looks at the record; then it is free, unless it `is_kept`."""
        self._watched.setdefault(threading.get_ident(), []).append((record, flag, op_name, is_kept))

    def examine(self):
        """After this thread's work is done: raises the first InvalidArgumentError that a kernel has told.

        Its `op_name` tells core whose it was.
        """
        watched = self._watched.pop(threading.get_ident(), ())
        error = None
        for record, flag, op_name, is_kept in watched:
            if record.words[0]:
                if error is None:
                    error = errors.InvalidArgumentError(None, None, flag.tell(record.words.tolist()))
                    error.op_name = op_name
                record.words[:] = 0
            if not is_kept:
                self._free.append(record)
        if error is not None:
            raise error

    def _add_block(self):
        block = self._driver.pagelocked_zeros((_RECORDS, FLAG_WORDS), np.int64,
                                              mem_flags=self._driver.host_alloc_flags.DEVICEMAP)
        self._blocks.append(block)
        base = int(block.base.get_device_pointer())
        self._free += [Record(words, base + k * words.nbytes) for k, words in enumerate(block)]

    def close(self):
        """Frees the records."""
        self._watched.clear()
        self._free.clear()
        self._blocks.clear()
