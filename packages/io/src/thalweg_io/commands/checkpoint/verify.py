"""Reads every byte of checkpoints and names what is damaged: the index, each tensor and slice, its checksums, the meta
graph. Of a folder, every checkpoint that its state file names, and that file.

Exit status: 0 all whole, 1 damage found, 2 trouble. safetensors files have no checksums: only their structure is seen.
"""
import glob
import json
import os

from thalweg.commands import console
from thalweg.commands.console import FOUND, OK
from thalweg.framework import errors

from ...atomic_file import own_files
from ...checkpoints.state import STATE_FILE, get_checkpoint_state, meta_graph_filename
from .. import progress
from .source import Source, path_of
from .text import bytes_text, count_text

HELP = "every checksum, slice and file; names what is damaged"


def add_arguments(parser):
    parser.add_argument("checkpoint", nargs="+", metavar="CHECKPOINT",
                        help="or a folder, for all that its state file names")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.set_defaults(func=run)


def run(options):
    reports = []
    for path in options.checkpoint:
        for report in _reports(path):
            reports.append(report)
            if not options.json:
                print(report.text(), flush=True)
    if options.json:
        print(json.dumps([vars(report) for report in reports], indent=1))
    return FOUND if any(report.damage for report in reports) else OK


class _Report:
    """What was found of one checkpoint or file.

    Attributes
    ----------
    path, format : str
    tensors, bytes : int       read and found whole
    damage : list of dict      {"name": tensor or file, "error": what is wrong}
    note : str or None         what is no damage but worth knowing
    """

    def __init__(self, path, format_=None):
        self.path, self.format, self.tensors, self.bytes, self.damage, self.note = path, format_, 0, 0, [], None

    def add(self, name, error):
        self.damage.append({"name": name, "error": str(error)})

    def text(self):
        what = f"{self.format}, {count_text(self.tensors, 'tensor')}, {bytes_text(self.bytes)}" if self.format else ""
        note = f" ({self.note})" if self.note else ""
        if not self.damage:
            return f"ok       {console.printable(self.path)}  {what}{note}"
        lines = [f"DAMAGED  {console.printable(self.path)}  {len(self.damage):,} damaged"
                 f"{f', whole: {what}' if what else ''}{note}"]
        return "\n".join([*lines, *(f"         {console.printable(d['name'])}: {console.printable(d['error'])}"
                                    for d in self.damage)])


# --- what a path stands for -------------------------------------------------------------------------

def _reports(path):
    """Yields the reports of what a path of the command line names; NotFoundError when that is nothing."""
    if not os.path.isdir(path):
        yield _checkpoint_report(path_of(path), is_named=True)
        return
    state = os.path.join(path, STATE_FILE)
    found = _named_by_state(path) if os.path.exists(state) else _in_folder(path)
    if found is None:
        report = _Report(state)
        report.add(STATE_FILE, "the state file cannot be read as one")
        yield report
        found = _in_folder(path)
    for prefix in found:
        yield _checkpoint_report(prefix, is_named=False)
    leftovers = [name for *_, name in own_files(path)]
    if leftovers:
        report = _Report(path)
        report.note = f"{count_text(len(leftovers), 'file')} of unfinished saves, which the next save settles"
        yield report


def _named_by_state(folder):
    """The checkpoints that the state file of a folder names; None when it is damaged."""
    try:
        state = get_checkpoint_state(folder)
    except ValueError:
        return None
    return state and list(dict.fromkeys([*state.all_model_checkpoint_paths, state.model_checkpoint_path]))


def _in_folder(folder):
    prefixes = [path.removesuffix(".index") for path in glob.glob(os.path.join(glob.escape(folder), "*.index"))]
    return sorted(prefixes) or [path_of(folder)]


# --- reading everything -----------------------------------------------------------------------------

def _checkpoint_report(path, is_named):
    """Everything that is read of one checkpoint; `is_named`: by the user, so that it must exist."""
    report = _Report(path)
    try:
        with Source(path) as source:
            report.format = source.format
            _read_all(source, report)
    except errors.NotFoundError as error:
        if is_named:
            raise
        report.add(os.path.basename(path), error)
    except errors.OpError as error:
        report.add(os.path.basename(path), error)
    _read_meta_graph(path, report)
    return report


def _read_all(source, report):
    sizes = {name: _nbytes(source, name) for name in source.names()}
    with progress.bar("reading", sum(sizes.values())) as advance:
        for name, nbytes in sizes.items():
            try:
                source.read(name)
                report.tensors, report.bytes = report.tensors + 1, report.bytes + nbytes
            except errors.OpError as error:
                report.add(name, error)
            advance(nbytes)


def _nbytes(source, name):
    """The size of a tensor as far as the index can be believed; what is wrong with it is found when it is read."""
    try:
        return source.nbytes(name) or 0
    except errors.OpError:
        return 0


def _read_meta_graph(path, report):
    """The meta graph of a checkpoint must be one, where there is one."""
    meta = meta_graph_filename(path)
    if not os.path.isfile(meta):
        return
    from google.protobuf.message import DecodeError

    from ...protos import MetaGraphDef
    try:
        with open(meta, "rb") as file:
            MetaGraphDef.FromString(file.read())
    except (OSError, DecodeError) as error:
        report.add(os.path.basename(meta), f"no meta graph: {error}")
