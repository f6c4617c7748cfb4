"""The slow oracle: runs a graph op by op through the NumPy reference bodies, in the order in which it was built.

The reference bodies of `If` and `While` use it for their function graphs, tests use it to know what a program means.
A session runs plans instead (thalweg/runtime).
"""
import threading

import numpy as np

from . import errors
from .declaration import group_arguments
from .graph import Operation, Tensor, get_default_graph

_STORAGE = ("VariableV2", "Variable", "TemporaryVariable")
_current = threading.local()


class _Reference:
    """The buffer of a variable: what it holds is read where it is used."""

    __slots__ = ("name",)

    def __init__(self, name):
        self.name = name


class Evaluator:
    """Runs fetches on variables of its own.

    Attributes
    ----------
    variables : dict        name of the storage -> array
    generator_of : callable or None     op -> random generator of that op, for ops that draw
    """

    def __init__(self, generator_of=None):
        self.variables = {}
        self.generator_of = generator_of

    def run(self, fetches, feed_dict=None):
        """The values of `fetches`: a tensor, operation, variable or a list of them (None for an operation)."""
        graph = get_default_graph()
        feeds = {graph.as_graph_element(k): np.asarray(v, graph.as_graph_element(k).dtype.base_dtype.np)
                 for k, v in (feed_dict or {}).items()}
        if not isinstance(fetches, (list, tuple)):
            return self.values([graph.as_graph_element(fetches)], feeds)[0]
        return self.values([graph.as_graph_element(f) for f in fetches], feeds)

    def values(self, elements, known):
        """The values of tensors and operations given those of the tensors in `known`."""
        known = dict(known)
        outer, _current.evaluator = getattr(_current, "evaluator", None), self
        try:
            for op in _needed(elements, known):
                self._run_op(op, known)
            return [None if isinstance(e, Operation) else self._read(e, known[e]) for e in elements]
        finally:
            _current.evaluator = outer

    def _read(self, tensor, value):
        if not isinstance(value, _Reference):
            return value
        if value.name not in self.variables:
            raise errors.FailedPreconditionError(None, tensor.op,
                                                 f"Attempting to use uninitialized value {value.name}")
        return self.variables[value.name].copy()

    def _run_op(self, op, known):
        if op.type in _STORAGE:
            known[op.outputs[0]] = _Reference(op.attrs.get("shared_name") or op.name)
            return
        sources = [known[t] for t in op.inputs]
        if op.type == "Identity" and isinstance(sources[0], _Reference) and op.name == f"{op.inputs[0].op.name}/read":
            known[op.outputs[0]] = sources[0]
        elif op.type == "IsVariableInitialized":
            known[op.outputs[0]] = np.bool_(sources[0].name in self.variables)
        else:
            self._run_body(op, sources, known)

    def _run_body(self, op, sources, known):
        wants_ref = [w for a, group in zip(op.declaration.inputs,
                                           group_arguments(op.declaration.inputs, sources, op.attrs))
                     for w in [a.is_ref] * (len(group) if a.is_list else 1)]
        arrays = [self.variables.get(s.name) if wants else self._passed(op, t, s)
                  for t, s, wants in zip(op.inputs, sources, wants_ref)]
        rng = self.generator_of(op) if op.declaration.is_random and self.generator_of else None
        results = op.declaration.reference(arrays, op.attrs, rng=rng)
        if op.type == "CountUpTo":
            self.variables[sources[0].name] = arrays[0] + 1
        references = iter([s for s, wants in zip(sources, wants_ref) if wants])
        for tensor, result in zip(op.outputs, results):
            result = np.asarray(result, tensor.dtype.base_dtype.np)
            if tensor.dtype.is_ref_dtype:
                reference = next(references)
                self.variables[reference.name] = result
                result = reference
            known[tensor] = result

    def _passed(self, op, tensor, source):
        """What an op gets for an input: `If` and `While` look a variable up inside, everything else reads it."""
        if op.type in ("If", "While") and isinstance(source, _Reference):
            return source
        return self._read(tensor, source)


def _needed(elements, known):
    """The operations that `elements` need, oldest first."""
    needed, stack = set(), [e for e in elements if e not in known]
    while stack:
        item = stack.pop()
        op = item.op if isinstance(item, Tensor) else item
        if op in needed:
            continue
        needed.add(op)
        stack.extend(t for t in op.inputs if t not in known)
        stack.extend(op.control_inputs)
    return _topological(sorted(needed, key=lambda op: op._id))


def _topological(ops):
    """`ops` with each after its inputs; the given order wherever that is free (it nearly always is everywhere)."""
    position = {op: i for i, op in enumerate(ops)}
    done, result = set(), []
    for first in ops:
        stack = [first]
        while stack:
            op = stack[-1]
            before = [t.op for t in op.inputs] + op.control_inputs
            waiting = [b for b in before if b in position and b not in done]
            if waiting and op not in done:
                stack.extend(waiting)
                continue
            stack.pop()
            if op not in done:
                done.add(op)
                result.append(op)
    return result


def evaluate(graph, arrays):
    """The outputs of a FuncGraph for the values of its inputs; variables are those of the evaluator that runs."""
    evaluator = getattr(_current, "evaluator", None) or Evaluator()
    known = {t: np.asarray(a, t.dtype.base_dtype.np) for t, a in zip(graph.inputs, arrays)
             if t.op.type == "Placeholder"}
    return evaluator.values(graph.outputs, known)
