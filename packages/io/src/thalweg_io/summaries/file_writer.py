"""Writing event files, which TensorBoard shows: `tf.summary.FileWriter`."""
import os
import threading
import time
import warnings
import weakref

from thalweg.framework import errors
from thalweg.framework.graph import Graph
from thalweg.runtime.config import RunMetadata

from .event_file import EventFile, serialized


class FileWriter:
    """Writes summaries, graphs and logs to a new event file in a folder; every method may be called from any thread.

    Parameters
    ----------
    logdir : str                the folder; it is made
    graph : Graph               written at once
    max_queue : int             so many events are kept before they are handed to the operating system
    flush_secs : float          and none for longer than this, once another one comes
    graph_def : GraphDef        the older way of giving a graph
    filename_suffix : str       at the end of the file's name
    session : Session           accepted, and not needed: TensorFlow then writes by ops of the session's graph

    Raises
    ------
    OpError                     also from the methods, when the operating system does not take the events: of the kind
                                that tells why (ResourceExhaustedError: the disk is full). The file stays readable, the
                                events are kept, and the next flush writes them
    """

    def __init__(self, logdir, graph=None, max_queue=10, flush_secs=120, graph_def=None, filename_suffix=None,
                 session=None):
        self._logdir, self._suffix = os.fspath(logdir), filename_suffix
        self._max_queue, self._flush_secs = max_queue, flush_secs
        self._lock, self._file = threading.RLock(), None
        self._run_tags = set()
        self._open()
        if graph is not None or graph_def is not None:
            self.add_graph(graph=graph, graph_def=graph_def)
        if graph is not None:
            from ..graphs.meta_graph import export_meta_graph
            self.add_meta_graph(export_meta_graph(graph=graph))

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def _open(self):
        self._tags_with_metadata = set()             # each file has them, and can be read alone
        self._file = EventFile(self._logdir, self._suffix)
        self._closer = weakref.finalize(self, EventFile.close, self._file)
        self._last_flush = time.monotonic()

    def get_logdir(self):
        """The folder."""
        return self._logdir

    # --- adding --------------------------------------------------------------------------------------

    def add_event(self, event):
        """Adds an Event message as it is; TypeError for another. After `close` nothing is added, with a warning."""
        if not hasattr(event, "SerializeToString"):
            raise TypeError(f"event must be an Event message, not {type(event).__name__}")
        with self._lock:
            if self._file is None:
                warnings.warn("Attempting to use a closed FileWriter. Nothing is written until it is reopened.",
                              stacklevel=3)
                return
            self._file.add(event)
            if self._file.count >= self._max_queue or time.monotonic() - self._last_flush >= self._flush_secs:
                self.flush()

    def _add(self, step, **content):
        self.add_event(_event(step, **content))

    def add_summary(self, summary, global_step=None):
        """Adds what a summary tensor gave (bytes), or a Summary message.

        Metadata of a tag are written with its first value only.

        Raises
        ------
        InvalidArgumentError        for bytes that are no Summary
        TypeError                   for anything else
        """
        event = _event(global_step)
        _fill_summary(event.summary, summary)
        with self._lock:
            for value in event.summary.value:
                if value.HasField("metadata"):
                    if value.tag in self._tags_with_metadata:
                        value.ClearField("metadata")
                    self._tags_with_metadata.add(value.tag)
            self.add_event(event)

    def add_session_log(self, session_log, global_step=None):
        """Adds a SessionLog message: START, STOP or CHECKPOINT; TypeError for another."""
        self._add(global_step, session_log=session_log)

    def add_graph(self, graph, global_step=None, graph_def=None):
        """Adds a graph, with the static shapes of its tensors.

        Raises
        ------
        TypeError       for what is neither a Graph nor a GraphDef
        ValueError      for both, or none
        """
        from ..protos import GraphDef
        if graph is not None and graph_def is not None:
            raise ValueError("Please pass only graph, or graph_def (deprecated), but not both.")
        if isinstance(graph, Graph):
            graph_def = graph.as_graph_def(add_shapes=True)
        elif graph is not None:
            graph_def = graph
        if graph_def is None:
            raise ValueError("Please pass a graph.")
        if not isinstance(graph_def, GraphDef):
            raise TypeError("The passed graph must be an instance of `Graph` or the deprecated `GraphDef`")
        self._add(global_step, graph_def=serialized(graph_def, self._logdir))

    def add_meta_graph(self, meta_graph_def, global_step=None):
        """Adds a MetaGraphDef message; TypeError for anything else."""
        from ..protos import MetaGraphDef
        if not isinstance(meta_graph_def, MetaGraphDef):
            raise TypeError(f"meta_graph_def must be type MetaGraphDef, saw type: {type(meta_graph_def)}")
        self._add(global_step, meta_graph_def=serialized(meta_graph_def, self._logdir))

    def add_run_metadata(self, run_metadata, tag, global_step=None):
        """Adds what a traced run reported, for the colours of TensorBoard's graph page.

        Raises
        ------
        ValueError      for a tag that was given before
        TypeError       for anything but RunMetadata
        """
        from ..protos import TaggedRunMetadata
        with self._lock:
            if tag in self._run_tags:
                raise ValueError("The provided tag was already used for this event type")
            message = run_metadata_message(run_metadata) if isinstance(run_metadata, RunMetadata) else run_metadata
            if not hasattr(message, "SerializeToString"):
                raise TypeError(f"run_metadata must be RunMetadata, not {type(message).__name__}")
            self._run_tags.add(tag)
            self._add(global_step, tagged_run_metadata=TaggedRunMetadata(
                tag=tag, run_metadata=message.SerializeToString()))

    # --- the file ------------------------------------------------------------------------------------

    def flush(self):
        """Hands all events to the operating system."""
        with self._lock:
            if self._file is not None:
                self._file.flush()
                self._last_flush = time.monotonic()

    def close(self):
        """Flushes and closes the file; may be called again."""
        with self._lock:
            if self._file is not None:
                self._file = None
                self._closer()

    def reopen(self):
        """After `close`, goes on in a new file; else does nothing."""
        with self._lock:
            if self._file is None:
                self._open()


def _event(step, **content):
    from ..protos import Event
    event = Event(wall_time=time.time(), **content)
    if step is not None:
        event.step = int(step)
    return event


def _fill_summary(message, summary):
    """Fills a Summary message from bytes, or from a message."""
    from google.protobuf.message import DecodeError
    if isinstance(summary, type(message)):
        message.CopyFrom(summary)
        return
    if hasattr(summary, "SerializeToString"):                # of another package's class
        summary = summary.SerializeToString()
    if not isinstance(summary, bytes):
        raise TypeError(f"summary must be bytes, as a summary tensor gives, or a Summary message, not "
                        f"{type(summary).__name__}")
    message.SetInParent()
    try:
        message.MergeFromString(summary)
    except DecodeError as error:
        raise errors.InvalidArgumentError(None, None, f"these {len(summary)} bytes are no Summary: {error}") from error


def run_metadata_message(run_metadata):
    """The RunMetadata message of a traced run: per device, when each op began and ended."""
    from ..protos import RunMetadata as Message
    message, devices = Message(), {}
    for name, op_type, device, start_ns, duration_ns in run_metadata.step_stats:
        if device not in devices:
            devices[device] = message.step_stats.dev_stats.add(device=device)
        end_us = -(-duration_ns // 1000)             # rounded up: to TensorBoard, what took no time did not run
        devices[device].node_stats.add(
            node_name=name, timeline_label=f"{name} = {op_type}", all_start_micros=start_ns // 1000,
            op_end_rel_micros=end_us, all_end_rel_micros=end_us, all_start_nanos=start_ns,
            op_end_rel_nanos=duration_ns, all_end_rel_nanos=duration_ns)
    return message


class FileWriterCache:
    """One FileWriter per folder for a whole program."""

    _writers: dict = {}
    _lock = threading.RLock()

    @staticmethod
    def get(logdir):
        """The writer of a folder, made when it is first asked for."""
        with FileWriterCache._lock:
            if logdir not in FileWriterCache._writers:
                FileWriterCache._writers[logdir] = FileWriter(logdir)
            return FileWriterCache._writers[logdir]

    @staticmethod
    def clear():
        """Closes all writers and forgets them."""
        with FileWriterCache._lock:
            for writer in FileWriterCache._writers.values():
                writer.close()
            FileWriterCache._writers.clear()
