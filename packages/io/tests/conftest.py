"""Files to read: the small own set beside the tests, and the golden set where it is found (THALWEG_GOLDEN)."""
import hashlib
import importlib.util
import json
import os
import pathlib
import struct

import numpy as np
import pytest

# each has a tox environment
_NEEDED = {"test_onnx.py": "onnxruntime", "test_tensorboard.py": "tensorboard", "board": "tensorboard"}
collect_ignore = [file for file, package in _NEEDED.items() if not importlib.util.find_spec(package)]


@pytest.fixture
def nn():
    """For tests of programs with layers or optimizers: those run where thalweg-nn is installed, too."""
    pytest.importorskip("thalweg_nn", reason="needs thalweg-nn; run where all packages are installed")


OWN = pathlib.Path(__file__).parent / "data"
GOLDEN = pathlib.Path(os.environ.get("THALWEG_GOLDEN") or pathlib.Path(__file__).parents[4] / "shared" / "golden")


class Checkpoint:
    """A checkpoint and what is known of it: name -> (DataType number, shape, sha256 of its bytes)."""

    def __init__(self, prefix, tensors):
        self.prefix, self.tensors = str(prefix), tensors


def sha256(array):
    """The hash of an array's bytes; each string as its uint64 length and its bytes."""
    if array.dtype.kind == "O":
        data = b"".join(struct.pack("<Q", len(item)) + item for item in array.ravel())
    else:
        data = np.ascontiguousarray(array).tobytes()
    return hashlib.sha256(data).hexdigest()


def manifest_of_own():
    return json.loads((OWN / "manifest.json").read_text())


def graph_cases_module():
    spec = importlib.util.spec_from_file_location("graph_cases", OWN / "graph_cases.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def own_checkpoints():
    manifest = manifest_of_own()
    return {name: Checkpoint(OWN / name, {k: (t["dtype"], tuple(t["shape"]), t["sha256"]) for k, t in tensors.items()})
            for name, tensors in manifest["checkpoints"].items()}


def own_v1():
    """What make_v1.py has found."""
    return json.loads((OWN / "v1.json").read_text())


def own_v1_checkpoints():
    return {name: Checkpoint(OWN / name, {k: (t["dtype"], tuple(t["shape"]), t["sha256"]) for k, t in tensors.items()})
            for name, tensors in own_v1()["checkpoints"].items()}


def golden_checkpoints(version="V2"):
    from thalweg_io import protos
    numbers = protos.TensorProto.DESCRIPTOR.fields_by_name["dtype"].enum_type.values_by_name
    manifest = json.loads((GOLDEN / "manifest.json").read_text())
    return {name: Checkpoint(GOLDEN / name, {k: (numbers[t["dtype"]].number, tuple(t["shape"]), t["sha256"])
                                             for k, t in c["tensors"].items()})
            for name, c in manifest["checkpoints"].items() if c["version"] == version and "tensors" in c}


def has_golden():
    return (GOLDEN / "manifest.json").is_file()


def hostile_cases(kind):
    cases = json.loads((GOLDEN / "hostile" / "hostile.json").read_text()) if has_golden() else []
    return [case for case in cases if case["kind"] == kind]


def pytest_generate_tests(metafunc):
    """`checkpoint`, `v1_checkpoint`: every one of that format; `hostile_KIND`: the damaged files of that kind."""
    if "checkpoint" in metafunc.fixturenames:
        found = {**own_checkpoints(), **(golden_checkpoints() if has_golden() else {})}
        metafunc.parametrize("checkpoint", found.values(), ids=list(found))
    if "v1_checkpoint" in metafunc.fixturenames:
        found = {**own_v1_checkpoints(), **(golden_checkpoints("V1") if has_golden() else {})}
        metafunc.parametrize("v1_checkpoint", found.values(), ids=list(found))
    if "graph_case" in metafunc.fixturenames:
        metafunc.parametrize("graph_case", list(manifest_of_own()["graphs"]))
    if "summary_case" in metafunc.fixturenames:
        metafunc.parametrize("summary_case", list(manifest_of_own()["summaries"]))
    for kind in ("v1", "v2", "state", "tfrecord", "example", "safetensors", "npz", "saved_model"):
        if f"hostile_{kind}" in metafunc.fixturenames:
            cases = hostile_cases(kind)
            metafunc.parametrize(f"hostile_{kind}", cases, ids=[case["name"] for case in cases])


@pytest.fixture(name="sha256")
def sha256_fixture():
    return sha256


@pytest.fixture
def manifest():
    """What TensorFlow 1.15 made of the programs in data/graph_cases.py."""
    return manifest_of_own()


@pytest.fixture
def graph_cases():
    return graph_cases_module()


@pytest.fixture
def own():
    """The own checkpoints by name."""
    return own_checkpoints()


@pytest.fixture
def golden_or_none():
    """The folder of the golden set, or None."""
    return GOLDEN if has_golden() else None


@pytest.fixture
def golden(golden_or_none):
    """The folder of the golden set; without it the test is skipped."""
    if golden_or_none is None:
        pytest.skip("no ../shared beside the checkout")
    return golden_or_none
