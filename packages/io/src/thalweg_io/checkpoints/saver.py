"""`tf.train.Saver`: saves and restores variables, keeps the newest checkpoints, deletes the others."""
import contextlib
import logging
import os
import time

import numpy as np

from thalweg.framework import errors
from thalweg.framework.graph import get_default_graph
from thalweg.runtime.session import BaseSession

from ..atomic_file import translated
from ..graphs import meta_graph
from ..graphs.imported_files import reading_allowed, saving_allowed
from . import deferred, mismatch, removals
from . import state as checkpoint_state
from .bundle import sharded as sharded_bundle
from .saveables import default_variables
from .saver_builder import V1, V2, BaseSaverBuilder
from .v1 import files as v1_files

logger = logging.getLogger("thalweg.io")


def _check(is_right, name, value, expected):
    if not is_right:
        raise TypeError(f"{name} must be {expected}, not {value!r}")


class Saver:
    """Saves and restores variables.

    Parameters
    ----------
    var_list : list or dict {name in the checkpoint: variable}      None: all global variables and saveable objects
    reshape : bool                      restores into variables of another shape, equal in size
    sharded : bool                      each device writes a file of its own
    max_to_keep : int                   older checkpoints are deleted; None or 0 keeps all
    keep_checkpoint_every_n_hours : float       of the dropped ones, keeps one every so many hours
    name : str                          of the nodes' scope, "save" by default
    restore_sequentially : bool         reads each value when the one before is in place
    saver_def : SaverDef                uses the nodes that it names, instead of building any
    builder : BaseSaverBuilder          builds the nodes
    defer_build : bool                  builds them at `build()`, not now
    allow_empty : bool                  does nothing where there is nothing to save, instead of raising
    write_version : int                 SaverDef.V2, or V1 for the format of TensorFlow before 0.12
    pad_step_number : bool              writes the step with eight digits
    save_relative_paths : bool          the state file names checkpoints relative to its folder
    filename : str                      what is saved to when nobody feeds a path

    Raises
    ------
    ValueError      when there is nothing to save, a name or a variable occurs twice, or the format is neither
    TypeError       for something in `var_list` that is no variable
    """

    def __init__(self, var_list=None, reshape=False, sharded=False, max_to_keep=5,
                 keep_checkpoint_every_n_hours=10000.0, name=None, restore_sequentially=False, saver_def=None,
                 builder=None, defer_build=False, allow_empty=False, write_version=V2, pad_step_number=False,
                 save_relative_paths=False, filename=None):
        if defer_build and var_list:
            raise ValueError("If `var_list` is provided then build cannot be deferred. Either set defer_build=False "
                             "or var_list=None.")
        if write_version not in (V1, V2):
            raise ValueError(f"write_version={write_version}: tf.train.SaverDef.V2, which every TensorFlow since 0.12 "
                             "reads, or tf.train.SaverDef.V1")
        _check(max_to_keep is None or hasattr(max_to_keep, "__index__"), "max_to_keep", max_to_keep,
               "an int; None or 0 keeps all")
        _check(hasattr(keep_checkpoint_every_n_hours, "__float__"), "keep_checkpoint_every_n_hours",
               keep_checkpoint_every_n_hours, "a number of hours")
        _check(saver_def is None or hasattr(saver_def, "save_tensor_name"), "saver_def", saver_def,
               "a SaverDef message, as saver.as_saver_def() gives")
        _check(builder is None or hasattr(builder, "build"), "builder", builder, "a BaseSaverBuilder")
        self._var_list, self._reshape, self._sharded, self._name = var_list, reshape, sharded, name
        self._max_to_keep, self._keep_hours = max_to_keep, keep_checkpoint_every_n_hours
        self._restore_sequentially, self._builder, self._filename = restore_sequentially, builder, filename
        self._allow_empty, self._pad_step_number = allow_empty, pad_step_number
        self._save_relative_paths, self._write_version = save_relative_paths, write_version
        self.saver_def, self._is_built, self._is_empty = saver_def, False, False
        self._last_checkpoints = []                                  # (path, when it was written)
        self._saves = deferred.Queue()
        if not defer_build:
            self.build()
        elif saver_def is not None:
            self._check_saver_def()

    # --- building -----------------------------------------------------------------------------------

    def build(self):
        """Adds the nodes to the default graph; done by the constructor unless `defer_build`."""
        if self._is_built:
            return
        self._is_built = True
        if self.saver_def is None and not self._build_nodes():
            return
        self._check_saver_def()

    def _build_nodes(self):
        variables = default_variables() if self._var_list is None else self._var_list
        if not variables:
            if not self._allow_empty:
                raise ValueError("No variables to save. Make the saver after the variables, or pass allow_empty=True.")
            self._is_empty = True
            return False
        builder = self._builder or BaseSaverBuilder(self._write_version)
        self.saver_def = builder.build(
            variables, reshape=self._reshape, sharded=self._sharded, max_to_keep=self._max_to_keep, name=self._name,
            keep_checkpoint_every_n_hours=self._keep_hours, restore_sequentially=self._restore_sequentially,
            filename=self._filename)
        return True

    def _check_saver_def(self):
        saver_def = self.saver_def
        if not saver_def.save_tensor_name:
            raise ValueError(f"saver_def must specify the save_tensor_name: {saver_def}")
        if not saver_def.restore_op_name:
            raise ValueError(f"saver_def must specify the restore_op_name: {saver_def}")
        self._next_kept_time = time.time() + saver_def.keep_checkpoint_every_n_hours * 3600

    def as_saver_def(self):
        """The SaverDef message: the names of the nodes, and what to keep."""
        return self.saver_def

    to_proto = as_saver_def

    @staticmethod
    def from_proto(saver_def, import_scope=None):
        """A saver on nodes that are in the default graph already."""
        if import_scope:
            scoped = type(saver_def)()
            scoped.CopyFrom(saver_def)
            for field in ("filename_tensor_name", "save_tensor_name", "restore_op_name"):
                setattr(scoped, field, f"{import_scope}/{getattr(saver_def, field)}")
            saver_def = scoped
        return Saver(saver_def=saver_def, name=import_scope)

    # --- saving -------------------------------------------------------------------------------------

    def save(self, sess, save_path, global_step=None, latest_filename=None, meta_graph_suffix="meta",
             write_meta_graph=True, write_state=True, strip_default_attrs=False, save_debug_info=False):
        """Saves the variables' values.

        At every moment the newest finished checkpoint is whole: first the values appear, then the meta graph, then
        the state file names them, then dropped checkpoints are deleted.

        Parameters
        ----------
        sess : Session
        save_path : str                 path without an extension; its folder is made, if the one above exists
        global_step : int, Tensor or Variable       appended to the path: `model-100`
        latest_filename : str           name of the state file, "checkpoint" by default
        meta_graph_suffix : str         extension of the meta graph's file
        write_meta_graph, write_state : bool
        strip_default_attrs : bool      see `export_meta_graph`

        Returns
        -------
        str                             the path with the step, for `restore`; None where there is nothing to save

        Raises
        ------
        FailedPreconditionError         if a variable has no value
        ValueError                      if the path's parent does not exist, or collides with the state file
        ResourceExhaustedError ...      what the file system says; the checkpoints that were there stay whole
        """
        latest_filename = self._check_save(sess, save_path, latest_filename)
        save_path = os.fspath(save_path)
        self._saves.wait()
        path = self._numbered(sess, save_path, global_step, latest_filename)
        state_file = latest_filename if write_state else None
        with self._removals(path, state_file, meta_graph_suffix) as doomed:
            if not self._is_empty:
                with self._abandoning(save_path, path):
                    path = self._run_save_ops(sess, path)
            message = self._meta_graph_of(sess, strip_default_attrs) if write_meta_graph else None
            return self._complete(save_path, path, message, meta_graph_suffix, state_file, doomed)

    def save_async(self, sess, save_path, global_step=None, latest_filename=None, meta_graph_suffix="meta",
                   write_meta_graph=True, write_state=True, strip_default_attrs=False, save_debug_info=False):
        """Copies the variables' values and comes back; a thread saves them, as `save` does.

        Training goes on after the copy and, with `write_meta_graph`, after the graph has been put into a message.
        Saves of one saver are done in order; up to two hold copies, a third waits for the first. The interpreter's
        exit waits for all of them.

        Parameters
        ----------
        as `save`

        Returns
        -------
        concurrent.futures.Future       of the path that `save` gives; done when the checkpoint is on the medium. An
                                        error comes from `result()`; if nobody asks, it is logged

        Raises
        ------
        what `save` raises before it writes: for a variable without a value, an empty path, ...
        """
        latest_filename = self._check_save(sess, save_path, latest_filename)
        save_path = os.fspath(save_path)
        self._saves.make_room()
        path = self._numbered(sess, save_path, global_step, latest_filename)
        with deferred.collecting() as write:
            if not self._is_empty:
                path = self._run_save_ops(sess, path)
        message = self._meta_graph_of(sess, strip_default_attrs) if write_meta_graph else None
        state_file = latest_filename if write_state else None

        def finish():
            with self._removals(path, state_file, meta_graph_suffix) as doomed:
                with self._abandoning(save_path, path):
                    write()
                return self._complete(save_path, path, message, meta_graph_suffix, state_file, doomed)

        return self._saves.submit(path, finish)

    def _check_save(self, sess, save_path, latest_filename):
        """Raises for arguments of `save` that make no sense; gives the name of the state file."""
        self._check_is_built("save")
        latest_filename = latest_filename or checkpoint_state.STATE_FILE
        if os.path.split(latest_filename)[0]:
            raise ValueError("'latest_filename' must not contain path components")
        if not isinstance(sess, BaseSession):
            raise TypeError(f"'sess' must be a Session; {sess}")
        _check(isinstance(save_path, (str, os.PathLike)), "save_path", save_path, "a str or a path")
        if not os.fspath(save_path):
            raise ValueError("no path specified: save_path is empty")
        return latest_filename

    def _meta_graph_of(self, sess, strip_default_attrs):
        with sess.graph.as_default():
            return self.export_meta_graph(strip_default_attrs=strip_default_attrs)

    @contextlib.contextmanager
    def _removals(self, path, state_file, meta_graph_suffix):
        """The notes on what must go unless the state file names it; what dead savers have left to do comes first."""
        with translated(path):
            removals.finish(os.path.dirname(path))
        version = self.saver_def.version if self.saver_def is not None else V2
        with removals.Removals(state_file, meta_graph_suffix, version) as doomed:
            if state_file is not None and not self._is_empty and not checkpoint_state.checkpoint_exists(path):
                with translated(path):
                    doomed.add(path, is_new=True)
            yield doomed

    def _complete(self, save_path, path, message, meta_graph_suffix, state_file, doomed):
        """What follows the values: the meta graph `message` and the state file, where not None."""
        if message is not None:
            meta_path = checkpoint_state.meta_graph_filename(path, meta_graph_suffix)
            meta_graph.write_message(meta_path, message, as_text=False)
        if self._is_empty:
            return None
        if state_file is not None:
            self._write_state(os.path.dirname(save_path), path, state_file, doomed)
        return path

    def _write_state(self, folder, path, latest_filename, doomed):
        """Names the new checkpoint in the state file, and notes those that are dropped to be deleted after that."""
        kept, dropped = self._after(path)
        for old, _ in dropped:
            if os.path.isdir(os.path.dirname(old) or "."):
                with translated(old):
                    doomed.add(old)
        try:
            checkpoint_state.update_checkpoint_state(folder, path, [name for name, _ in kept], latest_filename,
                                                     save_relative_paths=self._save_relative_paths)
        except BaseException:
            if removals.is_named(path, latest_filename):          # interrupted after it was written
                self._last_checkpoints = kept
            raise
        self._last_checkpoints = kept

    def _check_is_built(self, method):
        if not self._is_built:
            raise RuntimeError(f"`build()` should be called before {method} if defer_build==True")

    def _numbered(self, sess, save_path, global_step, latest_filename):
        if global_step is None:
            if os.path.basename(save_path) == latest_filename and not self._sharded:
                raise ValueError(f"'latest_filename' collides with 'save_path': {latest_filename!r} and {save_path!r}")
            return save_path
        if not hasattr(global_step, "__index__"):
            global_step = sess.run(global_step)
        _check(np.ndim(global_step) == 0, "global_step", global_step, "one number")
        number = f"{int(global_step):08d}" if self._pad_step_number else f"{int(global_step):d}"
        return f"{save_path}-{number}"

    def _run_save_ops(self, sess, path):
        """Saves the values, or copies of them where this thread collects; gives the path that a restore takes."""
        with saving_allowed(path):
            return sess.run(self.saver_def.save_tensor_name, {self.saver_def.filename_tensor_name: path}).decode()

    @contextlib.contextmanager
    def _abandoning(self, save_path, path):
        """Where writing the values fails, deletes what there is of them."""
        try:
            yield
        except BaseException as error:
            folder = os.path.dirname(save_path)
            if folder and not os.path.isdir(folder):
                raise ValueError(f"Parent directory of {save_path} doesn't exist, can't save.") from error
            sharded_bundle.abandon(path)
            v1_files.abandon(save_path, path)
            raise

    # --- which are kept -----------------------------------------------------------------------------

    @property
    def last_checkpoints(self):
        """The paths of the checkpoints that are kept, the oldest first; `restore` takes each."""
        return [path for path, _ in self._last_checkpoints]

    def set_last_checkpoints(self, last_checkpoints):
        """Takes these paths, the oldest first, for the checkpoints to keep."""
        if not isinstance(last_checkpoints, list):
            raise AssertionError(f"last_checkpoints must be a list, not {type(last_checkpoints).__name__}")
        self._last_checkpoints = [(path, float("inf")) for path in last_checkpoints]

    def set_last_checkpoints_with_time(self, last_checkpoints_with_time):
        """Likewise with the times: a list of (path, seconds since 1970)."""
        if not isinstance(last_checkpoints_with_time, list):
            raise AssertionError("last_checkpoints_with_time must be a list, not "
                                 f"{type(last_checkpoints_with_time).__name__}")
        self._last_checkpoints = last_checkpoints_with_time

    def recover_last_checkpoints(self, checkpoint_paths):
        """Takes those of `checkpoint_paths` that exist, the oldest first, for the checkpoints to keep.

        For a process that starts again and is to go on deleting what an earlier one has saved.
        """
        found = [path for path in checkpoint_paths if checkpoint_state.checkpoint_exists(path)]
        times = checkpoint_state.get_checkpoint_mtimes(found)
        self.set_last_checkpoints_with_time(list(zip(found, times)))

    def _after(self, path):
        """(checkpoints that are kept once `path` is there, those that then go), as lists of (path, time)."""
        if not self.saver_def.max_to_keep:
            return [], []
        kept = [item for item in self._last_checkpoints if item[0] != path] + [(path, time.time())]
        if len(kept) <= self.saver_def.max_to_keep:
            return kept, []
        oldest, *kept = kept
        if oldest[1] > self._next_kept_time:                  # old enough to be the one that is kept for these hours
            self._next_kept_time += self.saver_def.keep_checkpoint_every_n_hours * 3600
            return kept, []
        return kept, [oldest]

    # --- restoring ----------------------------------------------------------------------------------

    def restore(self, sess, save_path):
        """Sets the variables to the values of a checkpoint; they need no initialization before.

        All values are checked before the first variable is written: after an error all are as they were (with
        `restore_sequentially`, and from several shards, those before the damage may be new). Large values are then
        read again, straight into the variables; only a data file that is changed in place between the two readings,
        which no saver does, leaves a variable half written, and that is an error too.

        Parameters
        ----------
        sess : Session
        save_path : str         what `save` gave, or `latest_checkpoint`

        Raises
        ------
        ValueError              if `save_path` is None or no checkpoint
        NotFoundError           if the checkpoint lacks a variable
        InvalidArgumentError    if a variable has another shape or dtype there
        DataLossError           if the checkpoint is damaged
        """
        if self._is_empty:
            return
        self._check_is_built("restore")
        if save_path is None:
            raise ValueError("Can't load save_path when it is None. latest_checkpoint gives None for a folder without "
                             "checkpoints.")
        _check(hasattr(sess, "run"), "sess", sess, "a Session")           # a MonitoredSession, too
        _check(isinstance(save_path, (str, bytes, os.PathLike)), "save_path", save_path, "a str or a path")
        save_path = os.fsdecode(save_path)
        self._saves.wait()
        whole = checkpoint_state.whole_prefix(save_path)
        if whole is not None:
            raise ValueError(f"The passed save_path is not a valid checkpoint: {save_path} is a file of the "
                             f"checkpoint {whole}; pass {whole!r}")
        if not checkpoint_state.checkpoint_exists(save_path):
            raise ValueError(f"The passed save_path is not a valid checkpoint: {save_path}; "
                             f"{checkpoint_state.what_is_near(save_path)}")
        logger.info("Restoring parameters from %s", save_path)
        try:
            with reading_allowed(save_path):
                sess.run(self.saver_def.restore_op_name, {self.saver_def.filename_tensor_name: save_path})
        except (errors.NotFoundError, errors.InvalidArgumentError) as error:
            raise mismatch.explained(error, sess.graph, self.saver_def.restore_op_name, save_path) from error

    # --- the graph beside it ------------------------------------------------------------------------

    def export_meta_graph(self, filename=None, collection_list=None, as_text=False, export_scope=None,
                          clear_devices=False, clear_extraneous_savers=False, strip_default_attrs=False,
                          save_debug_info=False):
        """The MetaGraphDef of the default graph with this saver in it, written to `filename` where one is given."""
        return meta_graph.export_meta_graph(
            filename, saver_def=self.saver_def, collection_list=collection_list, as_text=as_text,
            graph=get_default_graph(), export_scope=export_scope, clear_devices=clear_devices,
            clear_extraneous_savers=clear_extraneous_savers, strip_default_attrs=strip_default_attrs)
