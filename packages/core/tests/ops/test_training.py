"""Steps of optimizers, against values recorded from TensorFlow 1.15.5 (data/training.json)."""
import json
from pathlib import Path

import numpy as np
import pytest

import thalweg as tf
from thalweg.framework.declaration import REGISTRY
from thalweg.ops import state, training
from thalweg.testing.table import device_names

RECORDED = json.loads((Path(__file__).parent / "data" / "training.json").read_text())
COVERED = tuple(sorted({case["op"] for case in RECORDED["cases"]}))
_DTYPES = {"indices": np.int32, "global_step": np.int64}


def case_id(case):
    return " ".join([case["op"], *(f"{k}={v}" for k, v in case["inputs"].items() if isinstance(v, bool))])


def slot(name, value):
    return state.variable_op(shape=value.shape, dtype=tf.as_dtype(value.dtype), name=name)


@pytest.mark.parametrize("place", [*device_names(), "/device:REFERENCE:0"])
@pytest.mark.parametrize("case", RECORDED["cases"], ids=case_id)
def test_two_steps_give_tensorflows_values(case, place):
    start = {"var": np.array(RECORDED["var"], np.float32)}
    start.update({name: np.full((3, 2), value, np.float32) for name, value in case["slots"].items()})
    with tf.Graph().as_default() as graph, tf.device(place), tf.Session(graph=graph) as session:
        slots = {name: slot(name, value) for name, value in start.items()}
        session.run([state.assign(slots[name], value).op for name, value in start.items()])
        inputs = {k: v if isinstance(v, bool) else np.array(v, _DTYPES.get(k, np.float32))
                  for k, v in case["inputs"].items()}
        step = REGISTRY[case["op"]](**slots, **inputs)
        for _ in range(2):
            session.run(step.op)
        got = [session.run(tf.identity(slots[name])) for name in start]
    for name, value, want in zip(start, got, case["results"]):
        np.testing.assert_allclose(value, want, 1e-5, 1e-6, err_msg=name)


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
@pytest.mark.parametrize("place", [*device_names(), "/device:REFERENCE:0"])
def test_other_floats_step_too(dtype, place):
    with tf.Graph().as_default() as graph, tf.device(place), tf.Session(graph=graph) as session:
        var, accum = slot("var", np.ones(3, dtype)), slot("accum", np.zeros(3, dtype))
        session.run([state.assign(var, np.ones(3, dtype)).op, state.assign(accum, np.zeros(3, dtype)).op])
        grad = np.array([1.0, -2.0, 0.5], dtype)
        session.run(training.apply_momentum(var, accum, dtype(0.5), grad, dtype(0.9)).op)
        assert session.run(tf.identity(var)).tolist() == (1 - 0.5 * grad).tolist()


def test_shapes_must_agree():
    with tf.Graph().as_default():
        var, accum = slot("var", np.ones(3, np.float32)), slot("accum", np.ones(2, np.float32))
        with pytest.raises(tf.errors.ShapeError, match="not compatible"):
            training.apply_momentum(var, accum, 0.1, [1.0, 2.0, 3.0], 0.9)
        with pytest.raises(tf.errors.ShapeError, match="not compatible"):
            training.apply_gradient_descent(var, 0.1, [1.0, 2.0])
        with pytest.raises(TypeError, match="mutable tensor"):
            training.apply_gradient_descent(tf.constant([1.0]), 0.1, [1.0])


def test_an_index_outside_is_an_error():
    with tf.Graph().as_default() as graph, tf.Session(graph=graph) as session:
        var, accum = slot("var", np.ones((2, 1), np.float32)), slot("accum", np.ones((2, 1), np.float32))
        session.run([state.assign(v, np.ones((2, 1), np.float32)).op for v in (var, accum)])
        with pytest.raises(tf.errors.InvalidArgumentError, match="2"):
            session.run(training.sparse_apply_adagrad(var, accum, 0.1, [[1.0]], [2]).op)
