"""The table of switches is complete, and docs/flags.md is what it prints."""
import pathlib
import re

import pytest

from thalweg.framework import flags

ROOT = pathlib.Path(__file__).resolve().parent.parent
KNOWN = {flag.name: flag for flag in [*flags.FLAGS, *flags.BUILD_FLAGS]}
# Include guards have such names too, and are none.
FLAG = re.compile(r"\bTHALWEG_(?!\w*_H\b)[A-Z_]*[A-Z]\b")
ALIASES = {"THALWEG_GPU"}                # the example of THALWEG_<ALIAS>
OF_TESTS = re.compile(r"THALWEG_(CRASH|DAMAGE|EMULATOR|FUZZ|STANDIN)_\w+")   # how the tests go: none of thalweg's own
SOURCES = {".py", ".pyx", ".pxd", ".c", ".h", ".md", ".ini", ""}


def sources():
    """What people write and programs read: packages without their tests, tools, documents, settings."""
    folders = [*ROOT.glob("packages/*/src"), ROOT / "tools", ROOT / "docs", ROOT / "examples"]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    files += [*ROOT.glob("*"), *ROOT.glob("packages/*/*"), *ROOT.glob("packages/*/tests/conftest.py")]
    return [path for path in files if path.is_file() and path.suffix in SOURCES]


def unknown(text):
    return {name for name in FLAG.findall(text) if not OF_TESTS.fullmatch(name)} - set(KNOWN) - ALIASES


def test_every_switch_in_the_sources_is_in_the_table():
    found = {str(path.relative_to(ROOT)): unknown(path.read_text()) for path in sources()}
    assert not {path: names for path, names in found.items() if names}


def test_every_switch_in_the_table_is_read_somewhere():
    code = "".join(path.read_text() for path in sources() if path.suffix not in (".md", ".ini")
                   and path.name != "flags.py")
    levels = pathlib.Path(flags.__file__).read_text().split("def _level")[1]
    for name in KNOWN.keys() - {"THALWEG_<ALIAS>"}:
        assert f'"{name}"' in code + levels, name


def test_the_page_is_what_the_table_prints():
    assert (ROOT / "docs/flags.md").read_text() == flags.page()


@pytest.mark.parametrize("text, found", [("THALWEG_NEW_FLAG=1", {"THALWEG_NEW_FLAG"}), ("THALWEG_GEMM_H", set()),
                                         ('f"THALWEG_{name}"', set()), ("THALWEG_DEBUG", set())])
def test_a_new_switch_is_found(text, found):
    assert unknown(text) == found
