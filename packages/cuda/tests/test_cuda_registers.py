"""What the table of registers is made from, and what is said of kernels that do not keep to it; NVRTC is not asked."""
import sys
from pathlib import Path

import pytest

from thalweg_cuda import kernels
from thalweg_cuda.work import Target, Unsupported

sys.path.insert(0, str(Path(__file__).with_name("compiled")))

from cubin import Use
from direct_requests import requests
from registers import greedier


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
