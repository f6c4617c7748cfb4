"""Ops are declared and built as in TensorFlow 1.15.5: op defs, nodes and their names, shapes, values, kinds of errors.

What TensorFlow did is kept in data/ by record_tf1.py.
"""
import json
import pathlib
import runpy

import numpy as np
import pytest

import thalweg as tf
from thalweg.framework.declaration import REGISTRY

HERE = pathlib.Path(__file__).parent
SNIPPETS = runpy.run_path(str(HERE / "snippets.py"))
NODES = json.loads((HERE / "data" / "expressions.json").read_text())
OP_DEFS = json.loads((HERE / "data" / "op_defs.json").read_text())
ERRORS = {"TypeError": TypeError, "ValueError": ValueError, "LookupError": LookupError, "Exception": Exception}

# Values and lists that TensorFlow refuses, or takes and damages; here the sensible thing happens.
OURS = {
    "tf.constant(2**40, tf.int32)": "TypeError", "tf.constant(-1, tf.uint8)": "TypeError",
    "tf.constant(300, tf.uint8)": "TypeError", "tf.constant([np.array([1.,2.]),np.array([1.,2.])])": "built",
    "tf.constant(range(3))": "built", "tf.constant([[1,2],[3,4]], tf.qint8)": "built",
    "tf.constant((1,2), tf.qint8)": "built", "tf.constant(tf.TensorShape([1,2]))": "TypeError",
    # out_backprop does not fit: TensorFlow says so when the graph runs
    "tf.nn.conv2d_backprop_input([2,8,8,3],f,im,[1,1,1,1],'SAME')": "ValueError",
    "tf.nn.conv2d_backprop_filter(im,[3,3,3,4],im,[1,1,1,1],'SAME')": "ValueError",
    "tf.nn.conv2d_transpose(im,df,[2,16,16,3],[1,2,2,1])": "ValueError",
}
# Branches are functional here.
FUNCTIONAL = ("Assert(b[0,0],['a',x]", "assert_near", "assert_equal(x,x+1)", "zero_fraction")


@pytest.mark.parametrize("expression", SNIPPETS["EXPRESSIONS"])
def test_expression(expression):
    ours, theirs = SNIPPETS["run"](expression, tf), NODES[expression]
    if expression in OURS:
        assert ours.get("error", "built") == OURS[expression]
        return
    if "error" in theirs:
        assert issubclass(ERRORS[ours["error"]], ERRORS[theirs["error"]]), ours
        return
    assert "error" not in ours, ours
    if not any(word in expression for word in FUNCTIONAL):
        assert ours["nodes"] == theirs["nodes"]
    assert [d for d, _ in ours["results"]] == [d for d, _ in theirs["results"]]
    for (_, mine), (_, want) in zip(ours["results"], theirs["results"]):
        assert _knows_as_much(mine, want), f"{mine}, TensorFlow knows {want}"
    for (dtype, _), mine, want in zip(ours["results"], ours.get("values", ()), theirs.get("values", ())):
        if dtype == "string":
            assert mine == want
        else:
            np.testing.assert_allclose(mine, want, rtol=1e-5, atol=2e-6)


def _knows_as_much(mine, want):
    return want is None or mine is not None and len(mine) == len(want) and all(
        w is None or m == w for m, w in zip(mine, want))


# --- op defs ----------------------------------------------------------------------------------------

ABSENT = {"bfloat16", "qint8", "quint8", "qint16", "quint16", "qint32", "resource", "variant"}
OTHERWISE = {"If", "While", "_FusedConv2D", "_FusedMatMul"}      # function graphs; what only plans make


@pytest.mark.parametrize("op_type", sorted(set(OP_DEFS) - OTHERWISE))
def test_op_def(op_type):
    ours, theirs = REGISTRY[op_type], OP_DEFS[op_type]
    assert [_text(a) for a in ours.inputs] == theirs["inputs"]
    assert [_text(a) for a in ours.outputs] == theirs["outputs"]
    counts = {a.count for a in ours.inputs + ours.outputs if a.count}
    for name, attribute in theirs["attributes"].items():
        if attribute["type"] in ("type", "list(type)"):
            _check_letter(ours, name, attribute)
        elif name in ours.attributes:
            _check_default(ours.attributes[name], attribute)
        else:
            assert name in counts, f"attribute {name} is missing"
    surplus = set(ours.attributes) - set(theirs["attributes"])
    assert not surplus, f"TensorFlow has no attribute {surplus}"


def _text(argument):
    kind = argument.letter or argument.dtype.name
    return f"{argument.name}: {argument.count + '*' if argument.count else ''}{kind}" \
           f"{'...' if argument.is_typed_list else ''}{'&' if argument.is_ref else ''}"


def _check_letter(ours, name, attribute):
    assert name in ours.letters or name in ours.attributes, f"type {name} is missing"
    allowed = ours.letters.get(name)
    if "allowed" in attribute and allowed is not None:
        assert {d.name for d in allowed} - ABSENT == set(attribute["allowed"]) - ABSENT, name
    if name in ours.attributes and attribute.get("default") is not None:
        assert ours.attributes[name].default.name == attribute["default"], name


def _check_default(ours, attribute):
    assert ours.type == attribute["type"], ours.name
    assert ours.is_required == ("default" not in attribute), ours.name
    if attribute.get("default") is not None:
        want = attribute["default"]
        assert ours.default == (pytest.approx(want) if isinstance(want, float) else want), ours.name
