"""What the table of registers is made from, and what is said of kernels that do not keep to it; NVRTC is not asked."""
import itertools
import re
import sys
from pathlib import Path

import pytest

from thalweg_cuda import kernels
from thalweg_cuda.work import Target, Unsupported

sys.path.insert(0, str(Path(__file__).with_name("compiled")))

import catalogue
import stacks
from cubin import Use
from direct_requests import requests
from registers import ARCHS, greedier, read
from texts import in_none, texts

# ops whose kernels are none: their results are their inputs, copies or zeros
LAUNCH_NOTHING = {"Assign", "Bitcast", "EnsureShape", "ExpandDims", "Identity", "IdentityN", "PlaceholderWithDefault",
                  "PreventGradient", "Reshape", "Snapshot", "Squeeze", "StopGradient", "ZerosLike"}


@pytest.fixture(scope="module")
def found():
    """{Source: op types} of all that is compiled."""
    return catalogue.sources()


@pytest.fixture(scope="module")
def compiled(found):
    """The texts of it."""
    return [source.text for source in found]


def test_kernels_of_every_op_are_compiled(found):
    assert set(kernels.op_types()) - set().union(*found.values()) == LAUNCH_NOTHING


def test_every_text_of_kernels_is_compiled(compiled):
    assert [text.place for text in in_none(texts(), compiled)] == []


def test_every_form_of_unfolding_is_compiled(compiled):
    """Of images and of filters, along k or across, four at a time or one, on images and volumes, in three types."""
    def said(name, text):
        return re.search(rf"#define {name} (\w+)", text)[1]
    found = set()
    for text in compiled:
        if " unfold(PARAMETERS)" in text:
            letter = "A" if "#define A_KIND" in text else "B"
            form = [said(f"{letter}_{name}", text) for name in ("KIND", "ALONG_K", "VECTOR", "TYPE")]
            found.add((*form[:3], said("RANK", text), form[3]))
    kinds = [("PLACES_BY_TAPS", "1", "1"), ("PLACES_BY_TAPS", "1", "4"), ("TAPS_BY_PLACES", "0", "1"),
             ("TAPS_BY_PLACES", "0", "4"), ("TAPS_BY_PLACES", "1", "1"), ("FILTER_TAPS", "1", "1"),
             ("FILTER_TAPS", "1", "4"), ("RESULT_PLACES", "1", "1")]
    assert found == {(*kind, rank, storage) for kind, rank, storage in
                     itertools.product(kinds, "23", ("half", "bfloat16", "float"))}


def test_a_text_that_is_not_compiled_is_named(tmp_path, compiled):
    """Unless its words are those of a source, but for what is replaced: names in capitals, {n}, @."""
    (tmp_path / "fold.py").write_text('''"""A docstring."""
_TEXT = """
__device__ inline TYPE fold(TYPE a) { return a + {more}; }
"""
def _text(name):
    return f"""
extern "C" __global__ void {name}(const float* x) {{ {name}_of(x); }}
"""
''')
    found = list(texts(tmp_path))
    assert [text.place for text in in_none(found, compiled)] == ["fold.py:2", "fold.py:6"]
    same = ["\n__device__ inline half fold(half a) { return a + 3; }\n",
            '\nextern "C" __global__ void sums(const float* x) { sums_of(x); }\n']
    assert in_none(found, same) == [] and [text.place for text in in_none(found, same[:1])] == ["fold.py:6"]
    assert len(in_none(found, [text.replace("a +", "a -") for text in same])) == 1


def test_requests_that_are_made_directly():
    """Each op gets a kernel in some dtype."""
    served = set()
    for request in requests():
        try:
            kernels.prepare(request, Target())
            served.add(request.op_type)
        except Unsupported:
            pass
    assert served == {request.op_type for request in requests()}
    assert {"ApplyAdam", "SparseApplyFtrl", "ScatterNdUpdate", "SegmentMean", "LinSpace"} <= served


@pytest.mark.parametrize(("now", "said"), [
    (Use(42, 0, 0), None), (Use(43, 0, 0), "takes Use"), (Use(40, 8, 0), "takes Use"), (None, "nothing asks for")])
def test_what_is_said_of_kernels(now, said):
    table = {("Exp", 75): (3, Use(40, 0, 0)), ("Abs", 75): (1, Use(9, 0, 0)), ("Exp", 90): (3, Use(40, 0, 0))}
    found = {("Abs", 75): (1, Use(9, 0, 0)), **({("Exp", 75): (3, now)} if now else {})}
    sentences = list(greedier(table, found))
    assert len(sentences) == (said is not None) and all(said in sentence for sentence in sentences)
    assert list(greedier({}, {("Abs", 75): (1, Use(9, 0, 0))})) == ["Abs on sm_75 is not in registers.csv"]


def test_every_stack_has_a_reason_and_every_reason_a_stack():
    _, table = read()
    assert {arch for _, arch in table} == set(ARCHS)
    assert list(stacks.unexplained(table)) == [] and stacks.idle(table) == []


def test_a_stack_without_a_reason_is_named():
    reasons = [stacks.Reason("an array", 40, ("Sin", "Cos")), stacks.Reason("four words", 16, ("Sin",))]
    table = {(op_type, 90): (1, Use(32, nbytes, 0)) for op_type, nbytes in (("Sin", 56), ("Cos", 48), ("Tan", 8))}
    cos, tan = stacks.unexplained(table, reasons)
    assert "Cos on sm_90 has a stack of 48 bytes, stacks.py has reasons for 40" in cos
    assert "Tan on sm_90 has a stack of 8 bytes, stacks.py has reasons for 0" in tan
    assert stacks.idle({("Sin", 90): (1, Use(32, 56, 0)), ("Cos", 90): (1, Use(32, 0, 0))}, reasons) == [
        ("Cos", "an array")]
