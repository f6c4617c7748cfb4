"""Programs do what TensorFlow 1.15 did with them: values, texts, names, and the counts that seeds depend on."""
import json
import pathlib
import runpy

import numpy as np
import pytest

import thalweg as tf

HERE = pathlib.Path(__file__).parent
PROGRAMS = runpy.run_path(str(HERE / "programs.py"))["PROGRAMS"]
RUN = runpy.run_path(str(HERE / "notebook.py"))["run_program"]
TF1 = json.loads((HERE / "tf1.json").read_text())

# Gradients, loops and branches are built of other nodes here; everything else is built node for node.
OTHER_NODES = ("gradient", "hessian", "many_uses", "branch", "loop", "case", "maps", "scan", "no_path", "seeds_in",
               "variable_of_another", "stops_inside", "array")


@pytest.fixture(scope="module", autouse=True)
def times7():
    tf.RegisterGradient("Times7")(lambda op, dy: dy * 7.0)


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name):
    ours, theirs = RUN(PROGRAMS[name], tf), TF1[name]
    for mine, line in zip(ours["lines"], theirs["lines"]):
        if line[0] == "value":
            _check_values(mine, line)
        else:
            assert mine == line
    assert len(ours["lines"]) == len(theirs["lines"])
    if not any(word in name for word in OTHER_NODES):
        assert ours["nodes"] == theirs["nodes"]


def _check_values(mine, line):
    assert mine[0] == "value"
    for (dtype, value), (want_dtype, want) in zip(mine[1], line[1]):
        assert dtype == want_dtype
        if dtype.startswith("float"):
            np.testing.assert_allclose(value, want, rtol=2e-6, atol=1e-6)
        else:
            assert value == want
    assert len(mine[1]) == len(line[1])
