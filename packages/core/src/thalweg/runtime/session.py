"""Session: runs parts of a graph, and holds the variables' values."""
import threading
import weakref

import numpy as np

from thalweg.framework import errors, shapes
from thalweg.framework.graph import Graph, Tensor, _Stack, get_default_graph
from thalweg.framework.graph import _default_stack as _default_graphs
from thalweg.framework.packed import to_packed

from .arrays import dense, ready_feed, scalars
from .config import ConfigProto
from .engine import Engine
from .fetches import Fetches, feed_items
from .precision import with_rewrite
from .remote_array import remote_feed

_default_sessions = _Stack()

_WRAPS = np.lib.NumpyVersion(np.__version__) < "2.0.0"      # Python ints that do not fit


def get_default_session():
    """The session of the innermost `with session:` of this thread, or None."""
    return _default_sessions.items[-1] if _default_sessions.items else None


def session_for(session, graph, what):
    """`session`, or the default session; ValueError when there is none or it runs another graph."""
    if session is None:
        session = get_default_session()
        if session is None:
            raise ValueError(f"Cannot evaluate tensor using `{what}`: No default session is registered. "
                             "Use `with sess.as_default()` or pass an explicit session to it.")
        if session.graph is not graph:
            raise ValueError("Cannot use the default session to evaluate tensor: the tensor's graph is different from "
                             "the session's graph. Pass an explicit session.")
    elif session.graph is not graph:
        raise ValueError("Cannot use the given session to evaluate tensor: the tensor's graph is different from the "
                         "session's graph.")
    return session


class BaseSession:
    """What Session and InteractiveSession share.

    Parameters
    ----------
    target : str            "" for this process; a cluster's address needs thalweg-dist
    graph : Graph           the graph to run; by default the default graph
    config : ConfigProto
    """

    def __init__(self, target="", graph=None, config=None):
        self._graph = get_default_graph() if graph is None else graph
        if not isinstance(self._graph, Graph):
            raise TypeError(f"graph must be a tf.Graph, but got {type(graph)}")
        if config is not None and not isinstance(config, ConfigProto):
            raise TypeError(f"config must be a tf.ConfigProto, but got {type(config)}")
        if target:
            raise errors.NotFoundError(None, None, f"Session target {target!r}: sessions on other machines need the "
                                       "package thalweg-dist; use Session() for this process.")
        self._config = with_rewrite(ConfigProto() if config is None else config)
        self._engine = Engine(self._graph, self._config)
        self._prepared = {}
        self._closed = False
        weakref.finalize(self, Engine.close, self._engine)

    @property
    def graph(self):
        return self._graph

    @property
    def graph_def(self):
        return self._graph.as_graph_def()

    @property
    def sess_str(self):
        return ""

    def list_devices(self):
        """The devices that this session can use, in the form of `tf.Session.list_devices`."""
        return self._engine.list_devices()

    def run(self, fetches, feed_dict=None, options=None, run_metadata=None):
        """Runs what `fetches` need and gives their values in the same nesting.

        Parameters
        ----------
        fetches : Tensor, Operation, Variable, name, or (nested) list, tuple, dict of them
        feed_dict : dict        tensor (any tensor of the graph) -> value that stands for it in this run
        options : RunOptions    trace_level=FULL_TRACE fills `run_metadata.step_stats`
        run_metadata : RunMetadata

        Returns
        -------
        NumPy arrays (scalars for tensors of rank 0, None for operations); bfloat16 is that of the package ml_dtypes
        or, where it is not installed, float32, which holds the same values

        Raises
        ------
        tf.errors.OpError       one of its classes, when an op fails; RuntimeError when the session is closed
        """
        if self._closed:
            raise RuntimeError("Attempted to use a closed Session.")
        prepared = self._prepare(fetches)
        tensors, arrays = self._feed(feed_dict) if feed_dict else ((), [])
        return prepared.rebuild(scalars(self._engine.run(prepared.elements, tensors, arrays, options, run_metadata)))

    def _prepare(self, fetches):
        key = fetches if type(fetches) is Tensor else _cache_key(fetches)
        found = self._prepared.get(key) if key is not None else None
        if found is None:
            found = Fetches(self._graph, fetches)
            if key is not None:
                if len(self._prepared) > 1000:
                    self._prepared.clear()
                self._prepared[key] = found
        return found

    def _feed(self, feed_dict):
        if not isinstance(feed_dict, dict):
            raise TypeError(f"feed_dict must be a dict of tensor -> value, not {type(feed_dict).__name__}")
        tensors, arrays = [], []
        for tensor, value in feed_items(self._graph, feed_dict):
            tensors.append(tensor)
            arrays.append(as_feed(tensor, value))
        return tuple(tensors), arrays

    def make_callable(self, fetches, feed_list=None, accept_options=False):
        """A function of the feeds' values, in the order of `feed_list`, that runs `fetches`.

        It takes `options` and `run_metadata` as `run` does, with `accept_options` or, as in TensorFlow 1.15, where a
        list of feeds is given.
        """
        if feed_list is not None and not isinstance(feed_list, (list, tuple)):
            raise TypeError(f"make_callable: `feed_list` must be a list or tuple, not {type(feed_list).__name__}")
        takes_options = accept_options or feed_list is not None
        prepared = Fetches(self._graph, fetches)
        tensors = tuple(self._graph.as_graph_element(t, allow_operation=False) for t in feed_list or ())

        def call(*args, options=None, run_metadata=None):
            if self._closed:
                raise RuntimeError("Attempted to use a closed Session.")
            if len(args) != len(tensors):
                raise ValueError(f"this callable takes {len(tensors)} values, got {len(args)}")
            if not takes_options and not (options is None and run_metadata is None):
                raise TypeError("this callable takes neither options nor run_metadata; make it with "
                                "make_callable(..., accept_options=True)")
            arrays = [as_feed(t, a) for t, a in zip(tensors, args)]
            values = self._engine.run(prepared.elements, tensors, arrays, options, run_metadata)
            return prepared.rebuild(scalars(values))
        return call

    def close(self):
        """Frees the variables and plans of this session; runs in other threads end between two steps."""
        self._closed = True
        self._engine.close()

    def as_default(self):
        """A context in which `eval()` and `run()` use this session; it does not close the session."""
        return _default_sessions.pushed(self)


def _cache_key(fetches):
    """A key for fetches that are cheap to recognise: one element, or a flat list or tuple of them."""
    kind = type(fetches)
    if kind is list or kind is tuple:
        parts = tuple(fetches)
        if all(type(p) is Tensor or hasattr(p, "_as_graph_element") for p in parts):
            return kind, parts
        return None
    return fetches if hasattr(fetches, "_as_graph_element") else None


def as_feed(tensor, value):
    """`value` as the array that stands for `tensor`: dtype converted, dense, shape checked against the graph's."""
    dtype = tensor.dtype.base_dtype
    array = ready_feed(value, dtype.np, tensor._shape)
    if array is not None:
        return array
    if isinstance(value, (Tensor,)) or hasattr(value, "_as_graph_element"):
        raise TypeError("The value of a feed cannot be a tf.Tensor object. Acceptable feed values include Python "
                        "scalars, strings, lists, numpy ndarrays, or TensorHandles. "
                        f"For reference, the tensor object was {value} which was passed to the feed with key "
                        f"{tensor}.")
    if value is None:
        raise ValueError(f"Cannot feed None for Tensor '{tensor.name}', which has dtype {dtype.name} and shape "
                         f"'{shapes.text(tensor._shape)}'")
    remote = remote_feed(tensor, value)
    if remote is not None:
        return remote
    array = _string_array(value) if dtype.kind == "O" else _number_array(tensor, value, dtype)
    array = dense(array)
    if array.shape != tensor._shape and not shapes.compatible(array.shape, tensor._shape):
        raise ValueError(f"Cannot feed value of shape {array.shape} for Tensor '{tensor.name}', which has shape "
                         f"'{shapes.text(tensor._shape)}'")
    return array


def _number_array(tensor, value, dtype):
    if type(value) is np.ndarray and value.dtype == dtype.np:
        return value
    if dtype.np.names:
        return _packed_array(tensor, value, dtype)
    try:
        value = _of_dlpack(value)
    except (TypeError, ValueError, RuntimeError, BufferError) as error:
        raise _cannot_feed(tensor, value, error) from error
    if isinstance(value, int) and not isinstance(value, bool) and dtype.kind in "iu" \
            and not dtype.holds(value, value):
        raise TypeError(f"Type of feed value {value} with type {type(value)} is not compatible with Tensor type "
                        f"{dtype.as_numpy_dtype}. Try explicitly setting the type of the feed tensor to a larger type "
                        "(e.g. int64).")
    try:
        return _within_limits(value, dtype) if _WRAPS and dtype.kind in "iu" else np.asarray(value, dtype=dtype.np)
    except (TypeError, ValueError, OverflowError) as error:
        raise _cannot_feed(tensor, value, error) from error


def _of_dlpack(value):
    """A tensor of another library that speaks DLPack alone, as the array that it is; anything else as it is."""
    is_foreign = hasattr(value, "__dlpack__") and not hasattr(value, "__array__")
    return np.from_dlpack(value) if is_foreign else value


def _within_limits(value, dtype):
    """What NumPy before 2.0 does not do: refuse Python ints that the dtype cannot hold."""
    array = np.asarray(value)
    if array.dtype.kind in "iu" and array.size and not isinstance(value, np.ndarray) \
            and not dtype.holds(int(array.min()), int(array.max())):
        raise OverflowError(f"Python integer out of bounds for {dtype.name}")
    return np.asarray(value, dtype=dtype.np)


def _packed_array(tensor, value, dtype):
    try:
        return to_packed(value, dtype)
    except (TypeError, ValueError) as error:
        raise _cannot_feed(tensor, value, error) from error


def _cannot_feed(tensor, value, error):
    kind, dtype = TypeError if isinstance(error, TypeError) else ValueError, tensor.dtype.base_dtype
    hint = f"numbers in [{dtype.min}, {dtype.max}], or a placeholder of a wider dtype" if dtype.kind in "iu" else None
    return kind(errors.explain(f"Cannot feed Tensor '{tensor.name}' of dtype {dtype.name} with "
                               f"{type(value).__name__}: {error}", hint=hint, built_at=tensor.op.frame))


def _string_array(value):
    array = np.asarray(value, dtype=object)
    if array.ndim == 0 and isinstance(array[()], np.ndarray):
        array = array[()]
    result = np.empty(array.shape, object)
    for index, item in np.ndenumerate(array):
        result[index] = item.encode() if isinstance(item, str) else item
    return result


class Session(BaseSession):
    """Runs a graph, as `tf.Session`; in a `with` it is the default session and is closed at the end."""

    def __init__(self, target="", graph=None, config=None):
        super().__init__(target, graph, config)
        self._contexts = threading.local()

    def __enter__(self):
        stack = self._contexts.__dict__.setdefault("stack", [])
        if stack:
            raise RuntimeError("Session context managers are not re-entrant. Use `Session.as_default()` "
                               "if you want to enter a session multiple times.")
        stack.extend([self._graph.as_default(), self.as_default()])
        for context in stack:
            context.__enter__()
        return self

    def __exit__(self, *exc):
        stack = self._contexts.stack
        while stack:
            stack.pop().__exit__(*exc)
        self.close()

    @staticmethod
    def reset(target, containers=None, config=None):
        """Has no effect in one process, where a session's variables go with the session."""


class InteractiveSession(BaseSession):
    """A session that is the default one from its making until `close`, for shells and notebooks."""

    def __init__(self, target="", graph=None, config=None):
        super().__init__(target, graph, config)
        self._stacks = [_default_sessions.items]
        _default_sessions.items.append(self)
        if graph is not None:
            self._stacks.append(_default_graphs.items)
            _default_graphs.items.append(graph)

    def close(self):
        """Closes the session; it and its graph are the default no longer."""
        super().close()
        for stack, item in zip(self._stacks, (self, self._graph)):
            if item in stack:
                stack.remove(item)
        self._stacks = []
