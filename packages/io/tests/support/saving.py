"""A program that saves with `tf.train.Saver`, and what a process that comes after it must find.

Save number n fills every variable with n, so that a checkpoint tells which save each of its tensors is from. The
functions run in a process of their own (`fresh.Nursery`).
"""
import ctypes
import logging
import os
import random
import resource
import signal
import tempfile
import time

import faults
import numpy as np

import thalweg as tf
from thalweg_io import atomic_file
from thalweg_io.checkpoints.reader import NewCheckpointReader

FOREIGN = ("m-1.index.tempstate123", "notes.tmp", "x.thw-short.tmp", "other.index")     # files that nobody may touch
ACKNOWLEDGED = ".ack"                                # beside the folder, with its name in front


class Mode:
    """How a program saves: with step numbers or to one prefix, how many are kept, in which files.

    Attributes
    ----------
    session, saver      ready to run: `prepare` has made them before the fork
    """

    def __init__(self, steps=False, keep=5, sharded=False, meta=True, version="V2"):
        self.steps, self.keep, self.sharded, self.meta = steps, keep, sharded, meta
        self.is_v1, self._version = version == "V1", getattr(tf.train.SaverDef, version)

    def prepare(self):
        with tf.Graph().as_default() as graph:
            self._number, self._assignments, self.variables = tf.placeholder(tf.float32, []), [], []
            for i, shape in enumerate(([50], [3, 5], [])):
                with tf.device(f"/cpu:{i % 2}" if self.sharded else "/cpu:0"):
                    variable = tf.get_variable(f"v{i}", shape, initializer=tf.zeros_initializer())
                    self._assignments.append(variable.assign(tf.fill(shape, self._number)))
                self.variables.append(variable)
            self.saver = tf.train.Saver(max_to_keep=self.keep, sharded=self.sharded, write_version=self._version)
            self.session = tf.Session()
        graph.finalize()
        with tempfile.TemporaryDirectory() as folder:                    # plans are made now, not in each child
            self.save(folder, 1)
            self.saver.restore(self.session, tf.train.latest_checkpoint(folder))
            self.session.run(self.variables)
        self.saver.set_last_checkpoints([])

    def save(self, folder, number):
        self.session.run(self._assignments, {self._number: float(number)})
        return self.saver.save(self.session, f"{folder}/m", global_step=number if self.steps else None,
                               write_meta_graph=self.meta)

    def go_on(self, folder):
        """The saver learns which checkpoints there are, as in a program that is started again."""
        state = tf.train.get_checkpoint_state(folder)
        if state is not None:
            self.saver.recover_last_checkpoints(list(state.all_model_checkpoint_paths))


MODES = {
    "same": Mode(), "keep1": Mode(steps=True, keep=1), "keep3": Mode(steps=True, keep=3),
    "plain": Mode(steps=True, keep=1, meta=False), "sharded": Mode(sharded=True),
    "sharded_keep1": Mode(steps=True, keep=1, sharded=True), "v1": Mode(version="V1"),
    "v1_sharded_keep1": Mode(steps=True, keep=1, sharded=True, version="V1"),
}


def prepare():
    """Makes the programs, before the forks."""
    logging.getLogger("thalweg").setLevel(logging.CRITICAL)
    for mode in MODES.values():
        mode.prepare()


# --- before, and what goes wrong ---------------------------------------------------------------------

def save(folder, mode, first, count=1):
    """Saves `count` times in a process that goes on with what is in the folder."""
    mode = MODES[mode]
    mode.go_on(folder)
    for number in range(first, first + count):
        mode.save(folder, number)


def save_killed(folder, mode, number, last_call, tear=False):
    """Saves once, in a process with `killer.c` that dies at its `last_call`-th call; gives how many there were."""
    killer = ctypes.CDLL(None)
    killer.killer_arm(os.fsencode(os.path.realpath(folder)), ctypes.c_long(last_call), int(tear))
    save(folder, mode, number)
    return killer.killer_count()


def save_failing(folder, mode, number, last_call, code, lasts=False):
    """Saves once; the `last_call`-th call to the file system raises OSError `code`, later ones too if that `lasts`.

    Gives the error, "" if the save has returned nevertheless, None if no call has failed.
    """
    files = faults.install(faults.Failing(last_call, code, lasts))
    try:
        save(folder, mode, number)
    except tf.errors.OpError as error:
        return f"{type(error).__name__}: {error}"
    finally:
        calls = files.calls
        faults.install(atomic_file.FileSystem())
    return "" if calls > last_call else None


def save_interrupted(folder, mode, number, last_call):
    """Saves once; instead of the `last_call`-th call comes the KeyboardInterrupt of a Ctrl-C.

    The same process then saves once more. Gives whether the interrupt came.
    """
    faults.install(faults.Interrupting(last_call))
    try:
        save(folder, mode, number)
    except KeyboardInterrupt:
        MODES[mode].save(folder, number + 1)
        return True
    return False


def save_forever(folder, mode, first):
    """Saves until the process is killed, and notes each save that has returned."""
    MODES[mode].go_on(folder)
    with open(folder + ACKNOWLEDGED, "a") as file:
        for number in range(first, 10**9):
            MODES[mode].save(folder, number)
            file.write(f"{number}\n")
            file.flush()


def save_until_killed(folder, mode, first, saves, seconds):
    """Likewise; so long after so many saves comes a SIGKILL from outside. Gives the last save that had returned."""
    child = os.fork()
    if not child:
        try:
            save_forever(folder, mode, first)
        finally:
            os._exit(1)
    while acknowledged(folder, first) < first - 1 + saves:
        time.sleep(0.001)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    return acknowledged(folder, first)


def acknowledged(folder, first):
    """The last save that had returned, by the file that notes them."""
    if not os.path.exists(folder + ACKNOWLEDGED):
        return first - 1
    with open(folder + ACKNOWLEDGED) as file:
        return int((file.read().split("\n")[-2:-1] or [first - 1])[0])


def save_at_limit(folder, mode, number, limit):
    """Saves once on a disk that may be full, or with files of at most `limit` bytes; gives the error, or None."""
    if limit is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        save(folder, mode, number)
    except tf.errors.OpError as error:
        return f"{type(error).__name__}: {error}"
    return None


def read_beside_writer(folder, mode, first, reads):
    """Reads so many times while a child saves, and until some saves have been seen; gives how many."""
    child = os.fork()
    if not child:
        try:
            save_forever(folder, mode, first)
        finally:
            os._exit(1)
    try:
        seen = {first - 1}
        while reads > 0 or len(seen) < 10:
            reads -= 1
            path = tf.train.latest_checkpoint(folder)
            try:
                number = number_in(path)
            except tf.errors.NotFoundError:          # dropped after it was asked for: only few are kept here
                assert MODES[mode].steps and tf.train.latest_checkpoint(folder) != path
                continue
            assert number >= max(seen)
            seen.add(number)
        return len(seen)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def save_beside_writer(folder, mode, saves, shared_state=False):
    """Saves to one prefix while a child saves to another, in the same folder; gives how many the child has saved."""
    child = os.fork()
    if not child:
        try:
            for number in range(1, 10**9):
                save_as("theirs", folder, mode, number, shared_state)
                with open(folder + ACKNOWLEDGED, "a") as file:
                    file.write(f"{number}\n")
        finally:
            os._exit(1)
    try:
        for number in range(1, saves + 1):
            path = save_as("m", folder, mode, number, shared_state)
            assert number_in(path) == number
    finally:
        os.kill(child, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status == -signal.SIGKILL, "the other writer has failed"
    finished = acknowledged(folder, 1)
    if not shared_state:
        theirs = tf.train.latest_checkpoint(folder, "theirs.state")
        assert number_in(theirs) in (finished, finished + 1)
    return finished


def save_as(prefix, folder, mode, number, shared_state):
    mode = MODES[mode]
    mode.session.run(mode._assignments, {mode._number: float(number)})
    return mode.saver.save(mode.session, f"{folder}/{prefix}", global_step=number,
                           latest_filename=None if shared_state else f"{prefix}.state", write_meta_graph=mode.meta)


# --- afterwards --------------------------------------------------------------------------------------

def number_in(path):
    """Which save a checkpoint is from, every tensor of it."""
    reader = NewCheckpointReader(path)
    found = {float(number) for name in reader.get_variable_to_shape_map()
             for number in np.ravel(reader.get_tensor(name))}
    assert len(found) == 1 and len(reader.get_variable_to_shape_map()) == 3, f"{path} mixes saves: {found}"
    return int(found.pop())


def found(folder, mode, at_least):
    """Checks (i) to (iv) of the protocol; gives the number of the newest checkpoint.

    (i) the newest checkpoint restores, all from one save; (ii) it is not older than the last save that had returned;
    (iii) its meta graph is there; (iv) every checkpoint in the state file is whole.
    """
    name, mode = mode, MODES[mode]
    path = tf.train.latest_checkpoint(folder)
    if path is None:
        assert at_least == 0, f"{name}: save {at_least} is lost: {sorted(os.listdir(folder))}"
        return 0
    mode.saver.restore(mode.session, path)
    values = mode.session.run(mode.variables)
    newest = number_in(path)
    assert {float(v) for value in values for v in np.ravel(value)} == {float(newest)}
    assert newest >= at_least, f"save {at_least} had returned, {newest} is the newest"
    if mode.meta:
        from thalweg_io.protos import MetaGraphDef
        with open(path.replace("-?????-of-00002", "") + ".meta", "rb") as file:
            assert MetaGraphDef.FromString(file.read()).graph_def.node
    for listed in tf.train.get_checkpoint_state(folder).all_model_checkpoint_paths:
        number_in(listed)
    return newest


def found_and_gone_on(folder, mode, at_least):
    """Likewise, and (v): the next save works and leaves its own files, those that are kept and nobody else's."""
    newest = found(folder, mode, at_least)
    name, mode = mode, MODES[mode]
    save(folder, name, newest + 2)                   # a number that the dead save had not: else it replaced its files
    assert found(folder, name, newest + 2) == newest + 2
    expected = {"checkpoint", *(f for f in FOREIGN if os.path.exists(f"{folder}/{f}"))}
    for path in tf.train.get_checkpoint_state(folder).all_model_checkpoint_paths:
        expected |= files_of(os.path.basename(path), mode)
    there = set(os.listdir(folder))
    assert there == expected, f"left over: {sorted(there - expected)}, missing: {sorted(expected - there)}"
    return newest


def files_of(name, mode):
    """The names of the files of a finished checkpoint."""
    parts = 2 if mode.sharded else 1
    name = name.replace("-?????-of-00002", "")
    if mode.is_v1:
        files = {f"{name}-{k:05d}-of-{parts:05d}" for k in range(parts)} if mode.sharded else {name}
    else:
        files = {f"{name}.index", *(f"{name}.data-{k:05d}-of-{parts:05d}" for k in range(parts))}
    return files | ({f"{name}.meta"} if mode.meta else set())


# --- power cuts --------------------------------------------------------------------------------------

def save_recorded(folder, mode, number, count, states_folder, seed, draws):
    """Saves `count` times on a disk that remembers what is synced, and writes every state that a power cut can leave.

    Gives [(folder with the state, how many of the saves had returned, how the state came about)].
    """
    mode = MODES[mode]
    mode.go_on(folder)
    disk = faults.Disk(folder, random.Random(seed), draws)
    faults.install(disk)                             # they share their lists; what is counted is counted there
    for n in range(number, number + count):
        mode.save(folder, n)
        atomic_file.files.acknowledged += 1
    faults.install(atomic_file.FileSystem())
    return disk.write_states(states_folder)
