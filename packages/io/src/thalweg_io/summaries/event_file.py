"""One event file as it is written: whole records at any moment, whatever happens to the disk or the process."""
import contextlib
import os
import socket
import time

from thalweg.framework import errors

from ..atomic_file import files, translated
from ..records.records import framed

_FILE_VERSION = "brain.Event:2"


class EventFile:
    """A new event file in a folder, which is made; events are collected, and reach the file many at a time.

    A process that dies loses what was not flushed; a record that it was writing is a cut one at the end of the file.
    Where a write fails, on a full disk, what was written of it is taken back and its events are kept: the file stays
    readable, and the next `flush` writes them.

    Attributes
    ----------
    path : str
    count : int         events that wait for `flush`
    """

    def __init__(self, folder, suffix=None):
        from ..protos import Event
        with translated(folder):
            os.makedirs(folder, exist_ok=True)
            self.path, self._descriptor = _new_file(folder, suffix or "")
        self._process, self._pending, self._size, self._is_torn = os.getpid(), [], 0, False
        self.add(Event(wall_time=time.time(), file_version=_FILE_VERSION))
        try:
            self.flush()
        except BaseException:
            os.close(self._descriptor)
            files.remove(self.path)
            raise

    @property
    def count(self):
        return len(self._pending)

    def add(self, event):
        """Adds an Event message.

        Raises
        ------
        FailedPreconditionError     in a child of the process that made the file
        InvalidArgumentError        for an event of 2 GiB or more
        """
        if os.getpid() != self._process:
            raise errors.FailedPreconditionError(None, None, f"{self.path} belongs to process {self._process}, and "
                                                             "this is a fork of it: make a FileWriter in each process")
        self._pending.append(framed(serialized(event, self.path)))

    def flush(self):
        """Hands all events to the operating system; OpError when it does not take them, and they are kept."""
        if os.getpid() != self._process:             # a forked child has copies of the parent's events
            return
        data = b"".join(self._pending)
        with translated(self.path):
            if self._is_torn:
                self._take_back()
            self._is_torn = True
            try:
                files.write(self._descriptor, data)
            except BaseException:
                with contextlib.suppress(OSError):   # then the next flush tries again
                    self._take_back()
                raise
        self._is_torn, self._size = False, self._size + len(data)
        self._pending.clear()

    def _take_back(self):
        os.ftruncate(self._descriptor, self._size)
        self._is_torn = False

    def close(self):
        """Flushes, and closes the file also where that fails; may be called again."""
        if self._descriptor is not None:
            try:
                self.flush()
            finally:
                descriptor, self._descriptor = self._descriptor, None
                os.close(descriptor)


def serialized(message, path):
    """The bytes of a message for the event file `path`; InvalidArgumentError where they come to 2 GiB or more."""
    from google.protobuf.message import EncodeError
    try:
        return message.SerializeToString(deterministic=True)
    except (EncodeError, ValueError) as error:
        raise errors.InvalidArgumentError(None, None, f"{path}: a {type(message).__name__} message cannot be written, "
                                                      f"it is too large: {error}") from error


def _new_file(folder, suffix):
    """A file that nobody has: the second one of the same second and host gets a number before the suffix."""
    base = os.path.join(folder, f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}")
    for number in range(10_000):
        path = f"{base}{f'.{os.getpid()}.{number}' if number else ''}{suffix}"
        try:
            return path, os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND, 0o666)
        except FileExistsError:
            continue
    raise FileExistsError(17, "10000 event files in one second", base)
