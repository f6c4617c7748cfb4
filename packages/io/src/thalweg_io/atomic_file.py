"""Files that appear whole or not at all: temporary file, fsync, rename, fsync of the folder.

Every call that changes a folder goes through the one `files` object, so that a test can count, break or kill at each.
A temporary file is named `NAME.thw-TOKEN.tmp` and locked while its writer lives; `remove_dead_temporaries` deletes
those whose writer has died, and only those.
"""
import contextlib
import errno
import logging
import os
import re
import secrets
import sys

from thalweg.framework import errors

if sys.platform != "win32":                         # there, leftovers of dead writers stay
    import fcntl

logger = logging.getLogger("thalweg.io")

_OURS = re.compile(r"(?P<name>.*)\.thw-(?P<token>[0-9a-f]{16})\.(?P<kind>tmp|commit|drop|doomed)$", re.DOTALL)
_CHUNK = 1 << 30                                    # bytes; one write call takes at most 2**31 - 4096


class FileSystem:
    """The calls that change files and folders.

    Attributes
    ----------
    is_durable : bool     whether `sync` waits until the bytes are on the medium
    """

    def __init__(self):
        self.is_durable = True

    def create(self, path):
        """A descriptor of a new file; FileExistsError when there is one."""
        return os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_CLOEXEC", 0), 0o666)

    def write(self, descriptor, data):
        """Writes all of `data`, a flat buffer of bytes."""
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view[:_CHUNK]):]

    def sync(self, descriptor):
        if self.is_durable:
            os.fsync(descriptor)

    def sync_folder(self, path):
        if self.is_durable and os.name == "posix":
            descriptor = os.open(path or ".", os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def rename(self, source, target):
        os.replace(source, target)

    def make_folder(self, path):
        os.mkdir(path)

    def remove(self, path):
        os.unlink(path)

    def remove_folder(self, path):
        os.rmdir(path)


files = FileSystem()


def durable_writes(enabled):
    """Switches the waiting for the medium on (the default) or off; off, a power cut may lose or damage new files."""
    files.is_durable = bool(enabled)


# --- names ------------------------------------------------------------------------------------------

def new_token():
    """A name for one save, unlike any other."""
    return secrets.token_hex(8)


def name_of(path, token, kind):
    """The name under which `path` is kept while `kind`: "tmp" written, "commit" committed, "drop" being deleted.

    A file of kind "doomed" is a note that `path` may have to go, see removals.py.
    """
    return f"{path}.thw-{token}.{kind}"


def final_name(name):
    """The final name of one of our intermediate files."""
    return _OURS.match(name)["name"]


def own_files(folder):
    """Yields (final name, token, kind, name) for each of our intermediate files in `folder`, sorted."""
    try:
        names = os.listdir(folder or ".")
    except FileNotFoundError:
        return
    for name in sorted(names):
        match = _OURS.match(name)
        if match:
            yield match["name"], match["token"], match["kind"], name


# --- writing ----------------------------------------------------------------------------------------

class TemporaryFile:
    """A file being written under its temporary name; locked until `close`, so that nobody takes it for a dead one.

    Attributes
    ----------
    path : str            where it stands now
    size : int            bytes written
    """

    def __init__(self, final_path, token, kind="tmp"):
        self.path, self.size = name_of(final_path, token, kind), 0
        self._descriptor = _create_locked(self.path)

    @classmethod
    def adopted(cls, path, final_path, token):
        """The finished file at `path` as a temporary one of `final_path`: renamed, and locked before that."""
        self = cls.__new__(cls)
        self.path, self.size = name_of(final_path, token, "tmp"), os.path.getsize(path)
        self._descriptor = os.open(path, os.O_RDONLY)
        try:
            _lock(self._descriptor)
            files.rename(path, self.path)
        except BaseException:
            self.close()
            raise
        return self

    def write(self, data):
        """Appends a flat buffer of bytes."""
        files.write(self._descriptor, data)
        self.size += len(data)

    def sync(self):
        files.sync(self._descriptor)

    def close(self):
        """Releases the descriptor and the lock; may be called again."""
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            os.close(descriptor)

    def keep(self):
        """Closes it, and makes `discard` do nothing: others rely on it now."""
        self.close()
        self.path = None

    def discard(self):
        """Closes and deletes it, where it still stands under its temporary name."""
        self.close()
        if self.path is not None:
            remove_if_exists(self.path)


def _create_locked(path):
    while True:
        descriptor = files.create(path)
        _lock(descriptor)
        if os.fstat(descriptor).st_nlink:
            return descriptor
        os.close(descriptor)                               # taken for dead between creation and lock


def _lock(descriptor):
    """Marks a file as one whose writer lives; without locks in the file system, nobody takes it for dead either."""
    if sys.platform != "win32":
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)


def write_file(path, data):
    """Puts `data` (bytes) at `path`, replacing what was there; afterwards it is on the medium.

    Raises
    ------
    OpError      of the kind that `translated` gives; `path` then is as it was
    """
    with new_file(path) as temporary:
        temporary.write(data)


@contextlib.contextmanager
def new_file(path):
    """Gives a TemporaryFile to write to, piece by piece; at the end it is at `path`, on the medium."""
    with translated(path):
        temporary = TemporaryFile(path, new_token())
        try:
            yield temporary
            temporary.sync()
            files.rename(temporary.path, path)
        except BaseException:
            temporary.discard()
            raise
        temporary.keep()
        files.sync_folder(os.path.dirname(path))


def remove_if_exists(path):
    with contextlib.suppress(FileNotFoundError):
        files.remove(path)


def rename_if_exists(source, target):
    """Renames a file; one that another process has renamed already is no error."""
    try:
        files.rename(source, target)
    except FileNotFoundError:
        if os.path.exists(source):
            raise


def remove_dead_temporaries(folder, is_committed):
    """Deletes temporary files whose writer is gone.

    Parameters
    ----------
    folder : str
    is_committed : callable (final name, token) -> bool     whether a commit still needs the file; asked once it is
                                                            certain that the writer is dead
    """
    for final, token, kind, name in own_files(folder):
        path = os.path.join(folder, name)
        if kind == "tmp":
            with lock_of_dead(path) as is_alone:
                if is_alone and not is_committed(final, token):
                    remove_if_exists(path)


def is_dead(path):
    """Whether the temporary file at `path` has lost its writer."""
    with lock_of_dead(path) as answer:
        return answer


@contextlib.contextmanager
def lock_of_dead(path):
    """A context that gives whether nobody holds the lock of `path`, and holds it meanwhile."""
    if sys.platform == "win32":
        yield False
        return
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        yield False
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:                                    # held by a living writer, or no locks here
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


# --- errors -----------------------------------------------------------------------------------------

_BY_ERRNO = {
    errno.ENOENT: errors.NotFoundError, errno.ENOTDIR: errors.NotFoundError,
    errno.EACCES: errors.PermissionDeniedError, errno.EPERM: errors.PermissionDeniedError,
    errno.EROFS: errors.PermissionDeniedError, errno.EISDIR: errors.FailedPreconditionError,
    errno.ENOSPC: errors.ResourceExhaustedError, errno.EDQUOT: errors.ResourceExhaustedError,
    errno.EMFILE: errors.ResourceExhaustedError, errno.ENFILE: errors.ResourceExhaustedError,
    errno.EFBIG: errors.OutOfRangeError, errno.EEXIST: errors.AlreadyExistsError,
    errno.ENAMETOOLONG: errors.InvalidArgumentError,
}


@contextlib.contextmanager
def translated(path):
    """Turns an OSError into TensorFlow's error of that kind, named after the file."""
    try:
        yield
    except OSError as error:
        kind = _BY_ERRNO.get(error.errno, errors.UnknownError)
        raise kind(None, None, f"{_named(error, path)}; {error.strerror or error}") from error


def _named(error, path):
    """The file of an OSError by its final name, and the folder that it lacks."""
    name = os.fsdecode(error.filename or path)
    ours = _OURS.match(name)
    name = ours["name"] if ours else name
    folder = os.path.dirname(name)
    is_lacking = error.errno == errno.ENOENT and folder and not os.path.isdir(folder)
    return f"{name}: there is no folder {folder}" if is_lacking else name
