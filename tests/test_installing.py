"""What the pages tell to install can be installed from a checkout: no index has our packages."""
import pathlib
import re
import shlex
import tomllib

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "examples/device-plugin"
PAGES = [ROOT / "README.md", ROOT / "docs/devices.md", EXAMPLE / "README.md", *ROOT.glob("packages/*/README.md")]
_COMMAND = re.compile(r"^(?: {4})?(?:pip|python -m pip) install (.*)$", re.MULTILINE)
_OURS = re.compile(r"(?:.*/)?packages/\w+|thalweg-\w+")


def installed_by(page):
    """The arguments of `pip install` in the commands of a page, in their order, without options."""
    return [word for line in _COMMAND.findall(page.read_text()) for word in shlex.split(line, comments=True)
            if not word.startswith("-")]


def test_pages_have_such_commands():
    assert {"README.md", "devices.md"} == {page.name for page in PAGES if installed_by(page)}
    assert "packages/cuda[nvrtc]" in installed_by(ROOT / "packages/cuda/README.md")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_ours_come_from_folders_the_core_before_what_needs_it(page):
    base, known = page.parent if page.parent == EXAMPLE else ROOT, set()
    for word in installed_by(page):
        name, _, extras = word.rstrip("]").partition("[")
        if not _OURS.fullmatch(name):
            continue
        if name.startswith("thalweg-"):
            assert name in known, f"{word} is in no index, and nothing before it installs it"
            continue
        project = tomllib.loads((base / name / "pyproject.toml").read_text())["project"]
        assert set(filter(None, extras.split(","))) <= set(project.get("optional-dependencies", ()))
        known.add(project["name"])
        needed = {d for d in map(str.strip, project.get("dependencies", ())) if d.startswith("thalweg-")}
        assert {re.match(r"[\w-]+", d)[0] for d in needed} <= known, f"{word} needs {needed}"


def test_the_plugin_s_page_installs_what_its_build_wants():
    wanted = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["build-system"]["requires"]
    assert set(wanted) - {"thalweg-core"} <= set(installed_by(EXAMPLE / "README.md"))
