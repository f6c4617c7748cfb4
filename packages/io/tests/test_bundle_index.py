"""The index that is kept in memory: read once for many readers, and again as soon as the file may be another."""
import os

import numpy as np
import pytest

import thalweg as tf
from thalweg_io.checkpoints.bundle import index
from thalweg_io.checkpoints.bundle.reader import BundleReader
from thalweg_io.checkpoints.bundle.writer import BundleWriter


def write(prefix, value, name="v"):
    with BundleWriter(str(prefix)) as writer:
        writer.add(name, np.array(value, np.float32))


def read(prefix, name="v"):
    with BundleReader(str(prefix)) as reader:
        return reader.read(name)


@pytest.fixture
def tables(monkeypatch):
    """The sizes of the indices that were read from files."""
    sizes, read_table = [], index.read_table

    def counted(data, path):
        sizes.append(len(data))
        return read_table(data, path)
    monkeypatch.setattr(index, "read_table", counted)
    return sizes


@pytest.fixture
def settled(monkeypatch):
    """Any file counts as one that was written long ago."""
    monkeypatch.setattr(index, "_SETTLED_NS", -10**15)


def test_a_sequential_restore_reads_the_index_once(tmp_path, tables, settled):
    with tf.Graph().as_default(), tf.Session() as session:
        made = [tf.get_variable(f"v{k}", [3]) for k in range(50)]
        saver = tf.train.Saver(restore_sequentially=True)
        session.run(tf.global_variables_initializer())
        path, values = saver.save(session, str(tmp_path / "m")), session.run(made)
        session.run(tf.global_variables_initializer())
        tables.clear()
        saver.restore(session, path)
        assert len(tables) == 1
        np.testing.assert_array_equal(session.run(made), values)


def test_a_replaced_checkpoint_is_read_anew(tmp_path, tables, settled):
    for k in range(20):                            # of the same size
        write(tmp_path / "m", [k, 1])
        assert read(tmp_path / "m")[0] == k
    assert len(tables) == 20
    read(tmp_path / "m")
    assert len(tables) == 20
    for suffix in (".index", ".data-00000-of-00001"):
        os.remove(f"{tmp_path}/m{suffix}")
    with pytest.raises(tf.errors.NotFoundError, match="Failed to find any matching files"):
        read(tmp_path / "m")


def test_another_checkpoint_is_another(tmp_path, settled):
    write(tmp_path / "m", 1)
    write(tmp_path / "n", 2)
    os.link(tmp_path / "m.index", tmp_path / "linked.index")
    assert [read(tmp_path / p) for p in "mnm"] == [1, 2, 1]
    with pytest.raises(tf.errors.NotFoundError, match=r"linked\.data-00000-of-00001 is missing"):
        read(tmp_path / "linked")


def test_what_was_just_written_is_not_trusted(tmp_path):
    """Its times may stay the same when it is written again in place."""
    for name in ("a", "b"):
        write(tmp_path / name, 1, name=f"{name}/v")
    texts = [(tmp_path / f"{name}.index").read_bytes() for name in "ab"]
    assert len(texts[0]) == len(texts[1])
    for k in range(50):
        (tmp_path / "a.index").write_bytes(texts[k % 2])
        with BundleReader(str(tmp_path / "a")) as reader:
            assert reader.names() == [f"{'ab'[k % 2]}/v"]


def test_a_damaged_index_is_not_kept(tmp_path, settled):
    write(tmp_path / "m", 1)
    text = (tmp_path / "m.index").read_bytes()
    (tmp_path / "m.index").write_bytes(b"\1" + text[1:])
    for _ in range(2):
        with pytest.raises(tf.errors.DataLossError):
            read(tmp_path / "m")
    (tmp_path / "m.index").write_bytes(text)
    assert read(tmp_path / "m") == 1
