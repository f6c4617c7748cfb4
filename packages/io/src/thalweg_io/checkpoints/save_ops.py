"""The ops of checkpoints: SaveV2, RestoreV2, MergeV2Checkpoints, those of the V1 format, and the names of shards.

Their bodies call `bundle/` and `v1/`; they run on the host, between the steps of a plan.
"""
import contextlib

import numpy as np

from thalweg.framework import errors
from thalweg.framework.declaration import define_op
from thalweg.framework.dtypes import DType
from thalweg.framework.shapes import text
from thalweg.framework.stored_value import StoredValue

from ..atomic_file import translated
from ..side_by_side import side_by_side
from . import deferred
from .bundle import sharded
from .bundle.writer import BundleWriter
from .reader import open_checkpoint
from .tensor_slice import parse_spec
from .texts import key_of, text_of, texts_of
from .v1 import files as v1_files
from .v1.writer import V1Writer


def _check_counts(op_type, names, specs, count):
    if not len(names) == len(specs) == count:
        raise errors.InvalidArgumentError(
            None, None, f"{op_type}: {len(names)} tensor_names, {len(specs)} shape_and_slices and {count} tensors "
                        "must be equal in number")


@define_op("SaveV2", "prefix: string, tensor_names: string, shape_and_slices: string, tensors: dtypes... ->",
           stateful=True, files=("prefix",))
def save_v2(prefix, tensor_names, shape_and_slices, tensors):
    """Writes `tensors` as a V2 checkpoint `prefix`, in their order.

    Parameters
    ----------
    prefix : string []                  path of the checkpoint; its folder is made, if the one above exists
    tensor_names : string [K]           names to save under
    shape_and_slices : string [K]       "" for a whole tensor, "4 3 0,2:0,3" for rows 0 and 1 of a tensor [4, 3]
    tensors : K tensors
    """
    names, specs = texts_of(tensor_names), texts_of(shape_and_slices)
    _check_counts("SaveV2", names, specs, len(tensors))
    path = text_of(prefix)
    deferred.do(lambda values: _write(BundleWriter(path), names, specs, values), tensors)


def _write(writer, names, specs, values):
    with writer:
        _add_all(writer, names, specs, values)


def _add_all(writer, names, specs, values):
    for name, spec, value in zip(names, specs, values):
        shape, box = parse_spec(spec)
        if shape is None:
            writer.add(name, value)
        else:
            writer.add_slice(name, shape, box, value)


@define_op("RestoreV2", "prefix: string, tensor_names: string, shape_and_slices: string -> tensors: dtypes...",
           stateful=True, files=("prefix",))
def restore_v2(prefix, tensor_names, shape_and_slices, *, dtypes: list[DType]):
    """The tensors `tensor_names` of the checkpoint `prefix`, or the slices of them that `shape_and_slices` names.

    All are checked before one is given. Large ones are read by the assignments that use them, into the variables.

    Raises
    ------
    NotFoundError             without such a checkpoint, or tensor in it
    InvalidArgumentError      when a tensor has another dtype than `dtypes` or another shape than the slice says
    DataLossError             when the checkpoint is damaged
    """
    names, specs = texts_of(tensor_names), texts_of(shape_and_slices)
    _check_counts("RestoreV2", names, specs, len(dtypes))
    with contextlib.ExitStack() as open_until_here:
        bundle = open_until_here.enter_context(open_checkpoint(text_of(prefix)))
        for name, dtype in zip(names, dtypes):
            _check_stored_dtype(bundle, name, dtype)
        values = side_by_side(lambda item: _restored(bundle, *item), list(zip(names, specs)))
        if any(isinstance(value, StoredValue) for value in values):
            open_until_here.pop_all()                  # assignments read from it: it is closed with the last value
        return values


def _check_stored_dtype(bundle, name, dtype):
    stored = bundle.dtype(name)
    if stored != dtype.base_dtype:
        raise errors.InvalidArgumentError(None, None, f"tensor_name = {name}; expected dtype {dtype.base_dtype.name} "
                                                      f"does not equal original dtype {stored.name}")


def _restored(bundle, name, spec):
    shape, box = parse_spec(spec)
    if shape is not None and shape != bundle.shape(name):
        raise errors.InvalidArgumentError(
            None, None, f"tensor_name = {name}; shape in shape_and_slice spec {text(shape)} does not match the shape "
                        f"stored in checkpoint: {text(bundle.shape(name))}")
    return bundle.found(name, box)


@restore_v2.shape
def restore_v2_shape(node, prefix, tensor_names, shape_and_slices):
    """Whole tensors have the shape that the file gives them; slices are as large as their text says."""
    specs = node.constant(2)
    if specs is None:
        return [None] * len(node.dtypes)
    found = []
    for spec in texts_of(specs):
        shape, box = parse_spec(spec)
        found.append(None if shape is None else box.shape_in(shape))
    return found


@define_op("MergeV2Checkpoints", "checkpoint_prefixes: string, destination_prefix: string ->", stateful=True,
           files=("checkpoint_prefixes", "destination_prefix"))
def merge_v2_checkpoints(checkpoint_prefixes, destination_prefix, *, delete_old_dirs: bool = True):
    """Makes one checkpoint of those that the devices have written; their folders go, if `delete_old_dirs`."""
    prefixes, destination = texts_of(checkpoint_prefixes), text_of(destination_prefix)
    deferred.do(lambda _: sharded.merge(prefixes, destination, delete_old_dirs))


@define_op("ShardedFilename", "basename: string[], shard: int32[], num_shards: int32[] -> filename: string[]")
def sharded_filename(basename, shard, num_shards):
    """`basename-00002-of-00005`."""
    return np.array(b"%s-%05d-of-%05d" % (basename.item(), shard, num_shards), np.object_)


# --- the older format -------------------------------------------------------------------------------

@define_op("SaveSlices", "filename: string, tensor_names: string, shapes_and_slices: string, data: T... ->",
           stateful=True, files=("filename",))
def save_slices(filename, tensor_names, shapes_and_slices, data, *, session):
    """Writes `data` as a V1 checkpoint, one file.

    A shard of a graph with a ShardedFilespec waits for that, which puts all shards in their places together.

    Parameters
    ----------
    filename : string []                path of the file; its folder is made, if the one above exists
    tensor_names : string [K]           names to save under
    shapes_and_slices : string [K]      "" for a whole tensor, "4 3 0,2:0,3" for rows 0 and 1 of a tensor [4, 3]
    data : K tensors
    """
    names, specs = texts_of(tensor_names), texts_of(shapes_and_slices)
    _check_counts("SaveSlices", names, specs, len(data))
    _write_v1(text_of(filename), names, specs, data, session)


@define_op("Save", "filename: string, tensor_names: string, data: T... ->", stateful=True, files=("filename",))
def save(filename, tensor_names, data, *, session):
    """Writes whole tensors as a V1 checkpoint; see `save_slices`."""
    names = texts_of(tensor_names)
    _check_counts("Save", names, names, len(data))
    _write_v1(text_of(filename), names, [""] * len(names), data, session)


def _write_v1(path, names, specs, values, session):
    is_staged = any(op.type == "ShardedFilespec" for op in session.graph.get_operations())
    deferred.do(lambda arrays: _write(V1Writer(path, is_staged), names, specs, arrays), values)


@define_op("Restore", "file_pattern: string, tensor_name: string -> tensor: dt", stateful=True,
           files=("file_pattern",))
def restore(file_pattern, tensor_name, *, dt: DType, preferred_shard: int = -1):
    """One whole tensor of a checkpoint of either format; `preferred_shard` tells where to look first, no more."""
    return restore_v2.body(file_pattern, tensor_name.reshape(1), np.array([b""], np.object_), dtypes=[dt])[0]


@define_op("RestoreSlice", "file_pattern: string, tensor_name: string, shape_and_slice: string -> tensor: dt",
           stateful=True, files=("file_pattern",))
def restore_slice(file_pattern, tensor_name, shape_and_slice, *, dt: DType, preferred_shard: int = -1):
    """One tensor of a checkpoint of either format, or a slice of it."""
    return restore_v2.body(file_pattern, tensor_name.reshape(1), shape_and_slice.reshape(1), dtypes=[dt])[0]


@restore.shape
def restore_shape(node, file_pattern, tensor_name):
    """The file tells it."""


@restore_slice.shape
def restore_slice_shape(node, file_pattern, tensor_name, shape_and_slice):
    """A slice is as large as its text says."""
    spec = node.constant(2)
    shape, box = parse_spec(text_of(spec)) if spec is not None else (None, None)
    return None if shape is None else box.shape_in(shape)


def _commit_shards(name, count):
    with translated(name):
        v1_files.commit(name, count)


@define_op("ShardedFilespec", "basename: string[], num_shards: int32[] -> filename: string[]", stateful=True,
           files=("basename",))
def sharded_filespec(basename, num_shards):
    """`basename-?????-of-00005`, which names all shards; those that this process has written take their places."""
    name, count = text_of(basename), int(num_shards)
    deferred.do(lambda _: _commit_shards(name, count))
    return np.array(key_of(v1_files.pattern_of(name, count)), np.object_)


for _op in (save_v2, restore_v2, merge_v2_checkpoints, sharded_filename, save_slices, save, restore, restore_slice,
            sharded_filespec):
    _op.no_gradient("it moves strings and files, not numbers that depend on each other")
