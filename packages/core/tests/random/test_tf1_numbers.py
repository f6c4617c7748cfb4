"""The 216 cases of data/tf1_random.json, recorded from TensorFlow 1.15.5: a seeded program draws TensorFlow's numbers.

Each case is an expression in a fresh graph; its `runs` are consecutive runs of that one tensor. Evaluated twice: op by
op with the reference bodies, and in sessions with one and two threads.
"""
import json
import re
from pathlib import Path

import numpy as np
import pytest

import thalweg as tf

CASES = json.loads((Path(__file__).parent / "data" / "tf1_random.json").read_text())["cases"]
ULPS = 4                                # of floats that went through log, sin or cos; other values are the same
ORTHOGONAL = 2e-7                       # a QR decomposition in float32 makes that of a last bit of its input


def build(case):
    """The tensor (or variable) of a case, in the default graph."""
    source = case["name"].partition(" | ")[0]
    found = re.search(r"op_seed=(\w+)", case["name"])
    scope = {"tf": tf, "op_seed": None if found is None or found[1] == "None" else int(found[1])}
    if case["graph_seed"] is not None:
        tf.set_random_seed(case["graph_seed"])
    source = re.sub(r"^(two ops|after three constants): ", "", source)
    *statements, last = source.split("; ")
    for statement in statements:
        eval(statement, scope)          # expressions of our own recording
    return eval(last, scope)


def check(case, run, value):
    expected = np.array(case["runs"][run], case["dtype"]).reshape(case["shape"])
    assert value.dtype == expected.dtype and value.shape == expected.shape
    if "orthogonal" in case["name"]:
        np.testing.assert_allclose(value, expected, rtol=0, atol=ORTHOGONAL)
    elif re.search("normal|gamma", case["name"]):
        np.testing.assert_array_max_ulp(value, expected, ULPS)
    else:
        np.testing.assert_array_equal(value, expected)


def test_the_recording_is_complete():
    assert len(CASES) == 216


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['name']} {case['graph_seed']}")
def test_reference_bodies_draw_tensorflows_numbers(case, evaluate):
    with tf.Graph().as_default():
        result = build(case)
        tensor = result.initial_value if isinstance(result, tf.Variable) else result
        for run in range(len(case["runs"])):
            check(case, run, evaluate(tensor))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['name']} {case['graph_seed']}")
def test_sessions_draw_tensorflows_numbers(case, threads):
    config = tf.ConfigProto(intra_op_parallelism_threads=threads, inter_op_parallelism_threads=threads)
    with tf.Graph().as_default(), tf.Session(config=config) as session:
        result = build(case)
        if isinstance(result, tf.Variable):
            session.run(result.initializer)
        for run in range(len(case["runs"])):
            check(case, run, session.run(result))
