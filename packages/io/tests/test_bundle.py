"""The V2 checkpoint: TensorFlow's files read, the same files written, damaged ones refused."""
import os
import shutil
import sys
import threading

import numpy as np
import pytest

import thalweg as tf
from thalweg.framework import errors
from thalweg.framework.dtypes import bfloat16, quint8
from thalweg_io import side_by_side
from thalweg_io.checkpoints.bundle import sharded, values
from thalweg_io.checkpoints.bundle.reader import BundleReader
from thalweg_io.checkpoints.bundle.writer import BundleWriter
from thalweg_io.checkpoints.tensor_slice import FULL, TensorSlice, format_spec, parse_spec, slice_key

NAMED = (errors.DataLossError, errors.InvalidArgumentError, errors.NotFoundError, errors.UnimplementedError)


def write(prefix, tensors):
    with BundleWriter(prefix) as writer:
        for name, value in tensors.items():
            writer.add(name, value)


def files_of(prefix):
    folder, base = os.path.split(prefix)
    return {name[len(base):]: open(os.path.join(folder, name), "rb").read() for name in os.listdir(folder)
            if name.startswith((base + ".index", base + ".data"))}


# --- TensorFlow's files -----------------------------------------------------------------------------

def test_names_types_shapes_and_bytes(checkpoint, sha256):
    with BundleReader(checkpoint.prefix) as reader:
        assert sorted(reader.names()) == sorted(checkpoint.tensors)
        for name, (number, shape, digest) in checkpoint.tensors.items():
            value = reader.read(name)
            assert (reader.dtype(name).as_datatype_enum, reader.shape(name)) == (number, shape)
            assert (value.shape, sha256(value)) == (shape, digest)


def test_what_is_written_equals_tensorflows_files(checkpoint, tmp_path):
    with BundleReader(checkpoint.prefix) as reader:
        count = reader.header.num_shards
        parts = [str(tmp_path / f"m_temp_{0:032x}" / f"part-{k:05d}-of-{count:05d}") for k in range(count)]
        prefixes = parts if count > 1 else [str(tmp_path / "m")]
        slices = {slice_key(key, s): (key, e, s) for key, e in reader.entries.items() for s in e.slices}
        for shard, prefix in enumerate(prefixes):
            with BundleWriter(prefix) as writer:
                for key, entry in stored_in(reader, shard):
                    copy_entry(reader, writer, key, entry, slices)
        if len(prefixes) > 1:
            sharded.merge(prefixes, str(tmp_path / "m"))
    assert files_of(str(tmp_path / "m")) == files_of(checkpoint.prefix)
    assert all(name.startswith("m.") for name in os.listdir(tmp_path))


def stored_in(reader, shard):
    found = [(e.offset, e.size, key, e) for key, e in reader.entries.items() if not e.slices and e.shard == shard]
    return [(key, entry) for _, _, key, entry in sorted(found, key=lambda item: item[:3])]


def copy_entry(reader, writer, key, entry, slices):
    if key in slices:
        name, whole, slice_ = slices[key]
        writer.add_slice(name.decode(), whole.shape, slice_, reader.read(name.decode(), slice_))
    else:
        writer.add(key.decode(), reader.read(key.decode()))


def test_many_tensors(golden_or_none):
    prefixes = [str(golden_or_none / "v2_many" / "many")] if golden_or_none else []
    for prefix in prefixes:
        expected = np.load(golden_or_none / "v2_many" / "many.npz")["values"]
        with BundleReader(prefix) as reader:
            values = np.array([reader.read(name) for name in reader.names()])
        assert sorted(values.ravel().tolist()) == sorted(expected.ravel().tolist())


# --- round trips ------------------------------------------------------------------------------------

VALUES = {"f16": np.array([np.nan, -0.0, 6e-8], np.float16), "b": np.array([[True], [False]]), "c": np.array(1 + 2j),
          "s": np.array([b"", b"\0\xff" * 200], object), "none": np.zeros((3, 0)), "text": np.array("\u00e4", object),
          "u64": np.array(2**64 - 1, np.uint64), "i": np.arange(24).reshape(2, 3, 4)[:, ::-1, ::2],
          "be": np.arange(3, dtype=">i4"), "bf": np.array([(1,), (65535,)], bfloat16.np),
          "q": np.array([(3,)], quint8.np)}


def test_round_trip_of_every_kind(tmp_path):
    write(tmp_path / "m", VALUES)
    with BundleReader(tmp_path / "m") as reader:
        assert reader.names() == sorted(VALUES)
        for name, value in VALUES.items():
            got = reader.read(name)
            expected = np.array(value.item().encode(), object) if name == "text" else value
            assert got.shape == value.shape and got.flags.writeable and got.dtype.isnative
            np.testing.assert_array_equal(got, expected)


NEWER = ("float8_e5m2", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e4m3b11fnuz", "float8_e5m2fnuz", "int4", "uint4",
         "int2", "uint2", "float4_e2m1fn")


@pytest.mark.parametrize("has_ml_dtypes", [True, False])
@pytest.mark.parametrize("name", NEWER)
def test_types_that_only_newer_files_hold(tmp_path, monkeypatch, name, has_ml_dtypes):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    value = np.array([[0, 1], [1, 0]]).astype(getattr(ml_dtypes, name))
    raw = value.view(np.uint8)
    write(tmp_path / "m", {"x": value, "same": raw.view(np.dtype([(name, "u1")])), "scalar": value[0, 1]})
    data = (tmp_path / "m.data-00000-of-00001").read_bytes()
    assert data == raw.tobytes() + raw.tobytes() + raw[0, 1].tobytes()
    if not has_ml_dtypes:
        monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    reader = tf.train.load_checkpoint(str(tmp_path / "m"))
    number = 24 + NEWER.index(name)
    assert {k: (t.name, t.as_datatype_enum) for k, t in reader.get_variable_to_dtype_map().items()} \
        == dict.fromkeys(("same", "scalar", "x"), (name, number))
    got = reader.get_tensor("x")
    assert got.dtype == (value.dtype if has_ml_dtypes else np.int8 if name in ("int4", "int2") else np.uint8)
    np.testing.assert_array_equal(got.view(np.uint8), raw)
    assert reader.get_tensor("scalar") == got[0, 1]
    with tf.Graph().as_default(), tf.Session() as session:
        saver = tf.train.Saver({"x": tf.Variable([[1, 2], [3, 4]])})
        with pytest.raises(errors.InvalidArgumentError, match=f"(?s)x is int32 in the graph, {name} in the checkpoint"
                                                              f".*does not equal original dtype {name}"):
            saver.restore(session, str(tmp_path / "m"))


def test_bfloat16_of_ml_dtypes(tmp_path):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    write(tmp_path / "m", {"x": np.array([1.5, np.inf], ml_dtypes.bfloat16)})
    got = tf.train.load_variable(str(tmp_path / "m"), "x")
    assert got.dtype == ml_dtypes.bfloat16 and got.tolist() == [1.5, np.inf]


def test_boxes_of_whole_and_partitioned_tensors(tmp_path):
    whole = np.arange(24.0).reshape(4, 6)
    with BundleWriter(tmp_path / "m") as writer:
        writer.add("whole", whole)
        for rows, columns in (((0, 2), (0, 6)), ((2, 2), (0, 1)), ((2, 2), (1, 5))):
            box = TensorSlice([rows, columns])
            writer.add_slice("parts", (4, 6), box, whole[box_index(box)])
    with BundleReader(tmp_path / "m") as reader:
        for name in ("whole", "parts"):
            np.testing.assert_array_equal(reader.read(name), whole)
            for box in (TensorSlice([(1, 2), (0, FULL)]), TensorSlice([(3, 1), (1, 1)])):
                np.testing.assert_array_equal(reader.read(name, box), whole[box_index(box)])


def box_index(box):
    return tuple(slice(None) if length == FULL else slice(start, start + length) for start, length in box.extents)


def test_a_gap_between_slices_is_named(tmp_path):
    with BundleWriter(tmp_path / "m") as writer:
        writer.add_slice("w", (4,), TensorSlice([(0, 1)]), np.zeros(1))
        writer.add_slice("w", (4,), TensorSlice([(2, 2)]), np.zeros(2))
    with BundleReader(tmp_path / "m") as reader:
        assert reader.read("w", TensorSlice([(2, 2)])).shape == (2,)
        with pytest.raises(errors.InvalidArgumentError, match="not have sufficient slices for partitioned tensor w"):
            reader.read("w")


def test_big_endian_files_are_read(tmp_path):
    """No machine writes them any more: every multi-byte number of the file turned round by hand."""
    from thalweg_io.checkpoints.bundle.entry import Entry, Header
    from thalweg_io.checkpoints.table import TableWriter
    from thalweg_io.records.crc32c import crc32c, masked, masked_crc32c
    words = [b"ab", b""]
    lengths = crc32c(b"".join(len(w).to_bytes(4, "big") for w in words))
    lengths_crc = masked(lengths).to_bytes(4, "big")
    text = bytes(map(len, words)) + lengths_crc + b"".join(words)
    parts = {b"c": (8, (1,), np.array([1 + 2j], ">c8").tobytes()), b"n": (5, (2,), np.array([1, -2], ">i2").tobytes()),
             b"s": (7, (2,), text), b"x": (14, (1,), b"\x3f\x80")}
    data, index = b"", bytearray()
    table = TableWriter(index.extend)
    table.add(b"", Header(1, True).message())
    for key, (number, shape, raw) in parts.items():
        crc = masked(crc32c(b"ab", crc32c(lengths_crc, lengths))) if key == b"s" else masked_crc32c(raw)
        table.add(key, Entry(number, shape, 0, len(data), len(raw), crc).message())
        data += raw
    table.finish()
    (tmp_path / "m.index").write_bytes(index)
    (tmp_path / "m.data-00000-of-00001").write_bytes(data)
    with BundleReader(tmp_path / "m") as reader:
        assert reader.read("c").tolist() == [1 + 2j] and reader.read("n").tolist() == [1, -2]
        assert reader.read("s").tolist() == words
        assert reader.read("x").view(np.uint16).tolist() == [0x3F80]


def test_a_value_that_changes_while_it_is_saved_is_stored_consistently(tmp_path):
    value, stop = np.zeros(400_000, np.int32), threading.Event()

    def change():
        while not stop.is_set():
            value[:] += 1

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for k in range(10):
            write(tmp_path / f"m{k}", {"a": value})
            with BundleReader(tmp_path / f"m{k}") as reader:
                assert reader.read("a").shape == value.shape
    finally:
        stop.set()
        thread.join()


# --- damage -----------------------------------------------------------------------------------------

@pytest.fixture
def small(tmp_path):
    """The prefix of a small checkpoint, and its values."""
    values = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "s": np.array([b"xyz", b""], object),
              "t": np.array(True)}
    write(tmp_path / "m", values)
    return str(tmp_path / "m"), values


def damaged_outcome(prefix, values):
    """Whether reading gives a named error, or exactly the values: nothing else may happen."""
    try:
        with BundleReader(prefix) as reader:
            assert sorted(reader.names()) == sorted(values)
            for name, value in values.items():
                np.testing.assert_array_equal(reader.read(name), value)
        return "read"
    except NAMED:
        return "refused"


@pytest.mark.parametrize("suffix", [".index", ".data-00000-of-00001"])
def test_every_flipped_bit(small, suffix):
    prefix, values = small
    data = open(prefix + suffix, "rb").read()
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with open(prefix + suffix, "wb") as file:
            file.write(damaged)
        assert damaged_outcome(prefix, values) == "refused", bit


@pytest.mark.parametrize("suffix", [".index", ".data-00000-of-00001"])
def test_every_cut(small, suffix):
    prefix, values = small
    data = open(prefix + suffix, "rb").read()
    for size in range(len(data)):
        with open(prefix + suffix, "wb") as file:
            file.write(data[:size])
        assert damaged_outcome(prefix, values) == "refused", size


@pytest.mark.parametrize("processors", [1, 2, 3, 64])
def test_a_large_tensor_is_read_in_parts(tmp_path, monkeypatch, processors):
    monkeypatch.setattr(side_by_side, "processors", lambda: processors)
    monkeypatch.setattr(values, "processors", lambda: processors)
    rng, prefix = np.random.default_rng(3), str(tmp_path / "m")
    tensors = {"bools": rng.random(1_400_001) < 0.5, "numbers": rng.integers(0, 256, 2_000_003, np.uint8)}
    write(prefix, tensors)
    with BundleReader(prefix) as reader:
        for name, value in tensors.items():
            np.testing.assert_array_equal(reader.read(name), value)
            filled = np.empty_like(value)
            reader.found(name).read_into(filled)
            np.testing.assert_array_equal(filled, value)
    for position in (0, 700_000, 1_400_000, 1_400_001, 2_400_000, 3_400_003):
        name = "bools" if position <= 1_400_000 else "numbers"
        with open(prefix + ".data-00000-of-00001", "r+b") as file:
            file.seek(position)
            byte = file.read(1)
            file.seek(position)
            file.write(bytes([byte[0] ^ 1]))
            file.flush()
            with BundleReader(prefix) as reader:
                for read in (reader.read, reader.found):
                    with pytest.raises(errors.DataLossError, match=f"'{name}'.*Checksum does not match"):
                        read(name)
            file.seek(position)
            file.write(byte)


def test_an_index_of_another_save_is_refused(small, tmp_path):
    prefix, values = small
    write(tmp_path / "other", {"a": np.ones((2, 3), np.float32), "s": values["s"], "t": values["t"]})
    shutil.copy(tmp_path / "other.index", prefix + ".index")
    assert damaged_outcome(prefix, values) == "refused"


def test_messages(tmp_path):
    write(tmp_path / "m", {"a": np.zeros(2)})
    with BundleReader(tmp_path / "m") as reader:
        with pytest.raises(errors.NotFoundError, match="Key zz not found in checkpoint .*m$"):
            reader.read("zz")
        with pytest.raises(errors.InvalidArgumentError, match=r"Extent 1,2 is out of bounds of dimension 2"):
            reader.read("a", TensorSlice([(1, 2)]))
        with pytest.raises(errors.InvalidArgumentError, match="Expecting a slice of rank 1"):
            reader.read("a", TensorSlice([]))
    with pytest.raises(errors.NotFoundError, match="Failed to find any matching files for .*nope"):
        BundleReader(tmp_path / "nope")
    with pytest.raises(errors.InvalidArgumentError, match="Adding duplicate key: a"), \
            BundleWriter(tmp_path / "n") as w:
        w.add("a", np.zeros(1))
        w.add("a", np.zeros(1))
    with pytest.raises(errors.InvalidArgumentError, match="Slices of 'w' disagree"), BundleWriter(tmp_path / "n") as w:
        w.add_slice("w", (4,), TensorSlice([(0, 1)]), np.zeros(1))
        w.add_slice("w", (5,), TensorSlice([(1, 1)]), np.zeros(1))
    with pytest.raises(errors.InvalidArgumentError, match="has shape .2., the value .1."), \
            BundleWriter(tmp_path / "n") as w:
        w.add_slice("w", (4,), TensorSlice([(0, 2)]), np.zeros(1))
    with pytest.raises(errors.InvalidArgumentError, match="needs a name"), BundleWriter(tmp_path / "n") as w:
        w.add("", np.zeros(1))
    with pytest.raises(errors.InvalidArgumentError, match="holds int 3"), BundleWriter(tmp_path / "n") as w:
        w.add("a", np.array([3], object))
    with pytest.raises(errors.NotFoundError, match="No such file or directory"), BundleWriter(tmp_path / "x/y/n"):
        pass
    assert sorted(os.listdir(tmp_path)) == ["m.data-00000-of-00001", "m.index"]


def test_merging_refuses_a_tensor_twice(tmp_path):
    prefixes = [str(tmp_path / f"p{k}") for k in range(2)]
    for prefix in prefixes:
        write(prefix, {"a": np.zeros(1)})
    with pytest.raises(errors.InvalidArgumentError, match="two parts of a sharded checkpoint hold it"):
        sharded.merge(prefixes, str(tmp_path / "m"))


# --- slices as text ---------------------------------------------------------------------------------

def test_shape_and_slice_texts():
    shape, box = parse_spec("11 4 0,4:-")
    assert shape == (11, 4) and box == TensorSlice([(0, 4), (0, FULL)]) and str(box) == "0,4:-"
    assert parse_spec("") == (None, None)
    assert format_spec((11, 4), (8, 0), (3, 4)) == "11 4 8,3:0,4"


@pytest.mark.parametrize("text,message", [("4", "is not a shape followed"), ("4 x", "is not a shape followed"),
                                          ("4 0,5", "out of bounds"), ("4 0,2:-", "rank"), ("-4 -", "no valid shape"),
                                          ("4 -1,2", "is not a shape")])
def test_bad_shape_and_slice_texts(text, message):
    with pytest.raises(errors.InvalidArgumentError, match=message):
        parse_spec(text)


def test_slice_keys_sort_as_numbers():
    numbers = [-2**40, -70_000, -65, -64, -1, 0, 1, 63, 64, 8191, 8192, 2**31, 2**62]
    keys = [slice_key(b"a", TensorSlice([(n, 1)])) for n in numbers]
    assert keys == sorted(keys)
    assert slice_key(b"a", TensorSlice([(2, 2), (0, FULL)])).hex() == "0061000101028282807f"
    assert slice_key(b"\0\xff", TensorSlice([])).hex() == "0000ffff00000100"
