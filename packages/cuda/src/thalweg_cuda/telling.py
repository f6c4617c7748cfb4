"""Lines of the log that are written once in a process, not for each node, plan or card."""
import logging
import threading

_log = logging.getLogger("thalweg")
_told: set = set()
_lock = threading.Lock()


def tell_once(level, about, text, *args):
    """Logs a line, unless there has been one about the same: a hashable value."""
    with _lock:
        is_new = about not in _told
        _told.add(about)
    if is_new:
        _log.log(level, text, *args)


def forget():
    """Lets all be told again, for tests."""
    _told.clear()
