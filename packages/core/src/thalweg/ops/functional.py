"""`tf.map_fn`, `tf.scan`, `tf.foldl`, `tf.foldr`: functions over the rows of tensors, each one `While`.

Rows are gathered where they are used and results are stacked by the loop, so there is no array that is rewritten in
each iteration. The graph counts the nodes that TensorFlow 1.x's construction with TensorArrays would have made,
because the default seed of a random op inside is that count.
"""
from thalweg.framework import dtypes, errors, nest, shapes
from thalweg.framework.conversion import convert_to_tensor
from thalweg.framework.func_graph import FuncGraph, uncounted
from thalweg.framework.graph import get_default_graph, name_scope

from . import array, comparison, constant, math
from .function_ops import WhileParts, make_while, row_of


def map_fn(fn, elems, dtype=None, parallel_iterations=None, back_prop=True, swap_memory=False, infer_shape=True,
           name=None):
    """The results of `fn` for each row of `elems`, stacked.

    Parameters
    ----------
    fn : callable (row) -> result, where `row` has the structure of elems and the result that of dtype
    elems : tensor or structure of tensors [n, ...], n the same for all
    dtype : dtype or structure of dtypes of the result, where it is not that of elems
    parallel_iterations, swap_memory, infer_shape : accepted
    back_prop : bool        False: no gradient flows through

    Raises
    ------
    TypeError, ValueError   if fn is no function, elems have no rows, or the result has another structure or dtype than
                            announced
    InvalidArgumentError    at run time, if results have different shapes
    """
    if not callable(fn):
        raise TypeError("fn must be callable.")
    structure = elems if dtype is None else dtype
    with name_scope(name, "map", nest.flatten(elems)) as scope:
        rows = _Rows(elems)
        wanted = [convert_to_tensor(e).dtype.base_dtype if dtype is None else dtypes.as_dtype(e).base_dtype
                  for e in (rows.flat if dtype is None else nest.flatten(dtype))]
        rows.count_arrays(1 + rows.array_ids * len(wanted))

        def step(row, state):
            result = fn(row)
            nest.assert_same_structure(structure, result)
            return [], [_of_dtype(r, want, i) for i, (r, want) in enumerate(zip(nest.flatten(result), wanted))]

        _, stacks = _Sweep(scope, rows, [], len(wanted), back_prop).build(step)
        results = [_stacked(stack, rows, i) for i, stack in enumerate(stacks)]
        return nest.pack_sequence_as(structure, results)


def scan(fn, elems, initializer=None, parallel_iterations=10, back_prop=True, swap_memory=False, infer_shape=True,
         reverse=False, name=None):
    """All the values of `a = fn(a, row)` over the rows of `elems`, stacked.

    Parameters
    ----------
    fn : callable (a, row) -> the next a
    elems : tensor or structure of tensors [n, ...]
    initializer : the first a; None: the first row, which is then also the first of the results
    reverse : bool      from the last row to the first; results stand at their rows
    """
    if not callable(fn):
        raise TypeError("fn must be callable.")
    with name_scope(name, "scan", nest.flatten(elems)) as scope:
        rows = _Rows(elems, reverse)
        first, is_row = _first_value(rows, initializer)
        flat = nest.flatten(first)
        rows.count_arrays(len(flat) * (rows.array_ids + (2 if is_row else 0)) + 1)
        if reverse and not rows.is_counted:
            rows.count_arrays(5 if is_row else 3)                            # TensorFlow computes n - 1, and again

        def step(row, state):
            result = fn(nest.pack_sequence_as(first, state), row)
            nest.assert_same_structure(first, result)
            values = [_of_dtype(r, t.dtype.base_dtype, i) for i, (r, t) in enumerate(zip(nest.flatten(result), flat))]
            return values, values

        _, stacks = _Sweep(scope, rows, flat, len(flat), back_prop).build(step)
        results = [_stacked(_with_first(stack, t, reverse) if is_row else _in_place(stack, reverse), rows, i)
                   for i, (stack, t) in enumerate(zip(stacks, flat))]
        return nest.pack_sequence_as(first, results)


def foldl(fn, elems, initializer=None, parallel_iterations=10, back_prop=True, swap_memory=False, name=None):
    """The last value of `a = fn(a, row)` over the rows of `elems`, from the first to the last."""
    return _fold(fn, elems, initializer, back_prop, name, "foldl", reverse=False)


def foldr(fn, elems, initializer=None, parallel_iterations=10, back_prop=True, swap_memory=False, name=None):
    """The last value of `a = fn(a, row)` over the rows of `elems`, from the last to the first."""
    return _fold(fn, elems, initializer, back_prop, name, "foldr", reverse=True)


def _fold(fn, elems, initializer, back_prop, name, default_name, reverse):
    if not callable(fn):
        raise TypeError("fn must be callable.")
    with name_scope(name, default_name, nest.flatten(elems)) as scope:
        rows = _Rows(elems, reverse)
        first, is_row = _first_value(rows, initializer)
        flat = nest.flatten(first)
        rows.count_arrays(int(is_row) if reverse and not rows.is_counted else 1)

        def step(row, state):
            result = fn(nest.pack_sequence_as(first, state), row)
            nest.assert_same_structure(first, result)
            return [_of_dtype(r, t.dtype.base_dtype, i)
                    for i, (r, t) in enumerate(zip(nest.flatten(result), flat))], []

        finals, _ = _Sweep(scope, rows, flat, 0, back_prop, steps_first=reverse).build(step)
        return nest.pack_sequence_as(first, finals)


def _of_dtype(value, dtype, index):
    value = convert_to_tensor(value)
    if value.dtype.base_dtype is not dtype:
        raise errors.DTypeError(f"result {index} of fn is {value.dtype.base_dtype.name} ({value.name}), announced was "
                                f"{dtype.name}. Give the dtype that fn returns as dtype=, or use tf.cast.")
    return array.identity(value) if value.dtype.is_ref_dtype else value


def _first_value(rows, initializer):
    """Where a sweep starts, and whether that is a row (which is then passed over)."""
    if initializer is not None:
        return nest.map_structure(convert_to_tensor, initializer), False
    graph = get_default_graph()
    with uncounted(graph):
        first = [t[-1 if rows.reverse else 0] for t in rows.flat]
    graph._next_id += 2 * len(first)                                         # a TensorArray read: index and op
    rows.skipped = 1
    return nest.pack_sequence_as(rows.elems, first), True


def _with_first(stack, first, reverse):
    """The results of a sweep that began with a row, that row among them."""
    with uncounted(get_default_graph()):
        first = array.expand_dims(first, 0)
        return array.concat([stack[::-1], first] if reverse else [first, stack], 0)


def _in_place(stack, reverse):
    """The results of a sweep in the order of the rows."""
    with uncounted(get_default_graph()):
        return stack[::-1] if reverse else stack


def _stacked(stack, rows, index):
    """A result under TensorFlow's name, with what is known of the number of rows."""
    graph = get_default_graph()
    with graph.name_scope("TensorArrayStack"):
        graph._next_id += 4
        result = array.identity(stack, name="TensorArrayGatherV3")
    if result._shape is not None:
        result.set_shape((rows.static_n, *result._shape[1:]))
    return result


class _Rows:
    """The tensors whose rows a sweep goes over.

    Attributes
    ----------
    elems : structure of Tensor         as given, converted
    flat : list of Tensor
    static_n : int or None              rows, where that is known
    n : Tensor, int32                   rows
    skipped : int                       rows that are not gone over
    is_counted : bool                   the first tensor has a known number of rows: TensorFlow's n is no tensor then
    array_ids : int                     nodes that TensorFlow needs for one TensorArray
    """

    def __init__(self, elems, reverse=False):
        self.elems = nest.map_structure(lambda e: convert_to_tensor(e, name="elem"), elems)
        self.flat = nest.flatten(self.elems)
        self.reverse, self.skipped, graph = reverse, 0, get_default_graph()
        length: tuple = (None,)
        for tensor in self.flat:
            if tensor._shape == ():
                raise ValueError("elems must be a 1+ dimensional Tensor, not a scalar")
            if tensor._shape is not None:
                length = shapes.merge(length, tensor._shape[:1])
        self.static_n = length[0]
        self.is_counted = bool(self.flat[0]._shape) and self.flat[0]._shape[0] is not None
        self.array_ids = 2 if self.is_counted else 1
        with uncounted(graph):
            self.n = array.shape(self.flat[0])[0] if self.static_n is None else constant.constant(self.static_n)
        graph._next_id += (0 if self.is_counted else 5) + len(self.flat) * (self.array_ids + 9)

    def count_arrays(self, nodes):
        """Counts what TensorFlow makes between the rows' arrays and the loop."""
        get_default_graph()._next_id += nodes


class _Sweep:
    """One loop over rows, under construction.

    Attributes
    ----------
    first : list of Tensor      the state before the first row
    n_emitted : int             results to stack in each iteration
    steps_first : bool          TensorFlow's loop counts the index down before the function, not after
    """

    def __init__(self, scope, rows, first, n_emitted, back_prop, steps_first=False):
        self.scope, self.rows, self.first, self.n_emitted = scope, rows, first, n_emitted
        self.back_prop, self.graph, self.steps_first = back_prop, get_default_graph(), steps_first
        self.n_loop_vars = 2 + len(first) + n_emitted        # TensorFlow's: counter, index, state, arrays

    def build(self, step):
        """Adds the While; gives the state at the end and the stacked results."""
        graph, n = self.graph, self.n_loop_vars
        with graph.name_scope("while") as scope:
            self.scope = scope
            graph._next_id += (2 if self.rows.is_counted else 1) + 2 * n
            cond = self._condition()
            graph._next_id += (5 if self.rows.is_counted or self.rows.reverse else 4) + 1 + 2 * n
            body = self._body(step)
            graph._next_id += 2 * self.n_emitted + (0 if self.steps_first else 2) + n
            with uncounted(graph):
                op = make_while(cond, body, [self._start(), *self.first], "While")
                op.attrs["_back_prop"] = self.back_prop
            parts = WhileParts(op)
            with uncounted(graph):
                finals = [array.identity(t, name=f"{scope}Exit_{i + 2}/") for i, t in enumerate(parts.variables[1:])]
            graph._next_id += n
        return finals, parts.asked

    def _start(self):
        if not self.rows.reverse:
            return constant.constant(self.rows.skipped)
        return math.subtract(self.rows.n, 1 + self.rows.skipped)

    def _parameters(self, graph):
        index = graph.add_parameter(dtypes.int32, (), "index")
        return index, [graph.add_parameter(t.dtype, t._shape, "Identity") for t in self.first]

    def _condition(self):
        cond = FuncGraph(self.scope + "cond", self.graph)
        with cond.as_default(), uncounted(cond):
            index, _ = self._parameters(cond)
            more = comparison.greater_equal(index, 0) if self.rows.reverse else comparison.less(index, self.rows.n)
            cond.outputs = [more]
        return cond

    def _body(self, step):
        graph, rows = FuncGraph(self.scope + "body", self.graph), self.rows
        with graph.building():
            index, state = self._parameters(graph)
            with uncounted(graph):
                row = [row_of(t, index) for t in rows.flat]
                following = math.subtract(index, 1) if rows.reverse else math.add(index, 1)
            graph._next_id += (4 if self.steps_first else 2) + 3 * len(row)
            next_state, emitted = step(nest.pack_sequence_as(rows.elems, row), state)
            for first, parameter, value in zip(self.first, state, next_state):
                _check_state(first, parameter, value)
            graph.outputs = [following, *[graph.capture(t) for t in [*next_state, *emitted]]]
            graph.uniform_outputs = set(graph.outputs[1 + len(state):])
            graph.dense_captures = {graph.capture(t) for t in rows.flat}
        return graph


def _check_state(first, parameter, value):
    try:
        value.set_shape(parameter._shape)
    except ValueError:
        raise errors.ShapeError(f"the state {first.name} enters the loop with shape {shapes.text(first._shape)}, but "
                                f"has shape {shapes.text(value._shape)} after one row: fn must keep it.") from None
