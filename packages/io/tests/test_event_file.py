"""Event files under full disks, kills, forks and several writers: what is there stays readable."""
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap

import pytest

import thalweg as tf
from thalweg_io import atomic_file
from thalweg_io.summaries.reader import RunReader


def scalar(value, tag="a"):
    return tf.Summary(value=[tf.Summary.Value(tag=tag, simple_value=value)])


def steps(folder, tag="a"):
    return RunReader(folder).scalars(tag).steps.tolist()


class FullDisk(atomic_file.FileSystem):
    """Takes so many bytes, and of a larger write a part."""

    def __init__(self, room):
        super().__init__()
        self.room = room

    def write(self, descriptor, data):
        taken = data[:self.room]
        super().write(descriptor, taken)
        self.room -= len(taken)
        if len(taken) < len(data):
            raise OSError(28, "No space left on device")


@pytest.mark.parametrize("room", range(0, 150, 7))
def test_a_full_disk(tmp_path, monkeypatch, room):
    """What did not fit is told, the file is whole, and the events come once there is room."""
    from thalweg_io.summaries import event_file
    writer = tf.summary.FileWriter(str(tmp_path), max_queue=3)
    writer.add_summary(scalar(0.0), 0)
    writer.flush()
    monkeypatch.setattr(event_file, "files", FullDisk(room))
    failures = 0
    for step in range(1, 10):
        try:
            writer.add_summary(scalar(0.0), step)
        except tf.errors.ResourceExhaustedError as error:
            assert str(tmp_path) in str(error) and "No space left" in str(error)
            failures += 1
    assert failures
    path, = tmp_path.iterdir()
    assert [event.step for event in tf.train.summary_iterator(str(path))][1:] == steps(tmp_path)
    monkeypatch.undo()
    writer.close()
    assert steps(tmp_path) == list(range(10))


@pytest.mark.parametrize("limit", [0, 60, 61, 200])
def test_a_limit_of_the_file_size(tmp_path, limit):
    """The operating system's own refusal, in the middle of a record."""
    program = textwrap.dedent("""
        import resource, signal, sys
        import thalweg as tf
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
        try:
            writer = tf.summary.FileWriter(sys.argv[1], max_queue=2)
            for step in range(100):
                writer.add_summary(tf.Summary(value=[tf.Summary.Value(tag="a", simple_value=1.0)]), step)
        except tf.errors.OutOfRangeError as error:
            print(error)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    """)
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path), str(limit)], capture_output=True, text=True)
    assert done.returncode == 0 and "File too large" in done.stdout, done.stderr
    files = list(tmp_path.iterdir())
    assert all(list(tf.train.summary_iterator(str(path))) or limit == 0 for path in files)


def test_a_killed_process(tmp_path):
    """Nothing that was flushed is lost, wherever the kill strikes."""
    program = textwrap.dedent("""
        import sys
        import thalweg as tf
        writer = tf.summary.FileWriter(sys.argv[1], max_queue=1000)
        step = 0
        while True:
            for _ in range(50):
                writer.add_summary(tf.Summary(value=[tf.Summary.Value(tag="a", simple_value=1.0)]), step)
                step += 1
            writer.flush()
            print(step, flush=True)
    """)
    for turn in range(3):
        folder = tmp_path / str(turn)
        command = [sys.executable, "-c", program, str(folder)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            for _ in range(3 + turn):
                child.stdout.readline()
            child.send_signal(signal.SIGKILL)
            told = [3 + turn, *map(int, child.stdout.read().split())][-1]
        found = steps(folder)
        assert found == list(range(len(found))) and len(found) >= told


def test_an_event_cut_by_a_kill(tmp_path):
    """Whatever part of the last record reached the file: those before are read, and a new writer goes on."""
    with tf.summary.FileWriter(str(tmp_path)) as writer:
        for step in range(3):
            writer.add_summary(scalar(0.0), step)
    path, = tmp_path.iterdir()
    whole = path.read_bytes()
    for size in range(len(whole) - 20, len(whole)):
        path.write_bytes(whole[:size])
        assert steps(tmp_path) == [0, 1]
    with tf.summary.FileWriter(str(tmp_path)) as writer:
        writer.add_summary(scalar(0.0), 2)
    assert steps(tmp_path) == [0, 1, 2]


def write_some(folder, tag):
    with tf.summary.FileWriter(folder) as writer:
        for step in range(20):
            writer.add_summary(scalar(1.0, tag), step)


def test_several_writers_in_one_folder(tmp_path):
    """In one process and in several, all in the same second."""
    writers = [tf.summary.FileWriter(str(tmp_path)) for _ in range(12)]
    for k, writer in enumerate(writers):
        writer.add_summary(scalar(1.0, f"own{k}"), k)
        writer.close()
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        pool.starmap(write_some, [(str(tmp_path), f"child{k}") for k in range(4)])
    run = RunReader(tmp_path)
    assert all(run.scalars(f"own{k}").steps.tolist() == [k] for k in range(12))
    assert all(run.scalars(f"child{k}").steps.tolist() == list(range(20)) for k in range(4))


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_child_cannot_use_its_parents_writer(tmp_path):
    writer = tf.summary.FileWriter(str(tmp_path))
    child = os.fork()
    if not child:
        try:
            writer.add_summary(scalar(0.0), 1)
        except tf.errors.FailedPreconditionError as error:
            os._exit(0 if "make a FileWriter in each process" in str(error) else 2)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    writer.close()


def test_a_close_that_fails_closes(tmp_path, monkeypatch):
    from thalweg_io.summaries import event_file
    writer = tf.summary.FileWriter(str(tmp_path))
    writer.add_summary(scalar(0.0), 1)
    monkeypatch.setattr(event_file, "files", FullDisk(10))
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(tf.errors.ResourceExhaustedError):
        writer.close()
    assert len(os.listdir("/proc/self/fd")) == before - 1
    writer.close()


def test_what_is_no_event(tmp_path):
    writer = tf.summary.FileWriter(str(tmp_path))
    for call, match in ((lambda: writer.add_event("x"), "event must be an Event message, not str"),
                        (lambda: writer.add_summary("x"), "summary must be bytes.*not str"),
                        (lambda: writer.add_run_metadata("x", "t"), "run_metadata must be RunMetadata, not str"),
                        (lambda: writer.add_session_log("x"), "SessionLog")):
        with pytest.raises(TypeError, match=match):
            call()
    with pytest.raises(tf.errors.InvalidArgumentError, match="these 2 bytes are no Summary"):
        writer.add_summary(b"\xff\xff")
    writer.add_run_metadata(tf.RunMetadata(), "t")                  # a refused one does not use its tag up
    writer.close()
    assert RunReader(tmp_path).tags() == {"run_metadata": ["t"]}


def test_an_event_above_two_gigabytes(tmp_path, monkeypatch):
    from google.protobuf.message import EncodeError

    class Huge:
        def SerializeToString(self, deterministic):
            raise EncodeError("Failed to serialize proto")

    writer = tf.summary.FileWriter(str(tmp_path))
    with pytest.raises(tf.errors.InvalidArgumentError, match="a Huge message cannot be written, it is too large"):
        writer.add_event(Huge())
    writer.close()


def test_metadata_are_in_each_file(tmp_path):
    summary = scalar(1.0)
    summary.value[0].metadata.display_name = "shown"
    writer = tf.summary.FileWriter(str(tmp_path))
    writer.add_summary(summary, 0)
    writer.close()
    writer.reopen()
    writer.add_summary(summary, 1)
    writer.close()
    for path in tmp_path.iterdir():
        last = list(tf.train.summary_iterator(str(path)))[-1]
        assert last.summary.value[0].metadata.display_name == "shown"


def test_no_descriptor_and_no_empty_file_is_left_behind(tmp_path, monkeypatch):
    from thalweg_io.summaries import event_file
    before = len(os.listdir("/proc/self/fd"))
    with monkeypatch.context() as patch:
        patch.setattr(event_file, "files", FullDisk(10))
        with pytest.raises(tf.errors.ResourceExhaustedError):
            tf.summary.FileWriter(str(tmp_path))
    assert not os.listdir(tmp_path)
    for _ in range(5):
        tf.summary.FileWriter(str(tmp_path)).close()
    assert len(os.listdir("/proc/self/fd")) == before
