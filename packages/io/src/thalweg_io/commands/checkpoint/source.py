"""What a path on the command line names: a checkpoint of either format, a safetensors or an npz file, opened."""
import fnmatch
import glob
import os
import re

from thalweg.framework import errors
from thalweg.framework.shapes import size_of

from ...checkpoints.bundle import commit
from ...checkpoints.reader import open_checkpoint
from ...checkpoints.state import latest_checkpoint
from ...element_types import STRING

_PART_OF_V2 = re.compile(r"(?P<prefix>.+)\.(index|meta|data-\d{5,}-of-\d{5,})", re.DOTALL)
_SAVED_MODEL = os.path.join("variables", "variables")


class Source:
    """An open file of tensors; a context.

    Attributes
    ----------
    path : str        where it is: the prefix of a checkpoint, or the file
    format : str      "v1", "v2", "safetensors" or "npz"
    """

    def __init__(self, path):
        self.path = path_of(path)
        self.format, self._reader = _opened(self.path)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if hasattr(self._reader, "close"):
            self._reader.close()

    def names(self):
        """The names of all tensors, sorted."""
        return sorted(self._reader.names())

    def __contains__(self, name):
        return name in self._reader

    def dtype(self, name):
        return self._reader.dtype(name)

    def shape(self, name):
        return tuple(self._reader.shape(name))

    def slices(self, name):
        """The stored parts of a partitioned tensor (TensorSlices); none for one that is stored whole."""
        return self._reader.slices(name) if self.format in ("v1", "v2") else []

    def read(self, name, slice_=None):
        """The value of a tensor, or of the box `slice_` (a TensorSlice) in it, every byte checked."""
        return self._reader.read(name) if slice_ is None else self._reader.read(name, slice_)

    def nbytes(self, name):
        """The bytes of a tensor's elements; None for strings, whose sizes stand beside their bytes."""
        dtype = self.dtype(name)
        return None if dtype.as_datatype_enum == STRING else size_of(self.shape(name)) * dtype.np.itemsize

    def matching(self, patterns):
        """The names that fit one of the glob `patterns`; all, if there are none.

        Raises
        ------
        NotFoundError     for a pattern that fits none
        """
        names, found = self.names(), set()
        for pattern in patterns:
            fitting = self.fitting(pattern)
            if not fitting:
                raise errors.NotFoundError(None, None, f"no tensor of {self.path} is named {pattern!r}"
                                                       f"{_near(pattern, names)}")
            found |= fitting
        return [name for name in names if name in found] if patterns else names

    def fitting(self, pattern):
        """The set of names that fit one glob pattern, or are just that."""
        return {pattern} if pattern in self else {n for n in self.names() if fnmatch.fnmatchcase(n, pattern)}

    def require(self, name):
        """Raises NotFoundError, with the names that come near, unless there is a tensor of that name."""
        if name not in self:
            raise errors.NotFoundError(None, None, f"{self.path} has no tensor {name!r}{_near(name, self.names())}")


def _near(name, names):
    import difflib
    near = difflib.get_close_matches(name, names, 3)
    return f"; near: {', '.join(near)}" if near else ""


def _opened(path):
    """(format, reader) of what `path_of` gave."""
    if path.endswith(".safetensors"):
        from ...arrays import open_safetensors
        return "safetensors", open_safetensors(path)
    if path.endswith(".npz"):
        from ...arrays import open_npz
        return "npz", open_npz(path)
    reader = open_checkpoint(path)
    return "v2" if commit.exists(path) else "v1", reader


def add_filter(parser):
    """Adds the option --only; not a positional argument, which argparse would not take after an option."""
    parser.add_argument("--only", action="append", default=[], metavar="GLOB",
                        help="only tensors that fit, as 'layer*/kernel'; may be given several times")


# --- paths ------------------------------------------------------------------------------------------

def path_of(path):
    """The prefix or file that a path means: that of one of a checkpoint's files, the newest of a folder.

    Raises
    ------
    NotFoundError     for a folder without a checkpoint, or with several and nothing that says which is the newest
    """
    path = os.fspath(path)
    if os.path.isdir(path):
        return _newest(path)
    part = _PART_OF_V2.fullmatch(path)
    if part and os.path.exists(path) and commit.exists(part["prefix"]):
        return part["prefix"]
    shard = re.fullmatch(r"(.+)-\d{5,}(-of-\d{5,})", path, re.DOTALL)
    if shard and os.path.isfile(path):
        return f"{shard[1]}-?????{shard[2]}"                          # one file of a sharded V1 checkpoint
    return path


def _newest(folder):
    found = latest_checkpoint(folder)
    if found is not None:
        return found
    if commit.exists(os.path.join(folder, _SAVED_MODEL)):
        return os.path.join(folder, _SAVED_MODEL)
    prefixes = sorted(path.removesuffix(".index") for path in glob.glob(os.path.join(glob.escape(folder), "*.index")))
    if len(prefixes) == 1:
        return prefixes[0]
    if prefixes:
        some = ", ".join(map(os.path.basename, prefixes[:5])) + (", ..." if len(prefixes) > 5 else "")
        raise errors.NotFoundError(None, None, f"{folder} has no file `checkpoint` that says which of its "
                                               f"{len(prefixes)} checkpoints is the newest: name one, {some}")
    raise errors.NotFoundError(None, None, f"there is no checkpoint in the folder {folder}")
