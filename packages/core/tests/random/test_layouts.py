"""Reference bodies and CPU kernels of the random ops against values recorded from TensorFlow 1.15.5.

The recording (data/tf1_layouts.json) holds two consecutive runs of one op, so it shows how many blocks a run reserves,
and values far into long outputs, so it shows where in the stream an output lies.
"""
import importlib
import json
from pathlib import Path

import numpy as np
import pytest

import thalweg.ops  # noqa: F401  (declares the ops)
from thalweg.framework.declaration import REGISTRY
from thalweg.framework.dtypes import as_dtype
from thalweg.ops._philox import Generator, seeded_state

CASES = json.loads((Path(__file__).parent / "data" / "tf1_layouts.json").read_text())["cases"]


def _name(case):
    inputs = case.get("arange") or case["inputs"]
    return f"{case['op']}-{case['attrs'].get('dtype', '')}-{str(inputs)[:60]}"


def _inputs(case):
    if "arange" in case:
        dtype, shape = case["arange"]
        flat = np.arange(int(np.prod(shape)))
        flat = flat % 256 if dtype == "uint8" else flat % 3 == 0 if dtype == "bool" else flat
        return [flat.reshape(shape).astype(dtype)]
    return [np.array(value, dtype) for dtype, value in case["inputs"]]


def _attrs(case):
    declaration = REGISTRY[case["op"]]
    defaults = {name: a.default for name, a in declaration.attributes.items() if not a.is_required}
    given = {name: as_dtype(value) if isinstance(value, str) else value for name, value in case["attrs"].items()}
    return {**defaults, **given}


def ulps(a, b):
    """Largest distance of two float arrays of one dtype, counted in floating-point numbers; equal integers are 0."""
    if a.dtype.kind != "f":
        return int((a != b).sum())
    ints = {2: np.int16, 4: np.int32, 8: np.int64}[a.itemsize]
    return int(np.abs(a.view(ints).astype(np.int64) - b.view(ints).astype(np.int64)).max(initial=0))


def _check(case, run, values, bound):
    assert values.shape == tuple(case["shape"]) and values.dtype == case["dtype"]
    found = np.ascontiguousarray(values).reshape(-1)[case["index"]]
    assert ulps(found, np.array(case["runs"][run], case["dtype"])) <= bound


# Floats that go through log, sin, cos and pow may differ in the last bits; all others are the same.
SMOOTH = ("RandomStandardNormal", "TruncatedNormal", "RandomGamma", "StatelessRandomNormal",
          "StatelessTruncatedNormal")


@pytest.mark.parametrize("case", CASES, ids=_name)
def test_reference_gives_the_recorded_numbers(case):
    declaration, attrs = REGISTRY[case["op"]], _attrs(case)
    rng = Generator.from_seeds(attrs["seed"], attrs["seed2"]) if declaration.is_random else None
    for run in range(2):
        values, = declaration.reference(_inputs(case), attrs, rng)
        _check(case, run, values, 4 if case["op"] in SMOOTH else 0)


def _kernel_call(case, threads):
    from thalweg.testing.kernel_call import KernelCall
    module, _, function = REGISTRY[case["op"]].kernels["cpu"].partition(":")
    prepare = getattr(importlib.import_module(f"thalweg.cpu.{module}"), function)
    state = seeded_state(case["attrs"]["seed"], case["attrs"]["seed2"]) if "seed" in case["attrs"] else None
    return KernelCall(prepare, case["op"], _inputs(case), [(tuple(case["shape"]), case["dtype"])], _attrs(case),
                      threads=threads, rng=state)


def _is_left(case):
    """Whether the kernels leave the case to float32's or to the body: float16, and stateless normals in float32."""
    dtypes = {case["dtype"], *(dtype for dtype, _ in case.get("inputs", ()))}
    if case["op"] in ("StatelessRandomNormal", "StatelessTruncatedNormal"):
        return case["dtype"] != "float64"
    return "float16" in dtypes and case["op"] != "RandomUniform"


WITH_KERNEL = [case for case in CASES if "cpu" in REGISTRY[case["op"]].kernels]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("case", [c for c in WITH_KERNEL if not _is_left(c)], ids=_name)
def test_kernel_gives_the_recorded_numbers(case, threads):
    call = _kernel_call(case, threads)
    for run in range(2):
        _check(case, run, call.run()[0], 2 if case["op"] in SMOOTH else 0)


@pytest.mark.parametrize("case", [c for c in WITH_KERNEL if _is_left(c)], ids=_name)
def test_kernels_leave_cases_to_the_reference(case):
    from thalweg.cpu._request import Unsupported
    with pytest.raises(Unsupported, match="on the CPU"):
        _kernel_call(case, 1)


@pytest.mark.parametrize("op", ["RandomStandardNormal", "TruncatedNormal", "RandomGamma", "RandomUniform"])
def test_threads_do_not_change_bits(op):
    case = next(c for c in CASES if c["op"] == op and c["dtype"] == "float32" and c["inputs"][0][1] != [3, 5])
    alone, together = (_kernel_call(case, threads).run()[0] for threads in (1, 2))
    np.testing.assert_array_equal(alone.view(np.int32), together.view(np.int32))
