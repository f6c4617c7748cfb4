"""Fetches of any nesting: flat, distinct graph elements, and how to put the results back."""
from operator import itemgetter

from thalweg.framework.dtypes import bfloat16
from thalweg.framework.graph import Tensor
from thalweg.framework.indexed_slices import IndexedSlices, IndexedSlicesValue
from thalweg.framework.packed import for_user
from thalweg.framework.sparse_tensor import SparseTensor, SparseTensorValue


class Fetches:
    """A fetch argument, prepared once.

    Attributes
    ----------
    elements : tuple        the distinct Tensors and Operations to compute
    rebuild : callable      list of values of `elements` -> the value in the form of the fetch
    """

    __slots__ = ("elements", "rebuild")

    def __init__(self, graph, fetches):
        found = {}
        self.rebuild = _prepare(graph, fetches, found)
        self.elements = tuple(found)


def _prepare(graph, fetch, found):
    if fetch is None:
        raise TypeError("Fetch argument None has invalid type NoneType: nothing can be fetched for it. "
                        "Gradients of unconnected variables are None; leave them out.")
    if isinstance(fetch, (list, tuple)):
        parts = [_prepare(graph, f, found) for f in fetch]
        make = type(fetch)._make if hasattr(fetch, "_fields") else type(fetch)
        return lambda values: make([part(values) for part in parts])
    if isinstance(fetch, dict):
        named = {key: _prepare(graph, f, found) for key, f in fetch.items()}
        make_dict = dict if type(fetch) is dict else type(fetch)
        return lambda values: make_dict((key, part(values)) for key, part in named.items())
    if isinstance(fetch, (IndexedSlices, SparseTensor)):
        return _prepare_composite(graph, fetch, found)
    return _prepare_element(graph, fetch, found)


def _prepare_composite(graph, fetch, found):
    make = SparseTensorValue if isinstance(fetch, SparseTensor) else IndexedSlicesValue
    parts = [None if t is None else _prepare(graph, t, found) for t in _components(fetch)]
    return lambda values: make(*[None if part is None else part(values) for part in parts])


def _components(composite):
    """Its tensors, in the order in which they stand in its value; None for one that it lacks."""
    kind = SparseTensorValue if isinstance(composite, SparseTensor) else IndexedSlicesValue
    return [getattr(composite, field) for field in kind._fields]


def _prepare_element(graph, fetch, found):
    try:
        element = graph.as_graph_element(fetch)
    except TypeError as error:
        raise TypeError(f"Fetch argument {fetch!r} has invalid type {type(fetch)}, must be a string or Tensor. "
                        f"({error})") from None
    except (ValueError, KeyError) as error:
        text = error.args[0] if error.args else error
        raise ValueError(f"Fetch argument {fetch!r} cannot be interpreted as a Tensor. ({text})") from None
    if not graph.is_fetchable(element):
        raise ValueError(f"Operation {element.name!r} has been marked as not fetchable.")
    position = found.setdefault(element, len(found))
    if getattr(element, "dtype", None) in (bfloat16, bfloat16.as_ref):
        return lambda values: for_user(values[position])
    return itemgetter(position)


def feed_items(graph, feed_dict):
    """(Tensor, value) for each entry of a feed dict; composite keys are taken apart."""
    for key, value in feed_dict.items():
        if type(key) is Tensor and key.graph is graph and graph.is_feedable(key):
            yield key, value
        elif isinstance(key, (IndexedSlices, SparseTensor)):
            yield from ((t, v) for t, v in zip(_components(key), value) if graph.is_feedable(t))
        elif isinstance(key, tuple):
            for part, part_value in zip(key, value):
                yield from feed_items(graph, {part: part_value})
        else:
            yield _feed_tensor(graph, key), value


def _feed_tensor(graph, key):
    try:
        tensor = graph.as_graph_element(key, allow_operation=False)
    except (TypeError, ValueError, KeyError) as error:
        text = error.args[0] if error.args else error
        raise TypeError(f"Cannot interpret feed_dict key as Tensor: {text}") from None
    if not graph.is_feedable(tensor):
        raise ValueError(f"Tensor {tensor} may not be fed.")
    return tensor
