"""How long a Work takes on a card, so that the fastest of several is taken (libraries/choices.py)."""
import logging

from thalweg_cuda.compiler import CompileError
from thalweg_cuda.libraries import LibraryError

from .bound import Bound

_log = logging.getLogger("thalweg")


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
        return card.time_ns(lambda stream: bound(ins, outs, addresses[-1]))
    except MemoryError:
        return None
    except (LibraryError, CompileError) as error:
        _log.info("a way to compute a node is left out: %s", error)
        return float("inf")
    finally:
        for address in addresses:
            card.pool.free(address)
