"""How libraries are opened, and what is told of those that are not: in the log, and by `describe`."""
import contextlib

import pytest
from emulation.fake_cublaslt import FakeCublasLt
from emulation.fake_cudnn import FakeCudnn

from thalweg.devices.core_api import KernelRequest
from thalweg_cuda import kernels, libraries, shared_library
from thalweg_cuda.libraries import LibraryError, library
from thalweg_cuda.libraries.cublaslt import CublasLt
from thalweg_cuda.libraries.cudnn import Cudnn
from thalweg_cuda.libraries.report import report
from thalweg_cuda.work import Target


@pytest.fixture
def only_here(monkeypatch, tmp_path):
    """The one folder in which libraries are sought."""
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    monkeypatch.setattr(shared_library, "_wheel_folders", list)
    monkeypatch.setattr(shared_library, "_system_folders", list)
    shared_library.trouble.cache_clear()
    yield tmp_path
    shared_library.trouble.cache_clear()


def told(caplog):
    return [(record.levelname, record.getMessage()) for record in caplog.records]


def test_libraries_that_are_not_there_are_reasons(monkeypatch):
    from thalweg_cuda import shared_library
    monkeypatch.setattr(shared_library, "candidates", lambda stem, versions: [])
    found = libraries.Libraries(contextlib.nullcontext())
    assert found.get("cublaslt") is None and found.get("cudnn") is None and not found.items()
    assert "pip install thalweg-cuda[cublas]" in found.reasons["cublaslt"]
    assert "pip install thalweg-cuda[cudnn]" in found.reasons["cudnn"]


def test_a_library_is_opened_once_and_closed(monkeypatch):
    opened = []
    monkeypatch.setattr(CublasLt, "open", lambda limit: opened.append(limit) or CublasLt(FakeCublasLt(), limit))
    found = libraries.Libraries(contextlib.nullcontext(), 1 << 20)
    assert found.get("cublaslt") is found.get("cublaslt") and opened == [1 << 20]
    fake = found.get("cublaslt").library
    found.close()
    assert fake.calls["cublasLtDestroy"] == 1 and not found.items()


def test_a_library_without_a_function_is_a_reason():
    with pytest.raises(LibraryError, match="fake libcublasLt has no function nothing; another version is needed"):
        library.bind(FakeCublasLt(), {"nothing": (None,)})


def test_a_library_that_is_there_and_does_not_open_is_a_warning(only_here, caplog):
    (only_here / "libcublasLt.so.13").write_text("no library")
    for _ in range(2):                                   # two cards
        assert libraries.Libraries(contextlib.nullcontext()).get("cublaslt") is None
    (level, text), = told(caplog)
    assert level == "WARNING" and text.startswith("thalweg-cuda goes without cublaslt: libcublasLt of version 13 "
                                                  f"cannot be opened: {only_here}/libcublasLt.so.13: ")
    assert "Install it anew, or take its folder out of LD_LIBRARY_PATH. pip install thalweg-cuda[cublas]" in text


def test_a_library_that_refuses_to_begin_is_a_warning(caplog, monkeypatch):
    def refuses(limit):
        raise LibraryError("cudnnCreate: CUDNN_STATUS_NOT_INITIALIZED")
    monkeypatch.setattr(Cudnn, "open", refuses)
    assert libraries.Libraries(contextlib.nullcontext()).get("cudnn") is None
    assert told(caplog) == [("WARNING", "thalweg-cuda goes without cudnn: cudnnCreate: CUDNN_STATUS_NOT_INITIALIZED")]


def test_a_library_that_is_not_installed_is_no_warning(only_here, caplog):
    caplog.set_level("INFO", "thalweg")
    for _ in range(2):
        libraries.Libraries(contextlib.nullcontext()).get("cudnn")
    assert told(caplog) == [("INFO", "thalweg-cuda goes without cudnn: no libcudnn of version 9 was found. pip "
                                     "install thalweg-cuda[cudnn] brings it (nvidia-cudnn-cu13, 520 MB)")]


def test_what_is_told_of_libraries(only_here):
    (only_here / "libcublasLt.so.13").write_text("no library")
    versions, lacks = report({})
    assert versions["cuBLASLt"].startswith(f"not used: libcublasLt of version 13 cannot be opened: {only_here}/")
    assert versions["cuDNN"] == "not installed: pip install thalweg-cuda[cudnn] brings it (nvidia-cudnn-cu13, 520 MB)"
    (sentence,) = lacks["lacks"]
    assert sentence == f"cuBLASLt is {versions['cuBLASLt']}"


def test_what_is_told_of_a_library_that_opens_and_refuses_a_card(only_here, monkeypatch):
    (only_here / "libcudnn.so.9").write_text("")
    monkeypatch.setattr("thalweg_cuda.libraries.report.trouble", lambda *of: "")
    assert report({"cudnn": "cudnnCreate: no"})[1] == {"lacks": ["cuDNN is not used: cudnnCreate: no"]}
    versions, lacks = report({})
    assert not lacks and not versions["cuDNN"].startswith("not")


@pytest.mark.parametrize(("name", "made", "op_type", "ins", "out"), [
    ("cublaslt", lambda: CublasLt(FakeCublasLt(refuses=True)), "MatMul", [(4, 4)] * 2, (4, 4)),
    ("cublaslt", lambda: CublasLt(FakeCublasLt(refuses=True)), "Conv2D", [(1, 8, 8, 4), (3, 3, 4, 8)], (1, 8, 8, 8)),
    ("cudnn", lambda: Cudnn(FakeCudnn(refuses=True)), "Conv2D", [(1, 8, 8, 4), (3, 3, 4, 8)], (1, 8, 8, 8))])
def test_what_a_library_has_no_plan_for_is_told_once_for_an_op(caplog, name, made, op_type, ins, out):
    caplog.set_level("INFO", "thalweg")
    attrs = {"transpose_a": False, "transpose_b": False, "strides": [1, 1, 1, 1], "padding": "SAME"}
    for tf32 in True, False:                             # which windows are written out for
        request = KernelRequest(op_type, {**attrs, "allow_tf32": tf32}, ins, [out], [1, 1], [1])
        kernels.prepare(request, Target(libraries={name: made()}))
    (level, text), = told(caplog)
    assert level == "INFO"
    assert text.startswith(f"thalweg-cuda: {name} has nothing for a {op_type} of shapes {tuple(ins)}: ")
