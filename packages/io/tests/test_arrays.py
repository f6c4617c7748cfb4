"""safetensors and npz files: written, read, and refused when they are damaged or lie."""
import hashlib
import io
import json
import os
import random
import resource
import time
import zipfile

import numpy as np
import pytest

import thalweg as tf
from thalweg.framework.dtypes import bfloat16
from thalweg_io.arrays import open_npz, open_safetensors, write_npz, write_safetensors
from thalweg_io.element_types import dtype_of_number

OPEN = {"safetensors": open_safetensors, "npz": open_npz}
WRITE = {"safetensors": write_safetensors, "npz": write_npz}
FLOAT8 = dtype_of_number(24, "a test")
ARRAYS = {
    "layer/w": np.arange(12, dtype=np.float32).reshape(3, 4), "b": np.array([-1, 2**40]),
    "flag": np.array([True, False, True]), "scalar": np.float64(-0.0), "none": np.empty((0, 3), np.int8),
    "half": np.array([1.5, np.inf], np.float16), "columns": np.arange(6, dtype=np.uint16).reshape(3, 2).T,
    "c": np.array([1 + 2j], np.complex64), "be": np.array([1, 2, 3], ">i4"),
    "bf": np.array([0x3F80, 0x7FC0], np.uint16).view(bfloat16.np), "f8": np.array([1, 255], np.uint8).view(FLOAT8.np)}
KINDS = sorted(OPEN)


def bits(array):
    return np.ascontiguousarray(array, array.dtype.newbyteorder("=")).tobytes()


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_read(tmp_path, kind):
    path = tmp_path / f"a.{kind}"
    WRITE[kind](path, ARRAYS)
    with OPEN[kind](path) as found:
        assert sorted(found.names()) == sorted(ARRAYS) and len(found) == len(ARRAYS)
        assert "b" in found and "missing" not in found
        for name, array in ARRAYS.items():
            got = found.read(name)
            assert got.shape == found.shape(name) == np.shape(array)
            assert got.dtype == found.dtype(name).np == np.asarray(array).dtype.newbyteorder("=")
            assert got.tobytes() == bits(np.asarray(array)) and got.flags.writeable
        assert found.dtype("bf") is bfloat16 and found.dtype("f8").name == "float8_e5m2"
        with pytest.raises(tf.errors.NotFoundError, match="has no array 'missing'; it has"):
            found.read("missing")
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("kind", KINDS)
def test_values_of_another_librarys_bfloat16(tmp_path, kind):
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="the package ml_dtypes is not installed")
    WRITE[kind](tmp_path / "a", {"x": np.array([1.0, -2.0], ml_dtypes.bfloat16)})
    assert OPEN[kind](tmp_path / "a").read("x")["bfloat16"].tolist() == [0x3F80, 0xC000]


def test_numpy_reads_our_npz_and_we_read_numpys(tmp_path):
    plain = {name: a for name, a in ARRAYS.items() if name not in ("bf", "f8")}
    write_npz(tmp_path / "ours.npz", plain)
    for name, array in np.load(tmp_path / "ours.npz").items():
        assert array.dtype == plain[name].dtype and np.array_equal(array, plain[name])
    np.savez_compressed(tmp_path / "theirs.npz", **plain, text=np.array(["a", "\u00e9"]), raw=np.array([b"x", b"yz"]))
    with open_npz(tmp_path / "theirs.npz") as found:
        for name, array in plain.items():
            assert np.array_equal(found.read(name), array)
        assert found.read("text").tolist() == [b"a", "\u00e9".encode()] and found.read("raw").tolist() == [b"x", b"yz"]
        assert found.dtype("text") == tf.string


def test_the_bytes_of_a_safetensors_file(tmp_path):
    write_safetensors(tmp_path / "a", {"small": np.array([7], np.uint8), "x": np.array([1.0], np.float32)}, {"k": "v"})
    data = (tmp_path / "a").read_bytes()
    length = int.from_bytes(data[:8], "little")
    assert length % 8 == 0 and json.loads(data[8:8 + length]) == {
        "__metadata__": {"k": "v"}, "x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
        "small": {"dtype": "U8", "shape": [1], "data_offsets": [4, 5]}}
    assert data[8 + length:] == b"\0\0\x80\x3f\7"
    assert open_safetensors(tmp_path / "a").metadata == {"k": "v"}


@pytest.mark.parametrize("kind, value, said", [
    ("safetensors", np.array(["a"]), "no type for"), ("safetensors", np.array([1j]), "no type for complex128"),
    ("npz", np.array([b"a"], object), "no strings of any length"), ("npz", np.array(["a"]), "no strings"),
    ("npz", np.zeros(1, "M8[s]"), "no element type of thalweg")])
def test_what_is_not_written(tmp_path, kind, value, said):
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"a: x: .*{said}"):
        WRITE[kind](tmp_path / "a", {"x": value})
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("kind, name", [("safetensors", "__metadata__"), ("npz", ""), ("npz", "a\0b")])
def test_names_that_are_not_written(tmp_path, kind, name):
    with pytest.raises(tf.errors.InvalidArgumentError, match="the name of an array is a str"):
        WRITE[kind](tmp_path / "a", {name: np.zeros(1)})


# --- damage -----------------------------------------------------------------------------------------

def safetensors_of(header, data=b"\0" * 8, length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


def one(**changes):
    return {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **changes}}


@pytest.mark.parametrize("data, said", [
    (b"1234", "too short for a safetensors file: 4 bytes"),
    (safetensors_of({}, length=100_000_001), "100000000 is the most"),
    (safetensors_of({}, b"", length=50), "a header of 50 bytes, of which the file has 2"),
    (safetensors_of(b"{nonsense"), "no JSON"), (safetensors_of(b"[" * 100_000), "no JSON"),
    (safetensors_of(b"\xff{}"), "no JSON"), (safetensors_of(b"[]"), "no JSON object"),
    (safetensors_of(b" {}"), "no JSON object"),
    (safetensors_of(b'{"a":{"dtype":"F32","dtype":"F32"}}'), "the header has 'dtype' twice"),
    (safetensors_of({"__metadata__": {"a": 1}}), "__metadata__ must have strings only"),
    (safetensors_of({"a": [1]}), "a: an entry has dtype, shape and data_offsets"),
    (safetensors_of(one(more=1)), "a: an entry has"), (safetensors_of(one(dtype=3)), "3 is not a data type"),
    (safetensors_of(one(dtype="X")), "'X' is not a data type"),
    (safetensors_of(one(shape=[2.0])), "must be lists of sizes"),
    (safetensors_of(one(shape=[True])), "must be lists of sizes"),
    (safetensors_of(one(shape=[-2])), "lists of sizes"), (safetensors_of(one(data_offsets=[0])), "lists of sizes"),
    (safetensors_of(one(shape=[1])), r"the offsets \[0, 8\] do not fit the shape \[1\] of F32"),
    (safetensors_of(one(shape=[1 << 62, 4])), "do not fit the shape"),
    (safetensors_of(one(), b"\0" * 9), "the arrays end at 8, the file's data at 9"),
    (safetensors_of(one(), b"\0" * 7), "the arrays end at 8, the file's data at 7"),
    (safetensors_of({"a": one()["a"], "b": one()["a"]}, b"\0" * 8), "b: begins at 0 where 8 is expected"),
])
def test_a_damaged_safetensors_file(tmp_path, data, said):
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(tf.errors.DataLossError, match=f"/a: .*{said}"):
        open_safetensors(tmp_path / "a")


def test_values_of_safetensors_that_are_not_read(tmp_path):
    (tmp_path / "a").write_bytes(safetensors_of({
        "b": {"dtype": "BOOL", "shape": [1], "data_offsets": [0, 1]},
        "f": {"dtype": "F4", "shape": [2], "data_offsets": [1, 2]}}, b"\2\0"))
    found = open_safetensors(tmp_path / "a")
    with pytest.raises(tf.errors.DataLossError, match="b: a bool that is neither 0 nor 1"):
        found.read("b")
    with pytest.raises(tf.errors.UnimplementedError, match="f: values of type F4 cannot be read"):
        found.dtype("f")
    (tmp_path / "b").write_bytes(safetensors_of(one()))
    found = open_safetensors(tmp_path / "b")
    os.truncate(tmp_path / "b", os.path.getsize(tmp_path / "b") - 3)
    with pytest.raises(tf.errors.DataLossError, match="a: the file ends 3 bytes early"):
        found.read("a")


def npz_of(member, *names, method=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name in names or ["a.npy"]:
            archive.writestr(name, member)
    return file.getvalue()


def npy(header, data=b"\0" * 8, version=1):
    text = header.encode()
    return b"\x93NUMPY" + bytes([version, 0]) + len(text).to_bytes(2 if version == 1 else 4, "little") + text + data


GOOD = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }"


@pytest.mark.parametrize("data, said", [
    (b"no zip", "no archive of arrays"), (npz_of(npy(GOOD), "a.txt"), "the member 'a.txt' is no array"),
    (npz_of(npy(GOOD), "a.npy", "b.npy").replace(b"b.npy", b"a.npy"), "the member 'a.npy' is there twice"),
    (npz_of(npy(GOOD), method=zipfile.ZIP_BZIP2), "a: compressed by method 12; arrays are stored or deflated"),
    (npz_of(b"x" * 20), "not as an array of NumPy"), (npz_of(b"\x93NUMPY\x09\0" + b"\0" * 8), "version 9.0"),
    (npz_of(npy(GOOD + " " * 10_000)), "a header of 10057 bytes; 10000 is the most"),
    (npz_of(npy(GOOD)[:30]), "the header is cut"), (npz_of(npy("[]")), "is no dict"),
    (npz_of(npy("{'descr': open('x'), }")), "has what must be evaluated"),
    (npz_of(npy("{'descr': '<f4'}")), "the header has descr, not descr, fortran_order, shape"),
    (npz_of(npy(GOOD.replace("(2,)", "False"))), "has a wrong value"),
    (npz_of(npy(GOOD.replace("(2,)", "(2 2,)"))), "is no shape"),
    (npz_of(npy(GOOD.replace("<f4", "|O"))), "Python objects never are"),
    (npz_of(npy(GOOD.replace("<f4", "<f3"))), "is no type that is read"),
    (npz_of(npy(GOOD.replace("(2,)", "(1152921504606846976,)"))), "in a member that has 8"),
    (npz_of(npy(GOOD, b"\0" * 9)), r"an array of shape \(2,\), 8 bytes, in a member that has 9"),
])
def test_a_damaged_npz_file(tmp_path, data, said):
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(tf.errors.DataLossError, match=f"/a: .*{said}"):
        open_npz(tmp_path / "a")


def test_headers_that_others_write(tmp_path):
    data = np.arange(2, dtype="<f4").tobytes()
    for text in ("{'shape': (2L,), 'fortran_order': False, 'descr': '<f4'}\n", GOOD):
        for version in (1, 2, 3):
            (tmp_path / "a").write_bytes(npz_of(npy(text, data, version)))
            assert open_npz(tmp_path / "a").read("a").tolist() == [0, 1]


def test_a_size_that_cannot_come_of_the_file(tmp_path):
    data = bytearray(npz_of(npy(GOOD.replace("(2,)", "(250000000,)"))))
    header_size = len(npy(GOOD.replace("(2,)", "(250000000,)"))) - 8
    at = data.index(b"PK\1\2")
    data[at + 24:at + 28] = (header_size + 10**9).to_bytes(4, "little")
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(tf.errors.DataLossError, match=r"a: 1000000\d+ bytes cannot come of \d+ in a file of"):
        open_npz(tmp_path / "a")


def read_all(kind, path):
    with OPEN[kind](path) as found:
        return {name: found.read(name) for name in found}


@pytest.mark.parametrize("kind", KINDS)
def test_mutated_files_are_read_or_told(tmp_path, kind):
    WRITE[kind](tmp_path / "good", ARRAYS)
    good, rng = (tmp_path / "good").read_bytes(), random.Random(4)
    for size in range(0, len(good), 7):
        (tmp_path / "bad").write_bytes(good[:size])
        with pytest.raises(tf.errors.DataLossError, match="bad"):
            read_all(kind, tmp_path / "bad")
    for _ in range(400):
        bad = bytearray(good)
        for _ in range(rng.choice((1, 1, 3))):
            bad[rng.randrange(len(bad))] = rng.randrange(256)
        (tmp_path / "bad").write_bytes(bad)
        try:
            read_all(kind, tmp_path / "bad")
        except tf.errors.OpError as error:
            assert "bad" in str(error)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_is_not_there(kind):
    with pytest.raises(tf.errors.NotFoundError, match="nowhere; No such file"):
        OPEN[kind]("/nowhere")


# --- golden and hostile files -----------------------------------------------------------------------

def test_golden_arrays(golden):
    manifest = json.loads((golden / "manifest.json").read_text())["arrays"]
    for name, arrays in {**manifest, "arrays/packed.npz": manifest["arrays/plain.npz"]}.items():
        with OPEN[name.rpartition(".")[2]](golden / name) as found:
            assert sorted(found.names()) == sorted(arrays)
            for key, entry in arrays.items():
                array, swapped = found.read(key), entry["dtype"].startswith(">")
                assert [list(array.shape), found.dtype(key).name] == [
                    entry["shape"], np.dtype(entry["dtype"]).name if swapped else entry["dtype"]]
                stored = array.astype(entry["dtype"]) if swapped else array        # hashed as they lie in the file
                assert hashlib.sha256(stored.tobytes()).hexdigest() == entry["sha256"]


def check_hostile(kind, case, golden):
    path, start = golden / "hostile" / case["path"], time.time()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if case["expect"] == "ok":
        assert read_all(kind, path)
    else:
        with pytest.raises(tf.errors.DataLossError, match=path.name):
            read_all(kind, path)
    assert time.time() - start < 2 and resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000    # kB


def test_hostile_safetensors(hostile_safetensors, golden):
    check_hostile("safetensors", hostile_safetensors, golden)


def test_hostile_npz(hostile_npz, golden):
    check_hostile("npz", hostile_npz, golden)
