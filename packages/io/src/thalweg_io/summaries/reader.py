"""Reading event files: event by event, `tf.train.summary_iterator`, or a whole run by its tags, `RunReader`."""
import contextlib
import itertools
import os
import re

from thalweg.framework import errors

from ..atomic_file import translated
from ..records.records import TruncatedRecordError, read_records
from .series import series_of, stored_value


def summary_iterator(path):
    """Yields the Event messages of an event file; DataLossError at a damaged or cut one, after those before it."""
    return _events(path, read_records(path))


def _events(path, records):
    from google.protobuf.message import DecodeError

    from ..protos import Event
    for data in records:
        try:
            event = Event.FromString(data)
        except DecodeError as error:
            raise errors.DataLossError(None, None, f"{path}: a record is no Event: {error}") from error
        yield event


class RunReader:
    """All that a run has logged, by tag: the event files of a folder, in order of their names, or one file.

    It reads what TensorFlow 1.x's writers and those of 2.x write. A run that was taken up again at step S, which its
    SessionLog tells, has no values of the broken off part from step S on.

    Parameters
    ----------
    path : str          a folder, of which every file counts with `tfevents` in its name; or a file

    Raises
    ------
    NotFoundError       without that folder or file; also from every method, for a tag that is not there
    DataLossError       at damage, which it names with the file. The last record of a file that is cut is none: it is
                        still being written, and `reload` finds it
    """

    def __init__(self, path):
        self._path = os.fspath(path)
        self._sizes: dict = {}                               # file -> its size at the last look
        self._counts: dict = {}                              # file -> the records that were taken
        self._values: dict = {}                              # kind -> tag -> [(step, wall time, value)]
        self._plugins: dict = {}                             # tag -> the plugin that its metadata named
        self._graph_def = self._meta_graph_def = None
        self._session_logs, self._run_metadata = [], {}
        self.reload()

    def reload(self):
        """Reads what the files hold since the last look; gives itself."""
        for path in _event_files(self._path):
            for event in self._new_events(path):
                self._take(event)
        return self

    def _new_events(self, path):
        with translated(path):
            size = os.path.getsize(path)                     # before reading: what comes meanwhile changes it
        if size != self._sizes.get(path):
            known = self._counts.setdefault(path, 0)
            with contextlib.suppress(TruncatedRecordError):  # the last record is still being written
                for event in _events(path, itertools.islice(read_records(path), known, None)):
                    self._counts[path] += 1
                    yield event
            self._sizes[path] = size

    # --- what an event holds -------------------------------------------------------------------------

    def _take(self, event):
        kind = event.WhichOneof("what")
        if kind == "summary":
            for value in event.summary.value:
                self._take_value(event, value)
        elif kind == "graph_def":
            self._graph_def = event.graph_def
        elif kind == "meta_graph_def":
            self._meta_graph_def = event.meta_graph_def
        elif kind == "tagged_run_metadata":
            self._run_metadata[event.tagged_run_metadata.tag] = event.tagged_run_metadata.run_metadata
        elif kind == "session_log":
            self._session_logs.append((event.step, event.wall_time, event.session_log))
            if event.session_log.status == event.session_log.START:
                self._forget_from(event.step)

    def _take_value(self, event, value):
        if value.metadata.plugin_data.plugin_name:
            self._plugins.setdefault(value.tag, value.metadata.plugin_data.plugin_name)
        found = stored_value(value, self._plugins.get(value.tag, ""))
        if found is not None:
            kind, stored = found
            self._values.setdefault(kind, {}).setdefault(value.tag, []).append((event.step, event.wall_time, stored))

    def _forget_from(self, step):
        for tags in self._values.values():
            for rows in tags.values():
                rows[:] = [row for row in rows if row[0] < step]

    # --- answers -------------------------------------------------------------------------------------

    def tags(self):
        """{kind: tags} of what there is; kinds: scalars, histograms, images, audio, texts, tensors, hparams, and
        run_metadata."""
        found = {kind: [tag for tag, rows in tags.items() if rows] for kind, tags in sorted(self._values.items())}
        return {kind: tags for kind, tags in {**found, "run_metadata": list(self._run_metadata)}.items() if tags}

    def scalars(self, tag):
        """The Series of a scalar; values float64 [n]."""
        return self._series("scalars", tag)

    def histograms(self, tag):
        """The Series of a histogram; values are Histograms."""
        return self._series("histograms", tag)

    def images(self, tag):
        """The Series of an image; values are lists of EncodedImages, of one image where 1.x wrote them."""
        return self._series("images", tag)

    def audio(self, tag):
        """The Series of a sound; values are lists of EncodedAudio, of one sound where 1.x wrote them."""
        return self._series("audio", tag)

    def texts(self, tag):
        """The Series of a text; values are arrays of bytes objects."""
        return self._series("texts", tag)

    def tensors(self, tag):
        """The Series of a tensor that belongs to no other kind; values are arrays."""
        return self._series("tensors", tag)

    def hparams(self, tag):
        """The Series of a part of the hyperparameters (see `hparams`); values are HParamsPluginData messages."""
        return self._series("hparams", tag)

    def _series(self, kind, tag):
        tags = self._values.get(kind, {})
        if not tags.get(tag):
            raise self._lacks(f"{kind} {tag!r}", f"{kind}: {sorted(tags)}")
        return series_of(kind, tags[tag], f"{self._path}: {tag}")

    def _lacks(self, what, there):
        return errors.NotFoundError(None, None, f"{self._path}: there is no {what}; there are {there}")

    def graph(self):
        """The last graph that was logged, a GraphDef; that of the meta graph, where no other was."""
        from ..protos import GraphDef
        if self._graph_def is None:
            return self.meta_graph().graph_def
        return self._message(GraphDef, self._graph_def, "graph")

    def meta_graph(self):
        """The last MetaGraphDef that was logged."""
        from ..protos import MetaGraphDef
        if self._meta_graph_def is None:
            raise self._lacks("graph", str(self.tags()))
        return self._message(MetaGraphDef, self._meta_graph_def, "meta graph")

    def run_metadata(self, tag):
        """The RunMetadata message of a traced run."""
        from ..protos import RunMetadata
        if tag not in self._run_metadata:
            raise self._lacks(f"run metadata {tag!r}", str(sorted(self._run_metadata)))
        return self._message(RunMetadata, self._run_metadata[tag], f"run metadata {tag!r}")

    def session_logs(self):
        """[(step, wall time, SessionLog)]: when the run began, saved and ended."""
        return list(self._session_logs)

    def _message(self, message_class, data, what):
        from google.protobuf.message import DecodeError
        try:
            return message_class.FromString(data)
        except DecodeError as error:
            raise errors.DataLossError(None, None, f"{self._path}: the {what} is damaged: {error}") from error


def _event_files(path):
    """The event files of a folder in the order in which they were begun, or the file itself."""
    if not os.path.isdir(path):
        return [path]
    with translated(path):
        names = [name for name in os.listdir(path) if "tfevents" in name]
    return [os.path.join(path, name) for name in sorted(names, key=_in_order)]


def _in_order(name):
    """Numbers count as numbers: `host.7.2` comes before `host.7.10`."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"([0-9]+)", name)]
