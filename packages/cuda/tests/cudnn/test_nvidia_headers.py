"""The ctypes layers against the headers that NVIDIA's packages bring: values of enumerators, numbers of parameters."""
import ctypes
import re

import pytest
from cudnn.places import wheel_folder

from thalweg_cuda.libraries import cublaslt_names, cudnn_names
from thalweg_cuda.libraries.cublaslt import INSTALL, VERSIONS, CublasLt
from thalweg_cuda.libraries.library import LibraryError, bind
from thalweg_cuda.shared_library import candidates, open_first

_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)


def text_of(folder, *names):
    if folder is None:
        pytest.skip("NVIDIA's headers are not installed; tox -e cudnn installs them")
    return _COMMENT.sub(" ", "\n".join((folder / name).read_text() for name in names))


def enumerators(text):
    """{name: value} of all enumerations, as far as values are numbers."""
    found = re.findall(r"\b([A-Z]\w+)(?:\s+CUDNN_DEPRECATED_ENUM)?\s*=\s*(\d+)\b", text)
    return {name: int(value) for name, value in found}


def parameter_counts(text):
    found = {}
    for name, inside in re.findall(r"\b(cu[a-z]+[A-Z]\w*)\s*\(([^;{]*?)\)\s*;", text):
        found[name] = 0 if inside.strip() in ("", "void") else inside.count(",") + 1
    return found


@pytest.fixture(scope="module")
def cudnn_header():
    return text_of(wheel_folder("cudnn", "include"), "cudnn_graph.h")


@pytest.fixture(scope="module")
def cublas_headers():
    return text_of(wheel_folder("cu13", "include"), "cublasLt.h", "cublas_api.h", "library_types.h")


def check(names, text):
    values, counts = enumerators(text), parameter_counts(text)
    assert {name: values.get(name) for name in names.CONSTANTS} == names.CONSTANTS
    assert {name: counts.get(name) for name in names.FUNCTIONS} == {
        name: len(types) - 1 for name, types in names.FUNCTIONS.items()}


def test_cudnn(cudnn_header):
    check(cudnn_names, cudnn_header)


def test_cublaslt(cublas_headers):
    check(cublaslt_names, cublas_headers)


def test_size_of_a_heuristic_result(cublas_headers):
    """uint64_t data[8], size_t, status, float, int reserved[4]."""
    assert re.search(r"uint64_t data\[8\];\s*\}\s*cublasLtMatmulAlgo_t", cublas_headers)
    struct = re.search(r"typedef struct \{([^}]*)\}\s*cublasLtMatmulHeuristicResult_t", cublas_headers).group(1)
    fields = re.findall(r"(\w+) (\w+)(?:\[(\d+)\])?;", struct)
    assert fields == [("cublasLtMatmulAlgo_t", "algo", ""), ("size_t", "workspaceSize", ""),
                      ("cublasStatus_t", "state", ""), ("float", "wavesCount", ""), ("int", "reserved", "4")]
    assert ctypes.sizeof(cublaslt_names.HeuristicResult) == 96


def test_cublaslt_without_a_card_is_a_reason(library):
    if not candidates("cublasLt", VERSIONS):
        pytest.skip("cuBLAS is not installed; tox -e cudnn installs it")
    with pytest.raises(LibraryError, match="cublasLtCreate: "):
        CublasLt(open_first("cublasLt", VERSIONS, INSTALL))


def test_a_missing_function_is_a_reason(library):
    with pytest.raises(LibraryError, match="has no function cudnnFindSomethingElse; another version is needed"):
        bind(library, {"cudnnFindSomethingElse": (ctypes.c_int,)})
