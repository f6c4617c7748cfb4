"""Programs do what TensorFlow 1.15 did with them: nodes, names, collections, values, and the counts of seeds."""
import json
import pathlib
import runpy

import numpy as np
import pytest

import thalweg as tf

HERE = pathlib.Path(__file__).parent
RUN = runpy.run_path(str(HERE / "notebook.py"))["run_program"]
FILES = sorted(HERE.glob("programs_*.py"))
PROGRAMS = {(path.stem.partition("_")[2], name): program for path in FILES
            for name, program in runpy.run_path(str(path))["PROGRAMS"].items()}
TF1 = {path.stem.partition("_")[2]: json.loads((HERE.parent / f"data/{path.stem.partition('_')[2]}.json").read_text())
       for path in FILES}


@pytest.mark.parametrize("key", PROGRAMS, ids="-".join)
def test_program(key):
    ours, theirs = RUN(PROGRAMS[key], tf), TF1[key[0]][key[1]]
    assert "\n".join(ours["nodes"]) == "\n".join(theirs["nodes"])
    assert len(ours["lines"]) == len(theirs["lines"])
    for mine, line in zip(ours["lines"], theirs["lines"]):
        if line[0] == "value":
            check_values(mine, line)
        else:
            assert mine == line
    assert ours["collections"] == theirs["collections"]


def check_values(mine, line):
    """The same dtypes, shapes and values; floats to a few units in the last place of float32, of the largest."""
    assert mine[0] == "value" and len(mine[1]) == len(line[1])
    for (dtype, value), (want_dtype, want) in zip(mine[1], line[1]):
        assert dtype == want_dtype
        if dtype.startswith("float"):
            largest = np.max(np.abs(want), initial=1e-30, where=np.isfinite(want))
            np.testing.assert_allclose(value, want, rtol=1e-5, atol=1e-6 * largest)
        else:
            assert value == want
