"""One version: the file VERSION, every package, and the ranges between them."""
import importlib
import pathlib
import tomllib

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
VERSION = (ROOT / "VERSION").read_text().strip()
PACKAGES = {"core": "thalweg", "nn": "thalweg_nn", "io": "thalweg_io"}


@pytest.mark.parametrize("folder", PACKAGES)
def test_the_package_has_the_version(folder):
    assert importlib.import_module(PACKAGES[folder] + "._version").__version__ == VERSION


@pytest.mark.parametrize("folder", ["nn", "io"])
def test_the_range_of_the_core_is_this_minor_version(folder):
    major, minor, *_ = map(int, VERSION.split("."))
    project = tomllib.loads((ROOT / "packages" / folder / "pyproject.toml").read_text())["project"]
    assert f"thalweg-core>={major}.{minor},<{major}.{minor + 1}" in project["dependencies"]


def test_the_lowest_numpy_is_tested():
    lowest = {requirement for folder in PACKAGES
              for requirement in tomllib.loads((ROOT / "packages" / folder / "pyproject.toml").read_text())["project"]
              ["dependencies"] if requirement.startswith("numpy")}
    assert lowest == {"numpy>=1.26"} and "numpy==1.26.0" in (ROOT / "tox.ini").read_text()


def test_the_changelog_knows_the_version():
    assert f"## {VERSION}" in (ROOT / "CHANGELOG.md").read_text()
