"""Every kernel's source that the op tables ask for, with their gradients, on a card that is described, not there."""
from collections import defaultdict
from contextlib import suppress

from thalweg.autodiff import gradients
from thalweg.autodiff.backward import is_differentiable
from thalweg.devices import KernelRequest
from thalweg.devices.placement import kernel_attrs
from thalweg.framework.constant_value import constant_value
from thalweg.framework.graph import Graph
from thalweg.testing import tables
from thalweg.testing.table import Row
from thalweg_cuda import kernels
from thalweg_cuda.work import Launch, Target, Unsupported


def sources(target=None):
    """{Source: op types whose kernels launch it}."""
    found = defaultdict(set)
    for rows in tables.families().values():
        for row in rows:
            for graph in _graphs(row):
                for op in graph.get_operations():
                    for source in _launched(op, target or Target()):
                        found[source].add(op.type)
    return dict(found)


def _graphs(row):
    """The row's graph with its gradients, for each dtype; none for a row that must not build."""
    if not isinstance(row, Row):
        return
    for dtype in row.dtypes_of():
        with Graph().as_default() as graph:
            feeds, outputs = row.build(dtype)
            ys, xs = ([t for t in tensors if is_differentiable(t.dtype) and t.dtype.is_floating]
                      for tensors in (outputs, feeds))
            if row.gradient and ys and xs:
                with suppress(TypeError):                  # the gradient of Digamma, say, takes no float16
                    gradients(ys, xs)
        yield graph


def _launched(op, target):
    try:
        commands = kernels.prepare(_request(op), target).commands
    except Unsupported:
        return
    for command in () if callable(commands) else commands:
        if isinstance(command, Launch):
            yield command.source


def _request(op):
    values = {k: constant_value(tensor) for k, tensor in enumerate(op.inputs)}
    return KernelRequest(op.type, kernel_attrs(op.attrs), [_shape(t) for t in op.inputs],
                         [_shape(t) for t in op.outputs], [t.dtype for t in op.inputs], [t.dtype for t in op.outputs],
                         {k: value for k, value in values.items() if value is not None}, op.declaration, op.name)


def _shape(tensor):
    return None if tensor.shape.ndims is None else tuple(tensor.shape.as_list())
