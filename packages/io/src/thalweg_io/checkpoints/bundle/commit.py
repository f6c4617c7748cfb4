"""How a checkpoint appears, is replaced and goes, so that no kill and no power cut leaves half of one.

A save of PREFIX, all files in one folder, TOKEN naming the save:

    1. PREFIX.data-*.thw-TOKEN.tmp and PREFIX.index.thw-TOKEN.tmp written and on the medium
    2. the index renamed to PREFIX.index.thw-TOKEN.commit             <- from here on the new checkpoint counts
    3. the data files renamed to their final names
    4. the index renamed to PREFIX.index

with the folder synced after 2, 3 and 4. Until 2 the old checkpoint is whole; after it a reader that finds the commit
takes the data files from wherever step 3 has brought them, and the next save finishes 3 and 4. A deletion renames the
index to PREFIX.index.thw-TOKEN.drop, then deletes data, meta graph and that file; the next save finishes it, too.
One writer at a time may save to one prefix; any number may save to one folder.
"""
import os
import re

from ... import atomic_file
from ...atomic_file import TemporaryFile, files, name_of, own_files, remove_if_exists, rename_if_exists
from ..table import TableWriter
from ..v1 import files as v1_files
from .entry import HEADER_KEY

_INDEX = ".index"
_DATA = r"\.data-\d{5,}-of-\d{5,}"


def index_path(prefix):
    return prefix + _INDEX


def data_path(prefix, shard, num_shards):
    return f"{prefix}.data-{shard:05d}-of-{num_shards:05d}"


def shards_in(prefix, num_shards):
    """The numbers of the data files of `num_shards` that stand in the folder, also under temporary names; sorted."""
    folder, base = os.path.split(prefix)
    of_prefix = re.compile(re.escape(base) + rf"\.data-(\d{{5,}})-of-{num_shards:05d}(\.thw-[0-9a-f]{{16}}\.tmp)?")
    found = filter(None, map(of_prefix.fullmatch, os.listdir(folder or ".")))
    return sorted({int(match[1]) for match in found})


def pending_commits(prefix):
    """Tokens of committed saves of `prefix` that are not finished, the newest last."""
    folder, base = os.path.split(index_path(prefix))
    found = [(name, token) for final, token, kind, name in own_files(folder) if kind == "commit" and final == base]
    if len(found) > 1:
        found.sort(key=lambda item: _modified(os.path.join(folder, item[0])))
    return [token for _, token in found]


def _modified(path):
    try:
        return os.stat(path).st_mtime_ns
    except FileNotFoundError:
        return 0                                     # finished in this moment: the oldest


def exists(prefix):
    """Whether there is a V2 checkpoint at `prefix`."""
    return os.path.isfile(index_path(prefix)) or bool(pending_commits(prefix))


def commit(prefix, token, index, data):
    """Steps 2 to 4, after which the files' locks are released.

    Parameters
    ----------
    index : TemporaryFile             written and synced
    data : list of TemporaryFile      likewise, one per shard
    """
    try:
        files.rename(index.path, name_of(index_path(prefix), token, "commit"))
    except BaseException:
        index.discard()
        raise
    try:
        files.sync_folder(os.path.dirname(prefix))
        finish(prefix, token)
    finally:
        for file in (index, *data):
            file.keep()


def commit_index(prefix, token, header, entries, data):
    """Writes the index and commits it with its data files (TemporaryFile each)."""
    index = TemporaryFile(index_path(prefix), token)
    try:
        table = TableWriter(index.write)
        table.add(HEADER_KEY, header.message())
        for key in sorted(entries):
            table.add(key, entries[key].message())
        table.finish()
        index.sync()
    except BaseException:
        index.discard()
        raise
    commit(prefix, token, index, data)


def finish(prefix, token):
    """Steps 3 and 4; may run twice, or in two processes: what is renamed already is left alone."""
    folder, base = os.path.split(prefix)
    of_prefix = re.compile(re.escape(base) + _DATA)
    for final, other, kind, name in own_files(folder):
        if other == token and kind == "tmp" and of_prefix.fullmatch(final):
            rename_if_exists(os.path.join(folder, name), os.path.join(folder, final))
    files.sync_folder(folder)
    rename_if_exists(name_of(index_path(prefix), token, "commit"), index_path(prefix))
    files.sync_folder(folder)


def drop(prefix):
    """Deletes the checkpoint at `prefix` and its meta graph; what is missing is no error."""
    path = name_of(index_path(prefix), atomic_file.new_token(), "drop")
    rename_if_exists(index_path(prefix), path)
    _finish_drop(prefix, path)


def _finish_drop(prefix, drop_path):
    if not exists(prefix):                           # else it was saved anew since: its files are not ours to delete
        folder, base = os.path.split(prefix)
        of_prefix = re.compile(re.escape(base) + f"({_DATA}|\\.meta)")
        for name in sorted(os.listdir(folder or ".")):
            if of_prefix.fullmatch(name):
                remove_if_exists(os.path.join(folder, name))
    remove_if_exists(drop_path)


def settle(folder):
    """Finishes what dead saves have begun in `folder`: commits and deletions completed, temporary files removed.

    Raises
    ------
    OSError      when the folder cannot be changed, as the save that follows could not either
    """
    for final, token, kind, name in own_files(folder):
        if not final.endswith(_INDEX):
            continue
        prefix = os.path.join(folder, final[:-len(_INDEX)])
        if kind == "commit":
            finish(prefix, token)
        elif kind == "drop":
            _finish_drop(prefix, os.path.join(folder, name))
    v1_files.settle(folder)
    atomic_file.remove_dead_temporaries(folder, lambda final, token: _is_committed(folder, token))


def _is_committed(folder, token):
    return any(other == token and kind == "commit" for _, other, kind, _ in own_files(folder))
