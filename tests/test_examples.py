"""The slides' programs print what TensorFlow 1.15.5 does; the classifier's folders; what the demo refuses at once."""
import ast
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parent.parent


SLIDES = sorted((ROOT / "examples/slides").glob("*.py"))
NUMBER = re.compile(r" *-?\d+\.\d+")              # a minus may take the place of a space


# --- the slides -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("path", SLIDES, ids=lambda path: path.stem)
def test_a_program_of_the_slides_prints_what_tensorflow_prints(path, tmp_path):
    for package in ("thalweg_nn", "thalweg_io"):
        pytest.importorskip(package)
    done = subprocess.run([sys.executable, path], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    want = path.with_name("expected").joinpath(path.stem + ".txt").read_text()
    assert NUMBER.sub("#", done.stdout) == NUMBER.sub("#", want)
    found, wanted = [[float(number) for number in NUMBER.findall(text)] for text in (done.stdout, want)]
    np.testing.assert_allclose(found, wanted, rtol=2e-4, atol=2e-5)


def test_every_program_has_a_line_in_the_table():
    page = (ROOT / "examples/slides/README.md").read_text()
    listed = re.findall(r"^\| \[(\w+)\.py\]\(\1\.py\)", page, re.MULTILINE)
    assert SLIDES and sorted(listed) == [path.stem for path in SLIDES]
    assert {path.stem for path in SLIDES} == {path.stem for path in (ROOT / "examples/slides/expected").iterdir()}


# A device plugin is written against more than tf.
PROGRAMS = [path for path in sorted((ROOT / "examples").rglob("*.py")) if "device-plugin" not in path.parts]


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_examples_use_public_names_only(path):
    for node in ast.walk(ast.parse(path.read_text())):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else \
            [node.module] if isinstance(node, ast.ImportFrom) else []
        assert not [name for name in names if name.startswith("thalweg") and name != "thalweg"]
        assert not (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "tf"
                    and node.attr.startswith("_"))


# --- the input pipeline -----------------------------------------------------------------------------------

def test_the_input_pipeline_learns_from_files(tmp_path):
    program = ROOT / "examples/input_pipeline/train.py"
    done = subprocess.run([sys.executable, program, "--epochs", "3", "--size", "16"], cwd=tmp_path,
                          capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "1437 images to learn from, 360 to test with, 10 classes" and len(lines) == 4
    assert float(re.search(r"test accuracy (\d+\.\d+)%$", lines[-1])[1]) > 75


# --- the classifier -------------------------------------------------------------------------------------

@pytest.fixture
def images(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "examples/image_classifier")
    yield __import__("images")
    sys.modules.pop("images", None)


@pytest.fixture
def classify(images):
    pytest.importorskip("thalweg_io")
    yield __import__("classify")
    for name in ("classify", "model"):
        sys.modules.pop(name, None)


@pytest.fixture
def train(images):
    pytest.importorskip("tqdm")
    yield __import__("train")
    for name in ("train", "model"):
        sys.modules.pop(name, None)


def fill(folder, classes, count=2):
    for name in classes:
        (folder / name).mkdir()
        for i in range(count):
            Image.new("RGB", (5, 7), (i, 0, 0)).save(folder / name / f"{i}.png")
    return folder


def test_hidden_files_and_folders_are_no_images(images, tmp_path):
    folder = fill(tmp_path, ["rote Äpfel", "b"])
    (folder / ".ipynb_checkpoints").mkdir()
    (folder / "b/._0.png").write_bytes(b"\0")
    (folder / "b/folder.png").mkdir()
    found = images.load_folder(folder, 4)
    assert found.classes == ["b", "rote Äpfel"] and found.images.shape == (4, 4, 4, 3)


@pytest.mark.parametrize("mode, ending", [("L", "png"), ("CMYK", "jpg"), ("RGBA", "png"), ("P", "png"), ("1", "png")])
def test_every_kind_of_image_is_read(images, tmp_path, mode, ending):
    path = tmp_path / f"x.{ending}"
    Image.new(mode, (1, 1)).save(path)
    assert images.read_image(path, 8, 3).shape == (8, 8, 3)


@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bits_are_scaled_not_cut(images, tmp_path, channels):
    path = tmp_path / "grey.png"
    Image.fromarray(np.full((16, 16), 8000, np.uint16)).save(path)
    assert np.allclose(images.read_image(path, 16, channels), 8000 / 65535, atol=1 / 255)
    Image.fromarray(np.array([[0, 65535]], np.uint16)).save(path)
    assert images.eight_bits(Image.open(path)).tobytes() == b"\0\xff"


@pytest.mark.parametrize("classes, count, said", [
    ([], 2, "at least two sub-folders.*found no sub-folder"), (["a"], 2, r"found \{'a': 2\}"),
    (["a", "b"], 1, r"two PNG or JPEG files each; found \{'a': 1, 'b': 1\}"),
])
def test_a_poor_folder_is_refused(images, tmp_path, classes, count, said):
    with pytest.raises(SystemExit, match=said):
        images.load_folder(fill(tmp_path, classes, count), 4)


def test_a_file_that_is_no_image_is_named(images, tmp_path):
    folder = fill(tmp_path, ["a", "b"])
    (folder / "a/notes.png").write_text("hello")
    with pytest.raises(SystemExit, match="notes.png cannot be read as an image"):
        images.load_folder(folder, 4)


def test_the_sheet_has_no_letters_that_its_font_lacks(classify):
    assert classify.without_accents("grün & rote Äpfel\n4: 1.0%") == "grun & rote Apfel\n4: 1.0%"


def a_run(train, images, out, classes):
    """What a run leaves in its folder."""
    data = images.ImageSet(np.zeros([4, 4, 4, 1], np.float32), np.array([0, 1, 0, 1]), classes)
    train.start_folder(out, data, data)
    for name in ("checkpoint", "model.ckpt-9.index", "model.ckpt-9.data-00000-of-00001", "events.out.tfevents.1.a"):
        (out / name).touch()


def files_in(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_new_run_deletes_only_what_an_earlier_one_wrote(train, images, tmp_path):
    a_run(train, images, tmp_path, ["a", "b"])
    mine = ["thesis.txt", "model.h5", "samples/mine.png", "samples/00_mine.png", "photos/00_a.png"]
    (tmp_path / "photos").mkdir()
    for name in mine:
        (tmp_path / name).write_text(name)
    data = images.ImageSet(np.zeros([1, 4, 4, 1], np.float32), np.array([0]), ["c", "d"])
    train.start_folder(tmp_path, data, data)
    assert files_in(tmp_path) == {*mine, "model.json", "samples/00_c.png"}
    assert all((tmp_path / name).read_text() == name for name in mine)


@pytest.mark.parametrize("text", ['{"name": "bert"}', "[]", "no JSON"])
def test_a_model_file_of_another_program_is_kept(train, images, tmp_path, text):
    (tmp_path / "model.json").write_text(text)
    with pytest.raises(SystemExit, match="model.json is not of this program: choose another folder with --out"):
        a_run(train, images, tmp_path, ["a", "b"])
    assert files_in(tmp_path) == {"model.json"} and (tmp_path / "model.json").read_text() == text


def test_the_demo_refuses_a_missing_folder_before_it_builds(tmp_path):
    result = subprocess.run([sys.executable, ROOT / "tools/demo", "--images", "nowhere"], cwd=tmp_path, text=True,
                            capture_output=True)
    assert result.returncode == 1 and result.stderr.startswith("nowhere is no folder. Give one with") \
        and not result.stdout


def program(name, *arguments, cwd):
    return subprocess.run([sys.executable, ROOT / name, *arguments], cwd=cwd, text=True, capture_output=True)


@pytest.mark.parametrize("arguments, said", [
    (["--seed", "-1"], "--seed must be 0 or more and less than 2**32, not -1"),
    (["--out", "file/model"], "--out file/model cannot be written to: Not a directory: file/model")])
def test_the_trainer_refuses_what_it_cannot_use(tmp_path, arguments, said):
    pytest.importorskip("thalweg_io")
    pytest.importorskip("tqdm")
    (tmp_path / "file").touch()
    result = program("examples/image_classifier/train.py", *arguments, cwd=tmp_path)
    assert result.returncode == 2 and said in result.stderr and "Traceback" not in result.stderr


def test_the_sheet_needs_a_folder(tmp_path):
    pytest.importorskip("thalweg_io")
    result = program("examples/image_classifier/classify.py", "--sheet", "nowhere/sheet.png", cwd=tmp_path)
    assert result.returncode == 2 and "--sheet nowhere/sheet.png: there is no folder nowhere" in result.stderr


def test_the_demo_refuses_a_folder_that_cannot_be_written_before_it_builds(tmp_path):
    (tmp_path / "file").touch()
    result = program("tools/demo", "--out", "file/model", cwd=tmp_path)
    assert result.returncode == 1 and not result.stdout
    assert result.stderr == f"--out {tmp_path}/file/model cannot be written to: Not a directory\n"
