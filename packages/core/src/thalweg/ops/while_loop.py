"""`tf.while_loop`: one `While` whose condition and body are function graphs.

Names and ids are TensorFlow 1.x's: inside, the loop variables are `while/Identity`, `while/Identity_1`; the results
are `while/Exit`, `while/Exit_1`; the graph counts the nodes that its Enter, Merge, Switch, NextIteration and Exit
construction would have made, because the default seed of a random op is that count.
"""
from thalweg.framework import errors, nest, shapes
from thalweg.framework.conversion import convert_to_tensor
from thalweg.framework.func_graph import FuncGraph, here, uncounted
from thalweg.framework.graph import get_default_graph, name_scope
from thalweg.framework.indexed_slices import IndexedSlices
from thalweg.framework.shapes import TensorShape

from . import array, comparison, constant
from .function_ops import WhileParts, make_while


def while_loop(cond, body, loop_vars, shape_invariants=None, parallel_iterations=10, back_prop=True, swap_memory=False,
               name=None, maximum_iterations=None, return_same_structure=False):
    """Repeats `loop_vars = body(*loop_vars)` while `cond(*loop_vars)` holds, when the graph runs.

    Parameters
    ----------
    cond : callable (*loop_vars) -> bool scalar
    body : callable (*loop_vars) -> the next loop variables, in the same structure
    loop_vars : list or tuple, possibly nested, of tensors or what becomes tensors
    shape_invariants : structure of TensorShape, like loop_vars     what stays true of each variable's shape; without
        it, all that is known of the first value's shape
    parallel_iterations : int > 0       accepted; iterations run one after the other
    back_prop : bool                    False: no gradient flows through the loop
    swap_memory : bool                  accepted; the device keeps what the gradient needs
    maximum_iterations : int scalar or None
    return_same_structure : bool        keep a list of one as a list

    Raises
    ------
    TypeError, ValueError   if the functions are no functions, the body changes the structure, a dtype or what is
        invariant of a shape
    """
    if not loop_vars:
        raise ValueError("No loop variables provided")
    for what, function in (("cond", cond), ("body", body)):
        if not callable(function):
            raise TypeError(f"{what} must be callable.")
    if parallel_iterations < 1:
        raise TypeError("parallel_iterations must be a positive integer.")
    loop_vars = loop_vars if isinstance(loop_vars, tuple) else list(loop_vars)
    with name_scope(name, "while", nest.flatten(loop_vars, expand_composites=True)) as scope:
        if maximum_iterations is not None:
            cond, body, loop_vars, shape_invariants = _counted(cond, body, loop_vars, shape_invariants,
                                                               maximum_iterations)
        result = _Loop(scope, loop_vars, shape_invariants, back_prop).build(cond, body)
    if maximum_iterations is not None:
        result = result[1:] if len(result) > 2 or return_same_structure else result[1]
        return result
    if len(result) == 1 and not return_same_structure and not nest.is_namedtuple(result):
        return result[0]
    return result


def _counted(cond, body, loop_vars, shape_invariants, limit):
    """The loop with a counter as its first variable, which ends it after `limit` iterations."""
    limit = convert_to_tensor(limit, name="maximum_iterations")
    if limit._shape not in (None, ()):
        raise ValueError(f"maximum_iterations must be a scalar, saw shape: {limit.get_shape()}")
    counter = constant.constant(0, limit.dtype.base_dtype, name="iteration_counter")

    def counted_cond(i, *values):
        return comparison.logical_and(i < limit, cond(*values))

    def counted_body(i, *values):
        result = body(*values)
        is_several = isinstance(result, (list, tuple)) and not nest.is_namedtuple(result)
        return (i + 1, *result) if is_several and len(result) == len(values) else (i + 1, result)

    if shape_invariants is not None:
        shape_invariants = (TensorShape([]), *shape_invariants)
    return counted_cond, counted_body, (counter, *loop_vars), shape_invariants


class _Loop:
    """One loop under construction.

    Attributes
    ----------
    initial : list of Tensor        the first values of the flat loop variables
    invariants : list of plain shapes
    """

    def __init__(self, scope, loop_vars, shape_invariants, back_prop):
        self.scope, self.graph, self.back_prop = scope, get_default_graph(), back_prop
        if shape_invariants is not None:
            nest.assert_same_structure(loop_vars, shape_invariants, check_types=False)
        self.loop_vars = nest.map_structure(_as_loop_var, loop_vars)
        self.initial = [here(t) for t in nest.flatten(self.loop_vars, expand_composites=True)]
        self.invariants = [t._shape for t in self.initial]
        if shape_invariants is not None:
            self._take_invariants(nest.flatten(shape_invariants))

    def _take_invariants(self, given):
        """An invariant of IndexedSlices is that of their values; their indices and dense shape stay free."""
        found: list = []
        for leaf, invariant in zip(nest.flatten(self.loop_vars), given):
            shape = shapes.plain(invariant)
            if nest.is_composite(leaf):
                found += nest.composite_invariants(leaf, shape)
                continue
            if not shapes.compatible(shape, leaf._shape) or not _is_no_narrower(shape, leaf._shape):
                raise ValueError(
                    f"The shape invariant specified for {leaf.name} is not compatible with the initial shape of the "
                    f"loop variable. It enters the loop with shape {shapes.text(leaf._shape)}, but the specified "
                    f"shape invariant is {shapes.text(shape)}.")
            found.append(shape)
        self.invariants = found

    def build(self, cond, body):
        """Adds the `While`; gives its results in the structure that the body returned."""
        n = len(self.initial)
        self.graph._next_id += 2 * n                                         # Enter, Merge
        cond_graph = self._filled("cond", lambda args: self._condition(cond(*args)))
        self.graph._next_id += 1 + 2 * n                                     # LoopCond, Switch, Identity
        results: list = []
        body_graph = self._filled("body", lambda args: self._next_values(body(*args), args, results), cond_graph)
        self.graph._next_id += n                                             # NextIteration
        with uncounted(self.graph):
            op = make_while(cond_graph, body_graph, self.initial, "While")
            op.attrs["_back_prop"] = self.back_prop
        finals = [array.identity(t, name="Exit") for t in WhileParts(op).variables]
        return nest.pack_sequence_as(results[0], finals, expand_composites=True)

    def _filled(self, name, fill, earlier=None):
        """A function graph with one parameter per loop variable; what `earlier` captures too, counts once."""
        graph = FuncGraph(self.scope + name, self.graph)
        with graph.building():
            graph.counted_elsewhere = set() if earlier is None else set(earlier.captures)
            parameters = [graph.add_parameter(t.dtype, shape, "Identity")
                          for t, shape in zip(self.initial, self.invariants)]
            graph.outputs = fill(nest.pack_sequence_as(self.loop_vars, parameters, expand_composites=True))
        return graph

    def _condition(self, result):
        pred = convert_to_tensor(result)
        if pred.dtype.base_dtype.kind != "b":
            raise errors.DTypeError(f"Input 'input' of 'LoopCond' Op has type {pred.dtype.base_dtype.name} that does "
                                    "not match expected type of bool: cond of a while_loop must give one bool.")
        if pred._shape not in (None, ()):
            raise errors.ShapeError(f"cond of a while_loop must give one bool, not {pred.name} of shape "
                                    f"{shapes.text(pred._shape)}. Try tf.reduce_any or tf.reduce_all.")
        return [get_default_graph().capture(pred)]

    def _next_values(self, result, args, results):
        is_single = not nest.is_nested(result) or nest.is_namedtuple(result) and len(args) == 1
        result = [result] if is_single else result
        nest.assert_same_structure(list(args), list(result), expand_composites=True)
        result = nest.map_structure(_as_loop_var, result)
        results.append(result)
        flat = nest.flatten(result, expand_composites=True)
        for first, parameter, value in zip(self.initial, get_default_graph().parameters, flat):
            _check_next(first, parameter, value)
        return [get_default_graph().capture(t) for t in flat]


def _as_loop_var(leaf):
    if isinstance(leaf, IndexedSlices) or nest.is_composite(leaf):
        return leaf
    value = convert_to_tensor(leaf)
    return _read(value) if value.dtype.is_ref_dtype else value


def _read(reference):
    """A loop variable is a value: of a variable's reference, what it holds here."""
    with uncounted(get_default_graph()):
        return array.identity(reference)


def _is_no_narrower(invariant, shape):
    """Whether everything of shape `shape` has also shape `invariant`."""
    if invariant is None:
        return True
    return shape is not None and all(want is None or want == size for want, size in zip(invariant, shape))


def _check_next(first, parameter, value):
    if value.dtype.base_dtype is not first.dtype.base_dtype:
        dtype = first.dtype.base_dtype.name
        raise errors.DTypeError(errors.explain(
            f"Loop variable {first.name} enters the loop as {dtype}, but the body gives {value.dtype.base_dtype.name} "
            f"({value.name})", expected=dtype, hint=f"tf.cast(x, tf.{dtype})", built_at=value.op.frame))
    if not _is_no_narrower(parameter._shape, value._shape):
        raise errors.ShapeError(
            f"Input tensor '{first.name}' enters the loop with shape {shapes.text(first._shape)}, but has shape "
            f"{shapes.text(value._shape)} after one iteration. To allow the shape to vary across iterations, use the "
            "`shape_invariants` argument of tf.while_loop to specify a less-specific shape.")
