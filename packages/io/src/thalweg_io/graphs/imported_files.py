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

import numpy as np

from thalweg.framework import errors

_SAVING = frozenset(("SaveV2", "MergeV2Checkpoints", "SaveSlices", "Save", "ShardedFilespec"))
_READING = frozenset(("RestoreV2", "Restore", "RestoreSlice", "ReadFile"))        # checkpoints, and a model's assets
# What savers put behind the prefix: a shard in the folder of a save, and one in its place.
_OWN = re.compile(r"((_temp(_[0-9a-f]+)?/|\.)part)?(-\d{5,}-of-\d{5,})?")

_lock = threading.Lock()
_allowed: list = []                          # of None (all files) or (prefix of a checkpoint, op types)


@contextlib.contextmanager
def file_ops_allowed():
    """Inside, imported graphs may read and write files; those that are imported inside may do so for good.

        with thalweg_io.graphs.graph_import.file_ops_allowed():
            tf.import_graph_def(graph_def)
    """
    with _granted(None):
        yield


def saving_allowed(path):
    """Inside, savers of imported graphs may write the checkpoint with this prefix."""
    return _granted((path, _SAVING))


def reading_allowed(path):
    """Inside, imported graphs may read the checkpoint with this prefix, or the file of this name."""
    return _granted((path, _READING))


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
    if not declaration.files or None in _allowed:
        return declaration
    return _guarded(declaration)


@functools.cache
def _guarded(declaration):
    found = copy.copy(declaration)
    body, names = declaration.body, [argument.name for argument in declaration.inputs]

    @functools.wraps(body)
    def guarded_body(*inputs, **attrs):
        given = {**attrs, **dict(zip(names, inputs))}
        for name in declaration.files:
            _check(declaration.name, _paths(given.get(name)))
        return body(*inputs, **attrs)

    found.body = guarded_body
    return found


def _paths(value):
    """The files that an input names; None for an attribute that names none."""
    if isinstance(value, np.ndarray):
        return [item.decode("utf-8", "surrogateescape") for item in value.ravel().tolist()]
    return [value.removeprefix("file://")] if value is not None and value.startswith("file://") else None


def _belongs(name, prefix):
    """Whether `name` is the checkpoint `prefix` or a shard of it, on its way or in its place."""
    return name.startswith(prefix) and bool(_OWN.fullmatch(name, len(prefix)))


def _check(op_type, paths):
    with _lock:
        allowed = list(_allowed)
    if paths is None or None in allowed:
        return
    prefixes = [prefix for prefix, op_types in allowed if op_type in op_types]
    if paths and all(any(_belongs(path, prefix) for prefix in prefixes) for path in paths):
        return
    raise errors.PermissionDeniedError(
        None, None, f"{op_type} of an imported graph wants to use {', '.join(map(repr, paths)) or 'files'}: graphs "
                    "from files may not, unless you allow it: run or import the graph inside "
                    "`with thalweg_io.graphs.graph_import.file_ops_allowed():`")
