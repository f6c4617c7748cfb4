"""save_async: values of the moment of the call, in order, durable when the future is done; and nobody is blocked."""
import gc
import logging
import os
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest

import thalweg as tf
from thalweg_io import atomic_file
from thalweg_io.checkpoints import deferred


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


class Gate(atomic_file.FileSystem):
    """Waits at the first write of each file until the gate is open."""

    def __init__(self):
        super().__init__()
        self.is_open, self.reached = threading.Event(), threading.Event()

    def write(self, descriptor, data):
        self.reached.set()
        assert self.is_open.wait(30)
        super().write(descriptor, data)


@pytest.fixture
def gate(monkeypatch):
    gate = Gate()
    monkeypatch.setattr(atomic_file, "files", gate)
    yield gate
    gate.is_open.set()


@pytest.fixture
def counting():
    """(session, saver, operation that adds 1 to a large variable)"""
    variable = tf.get_variable("v", initializer=np.zeros(300_000, np.float32))
    text = tf.get_variable("s", initializer=np.array(b"x", object))
    saver = tf.train.Saver(max_to_keep=2)
    step = tf.group(variable.assign_add(tf.ones([300_000])), text.assign(text))
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        yield session, saver, step


def number_in(path):
    (number,) = set(tf.train.load_variable(path, "v").tolist())
    return number


@pytest.mark.parametrize("options", [{}, {"sharded": True}, {"write_version": 1},
                                     {"write_version": 1, "sharded": True}])
def test_values_are_those_of_the_call(tmp_path, counting, gate, options):
    session, _, step = counting
    saver = tf.train.Saver(max_to_keep=2, **options)
    futures = []
    for k in range(2):
        futures.append(saver.save_async(session, str(tmp_path / "m"), global_step=k))
        session.run(step)
    assert not any(future.done() for future in futures) and saver.last_checkpoints == []
    gate.is_open.set()
    paths = [future.result(30) for future in futures]
    assert [number_in(path) for path in paths] == [0, 1]
    assert saver.last_checkpoints == paths and tf.train.latest_checkpoint(str(tmp_path)) == paths[-1]
    assert {"m-0.meta", "m-1.meta"} <= set(os.listdir(tmp_path))
    assert not [name for name in os.listdir(tmp_path) if ".thw-" in name or "_temp_" in name]
    saver.restore(session, paths[0])
    assert session.run("v:0")[0] == 0


def test_saves_stay_in_order(tmp_path, counting):
    session, saver, step = counting
    futures = []
    for k in range(5):
        futures.append(saver.save_async(session, str(tmp_path / "m"), k, write_meta_graph=False))
        session.run(step)
    last = saver.save(session, str(tmp_path / "m"), 5, write_meta_graph=False)
    assert all(future.done() for future in futures) and number_in(last) == 5
    assert saver.last_checkpoints == [futures[-1].result(), last]
    assert sorted(os.listdir(tmp_path)) == ["checkpoint", *[f"m-{k}.{end}" for k in (4, 5) for end in
                                                           ("data-00000-of-00001", "index")]]


def test_a_third_save_waits_for_the_first(tmp_path, counting, gate):
    session, saver, _ = counting
    futures = [saver.save_async(session, str(tmp_path / "m"), k) for k in range(2)]
    opened_at = []

    def open_gate():
        opened_at.append([future.done() for future in futures])
        gate.is_open.set()

    timer = threading.Timer(0.2, open_gate)
    timer.start()
    futures.append(saver.save_async(session, str(tmp_path / "m"), 2))
    assert opened_at == [[False, False]] and futures[0].done()
    assert futures[2].result(30) == str(tmp_path / "m-2")


@pytest.mark.parametrize("is_async", [False, True])
def test_a_step_runs_while_a_save_writes(tmp_path, counting, gate, is_async):
    session, saver, step = counting
    save = saver.save_async if is_async else saver.save
    thread = threading.Thread(target=save, args=(session, str(tmp_path / "m")))
    thread.start()
    assert gate.reached.wait(30)
    for _ in range(3):                                # would hang if a save kept others out
        session.run(step)
    assert session.run("v:0")[0] == 3
    gate.is_open.set()
    thread.join()
    saver.restore(session, str(tmp_path / "m"))
    if is_async:
        assert session.run("v:0")[0] == 0


def test_errors_come_from_the_future_or_are_logged(tmp_path, counting, monkeypatch, caplog):
    session, saver, _ = counting
    kept = saver.save(session, str(tmp_path / "m"), 1)
    before = sorted(os.listdir(tmp_path))
    monkeypatch.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(OSError(28, "No space left")))
    with caplog.at_level(logging.ERROR):
        future = saver.save_async(session, str(tmp_path / "m"), 2)
        with pytest.raises(tf.errors.ResourceExhaustedError, match="No space left"):
            future.result(30)
        del future
        gc.collect()
        assert not caplog.records
        saver.save_async(session, str(tmp_path / "m"), 3)
        saver._saves.wait()
        gc.collect()
    assert "m-3 failed, and nobody asked for the outcome" in caplog.text and "No space left" in caplog.text
    monkeypatch.undo()
    assert sorted(os.listdir(tmp_path)) == before and saver.last_checkpoints == [kept]
    with pytest.raises(ValueError, match="Parent directory of .* doesn't exist"):
        saver.save_async(session, str(tmp_path / "x/y/m")).result(30)
    assert saver.save_async(session, str(tmp_path / "m"), 4).result(30) == str(tmp_path / "m-4")
    with pytest.raises(ValueError, match="no path specified"):
        saver.save_async(session, "")
    tf.get_variable("unset", [2])
    with pytest.raises(tf.errors.FailedPreconditionError, match="uninitialized value unset"):
        tf.train.Saver().save_async(session, str(tmp_path / "m"), 5)
    assert saver.save_async(session, str(tmp_path / "m"), 6).exception(30) is None


def test_an_empty_saver(tmp_path):
    with tf.Session() as session:
        assert tf.train.Saver(allow_empty=True).save_async(session, str(tmp_path / "m")).result(30) is None
    assert os.listdir(tmp_path) == ["m.meta"]


def test_a_save_inside_of_a_save():
    with deferred.collecting(), pytest.raises(RuntimeError, match="begun inside of another"), deferred.collecting():
        pass


def test_the_interpreters_exit_waits(tmp_path):
    program = textwrap.dedent("""
        import sys, time
        import thalweg as tf
        from thalweg_io import atomic_file
        write = atomic_file.files.write
        atomic_file.files.write = lambda *args: (time.sleep(0.3), write(*args))
        tf.get_variable("v", [3], initializer=tf.ones_initializer())
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            tf.train.Saver().save_async(session, sys.argv[1])
        print("main is done")
    """)
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "m")], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout == "main is done\n", done.stderr
    assert tf.train.load_variable(tf.train.latest_checkpoint(str(tmp_path)), "v").tolist() == [1, 1, 1]
