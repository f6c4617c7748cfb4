"""Reverse mode over the graph: `gradients(ys, xs)` adds the ops that compute dys/dxs.

The ops between `xs` and `ys` are walked once, each after everything that takes its outputs. An op's declared rule
turns the gradients of its outputs into those of its inputs. Integers, booleans and strings carry no gradient.

Inside a function graph a captured tensor is the outer tensor: the walk goes on in the outer graph, and the ops that it
adds capture what they need.
"""
from thalweg.framework import dtypes, errors
from thalweg.framework.func_graph import FuncGraph
from thalweg.framework.graph import Tensor, get_default_graph, name_scope
from thalweg.framework.indexed_slices import (
    IndexedSlices,
    convert_n_to_tensor_or_indexed_slices,
    convert_to_tensor_or_indexed_slices,
)
from thalweg.ops import array, constant, flow

from .aggregation import METHODS, array_of, total, zeros
from .node_counts import counted_as, gated_beside, renumber
from .registry import gradient_function

_SPARSE_RULES = ("Identity", "IdentityN", "ReadVariableOp")              # rules that pass IndexedSlices on as they are
_RULES_WITH_NONE = ("If", "While", "IdentityN")                # rules that want None, not zeros, for unused outputs


class UnconnectedGradients:
    """What `gradients` gives where ys do not depend on x, as `tf.UnconnectedGradients`: None or zeros."""

    NONE = "none"
    ZERO = "zero"

    def __new__(cls, value):
        value = getattr(value, "value", value)
        if value not in (cls.NONE, cls.ZERO):
            raise ValueError(f"Unknown value for unconnected_gradients: {value!r}")
        return value


def is_differentiable(dtype):
    """Whether tensors of this dtype carry gradients: floating point, complex, and lists of such (TensorArray)."""
    return dtype.base_dtype.kind in "fcv" or dtype.base_dtype is dtypes.bfloat16


def gradients(ys, xs, grad_ys=None, name="gradients", colocate_gradients_with_ops=False, gate_gradients=False,
              aggregation_method=None, stop_gradients=None, unconnected_gradients=UnconnectedGradients.NONE):
    """Adds ops that compute the gradient of sum(ys) with respect to each x, as `tf.gradients`.

    Parameters
    ----------
    ys : Tensor or list of them
    xs : Tensor, Variable or list of them
    grad_ys : like ys, or None      gradients of something further on with respect to ys; None stands for ones
    colocate_gradients_with_ops : bool      ask for a gradient op's device to be that of its op
    gate_gradients : bool           give no gradient of an op before all its gradients are there
    aggregation_method :            one of AggregationMethod; all give the same sum
    stop_gradients : list of Tensor         not to be differentiated through
    unconnected_gradients :         UnconnectedGradients.NONE or .ZERO

    Returns
    -------
    list of Tensor, IndexedSlices or None, one for each x

    Raises
    ------
    LookupError     if an op on the way has no gradient defined
    TypeError       if ys are complex without grad_ys, or a grad_y has another kind of dtype than its y
    """
    if aggregation_method not in METHODS:
        raise ValueError(f"Invalid aggregation_method specified {aggregation_method}.")
    unconnected_gradients = UnconnectedGradients(unconnected_gradients)
    ys, xs, stops = _as_list(ys), _as_list(xs), _as_list(stop_gradients)
    grad_ys = [None] * len(ys) if grad_ys is None else _as_list(grad_ys)
    if len(grad_ys) != len(ys):
        raise ValueError(f"Passed {len(grad_ys)} grad_ys for {len(ys)} ys")
    with name_scope(name, "gradients", ys + xs + stops + grad_ys) as scope:
        ys = convert_n_to_tensor_or_indexed_slices(ys, name="y")
        xs = [_differentiation_point(x, i) for i, x in enumerate(xs)]
        stops = [_differentiation_point(s, i) for i, s in enumerate(stops)]
        grad_ys = [_starting_gradient(y, dy, i) for i, (y, dy) in enumerate(zip(ys, grad_ys))]
        walk = _Walk(xs, stops, scope, colocate_gradients_with_ops, gate_gradients)
        found = walk.run(ys, grad_ys)
        if unconnected_gradients == UnconnectedGradients.ZERO:
            found = [zeros(x) if dx is None else dx for x, dx in zip(xs, found)]
    return found


def _as_list(values):
    if values is None:
        return []
    return list(values) if isinstance(values, (list, tuple)) else [values]


def _differentiation_point(x, index):
    """The tensor that stands for x: a variable's own buffer, since every read of it comes from there."""
    x = convert_to_tensor_or_indexed_slices(x, name=f"x_{index}", as_ref=True)
    return x.values if isinstance(x, IndexedSlices) else x


def _starting_gradient(y, dy, index):
    if dy is None:
        if y.dtype.is_complex:
            raise TypeError(f"Gradients of complex tensors must set grad_ys (y.dtype = {y.dtype.base_dtype.name})")
        if not is_differentiable(y.dtype):
            return None
        y = array_of(y)
        return constant.fill(array.shape(y), constant.constant(1, y.dtype.base_dtype, name=f"grad_ys_{index}"))
    dy = convert_to_tensor_or_indexed_slices(dy, name=f"grad_ys_{index}")
    if y.dtype.is_complex != dy.dtype.is_complex or is_differentiable(y.dtype) and not is_differentiable(dy.dtype):
        raise TypeError(f"Gradient type {dy.dtype.base_dtype.name} generated for tensor {y.name} of type "
                        f"{y.dtype.base_dtype.name}: both must be real, or both complex.")
    return dy


class _Walk:
    """One reverse sweep.

    Attributes
    ----------
    targets : set of Tensor         what is differentiated with respect to
    stops : set of Tensor           what is not differentiated through
    partial : dict                  tensor -> list of gradients, one per path met so far
    """

    def __init__(self, xs, stops, scope, colocate, gate):
        self.graph = get_default_graph()
        self.is_nested = isinstance(self.graph, FuncGraph)
        self.scope, self.colocate, self.gate = scope, colocate, gate
        self.stops = set(stops)
        self.stops = set(map(self._source, stops))
        self.xs = [self._source(x) for x in xs]
        self.targets = set(self.xs)
        self.partial = {}

    def run(self, ys, grad_ys):
        """The gradient of each x."""
        for y, dy in zip(ys, grad_ys):
            if dy is not None:
                self._add(self._source(y.values if isinstance(y, IndexedSlices) else y), dy)
        for op in reversed(self._ops_between(list(self.partial))):
            self._differentiate(op)
        return [self._total(x) for x in self.xs]

    def _source(self, tensor):
        """The tensor that a captured one stands for, as far out as it goes without passing a stop."""
        while self.is_nested and tensor not in self.stops and isinstance(tensor.graph, FuncGraph):
            outer = tensor.graph.outer_tensor(tensor)
            if outer is None:
                break
            tensor = outer
        return tensor

    def _sources(self, op):
        return [self._source(t) for t in op.inputs if is_differentiable(t.dtype)]

    def _ops_between(self, ys):
        """The operations on a path from a target to one of `ys`, each after those whose outputs it takes."""
        reaches, opened, order = {}, set(), []
        targets, stops = self.targets, self.stops
        stack = [y.op for y in ys if y not in stops]
        while stack:
            op = stack[-1]
            if op in reaches:
                stack.pop()
            elif op not in opened:
                opened.add(op)
                stack.extend([t.op for t in self._sources(op) if t not in stops and t.op not in reaches])
            else:
                stack.pop()
                reaches[op] = any([t in targets or t not in stops and reaches[t.op] for t in self._sources(op)])
                if reaches[op]:
                    order.append(op)
        return order

    def _add(self, tensor, gradient):
        self.partial.setdefault(tensor, []).append(gradient)

    def _total(self, tensor):
        found = self.partial.get(tensor)
        if not found:
            return None
        if len(found) > 1:
            with self.graph.name_scope(self.scope):
                found[:] = [total(found)]
        return found[0]

    def _differentiate(self, op):
        dys = [None if t in self.stops or not is_differentiable(t.dtype) else self._total(t) for t in op.outputs]
        if all([dy is None for dy in dys]):
            return
        rule = gradient_function(op)
        if rule is None:
            return
        with self.graph.name_scope(f"{op.name}_grad"):
            if self.colocate:
                with self.graph.colocate_with(op, ignore_existing=True):
                    dxs = self._apply(op, rule, dys)
            else:
                dxs = self._apply(op, rule, dys)
        for x, dx in zip(op.inputs, dxs):
            if dx is not None and is_differentiable(x.dtype):
                self._add(self._source(x), dx)

    def _apply(self, op, rule, dys):
        if op.type not in _SPARSE_RULES:
            dys = [array_of(dy) for dy in dys]
        if None in dys and (op.type not in _RULES_WITH_NONE or "_gradient_op_type" in op.attrs):
            dys = [zeros(t) if dy is None and is_differentiable(t.dtype) else dy
                   for t, dy in zip(op.outputs, dys)]
        dxs = flat_gradients(op, self._by_rule(op, rule, dys))
        for x, dx in zip(op.inputs, dxs):
            if dx is not None:
                _check_gradient(op, x, dx)
                if isinstance(dx, IndexedSlices) and "_internal" in op.attrs:
                    dx.is_internal = True
        if self.gate and sum([dx is not None for dx in dxs]) > 1:
            dxs = flow.tuple(dxs)
            self.graph._next_id += 0 if self.is_nested else gated_beside(op)
        return dxs

    def _by_rule(self, op, rule, dys):
        """What the rule gives; its nodes count as many as TensorFlow's, which default seeds depend on."""
        graph = self.graph
        count = None if self.is_nested or "_gradient_op_type" in op.attrs else counted_as(op, dys[0])
        first, number = len(graph._ops), graph._next_id
        dxs = rule(*dys)
        if count is not None:
            renumber(graph, first, number, count)
        return dxs


def flat_gradients(op, dxs):
    """What a rule gave as a flat list, one per input; a rule may give one item per declared input."""
    dxs = list(dxs) if isinstance(dxs, (list, tuple)) else [dxs]
    if any([isinstance(dx, (list, tuple)) for dx in dxs]) or len(dxs) != len(op.inputs):
        dxs = _ungrouped(op, dxs)
    if len(dxs) != len(op.inputs):
        raise ValueError(f"Num gradients {len(dxs)} generated for op {op.name} ({op.type}) do not match num inputs "
                         f"{len(op.inputs)}")
    return dxs


def _ungrouped(op, dxs):
    arguments = op.declaration.inputs
    if len(dxs) != len(arguments):
        return dxs
    flat: list = []
    for argument, dx in zip(arguments, dxs):
        if not argument.is_list:
            flat.append(dx)
        elif dx is None:
            flat.extend([None] * (op.attrs[argument.count] if argument.count else len(op.attrs[argument.letter])))
        else:
            flat.extend(dx)
    return flat


def _check_gradient(op, x, dx):
    """A gradient has the dtype and the shape of its input; what is known of the input's shape is put on it."""
    if not isinstance(dx, (Tensor, IndexedSlices)):
        raise TypeError(f"The gradient of op {op.name} ({op.type}) gave {dx!r} where a tensor is expected")
    if is_differentiable(x.dtype) and dx.dtype.base_dtype is not x.dtype.base_dtype:
        raise errors.DTypeError(errors.explain(
            f'{op.type} "{op.name}": its gradient has the wrong dtype for {x.name}', built_at=op.frame,
            got=dx.dtype.base_dtype.name, expected=x.dtype.base_dtype.name))
    if type(dx) is Tensor and dx._shape != x._shape:
        try:
            dx.set_shape(x._shape)
        except ValueError as error:
            raise errors.ShapeError(errors.explain(
                f"Incompatible shapes between op input and calculated input gradient.  Forward operation: {op.name}. "
                f"Input: {x.name}", got=dx.get_shape(), expected=x.get_shape(), built_at=op.frame)) from error


