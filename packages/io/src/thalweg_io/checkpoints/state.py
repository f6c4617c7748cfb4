"""The `checkpoint` file of a folder: which checkpoints there are, and which is the newest."""
import glob
import logging
import os
import re

from ..atomic_file import remove_if_exists, translated, write_file
from .bundle import commit
from .v1 import files as v1_files

logger = logging.getLogger("thalweg.io")

STATE_FILE = "checkpoint"
_PART = re.compile(r"(?P<prefix>.+)\.(index|meta|data-\d{5,}-of-\d{5,})", re.DOTALL)        # a file of a V2 checkpoint
V1 = 1                                               # SaverDef.version of the older format


# --- the state file ---------------------------------------------------------------------------------

def generate_checkpoint_state_proto(save_dir, model_checkpoint_path, all_model_checkpoint_paths=None,
                                    all_model_checkpoint_timestamps=None, last_preserved_timestamp=None):
    """The CheckpointState message of a folder.

    Relative paths become relative to `save_dir`, when that is relative, too: so the folder can be moved.

    Raises
    ------
    ValueError      if there are not as many timestamps as paths
    """
    from ..protos import CheckpointState
    paths = list(all_model_checkpoint_paths or [])
    if not paths or paths[-1] != model_checkpoint_path:
        paths.append(model_checkpoint_path)
    timestamps = all_model_checkpoint_timestamps
    if timestamps and len(timestamps) != len(paths):
        raise ValueError(f"Checkpoint timestamps, if provided, must match checkpoint paths (got paths {paths} and "
                         f"timestamps {timestamps})")
    if not os.path.isabs(save_dir):
        paths = [path if os.path.isabs(path) else os.path.relpath(path, save_dir) for path in paths]
    return CheckpointState(model_checkpoint_path=paths[-1], all_model_checkpoint_paths=paths,
                           all_model_checkpoint_timestamps=timestamps,
                           last_preserved_timestamp=last_preserved_timestamp)


def update_checkpoint_state(save_dir, model_checkpoint_path, all_model_checkpoint_paths=None, latest_filename=None,
                            all_model_checkpoint_timestamps=None, last_preserved_timestamp=None,
                            save_relative_paths=False):
    """Writes the state file of `save_dir`, whole or not at all.

    Parameters
    ----------
    save_dir : str
    model_checkpoint_path : str                     the newest checkpoint
    all_model_checkpoint_paths : list of str        all that are kept, the oldest first
    latest_filename : str                           name of the state file, "checkpoint" by default
    save_relative_paths : bool                      writes absolute paths relative to `save_dir`

    Raises
    ------
    RuntimeError    if the state file would be written over the checkpoint
    """
    from ..protos import text
    if save_relative_paths:
        model_checkpoint_path = _relative(model_checkpoint_path, save_dir)
        all_model_checkpoint_paths = [_relative(path, save_dir) for path in all_model_checkpoint_paths or []]
    path = _state_path(save_dir, latest_filename)
    state = generate_checkpoint_state_proto(save_dir, model_checkpoint_path, all_model_checkpoint_paths,
                                            all_model_checkpoint_timestamps, last_preserved_timestamp)
    if path == state.model_checkpoint_path:
        raise RuntimeError(f"Save path {model_checkpoint_path!r} conflicts with path used for checkpoint state. "
                           "Please use a different save path.")
    write_file(path, text(state).encode())


def _relative(path, folder):
    return os.path.relpath(path, folder) if os.path.isabs(path) else path


def _state_path(folder, latest_filename):
    return os.path.join(folder, latest_filename or STATE_FILE)


def get_checkpoint_state(checkpoint_dir, latest_filename=None):
    """The CheckpointState message of a folder, its paths joined with the folder; None if there is no valid one."""
    from google.protobuf.text_format import ParseError

    from ..protos import CheckpointState, parse_text
    checkpoint_dir = os.fsdecode(checkpoint_dir)
    path = _state_path(checkpoint_dir, latest_filename)
    try:
        with open(path, "rb") as file:
            state = parse_text(file.read().decode(), CheckpointState())
    except FileNotFoundError:
        return None
    except (OSError, ParseError, ValueError) as error:
        logger.warning("%s: %s: Checkpoint ignored", path, error)
        return None
    if not state.model_checkpoint_path:
        raise ValueError(f"Invalid checkpoint state loaded from {checkpoint_dir}: it names no checkpoint")
    state.model_checkpoint_path = os.path.join(checkpoint_dir, state.model_checkpoint_path)
    paths = [os.path.join(checkpoint_dir, path) for path in state.all_model_checkpoint_paths]
    state.all_model_checkpoint_paths[:] = paths
    return state


def latest_checkpoint(checkpoint_dir, latest_filename=None):
    """The path of the newest checkpoint of a folder, for `Saver.restore`; None if there is none."""
    state = get_checkpoint_state(checkpoint_dir, latest_filename)
    if state is None:
        return None
    if checkpoint_exists(state.model_checkpoint_path):
        return state.model_checkpoint_path
    logger.error("Couldn't match files for checkpoint %s", state.model_checkpoint_path)
    return None


# --- the files of a checkpoint ----------------------------------------------------------------------

def checkpoint_exists(checkpoint_prefix):
    """Whether there is a checkpoint, of either format, at `checkpoint_prefix`; it may hold wildcards."""
    checkpoint_prefix = os.fsdecode(checkpoint_prefix)
    return (commit.exists(checkpoint_prefix) or bool(glob.glob(commit.index_path(checkpoint_prefix)))
            or v1_files.exists(checkpoint_prefix))


def whole_prefix(path):
    """The V2 checkpoint that the file `path`, an index, data or meta file, belongs to; None if it is none of them."""
    match = _PART.fullmatch(path)
    return match["prefix"] if match and commit.exists(match["prefix"]) else None


def what_is_near(path):
    """What to give instead of `path`, at which there is no checkpoint, as the end of a message."""
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        return f"there is no folder {folder}"
    prefixes = sorted(entry[:-len(".index")] for entry in os.listdir(folder) if entry.endswith(".index"))
    if not prefixes:
        return f"there is no {commit.index_path(path)}, and no other checkpoint in {folder}"
    return f"there is no {commit.index_path(path)}; {folder} has {', '.join(prefixes[:5])}"


def get_checkpoint_mtimes(checkpoint_prefixes):
    """When the checkpoints that exist were written, seconds since 1970."""
    found = []
    for prefix in checkpoint_prefixes:
        matches = glob.glob(commit.index_path(prefix)) or glob.glob(prefix)
        if matches:
            found.append(max(os.stat(path).st_mtime for path in matches))
    return found


def remove_checkpoint(checkpoint_prefix, checkpoint_format_version=None, meta_graph_suffix="meta"):
    """Deletes a checkpoint and its meta graph; what is missing is no error."""
    with translated(checkpoint_prefix):
        if checkpoint_format_version == V1:
            v1_files.drop(checkpoint_prefix)
        else:
            commit.drop(checkpoint_prefix)
        remove_if_exists(meta_graph_filename(checkpoint_prefix, meta_graph_suffix))


def meta_graph_filename(checkpoint_filename, meta_graph_suffix="meta"):
    """Where the meta graph of a checkpoint stands: beside it, without a shard's number."""
    return f"{without_shards(checkpoint_filename)}.{meta_graph_suffix}"


def without_shards(name):
    """The name of a checkpoint without the number of a shard, or the pattern of all, behind it."""
    return re.sub(r"-[0-9?]+-of-[0-9?]+$", "", name)
