"""Rows and columns of a stored matrix in another order: for vocabularies that have changed since it was saved.

TensorFlow's ops GenerateVocabRemapping and LoadAndRemapMatrix, and the initializer that is made of them.
"""
import numpy as np

from thalweg.framework import errors
from thalweg.framework.conversion import convert_to_tensor
from thalweg.framework.declaration import define_op
from thalweg.framework.dtypes import float32
from thalweg.ops import array
from thalweg.variables import initializers

from ..atomic_file import translated
from .reader import open_checkpoint
from .tensor_slice import FULL, TensorSlice
from .texts import text_of

# --- the ops ----------------------------------------------------------------------------------------

@define_op("GenerateVocabRemapping", "new_vocab_file: string, old_vocab_file: string -> "
                                     "remapping: int64[N], num_present: int32[]", stateful=True,
           files=("new_vocab_file", "old_vocab_file"))
def generate_vocab_remapping(new_vocab_file, old_vocab_file, *, new_vocab_offset: int, num_new_vocab: int,
                             old_vocab_size: int = -1):
    """Where each entry of a vocabulary stands in an older one.

    Parameters
    ----------
    new_vocab_file, old_vocab_file : string []      files with one entry per line
    new_vocab_offset, num_new_vocab : int           which entries of the new one
    old_vocab_size : int                            how many lines of the old one count, -1 for all

    Returns
    -------
    int64 [num_new_vocab], int32 []                 line in the old file, -1 where it is not there; how many are
    """
    new, old = _vocabulary(text_of(new_vocab_file)), _vocabulary(text_of(old_vocab_file), old_vocab_size)
    if new_vocab_offset < 0 or num_new_vocab < 0 or new_vocab_offset + num_new_vocab > len(new):
        raise errors.InvalidArgumentError(
            None, None, f"lookup table size must be larger than last new vocab entry's line: "
                        f"{text_of(new_vocab_file)} has {len(new)} lines, {num_new_vocab} from line "
                        f"{new_vocab_offset} on are asked for")
    entries = list(new)[new_vocab_offset:new_vocab_offset + num_new_vocab]
    remapping = np.array([old.get(entry, -1) for entry in entries], np.int64)
    return remapping, np.int32((remapping >= 0).sum())


def _vocabulary(path, size=-1):
    """{entry: line} of a file."""
    with translated(path), open(path, "rb") as file:
        lines = [line.rstrip(b"\r\n") for line in file][:None if size < 0 else size]
    found = {line: number for number, line in enumerate(lines)}
    if len(found) != len(lines):
        twice = next(line for number, line in enumerate(lines) if found[line] != number)
        raise errors.FailedPreconditionError(None, None, f"{path}: {twice.decode('utf-8', 'replace')!r} stands there "
                                                         "twice; an entry of a vocabulary has one line")
    return found


@generate_vocab_remapping.shape
def generate_vocab_remapping_shape(node, new_vocab_file, old_vocab_file):
    """As many as asked for."""
    return {"N": node.num_new_vocab}


@define_op("LoadAndRemapMatrix",
           "ckpt_path: string, old_tensor_name: string, row_remapping: int64[R], col_remapping: int64[C], "
           "initializing_values: float32 -> output_matrix: float32[N,M]", stateful=True, files=("ckpt_path",))
def load_and_remap_matrix(ckpt_path, old_tensor_name, row_remapping, col_remapping, initializing_values, *,
                          num_rows: int, num_cols: int, max_rows_in_memory: int = -1):
    """A matrix of a checkpoint with its rows, and perhaps columns, in another order.

    Parameters
    ----------
    ckpt_path, old_tensor_name : string []      the checkpoint and the matrix in it, float32
    row_remapping : int64 [num_rows]            the old row of each new one, -1 for a new one
    col_remapping : int64 [num_cols] or [0]     the same for columns; without any, these stay
    initializing_values : float32               what stands in new rows and columns, in row-major order
    max_rows_in_memory : int                    accepted; the rows that lie between the used ones are read with them
    """
    rows = _places(row_remapping, num_rows, "row")
    columns = _places(col_remapping, num_cols, "col") if col_remapping.size else None
    kept = np.ix_(rows >= 0, np.ones(num_cols, bool) if columns is None else columns >= 0)
    result, is_old = np.empty((num_rows, num_cols), np.float32), np.zeros((num_rows, num_cols), bool)
    is_old[kept] = True
    missing = int((~is_old).sum())
    if initializing_values.size != missing:
        raise errors.InvalidArgumentError(None, None, f"initializing_values contained {initializing_values.size} "
                                                      f"elements, but {missing} are needed for new rows and columns")
    result[~is_old] = initializing_values.ravel()
    result[kept] = _old_values(text_of(ckpt_path), text_of(old_tensor_name), rows[rows >= 0],
                               None if columns is None else columns[columns >= 0], num_cols)
    return result


def _places(remapping, size, name):
    if remapping.size != size:
        raise errors.InvalidArgumentError(None, None, f"{name}_remapping has {remapping.size} elements, expected "
                                                      f"{size}")
    used = remapping[remapping >= 0]
    if np.unique(used).size != used.size or (remapping < -1).any():
        raise errors.UnimplementedError(None, None, f"{name}_remapping names an old {name} twice, or a negative one "
                                                    "other than -1")
    return remapping


def _old_values(path, name, rows, columns, num_cols):
    with open_checkpoint(path) as reader:
        shape, dtype = reader.shape(name), reader.dtype(name)
        if len(shape) != 2 or dtype != float32:
            raise errors.InvalidArgumentError(None, None, f"tensor {name} of {path} is {dtype.name} {list(shape)}, "
                                                          "not a matrix of float32")
        if columns is None and shape[1] != num_cols:
            raise errors.InvalidArgumentError(None, None, f"tensor {name} of {path} has {shape[1]} columns, "
                                                          f"{num_cols} are wanted and no col_remapping is given")
        for used, size, axis in ((rows, shape[0], "row"), (columns, shape[1], "col")):
            if used is not None and used.size and used.max() >= size:
                raise errors.InvalidArgumentError(None, None, f"{axis}_remapping names {axis} {used.max()}, tensor "
                                                              f"{name} of {path} has {size}")
        if not rows.size:
            return np.empty((0, num_cols if columns is None else columns.size), np.float32)
        first = int(rows.min())
        values = reader.read_slice(name, TensorSlice([(first, int(rows.max()) + 1 - first), (0, FULL)]))
    values = values[rows - first]
    return values if columns is None else values[:, columns]


@load_and_remap_matrix.shape
def load_and_remap_matrix_shape(node, ckpt_path, old_tensor_name, row_remapping, col_remapping, initializing_values):
    """The numbers of rows and columns are attributes."""
    return {"N": node.num_rows, "M": node.num_cols}


for _op in (generate_vocab_remapping, load_and_remap_matrix):
    _op.no_gradient("it reads files")


# --- the initializer --------------------------------------------------------------------------------

class Vocabulary:
    """A dimension of a matrix, and how it has changed.

    Attributes
    ----------
    new_size : int          of the dimension now, without buckets; -1 where nothing has changed and it is not known
    new_file, old_file : str        one entry per line; None where the order has not changed
    old_size : int          how many lines of the old file count, -1 for all
    num_buckets : int       rows or columns after the entries for words that are in no vocabulary
    """

    def __init__(self, new_size, new_file=None, old_file=None, old_size=-1, num_buckets=0):
        self.new_size, self.new_file, self.old_file = new_size, new_file, old_file
        self.old_size, self.num_buckets = old_size, num_buckets

    def remapping(self, offset, count):
        """(remapping, how many are old) of `count` entries from `offset` on."""
        if self.new_file is None:
            return range(offset, offset + count), count
        return generate_vocab_remapping(self.new_file, self.old_file, new_vocab_offset=offset, num_new_vocab=count,
                                        old_vocab_size=self.old_size)


def remapped_matrix(path, name, rows, columns, initializer, shape, offset):
    """The tensor of a part, from row `offset` on, of a stored matrix in its new order.

    Parameters
    ----------
    path, name : str                the checkpoint and the matrix in it
    rows, columns : Vocabulary
    initializer : callable          gives what stands in new rows and columns
    shape : (int, int)              of the part

    Raises
    ------
    ValueError                      if the rows would be more than the vocabulary and its buckets have
    """
    total = rows.new_size + rows.num_buckets
    if offset + shape[0] > total:
        raise ValueError(f"Trying to initialize {shape[0]} additional rows after {offset} rows have already been "
                         f"initialized, which would exceed expected total row count of new_row_vocab_size "
                         f"({rows.new_size}) + num_row_oov_buckets ({rows.num_buckets}) = {total}.")
    bucket_rows = min(shape[0], max(0, offset + shape[0] - rows.new_size))
    count = shape[0] - bucket_rows
    if not count:
        return convert_to_tensor(initializer(shape))
    value = _without_buckets(path, name, rows.remapping(offset, count), columns, initializer, count)
    if bucket_rows:
        value = array.concat([value, convert_to_tensor(initializer([bucket_rows, columns.new_size]))], 0)
    if columns.num_buckets:
        value = array.concat([value, convert_to_tensor(initializer([shape[0], columns.num_buckets]))], 1)
    return value


def _without_buckets(path, name, row_remapping, columns, initializer, count):
    rows, n_rows = row_remapping
    cols, n_cols = columns.remapping(0, columns.new_size) if columns.new_file else ([], columns.new_size)
    missing = count * columns.new_size - n_rows * n_cols
    rows, cols = (convert_to_tensor(list(r) if isinstance(r, (range, list)) else r, "int64") for r in (rows, cols))
    new = initializer([missing, 1])
    return load_and_remap_matrix(path, name, rows, cols, new, num_rows=count, num_cols=columns.new_size)


def backup_or_zeros(initializer):
    """The initializer of new rows: the given one, or zeros."""
    return initializer or initializers.Zeros()
