"""Every kernel's source that op tables, plans of networks and direct requests ask for, on a card that is described."""
from collections import defaultdict
from contextlib import suppress
from itertools import chain

import numpy as np
from direct_requests import requests
from programs import plan_networks

from thalweg.autodiff import gradients
from thalweg.autodiff.backward import is_differentiable
from thalweg.devices import KernelRequest
from thalweg.devices.placement import kernel_attrs
from thalweg.framework import dtypes
from thalweg.framework.constant_value import constant_value
from thalweg.framework.evaluate import Evaluator
from thalweg.framework.graph import Graph
from thalweg.testing import tables
from thalweg.testing.table import Row
from thalweg_cuda import kernels
from thalweg_cuda.work import Launch, Target, Unsupported


def sources(target=None):
    """{Source: op types whose kernels launch it}."""
    target, found = target or Target(), defaultdict(set)

    def take(op_type, work):
        commands = work.commands({}) if callable(work.commands) else work.commands
        for command in commands:
            if isinstance(command, Launch):
                found[command.source].add(op_type)
    for request in chain(_of_tables(), requests()):
        with suppress(Unsupported):
            take(request.op_type, kernels.prepare(request, target))
    plan_networks(target, take)
    return dict(found)


def _of_tables():
    """The requests of all rows and of their gradients."""
    for rows in tables.families().values():
        for row in rows:
            for dtype in _dtypes(row) if isinstance(row, Row) else ():
                with Graph().as_default() as graph:
                    shapes = _build(row, dtype)
                    for op in graph.get_operations():
                        yield _request(op, shapes)


def _dtypes(row):
    """Those of the row, and bfloat16, which tables leave out as NumPy has none."""
    found = row.dtypes_of()
    if row.dtypes is None and dtypes.float16 in found:
        with Graph().as_default(), suppress(TypeError):    # an op takes no bfloat16
            row.build(dtypes.bfloat16)
            found.append(dtypes.bfloat16)
    return found


def _build(row, dtype):
    """Builds the row and its gradients; {Tensor: shape} of what the graph does not tell."""
    feeds, outputs = row.build(dtype)
    ys, xs = ([t for t in tensors if is_differentiable(t.dtype) and t.dtype.is_floating]
              for tensors in (outputs, feeds))
    if row.gradient and ys and xs:
        with suppress(TypeError):                          # the gradient of Digamma, say, takes no float16
            gradients(ys, xs)
    unknown = [t for op in outputs[0].graph.get_operations() for t in op.outputs if _shape(t) is None
               or None in _shape(t)] if outputs else []
    values = Evaluator().run(unknown, dict(zip(feeds, row.draw(dtype)))) if unknown else ()
    return {t: np.shape(value) for t, value in zip(unknown, values)}


def _request(op, shapes):
    values = {k: constant_value(tensor) for k, tensor in enumerate(op.inputs)}
    return KernelRequest(op.type, kernel_attrs(op.attrs), [shapes.get(t) or _shape(t) for t in op.inputs],
                         [shapes.get(t) or _shape(t) for t in op.outputs], [t.dtype for t in op.inputs],
                         [t.dtype for t in op.outputs], {k: value for k, value in values.items() if value is not None},
                         op.declaration, op.name)


def _shape(tensor):
    return None if tensor.shape.ndims is None else tuple(tensor.shape.as_list())
