"""What the wheels of this environment and the source archives hold. Run by tox, environment `packaging`."""
import importlib.metadata
import os
import pathlib
import runpy
import subprocess
import sys
import tarfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PACKAGES = {"core": "thalweg", "nn": "thalweg_nn", "io": "thalweg_io"}
LIMIT_MB = 15


def installed(folder):
    """{path in site-packages: file} of an installed package."""
    return {str(file): file.locate() for file in importlib.metadata.files(f"thalweg-{folder}")}


def tracked(folder):
    """Files of a package that git knows, relative to it."""
    command = ["git", "ls-files", "."]
    return set(subprocess.run(command, cwd=ROOT / "packages" / folder, capture_output=True, text=True,
                              check=True).stdout.splitlines())


@pytest.fixture(scope="module", params=PACKAGES)
def archive(request, tmp_path_factory):
    """The folder name and the file names of a package's source archive."""
    target = tmp_path_factory.mktemp("sdist")
    subprocess.run([sys.executable, "-m", "build", "--sdist", "--no-isolation", "--outdir", target,
                    ROOT / "packages" / request.param], check=True, capture_output=True, text=True)
    with tarfile.open(next(target.glob("*.tar.gz"))) as tar:
        return request.param, {name.partition("/")[2] for name in tar.getnames()} - {""}


@pytest.mark.parametrize("folder", PACKAGES)
def test_a_wheel_has_licence_and_types(folder):
    names = installed(folder)
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert f"{PACKAGES[folder]}/py.typed" in names


@pytest.mark.parametrize("folder", PACKAGES)
def test_a_wheel_has_every_module_and_no_source_of_extensions(folder):
    names = {name for name in installed(folder) if not name.endswith(".pyc")}
    modules = {name.removeprefix("src/") for name in tracked(folder) if name.startswith("src/")
               and (name.endswith((".py", ".pyi", ".txt", ".binpb")) or "/include/" in name)}
    assert modules <= names
    assert not [name for name in names if name.endswith((".c", ".o", ".pyx"))]


def test_the_core_requires_numpy_alone():
    needed = importlib.metadata.requires("thalweg-core")
    assert [text for text in needed if "extra" not in text] == ["numpy>=1.26"]


def test_the_core_brings_what_a_device_plugin_is_built_with():
    assert {"thalweg/include/thalweg_abi.h", "thalweg/devices/abi.pxd"} <= installed("core").keys()


def test_the_command_is_installed():
    script = pathlib.Path(sys.executable).with_name("thalweg")
    found = subprocess.run([script, "--help"], capture_output=True, text=True, check=True).stdout
    assert "checkpoint  lists, shows" in found


@pytest.mark.parametrize("folder", ["core", "io"])
def test_every_extension_module_is_there(folder):
    names = installed(folder)
    for pyx in (name for name in tracked(folder) if name.endswith(".pyx")):
        stem = pyx.removeprefix("src/").removesuffix(".pyx")
        assert any(name.startswith(stem + ".") and name.endswith(".so") for name in names), stem


def test_new_copies_of_the_build_tools_are_no_reason_to_build_again(tmp_path, monkeypatch):
    monkeypatch.setattr("setuptools.setup", lambda **_: None)
    monkeypatch.chdir(ROOT)                                     # setup.py changes it; put back at the end
    script = runpy.run_path(str(ROOT / "packages/core/setup.py"))
    product, source = tmp_path / "product.o", tmp_path / "source.c"
    tools = [script["cython_folder"]() / "Includes/gone.pxd", script["numpy_folder"]() / "gone.h"]
    source.touch()
    product.touch()
    stamp = script["Stamp"](product, tmp_path)
    stamp.write("cc", [source, *tools])
    assert stamp.is_fresh("cc")
    os.utime(source, ns=(0, product.stat().st_mtime_ns + 1))
    assert not stamp.is_fresh("cc")


def test_the_wheels_are_small():
    files = [file for folder in PACKAGES for name, file in installed(folder).items() if not name.endswith(".pyc")]
    size = sum(pathlib.Path(file).stat().st_size for file in files) / 1e6
    print(f"{size:.1f} MB")
    assert size < LIMIT_MB


def test_a_source_archive_is_what_git_has(archive):
    folder, names = archive
    files = {name for name in names if ".egg-info" not in name}
    missing = {name for name in tracked(folder) if name.startswith("src/")} - files
    assert not missing
    assert {"LICENSE", "README.md", "pyproject.toml"} <= files


def test_a_source_archive_has_no_generated_file(archive):
    folder, names = archive
    suffixes = (".c", ".h", ".so", ".o", ".pyc")
    generated = {name for name in names if name.endswith(suffixes)} - tracked(folder)
    assert not generated and not [name for name in names if name.startswith("build")]


@pytest.mark.parametrize("folder", PACKAGES)
def test_the_licence_is_the_same_everywhere(folder):
    assert (ROOT / "packages" / folder / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_wheels_are_put_into_a_folder(tmp_path):
    """For a machine without a network; what was built once is taken from where it was built."""
    before = importlib.metadata.version("thalweg-nn")
    subprocess.run([sys.executable, ROOT / "tools/install-packages", "--into", tmp_path / "wheels", "nn"], check=True)
    assert [path.name for path in (tmp_path / "wheels").iterdir()] == [f"thalweg_nn-{before}-py3-none-any.whl"]
