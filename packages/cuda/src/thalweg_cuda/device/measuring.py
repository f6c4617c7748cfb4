"""How long a Work takes on a card, so that the fastest of several is taken (libraries/choices.py)."""
import logging
import math

from thalweg_cuda.compiler import CompileError
from thalweg_cuda.driver.libcuda import DriverError
from thalweg_cuda.libraries import LibraryError

from .bound import Bound

_log = logging.getLogger("thalweg")
_LEAST_NS = 100_000                      # of what is timed: events of a card tell half a microsecond
_MOST_TIMES = 64                         # no kernel takes less than a microsecond or two


def measure(card, work, in_bytes, out_bytes):
    """ns of a run on operands of these sizes, which hold zeros; infinite where a library or a compiler fails.

    None where it cannot be told now: the memory does not suffice, or a recording is left open. Core prepares kernels
    beside no recording, but Ctrl-C may have ended one before its end; until `sync` finds it, work is noted, not done.
    """
    if card.recorder.current is not None:
        return None
    addresses = []
    try:
        for nbytes in (*in_bytes, *out_bytes, work.workspace_bytes):
            addresses.append(card.alloc(max(nbytes, 1)))
            card.clear(addresses[-1], nbytes)
        ins, outs = addresses[:len(in_bytes)], addresses[len(in_bytes):-1]
        bound = Bound(card, work, "a choice")
        bound(ins, outs, addresses[-1])                  # compiles, loads and warms up
        return _steady_ns(card, lambda: bound(ins, outs, addresses[-1]))
    except MemoryError:
        return None
    except (LibraryError, CompileError) as error:
        _log.info("a way to compute a node is left out: %s", error)
        return float("inf")
    finally:
        card.give_back(addresses)                        # nobody else may ever want blocks of these sizes


def _steady_ns(card, call):
    """ns of a call in a plan that is replayed, where the host has no part in it.

    Several calls are recorded as one graph, so that its launch takes the host less time than its work the card; small
    kernels would all take as long as Python takes for a launch. The lock is held, or another thread's work would be
    recorded with them.
    """
    with card.lock:
        calls = _times(card.time_ns(call, 1))
        run = _recorded(card, call, calls)
        return card.time_ns(run, 3, _times(card.time_ns(run, 1))) / calls


def _times(ns):
    """How many of what takes so long are timed at once."""
    return min(math.ceil(_LEAST_NS / max(ns, 1)), _MOST_TIMES)


def _recorded(card, call, calls):
    """What does so many calls: the replay of a recording, or the calls one by one where they cannot be recorded."""
    try:
        card.record_begin()
        try:
            for _ in range(calls):
                call()
        finally:
            recording = card.record_end()
    except (DriverError, card.driver.Error, LibraryError) as error:
        _log.info("a way to compute a node is timed call by call, as it cannot be recorded: %s", error)
        return lambda: [call() for _ in range(calls)]
    return lambda: card.replay(recording)
