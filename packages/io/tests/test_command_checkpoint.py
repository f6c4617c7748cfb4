"""`thalweg checkpoint`: what it prints and writes, its exit statuses, and what it says of files that are damaged."""
import json
import os
import pathlib
import subprocess
import sys
import types

import numpy as np
import pytest

from thalweg.commands import main, registry
from thalweg.framework import dtypes
from thalweg_io.checkpoints.bundle.reader import BundleReader
from thalweg_io.checkpoints.bundle.writer import BundleWriter
from thalweg_io.checkpoints.state import update_checkpoint_state
from thalweg_io.checkpoints.tensor_slice import TensorSlice
from thalweg_io.checkpoints.v1.reader import V1Reader
from thalweg_io.checkpoints.v1.writer import V1Writer
from thalweg_io.commands import COMMANDS, progress
from thalweg_io.commands.checkpoint import numbers
from thalweg_io.commands.checkpoint.diff import values_compared

DATA = pathlib.Path(__file__).parent / "data"
BFLOAT16 = np.dtype([("bfloat16", "<u2")])


@pytest.fixture
def thalweg(capsys):
    """Runs `thalweg checkpoint ...`; gives (status, stdout, stderr)."""
    def run(*arguments):
        try:
            status = main.main(["checkpoint", *map(str, arguments)])
        except SystemExit as error:
            status = error.code
        return status, *capsys.readouterr()
    return run


def write(prefix, tensors):
    with BundleWriter(str(prefix)) as writer:
        for name, value in sorted(tensors.items()):
            writer.add(name, value)
    return str(prefix)


@pytest.fixture
def saved(tmp_path):
    """A small checkpoint of several dtypes, with a partitioned variable, and a state file that names it."""
    prefix = str(tmp_path / "model.ckpt-7")
    with BundleWriter(prefix) as writer:
        writer.add("bytes", np.array([b"a", b"\x1b[31m"], object))
        writer.add("dense/kernel", np.arange(6, dtype=np.float32).reshape(2, 3))
        writer.add("global_step", np.int64(7))
        writer.add("half", np.array([0x3F80, 0xC000, 0x7F80], "<u2").view(BFLOAT16))
        for begin in (0, 2):
            writer.add_slice("table", (4, 2), TensorSlice([(begin, 2), (0, 2)]), np.full((2, 2), begin, np.int32))
    update_checkpoint_state(str(tmp_path), prefix)
    return prefix


def damage(path, position, mask=0xFF):
    data = bytearray(open(path, "rb").read())
    data[position] ^= mask
    open(path, "wb").write(data)


# --- list -------------------------------------------------------------------------------------------

LISTED = """\
name          dtype     shape  bytes
bytes         string    [2]        -
dense/kernel  float32   [2,3]     24
global_step   int64     []         8
half          bfloat16  [3]        6
table         int32     [4,2]     32
5 tensors, 20 elements, 70 bytes; V2, {}
"""


@pytest.mark.parametrize("path", ["{}", "{}.index", "{}.data-00000-of-00001", "{}/.."])
def test_list_takes_a_prefix_a_file_or_a_folder(thalweg, saved, path):
    path = os.path.dirname(saved) if path.endswith("..") else path.format(saved)
    assert thalweg("list", path) == (0, LISTED.format(saved), "")


def test_list_sorts_filters_and_tells_slices(thalweg, saved):
    status, stdout, _ = thalweg("list", saved, "--only", "*e*", "--sort", "bytes", "--long")
    names = [line.split()[0] for line in stdout.splitlines()[1:-1]]
    assert names == ["table", "dense/kernel", "global_step", "bytes"]
    assert "50.0 %  2: 0,2:0,2 2,2:0,2" in stdout
    assert thalweg("list", saved, "--names", "--only", "[dg]*")[1] == "dense/kernel\nglobal_step\n"


def test_list_for_programs(thalweg, saved):
    found = json.loads(thalweg("list", saved, "--only", "table", "--json")[1])
    assert found == {"path": saved, "format": "v2", "tensors": [
        {"name": "table", "dtype": "int32", "shape": [4, 2], "bytes": 32, "slices": ["0,2:0,2", "2,2:0,2"]}]}


def test_list_of_an_empty_checkpoint(thalweg, tmp_path):
    prefix = write(tmp_path / "empty", {})
    assert thalweg("list", prefix) == (0, f"name  dtype  shape  bytes\n0 tensors, 0 elements, 0 bytes; V2, {prefix}\n",
                                       "")


def test_names_of_any_letters_are_aligned_and_harmless(thalweg, tmp_path):
    prefix = write(tmp_path / "names", {"变量": np.zeros(2, np.int8), "e\x1b[2Jvil": np.zeros(1, np.int8)})
    stdout = thalweg("list", prefix)[1]
    assert "变量         int8   [2]        2\n" in stdout and "e\\x1b[2Jvil  int8   [1]        1\n" in stdout


def test_list_of_every_checkpoint(thalweg, checkpoint):
    status, stdout, _ = thalweg("list", checkpoint.prefix, "--json")
    assert status == 0
    assert {t["name"]: tuple(t["shape"]) for t in json.loads(stdout)["tensors"]} == \
        {name: shape for name, (_, shape, _) in checkpoint.tensors.items()}


def test_ten_thousand_tensors(thalweg, tmp_path):
    prefix = write(tmp_path / "many", {f"layer_{i:05d}/w": np.float32(i) for i in range(10000)})
    status, stdout, _ = thalweg("list", prefix)
    assert status == 0 and stdout.count("\n") == 10002 and "10,000 tensors, 10,000 elements, 39.1 KiB" in stdout


@pytest.mark.parametrize("path, message", [
    ("nowhere", "Failed to find any matching files for nowhere: there is no nowhere.index"),
    ("{}/none", "there is no checkpoint in the folder"),
    ("{}/two", "has no file `checkpoint` that says which of its 2 checkpoints is the newest: name one, a, b")])
def test_paths_without_a_checkpoint(thalweg, tmp_path, path, message):
    (tmp_path / "none").mkdir()
    (tmp_path / "two").mkdir()
    for name in "ab":
        write(tmp_path / "two" / name, {"x": np.float32(1)})
    status, stdout, stderr = thalweg("list", path.format(tmp_path))
    assert (status, stdout) == (2, "") and message in stderr and stderr.count("\n") == 1


def test_a_name_that_is_not_there_brings_near_ones(thalweg, saved):
    status, _, stderr = thalweg("list", saved, "--only", "dense/kernl")
    assert status == 2 and "no tensor of" in stderr and "near: dense/kernel" in stderr


def test_a_pipe_that_closes(saved):
    command = f"'{sys.executable}' -m thalweg checkpoint list '{saved}' | head -1"
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=environ, timeout=60)
    assert done.stdout == "name          dtype     shape  bytes\n" and done.stderr == ""


# --- show -------------------------------------------------------------------------------------------

def test_show_values_and_statistics(thalweg, saved):
    status, stdout, _ = thalweg("show", saved, "half", "dense/kernel[1,::2]", "bytes")
    assert status == 0
    assert stdout == ("half  bfloat16 [3], 3 elements\n"
                      "  min -2  max 1  mean -0.5  std 1.5  inf 1\n"
                      "  [ 1. -2. inf]\n\n"
                      "dense/kernel[1,::2]  float32 [2], 2 elements\n"
                      "  min 3  max 5  mean 4  std 1\n"
                      "  [3. 5.]\n\n"
                      "bytes  string [2], 2 elements\n"
                      "  min 1  max 5  mean 3  std 2 of lengths\n"
                      "  [b'a' b'\\x1b[31m']\n")


def test_show_cuts_large_tensors_unless_told(thalweg, tmp_path):
    prefix = write(tmp_path / "large", {"x": np.arange(3000)})
    assert thalweg("show", prefix, "x")[1].endswith("  [   0    1 ... 2998 2999]\n")
    assert " 1500 " in thalweg("show", prefix, "x", "--full")[1]
    assert thalweg("show", prefix, "x", "--stats")[1].count("\n") == 2


def test_show_for_programs(thalweg, saved):
    part, = json.loads(thalweg("show", saved, "dense/kernel[-1,0]", "--full", "--json")[1])
    assert part["values"] == 3 and part["part"] == "dense/kernel[-1,0]" and part["statistics"]["mean"] == 3
    assert json.loads(thalweg("show", saved, "half", "--full", "--json")[1])[0]["values"] == [1, -2, "inf"]
    strings = json.loads(thalweg("show", saved, "bytes", "--full", "--json")[1])[0]["values"]
    assert strings == [{"base64": "YQ=="}, {"base64": "G1szMW0="}]


@pytest.mark.parametrize("index", ["2", "0,0,0", "a", "0:1:0", ""])
def test_show_of_a_part_that_is_none(thalweg, saved, index):
    status, _, stderr = thalweg("show", saved, f"dense/kernel[{index}]")
    assert status == 2 and ("is no part of shape [2,3]" in stderr or "is named" in stderr)


def test_show_every_dtype(thalweg, checkpoint):
    status, stdout, stderr = thalweg("show", checkpoint.prefix, "*", "--stats")
    assert (status, stderr) == (0, "") and stdout.count("element") == len(checkpoint.tensors)


def test_statistics_count_what_is_not_finite():
    values = np.array([1, np.nan, -np.inf, 0, 3, np.inf, 0], np.float32)
    assert numbers.statistics(values) == {"min": 0.0, "max": 3.0, "mean": 1.0, "std": pytest.approx(np.sqrt(1.5)),
                                          "zeros": 2, "nan": 1, "inf": 2}
    assert numbers.statistics(np.full(3, np.nan))["mean"] is None


def test_statistics_over_several_blocks(monkeypatch):
    monkeypatch.setattr(numbers, "_BLOCK", 7)
    values = np.random.RandomState(0).randn(10, 10)
    found = numbers.statistics(values)
    assert found["mean"] == pytest.approx(values.mean()) and found["std"] == pytest.approx(values.std())
    assert (found["min"], found["max"]) == (values.min(), values.max())


def test_small_integers_have_signs():
    nibbles = np.array([0x0F, 0x07, 0xF8], np.uint8)
    assert numbers.as_numbers(nibbles.view([("int4", "u1")])).tolist() == [-1, 7, -8]
    assert numbers.as_numbers(nibbles[:2].view([("uint4", "u1")])).tolist() == [15, 7]


# --- diff -------------------------------------------------------------------------------------------

def test_diff_of_equal_checkpoints(thalweg, saved, tmp_path):
    whole = write(tmp_path / "whole", {name: BundleReader(saved).read(name) for name in BundleReader(saved).names()})
    assert thalweg("diff", saved, whole) == (0, "5 tensors compared, 0 differ\n", "")      # partitions do not count


def test_diff_tells_what_differs(thalweg, tmp_path):
    same = {"same": np.array([np.nan, 1.0])}
    a = write(tmp_path / "a", {**same, "x": np.float32([1, 2, 4]), "shape": np.zeros((2, 3)), "dtype": np.int32(1),
                               "gone": np.zeros(2)})
    b = write(tmp_path / "b", {**same, "x": np.float32([1, 2.5, 4.25]), "shape": np.zeros((3, 2)), "new": np.zeros(()),
                               "dtype": np.int64(1)})
    status, stdout, _ = thalweg("diff", a, b)
    assert status == 1
    assert stdout.splitlines() == [
        f"--- {a}", f"+++ {b}", "!  dtype  dtype int32, in B int64", "-  gone   only in A: float64 [2]",
        "+  new    only in B: float64 []", "!  shape  shape [2,3], in B [3,2]",
        "!  x      2 of 3 elements, at most by 0.5: 2.0 and 2.5 at [1]", "6 tensors compared, 5 differ"]
    assert thalweg("diff", a, b, "--only", "x", "--atol", "0.5")[0] == 0
    assert thalweg("diff", a, b, "--only", "x", "--rtol", "0.1")[0] == 1
    assert thalweg("diff", a, b, "--only", "dtype", "--any-dtype")[0] == 0
    found = json.loads(thalweg("diff", a, b, "--only", "x", "--json")[1])
    assert found == [{"name": "x", "shape": [3], "differs": "values", "count": 2, "size": 3, "at": [1],
                      "largest": 0.5, "a": "2.0", "b": "2.5"}]


@pytest.mark.parametrize("a, b, largest", [
    (np.uint8([0, 255]), np.uint8([255, 255]), 255), (np.int64([2**62 + 1]), np.int64([2**62]), 1),
    (np.array([True]), np.array([False]), 1), (np.complex64([1j]), np.complex64([1]), np.sqrt(2)),
    (np.float32([np.inf]), np.float32([-np.inf]), "inf"), (np.float64([np.nan]), np.float64([1]), "inf"),
    (np.array([b"a"], object), np.array([b"b"], object), None),
    (np.array([1], "<u2").view(BFLOAT16), np.array([0x3F80], "<u2").view(BFLOAT16), 1)])
def test_differences_of_every_kind(a, b, largest):
    found = values_compared(a, b)
    assert found["count"] == 1 and found["differs"] == "values"
    assert found["largest"] == (pytest.approx(largest) if isinstance(largest, float) else largest)
    assert values_compared(a, a)["differs"] is None


@pytest.mark.parametrize("tolerance", ["-1", "nan", "inf", "x"])
def test_a_tolerance_is_a_number(thalweg, saved, tolerance):
    status, _, stderr = thalweg("diff", saved, saved, f"--rtol={tolerance}")
    assert status == 2 and f"{tolerance!r} is no number from 0 on" in stderr


def test_diff_of_a_missing_checkpoint_is_trouble(thalweg, saved):
    assert thalweg("diff", saved, "nowhere")[0] == 2


# --- rename -----------------------------------------------------------------------------------------

def test_rename_keeps_values_and_slices(thalweg, saved, tmp_path):
    target = str(tmp_path / "out" / "renamed")
    (tmp_path / "out").mkdir()
    status, stdout, _ = thalweg("rename", saved, target, "--map", "table=embedding/part", "--regex", "^dense/", "fc/",
                                "--regex", r"(.*)/part$", r"\1", "--drop", "ha*")
    assert status == 0 and "dense/kernel  ->  fc/kernel\n" in stdout and "2 renamed, 1 left out" in stdout
    old, new = BundleReader(saved), BundleReader(target)
    assert new.names() == ["bytes", "embedding", "fc/kernel", "global_step"]
    assert [str(s) for s in new.slices("embedding")] == ["0,2:0,2", "2,2:0,2"]
    assert np.array_equal(new.read("embedding"), old.read("table"))
    assert new.read("bytes").tolist() == old.read("bytes").tolist()


def test_rename_in_place(thalweg, saved):
    assert thalweg("rename", saved, saved, "--map", "table=t")[0] == 2
    assert thalweg("rename", saved, saved, "--map", "table=t", "--overwrite")[0] == 0
    assert "t" in BundleReader(saved).names() and thalweg("verify", saved)[0] == 0


def test_a_dry_run_writes_nothing(thalweg, saved, tmp_path):
    before = sorted(os.listdir(tmp_path))
    assert thalweg("rename", saved, tmp_path / "new", "--map", "table=t", "--dry-run")[1] == "table  ->  t\n"
    assert sorted(os.listdir(tmp_path)) == before


@pytest.mark.parametrize("options, message", [
    (["--map", "tabel=t"], "has no tensor 'tabel'; near: table"), (["--map", "t"], "'t' is not OLD=NEW"),
    (["--map", "table=half"], "'half' and 'table' would both be named 'half'"),
    (["--regex", "half", ""], "nothing would be left of the name 'half'"),
    (["--regex", "(", ""], "--regex '(' '': "), (["--regex", "a", r"\1"], "invalid group reference 1"),
    ([], "no name would change; give --map, --regex or --drop")])
def test_renamings_that_are_none(thalweg, saved, tmp_path, options, message):
    status, _, stderr = thalweg("rename", saved, tmp_path / "new", *options)
    assert status == 2 and message in stderr and not (tmp_path / "new.index").exists()


# --- convert ----------------------------------------------------------------------------------------

def test_conversion_to_v2_joins_partitions_if_asked(thalweg, saved, tmp_path):
    kept, joined = tmp_path / "kept", tmp_path / "joined"
    assert thalweg("convert", saved, kept, "--to", "v2")[0] == 0
    assert open(f"{kept}.index", "rb").read() == open(f"{saved}.index", "rb").read()
    status, stdout, _ = thalweg("convert", saved, joined, "--to", "v2", "--partitions", "join")
    assert (status, stdout) == (0, f"{joined}: v2, 5 tensors, 70 bytes\n")
    assert BundleReader(str(joined)).slices("table") == [] and thalweg("diff", saved, joined)[0] == 0


def test_conversion_to_v1_and_back(thalweg, saved, tmp_path):
    old, new, whole = (str(tmp_path / name) for name in ("old", "new", "whole"))
    assert thalweg("convert", saved, old, "--to", "v1", "--only", "[bdgt]*") == \
        (0, f"{old}: v1, 4 tensors, 64 bytes\n", "")
    assert "2: 0,2:0,2 2,2:0,2" in thalweg("list", old, "--long")[1]
    assert thalweg("convert", old, new, "--to", "v2")[0] == 0
    assert thalweg("diff", saved, new, "--only", "[bdgt]*")[1] == "4 tensors compared, 0 differ\n"
    assert thalweg("convert", old, whole, "--to", "v1", "--partitions=join")[0] == 0
    assert thalweg("diff", old, whole)[0] == 0 and V1Reader(whole).slices("table") == []


def test_v1_checkpoints_of_tensorflow_come_back_byte_for_byte(thalweg, tmp_path):
    for name in ("parts_v1", "types_v1"):
        assert thalweg("convert", DATA / name, tmp_path / name, "--to", "v2")[0] == 0
        assert thalweg("convert", tmp_path / name, tmp_path / f"{name}_again", "--to", "v1")[0] == 0
        assert (tmp_path / f"{name}_again").read_bytes() == (DATA / name).read_bytes()


def test_one_shard_names_a_sharded_v1_checkpoint(thalweg):
    assert thalweg("verify", DATA / "sharded_v1-00000-of-00002")[1].startswith(
        f"ok       {DATA / 'sharded_v1-?????-of-00002'}  v1, ")


def test_v1_values_are_read_one_at_a_time(saved, tmp_path):
    """Memory is that of the largest tensor: the writer asks for a value only when those before it are in the file."""
    order = []
    with V1Writer(tmp_path / "v1") as writer:
        for name in ("b", "a"):
            writer.add_later(name, (2,), dtypes.int64, None, lambda n=name: order.append(n) or np.arange(2))
        assert order == []
    assert order == ["a", "b"] and V1Reader(tmp_path / "v1").names() == ["a", "b"]


def test_conversion_of_some(thalweg, saved, tmp_path):
    assert thalweg("convert", saved, tmp_path / "some", "--only", "dense/*", "--only", "g*", "--to", "v2")[0] == 0
    assert BundleReader(str(tmp_path / "some")).names() == ["dense/kernel", "global_step"]


@pytest.mark.parametrize("arguments, message", [
    (["x"], "the end of x tells no format: give --to v1 or --to v2"),
    (["x.npz", "--to", "v2"], "x.npz is no name for a file in format v2: it would be read as .npz"),
    (["x", "--to", "npz"], "x is no name for a file in format npz: end it in .npz"),
    (["x", "--to=v1", "--only=h*"], "tensor 'half' is of type bfloat16, which v1 files do not know; they know bool"),
    (["x.npz"], "tensor 'bytes' is of type string, which npz files do not know"),
    (["x.safetensors", "--only=[dgt]*"], "tensor 'table' is partitioned into 2 slices, which safetensors files do "
                                         "not know; --partitions join stores it whole"),
    (["{}", "--to", "v2"], "exists; --overwrite replaces it")])
def test_conversions_that_are_none(thalweg, saved, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    status, _, stderr = thalweg("convert", saved, *(a.format(saved) for a in arguments))
    assert status == 2 and message in stderr
    assert not list(tmp_path.glob("x*")) and not list(tmp_path.glob("*.thw-*"))


@pytest.mark.parametrize("old, new", [("v1", "v2"), ("v2", "v1")])
def test_one_name_is_not_used_in_two_formats(thalweg, saved, tmp_path, old, new):
    target = tmp_path / "x"
    assert thalweg("convert", saved, target, "--to", old, "--only", "table")[0] == 0
    status, _, stderr = thalweg("convert", saved, target, "--to", new, "--only", "table", "--overwrite")
    assert status == 2 and f"exists in another format than {new}: remove it" in stderr
    status, _, stderr = thalweg("convert", saved, tmp_path, "--to", new, "--overwrite")
    assert status == 2 and "is a folder: name the checkpoint in it, too" in stderr


def test_damage_met_while_converting_leaves_nothing(thalweg, saved, tmp_path):
    damage(f"{saved}.data-00000-of-00001", 60)
    status, _, stderr = thalweg("convert", saved, tmp_path / "new", "--to", "v2")
    assert status == 2 and "Checksum does not match" in stderr
    assert not list(tmp_path.glob("new*"))


# --- verify -----------------------------------------------------------------------------------------

def test_verify_of_whole_checkpoints(thalweg, saved):
    assert thalweg("verify", saved) == (0, f"ok       {saved}  v2, 5 tensors, 70 bytes\n", "")


def test_verify_names_each_damaged_tensor(thalweg, saved, tmp_path):
    reader = BundleReader(saved)
    for key in (b"dense/kernel", b"global_step"):
        damage(f"{saved}.data-00000-of-00001", reader.entries[key].offset)
    status, stdout, _ = thalweg("verify", tmp_path)
    lines = stdout.splitlines()
    assert status == 1 and lines[0] == f"DAMAGED  {saved}  2 damaged, whole: v2, 3 tensors, 38 bytes"
    assert lines[1].startswith(f"         dense/kernel: {saved}.data-00000-of-00001: tensor 'dense/kernel': "
                               "Checksum does not match")
    assert lines[2].startswith("         global_step: ") and len(lines) == 3


def test_verify_reads_all_files_of_a_folder(thalweg, saved, tmp_path):
    other = write(tmp_path / "model.ckpt-8", {"x": np.zeros(3)})
    update_checkpoint_state(str(tmp_path), other, [saved, other])
    open(f"{other}.meta", "wb").write(b"\xff\xff")
    (tmp_path / "model.ckpt-9.index.thw-0123456789abcdef.tmp").write_bytes(b"")
    os.remove(f"{saved}.index")
    status, stdout, _ = thalweg("verify", tmp_path)
    assert status == 1 and f"DAMAGED  {saved}" in stdout and "there is no " in stdout
    assert "model.ckpt-8.meta: no meta graph" in stdout and "1 file of unfinished saves" in stdout


def test_verify_names_a_damaged_state_file(thalweg, saved, tmp_path):
    (tmp_path / "checkpoint").write_bytes(b"\xff")
    status, stdout, _ = thalweg("verify", tmp_path, "--json")
    state, found = json.loads(stdout)
    assert status == 1 and state["damage"] == [{"name": "checkpoint", "error": "the state file cannot be read as one"}]
    assert found["path"] == saved and found["tensors"] == 5 and not found["damage"]


def test_verify_of_nothing_is_trouble(thalweg, saved, tmp_path):
    assert thalweg("verify", tmp_path / "nowhere")[0] == 2
    assert thalweg("verify", saved, tmp_path / "nowhere")[0] == 2


def test_hostile_files_are_damage_or_trouble(thalweg, hostile_v2, golden):
    status, stdout, stderr = thalweg("verify", golden / "hostile" / hostile_v2["path"])
    assert status in {"error": (1, 2), "ok": (0,), "any": (0, 1, 2)}[hostile_v2["expect"]]
    assert "Traceback" not in stderr and "defect" not in stderr


# --- the command itself -----------------------------------------------------------------------------

def test_every_command_of_the_table_is_there(capsys):
    for name, module in COMMANDS.items():
        assert registry.OWNERS[name] == "thalweg_io"                  # who says what to install where it is missing
        assert registry.all_commands()[name] == module and "cannot be used" not in registry.help_of(module)
        with pytest.raises(SystemExit) as error:
            main.main([name, "--help"])
        assert error.value.code == 0 and f"usage: thalweg {name}" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["list", "show", "diff", "rename", "convert", "verify"])
def test_help(thalweg, command, monkeypatch):
    monkeypatch.setattr(progress, "is_installed", lambda: False)
    status, stdout, _ = thalweg(command, "--help")
    assert status == 0 and "pip install thalweg-io[progress]" in stdout
    assert max(map(len, stdout.splitlines())) < 120


def test_a_bar_on_a_terminal(monkeypatch):
    shown = []

    class Bar:
        def __init__(self, **options):
            shown.append((options["desc"], options["total"]))

        def __enter__(self):
            return self

        def __exit__(self, *exc):
            shown.append("closed")

        def update(self, done):
            shown.append(done)

    monkeypatch.setitem(sys.modules, "tqdm", types.SimpleNamespace(tqdm=Bar, __spec__=True))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with progress.bar("reading", 10) as advance:
        advance(4)
    assert shown == [("reading", 10), 4, "closed"]


def test_no_bar_without_a_terminal(capsys):
    with progress.bar("reading", 10) as advance:
        advance(10)
    assert capsys.readouterr() == ("", "")
