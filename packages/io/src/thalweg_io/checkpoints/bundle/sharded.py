"""Sharded saves: each device writes a checkpoint of its own into `PREFIX_temp_ID/`, then `merge` makes one of them.

The folder holds a locked file while its writer lives; `remove_dead_parts` deletes the folders whose writer has died.
"""
import contextlib
import errno
import os
import re

from thalweg.framework import errors

from ... import atomic_file
from ...atomic_file import TemporaryFile, files, new_token, own_files, remove_if_exists, translated
from . import commit
from .entry import Header
from .reader import BundleReader

_FOLDER = re.compile(r".+_temp_[0-9a-f]{32}", re.DOTALL)
_ANY_FOLDER = re.compile(r".+_temp(_[0-9a-f]{32})?", re.DOTALL)       # newer TensorFlow's graphs say no ID
_OWNER = "owner"
_owners: dict = {}                            # folder of parts that this process writes -> its locked file


def open_folder(folder):
    """Makes ready the folder that a checkpoint is written into, whose parent must exist.

    It is made where it is missing, freed of what dead saves have left, and locked as ours if it is one of parts.
    """
    is_of_parts = _ANY_FOLDER.fullmatch(os.path.basename(folder)) and folder not in _owners
    while True:
        if folder and not os.path.isdir(folder):
            os.mkdir(folder)
        try:
            if is_of_parts:
                _owners[folder] = TemporaryFile(os.path.join(folder, _OWNER), new_token())
            break
        except FileNotFoundError:                      # taken for a dead one between making and locking
            continue
    commit.settle(folder)
    remove_dead_parts(folder)


def merge(prefixes, destination, delete_folders=True):
    """Makes one checkpoint of several, whose data files it takes.

    Raises
    ------
    InvalidArgumentError     when two of them hold the same tensor, or differ in byte order
    """
    parts = [BundleReader(prefix) for prefix in prefixes]
    try:
        header, entries = _merged_index(parts)
        with translated(destination):
            open_folder(os.path.dirname(destination))
            _take(parts, destination, header, entries)
    finally:
        for part in parts:
            part.close()
    if delete_folders:
        for folder in dict.fromkeys(os.path.dirname(prefix) for prefix in prefixes):
            _release(folder)


def _merged_index(parts):
    if len({part.header.is_big_endian for part in parts}) != 1:
        raise errors.InvalidArgumentError(None, None, "Merging bundles with conflicting endianness, or none at all")
    header = Header(sum(part.header.num_shards for part in parts), parts[0].header.is_big_endian)
    entries: dict = {}
    first_shard = 0
    for part in parts:
        for key, entry in part.entries.items():
            entry.shard += first_shard                 # of a partitioned tensor, too, as TensorFlow does
            _merge_entry(entries, key, entry)
        first_shard += part.header.num_shards
    return header, entries


def _merge_entry(entries, key, entry):
    known = entries.setdefault(key, entry)
    if known is entry:
        return
    if not (known.slices and entry.slices) or (known.dtype, known.shape) != (entry.dtype, entry.shape):
        raise errors.InvalidArgumentError(None, None, f"Existing same tensor with key {key!r}: two parts of a "
                                                      "sharded checkpoint hold it")
    known.slices += entry.slices


def _take(parts, destination, header, entries):
    token, data, shard = new_token(), [], 0
    try:
        for part in parts:
            for k in range(part.header.num_shards):
                source = commit.data_path(part.prefix, k, part.header.num_shards)
                target = commit.data_path(destination, shard, header.num_shards)
                data.append(TemporaryFile.adopted(source, target, token))
                shard += 1
        commit.commit_index(destination, token, header, entries, data)
    except BaseException:
        for file in data:
            file.discard()
        raise


def _release(folder):
    """Deletes a folder of parts that this process owns."""
    owner = _owners.pop(folder, None)
    if owner is not None:
        try:
            with translated(folder), _shared_with_others():
                _delete_parts(folder)
        finally:
            owner.close()


def _delete_parts(folder):
    part = re.compile(r"part-\d{5,}-of-\d{5,}\.(index|data-\d{5,}-of-\d{5,})")
    for name in os.listdir(folder):
        if part.fullmatch(name):
            remove_if_exists(os.path.join(folder, name))
    for *_, name in own_files(folder):
        remove_if_exists(os.path.join(folder, name))
    if not os.listdir(folder):                        # else somebody keeps files of his own there
        files.remove_folder(folder)


@contextlib.contextmanager
def _shared_with_others():
    """Inside, folders of parts may vanish, or be filled, by another saver that clears up as this one does."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST):
            raise


def abandon(prefix):
    """Deletes the parts of a save of `prefix` that has failed."""
    for folder in [folder for folder in _owners if folder.startswith(prefix + "_temp")]:
        _release(folder)
    with translated(prefix):
        remove_dead_parts(os.path.dirname(prefix))     # one that was made but not yet owned


def remove_dead_parts(folder):
    """Deletes folders of parts in `folder` that are empty or whose writer is gone.

    Others that tell no owner are left alone.
    """
    for name in os.listdir(folder or "."):
        path = os.path.join(folder, name)
        if _ANY_FOLDER.fullmatch(name) and path not in _owners and os.path.isdir(path):
            with _shared_with_others():
                if _is_abandoned(path):
                    _delete_parts(path)


def _is_abandoned(folder):
    owners = [name for final, _, kind, name in own_files(folder) if final == _OWNER and kind == "tmp"]
    if not owners:
        return bool(_FOLDER.fullmatch(os.path.basename(folder))) and not os.listdir(folder)
    return all(atomic_file.is_dead(os.path.join(folder, name)) for name in owners)
