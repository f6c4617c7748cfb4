"""The V1 checkpoint: TensorFlow's files read, the same files written, damaged ones refused."""
import os
import pathlib
import threading

import numpy as np
import pytest

import thalweg as tf
from thalweg.framework import errors
from thalweg.framework.dtypes import bfloat16, qint32
from thalweg_io import atomic_file
from thalweg_io.checkpoints.bundle.writer import BundleWriter
from thalweg_io.checkpoints.reader import open_checkpoint
from thalweg_io.checkpoints.table import Table, read_table
from thalweg_io.checkpoints.tensor_slice import FULL, TensorSlice, slice_key
from thalweg_io.checkpoints.v1 import entry, files, values
from thalweg_io.checkpoints.v1.reader import V1Reader
from thalweg_io.checkpoints.v1.writer import V1Writer
from thalweg_io.records.crc32c import masked_crc32c
from thalweg_io.wire import WireError, field_bytes, varint

DATA = pathlib.Path(__file__).parent / "data"
NAMED = (errors.DataLossError, errors.InvalidArgumentError, errors.NotFoundError, errors.UnimplementedError)


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def write(path, tensors):
    with V1Writer(path) as writer:
        for name, value in tensors.items():
            writer.add(name, value)


# --- TensorFlow's files -----------------------------------------------------------------------------

def test_names_types_shapes_and_bytes(v1_checkpoint, sha256):
    with open_checkpoint(v1_checkpoint.prefix) as reader:
        assert isinstance(reader, V1Reader)
        assert reader.names() == sorted(v1_checkpoint.tensors)
        for name, (number, shape, digest) in v1_checkpoint.tensors.items():
            value = reader.read(name)
            assert (reader.dtype(name).as_datatype_enum, reader.shape(name)) == (number, shape)
            assert (value.shape, sha256(value)) == (shape, digest)
            assert value.flags.writeable and value.dtype.isnative


def test_what_is_written_equals_tensorflows_files(v1_checkpoint, tmp_path):
    for path in files.paths_of(v1_checkpoint.prefix):
        metas = entry.metas_of(read_table(pathlib.Path(path).read_bytes(), path)[b""], path)
        with open_checkpoint(path) as reader, V1Writer(tmp_path / "m") as writer:
            for name in reader.names():
                meta = metas[name.encode()]
                for slice_ in meta.slices:
                    writer.add_slice(name, meta.shape, slice_, reader.read_slice(name, slice_))
        assert (tmp_path / "m").read_bytes() == pathlib.Path(path).read_bytes()


def test_public_readers_take_v1(v1_checkpoint):
    reader = tf.train.NewCheckpointReader(v1_checkpoint.prefix)
    shapes = {name: list(shape) for name, (_, shape, _) in v1_checkpoint.tensors.items()}
    assert reader.get_variable_to_shape_map() == shapes
    assert tf.train.list_variables(v1_checkpoint.prefix) == sorted(shapes.items())
    name = next(iter(shapes))
    assert reader.has_tensor(name) and not reader.has_tensor("nope")
    np.testing.assert_array_equal(tf.train.load_variable(v1_checkpoint.prefix, name + ":0"), reader.get_tensor(name))


def test_snappy_blocks_and_single_numbers_are_read(tmp_path):
    """Old writers compressed blocks and could leave numbers unpacked; made here by hand."""
    lone = b"".join(varint(5 << 3 | 5) + np.float32(x).tobytes() for x in (1.5, -2.0))
    ints = varint(7 << 3) + varint(3) + field_bytes(7, varint(2**64 - 1))
    metas = [entry.TensorMeta(b"f", 1, (2,), [TensorSlice([(0, FULL)])]),
             entry.TensorMeta(b"i", 3, (2,), [TensorSlice([(0, FULL)])])]
    entries = {b"": entry.meta_message(metas)}
    for meta, tensor in zip(metas, (lone, ints)):
        entries[slice_key(meta.name, meta.slices[0])] = entry.slice_message(meta.name, meta.slices[0], tensor)
    (tmp_path / "m").write_bytes(snappy_table(entries))
    with open_checkpoint(tmp_path / "m") as reader:
        assert reader.read("f").tolist() == [1.5, -2.0] and reader.read("i").tolist() == [3, -1]


def snappy_table(entries):
    """A table of one block, which stands in it as one snappy literal."""
    def block(items, kind):
        data = b"".join(varint(0) + varint(len(k)) + varint(len(v)) + k + v for k, v in items)
        data += b"".join(n.to_bytes(4, "little") for n in (0, 1))
        if kind:
            data = varint(len(data)) + bytes([61 << 2]) + (len(data) - 1).to_bytes(2, "little") + data
        data += bytes([kind])
        return data + masked_crc32c(data).to_bytes(4, "little")
    first, meta = block(entries.items(), 1), bytes.fromhex("0000000001000000")
    meta += b"\0" + masked_crc32c(meta + b"\0").to_bytes(4, "little")
    index = block([(b"\xff", varint(0) + varint(len(first) - 5))], 0)
    handles = [(len(first), 8), (len(first) + len(meta), len(index) - 5)]
    footer = b"".join(varint(n) for handle in handles for n in handle).ljust(40, b"\0")
    return first + meta + index + footer + bytes.fromhex("57fb808b247547db")


# --- round trips ------------------------------------------------------------------------------------

VALUES = {"f16": np.array([np.nan, -0.0, 6e-8], np.float16), "b": np.array([[True], [False]]), "c": np.array(1 + 2j),
          "s": np.array([b"", b"\0\xff" * 200], object), "none": np.zeros((3, 0)), "text": np.array("\u00e4", object),
          "i": np.arange(24).reshape(2, 3, 4)[:, ::-1, ::2] - 12, "be": np.arange(3, dtype=">i4"),
          "q": np.array([(-3,), (2**31 - 1,)], qint32.np), "limits": np.array([-2**63, 2**63 - 1, 0, 127, 128, -1]),
          "large": np.random.RandomState(0).randn(300_000).astype(np.float32), "i8": np.array([-128, 127], np.int8)}


def test_round_trip_of_every_kind(tmp_path):
    write(tmp_path / "m", VALUES)
    assert os.listdir(tmp_path) == ["m"]
    with open_checkpoint(tmp_path / "m") as reader:
        assert reader.names() == sorted(VALUES)
        for name, value in VALUES.items():
            got = reader.read(name)
            expected = np.array(value.item().encode(), object) if name == "text" else value
            assert got.shape == value.shape and got.flags.writeable and got.dtype.isnative
            np.testing.assert_array_equal(got, expected)
    back = dict.fromkeys(VALUES)
    with open_checkpoint(tmp_path / "m") as reader, BundleWriter(tmp_path / "v2") as writer:     # one interface
        for name in back:
            writer.add(name, reader.read(name))


def test_varints_of_many_integers():
    numbers = np.random.RandomState(1).randint(-2**63, 2**63 - 1, 1000) >> np.arange(1000) % 64
    packed = values.packed_varints(numbers)
    assert packed == b"".join(varint(int(n)) for n in numbers)
    np.testing.assert_array_equal(values.unpacked_varints(packed), numbers)
    for bad, text in ((b"\x80", "cut"), (b"\x80" * 10 + b"\x01", "too long"), (b"\xff" * 9 + b"\x02", "too long")):
        with pytest.raises(WireError, match=text):
            values.unpacked_varints(bad)


def test_boxes(tmp_path):
    whole = np.arange(24.0).reshape(4, 6)
    boxes = [TensorSlice(b) for b in (((0, 2), (0, 6)), ((2, 2), (0, 1)), ((2, 2), (1, 5)))]
    with V1Writer(tmp_path / "m") as writer:
        for box in boxes:
            writer.add_slice("parts", (4, 6), box, whole[index(box)])
    with open_checkpoint(tmp_path / "m") as reader:
        np.testing.assert_array_equal(reader.read("parts"), whole)
        for box in (TensorSlice([(1, 2), (0, FULL)]), TensorSlice([(3, 1), (1, 1)])):
            np.testing.assert_array_equal(reader.read_slice("parts", box), whole[index(box)])


def index(box):
    return tuple(slice(None) if length == FULL else slice(start, start + length) for start, length in box.extents)


# --- the Saver --------------------------------------------------------------------------------------

def nodes(graph):
    return [[op.type, op.name, [t.name for t in op.inputs], sorted(c.name for c in op.control_inputs), op.device,
             sorted(op.colocation_groups()), [str(t.shape) for t in op.outputs]] for op in graph.get_operations()]


@pytest.mark.parametrize("case", ["plain_saver", "sharded_saver"])
def test_nodes_are_tensorflows(case, graph, own_v1):
    {"plain_saver": plain_saver, "sharded_saver": sharded_saver}[case]()
    assert nodes(graph) == own_v1["graphs"][case]


def plain_saver(sharded=False):
    with tf.device("/cpu:0"):
        tf.Variable([1.0, 2.0], name="a")
    with tf.device("/cpu:1"):
        tf.Variable(2, name="b")
    tf.get_variable("p", [4, 2], partitioner=tf.fixed_size_partitioner(2))
    return tf.train.Saver(sharded=sharded, write_version=tf.train.SaverDef.V1, max_to_keep=2)


def sharded_saver():
    return plain_saver(sharded=True)


SOFT = tf.ConfigProto(allow_soft_placement=True)


@pytest.mark.parametrize("sharded", [False, True])
def test_saving_and_restoring(tmp_path, sharded):
    saver = plain_saver(sharded)
    with tf.Session(config=SOFT) as session:
        session.run(tf.global_variables_initializer())
        expected = session.run(tf.global_variables())
        for step in range(4):
            path = saver.save(session, str(tmp_path / "m"), global_step=step)
        session.run(tf.global_variables_initializer())
        saver.restore(session, tf.train.latest_checkpoint(str(tmp_path)))
        for got, value in zip(session.run(tf.global_variables()), expected):
            np.testing.assert_array_equal(got, value)
        tf.train.Saver().restore(session, path)          # a saver of the other format reads it, too
    suffixes = [f"-{k:05d}-of-00003" for k in range(3)] if sharded else [""]
    assert path == str(tmp_path / "m-3") + ("-?????-of-00003" if sharded else "")
    kept = [f"m-{step}{suffix}" for step in (2, 3) for suffix in suffixes]
    assert sorted(os.listdir(tmp_path)) == sorted(["checkpoint", *kept, "m-2.meta", "m-3.meta"])
    assert tf.train.get_checkpoint_mtimes([path]) and tf.train.checkpoint_exists(path)
    again = tf.train.Saver(write_version=tf.train.SaverDef.V1, sharded=sharded)
    again.recover_last_checkpoints(list(tf.train.get_checkpoint_state(str(tmp_path)).all_model_checkpoint_paths))
    assert again.last_checkpoints == saver.last_checkpoints and len(again.last_checkpoints) == 2


def test_v2_restores_what_v1_partitioned(tmp_path):
    table = tf.get_variable("table", [7, 2], partitioner=tf.fixed_size_partitioner(3))
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        expected = session.run(tf.convert_to_tensor(table))
        path = tf.train.Saver(write_version=1).save(session, str(tmp_path / "m"), write_meta_graph=False)
    with tf.Graph().as_default(), tf.Session() as session:
        whole = tf.get_variable("table", [7, 2])
        tf.train.Saver().restore(session, path)
        np.testing.assert_array_equal(session.run(whole), expected)


def test_ops_of_old_graphs(tmp_path):
    from thalweg_io.checkpoints import save_ops
    path = str(tmp_path / "m")
    saved = save_ops.save(path, ["x"], [tf.constant([[1.0, 2.0], [3.0, 4.0]])])
    whole = save_ops.restore(path, "x", dt=tf.float32)
    part = save_ops.restore_slice(path, "x", "2 2 1,1:-", dt=tf.float32)
    assert part.get_shape().as_list() == [1, 2] and whole.get_shape().ndims is None
    with tf.Session() as session:
        session.run(saved)
        assert session.run(whole).tolist() == [[1, 2], [3, 4]] and session.run(part).tolist() == [[3, 4]]


def test_a_failed_restore_names_what_differs(tmp_path):
    tf.get_variable("layer3", [2])
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        path = tf.train.Saver(write_version=1).save(session, str(tmp_path / "m"))
        with pytest.raises(tf.errors.NotFoundError, match=r"layr3 is not in the checkpoint, which has layer3"):
            tf.train.Saver({"layr3": tf.Variable([1.0, 2.0])}).restore(session, path)
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"layer3 has shape \(3,\) in the graph, \(2,\) in"):
            tf.train.Saver({"layer3": tf.Variable([1.0, 2.0, 3.0])}).restore(session, path)


# --- no moment to kill a save loses the checkpoint ------------------------------------------------------

def save_shards(name, number, count=2):
    for k in range(count):
        with V1Writer(files.shard_path(name, k, count), is_staged=True) as writer:
            writer.add(f"t{k}", np.full(20, number))
    files.commit(name, count)


def number_in(name, count=2):
    with open_checkpoint(files.pattern_of(name, count)) as reader:
        numbers = {n for k in range(count) for n in reader.read(f"t{k}").tolist()}
    assert len(numbers) == 1
    return numbers.pop()


class Killed(atomic_file.FileSystem):
    """Ends the process at the call after the first `left` that change files."""

    def __init__(self, left):
        super().__init__()
        self.left = left


def _counted(name):
    def method(self, *args):
        if not self.left:
            os._exit(9)
        self.left -= 1
        return getattr(atomic_file.FileSystem, name)(self, *args)
    return method


for _name in ("create", "write", "sync", "sync_folder", "rename", "remove"):
    setattr(Killed, _name, _counted(_name))


def killed_at_each_call(folder, monkeypatch, action):
    """The folder as `action` leaves it, killed at its first call, its second, ...; then whether it was killed."""
    for left in range(100):
        for name in os.listdir(folder):
            os.unlink(os.path.join(folder, name))
        save_shards(f"{folder}/m", 1)
        child = os.fork()
        if not child:
            try:
                for module in (atomic_file, files):
                    monkeypatch.setattr(module, "files", Killed(left))
                action()
                os._exit(0)
            finally:
                os._exit(1)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert status in (0, 9)
        yield status == 9
        if not status:
            return
    raise AssertionError("the action never passes")


def test_killed_while_shards_are_saved_again(tmp_path, monkeypatch):
    seen = []
    for is_killed in killed_at_each_call(tmp_path, monkeypatch, lambda: save_shards(f"{tmp_path}/m", 2)):
        seen.append(number_in(f"{tmp_path}/m"))
        assert is_killed or seen[-1] == 2
        write(tmp_path / "other", {"x": np.zeros(1)})
        assert number_in(f"{tmp_path}/m") == seen[-1]
        assert sorted(os.listdir(tmp_path)) == ["m-00000-of-00002", "m-00001-of-00002", "other"]
    assert seen == sorted(seen) and len(seen) > 10 and 1 in seen


def test_a_deletion_is_finished_by_the_next_save(tmp_path, monkeypatch):
    def action():
        atomic_file.write_file(f"{tmp_path}/m.meta", b"graph")
        files.drop(f"{tmp_path}/m-?????-of-00002")

    for _ in killed_at_each_call(tmp_path, monkeypatch, action):
        is_whole = len(files.paths_of(f"{tmp_path}/m-?????-of-00002")) == 2
        write(tmp_path / "n", {"x": np.zeros(1)})
        names = {name.partition("-")[0].partition(".")[0] for name in os.listdir(tmp_path)}
        assert names == ({"m", "n"} if is_whole else {"n"}), os.listdir(tmp_path)


def test_a_failing_disk_leaves_the_old_shards(tmp_path, monkeypatch):
    saver = sharded_saver()
    with tf.Session(config=SOFT) as session:
        session.run(tf.global_variables_initializer())
        path = saver.save(session, str(tmp_path / "m"), write_meta_graph=False)
        before = {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)}
        session.run(tf.global_variables()[0].assign([5.0, 5.0]))
        calls = []

        def fail_at_last(descriptor):
            calls.append(descriptor)
            if len(calls) == 3:
                raise OSError(28, "No space left")

        monkeypatch.setattr(os, "fsync", fail_at_last)
        with pytest.raises(tf.errors.ResourceExhaustedError, match="No space left"):
            saver.save(session, str(tmp_path / "m"))
        monkeypatch.undo()
        assert {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)} == before
        saver.restore(session, path)


def test_a_reader_beside_a_writer_of_shards(tmp_path):
    save_shards(f"{tmp_path}/m", 1)
    stop = threading.Event()

    def save_on():
        number = 1
        while not stop.is_set():
            number += 1
            save_shards(f"{tmp_path}/m", number)

    thread = threading.Thread(target=save_on)
    thread.start()
    try:
        seen = [number_in(f"{tmp_path}/m") for _ in range(100)]
    finally:
        stop.set()
        thread.join()
    assert seen == sorted(seen)


# --- damage -----------------------------------------------------------------------------------------

SMALL = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "s": np.array([b"xyz", b""], object), "t": np.array(True)}


def outcome(path):
    """Whether reading gives a named error, or exactly the values: nothing else may happen."""
    try:
        with V1Reader(path) as reader:
            assert reader.names() == sorted(SMALL)
            for name, value in SMALL.items():
                np.testing.assert_array_equal(reader.read(name), value)
        return "read"
    except NAMED:
        return "refused"


def test_every_flipped_bit(tmp_path):
    write(tmp_path / "m", SMALL)
    data = (tmp_path / "m").read_bytes()
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        (tmp_path / "m").write_bytes(damaged)
        assert outcome(tmp_path / "m") == "refused", bit


def test_every_cut(tmp_path):
    write(tmp_path / "m", SMALL)
    data = (tmp_path / "m").read_bytes()
    for size in range(len(data)):
        (tmp_path / "m").write_bytes(data[:size])
        assert outcome(tmp_path / "m") == "refused", size


def by_hand(path, metas, tensors):
    """A file with these metas, and {(name, slice): TensorProto bytes}."""
    from thalweg_io.checkpoints.table import TableWriter
    out = bytearray()
    table = TableWriter(out.extend)
    table.add(b"", entry.meta_message(metas))
    for key, value in sorted((slice_key(n, s), entry.slice_message(n, s, t)) for (n, s), t in tensors.items()):
        table.add(key, value)
    table.finish()
    path.write_bytes(out)
    return str(path)


ALL, FIRST, SECOND = TensorSlice([(0, FULL)]), TensorSlice([(0, 1 << 40)]), TensorSlice([(1 << 40, 1 << 40)])
TWO = field_bytes(5, np.zeros(2, np.float32).tobytes())


@pytest.mark.parametrize("shape,number,slices,tensor,message", [
    ((3,), 1, [ALL], TWO, "2.0? values are stored, its shape wants 3"),
    ((1 << 41,), 1, [FIRST, SECOND], TWO, "cannot stand in the files"),
    ((2,), 4, [ALL], field_bytes(7, varint(1) + varint(256)), "a value that uint8 cannot hold"),
    ((2,), 14, [ALL], TWO, "hold no tensors of bfloat16"),
    ((2,), 99, [ALL], TWO, "99 is not a data type"),
    ((2,), 1, [ALL], field_bytes(5, b"1234567"), "7 bytes of packed numbers of 4"),
    ((2,), 1, [ALL], varint(5 << 3) + b"\1", "wire type 0 for a number of 4 bytes"),
    ((2,), 3, [ALL], varint(7 << 3 | 5) + b"\0" * 4, "wire type 5 for an integer"),
    ((2,), 1, [TensorSlice([(0, 3)])], TWO, "is out of bounds of dimension 2"),
    ((2,), 1, [ALL, ALL], TWO, "Overlapping slices"),
    ((3,), 1, [TensorSlice([(0, 2)])], TWO, "not have sufficient slices for partitioned tensor x"),
    ((-2,), 1, [ALL], TWO, "gives it shape"),
    ((1,) * 300, 1, [ALL], TWO, "gives it shape"),
])
def test_what_the_list_of_tensors_may_not_say(tmp_path, shape, number, slices, tensor, message):
    path = by_hand(tmp_path / "m", [entry.TensorMeta(b"x", number, shape, slices)],
                   {(b"x", s): tensor for s in slices})
    with V1Reader(path) as reader, pytest.raises(NAMED, match=message):
        reader.read("x")


def test_messages(tmp_path):
    write(tmp_path / "m", {"a": np.zeros(2)})
    with V1Reader(tmp_path / "m") as reader:
        with pytest.raises(errors.NotFoundError, match="Key zz not found in checkpoint .*m$"):
            reader.read("zz")
        with pytest.raises(errors.InvalidArgumentError, match=r"Extent 1,2 is out of bounds of dimension 2"):
            reader.read("a", TensorSlice([(1, 2)]))
    with pytest.raises(errors.NotFoundError, match="Failed to find any matching files for .*nope"):
        V1Reader(tmp_path / "nope")
    write(tmp_path / "p-00000-of-00002", {"a": np.zeros(2)})
    with pytest.raises(errors.DataLossError, match="1 of 2 shards are there"):
        V1Reader(tmp_path / "p-?????-of-00002")
    write(tmp_path / "p-00001-of-00002", {"a": np.zeros(3)})
    with pytest.raises(errors.DataLossError, match="tensor 'a' differs in shape or type from what another shard says"):
        V1Reader(tmp_path / "p-?????-of-00002")
    path = by_hand(tmp_path / "h", [entry.TensorMeta(b"x", 1, (2,), [ALL])], {})
    with V1Reader(path) as reader, pytest.raises(errors.DataLossError, match="names it, but it is not there"):
        reader.read("x")
    path = by_hand(tmp_path / "h", [entry.TensorMeta(b"x", 1, (2,), [ALL])] * 2, {})
    with pytest.raises(errors.DataLossError, match="Failed to parse the list of tensors: tensor b'x' twice"):
        V1Reader(path)
    with pytest.raises(errors.DataLossError, match="it is no checkpoint"), \
            open_checkpoint(empty_table(tmp_path / "e")):
        pass


def empty_table(path):
    from thalweg_io.checkpoints.table import TableWriter
    out = bytearray()
    TableWriter(out.extend).finish()
    path.write_bytes(out)
    return path


def test_what_cannot_be_written(tmp_path, monkeypatch):
    def refused(match, *added, kind=errors.InvalidArgumentError):
        with pytest.raises(kind, match=match), V1Writer(tmp_path / "n") as writer:
            for args in added:
                writer.add(*args) if len(args) == 2 else writer.add_slice(*args)

    zeros, half = np.zeros(1), TensorSlice([(0, 1)])
    refused("Adding duplicate key: a", ("a", zeros), ("a", zeros))
    refused("Slices of 'w' disagree", ("w", (4,), half, zeros), ("w", (5,), TensorSlice([(1, 1)]), zeros))
    refused("has shape .2., the value .1.", ("w", (4,), TensorSlice([(0, 2)]), zeros))
    refused("needs a name", ("", zeros))
    refused("holds int 3", ("a", np.array([3], object)))
    refused("V1 checkpoints hold no tensors of that type", ("a", np.zeros(1, bfloat16.np)))
    refused("V1 checkpoints hold no tensors of that type", ("a", np.zeros(1, np.uint64)))
    monkeypatch.setattr("thalweg_io.checkpoints.v1.writer._MOST_BYTES", 100)
    refused("too large for a V1 checkpoint", ("a", np.zeros(13)))
    refused("too large for a V1 checkpoint", ("a", np.full(50, -1, np.int8)))
    assert os.listdir(tmp_path) == []


def test_tables_are_looked_into_block_by_block(tmp_path):
    large = {f"k{i}": np.full(100_000, i, np.float32) for i in range(5)}
    write(tmp_path / "m", large)
    data, asked = (tmp_path / "m").read_bytes(), []

    def read(offset, size):
        asked.append(size)
        return data[offset:offset + size]

    table = Table(read, len(data), "m")
    key = slice_key(b"k3", ALL)
    asked.clear()
    assert len(table.get(key)) > 400_000 and sum(asked) < 500_000
    assert table.get(key + b"x") is None and table.get(b"\xff") is None


@pytest.fixture
def own_v1():
    import json
    return json.loads((DATA / "v1.json").read_text())
