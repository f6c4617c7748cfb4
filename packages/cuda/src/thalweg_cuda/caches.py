"""Files of caches: they appear whole, and a folder that cannot be written harms nobody, but is told once."""
import contextlib
import logging
import os
import sys
import tempfile
from pathlib import Path

if sys.platform != "win32":              # there, who writes last wins
    import fcntl


_log = logging.getLogger("thalweg")
_told: set[Path] = set()


def write(path, content):
    """Replaces the file `path` at once with these bytes, so that no reader sees half of it.

    A full or read-only disk leaves what was there: what the file would have told is found out again the next time,
    which a warning says, once for each folder.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
            temporary = Path(file.name)
            file.write(content)
        os.replace(temporary, path)
    except OSError as error:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
        _tell(path.parent, error)


def _tell(folder, error):
    if folder not in _told:
        _told.add(folder)
        _log.warning("thalweg-cuda cannot keep in %s what it compiles and times, and does so in every process: %s. "
                     "THALWEG_CACHE names another folder; empty, it asks for none", folder, error)


@contextlib.contextmanager
def alone(folder):
    """Inside, no other process is inside with this folder: for reading, changing and writing a file in it.

    Where folders cannot be locked, the last writer wins.
    """
    with contextlib.ExitStack() as opened:
        if sys.platform != "win32":
            with contextlib.suppress(OSError):
                folder.mkdir(parents=True, exist_ok=True)
                descriptor = os.open(folder, os.O_RDONLY)
                opened.callback(os.close, descriptor)    # which lets it go
                fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
