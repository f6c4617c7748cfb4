"""Every kernel's source that op tables, plans of networks and direct requests ask for, on a card that is described."""
from collections import defaultdict
from contextlib import suppress
from itertools import chain

import numpy as np
from direct_requests import requests
from programs import plan_networks

import thalweg as tf
from thalweg.autodiff import gradients
from thalweg.autodiff.backward import is_differentiable
from thalweg.devices import KernelRequest
from thalweg.devices.placement import kernel_attrs
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
        if callable(commands):           # axes that come at run time: the kernels are those of constant ones
            return
        for command in commands:
            if isinstance(command, Launch):
                found[command.source].add(op_type)
    of_graphs = (request(op, shapes) for graph, shapes in graphs() for op in graph.get_operations())
    for r in chain(of_graphs, requests()):
        with suppress(Unsupported):
            take(r.op_type, kernels.prepare(r, target))
    plan_networks(target, take)
    return dict(found)


def graphs():
    """(graph, {Tensor: shape} of what it does not tell) of all rows with their gradients, and of the random ops."""
    yield _drawing(), {}
    for row in chain(*tables.families().values()):
        for dtype in row.dtypes_of() if isinstance(row, Row) else ():
            with Graph().as_default() as graph:
                shapes = _build(row, dtype)
            yield graph, shapes


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
    return graph


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


def request(op, shapes):
    """What a device is asked about an op of a graph."""
    values = {k: constant_value(tensor) for k, tensor in enumerate(op.inputs)}
    return KernelRequest(op.type, kernel_attrs(op.attrs), [shapes.get(t) or _shape(t) for t in op.inputs],
                         [shapes.get(t) or _shape(t) for t in op.outputs], [t.dtype for t in op.inputs],
                         [t.dtype for t in op.outputs], {k: value for k, value in values.items() if value is not None},
                         op.declaration, op.name)


def _shape(tensor):
    return None if tensor.shape.ndims is None else tuple(tensor.shape.as_list())
