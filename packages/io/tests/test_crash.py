"""No moment to kill a save, no failing call and no power cut loses the newest checkpoint.

Every call that changes files goes through `atomic_file.files`; here it is counted, broken, killed or forgotten.
"""
import collections
import errno
import os
import shutil
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from thalweg.framework import errors
from thalweg_io import atomic_file
from thalweg_io.atomic_file import FileSystem, write_file
from thalweg_io.checkpoints.bundle import commit, sharded
from thalweg_io.checkpoints.bundle.reader import BundleReader
from thalweg_io.checkpoints.bundle.writer import BundleWriter

CALLS = ("create", "write", "sync", "sync_folder", "rename", "remove", "remove_folder")


KILLED = 9                                           # exit status of a child that was killed


class Interrupted(FileSystem):
    """Does `last_call` calls; at the next one the process ends at once, or `failure` is raised."""

    def __init__(self, last_call, failure=None):
        super().__init__()
        self.calls, self.last_call, self.failure = 0, last_call, failure


def _counted(name):
    def method(self, *args):
        self.calls += 1
        if self.calls == self.last_call + 1:
            if self.failure is None:
                os._exit(KILLED)
            raise self.failure
        return getattr(FileSystem, name)(self, *args)
    return method


for _name in CALLS:
    setattr(Interrupted, _name, _counted(_name))


def save(prefix, number, parts=0):
    """A checkpoint in which everything tells its number; as `parts` merged ones if that is not 0."""
    value = np.full(50, number, np.float32)
    if not parts:
        with BundleWriter(prefix) as writer:
            writer.add("a", value)
            writer.add("b", np.array([b"x" * number], object))
        return
    prefixes = [f"{prefix}_temp_{0:032x}/part-{k:05d}-of-{parts:05d}" for k in range(parts)]
    for name, part in zip("ab", prefixes):
        with BundleWriter(part) as writer:
            writer.add(name, value if name == "a" else np.array([b"x" * number], object))
    sharded.merge(prefixes, prefix)


def number_in(prefix):
    """Which save a checkpoint is from, all of it."""
    with BundleReader(prefix) as reader:
        numbers = {*reader.read("a").tolist(), *map(len, reader.read("b").tolist())}
    assert len(numbers) == 1
    return int(numbers.pop())


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of its own for each crash point."""
    monkeypatch.setattr(sharded, "_owners", {})
    return str(tmp_path / "f")


def use(files, monkeypatch):
    for module in (atomic_file, commit, sharded):
        monkeypatch.setattr(module, "files", files)


def with_save_1(folder):
    shutil.rmtree(folder, ignore_errors=True)
    os.mkdir(folder)
    save(folder + "/m", 1)


def killed_at_each_call(folder, monkeypatch, action):
    """Runs `action` in a process that is killed at its first call, its second, ..., until it passes.

    Each time the folder has save 1 before. Yields whether it was killed.
    """
    for last_call in range(200):
        with_save_1(folder)
        child = os.fork()
        if not child:
            try:
                use(Interrupted(last_call), monkeypatch)
                action()
                os._exit(0)
            finally:
                os._exit(1)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert status in (0, KILLED)
        yield status == KILLED
        if status == 0:
            return
    raise AssertionError("the action never passes")


def failing_at_each_call(folder, monkeypatch, action, failure):
    """Likewise, but call after call raises `failure`. Yields the error that came of it, or None."""
    for last_call in range(200):
        with_save_1(folder)
        use(Interrupted(last_call, failure), monkeypatch)
        broken = None
        try:
            action()
        except errors.OpError as error:
            broken = error
        use(FileSystem(), monkeypatch)
        yield broken
        if broken is None:
            return
    raise AssertionError("the action never passes")


@pytest.mark.parametrize("parts", [0, 2])
@pytest.mark.parametrize("target", ["/m", "/m-2"])
def test_killed_at_any_call(folder, monkeypatch, parts, target):
    is_new_seen = []
    for is_killed in killed_at_each_call(folder, monkeypatch, lambda: save(folder + target, 2, parts)):
        newest = number_in(folder + target) if commit.exists(folder + target) else 1
        assert number_in(folder + "/m") == (newest if target == "/m" else 1)
        assert is_killed or newest == 2
        is_new_seen.append(newest == 2)
        save(folder + "/m-3", 3)
        assert number_in(folder + "/m-3") == 3
        expected = {"m": newest if target == "/m" else 1, "m-3": 3, **({"m-2": 2} if target == "/m-2" and
                                                                      newest == 2 else {})}
        left = collections.Counter(name.split(".")[0] for name in os.listdir(folder))
        assert set(left) == set(expected), os.listdir(folder)
        assert not [name for name in os.listdir(folder) if ".thw-" in name or "_temp_" in name]
        for name, number in expected.items():
            assert number_in(f"{folder}/{name}") == number
    assert is_new_seen == sorted(is_new_seen) and len(is_new_seen) > 10          # once it counts, it stays


@pytest.mark.parametrize("parts", [0, 2])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EACCES])
def test_a_failing_call_is_named_and_leaves_nothing(folder, monkeypatch, code, parts):
    failure = OSError(code, os.strerror(code))
    kinds = {errno.ENOSPC: errors.ResourceExhaustedError, errno.EIO: errors.UnknownError,
             errno.EACCES: errors.PermissionDeniedError}

    def action():
        try:
            save(folder + "/m-2", 2, parts)
        except BaseException:
            sharded.abandon(folder + "/m-2")
            raise

    for broken in failing_at_each_call(folder, monkeypatch, action, failure):
        assert number_in(folder + "/m") == 1
        if broken is not None:
            assert type(broken) is kinds[code] and os.strerror(code) in str(broken)
        is_there = commit.exists(folder + "/m-2")
        assert is_there or broken is not None
        if is_there:
            assert number_in(folder + "/m-2") == 2
        else:
            assert sorted(os.listdir(folder)) == ["m.data-00000-of-00001", "m.index"]


def test_dropping_is_finished_by_the_next_save(folder, monkeypatch):
    def action():
        write_file(folder + "/m.meta", b"graph")
        commit.drop(folder + "/m")

    for _ in killed_at_each_call(folder, monkeypatch, action):
        is_whole = commit.exists(folder + "/m")
        save(folder + "/n", 2)
        names = {name.partition(".")[0] for name in os.listdir(folder)}
        assert names == ({"m", "n"} if is_whole else {"n"})
        assert not [name for name in os.listdir(folder) if ".thw-" in name]
        if is_whole:
            assert number_in(folder + "/m") == 1


def test_dropping_spares_what_was_saved_anew(folder):
    os.mkdir(folder)
    save(folder + "/m", 1)
    os.rename(folder + "/m.index", folder + "/m.index.thw-0123456789abcdef.drop")        # killed here
    save(folder + "/m", 2)
    assert number_in(folder + "/m") == 2
    commit.drop(folder + "/missing")
    assert sorted(os.listdir(folder)) == ["m.data-00000-of-00001", "m.index"]


def test_files_of_living_writers_and_of_others_stay(folder):
    os.mkdir(folder)
    foreign = ["m-1.index.tempstate123", "notes.tmp", "x.thw-short.tmp", "m-9_temp_" + "0" * 32]
    for name in foreign[:3]:
        open(f"{folder}/{name}", "w").close()
    os.mkdir(f"{folder}/{foreign[3]}")
    open(f"{folder}/{foreign[3]}/part-00000-of-00001.index", "w").close()
    with BundleWriter(folder + "/slow") as slow:
        slow.add("a", np.zeros(3))
        save(folder + "/quick", 1)
        assert number_in(folder + "/quick") == 1
    with BundleReader(folder + "/slow") as reader:
        assert reader.read("a").shape == (3,)
    assert set(foreign) <= set(os.listdir(folder))


# --- power cuts -------------------------------------------------------------------------------------

class Disk(FileSystem):
    """Remembers what is certain to survive a power cut: bytes synced in files, names synced in folders."""

    def __init__(self, folder):
        super().__init__()
        self.folder, self.bytes_of, self.history = folder, {}, []
        self.names = {}                               # final state of the folder as of its last sync: name -> inode

    def sync(self, descriptor):
        super().sync(descriptor)
        with open(f"/proc/self/fd/{descriptor}", "rb") as file:
            self.bytes_of[os.fstat(descriptor).st_ino] = file.read()
        self.record()

    def sync_folder(self, path):
        super().sync_folder(path)
        self.names = {name: os.stat(f"{self.folder}/{name}").st_ino for name in os.listdir(self.folder)}
        self.record()

    def rename(self, source, target):
        super().rename(source, target)
        self.record()

    def remove(self, path):
        super().remove(path)
        self.record()

    def record(self):
        """What the folder may look like after a cut now: names as last synced, or as they are; unsynced bytes lost."""
        now = {name: os.stat(f"{self.folder}/{name}").st_ino for name in os.listdir(self.folder)}
        for names in (self.names, now):
            self.history.append({name: self.bytes_of.get(inode, b"") for name, inode in names.items()})


def test_power_cuts(folder, monkeypatch):
    """A save that has returned survives; the state before the first one had returned is the old checkpoint."""
    os.mkdir(folder)
    save(folder + "/m", 1)
    disk = Disk(folder)
    for name in os.listdir(folder):
        with open(f"{folder}/{name}", "rb") as file:
            disk.bytes_of[os.stat(file.name).st_ino] = file.read()
            disk.names[name] = os.stat(file.name).st_ino
    keep_alive = [open(f"{folder}/{name}", "rb") for name in os.listdir(folder)]         # inode numbers are not reused
    use(disk, monkeypatch)
    save(folder + "/m", 2)
    in_save = len(disk.history)
    save(folder + "/m", 3)
    use(FileSystem(), monkeypatch)
    for file in keep_alive:
        file.close()
    seen = []
    for step, state in enumerate(disk.history):
        other = f"{folder}-{step}"
        os.mkdir(other)
        for name, data in state.items():
            with open(f"{other}/{name}", "wb") as file:
                file.write(data)
        seen.append(number_in(other + "/m"))
        assert seen[-1] >= (1 if step < in_save else 2)
    assert set(seen) == {1, 2, 3}


# --- real kills, and a reader meanwhile ---------------------------------------------------------------

WRITER = textwrap.dedent("""
    import sys, numpy as np
    from thalweg_io.checkpoints.bundle.writer import BundleWriter
    prefix, number = sys.argv[1], int(sys.argv[2])
    while True:
        with BundleWriter(prefix) as writer:
            writer.add("a", np.full(50, number, np.float32))
            writer.add("b", np.array([b"x" * number], object))
        print(number, flush=True)
        number += 1
""")


@pytest.mark.parametrize("pause_ms", [30, 61, 97])
def test_a_reader_beside_a_writer_that_is_killed(folder, pause_ms):
    os.mkdir(folder)
    prefix = folder + "/m"
    save(prefix, 1)
    writer = subprocess.Popen([sys.executable, "-c", WRITER, prefix, "2"], stdout=subprocess.PIPE, text=True)
    writer.stdout.readline()
    newest = 2
    try:
        for _ in range(pause_ms):
            found = number_in(prefix)
            assert found >= newest
            newest = found
    finally:
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read().split()
        writer.wait()
    acknowledged = int(rest[-1]) if rest else 2
    assert number_in(prefix) >= acknowledged
    save(prefix, 1)
    assert sorted(os.listdir(folder)) == ["m.data-00000-of-00001", "m.index"]


def test_without_waiting_for_the_medium(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: pytest.fail("fsync was called"))
    atomic_file.durable_writes(False)
    try:
        save(str(tmp_path / "m"), 1)
        write_file(str(tmp_path / "x"), b"1")
    finally:
        atomic_file.durable_writes(True)
    assert number_in(str(tmp_path / "m")) == 1
