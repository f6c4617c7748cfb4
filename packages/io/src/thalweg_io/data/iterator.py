"""`tf.data.Iterator`, its ops, and what a session keeps of one: the place that it has reached in its dataset."""
import threading
import weakref

import numpy as np

from thalweg.framework import dtypes, errors, shapes
from thalweg.framework.conversion import convert_to_tensor
from thalweg.framework.declaration import define_op
from thalweg.framework.dtypes import DType
from thalweg.framework.func_graph import FuncGraph
from thalweg.framework.graph import get_default_graph, name_scope
from thalweg.framework.shapes import TensorShape
from thalweg.runtime.function_engine import FunctionEngine

from . import elements
from .functions import Runner
from .structure import Structure, Structured, same_form


class Run:
    """What belongs to one initialization of an iterator: its functions' runners, its threads.

    Attributes
    ----------
    session : Engine        the session's
    """

    def __init__(self, session):
        self.session = session
        self._runners, self._threads = {}, weakref.WeakSet()
        self._lock, self._is_closed = threading.Lock(), False

    def runner(self, graph):
        """The Runner of a function graph, the same for every pass through the dataset."""
        with self._lock:
            if graph not in self._runners:
                self._runners[graph] = Runner(self.session, graph)
            return self._runners[graph]

    def add(self, threads):
        """Lets `threads` (ahead._Shared) end with this run."""
        with self._lock:
            self._threads.add(threads)
            is_closed = self._is_closed
        if is_closed:
            threads.close()

    def wait(self, condition):
        """Waits for a change; DeadlineExceededError once the run of a session that waits has taken too long."""
        left = self.session.seconds_left()
        if not condition.wait(left) and left is not None:
            raise errors.DeadlineExceededError(None, None, errors.explain(
                "the next element of the dataset was not ready within the timeout of the run",
                hint="a larger RunOptions.timeout_in_ms, or ConfigProto.operation_timeout_in_ms"))

    def close(self):
        with self._lock:
            self._is_closed, threads = True, list(self._threads)
        for each in threads:
            each.close()


class IteratorResource:
    """The state of an iterator in one session."""

    def __init__(self, name):
        self.name = name
        self._lock, self._run, self._elements = threading.Lock(), None, None

    def start(self, session, dataset):
        """Begins at the first element of `dataset`, an object of sources.py or transformations.py."""
        self.close()
        run = Run(session)
        with self._lock:
            self._run, self._elements = run, dataset.iterate(run)

    def next(self):
        """The next element; OutOfRangeError at the end, and ever after."""
        with self._lock:
            if self._elements is None:
                raise errors.FailedPreconditionError(None, None, errors.explain(
                    "GetNext() failed because the iterator has not been initialized. Ensure that you have run the "
                    "initializer operation for this iterator before getting the next element.",
                    hint="session.run(iterator.initializer)"))
            try:
                return next(self._elements)
            except StopIteration:
                self._elements = iter(())
            self._run.close()
        raise errors.OutOfRangeError(None, None, "End of sequence")

    def close(self):
        """Ends the threads; one that waits for an element gets CancelledError."""
        if self._run is not None:
            self._run.close()


# --- ops --------------------------------------------------------------------------------------------

@define_op("IteratorV2", "-> handle: resource[]")
def iterator_v2(*, shared_name: str = "", container: str = "", output_types: list[DType],
                output_shapes: list[TensorShape], session):
    """The iterator of this name in the session, uninitialized at first."""
    return _handle(session.resource(shared_name, lambda: IteratorResource(shared_name)))


@define_op("OneShotIterator", "-> handle: resource[]")
def one_shot_iterator(*, dataset_factory: object, shared_name: str = "", container: str = "",
                      output_types: list[DType], output_shapes: list[TensorShape], session):
    """The iterator of this name in the session, which begins when it is first asked for.

    `dataset_factory` is a function graph that gives the dataset; thalweg's own captures it.
    """
    def make():
        resource = IteratorResource(shared_name)
        resource.start(session, _made_by(dataset_factory, session).item())
        return resource
    return _handle(session.resource(shared_name, make))


def _made_by(factory, session):
    if factory.parameters:
        raise errors.InvalidArgumentError(None, None, errors.explain(
            f"the dataset of the one-shot iterator {factory.name!r} is not in the file that the graph comes from",
            hint="feed what its get_next() gives, or make_initializable_iterator before the graph is written"))
    if factory.captures:
        return session.run(tuple(factory.captures), (), [])[0]
    return FunctionEngine(session).call(tuple(factory.outputs), (), [])[0]


@define_op("MakeIterator", "dataset: variant[], iterator: resource[] ->", stateful=True)
def make_iterator(dataset, iterator, *, session):
    """Lets an iterator begin at the first element of a dataset."""
    iterator.item().start(session, dataset.item())


@define_op("IteratorToStringHandle", "resource_handle: resource[] -> string_handle: string[]")
def iterator_to_string_handle(resource_handle):
    """The name by which IteratorFromStringHandleV2 finds the iterator in this session."""
    return np.array(resource_handle.item().name.encode(), object)


@define_op("IteratorFromStringHandleV2", "string_handle: string[] -> resource_handle: resource[]")
def iterator_from_string_handle(string_handle, *, output_types: list[DType] = [],    # noqa: B006 - an attribute
                                output_shapes: list[TensorShape] = [], session):     # noqa: B006
    """The iterator with this name."""
    name = string_handle.item().decode("utf-8", "replace")
    resource = session.resources.get(name)
    if not isinstance(resource, IteratorResource):
        raise errors.NotFoundError(None, None, errors.explain(
            f"this session has no iterator of the handle {name!r}",
            hint="session.run(iterator.string_handle()) of this session"))
    return _handle(resource)


@define_op("IteratorGetNext", "iterator: resource[] -> components: output_types...", stateful=True, source=True)
def iterator_get_next(iterator, *, output_types: list[DType], output_shapes: list[TensorShape]):
    """The next element of an iterator."""
    element = iterator.item().next()
    elements.check(element, output_types, output_shapes, "IteratorGetNext")
    return element


@iterator_get_next.shape
def iterator_get_next_shape(node, iterator):
    return [shapes.plain(s) for s in node.output_shapes]


for _op in (iterator_v2, one_shot_iterator, make_iterator, iterator_to_string_handle, iterator_from_string_handle,
            iterator_get_next):
    _op.no_gradient("an element comes from outside of the graph")


def _handle(resource):
    handle = np.empty((), object)
    handle[()] = resource
    return handle


# --- the public class ---------------------------------------------------------------------------------

class Iterator(Structured):
    """The state of going through a dataset, as `tf.data.Iterator`: `make_one_shot_iterator` and its like make it.

    Each run of a session that needs what `get_next` gave takes one element, the same for all fetches of the run. State
    is kept per session.
    """

    def __init__(self, iterator_resource, initializer, structure):
        self._iterator_resource, self._initializer, self._structure = iterator_resource, initializer, structure
        self._string_handle = iterator_to_string_handle(iterator_resource)

    @staticmethod
    def from_structure(output_types, output_shapes=None, shared_name=None, output_classes=None):
        """An iterator without a dataset: `make_initializer(dataset)` gives it one, of these dtypes and shapes.

        Parameters
        ----------
        output_types : structure of dtypes
        output_shapes : the same structure of shapes; None: any shapes
        shared_name : str       its name in sessions, by default that of its op
        """
        structure = Structure(output_types, output_shapes)
        return Iterator(_new(structure, shared_name), None, structure)

    @staticmethod
    def from_string_handle(string_handle, output_types, output_shapes=None, output_classes=None):
        """The iterator of this session that a run's `string_handle` names: `session.run(iterator.string_handle())`.

        Parameters
        ----------
        string_handle : string scalar, most often a placeholder
        output_types, output_shapes : structures, as for from_structure
        """
        structure = Structure(output_types, output_shapes)
        handle = convert_to_tensor(string_handle, dtypes.string)
        return Iterator(iterator_from_string_handle(handle, **structure.attrs()), None, structure)

    @property
    def initializer(self):
        """The operation that lets the iterator begin anew."""
        if self._initializer is None:
            raise ValueError("Iterator does not have an initializer. One of make_initializable_iterator() has; one of "
                             "from_structure gets it from make_initializer(dataset).")
        return self._initializer

    def make_initializer(self, dataset, name=None):
        """An operation that lets this iterator begin at the first element of `dataset`.

        Raises TypeError if the dataset's elements are not of the iterator's structure, dtypes and shapes.
        """
        theirs, ours = dataset._structure, self._structure
        if not same_form(theirs.types, ours.types) or theirs.flat_types != ours.flat_types:
            raise TypeError(f"Expected output types {ours.types!r} but got dataset with output types "
                            f"{theirs.types!r}.")
        if not all(map(shapes.compatible, ours.flat_shapes, theirs.flat_shapes)):
            raise TypeError(f"Expected output shapes compatible with {ours.shapes!r} but got dataset with output "
                            f"shapes {theirs.shapes!r}.")
        with name_scope(name, "make_initializer") as scope:
            return make_iterator(dataset._variant_tensor, self._iterator_resource, name=scope)

    def get_next(self, name=None):
        """The next element, tensors in the structure of the dataset's elements.

        A run that finds no element left raises OutOfRangeError. To be called once: each call stands for another
        element.
        """
        found = iterator_get_next(self._iterator_resource, **self._structure.attrs(), name=name)
        return self._structure.pack(found)

    def string_handle(self, name=None):
        """A string scalar that names this iterator in a session, for `from_string_handle`."""
        return self._string_handle if name is None else iterator_to_string_handle(self._iterator_resource, name=name)


def _new(structure, shared_name):
    graph = get_default_graph()
    name = shared_name or graph.unique_name("IteratorV2", mark_as_used=False)
    return iterator_v2(shared_name=name, **structure.attrs())


def initializable(dataset, shared_name=None):
    """`Dataset.make_initializable_iterator`."""
    _count_options()
    handle = _new(dataset._structure, shared_name)
    return Iterator(handle, make_iterator(dataset._variant_tensor, handle), dataset._structure)


def one_shot(dataset):
    """`Dataset.make_one_shot_iterator`."""
    variant = dataset._variant_tensor
    _refuse_placeholders(variant.op)
    graph = get_default_graph()
    factory = FuncGraph("Dataset_make_one_shot_iterator", graph)
    with factory.as_default():
        factory.outputs = [factory.capture(variant)]
    handle = one_shot_iterator(dataset_factory=factory, **dataset._structure.attrs(),
                               shared_name=graph.unique_name("OneShotIterator", mark_as_used=False))
    return Iterator(handle, None, dataset._structure)


def _count_options():
    """TensorFlow wraps the dataset in two ops about its optimization: default seeds are numbers of ops."""
    get_default_graph()._next_id += 3


def _refuse_placeholders(op):
    """ValueError for a dataset that needs what only a feed can give."""
    seen, stack = set(), [op]
    while stack:
        op = stack.pop()
        if op in seen:
            continue
        seen.add(op)
        if op.type in ("Placeholder", "PlaceholderV2"):
            raise ValueError(errors.explain(
                f"Cannot capture a placeholder (name:{op.name}, type:{op.type}) by value.",
                hint="make_initializable_iterator(), and session.run(iterator.initializer, feed_dict={...})",
                built_at=op.frame))
        stack += [t.op for t in op.inputs]
