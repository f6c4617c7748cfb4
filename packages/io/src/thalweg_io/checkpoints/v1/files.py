"""Which files make a V1 checkpoint, and how those of a sharded one are replaced together.

NAME is one file. The pattern NAME-?????-of-00003 stands for the shards NAME-00000-of-00003, ... One file appears by
one rename. A save of shards, TOKEN naming it:

    1. NAME-*-of-00003.thw-TOKEN.tmp written and on the medium
    2. NAME-of-00003.thw-TOKEN.commit made        <- from here on the new shards count
    3. the shards renamed to their final names
    4. the commit removed

with the folder synced after 2, 3 and 4; readers and the next save go on from there as with V2 (bundle/commit.py). A
deletion renames the first file to FILE.thw-TOKEN.drop, then deletes the others, the meta graph and that file.
"""
import glob
import os
import re

from thalweg.framework import errors

from ...atomic_file import files, name_of, new_token, own_files, remove_if_exists, rename_if_exists

_PATTERN = re.compile(r"(?P<name>.*)-\?{5,}-of-(?P<count>\d{5,})", re.DOTALL)
_SHARD = re.compile(r"(?P<name>.*)-\d{5,}-of-(?P<count>\d{5,})", re.DOTALL)
_COMMIT = re.compile(r"(?P<name>.*)-of-(?P<count>\d{5,})", re.DOTALL)
_ATTEMPTS = 1000
_staged: dict = {}                            # (name, count) -> (token, {shard's path: TemporaryFile}) of this process


def shard_path(name, shard, count):
    return f"{name}-{shard:05d}-of-{count:05d}"


def pattern_of(name, count):
    """What stands for `count` shards: `NAME-?????-of-00003`."""
    return f"{name}-?????-of-{count:05d}"


# --- reading ----------------------------------------------------------------------------------------

def exists(pattern):
    """Whether there is something to open at `pattern`; its content is not looked at."""
    return bool(paths_of(pattern))


def paths_of(pattern):
    """The files of the checkpoint at `pattern`, by their final names; shards of a pending commit count as there."""
    if os.path.isfile(pattern):
        return [pattern]
    match = _PATTERN.fullmatch(pattern)
    if match:
        return _shards(match["name"], int(match["count"]))
    return sorted(path for path in glob.glob(pattern) if os.path.isfile(path))


def _shards(name, count):
    folder, base = os.path.split(name)
    token = _pending(name, count)
    of_name = re.compile(re.escape(base) + rf"-\d{{5,}}-of-{count:05d}")
    try:
        found = {entry: os.path.join(folder, entry) for entry in os.listdir(folder or ".") if of_name.fullmatch(entry)}
    except (FileNotFoundError, NotADirectoryError):
        return []
    if token:
        found.update({final: os.path.join(folder, entry) for final, other, kind, entry in own_files(folder)
                      if other == token and kind == "tmp" and of_name.fullmatch(final)})
    return [found[final] for final in sorted(found)]


def _pending(name, count):
    """The token of a committed save of these shards that is not finished, or None."""
    folder, base = os.path.split(f"{name}-of-{count:05d}")
    tokens = [token for final, token, kind, _ in own_files(folder) if kind == "commit" and final == base]
    return tokens[-1] if tokens else None


def open_all(pattern):
    """[(path, descriptor)] of the files at `pattern`, all of one save.

    Raises
    ------
    NotFoundError       if there are none
    DataLossError       if shards are missing
    """
    for _ in range(_ATTEMPTS):
        paths, opened = paths_of(pattern), []
        try:
            for path in paths:
                opened.append((path, os.open(path, os.O_RDONLY)))
            if paths_of(pattern) == paths and all(map(_is_still, opened)):
                _check_complete(pattern, len(paths))
                return opened
        except FileNotFoundError:
            pass                                      # replaced in this moment
        except BaseException:
            _close(opened)
            raise
        _close(opened)
    raise errors.UnavailableError(None, None, f"{pattern} is being replaced without pause; try again")


def _close(opened):
    for _, descriptor in opened:
        os.close(descriptor)


def _is_still(item):
    path, descriptor = item
    return os.path.samestat(os.fstat(descriptor), os.stat(path))


def _check_complete(pattern, found):
    match = _PATTERN.fullmatch(pattern)
    if not found:
        raise errors.NotFoundError(None, None, "Unsuccessful TensorSliceReader constructor: Failed to find any "
                                               f"matching files for {pattern}")
    if match and found != int(match["count"]):
        raise errors.DataLossError(None, None, f"{pattern}: {found} of {int(match['count'])} shards are there")


# --- writing ----------------------------------------------------------------------------------------

def put(file, path, is_staged):
    """Brings a TemporaryFile, written and synced, to `path`: at once, or as a shard with the others at `commit`."""
    match = _SHARD.fullmatch(path)
    if is_staged and match:
        _, staged = _stage(match["name"], int(match["count"]))
        if path in staged:
            staged[path].discard()
        staged[path] = file
        return
    files.rename(file.path, path)
    file.keep()
    files.sync_folder(os.path.dirname(path))


def token_for(path, is_staged):
    """The token under which the file at `path` is to be written."""
    match = _SHARD.fullmatch(path)
    return _stage(match["name"], int(match["count"]))[0] if is_staged and match else new_token()


def _stage(name, count):
    return _staged.setdefault((name, count), (new_token(), {}))


def commit(name, count):
    """Steps 2 to 4 for the shards that have been put."""
    token, staged = _staged.pop((name, count), (None, {}))
    if not staged:
        return
    path = name_of(f"{name}-of-{count:05d}", token, "commit")
    try:
        os.close(files.create(path))
    except BaseException:
        for file in staged.values():
            file.discard()
        raise
    try:
        files.sync_folder(os.path.dirname(name))
        finish(path)
    finally:
        for file in staged.values():
            file.keep()


def finish(commit_path):
    """Steps 3 and 4; may run twice, or in two processes."""
    folder, base = os.path.split(commit_path)
    final, token, _, _ = next(item for item in own_files(folder) if item[3] == base)
    match = _COMMIT.fullmatch(final)
    of_name = re.compile(re.escape(match["name"]) + rf"-\d{{5,}}-of-{match['count']}")
    for shard, other, kind, entry in own_files(folder):
        if other == token and kind == "tmp" and of_name.fullmatch(shard):
            rename_if_exists(os.path.join(folder, entry), os.path.join(folder, shard))
    files.sync_folder(folder)
    remove_if_exists(commit_path)
    files.sync_folder(folder)


def abandon(*paths):
    """Deletes the shards of a save of one of `paths`, or of the pattern of one, that has failed before its commit."""
    for name, count in [key for key in _staged if {key[0], pattern_of(*key)} & set(paths)]:
        for file in _staged.pop((name, count))[1].values():
            file.discard()


# --- deleting ---------------------------------------------------------------------------------------

def drop(pattern):
    """Deletes the checkpoint at `pattern` and its meta graph; what is missing is no error."""
    paths = paths_of(pattern)
    if paths:
        path = name_of(paths[0], new_token(), "drop")
        rename_if_exists(paths[0], path)
        finish_drop(path, paths[0])


def finish_drop(drop_path, final):
    """What a deletion has left to do; nothing where `final`, the file that it renamed, is there anew."""
    if not os.path.exists(final):
        match = _SHARD.fullmatch(final)
        if match:
            for path in _shards(match["name"], int(match["count"])):
                remove_if_exists(path)
        remove_if_exists(f"{match['name'] if match else final}.meta")
    remove_if_exists(drop_path)


def settle(folder):
    """Finishes what dead saves of shards, and deletions, have begun in `folder`."""
    for final, _, kind, entry in own_files(folder):
        path = os.path.join(folder, entry)
        if kind == "commit" and _COMMIT.fullmatch(final):
            finish(path)
        elif kind == "drop" and not final.endswith(".index"):
            finish_drop(path, os.path.join(folder, final))


