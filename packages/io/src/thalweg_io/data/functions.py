"""User functions of datasets: traced once into a function graph, run beside the session's own runs.

Random ops inside draw TensorFlow's numbers: as if the elements came one after the other, at any number of threads.
"""
import threading

from thalweg.framework import errors
from thalweg.framework.conversion import convert_to_tensor
from thalweg.framework.func_graph import FuncGraph
from thalweg.framework.graph import get_default_graph
from thalweg.framework.naming import user_frame
from thalweg.runtime.function_engine import FunctionEngine

from .structure import Structure, flatten, pack


class DatasetFunction:
    """A user's function of an element.

    Attributes
    ----------
    graph : FuncGraph               (components of the element) -> components of the result
    captured : list of Tensor       what it takes from the graphs around it, values of the op that has the function
    structure : Structure or None   of the result; None for a dataset
    dataset : the dataset that it gave, or None
    """

    def __init__(self, function, name, argument):
        self.graph = graph = FuncGraph(f"Dataset_{name}", get_default_graph())
        graph.origin = f"{name}({getattr(function, '__name__', type(function).__name__)}) at {user_frame()}"
        graph._next_id = 1                           # TensorFlow numbers each function's nodes anew: seeds are numbers
        with graph.as_default(), graph.control_dependencies(None):
            leaves = [graph.add_parameter(dtype, shape, f"args_{i}")
                      for i, (dtype, shape) in enumerate(zip(argument.flat_types, argument.flat_shapes))]
            graph._next_id += len(leaves)
            self._take_result(function(*as_arguments(argument.pack(leaves))), name)
        self.captured = [outer for outer, inner in graph.captures.items() if inner.op.type == "Placeholder"]

    def _take_result(self, result, name):
        self.structure = self.dataset = None
        if hasattr(result, "_variant_tensor"):
            self.dataset, tensors = result, [result._variant_tensor]
        else:
            self.structure, tensors = Structure.of_tensors(_converted(result, name))
        self.graph.outputs = [self._value(t) for t in tensors]

    def _value(self, tensor):
        tensor = self.graph.capture(tensor)
        return self.graph.snapshot(tensor) if tensor.dtype.is_ref_dtype else tensor

    def held_back(self):
        """The context in which the op that has this function is made: it follows what the function must follow."""
        return self.graph.outer_graph.control_dependencies(list(self.graph.control_captures))


def as_arguments(element):
    """What a function is called with for an element: the parts of a tuple one by one."""
    return element if isinstance(element, tuple) else (element,)


def _converted(result, name):
    if result is None or isinstance(result, (tuple, dict)) and None in flatten(result):
        raise TypeError(f"Unsupported return value from function passed to Dataset.{name}(): {result}.")
    try:
        return pack(result, [convert_to_tensor(leaf) for leaf in flatten(result)])
    except (ValueError, TypeError) as error:
        raise TypeError(f"Unsupported return value from function passed to Dataset.{name}(): {result}. {error}") \
            from error


class BoundFunction:
    """A function graph with the values of what it captures."""

    def __init__(self, graph, captured):
        self.graph, self.captured = graph, list(captured)


class Runner:
    """Runs one function graph for the iterators of one initialization.

    Attributes
    ----------
    draws : bool            whether seeded random ops are inside
    has_effects : bool      whether what is inside may not run twice: Python functions, updates
    drawn : dict            what the calls so far have drawn (FunctionEngine.drawn)
    """

    def __init__(self, session, graph):
        self.session, self.graph, self.drawn = session, graph, {}
        self.elements = tuple(graph.outputs)
        self.fed = (*graph.parameters, *[t for t in graph.captures.values() if t.op.type == "Placeholder"])
        ops = list(_all_operations(graph))
        self.draws = any(op.declaration.is_random for op in ops)
        self.has_effects = any(op.declaration.is_stateful and not op.declaration.is_random
                               and op.type not in ("If", "While") or any(op.declaration.wants_ref) for op in ops)
        self._idle = []

    def run(self, arrays, drawn=None):
        """(values, what has been drawn after) of a call that starts when `drawn` has been drawn."""
        if len(arrays) != len(self.fed):
            raise errors.InvalidArgumentError(
                None, None, f"{self.graph.origin} takes {len(self.fed)} values and is given {len(arrays)}: a file "
                            "does not hold which variable a dataset's function reads; feed what get_next() gives")
        try:
            engine = self._idle.pop()
        except IndexError:
            engine = FunctionEngine(self.session)
        try:
            if not self.draws:
                return engine.call(self.elements, self.fed, arrays), drawn
            engine.drawn = drawn
            return engine.call(self.elements, self.fed, arrays), engine.drawn
        finally:
            self._idle.append(engine)

    def __call__(self, arrays):
        """The values for the next element; calls come one at a time."""
        values, self.drawn = self.run(arrays, self.drawn)
        return values


def _all_operations(graph):
    """The operations of a function graph, those in branches and loops included."""
    for op in graph.get_operations():
        yield op
        if op.type in ("If", "While"):
            for inner in op.attrs.values():
                if isinstance(inner, FuncGraph):
                    yield from _all_operations(inner)


class Call:
    """One call of a function, from its start in one thread to its result in another.

    Attributes
    ----------
    start, end : dict       what had been drawn by the elements before it, as far as foreseen, and by it, too
    """

    def __init__(self, calls, arrays, number, start):
        self.calls, self.arrays, self.number, self.start = calls, arrays, number, start
        self.end = self.values = self.error = None
        self.is_done = threading.Event()

    def run(self):
        """Calls the function; keeps what it gives or raises."""
        try:
            self._call()
        finally:
            self.calls.ended(self)
            self.is_done.set()

    def _call(self):
        self.error = None
        try:
            self.values, self.end = self.calls.runner.run(self.arrays, self.start)
        except BaseException as error:               # raised again where the element is asked for
            self.error, self.end = error, self.start

    def result(self):
        """The values; raises what the function raised. In the order of the calls."""
        self.calls.settle(self)
        if self.error is not None:
            raise of_element(self.error, self.number, self.calls.runner.graph)
        return self.values


class Calls:
    """Calls of one function that run side by side, and what each of them draws.

    Where a call starts to draw is foreseen from what the last one has drawn. One that was foreseen wrongly, because
    another drew more or less, runs again when its turn comes.
    """

    def __init__(self, runner):
        self.runner = runner
        self._lock = threading.Lock()
        self._next, self._stride, self._newest = dict(runner.drawn), None, None
        self._started = self._settled = 0

    def new(self, arrays):
        """The next call, not yet run."""
        if not self.runner.draws:
            self._started += 1
            return Call(self, arrays, self._started - 1, {})
        if self._stride is None and self._newest is not None:
            self._newest.is_done.wait()              # until the first has drawn, nothing can be foreseen
        with self._lock:
            call = self._newest = Call(self, arrays, self._started, self._next)
            self._started += 1
            self._next = _after(self._next, self._stride or {})
            return call

    def ended(self, call):
        """Notes what a call has drawn."""
        with self._lock:
            if self._stride is None or call.error is None:
                self._stride = {op: count - call.start.get(op, 0) for op, count in call.end.items()}
            if call is self._newest:
                self._next = call.end

    def settle(self, call):
        """Makes sure that a call has started where the one before it ended."""
        if not self.runner.draws:
            return
        was_foreseen = _same(call.start, self.runner.drawn)
        if not was_foreseen:
            call.start = self.runner.drawn
            call._call()
        self.runner.drawn = call.end
        with self._lock:
            self._settled += 1
            if not was_foreseen:
                self._next = call.end
                for _ in range(self._started - self._settled):
                    self._next = _after(self._next, self._stride)


def _after(drawn, stride):
    return {op: drawn.get(op, 0) + stride.get(op, 0) for op in {**drawn, **stride}}


def _same(a, b):
    return all(a.get(op, 0) == b.get(op, 0) for op in {**a, **b})


def of_element(error, number, graph):
    """An error of a user function, with the element and the line of the dataset; other exceptions as they are."""
    if isinstance(error, errors.OpError) and "\n  element" not in error.message:
        error.message = errors.explain(error.message, element=f"{number} of Dataset.{graph.origin}")
    return error
