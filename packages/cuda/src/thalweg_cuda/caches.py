"""Files of caches: they appear whole, and a folder that cannot be written harms nobody."""
import contextlib
import os
import sys
import tempfile
from pathlib import Path

if sys.platform != "win32":              # there, who writes last wins
    import fcntl


def write(path, content):
    """Replaces the file `path` at once with these bytes, so that no reader sees half of it.

    A full or read-only disk leaves what was there: what the file would have told is found out again the next time.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
            temporary = Path(file.name)
            file.write(content)
        os.replace(temporary, path)
    except OSError:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


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
