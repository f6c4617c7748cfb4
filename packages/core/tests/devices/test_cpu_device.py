"""The CPU device: memory, how kernels are looked up, refused and found broken, float16, instruction sets."""
import gc
import os
import subprocess
import sys
import weakref
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from thalweg import devices
from thalweg.cpu._request import Request, Unsupported
from thalweg.devices import KernelRequest
from thalweg.framework import errors
from thalweg.framework.dtypes import float64
from thalweg.testing.device_call import call


@pytest.fixture(scope="module")
def cpu():
    return devices.find_device("CPU")[0]


def request(kernel, attrs=None, shape=(4,), dtype=1, **options):
    declaration = SimpleNamespace(kernels={"cpu": kernel} if kernel else {}, inputs=(), outputs=())
    return KernelRequest("Softplus", attrs or {}, [shape], [shape], [dtype], [dtype], declaration=declaration,
                         name="tower/softplus", **options)


@pytest.fixture
def prepare(monkeypatch):
    """Makes a module of prepare functions, `acme.kernels`, with one: `prepare`."""
    def install(function):
        module = ModuleType("acme.kernels")
        module.prepare = function
        monkeypatch.setitem(sys.modules, "acme", ModuleType("acme"))
        monkeypatch.setitem(sys.modules, "acme.kernels", module)
        monkeypatch.setattr("thalweg.cpu.device._PREPARE", {})
        return "acme.kernels:prepare"
    return install


# --- memory ---------------------------------------------------------------------------------------------

@pytest.mark.parametrize("nbytes", [0, 1, 63, 64, 1000, 3 << 20, 5 << 20])
def test_memory_is_aligned_and_counted(cpu, nbytes):
    before = cpu.mem_stats()
    pointer = cpu.alloc(nbytes)
    during = cpu.mem_stats()
    assert pointer % (2 << 20 if nbytes >= 4 << 20 else 64) == 0
    assert during["bytes_in_use"] - before["bytes_in_use"] >= nbytes
    assert during["num_allocs"] == before["num_allocs"] + 1
    cpu.free(pointer)
    assert cpu.mem_stats()["bytes_in_use"] == before["bytes_in_use"]
    assert during["peak_bytes"] >= during["bytes_in_use"]


def test_a_wider_alignment(cpu):
    pointer = cpu.alloc(100, align=4096)
    assert pointer % 4096 == 0
    cpu.free(pointer)


def test_more_memory_than_the_machine_has(cpu):
    with pytest.raises(errors.ResourceExhaustedError, match="CPU:0: an allocation of 1152921504606846976 bytes"):
        cpu.alloc(2**60)


def test_copies(cpu):
    source, target = cpu.alloc(80), cpu.alloc(80)
    cpu.h2d(source, np.arange(10.0))
    cpu.d2d(target, source, 80)
    result = np.empty(10)
    cpu.d2h(result, target)
    assert result.tolist() == list(range(10))
    with pytest.raises(ValueError, match="contiguous"):
        cpu.h2d(source, np.arange(10.0)[::2])
    cpu.free(source), cpu.free(target)


def test_no_allocation_is_lost(cpu):
    before = cpu.mem_stats()["bytes_in_use"]
    for _ in range(10_000):
        cpu.free(cpu.alloc(100))
    assert cpu.mem_stats()["bytes_in_use"] == before


# --- kernels --------------------------------------------------------------------------------------------

def test_every_declared_kernel_exists():
    """A name without a function would silently run the reference body."""
    from thalweg.cpu.device import prepare_function
    from thalweg.framework.declaration import REGISTRY
    missing = []
    for declaration in REGISTRY.values():
        if "cpu" in declaration.kernels:
            try:
                assert callable(prepare_function(declaration.kernels["cpu"]))
            except Unsupported as refusal:
                missing.append(f"{declaration.name}: {refusal}")
    assert not missing, "\n".join(missing)


@pytest.mark.parametrize(("kernel", "reason"), [
    (None, "Softplus has no CPU kernel"),
    ("nowhere:softplus", "its kernel nowhere:softplus is not built: there is no module thalweg.cpu.nowhere"),
    ("acme_missing.kernels:f", "its kernel acme_missing.kernels:f is not built: there is no module acme_missing"),
    ("_request:softplus", "its kernel _request:softplus is not built: thalweg.cpu._request has no softplus"),
])
def test_no_kernel(cpu, kernel, reason):
    question = request(kernel)
    assert cpu.find_kernel(question) is None
    assert question.refusal.startswith(reason)


def test_a_kernel_that_refuses(cpu, prepare):
    def refuse(r):
        raise Unsupported("Softplus takes no seven dimensions")
    assert cpu.find_kernel(request(prepare(refuse))) is None
    assert cpu.last_refusal == "Softplus takes no seven dimensions"


def test_a_mistake_in_a_kernel_is_raised_as_it_is(cpu, prepare):
    def mistaken(r):
        return r.in_shapes[3]
    with pytest.raises(IndexError) as caught:
        cpu.find_kernel(request(prepare(mistaken)))
    assert "mistaken" in [entry.name for entry in caught.traceback]


def test_a_mistake_survives_garbage_that_is_collected_meanwhile(cpu, prepare):
    class Node:
        pass

    def mistaken(r):
        gc.set_threshold(1)
        raise LookupError("lost?")
    thresholds, collected = gc.get_threshold(), []
    node = Node()
    node.itself, watch = node, weakref.ref(node, collected.append)
    del node
    try:
        with pytest.raises(LookupError, match="lost"):
            cpu.find_kernel(request(prepare(mistaken)))
    finally:
        gc.set_threshold(*thresholds)
    gc.collect()
    assert collected == [watch]


def test_a_broken_import_in_a_kernel_is_raised_as_it_is(cpu, monkeypatch, tmp_path):
    (tmp_path / "acme_broken").mkdir()
    (tmp_path / "acme_broken/__init__.py").write_text("")
    (tmp_path / "acme_broken/kernels.py").write_text("import acme_dependency")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="acme_dependency"):
        cpu.find_kernel(request("acme_broken.kernels:f"))


def test_a_prepare_function_that_names_no_function(cpu, prepare):
    with pytest.raises(errors.InternalError, match="said that it has a kernel for Softplus but gave no function"):
        cpu.find_kernel(request(prepare(lambda r: None)))


def test_what_a_prepare_function_sees(cpu, prepare):
    seen = {}

    def look(r):
        seen.update(op_type=r.op_type, shapes=(r.in_shapes, r.out_shapes), dtypes=(r.in_dtypes, r.out_dtypes),
                    i=r.attr_int("i"), b=r.attr_bool("b"), f=r.attr_float("f"), s=r.attr_str("s"), t=r.attr_int("t"),
                    ints=r.attr_ints("ints"), default=r.attr_int("none", 3), value=r.in_value(0), no=r.in_value(1))
        raise Unsupported("seen")
    attrs = {"i": 5, "b": False, "f": 0.5, "s": "NHWC", "t": float64, "ints": [1, 2]}
    cpu.find_kernel(request(prepare(look), attrs, values={0: np.float32([1, 2, 3, 4])}))
    value = seen.pop("value")
    assert value.dtype == np.float32 and value.tolist() == [1, 2, 3, 4]
    assert seen == dict(op_type="Softplus", shapes=(((4,),), ((4,),)), dtypes=((1,), (1,)), i=5, b=False, f=0.5,
                        s="NHWC", t=2, ints=(1, 2), default=3, no=None)


@pytest.mark.parametrize(("method", "kind"), [("attr_int", "int"), ("attr_bool", "bool"), ("attr_float", "float"),
                                              ("attr_str", "string"), ("attr_ints", "list of ints")])
def test_a_missing_attribute_is_a_mistake(cpu, prepare, method, kind):
    with pytest.raises(KeyError, match=f"Softplus has no attribute 'missing' that is a {kind}"):
        cpu.find_kernel(request(prepare(lambda r: getattr(r, method)("missing"))))


def test_shapes_that_are_not_known_are_refused(cpu, prepare):
    question = request(prepare(lambda r: None), shape=(None, 3))
    assert cpu.find_kernel(question) is None
    assert question.refusal == "Softplus: the shape of input 0 is not known"


def test_requests_are_not_made_by_hand():
    with pytest.raises(TypeError, match="a Request is made by the CPU device"):
        Request()


@pytest.mark.parametrize("value", [np.zeros((0, 2), np.int32), np.array(True), np.array(2 + 1j), np.uint8([[1], [2]])])
def test_constant_inputs_of_any_type(cpu, prepare, value):
    seen = []
    cpu_request = request(prepare(lambda r: seen.append(r.in_value(0))), shape=value.shape, dtype=value.dtype,
                          values={0: value})
    with pytest.raises(errors.InternalError):
        cpu.find_kernel(cpu_request)
    assert seen[0].dtype == value.dtype and seen[0].shape == value.shape and (seen[0] == value).all()


# --- float16 --------------------------------------------------------------------------------------------

def run(cpu, op_type, *arrays, out, attrs=None):
    question = KernelRequest(op_type, attrs or {}, [a.shape for a in arrays], [out[0]], [a.dtype for a in arrays],
                             [out[1]])
    kernel = cpu.find_kernel(question)
    assert kernel is not None, question.refusal
    return call(kernel, *arrays)[0]


@pytest.mark.parametrize("n", [0, 1, 7, 8, 1000, 200_001])
def test_float16_is_computed_in_float32_and_rounded_once(cpu, n):
    x = np.random.default_rng(n).normal(size=n).astype(np.float16)
    y = run(cpu, "Sqrt", abs(x), out=((n,), 19))
    assert np.array_equal(y, np.sqrt(abs(x).astype(np.float32)).astype(np.float16))
    y = run(cpu, "Mul", x, x, out=((n,), 19))
    assert np.array_equal(y, (x.astype(np.float32) * x.astype(np.float32)).astype(np.float16))


def test_every_float16_survives(cpu):
    """All bit patterns, through the widening and the rounding; a NaN stays one."""
    x = np.arange(2**16, dtype=np.uint16).view(np.float16)
    y = run(cpu, "Mul", x, np.ones_like(x), out=(x.shape, 19))
    same = x.view(np.uint16) == y.view(np.uint16)
    assert (same | (np.isnan(x) & np.isnan(y))).all()


def test_float16_rounds_to_nearest_even(cpu):
    a = np.random.default_rng(3).uniform(-300, 300, 60_000).astype(np.float16)
    b = np.random.default_rng(4).uniform(-300, 300, 60_000).astype(np.float16)
    small = np.float16(np.random.default_rng(5).uniform(-1, 1, 60_000) * 2.0 ** -8)
    for x, y in ((a, b), (a, small), (small, small * np.float16(0.01))):
        with np.errstate(over="ignore"):
            expected = (x.astype(np.float32) * y.astype(np.float32)).astype(np.float16)
        assert np.array_equal(run(cpu, "Mul", x, y, out=(x.shape, 19)), expected)


# --- instruction sets -----------------------------------------------------------------------------------

@pytest.mark.parametrize("name", ["portable", "avx2"])
def test_the_instruction_set_is_lowered(name):
    program = """
import numpy as np, thalweg, sys
from thalweg import devices
from thalweg.devices import KernelRequest
from thalweg.testing.device_call import call
cpu = devices.find_device("CPU")[0]
assert cpu.describe()["instruction_set"] in ("portable", sys.argv[1])
x = np.arange(2**16, dtype=np.uint16).view(np.float16)
k = cpu.find_kernel(KernelRequest("Mul", {}, [x.shape] * 2, [x.shape], [19, 19], [19]))
y = call(k, x, np.ones_like(x))[0]
assert ((x.view(np.uint16) == y.view(np.uint16)) | (np.isnan(x) & np.isnan(y))).all()
a, b = (np.random.default_rng(i).uniform(-300, 300, 2**16).astype(np.float16) * np.float16(2.0 ** -s)
        for i, s in ((1, 0), (2, 16)))
assert np.array_equal(call(k, a, b)[0], (a.astype(np.float32) * b.astype(np.float32)).astype(np.float16))
"""
    environment = {**os.environ, "THALWEG_ISA": name}
    subprocess.run([sys.executable, "-c", program, name], check=True, env=environment, timeout=60)


def test_an_unknown_instruction_set_is_refused(monkeypatch):
    from thalweg.cpu.device import capsule
    monkeypatch.setenv("THALWEG_ISA", "mmx")
    with pytest.raises(ValueError, match="THALWEG_ISA is 'mmx'; it must be portable, avx2 or avx512, or unset"):
        capsule()
