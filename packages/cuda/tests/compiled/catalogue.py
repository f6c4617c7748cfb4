"""Every kernel's source that the op tables ask for, with their gradients, on a card that is described, not there.

Random ops have no rows in the tables; one graph has them all.
"""
import itertools
from collections import defaultdict
from contextlib import suppress

import thalweg as tf
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
    for graph in graphs():
        for op in graph.get_operations():
            for source in _launched(op, target or Target()):
                found[source].add(op.type)
    return dict(found)


def graphs():
    """The graphs of all rows, and that of the random ops."""
    rows = itertools.chain(*tables.families().values())
    return itertools.chain(_drawing(), *map(_graphs, rows))


def _drawing():
    """The graph of the random ops, in every type that they make."""
    seed = [1, 2]
    with Graph().as_default() as graph:
        for dtype in ("float16", "float32", "float64"):
            for draw, stateless in ((tf.random_uniform, tf.random.stateless_uniform),
                                    (tf.random_normal, tf.random.stateless_normal),
                                    (tf.truncated_normal, tf.random.stateless_truncated_normal)):
                draw([1000], dtype=dtype), stateless([1000], seed, dtype=dtype)
            parameters = tf.constant([[0.5, 2.0, 30.0]], dtype)
            tf.random_gamma([1000], parameters, dtype=dtype)
            tf.random_poisson(parameters, [1000], dtype=dtype)
            tf.multinomial(parameters, 1000), tf.random.stateless_multinomial(parameters, 1000, seed)
        for dtype in ("int32", "int64"):
            tf.random_uniform([1000], maxval=9, dtype=dtype), tf.random_poisson([3.0], [1000], dtype=dtype)
            tf.random.stateless_uniform([1000], seed, maxval=9, dtype=dtype)
        tf.random_shuffle(tf.zeros([9000, 3])), tf.random_shuffle(tf.zeros([9], tf.uint8))
    yield graph


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
        commands = kernels.prepare(request(op), target).commands
    except Unsupported:
        return
    for command in () if callable(commands) else commands:
        if isinstance(command, Launch):
            yield command.source


def request(op):
    """What a device is asked about an op of a graph."""
    values = {k: constant_value(tensor) for k, tensor in enumerate(op.inputs)}
    return KernelRequest(op.type, kernel_attrs(op.attrs), [_shape(t) for t in op.inputs],
                         [_shape(t) for t in op.outputs], [t.dtype for t in op.inputs], [t.dtype for t in op.outputs],
                         {k: value for k, value in values.items() if value is not None}, op.declaration, op.name)


def _shape(tensor):
    return None if tensor.shape.ndims is None else tuple(tensor.shape.as_list())
