"""What a device is asked agrees with the op's declaration: dtypes and shapes are compared before any prepare."""
import numpy as np
import pytest

from thalweg.devices import KernelRequest, find_kernel, host_device
from thalweg.framework.dtypes import float32, float64, int32

F, D, I = float32, float64, int32


def ask(op_type, ins, outs, attrs=None, values=None):
    """A kernel for operands that are given as (shape, dtype)."""
    request = KernelRequest(op_type, attrs or {}, [s for s, _ in ins], [s for s, _ in outs], [d for _, d in ins],
                            [d for _, d in outs], values, name="node")
    return find_kernel(host_device(), request)


VECTOR, OTHER = ((4,), F), ((5,), F)
SHAPE = ((1,), I)
REDUCED = {"keep_dims": False, "T": F}
RIGHT = [
    ("Exp", [VECTOR], [VECTOR]), ("Add", [VECTOR, ((), F)], [VECTOR]), ("Assign", [VECTOR] * 2, [VECTOR]),
    ("AddN", [VECTOR] * 2, [VECTOR], {"N": 2}), ("Identity", [VECTOR], [VECTOR]),
    ("Sum", [((2, 3), F), ((), I)], [((3,), F)], REDUCED, {1: np.int32(0)}),
    ("Reshape", [((2, 3), F), SHAPE], [((6,), F)], None, {1: np.int32([6])}),
    ("Reshape", [((2, 3), F), SHAPE], [((6,), F)])]
WRONG = [
    ("Exp", [VECTOR], [OTHER], {}, None, r"output 0 must have shape \(4,\), not \(5,\)"),
    ("Exp", [VECTOR], [((4,), D)], {}, None, "y must be float32, not float64"),
    ("Exp", [((4,), D)], [((4,), D)], {"T": F}, None, "x must be float32, not float64"),
    ("Exp", [((4,), I)], [((4,), I)], {}, None, "T must be one of .*float32.*, not int32"),
    ("Add", [VECTOR, ((4,), D)], [VECTOR], {}, None, "y must be float32, not float64"),
    ("Add", [VECTOR, OTHER], [OTHER], {}, None, r"shapes \(4,\) and \(5,\) do not broadcast"),
    ("Add", [VECTOR], [VECTOR], {}, None, "too few operands"),
    ("AddN", [VECTOR, OTHER], [VECTOR], {"N": 2}, None, "Shapes must be equal"),
    ("Assign", [VECTOR, OTHER], [VECTOR], {"validate_shape": True}, None, "shapes of both tensors to match"),
    ("Assign", [VECTOR, OTHER], [OTHER], {"validate_shape": False}, None,
     r"output 0 is the buffer of input 0, of shape \(4,\), not \(5,\)"),
    ("Sum", [((2, 3), F), ((), I)], [((2,), F)], REDUCED, {1: np.int32(0)}, r"must have shape \(3,\), not \(2,\)"),
    ("Reshape", [((2, 3), F), SHAPE], [((7,), F)], {}, {1: np.int32([6])}, r"must have shape \(6,\), not \(7,\)"),
    ("Reshape", [((2, 3), F), SHAPE], [((7,), F)], {}, None, r"24 bytes of shape \(2, 3\) for 28 bytes"),
    ("Identity", [VECTOR], [OTHER], {}, None, r"must have shape \(4,\), not \(5,\)"),
    ("LRNGrad", [((1, 2, 2, 3), F), ((1, 2, 2, 2), F), ((1, 2, 2, 3), F)], [((1, 2, 2, 3), F)], {}, None,
     "not compatible"),
    ("IdentityN", [VECTOR], [((4,), D)], {"T": [F]}, None, "output must be float32, not float64")]


@pytest.mark.parametrize("case", RIGHT, ids=lambda c: c[0])
def test_what_agrees_is_asked(case):
    ask(*case)


@pytest.mark.parametrize("case", WRONG, ids=lambda c: f"{c[0]} {c[5]}")
def test_what_does_not_agree_is_an_error_that_names_op_and_operands(case):
    *asked, text = case
    with pytest.raises(ValueError, match=text):
        ask(*asked)


def test_the_whole_message():
    with pytest.raises(ValueError) as caught:
        ask("Exp", [VECTOR], [OTHER])
    assert str(caught.value).splitlines() == [
        "a kernel is asked for Exp 'node': output 0 must have shape (4,), not (5,)",
        "  got       float32 (4,) -> float32 (5,)", "  expected  x: T -> y: T"]


def test_a_request_without_the_attributes_that_decide_goes_to_the_kernel():
    with pytest.raises(KeyError, match="Conv2D has no attribute"):
        ask("Conv2D", [((1, 4, 4, 1), F), ((3, 3, 1, 1), F)], [((1, 2, 2, 1), F)])
