"""Checkpoints that go unless the state file names them: noted on disk, so that a kill cannot make them stay for ever.

A saver notes the checkpoint that it is about to write, which the state file does not name yet, and those that it
drops, before the state file is written without them. The note `PREFIX.thw-TOKEN.doomed` is locked while its saver
lives. In the end, by the saver or after its death by the next one, the checkpoint is deleted unless the state file
names it, and then the note.
"""
import contextlib
import logging
import os
import re

from thalweg.framework import errors

from .. import atomic_file
from ..atomic_file import TemporaryFile, own_files, remove_if_exists, translated
from . import state as checkpoint_state
from .bundle import commit, sharded
from .v1 import files as v1_files

logger = logging.getLogger("thalweg.io")

_KIND = "doomed"
_SHARDS = "-?????-of-?????"                          # of a sharded V1 checkpoint, behind its name


class Removals:
    """The notes of one save; use as a context: at its end they are carried out, also if the save has failed.

    Parameters
    ----------
    latest_filename : str            name of the state file that tells which checkpoints stay
    meta_graph_suffix : str
    version : int                    SaverDef.V1 or V2
    """

    def __init__(self, latest_filename, meta_graph_suffix, version):
        self._text = f"{latest_filename}\n{meta_graph_suffix}\n{version}\n".encode()
        self._notes = []

    def add(self, prefix, is_new=False):
        """Notes that `prefix` goes unless the state file will name it; its folder is made, if the one above exists.

        One that `is_new` stays once the save has succeeded, whatever another saver writes into the same state file.
        """
        folder = os.path.dirname(prefix)
        if not os.path.isdir(folder or "."):
            if not os.path.isdir(os.path.dirname(folder) or "."):
                return                               # nothing can be written there: the save is about to say so
            sharded.open_folder(folder)
        note = TemporaryFile(prefix, atomic_file.new_token(), _KIND)
        self._notes.append((note, is_new))
        note.write(self._text)
        note.sync()

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        with contextlib.ExitStack() as notes:        # all of them, whatever happens to one; the last callback first
            for note, is_new in self._notes:
                # Its lock goes after the note: another saver that shares the state file would take the note for a
                # dead one's, and delete the checkpoint that has just been saved.
                notes.callback(note.close)
                notes.callback(_carry_out, note.path, kind is not None, stays=is_new and kind is None)


def finish(folder):
    """Carries out what savers that are dead have noted in `folder`."""
    for _, _, kind, name in own_files(folder):
        if kind == _KIND:
            path = os.path.join(folder, name)
            with atomic_file.lock_of_dead(path) as is_dead:
                if is_dead:
                    _carry_out(path)


def _carry_out(note, is_failing=False, stays=False):
    """Deletes the checkpoint that a note names, unless it `stays` or the state file names it, too; then the note."""
    folder, name = os.path.split(note)
    prefix = os.path.join(folder, atomic_file.final_name(name))
    try:
        with translated(note), open(note, "rb") as file:
            state_file, suffix, version = _fields(file.read())
        if state_file and not stays and not is_named(prefix, state_file):
            with translated(prefix):
                _finish_commits(prefix)              # what is half renamed becomes whole first
            checkpoint_state.remove_checkpoint(prefix, version, suffix)
            if version == checkpoint_state.V1:
                checkpoint_state.remove_checkpoint(prefix + _SHARDS, version, suffix)
        with translated(note):
            remove_if_exists(note)
    except errors.NotFoundError:                     # another saver has been quicker
        pass
    except errors.OpError as error:
        if not is_failing:                           # else there is an error already, and most likely for that reason
            logger.warning("%s is no longer needed, but cannot be deleted: %s", prefix, error)


def _finish_commits(prefix):
    folder, base = os.path.split(prefix)
    of_shards = re.escape(checkpoint_state.without_shards(base)) + r"-of-\d{5,}"
    for token in commit.pending_commits(prefix):
        commit.finish(prefix, token)
    for final, _, kind, name in own_files(folder):
        if kind == "commit" and re.fullmatch(of_shards, final):
            v1_files.finish(os.path.join(folder, name))


def _fields(data):
    """(state file, suffix, version) of a note; without a state file if it is cut, or names what is no plain name."""
    lines = data.decode(errors="replace").split("\n")
    if len(lines) != 4 or not lines[2].isdigit() or any("/" in line or os.sep in line for line in lines):
        return "", "", 0
    return lines[0], lines[1], int(lines[2])


def is_named(prefix, state_file):
    """Whether the state file names the checkpoint; one that cannot be read may name anything."""
    folder, name = os.path.split(prefix)
    if not os.path.exists(os.path.join(folder, state_file)):
        return False
    try:
        state = checkpoint_state.get_checkpoint_state(folder, state_file)
    except ValueError:
        state = None
    if state is None:
        return True
    named = map(os.path.basename, [state.model_checkpoint_path, *state.all_model_checkpoint_paths])
    return any(checkpoint_state.without_shards(other) in (name, checkpoint_state.without_shards(name))
               for other in named)
