"""The sources that op tables, plans of networks and direct requests ask for, on a card that is described.

test_cuda_registers.py tells a text of thalweg_cuda/kernels, or an op, that is in none of them.
"""
import sys
from collections import defaultdict
from contextlib import suppress
from itertools import chain
from pathlib import Path

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
from thalweg_cuda.libraries.cublaslt import CublasLt
from thalweg_cuda.libraries.cudnn import Cudnn
from thalweg_cuda.work import Launch, Target, Unsupported

sys.path.append(str(Path(__file__).resolve().parents[1]))

from emulation.fake_cublaslt import FakeCublasLt
from emulation.fake_cudnn import FakeCudnn


def sources(target=None):
    """{Source: op types whose kernels launch it} on a Target, or a usual one; its libraries are doubles."""
    catalogue = Catalogue(target or Target())
    of_graphs = (request(op, shapes) for graph, shapes in graphs() for op in graph.get_operations())
    for r in chain(of_graphs, requests()):
        with suppress(Unsupported):
            catalogue.prepare(r)
    plan_networks(catalogue)
    return dict(catalogue.found)


class Catalogue:
    """Kernels for a card that has both libraries, which are doubles; where there is a choice, all that it is between.

    Attributes
    ----------
    found : {Source: op types whose kernels launch it}
    """

    def __init__(self, target):
        self.found, self._candidates = defaultdict(set), []
        self._target = target._replace(libraries={"cublaslt": CublasLt(FakeCublasLt()), "cudnn": Cudnn(FakeCudnn())},
                                       choices=self)

    def prepare(self, request):
        """The Work for a request; its sources and those of all that it was chosen from are found."""
        self._candidates.clear()
        work = kernels.prepare(request, self._target)
        for each in self._candidates or [work]:
            self._take(request.op_type, each)
        return work

    def choose(self, key, candidates, in_bytes, out_bytes):
        """What _rivals.best asks of a Target's choices."""
        self._candidates += [work for _, work in candidates]
        return self._candidates[-1]

    def _take(self, op_type, work):
        commands = work.commands({}) if callable(work.commands) else work.commands
        if callable(commands):           # axes that come at run time: the kernels are those of constant ones
            return
        for command in commands:
            if isinstance(command, Launch):
                self.found[command.source].add(op_type)


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
    """What a device is asked about an op of a graph, where TF32 is allowed: then there are the most rivals."""
    values = {k: constant_value(tensor) for k, tensor in enumerate(op.inputs)}
    return KernelRequest(op.type, {**kernel_attrs(op.attrs), "allow_tf32": True},
                         [shapes.get(t) or _shape(t) for t in op.inputs],
                         [shapes.get(t) or _shape(t) for t in op.outputs], [t.dtype for t in op.inputs],
                         [t.dtype for t in op.outputs], {k: value for k, value in values.items() if value is not None},
                         op.declaration, op.name)


def _shape(tensor):
    return None if tensor.shape.ndims is None else tuple(tensor.shape.as_list())
