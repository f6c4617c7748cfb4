"""`thalweg checkpoint` with .safetensors and .npz files: into each other and into checkpoints."""
import numpy as np
import pytest

from thalweg.commands import main
from thalweg_io.arrays import write_npz, write_safetensors
from thalweg_io.checkpoints.bundle.reader import BundleReader
from thalweg_io.checkpoints.bundle.writer import BundleWriter
from thalweg_io.checkpoints.tensor_slice import TensorSlice
from thalweg_io.commands.checkpoint.source import Source

BFLOAT16 = np.dtype([("bfloat16", "<u2")])
VALUES = {
    "bool": np.array([True, False]), "empty": np.zeros((0, 3), np.float32), "scalar": np.float64(0.1),
    **{str(np.dtype(t)): np.arange(6, dtype=t).reshape(2, 3) for t in
       ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")},
    "größe/w:0": np.float32([np.nan, -0.0, np.inf]),
}


@pytest.fixture
def thalweg(capsys):
    """Runs `thalweg checkpoint ...`; gives (status, stdout, stderr)."""
    def run(*arguments):
        return main.main(["checkpoint", *map(str, arguments)]), *capsys.readouterr()
    return run


@pytest.fixture
def saved(tmp_path):
    prefix = str(tmp_path / "model.ckpt")
    with BundleWriter(prefix) as writer:
        for name, value in sorted(VALUES.items()):
            writer.add(name, value)
    return prefix


@pytest.mark.parametrize("end", ["safetensors", "npz"])
def test_there_and_back(thalweg, saved, tmp_path, end):
    path, back = tmp_path / f"x.{end}", tmp_path / "back"
    status, stdout, stderr = thalweg("convert", saved, path)
    assert (status, stderr) == (0, "") and stdout.startswith(f"{path}: {end}, {len(VALUES)} tensors, ")
    assert thalweg("diff", saved, path)[:2] == (0, f"{len(VALUES)} tensors compared, 0 differ\n")
    assert thalweg("convert", path, back, "--to", "v2")[0] == 0
    for suffix in (".index", ".data-00000-of-00001"):
        assert open(f"{back}{suffix}", "rb").read() == open(f"{saved}{suffix}", "rb").read()
    assert thalweg("verify", path)[1].startswith(f"ok       {path}  {end}, {len(VALUES)} tensors, ")
    assert [p.name for p in tmp_path.glob("*.thw-*")] == []


@pytest.mark.parametrize("old, new", [("safetensors", "npz"), ("npz", "safetensors")])
def test_into_each_other(thalweg, saved, tmp_path, old, new):
    assert thalweg("convert", saved, tmp_path / f"x.{old}")[0] == 0
    assert thalweg("convert", tmp_path / f"x.{old}", tmp_path / f"x.{new}")[0] == 0
    assert thalweg("diff", tmp_path / f"x.{new}", saved)[0] == 0


@pytest.mark.parametrize("write, end", [(write_npz, "npz"), (write_safetensors, "safetensors")])
def test_arrays_are_read_one_at_a_time(tmp_path, write, end):
    """Memory is that of the largest tensor: the writer asks for a value only when those before it are in the file."""
    sizes = []

    class Unread:
        shape, dtype = (1000,), np.dtype(np.int64)

        def __array__(self, dtype=None, copy=None):
            sizes.append(sum(path.stat().st_size for path in tmp_path.iterdir()))
            return np.arange(1000)

    write(tmp_path / f"x.{end}", {"a": Unread(), "b": Unread(), "c": np.arange(3)})
    assert len(sizes) == 2 and sizes[1] >= sizes[0] + 8000
    with Source(tmp_path / f"x.{end}") as source:
        assert np.array_equal(source.read("b"), np.arange(1000)) and source.names() == ["a", "b", "c"]


def test_bfloat16_in_safetensors(thalweg, tmp_path):
    with BundleWriter(str(tmp_path / "b")) as writer:
        writer.add("b", np.array([0x3F80, 0x7FC0], "<u2").view(BFLOAT16))
    assert thalweg("convert", tmp_path / "b", tmp_path / "b.safetensors")[0] == 0
    assert thalweg("diff", tmp_path / "b", tmp_path / "b.safetensors")[0] == 0
    assert "b     bfloat16  [2]        4\n" in thalweg("list", tmp_path / "b.safetensors")[1]


def test_partitions_are_joined_knowingly(thalweg, tmp_path):
    with BundleWriter(str(tmp_path / "p")) as writer:
        for begin in (0, 2):
            writer.add_slice("table", (4, 2), TensorSlice([(begin, 2), (0, 2)]), np.full((2, 2), begin, np.int32))
    assert thalweg("convert", tmp_path / "p", tmp_path / "p.npz")[0] == 2
    assert thalweg("convert", tmp_path / "p", tmp_path / "p.npz", "--partitions", "join")[0] == 0
    with Source(tmp_path / "p.npz") as source:
        assert source.read("table").tolist() == [[0, 0], [0, 0], [2, 2], [2, 2]]


def test_renaming_stays_in_the_format(thalweg, saved, tmp_path):
    path = tmp_path / "x.safetensors"
    thalweg("convert", saved, path)
    assert "end it in .safetensors" in thalweg("rename", path, tmp_path / "y", "--map", "bool=flag")[2]
    assert thalweg("rename", path, tmp_path / "y.safetensors", "--map", "bool=flag")[0] == 0
    assert thalweg("list", tmp_path / "y.safetensors", "--names", "--only", "flag")[1] == "flag\n"


def test_damage_leaves_nothing(thalweg, saved, tmp_path):
    entry = BundleReader(saved).entries[b"int32"]
    data = bytearray(open(f"{saved}.data-00000-of-00001", "rb").read())
    data[entry.offset] ^= 1
    open(f"{saved}.data-00000-of-00001", "wb").write(data)
    for end in ("safetensors", "npz"):
        status, _, stderr = thalweg("convert", saved, tmp_path / f"x.{end}")
        assert status == 2 and "tensor 'int32': Checksum does not match" in stderr
    assert list(tmp_path.glob("x*")) == []


def test_golden_arrays(thalweg, golden_or_none):
    for path in sorted((golden_or_none / "arrays").iterdir()) if golden_or_none else ():
        assert thalweg("verify", path)[0] == 0 and thalweg("list", path)[0] == 0
