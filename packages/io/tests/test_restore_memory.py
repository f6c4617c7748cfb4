"""Restores of large variables: read straight into the session's memory, all checked before one is written."""
import os
import tracemalloc

import numpy as np
import pytest

import thalweg as tf
from thalweg_io.checkpoints import save_ops
from thalweg_io.checkpoints.bundle import reader as bundle_reader
from thalweg_io.checkpoints.bundle.writer import BundleWriter

SIDE = 600                                # 600 x 600 float32: above StoredValue.LEAST_BYTES
MB = 1 << 20


@pytest.fixture(autouse=True)
def graph():
    """A graph of its own for each test."""
    with tf.Graph().as_default() as graph:
        yield graph


def numbers(seed, shape=(SIDE, SIDE)):
    return np.random.RandomState(seed).rand(*shape).astype(np.float32)


def checkpoint(tmp_path, **values):
    prefix = str(tmp_path / "model")
    with BundleWriter(prefix) as writer:
        for name, value in values.items():
            writer.add(name, value)
    return prefix


def variable(name, shape=(SIDE, SIDE), dtype=tf.float32):
    return tf.get_variable(name, shape, dtype, initializer=tf.zeros_initializer())


def initialized():
    session = tf.Session()
    session.run(tf.global_variables_initializer())
    return session


def flip(prefix, position):
    with open(f"{prefix}.data-00000-of-00001", "r+b") as file:
        file.seek(position)
        byte = file.read(1)[0]
        file.seek(position)
        file.write(bytes([byte ^ 1]))


@pytest.mark.parametrize("is_written", [False, True])
def test_a_restore_takes_no_memory(tmp_path, is_written):
    path = checkpoint(tmp_path, **{f"v{k}": numbers(k, (1024, 1024)) for k in range(4)})
    found = [variable(f"v{k}", (1024, 1024)) for k in range(4)]
    writing = [v.assign_add(tf.ones([1024, 1024])).op for v in found]
    saver = tf.train.Saver()
    with initialized() as session:
        saver.restore(session, path)
        if is_written:
            session.run(writing)
        saver.restore(session, path)
        tracemalloc.start()
        try:
            saver.restore(session, path)
            assert tracemalloc.get_traced_memory()[1] < 2 * MB                  # of 16 MB
        finally:
            tracemalloc.stop()
        for k, v in enumerate(found):
            np.testing.assert_array_equal(session.run(v), numbers(k, (1024, 1024)))


@pytest.mark.parametrize("position", [0, 4 * SIDE * SIDE - 1, 4 * SIDE * SIDE, 8 * SIDE * SIDE - 1])
def test_after_damage_all_variables_are_as_they_were(tmp_path, position):
    path = checkpoint(tmp_path, a=numbers(0), b=numbers(1))
    a, b = variable("a"), variable("b")
    saver = tf.train.Saver()
    flip(path, position)
    with initialized() as session:
        with pytest.raises(tf.errors.DataLossError, match=f"tensor '{'ab'[position >= 4 * SIDE * SIDE]}': Checksum"):
            saver.restore(session, path)
        assert not session.run(a).any() and not session.run(b).any()
        flip(path, position)
        saver.restore(session, path)
        np.testing.assert_array_equal(session.run(b), numbers(1))


def test_a_graphs_constant_is_not_written(tmp_path):
    path = checkpoint(tmp_path, v=numbers(0))
    v = tf.get_variable("v", initializer=np.ones((SIDE, SIDE), np.float32))
    with initialized() as session:
        tf.train.Saver().restore(session, path)
        np.testing.assert_array_equal(session.run(v), numbers(0))
        session.run(v.initializer)
        assert (session.run(v) == 1).all()


def test_a_file_that_is_rewritten_meanwhile_is_an_error(tmp_path, monkeypatch):
    path = checkpoint(tmp_path, v=numbers(0))
    v, check = variable("v"), bundle_reader.check_numbers

    def check_then_damage(*arguments):
        check(*arguments)
        flip(path, 4 * SIDE * SIDE - 1)
    saver = tf.train.Saver()
    with initialized() as session:
        monkeypatch.setattr(bundle_reader, "check_numbers", check_then_damage)
        with pytest.raises(tf.errors.DataLossError, match="tensor 'v': Checksum does not match"):
            saver.restore(session, path)
        monkeypatch.undo()
        flip(path, 4 * SIDE * SIDE - 1)
        saver.restore(session, path)
        np.testing.assert_array_equal(session.run(v), numbers(0))


def test_large_values_that_others_need_are_arrays(tmp_path):
    path = checkpoint(tmp_path, v=numbers(0))
    v = variable("v")
    restored, = save_ops.restore_v2(path, ["v"], [""], dtypes=[tf.float32])
    both = [v.assign(restored), restored * 2]
    fixed = tf.identity(restored)
    fixed.set_shape([SIDE, SIDE])
    with initialized() as session:
        for got, factor in zip([*session.run([*both, restored, fixed]), session.run(v)], (1, 2, 1, 1, 1)):
            np.testing.assert_array_equal(got, factor * numbers(0))


def test_large_values_of_another_shape(tmp_path):
    path = checkpoint(tmp_path, v=numbers(0), w=numbers(1))
    v, w = variable("v", (SIDE * SIDE,)), variable("w")
    reshaping, plain = tf.train.Saver([v], reshape=True), tf.train.Saver([v])
    free = tf.assign(w, save_ops.restore_v2(path, ["w"], [""], dtypes=[tf.float32])[0], validate_shape=False)
    with initialized() as session:
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"600"):
            plain.restore(session, path)
        assert not session.run(v).any()
        reshaping.restore(session, path)
        np.testing.assert_array_equal(session.run(v), numbers(0).ravel())
        session.run(free.op)
        np.testing.assert_array_equal(session.run(w), numbers(1))


def test_first_values_from_a_checkpoint(tmp_path):
    path = checkpoint(tmp_path, v=numbers(0))
    v = variable("v")
    tf.train.init_from_checkpoint(path, {"v": "v"})
    with initialized() as session:
        np.testing.assert_array_equal(session.run(v), numbers(0))


def test_bytes_that_are_no_bools(tmp_path):
    path = checkpoint(tmp_path, v=np.full(2 * MB, 3, np.uint8).view(bool))
    v = variable("v", (2 * MB,), tf.bool)
    saver = tf.train.Saver()
    with initialized() as session:
        with pytest.raises(tf.errors.DataLossError, match="tensor 'v': a bool tensor holds bytes other than 0 and 1"):
            saver.restore(session, path)
        assert not session.run(v).any()


def test_files_are_closed(tmp_path):
    path = checkpoint(tmp_path, v=numbers(0))
    variable("v")
    saver = tf.train.Saver()
    with initialized() as session:
        saver.restore(session, path)
        os.remove(f"{path}.data-00000-of-00001")
        open_files = [os.path.realpath(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd")]
        assert not [name for name in open_files if name.startswith(path)]
