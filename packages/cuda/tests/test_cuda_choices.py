"""Which of several ways to compute a node is taken: timed once, remembered in a file, taken back where it fails."""
import json
import subprocess
import sys

import pytest
from emulation.fake_cublaslt import WORKSPACE, FakeCublasLt

from thalweg.devices.core_api import KernelRequest
from thalweg_cuda import kernels
from thalweg_cuda.libraries import LibraryError
from thalweg_cuda.libraries.choices import Choices
from thalweg_cuda.libraries.cublaslt import CublasLt
from thalweg_cuda.work import Launch, LibraryCall, Target


@pytest.fixture
def target():
    return Target(libraries={"cublaslt": CublasLt(FakeCublasLt())})


def works(target):
    attrs = {"transpose_a": False, "transpose_b": False}
    request = KernelRequest("MatMul", attrs, [(4, 4)] * 2, [(4, 4)], [1, 1], [1])
    return kernels.prepare(request, target)


def test_without_timing_the_library_is_first(target):
    assert isinstance(works(target).commands[0], LibraryCall)


def test_the_fastest_is_timed_once_and_remembered(target, tmp_path):
    timed = []

    def measure(work, in_bytes, out_bytes):
        timed.append((work.workspace_bytes, in_bytes, out_bytes))
        return 5.0 if isinstance(work.commands[0], Launch) else 9.0 - work.workspace_bytes / WORKSPACE
    path = tmp_path / "cuda" / "choices.json"
    for _ in range(2):
        choices = Choices(path, "card 1", measure)
        assert isinstance(works(target._replace(choices=choices)).commands[0], Launch)
    assert timed == [(0, (64, 64), (64,)), (WORKSPACE, (64, 64), (64,)), (0, (64, 64), (64,))]
    assert list(json.loads(path.read_text())["card 1"].values()) == ["own"]
    assert isinstance(works(target._replace(choices=Choices(path, "card 2"))).commands[0], LibraryCall)


def test_a_refused_choice_is_struck_and_told_once(target, tmp_path, caplog):
    """From the table and the file, where others' choices stay; a later process times it again."""
    path, refusal = tmp_path / "choices.json", LibraryError("cublasLtMatmul: status 15")

    def measure(work, ins, outs):
        return 9.0 if isinstance(work.commands[0], Launch) else 1.0 + bool(work.workspace_bytes)

    def stored():
        return sorted(json.loads(path.read_text())["card"].values())
    Choices(path, "card", lambda *of: 1.0).choose("another key", [("other", "work"), ("own", "work")])
    choices = Choices(path, "card", measure)
    for name in "cublaslt 0", "cublaslt 1":
        work = works(target._replace(choices=choices))
        assert isinstance(work.commands[0], LibraryCall) and stored() == [name, "other"]
        assert isinstance(work.otherwise(refusal).commands[0], Launch) and stored() == ["other"]
    work = works(target._replace(choices=choices))
    assert isinstance(work.commands[0], Launch) and work.otherwise is None
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "thalweg-cuda: cublaslt offered a plan for MatMul and refuses to run it (cublasLtMatmul: status "
                    "15); a kernel of our own runs instead")]
    works(target._replace(choices=Choices(path, "card", measure)))
    assert stored() == ["cublaslt 0", "other"]


def test_the_workspace_is_enough_for_what_runs_otherwise(target):
    """The product of ours sums over slices of k."""
    attrs = {"transpose_a": True, "transpose_b": False}
    request = KernelRequest("MatMul", attrs, [(8192, 8)] * 2, [(8, 8)], [1, 1], [1])
    theirs, own = kernels.prepare(request, target), kernels.prepare(request, Target())
    assert isinstance(theirs.commands[0], LibraryCall)
    assert theirs.workspace_bytes == own.workspace_bytes == theirs.otherwise(LibraryError("no")).workspace_bytes > 0


def test_what_cannot_be_timed_now_is_not_remembered(target, tmp_path):
    choices = Choices(tmp_path / "choices.json", "card", lambda work, ins, outs: None)
    assert isinstance(works(target._replace(choices=choices)).commands[0], LibraryCall)
    assert not (tmp_path / "choices.json").exists()


@pytest.mark.parametrize(("content", "why"), [
    ("{ not json", "Expecting property name"), ('["a list"]', "a list is no table of devices"),
    ('{"card": 7}', "there is no table of choices for card"),
    ('{"card": {"a key": ["own"]}}', "there is no table of choices for card")])
def test_a_damaged_file_of_choices_is_told_and_replaced(target, tmp_path, caplog, content, why):
    path = tmp_path / "choices.json"
    path.write_text(content)
    choices = Choices(path, "card", lambda work, ins, outs: float(isinstance(work.commands[0], LibraryCall)))
    assert f"its file of choices {path} is damaged: {why}" in caplog.text
    assert isinstance(works(target._replace(choices=choices)).commands[0], Launch)
    stored = json.loads(path.read_text())
    assert list(stored) == ["card"] and list(stored["card"].values()) == ["own"]


def test_a_damaged_table_of_another_device_harms_nobody(target, tmp_path):
    path = tmp_path / "choices.json"
    path.write_text('{"card": {"a key": "own"}, "other": 7}')
    choices = Choices(path, "card", lambda work, ins, outs: float(isinstance(work.commands[0], LibraryCall)))
    works(target._replace(choices=choices))
    stored = json.loads(path.read_text())
    assert list(stored) == ["card"] and stored["card"]["a key"] == "own" and len(stored["card"]) == 2


def test_what_others_have_chosen_meanwhile_stays(target, tmp_path):
    path = tmp_path / "choices.json"

    def measure(work, ins, outs):
        return 1.0
    one, other, card_2 = (Choices(path, device, measure) for device in ("card", "card", "card 2"))
    one.choose("a", [("own", "work"), ("theirs", "work")])
    other.choose("b", [("own", "work"), ("theirs", "work")])
    card_2.choose("c", [("own", "work"), ("theirs", "work")])
    one.choose("d", [("own", "work"), ("theirs", "work")])
    assert json.loads(path.read_text()) == {"card": {"a": "own", "b": "own", "d": "own"}, "card 2": {"c": "own"}}


_CHOOSE = """
import sys
from thalweg_cuda.libraries.choices import Choices
choices = Choices(sys.argv[1], "card", lambda work, ins, outs: 1.0)
for k in range(100):
    choices.choose(f"{sys.argv[2]} {k}", [("own", "work"), ("theirs", "work")])
"""


def test_processes_that_choose_at_once_keep_each_others_choices(tmp_path):
    path = tmp_path / "choices.json"
    processes = [subprocess.Popen([sys.executable, "-c", _CHOOSE, str(path), str(k)]) for k in range(3)]
    assert [process.wait(120) for process in processes] == [0, 0, 0]
    assert len(json.loads(path.read_text())["card"]) == 300


@pytest.mark.parametrize("step", ["mkdir", "replace"])
def test_choices_that_cannot_be_written_harm_nobody(target, tmp_path, monkeypatch, step):
    def full(*args):
        raise OSError("disk full")
    if step == "mkdir":
        (tmp_path / "file").write_text("")
    else:
        monkeypatch.setattr("os.replace", full)
    folder = tmp_path / "file" if step == "mkdir" else tmp_path
    choices = Choices(folder / "choices.json", "card",
                      lambda work, ins, outs: float(isinstance(work.commands[0], Launch)))
    assert isinstance(works(target._replace(choices=choices)).commands[0], LibraryCall)
    assert [file.name for file in tmp_path.iterdir()] == ["file"] * (step == "mkdir")


def test_a_new_version_of_a_library_is_timed_anew(tmp_path):
    path, timed = tmp_path / "choices.json", []
    for version in "13.1.0", "13.1.0", "13.2.0":
        blas = CublasLt(FakeCublasLt())
        blas.version = version
        works(Target(libraries={"cublaslt": blas}, choices=Choices(path, "card", lambda *of: timed.append(of) or 1.0)))
        assert len(timed) == (3 if version == "13.1.0" else 6)
