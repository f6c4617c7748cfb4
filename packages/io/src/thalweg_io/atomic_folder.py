"""A folder that appears whole or not at all: written beside its place, synced, renamed.

While it is written it is called `NAME.thw-TOKEN.folder` and is locked; the next writer of the same folder deletes
those whose writer has died. Every call goes through atomic_file.files.
"""
import contextlib
import os
import re
import sys

from thalweg.framework import errors

from .atomic_file import files, new_token, translated

if sys.platform != "win32":
    import fcntl

_UNDER_WAY = re.compile(r"(?P<name>.+)\.thw-[0-9a-f]{16}\.folder$", re.DOTALL)
_CHUNK = 1 << 20                         # bytes of a copy


class NewFolder:
    """A folder under way to `final_path`.

    Attributes
    ----------
    path : str              where it stands now: beside its place, after `commit` at its place
    is_committed : bool
    """

    def __init__(self, final_path):
        self.final_path, self.is_committed = os.path.abspath(final_path), False
        parent = os.path.dirname(self.final_path)
        with translated(final_path):
            os.makedirs(parent, exist_ok=True)
            remove_dead_folders(self.final_path)
            self.path = f"{self.final_path}.thw-{new_token()}.folder"
            files.make_folder(self.path)
            self._lock = _locked(self.path)

    def add_folder(self, name):
        """Makes a folder inside, unless it is there; gives its path."""
        path = os.path.join(self.path, name)
        with translated(path):
            if not os.path.isdir(path):
                files.make_folder(path)
        return path

    def add_file(self, name, chunks):
        """Writes a file inside, of an iterable of bytes."""
        path = os.path.join(self.path, name)
        with translated(path):
            descriptor = files.create(path)
            try:
                for chunk in chunks:
                    files.write(descriptor, chunk)
                files.sync(descriptor)
            finally:
                os.close(descriptor)

    def commit(self):
        """Puts the folder in its place; afterwards it is on the medium.

        Raises
        ------
        AlreadyExistsError      if something has appeared there that is no empty folder
        """
        with translated(self.final_path):
            for folder, _, _ in os.walk(self.path):
                files.sync_folder(folder)
            try:
                files.rename(self.path, self.final_path)
            except OSError as error:
                if os.path.exists(self.final_path):
                    raise errors.AlreadyExistsError(None, None, f"{self.final_path} has appeared while it was "
                                                                "written") from error
                raise
            self.path, self.is_committed = self.final_path, True
            self._release()
            files.sync_folder(os.path.dirname(self.final_path))

    def discard(self):
        """Deletes what has been written, unless it is in its place."""
        if not self.is_committed:
            _remove_tree(self.path)
        self._release()

    def _release(self):
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def chunks_of(path):
    """The bytes of a file, in parts."""
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def remove_dead_folders(final_path):
    """Deletes unfinished folders of `final_path` whose writer is gone."""
    parent, wanted = os.path.split(os.path.abspath(final_path))
    for name in sorted(os.listdir(parent)):
        match = _UNDER_WAY.match(name)
        if match and match["name"] == wanted and not _is_in_use(os.path.join(parent, name)):
            _remove_tree(os.path.join(parent, name))


def _locked(path):
    """A descriptor that marks the folder as one whose writer lives; None where folders cannot be locked."""
    if sys.platform == "win32":
        return None
    descriptor = os.open(path, os.O_RDONLY)
    with contextlib.suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def _is_in_use(path):
    if sys.platform == "win32":
        return True
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return True                                     # somebody else has just deleted it
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _remove_tree(path):
    """Deletes a folder with all that is in it; links are deleted, not followed."""
    for folder, folders, names in os.walk(path, topdown=False):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                files.remove(os.path.join(folder, name))
        for name in folders:
            inner = os.path.join(folder, name)
            with contextlib.suppress(FileNotFoundError):
                (files.remove if os.path.islink(inner) else files.remove_folder)(inner)
    with contextlib.suppress(FileNotFoundError):
        files.remove_folder(path)
