"""What the CPU has a kernel for has one here, in every type of the op tables, and random ops besides."""
from compiled.catalogue import graphs, request

from thalweg import devices
from thalweg.devices import KernelRequest
from thalweg.framework.declaration import REGISTRY
from thalweg.framework.dtypes import DType, as_dtype, bfloat16, float16
from thalweg_cuda import kernels
from thalweg_cuda.work import Target, Unsupported


def with_bfloat16(r):
    """A request of float16 as one of bfloat16."""
    def changed(value):
        if isinstance(value, (list, tuple)):
            return type(value)([changed(v) for v in value])
        return bfloat16 if isinstance(value, DType) and value == float16 else value
    ins, outs = (changed([as_dtype(d) for d in of]) for of in (r.in_dtypes, r.out_dtypes))
    attrs = {name: changed(value) for name, value in r.attrs.items()}
    values = {k: v for k, v in r.values.items() if v.dtype != float16.np}
    return KernelRequest(r.op_type, attrs, r.in_shapes, r.out_shapes, ins, outs, values, r.declaration, r.name)


def requests():
    """Of all ops whose shapes are known, in float16 and bfloat16 where there is one of these."""
    for graph in graphs():
        for op in graph.get_operations():
            tensors = [*op.inputs, *op.outputs]
            if all(t.shape.is_fully_defined() and t.dtype.kind in "fciub" for t in tensors):
                found = request(op)
                yield found
                if any(t.dtype.base_dtype == float16 for t in tensors) and not op.declaration.is_random:
                    yield with_bfloat16(found)


def test_nothing_is_left_to_the_cpu():
    cpu, _ = devices.find_device("CPU", 0)
    asked, refused = set(), set()
    for r in requests():
        if devices.find_kernel(cpu, r) is not None:
            asked.add((r.op_type, r.in_dtypes, r.out_dtypes))
            try:
                kernels.prepare(r, Target())
            except Unsupported as why:
                refused.add(f"{r.op_type} {r.in_shapes} {r.in_dtypes}: {why}")
    assert not refused
    assert len(asked) > 1000 and len({op_type for op_type, *_ in asked}) > 200


def test_every_op_type_with_a_kernel_of_the_cpu_has_one():
    assert not {name for name, d in REGISTRY.items() if "cpu" in d.kernels}.difference(kernels.op_types())
