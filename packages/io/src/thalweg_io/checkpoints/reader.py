"""Looking into a checkpoint without a graph: `tf.train.NewCheckpointReader`, `load_variable`, `list_variables`."""
import os

from thalweg.framework import errors

from ..element_types import for_user
from .bundle import commit
from .bundle.reader import BundleReader
from .state import latest_checkpoint, whole_prefix
from .v1 import files
from .v1.reader import V1Reader


class CheckpointReader:
    """The tensors of one checkpoint by name.

    Raises
    ------
    NotFoundError     if there is no checkpoint at `filepattern`
    DataLossError     if its index is damaged
    """

    def __init__(self, filepattern):
        self._bundle = open_checkpoint(filepattern)

    def get_variable_to_shape_map(self):
        """{name: shape}, a shape being a list of ints."""
        return {name: list(self._bundle.shape(name)) for name in self._bundle.names()}

    def get_variable_to_dtype_map(self):
        """{name: DType}"""
        return {name: self._bundle.dtype(name) for name in self._bundle.names()}

    def has_tensor(self, tensor_str):
        """Whether the checkpoint has a tensor of that name."""
        return _name(tensor_str) in self._bundle

    def get_tensor(self, tensor_str):
        """The value of a tensor: an array, for a scalar a NumPy scalar, for a scalar string bytes.

        bfloat16, float8, int4 and the like are arrays of the package ml_dtypes. Where that is not installed, bfloat16
        is float32, and the others are the bytes that are stored, one per element: int8 for int4 and int2, else uint8.
        """
        name = _name(tensor_str)
        value = for_user(self._bundle.read(name), self._bundle.dtype(name))
        return value if value.ndim else value[()]

    def debug_string(self):
        """One line per tensor: name, type, shape. Bytes, as in TensorFlow."""
        from ..protos import TensorProto
        names = TensorProto.DESCRIPTOR.fields_by_name["dtype"].enum_type.values_by_number
        lines = []
        for name in self._bundle.names():
            shape = ",".join(map(str, self._bundle.shape(name)))
            lines.append(f"{name} ({names[self._bundle.dtype(name).as_datatype_enum].name}) [{shape}]\n")
        return "".join(lines).encode()


def NewCheckpointReader(filepattern):                # TensorFlow's name
    """Opens the checkpoint at `filepattern`, its path without an extension; see CheckpointReader."""
    return CheckpointReader(filepattern)


def open_checkpoint(prefix):
    """The reader of the checkpoint at `prefix`, of either format: a BundleReader (V2) or a V1Reader.

    Both have `names()`, `name in reader`, `shape(name)`, `dtype(name)`, `read(name)`, `found(name)`,
    `read_slice(name, slice)` and `close()`, and are contexts that close themselves.

    Parameters
    ----------
    prefix : str            path without an extension; for a sharded V1 checkpoint the pattern NAME-?????-of-00003

    Raises
    ------
    NotFoundError           if there is none
    DataLossError           if it is damaged
    """
    prefix = os.fsdecode(prefix)
    if not commit.exists(prefix) and files.exists(prefix):
        whole = whole_prefix(prefix)
        if whole is not None:
            raise errors.InvalidArgumentError(None, None, f"{prefix} is a file of the checkpoint {whole}: give that "
                                                          f"prefix, {whole!r}")
        return V1Reader(prefix)
    return BundleReader(prefix)


def load_checkpoint(ckpt_dir_or_file):
    """The reader of a checkpoint, or of the newest one in a folder.

    Raises
    ------
    ValueError      if the folder has no checkpoint
    """
    return CheckpointReader(checkpoint_path(ckpt_dir_or_file))


def load_variable(ckpt_dir_or_file, name):
    """The value of one variable of a checkpoint; `name` may end in ":0"."""
    return load_checkpoint(ckpt_dir_or_file).get_tensor(_name(name).removesuffix(":0"))


def _name(name):
    """The name of a tensor as a str; TypeError for what is none."""
    if not isinstance(name, (str, bytes)):
        raise TypeError(f"the name of a tensor is a str, not a {type(name).__name__}: {name!r}")
    return name if isinstance(name, str) else name.decode("utf-8", "surrogateescape")


def list_variables(ckpt_dir_or_file):
    """[(name, shape)] of a checkpoint, sorted."""
    return sorted(load_checkpoint(ckpt_dir_or_file).get_variable_to_shape_map().items())


def checkpoint_path(path):
    """The checkpoint at `path`, or the newest one where that is a folder; ValueError if that has none."""
    path = os.fsdecode(path)
    if not os.path.isdir(path):
        return path
    found = latest_checkpoint(path)
    if found is None:
        raise ValueError(f"Couldn't find 'checkpoint' file or checkpoints in given directory {path}")
    return found
