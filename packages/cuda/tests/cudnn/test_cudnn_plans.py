"""For an H200, cuDNN has a plan for every convolution of the five networks, within the workspace limit."""
import time

import pytest
from cudnn import steps
from cudnn.places import H200

from thalweg_cuda.libraries.cudnn import Cudnn
from thalweg_cuda.libraries.cudnn_names import constant
from thalweg_cuda.libraries.library import LibraryError

PRECISIONS = {"float32": ("float", False), "tf32": ("float", True), "bfloat16": ("bfloat16", False),
              "float16": ("half", False)}
TENSOR_CORE = constant("NUMERICAL_NOTE_TENSOR_CORE")


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", steps.NAMES)
def test_every_convolution_has_a_plan(cudnn, name, precision):
    wanted = steps.convolutions(name, 256, *PRECISIONS[precision])
    started, largest = time.perf_counter(), 0
    for convolution in wanted:
        plan = cudnn.plans(convolution)[0]
        largest = max(largest, plan.workspace_bytes)
        assert not plan.notes & {constant("NUMERICAL_NOTE_NONDETERMINISTIC")}
        if precision == "float32":
            assert TENSOR_CORE not in plan.notes, "strict float32 is no TF32"
    print(f"{name} {precision}: {len(wanted)} convolutions, largest workspace {largest >> 20} MB, "
          f"{time.perf_counter() - started:.2f} s")
    assert wanted and largest <= cudnn.workspace_limit


def test_the_first_plans_of_16_bits_use_tensor_cores(cudnn):
    wanted = [c for c in steps.convolutions("resnet50", 256, "bfloat16") if c.x.sizes[1] % 8 == 0]
    assert all(TENSOR_CORE in cudnn.plans(c)[0].notes for c in wanted)


def test_a_workspace_limit_is_kept(library, cudnn):
    small, wanted = Cudnn(library, H200.read_bytes(), 0), steps.convolutions("resnet50", 256, "float", False)
    assert any(plan.workspace_bytes for c in wanted for plan in cudnn.plans(c)), "else no limit would show"
    assert not any(plan.workspace_bytes for c in wanted for plan in small.plans(c))


def test_a_workspace_limit_is_named(library):
    smaller = Cudnn(library, H200.read_bytes(), -1)      # less than any plan takes: each convolution has one of 0
    with pytest.raises(LibraryError, match=r"has no plan: a workspace of [\d,]+ bytes exceeds the limit of -1"):
        smaller.plans(steps.convolutions("lenet", 2, "half")[0])


def test_what_cudnn_refuses_is_a_reason(cudnn):
    convolution = steps.convolutions("lenet", 2, "float")[0]
    wrong = convolution._replace(y=convolution.y._replace(sizes=(2, 3, 5, 7)))
    with pytest.raises(LibraryError, match=r"cuDNN 9\.\d+\.\d+ has no plan: cudnnBackendFinalize: CUDNN_STATUS_"):
        cudnn.plans(wrong)


def test_no_card_is_a_reason(library):
    with pytest.raises(LibraryError, match="cudnnCreate: CUDNN_STATUS_"):
        Cudnn(library)
