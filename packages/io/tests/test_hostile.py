"""Damaged and malicious files of every kind: a value or a named exception, in 2 s and 200 MB, and nothing else.

`../shared/golden/hostile` where it is found, and files of the same kinds that `hostile.py` makes here. Each is read in
a process of its own, by the public names that `readers.py` lists.
"""
import json
import os
from pathlib import Path

import fresh
import hostile
import pytest

SECONDS, MBYTES = 2, 200                             # of time, and of resident memory above what it was
FAMILY = {"thalweg.framework.errors.OpError", "builtins.ValueError"}


GOLDEN = Path(os.environ.get("THALWEG_GOLDEN") or Path(__file__).parents[4] / "shared" / "golden") / "hostile"
LISTED = json.loads((GOLDEN / "hostile.json").read_text()) if GOLDEN.is_dir() else []


@pytest.fixture(scope="module")
def nursery():
    with fresh.Nursery("readers") as nursery:
        yield nursery


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder of the files that are made here."""
    folder = tmp_path_factory.mktemp("hostile")
    hostile.make(folder)
    return folder


@pytest.mark.skipif(not LISTED, reason="no ../shared beside the checkout")
@pytest.mark.parametrize("case", LISTED, ids=lambda case: case["name"])
def test_golden_file(nursery, case):
    answered(nursery, case, GOLDEN)


@pytest.mark.parametrize("case", hostile.CASES, ids=lambda case: case["name"])
def test_made_file(nursery, case, made):
    answered(nursery, case, made)


def answered(nursery, case, folder):
    before = files_around(folder)
    outcome = nursery.call("readers:read", case["kind"], str(folder / case["path"]), case, timeout_s=30)
    expect = case["expect"]
    assert outcome.status == 0, f"the process ended with {outcome.status}"
    if outcome.error is not None:
        assert FAMILY & set(outcome.family), outcome.error
        assert expect not in ("ok",), outcome.error
        assert len(outcome.error) < 1500, "an error is to be read"
    elif expect == "none":
        assert outcome.value is None
    else:
        assert expect != "error", f"read as {outcome.value}"
    assert outcome.seconds < SECONDS and outcome.mbytes < MBYTES, outcome
    assert files_around(folder) == before


def files_around(folder):
    """What is in the folder and beside it: a name from a file must not have become a path."""
    return [sorted(os.listdir(place)) for place in (folder, Path(folder).parent)]


def test_every_kind_is_there():
    kinds = {case["kind"] for case in hostile.CASES}
    assert kinds == {"v2", "v1", "state", "graph", "tfrecord", "example", "events", "safetensors", "npz",
                     "saved_model"}
    assert kinds >= {case["kind"] for case in LISTED}
