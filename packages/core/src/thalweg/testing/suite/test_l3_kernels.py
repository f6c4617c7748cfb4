"""L3: the rows of the op tables on the device, against the NumPy bodies of the ops."""
import functools

import numpy as np
import pytest

import thalweg as tf
from thalweg import devices
from thalweg.devices import KernelRequest
from thalweg.framework import dtypes, errors
from thalweg.framework.declaration import REGISTRY, OpDeclaration
from thalweg.framework.graph import Graph
from thalweg.testing import tables
from thalweg.testing.capabilities import dtype_of, needs_kernel
from thalweg.testing.device_call import call
from thalweg.testing.kit import each
from thalweg.testing.samples import Sample, cast
from thalweg.testing.table import Row, check_close

_DETERMINISTIC = 1 << 8
_LARGE = 150_001                     # elements: several chunks of any kernel, and a last one that is not full


class Case:
    """One row in one dtype.

    Attributes
    ----------
    row : Row
    dtype : DType
    op_types : set of str       the ops of its graph that run by kernels
    """

    def __init__(self, row, dtype, op_types):
        self.row, self.dtype, self.op_types = row, dtype, op_types


@functools.cache
def claimed_rows(kit):
    """{name: Case} of all rows whose ops the device claims."""
    found = {}
    for family, rows in tables.families().items():
        for k, row in enumerate(rows):
            for dtype in row.dtypes_of() if isinstance(row, Row) else ():
                claimed = claimed_ops(kit, row, dtype)
                if claimed:
                    found[f"{family} {k} {row.name} {dtype.name}"] = Case(row, dtype, claimed)
    return found


def claimed_ops(kit, row, dtype):
    """The types of the ops of a row that run by kernels; None where the device does not claim all of them."""
    with Graph().as_default() as graph:
        row.build(dtype)
        ops = [op for op in graph.get_operations() if needs_kernel(op.type, [*op.inputs, *op.outputs])]
        claimed = all(kit.caps.claims(op.type, dtype_of(op)) for op in ops)
    return {op.type for op in ops} if claimed else None


@each(claimed_rows)
def test_values(kit, case):
    """The device computes what the ops mean, and it is the device that does."""
    arrays = case.row.draw(case.dtype)
    expected = case.row.expected(case.dtype, arrays)
    factor = kit.caps.tolerance(case.op_types, case.dtype)
    case.row.check_device(kit.place, case.dtype, arrays, expected, factor=factor)
    elsewhere = {op: why for op, why in misplaced(kit, case, arrays).items() if op not in kit.caps.limits}
    assert not elsewhere, f"the capabilities claim what {kit.place} has no kernel for: {elsewhere}"


def misplaced(kit, case, arrays):
    with Graph().as_default(), tf.device(kit.place):
        feeds, outputs = case.row.build(case.dtype)
        return kit.misplaced(outputs, feeds, arrays)


@each(lambda kit: {op: op for op in kit.caps.limits})
def test_an_op_with_limits_has_a_kernel_within_them(kit, case):
    rows = [c for c in claimed_rows(kit).values() if case in c.op_types]
    refusals = [misplaced(kit, c, c.row.draw(c.dtype)).get(case) for c in rows]
    assert None in refusals, f"{case} is claimed, but no row of the tables gets a kernel: {refusals[:1]}"
    assert any(refusals), f"limits.{case} says {kit.caps.limits[case]!r}, but every row of the tables gets a kernel"


# --- the same bits again ----------------------------------------------------------------------------

def rows_with_kernels(kit):
    """The first claimed dtype of each row."""
    found = {}
    for name, case in claimed_rows(kit).items():
        found.setdefault(name.rpartition(" ")[0], case)
    return found


@each(rows_with_kernels)
def test_deterministic_kernels_give_the_same_bits(kit, case):
    arrays = case.row.draw(case.dtype)
    with Graph().as_default(), tf.device(kit.place):
        feeds, outputs = case.row.build(case.dtype)
        kernels = [k for _, k in kit.kernels(outputs, feeds, arrays) if k is not None and k.device.name == kit.place]
        if not kit.caps.has("deterministic") and not (kernels and all(k.flags & _DETERMINISTIC for k in kernels)):
            pytest.skip("its kernels do not say that they are deterministic")
        runs = [kit.run(outputs, feeds, arrays, threads=threads) for threads in (1, 1, 3)]
    first, *others = ([v.tobytes() if v.dtype != object else v.tolist() for v in run] for run in runs)
    assert all(other == first for other in others), "the same inputs gave other bits"


# --- shapes -----------------------------------------------------------------------------------------

def elementwise(kit):
    """{name: (row, dtype)}: each claimed elementwise op with inputs that can be drawn in any shape, once per dtype."""
    found = {}
    for case in claimed_rows(kit).values():
        samples = case.row.inputs
        declaration = case.row.function
        if (isinstance(declaration, OpDeclaration) and declaration.kind == "elementwise" and samples
                and all(isinstance(s, Sample) and s.is_drawn for s in samples)):
            found.setdefault(f"{declaration.name} {case.dtype.name}", case)
    return found


SHAPES = [[(), ()], [(0,), (0,)], [(3, 0, 2), (1, 0, 2)], [(1,), (1,)], [(7, 5), (7, 5)], [(3, 1, 5), (4, 1)],
          [(), (2, 3)], [(2, 1, 1, 1, 2), (3, 1, 4, 1)], [(9,), (1,)]]


@each(elementwise)
def test_elementwise_ops_of_any_shape(kit, case):
    for shapes in SHAPES:
        check_shape(kit, case, shapes)


def widest(kit):
    """Each elementwise op in one dtype, but for those whose bodies sum series: minutes for so many elements."""
    return {name.partition(" ")[0]: case for name, case in elementwise(kit).items()
            if case.dtype.name not in ("float16", "bfloat16")
            and case.op_types.isdisjoint({"Betainc", "Igamma", "IgammaGradA", "Igammac"})}


@each(widest)
def test_large_elementwise_ops(kit, case):
    check_shape(kit, case, [(_LARGE,), (_LARGE,)])


def check_shape(kit, case, shapes):
    row = case.row.reshaped(shapes)
    arrays = row.draw(case.dtype)
    row.check_device(kit.place, case.dtype, arrays, row.expected(case.dtype, arrays),
                     factor=kit.caps.tolerance(case.op_types, case.dtype))


# --- answers that are no kernel ---------------------------------------------------------------------

def test_an_op_that_nobody_knows_is_refused(kit):
    request = KernelRequest("NoSuchOpAnywhere", {}, [(2,)], [(2,)], [1], [1])
    assert kit.device.find_kernel(request) is None
    assert request.refusal, "a refusal says why"


@each(lambda kit: {op: op for op, d in REGISTRY.items() if d.kind == "elementwise" and d.kernels})
def test_any_dtype_gets_a_kernel_or_a_refusal(kit, case):
    """Whether or not the device claims the op: no crash, no other code, and a kernel computes what the op means."""
    declaration = REGISTRY[case]
    for name in ("float16", "bfloat16", "float32", "float64", "int8", "int32", "int64", "uint8", "bool", "complex64"):
        dtype = dtypes.as_dtype(name)
        allowed = declaration.letters.get("T")
        if allowed is None or dtype not in allowed:
            continue
        with Graph().as_default():
            inputs = [tf.placeholder(dtype, [5]) for _ in declaration.inputs]
            try:
                outputs = declaration(*inputs)
            except (TypeError, ValueError):
                continue                                    # an op with other inputs besides
            outputs = outputs if isinstance(outputs, (list, tuple)) else [outputs]
            attrs = outputs[0].op.attrs
        numbers = [[t.dtype.base_dtype.as_datatype_enum for t in ts] for ts in (inputs, outputs)]
        request = KernelRequest(case, attrs, [(5,)] * len(inputs), [(5,)] * len(outputs), *numbers,
                                declaration=declaration)
        kernel = devices.find_kernel(kit.device, request)
        arrays = [cast(np.ones(5), dtype) for _ in inputs]
        try:
            with np.errstate(all="ignore"):
                expected = declaration.reference(arrays, attrs)
        except (TypeError, errors.UnimplementedError):
            continue                                        # a dtype in which TensorFlow has no meaning for it either
        if kernel is None:
            assert request.refusal, f"{case} of {name} is refused without a reason"
            claimed = kit.caps.claims(case, dtype) and case not in kit.caps.limits
            assert not claimed, f"the capabilities claim {case} of {name}: {request.refusal}"
            continue
        for got, want in zip(call(kernel, *arrays), expected):
            check_close(got, np.asarray(want), kit.caps.tolerance([case], dtype), f"{case} of {name}")
