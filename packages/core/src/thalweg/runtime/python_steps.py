"""Steps that run with Python's lock: reference bodies, functions of control flow, and steps of run-time shape.

`make_call(engine, step)` gives a function from the input arrays to the output arrays. What it is given is a view
of the plan's buffers; the executor copies what comes back to its place.
"""
import logging

import numpy as np

from thalweg.devices import KernelRequest, find_kernel
from thalweg.devices.placement import kernel_attrs
from thalweg.framework import shapes
from thalweg.framework.histories import history_sizes, stacked_history
from thalweg.framework.stored_value import StoredValue
from thalweg.plan import effects
from thalweg.plan.ir import COPY, FETCH
from thalweg.plan.shapes import misfit

from .single_call import run_kernel

_log = logging.getLogger("thalweg")
_reported: set[tuple] = set()


def make_call(engine, step):
    """The function that runs `step`."""
    node = step.node
    if node.op_type in (COPY, FETCH):
        return _copy(engine, node)
    special = SPECIAL.get(node.op_type)
    if special is not None:
        return special(engine, node)
    if _is_shaped(node):
        _report(node)
        call = _reference(engine, node)
    else:
        call = _Dynamic(engine, node)
    copied = _copied_variables(engine, node)
    return _Returning(call, copied) if copied else call


def _copied_variables(engine, node):
    """(input, VariableBuffer) of the variables that a step changes but has a copy of: they lie on another device."""
    wants = node.declaration.wants_ref if node.declaration is not None else ()
    sources = [(k, v.node.inputs[0]) for k, (v, is_ref) in enumerate(zip(node.inputs, wants))
               if is_ref and v.node.op_type == COPY and v.node.inputs]
    return [(k, engine.variable(source.variable)) for k, source in sources if source.variable is not None]


class _Returning:
    """A step that changes copies of variables, which are then put back."""

    def __init__(self, call, copied):
        self.call, self.copied = call, copied

    def __call__(self, arrays):
        results = self.call(arrays)
        for k, buffer in self.copied:
            buffer.assign(arrays[k])
        return results


def _copy(engine, node):
    """A copy of an array, or of a variable in memory that the host does not see."""
    name = node.inputs[0].variable
    buffer = engine.variable(name) if name is not None else None
    return lambda arrays: [buffer.read() if arrays[0] is None else arrays[0].copy()]


def _is_shaped(node):
    return all(v.is_static for v in node.inputs) and all(v.is_static for v in node.outputs)


def _report(node):
    """Says once per op type and cause that a reference body stands in for a kernel."""
    key = node.op_type, node.refusal
    if node.refusal and key not in _reported:
        _reported.add(key)
        _log.info("op %s runs its reference body: %s", node.op_type, node.refusal)


def _reference(engine, node):
    declaration, attrs, rng = node.declaration, node.attrs, engine.rng(node)

    return lambda arrays: declaration.reference(arrays, attrs, rng=rng, session=engine)


class _Dynamic:
    """A step whose shapes are known when its inputs are there: it finds a kernel then, and remembers a few."""

    MOST_KERNELS = 8

    def __init__(self, engine, node):
        self.node, self.device, self.rng = node, engine.placement.host, engine.rng(node)
        self.threads = engine.placement.threads
        self.fallback = _reference(engine, node)
        self.kernels = {}
        self.has_kernel = bool(node.declaration.kernels) and all(
            v.dtype.kind in "fciub" for v in [*node.inputs, *node.outputs])

    def __call__(self, arrays):
        if not self.has_kernel or any(a is None for a in arrays):     # a variable of unknown shape, not assigned yet
            return self._reference(arrays)
        sizes = [arrays[k].tobytes() for k in self.node.declaration.size_inputs]
        key = tuple([a.shape for a in arrays]), *sizes
        found = self.kernels.get(key)
        if found is None:
            found = self._find(arrays, key)
        kernel, out_shapes = found
        if kernel is None:
            return self._reference(arrays)
        return run_kernel(kernel, arrays, out_shapes, [v.dtype for v in self.node.outputs], self.rng,
                          self._shares_first(), self.threads)

    def _reference(self, arrays):
        """Bodies may give views of their inputs, whose memory the plan uses again."""
        return [r if isinstance(r, StoredValue) else self._owned(np.asarray(r), arrays) for r in self.fallback(arrays)]

    @staticmethod
    def _owned(result, arrays):
        return result if result.flags.owndata and not any(result is a for a in arrays) else result.copy()

    def _shares_first(self):
        return any(o.is_ref for o in self.node.declaration.outputs)

    def _find(self, arrays, key):
        node, looked_at = self.node, []

        def value(k):
            looked_at.append(k)
            return arrays[k]
        in_shapes = [a.shape for a in arrays]
        try:
            out_shapes = node.declaration.output_shapes(in_shapes, node.attrs, len(node.outputs), value, node.name)
        except ValueError as error:
            raise misfit(node, error, in_shapes) from error
        unread = node.declaration.size_inputs
        if any(not shapes.is_known(s) for s in out_shapes) or set(looked_at).difference(unread) \
                or self._takes_values():
            return None, out_shapes
        if self._shares_first() and out_shapes[0] != arrays[0].shape:
            return None, out_shapes                      # a variable of another shape needs another buffer
        request = KernelRequest(node.op_type, kernel_attrs(node.attrs), [a.shape for a in arrays], out_shapes,
                                [v.dtype.as_datatype_enum for v in node.inputs],
                                [v.dtype.as_datatype_enum for v in node.outputs], values={},
                                declaration=node.declaration, name=node.name)
        found = find_kernel(self.device, request), out_shapes
        if len(self.kernels) >= self.MOST_KERNELS:
            self.kernels.clear()
        self.kernels[key] = found
        return found

    def _takes_values(self):
        """Kernels that read an input's value while they are prepared (axes, paddings) would need one per value."""
        unread = self.node.declaration.size_inputs
        return any(v.dtype.kind in "iu" and k > 0 and k not in unread for k, v in enumerate(self.node.inputs))


# --- control flow -------------------------------------------------------------------------------------------

def _passed(node, first, arrays):
    """The arrays that a function graph is fed with: the variables that it captures need none."""
    return [a for k, a in enumerate(arrays, first) if not effects.is_found_by_name(node, k)]


def _signature(node, first, graph):
    """(elements, fed) for `Engine.run`: a captured variable is fed only where the caller has fed it."""
    fed = [t for k, t in enumerate(graph.inputs, first) if not effects.is_found_by_name(node, k)]
    return tuple(graph.outputs), tuple(fed)


def _if(engine, node):
    """`If`: the condition chooses the branch."""
    branches = [_signature(node, 1, node.attrs[name]) for name in ("else_branch", "then_branch")]

    def call(arrays):
        return engine.run(*branches[bool(arrays[0])], _passed(node, 1, arrays[1:]))
    return call


def _while(engine, node):
    """`While`: `body` as long as `cond` holds; keeps only those histories that somebody takes."""
    cond, body, n_vars = node.attrs["cond"], node.attrs["body"], len(node.attrs["Tvars"])
    n_history = len(node.attrs["Thistory"])
    taken = [any(node.outputs[n_vars + 1 + k + j].uses for k in (0, n_history)) for j in range(n_history)]
    kept = [t for t, wanted in zip(body.outputs[n_vars:], taken) if wanted]
    elements = (*body.outputs[:n_vars], *kept)
    cond_signature, body_fed = _signature(node, 0, cond), _signature(node, 0, body)[1]

    def call(arrays):
        state, captures = list(arrays[:n_vars]), list(arrays[n_vars:])
        history, count = [[] for _ in kept], 0
        while engine.run(*cond_signature, _passed(node, 0, state + captures))[0]:
            results = engine.run(elements, body_fed, _passed(node, 0, state + captures))
            state = results[:n_vars]
            for values, value in zip(history, results[n_vars:]):
                values.append(value)
            count += 1
        of_output = iter(history)
        lists = [next(of_output) if wanted else [] for wanted in taken]
        tensors = body.outputs[n_vars:]
        return [*state, np.int64(count), *map(stacked_history, lists, tensors), *map(history_sizes, lists, tensors)]
    return call


def _py_func(engine, node):
    """`PyFunc`: the user's function may keep its arrays or change them, so they are its own."""
    body = _reference(engine, node)
    return lambda arrays: body([a.copy() for a in arrays])


def _count_up_to(engine, node):
    """`CountUpTo`: the body checks the limit and gives the value; the variable is then one more."""
    source = node.inputs[0]
    source = source.node.inputs[0] if source.node.op_type == COPY else source      # its variable lies elsewhere
    buffer, body = engine.variable(source.variable), _reference(engine, node)

    def call(arrays):
        results = [np.array(r) for r in body(arrays)]
        buffer.assign(results[0] + results[0].dtype.type(1))
        return results
    return call


def _is_variable_initialized(engine, node):
    """`IsVariableInitialized`: the buffer exists in any case, so its array says nothing."""
    buffer = engine.variable(node.inputs[0].variable)
    return lambda arrays: [np.bool_(buffer.is_initialized)]


SPECIAL = {"If": _if, "While": _while, "CountUpTo": _count_up_to, "IsVariableInitialized": _is_variable_initialized,
           "PyFunc": _py_func, "PyFuncStateless": _py_func}
