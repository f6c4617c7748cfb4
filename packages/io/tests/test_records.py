"""TFRecord files: what is written, what is read, and that every cut and every flipped bit is told."""
import gzip
import hashlib
import json
import struct
import tracemalloc
import zlib

import numpy as np
import pytest

import thalweg as tf
from thalweg_io.records import framing, records

KINDS = ["", "ZLIB", "GZIP"]
RECORDS = [b"first", b"", bytes(range(256)) * 5, b"last"]


def written(path, items=RECORDS, options=None):
    with tf.io.TFRecordWriter(path, options) as writer:
        for item in items:
            writer.write(item)
    return path.read_bytes()


def read(path, options=None):
    return list(tf.io.tf_record_iterator(path, options))


# --- checksums --------------------------------------------------------------------------------------

@pytest.mark.parametrize("data, crc", [
    (b"", 0), (b"123456789", 0xE3069283),                      # of the polynomial's definition
    (bytes(32), 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43), (bytes(range(32)), 0x46DD794E)])    # RFC 3720, B.4
def test_checksums_are_those_of_rfc_3720(data, crc):
    assert framing.crc32c(data) == framing.crc32c_by_tables(data) == crc


@pytest.mark.parametrize("size", [1, 7, 8, 9, 100, 12_287, 12_288, 12_289, 24_600, 70_001])
def test_a_checksum_goes_on_from_any_place_by_either_way(size):
    data = np.random.RandomState(size).bytes(size)
    whole = framing.crc32c(data)
    assert framing.crc32c_by_tables(data) == whole
    for cut in (0, 1, size // 3, size):
        assert framing.crc32c(data[cut:], framing.crc32c(data[:cut])) == whole
        assert framing.crc32c_by_tables(data[cut:], framing.crc32c_by_tables(data[:cut])) == whole
        assert framing.crc32c_joined(framing.crc32c(data[:cut]), framing.crc32c(data[cut:]), len(data) - cut) == whole


def test_a_checksum_takes_any_contiguous_buffer():
    array = np.arange(12, dtype=np.int16).reshape(3, 4)
    assert framing.crc32c(array) == framing.crc32c(memoryview(array)) == framing.crc32c(array.tobytes())
    with pytest.raises((BufferError, ValueError), match="contiguous"):
        framing.crc32c(array[:, ::2])


# --- writing and reading ----------------------------------------------------------------------------

def test_the_bytes_of_a_file(tmp_path):
    def masked(data):
        crc = framing.crc32c(data)
        return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
    expected = b"".join(struct.pack("<Q", len(r)) + masked(struct.pack("<Q", len(r))) + r + masked(r) for r in RECORDS)
    assert written(tmp_path / "f") == expected == b"".join(map(records.framed, RECORDS))


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_read(tmp_path, kind):
    written(tmp_path / "f", options=kind)
    assert read(tmp_path / "f", kind) == RECORDS
    assert tf.python_io.TFRecordWriter is tf.io.TFRecordWriter


def test_compressed_files_are_one_stream(tmp_path):
    plain = written(tmp_path / "plain")
    assert gzip.decompress(written(tmp_path / "g", options="GZIP")) == plain
    assert zlib.decompress(written(tmp_path / "z", options=tf.io.TFRecordCompressionType.ZLIB)) == plain
    assert read(tmp_path / "g", tf.io.TFRecordOptions(tf.io.TFRecordCompressionType.GZIP)) == RECORDS


def test_gzip_streams_one_behind_the_other(tmp_path):
    both = written(tmp_path / "f", [b"a"], "GZIP") + written(tmp_path / "f", [b"b"], "GZIP")
    (tmp_path / "f").write_bytes(both)
    assert read(tmp_path / "f", "GZIP") == [b"a", b"b"]              # TensorFlow stops after the first


def test_options_reach_zlib(tmp_path):
    items = [b"abc" * 1000] * 20
    options = tf.io.TFRecordOptions("ZLIB", compression_level=0, window_bits=9, mem_level=1, compression_strategy=0)
    assert len(written(tmp_path / "f", items, options)) > 60_000 > 10 * len(written(tmp_path / "g", items, "ZLIB"))
    assert read(tmp_path / "f", options) == items


def test_no_records_and_a_large_one(tmp_path):
    assert written(tmp_path / "f", []) == b"" and read(tmp_path / "f") == []
    assert written(tmp_path / "f", [], "GZIP") and read(tmp_path / "f", "GZIP") == []
    large = np.random.RandomState(0).bytes(3_000_000)
    for kind in KINDS:
        written(tmp_path / "f", [b"x", large, memoryview(b"y")], kind)
        assert read(tmp_path / "f", kind) == [b"x", large, b"y"]


def test_flush_hands_all_on(tmp_path):
    writer = tf.io.TFRecordWriter(tmp_path / "f")
    writer.write(b"one")
    assert (tmp_path / "f").read_bytes() == b""
    writer.flush()
    assert read(tmp_path / "f") == [b"one"]
    full = tf.io.TFRecordWriter(tmp_path / "z", tf.io.TFRecordOptions("ZLIB", flush_mode=zlib.Z_FULL_FLUSH))
    full.write(b"one")
    full.flush()
    assert zlib.decompressobj().decompress((tmp_path / "z").read_bytes()) == records.framed(b"one")
    full.close()
    writer.close()
    writer.close()
    for call in (lambda: writer.write(b"x"), writer.flush):
        with pytest.raises(tf.errors.FailedPreconditionError, match="f: Writer not initialized or previously closed"):
            call()


def test_the_writer_refuses_a_str_and_an_unknown_compression(tmp_path):
    with tf.io.TFRecordWriter(tmp_path / "f") as writer, pytest.raises(TypeError, match="a record is bytes.*encode"):
        writer.write("text")
    with pytest.raises(ValueError, match='Not a valid compression_type: "LZ4"'):
        tf.io.TFRecordOptions("LZ4")
    with pytest.raises(tf.errors.NotFoundError, match="nowhere/f: there is no folder"):
        tf.io.TFRecordWriter(tmp_path / "nowhere" / "f")
    with pytest.raises(tf.errors.NotFoundError, match="nothing; No such file"):
        tf.io.tf_record_iterator(tmp_path / "nothing")


@pytest.mark.parametrize("options, name", [
    (None, ""), ("GZIP", "GZIP"), (1, "ZLIB"), (tf.io.TFRecordOptions(tf.io.TFRecordCompressionType.GZIP), "GZIP")])
def test_the_name_of_a_compression(options, name):
    assert tf.io.TFRecordOptions.get_compression_type_string(options) == name


# --- damage -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", KINDS)
def test_every_cut_is_told_unless_between_records(tmp_path, kind):
    path, small = tmp_path / "f", [b"first", b"", b"third"]
    data = written(path, small, kind)
    borders = {} if kind else {sum(len(r) + 16 for r in small[:k]): k for k in range(4)}
    for size in range(len(data)):
        path.write_bytes(data[:size])
        if size in borders:
            assert read(path, kind) == small[:borders[size]]
            continue
        with pytest.raises(tf.errors.DataLossError, match=r"f: (at byte \d+: the|truncated record at \d+)") as told:
            read(path, kind)
        assert isinstance(told.value, records.TruncatedRecordError) == (not kind)


@pytest.mark.parametrize("kind", KINDS)
def test_every_flipped_bit_is_told(tmp_path, kind):
    path, small = tmp_path / "f", [b"first", b"third"]
    data = written(path, small, kind)
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        try:
            found = read(path, kind)
        except tf.errors.DataLossError as error:
            assert str(path) in str(error)
        else:
            assert kind and found == small                       # of gzip the time; padding


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("length", [1 << 24, 1 << 60, (1 << 63) - 16, (1 << 64) - 1])
def test_a_length_is_compared_before_memory_is_taken(tmp_path, kind, length):
    header = length.to_bytes(8, "little")
    crc = framing.crc32c(header)
    header += (((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF).to_bytes(4, "little") + b"some data"
    (tmp_path / "f").write_bytes({"": header, "GZIP": gzip.compress(header), "ZLIB": zlib.compress(header)}[kind])
    tracemalloc.start()
    with pytest.raises(tf.errors.DataLossError, match="f: (truncated|corrupted) record at 0"):
        read(tmp_path / "f", kind)
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


def test_the_records_before_the_damage_are_given(tmp_path):
    (tmp_path / "f").write_bytes(records.framed(b"good") + b"\0" * 16)
    iterator = tf.io.tf_record_iterator(tmp_path / "f")
    assert next(iterator) == b"good"
    with pytest.raises(tf.errors.DataLossError, match="corrupted record at 20: its length is damaged"):
        next(iterator)
    (tmp_path / "f").write_bytes(records.framed(b"good")[:-1] + b"\0")
    with pytest.raises(tf.errors.DataLossError, match="corrupted record at 0: its data are damaged"):
        read(tmp_path / "f")


def test_a_file_that_is_being_written_is_followed(tmp_path):
    frame = records.framed(b"second")
    with open(tmp_path / "f", "wb", buffering=0) as file, records.RecordReader(tmp_path / "f") as reader:
        assert list(reader) == []
        file.write(records.framed(b"first") + frame[:5])
        assert next(reader) == b"first" and reader.offset == 21
        for part in (frame[5:12], frame[12:15], frame[15:]):
            with pytest.raises(records.TruncatedRecordError, match="truncated record at 21"):
                next(reader)
            file.write(part)
        assert next(reader) == b"second" and list(reader) == []


def test_one_reader_is_for_one_thread(tmp_path):
    written(tmp_path / "f")

    class Again(records.RecordReader):
        def __init__(self, path):
            super().__init__(path)
            self._read = lambda size: next(self)                    # as another thread might, while this one waits
    with pytest.raises(RuntimeError, match="another thread reads from this file"):
        next(Again(tmp_path / "f"))


# --- datasets ---------------------------------------------------------------------------------------

def elements(dataset):
    element, found = dataset.make_one_shot_iterator().get_next(), []
    with tf.Session() as session, pytest.raises(tf.errors.OutOfRangeError):
        while True:
            found.append(session.run(element))
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_a_dataset_of_compressed_files(tmp_path, kind):
    written(tmp_path / "f", options=kind)
    assert elements(tf.data.TFRecordDataset(str(tmp_path / "f"), kind)) == RECORDS
    text = b"one\r\ntwo\n\nthree"
    (tmp_path / "t").write_bytes({"": text, "GZIP": gzip.compress(text), "ZLIB": zlib.compress(text)}[kind])
    assert elements(tf.data.TextLineDataset(str(tmp_path / "t"), kind)) == [b"one", b"two", b"", b"three"]


@pytest.mark.parametrize("reads, order", [                          # as TensorFlow 1.15 gave them
    (None, "00 01 02 03 04 10 11 20 21 22"), (1, "00 01 02 03 04 10 11 20 21 22"),
    (2, "00 10 01 11 02 03 20 04 21 22"), (3, "00 10 20 01 11 21 02 22 03 04")])
def test_parallel_reads_take_turns(tmp_path, reads, order):
    names = []
    for file, count in enumerate((5, 2, 3)):
        names.append(str(tmp_path / str(file)))
        written(tmp_path / str(file), [b"%d%d" % (file, i) for i in range(count)])
    assert elements(tf.data.TFRecordDataset(names, num_parallel_reads=reads)) == order.encode().split()
    files = tf.data.Dataset.from_tensor_slices(names)
    assert elements(tf.data.TFRecordDataset(files, num_parallel_reads=reads)) == order.encode().split()


# --- golden and hostile files -----------------------------------------------------------------------

def test_golden_records(golden):
    for name, entry in json.loads((golden / "manifest.json").read_text())["tfrecords"].items():
        expected = [(r["len"], r["sha256"]) for r in entry["records"]]
        for suffix, kind in (("", ""), (".gz", "GZIP"), (".zlib", "ZLIB")):
            path = golden / (name + suffix)
            if path.exists():
                assert [(len(r), hashlib.sha256(r).hexdigest()) for r in read(path, kind)] == expected


def test_hostile_tfrecord(hostile_tfrecord, golden):
    path, kind = golden / "hostile" / hostile_tfrecord["path"], hostile_tfrecord.get("compression", "")
    if hostile_tfrecord["expect"] == "ok":
        read(path, kind)
    else:
        with pytest.raises(tf.errors.DataLossError, match=path.name):
            read(path, kind)
