"""Which of several ways to compute a node is taken: the fastest one, timed once on the card and remembered.

Without timing - no card, or autotuning is off - the first one is taken, in the order in which they are given:
cuBLASLt's algorithms as its heuristics order them, then cuDNN's plans likewise, then our kernel.
"""
import json
import logging
import threading
from pathlib import Path

from thalweg_cuda import caches

_log = logging.getLogger("thalweg")


class Choices:
    """A table of choices, kept in a JSON file.

    Parameters
    ----------
    path : path or None         the file; None: nothing is kept beyond this object's life
    device : str                name of the card and version of thalweg-cuda: choices of others do not count
    measure : callable or None  (Work, input sizes, output sizes, in bytes) -> ns of a run on the card, or None
                                where it cannot be told now
    """

    def __init__(self, path=None, device="", measure=None):
        self.path, self.device, self.measure = path and Path(path), device, measure
        self._lock, self._struck = threading.Lock(), set()
        self._table = self._read().get(self.device, {})

    def choose(self, key, candidates, in_bytes=(), out_bytes=()):
        """The Work of the best of `candidates`, a list of (name, Work) in the order of preference.

        key : str       op type, shapes, dtypes, attributes, precision and the versions of the libraries
        """
        with self._lock:
            candidates = [each for each in candidates if (key, each[0]) not in self._struck]
            works = dict(candidates)
            known = self._table.get(key)
            if known in works:
                return works[known]
            if self.measure is None or len(works) == 1:
                return candidates[0][1]
            times = {name: self.measure(work, in_bytes, out_bytes) for name, work in candidates}
            if None in times.values():
                return candidates[0][1]
            best = min(times, key=times.__getitem__)
            self._table[key] = best
            self._write()
            return works[best]

    def strike(self, key, name):
        """Takes a choice back that has failed, out of the table and the file; it is none any more in this process.

        Later processes time it again: it may have failed for a reason of the day.
        """
        with self._lock:
            self._struck.add((key, name))
            if self._table.get(key) == name:
                del self._table[key]
            self._write()

    def _read(self):
        """The choices of all devices in the file; none where there is none, and those not that are damaged."""
        if self.path is None:
            return {}
        try:
            stored = json.loads(self.path.read_text())
        except OSError:
            return {}
        except ValueError as error:
            return self._damaged(str(error))
        if not isinstance(stored, dict):
            return self._damaged(f"a {type(stored).__name__} is no table of devices")
        sound = {device: table for device, table in stored.items() if _is_table(table)}
        if len(sound) < len(stored):
            self._damaged(f"there is no table of choices for {', '.join(sorted(stored.keys() - sound.keys()))}")
        return sound

    def _damaged(self, why):
        _log.warning("thalweg-cuda times kernels anew, as its file of choices %s is damaged: %s", self.path, why)
        return {}

    def _write(self):
        """Adds the table to the file, where that can be written; what others have written meanwhile stays."""
        if self.path is None:
            return
        with caches.alone(self.path.parent):
            stored = self._read()
            others = stored.get(self.device, {}).items()
            self._table = {**{key: name for key, name in others if (key, name) not in self._struck}, **self._table}
            stored[self.device] = self._table
            caches.write(self.path, json.dumps(stored, indent=1, sort_keys=True).encode())


def _is_table(table):
    return isinstance(table, dict) and all(isinstance(name, str) for name in table.values())
