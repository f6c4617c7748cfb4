"""What imported graphs may do with files: nothing, unless the caller of the program allows it.

A graph from a file is data that somebody else made. Ops in it that read or write files refuse to run; they run inside
`file_ops_allowed()`, or for good when the graph was imported inside of it, and a `tf.train.Saver` on an imported graph
saves to and restores from the path that its caller gives.
"""
import contextlib
import copy
import functools
import re
import threading

from thalweg.framework import errors

_SAVING = {"SaveV2": 0, "RestoreV2": 0, "SaveSlices": 0, "Save": 0, "Restore": 0, "RestoreSlice": 0,
           "MergeV2Checkpoints": 1, "ReadFile": 0}                                # op type -> which input is the path
OPS = frozenset({*_SAVING, "WriteFile", "MatchingFiles", "TFRecordDataset", "TextLineDataset",
                 "FixedLengthRecordDataset"})

_lock = threading.Lock()
_allowed: list = []                          # of None (all files) or the prefix of a checkpoint


@contextlib.contextmanager
def file_ops_allowed():
    """Inside, imported graphs may read and write files; those that are imported inside may do so for good.

        with thalweg_io.graphs.graph_import.file_ops_allowed():
            tf.import_graph_def(graph_def)
    """
    with _granted(None):
        yield


def checkpoint_allowed(path):
    """Inside, savers of imported graphs may read and write the checkpoint with this prefix."""
    return _granted(path)


@contextlib.contextmanager
def _granted(entry):
    with _lock:
        _allowed.append(entry)
    try:
        yield
    finally:
        with _lock:
            _allowed.remove(entry)


def guarded(declaration):
    """The declaration for an imported node: of an op that uses files, one that asks first."""
    if declaration.name not in OPS or None in _allowed:
        return declaration
    return _guarded(declaration)


@functools.cache
def _guarded(declaration):
    found = copy.copy(declaration)
    position, body = _SAVING.get(declaration.name), declaration.body

    @functools.wraps(body)
    def guarded_body(*inputs, **attrs):
        _check(declaration.name, inputs[position or 0], position is not None)
        return body(*inputs, **attrs)

    found.body = guarded_body
    return found


def _belongs(name, prefix):
    """Whether `name` is the checkpoint `prefix` or a shard of it, on its way or in its place."""
    rest = name[len(prefix):] if name.startswith(prefix) else None
    return rest == "" or rest is not None and bool(re.match(r"_temp|-\d{5,}-of-\d{5,}$", rest))


def _check(op_type, path, is_of_saver):
    with _lock:
        allowed = list(_allowed)
    if None in allowed:
        return
    name = path.item().decode("utf-8", "surrogateescape") if path.size == 1 else None
    if is_of_saver and name is not None and any(_belongs(name, prefix) for prefix in allowed):
        return
    raise errors.PermissionDeniedError(
        None, None, f"{op_type} of an imported graph wants to use {'files' if name is None else repr(name)}: graphs "
                    "from files may not, unless you allow it: run or import the graph inside "
                    "`with thalweg_io.graphs.graph_import.file_ops_allowed():`")
