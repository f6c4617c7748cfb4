"""The sorted table: what is written can be read, and whatever else the bytes are, they are refused by name."""
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thalweg.framework import errors
from thalweg_io import wire
from thalweg_io.checkpoints import snappy
from thalweg_io.checkpoints.table import TableWriter, read_table


def table(entries):
    out = bytearray()
    writer = TableWriter(out.extend)
    for key, value in entries:
        writer.add(key, value)
    writer.finish()
    return bytes(out)


def test_tables_are_written_as_tensorflow_writes_them(checkpoint):
    with open(checkpoint.prefix + ".index", "rb") as file:
        data = file.read()
    assert table(read_table(data, "index").items()) == data


def test_many_blocks_equal_those_of_tensorflow(golden_or_none):
    paths = [golden_or_none / "v2_many" / "many.index"] if golden_or_none else []
    for path in paths:
        data = path.read_bytes()
        entries = read_table(data, "many")
        assert len(entries) == 8701
        assert table(entries.items()) == data


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.binary(max_size=40), st.binary(max_size=60), max_size=60))
def test_writing_then_reading_is_the_identity(entries):
    expected = dict(sorted(entries.items()))
    assert read_table(table(expected.items()), "t") == expected


def test_large_entries_fill_blocks_of_their_own():
    entries = {b"a": b"x" * 10, b"b": b"y" * 600_000, b"c": b"", b"d" * 300_000: b"z", b"\xff" * 3: b"end"}
    assert read_table(table(entries.items()), "t") == entries


def test_keys_must_increase():
    writer = TableWriter(lambda data: None)
    writer.add(b"b", b"")
    with pytest.raises(ValueError, match="table keys must increase: b'a' after b'b'"):
        writer.add(b"a", b"")


def test_every_flipped_bit_is_found_or_harmless():
    entries = {b"": b"head", b"alpha": b"1", b"alphabet": b"22"}
    data = table(entries.items())
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            assert read_table(bytes(damaged), "t") == entries
        except errors.DataLossError:
            pass


def test_every_cut_is_found():
    data = table({b"": b"head", b"alpha": b"1"}.items())
    for size in range(len(data)):
        with pytest.raises(errors.DataLossError, match="^cut: "):
            read_table(data[:size], "cut")


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_refused_by_name(data):
    for tail in (b"", bytes.fromhex("57fb808b247547db")):
        with pytest.raises(errors.DataLossError):
            read_table(data + tail, "noise")


def test_an_unknown_block_type_is_named():
    from thalweg_io.records.crc32c import masked_crc32c
    data = bytearray(table([(b"k", b"v")]))
    block = data[:12]
    size = len(data) - 48
    assert size > len(block)
    end = next(i for i in range(8, 40) if masked_crc32c(data[:i + 1]) == int.from_bytes(data[i + 1:i + 5], "little"))
    data[end] = 7
    data[end + 1:end + 5] = masked_crc32c(data[:end + 1]).to_bytes(4, "little")
    with pytest.raises(errors.DataLossError, match="bad block type 7"):
        read_table(bytes(data), "t")


# --- snappy -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("block,expected", [
    (b"\x00", b""),
    (b"\x05\x10hello", b"hello"),
    (b"\x0a\x00a\x15\x01\x00", None),                                    # 1 + 6 bytes of a claimed 10
    (b"\x07\x00a\x09\x01", b"aaaaaaa"),                                  # one-byte copy overlapping itself: 6 x "a"
    (b"\x08\x0cabcd\x0e\x04\x00", b"abcdabcd"),                          # two-byte offset
    (b"\x08\x0cabcd\x0f\x04\x00\x00\x00", b"abcdabcd"),                  # four-byte offset
    (b"\x46\xf0\x45" + b"q" * 70, b"q" * 70),                            # literal with its length in a byte of its own
    (b"\x04\x00a\x0a\x05\x00", None),                                    # copy from before the start
    (b"\x05\x10hel", None), (b"\x05\xf0", None), (b"", None), (b"\xff\xff\xff\xff\x0f\x00a", None),
])
def test_snappy_blocks(block, expected):
    if expected is None:
        with pytest.raises(wire.WireError):
            snappy.decompress(block)
    else:
        assert snappy.decompress(block) == expected


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60))
def test_snappy_ends_on_any_bytes(block):
    try:
        snappy.decompress(block)
    except wire.WireError:
        pass


# --- wire -------------------------------------------------------------------------------------------

@given(st.integers(0, 2**64 - 1))
def test_varints(value):
    data = wire.varint(value)
    assert wire.read_varint(data, 0, len(data)) == (value, len(data))


@pytest.mark.parametrize("data", [b"", b"\x80", b"\xff" * 10, b"\xff" * 9 + b"\x7f"])
def test_bad_varints(data):
    with pytest.raises(wire.WireError):
        wire.read_varint(data, 0, len(data))


@pytest.mark.parametrize("data,message", [(b"\x00\x01", "field number 0"), (b"\x0b", "wire type 3"),
                                          (b"\x0a\x05abc", "longer than its message"), (b"\x0d\x01", "longer")])
def test_bad_fields(data, message):
    with pytest.raises(wire.WireError, match=message):
        list(wire.fields(data))
