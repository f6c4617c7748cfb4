"""Variable scopes: prefixes for the names of variables, and defaults for making them, as `tf.variable_scope`."""
import contextlib
import threading

from thalweg.framework import dtypes
from thalweg.framework.collections import GraphKeys
from thalweg.framework.conversion import convert_to_tensor
from thalweg.framework.errors import explain
from thalweg.framework.func_graph import outermost
from thalweg.framework.graph import _graph_of, get_default_graph
from thalweg.framework.naming import user_frame

from .reuse import AUTO_REUSE
from .store import store_of
from .variable import VariableAggregation, VariableSynchronization

_OPTIONS = ("initializer", "regularizer", "caching_device", "partitioner", "custom_getter", "use_resource",
            "constraint")


class VariableScope:
    """A prefix of names and the defaults that `get_variable` takes inside, as `tf.VariableScope`.

    Attributes
    ----------
    name : str                  prefix of variable names, without the slash; "" for the root
    original_name_scope : str   the name scope that the scope opened when it was made, ending in a slash
    reuse : bool or AUTO_REUSE  whether variables are found, made, or either
    initializer, regularizer, caching_device, partitioner, custom_getter, dtype, use_resource, constraint : defaults
    """

    def __init__(self, reuse, name="", initializer=None, regularizer=None, caching_device=None, partitioner=None,
                 custom_getter=None, name_scope="", dtype=dtypes.float32, use_resource=None, constraint=None):
        self._reuse, self._name, self._name_scope = reuse, name, name_scope
        self._initializer, self._regularizer, self._caching_device = initializer, regularizer, caching_device
        self._partitioner, self._custom_getter, self._dtype = partitioner, custom_getter, dtype
        self._use_resource, self._constraint = use_resource, constraint

    @property
    def name(self):
        return self._name

    @property
    def original_name_scope(self):
        return self._name_scope

    @property
    def reuse(self):
        return self._reuse

    def reuse_variables(self):
        """From here on, get_variable inside of this scope finds variables and makes none."""
        self._reuse = True

    def get_variable(self, name, shape=None, dtype=None, initializer=None, regularizer=None, reuse=None,
                     trainable=None, collections=None, caching_device=None, partitioner=None, validate_shape=True,
                     use_resource=None, custom_getter=None, constraint=None,
                     synchronization=VariableSynchronization.AUTO, aggregation=VariableAggregation.NONE):
        """The variable NAME_OF_SCOPE/name; see `get_variable`."""
        graph = get_default_graph()
        full_name = f"{self._name}/{name}" if self._name else name
        with graph.name_scope(None):
            if dtype is not None and initializer is not None and not callable(initializer):
                found = convert_to_tensor(initializer).dtype.base_dtype
                if found is not dtypes.as_dtype(dtype).base_dtype:
                    raise ValueError(explain(f"Initializer type '{found}' and explicit dtype "
                                             f"'{dtypes.as_dtype(dtype)}' don't match.", variable=full_name,
                                             built_at=user_frame()))
            return store_of(graph).get_variable(
                full_name, shape=shape, dtype=_first(dtype, self._dtype),
                initializer=_first(initializer, self._initializer),
                regularizer=_first(regularizer, self._regularizer), reuse=_first(reuse, self._reuse),
                trainable=trainable, collections=collections,
                caching_device=_first(caching_device, self._caching_device),
                partitioner=_first(partitioner, self._partitioner), validate_shape=validate_shape,
                use_resource=_first(use_resource, self._use_resource),
                custom_getter=_first(custom_getter, self._custom_getter),
                constraint=_first(constraint, self._constraint), synchronization=synchronization,
                aggregation=aggregation)

    def get_collection(self, name):
        """The items of a collection whose names begin with this scope's."""
        return get_default_graph().get_collection(name, f"{self._name}/" if self._name else "")

    def trainable_variables(self):
        return self.get_collection(GraphKeys.TRAINABLE_VARIABLES)

    def global_variables(self):
        return self.get_collection(GraphKeys.GLOBAL_VARIABLES)

    def local_variables(self):
        return self.get_collection(GraphKeys.LOCAL_VARIABLES)


def _default(option):
    def get(self):
        return getattr(self, f"_{option}")

    def change(self, value):
        setattr(self, f"_{option}", value)
    change.__doc__ = f"Sets the default {option} of this scope."
    setattr(VariableScope, option, property(get))
    setattr(VariableScope, f"set_{option}", change)


for _option in (*_OPTIONS, "dtype"):
    _default(_option)


def _first(*values):
    return next((v for v in values if v is not None), None)


# --- the scope that is open, per graph and thread --------------------------------------------------------

class _Open(threading.local):
    def __init__(self):
        self.current = VariableScope(False)
        self.counts = {}                     # full name -> how often a scope of that name was opened here

    def opened(self, name):
        self.counts[name] = self.counts.get(name, 0) + 1

    def close_inner(self, name):
        for key in self.counts:
            if not name or key.startswith(name + "/"):
                self.counts[key] = 0

    def unique(self, prefix):
        """`prefix`, or the first of prefix_1, prefix_2, ... that is no scope's name yet."""
        base = f"{self.current.name}/{prefix}" if self.current.name else prefix
        if not self.counts.get(base):
            return prefix
        i = 1
        while self.counts.get(f"{base}_{i}"):
            i += 1
        return f"{prefix}_{i}"


def _open():
    return outermost(get_default_graph())._extra.setdefault("variable_scopes", _Open())


def get_variable_scope():
    """The VariableScope that is open here."""
    return _open().current


@contextlib.contextmanager
def _pure_variable_scope(name_or_scope, reuse, dtype, original_name_scope, options):
    """Opens a variable scope without a name scope."""
    state = _open()
    outer, counts = state.current, None
    if isinstance(name_or_scope, VariableScope):
        parent, name = name_or_scope, name_or_scope.name
        reuse = parent.reuse if reuse is None else reuse
        counts = dict(state.counts)
    else:
        parent, name = outer, f"{outer.name}/{name_or_scope}" if outer.name else name_or_scope
        reuse = reuse or outer.reuse                          # inner scopes share what outer ones share
    inner = VariableScope(reuse, name=name, name_scope=original_name_scope, dtype=_first(dtype, parent.dtype),
                          **{o: _first(options.get(o), getattr(parent, o)) for o in _OPTIONS})
    if options.get("custom_getter") is not None:
        inner.set_custom_getter(_wrapped_getter(options["custom_getter"], parent.custom_getter))
    state.opened(name)
    state.current = inner
    try:
        yield inner
    finally:
        state.current = outer
        state.close_inner(name)
        if counts is not None:
            state.counts = counts


def _wrapped_getter(custom_getter, outer_getter):
    """An inner scope's getter, which calls the outer scope's instead of the true one."""
    if outer_getter is None:
        return custom_getter

    def getter(getter, *args, **kwargs):
        return custom_getter(lambda *a, **k: outer_getter(getter, *a, **k), *args, **kwargs)
    return getter


class variable_scope:
    """A context for making and sharing variables, as `tf.variable_scope`.

    Opening a scope by name again continues it (`foo/v` means the same variable), but in a new name scope (`foo_1/`).

    Parameters
    ----------
    name_or_scope : str, VariableScope, or None where `default_name` is given
    default_name : str      made unique among variable scopes, where `name_or_scope` is None
    values : list of Tensor         whose graph becomes the default
    reuse : True: variables are found, never made; AUTO_REUSE: found or made; None or False: as the scope around
    auxiliary_name_scope : bool     False: stays in the name scope that is open
    initializer, regularizer, caching_device, partitioner, custom_getter, dtype, use_resource, constraint :
        defaults for get_variable inside
    """

    def __init__(self, name_or_scope, default_name=None, values=None, initializer=None, regularizer=None,
                 caching_device=None, partitioner=None, custom_getter=None, reuse=None, dtype=None, use_resource=None,
                 constraint=None, auxiliary_name_scope=True):
        self._name_or_scope, self._default_name, self._values = name_or_scope, default_name, values
        self._reuse, self._dtype = reuse, None if dtype is None else dtypes.as_dtype(dtype)
        self._options = {"initializer": initializer, "regularizer": regularizer, "caching_device": caching_device,
                         "partitioner": partitioner, "custom_getter": custom_getter, "use_resource": use_resource,
                         "constraint": constraint}
        self._auxiliary = auxiliary_name_scope
        if name_or_scope is None and default_name is None:
            raise TypeError("If default_name is None then name_or_scope is required")
        if reuse not in (True, False, None, AUTO_REUSE):
            raise ValueError(f"The reuse parameter must be True or False or None or tf.AUTO_REUSE, not {reuse!r}.")
        if not isinstance(auxiliary_name_scope, bool):
            raise TypeError(f"The auxiliary_name_scope must be `True` or `False`, while get {auxiliary_name_scope}")
        self._contexts = None

    def __enter__(self):
        with contextlib.ExitStack() as contexts:
            graph = _graph_of(self._values) if self._values else get_default_graph()
            if graph is not get_default_graph():
                contexts.enter_context(graph.as_default())
            scope = self._open(contexts, graph)
            self._contexts = contexts.pop_all()
        return scope

    def __exit__(self, *exc):
        contexts, self._contexts = self._contexts, None
        return contexts.__exit__(*exc)

    def _open(self, contexts, graph):
        given = self._name_or_scope
        if given is not None and not isinstance(given, (str, VariableScope)):
            raise TypeError("VariableScope: name_or_scope must be a string or VariableScope.")
        if given is None and self._reuse:
            raise ValueError("reuse=True cannot be used without a name_or_scope")
        short = self._default_name if given is None else given if isinstance(given, str) else given.name.split("/")[-1]
        if self._auxiliary:
            opened = contexts.enter_context(graph.name_scope(short)) if short else None
        else:
            current = graph.get_name_scope()
            opened = contexts.enter_context(graph.name_scope(current + "/" if current else None))
        if isinstance(given, VariableScope):
            opened = given.original_name_scope
        elif given is None:
            given = _open().unique(self._default_name)
        return contexts.enter_context(_pure_variable_scope(given, self._reuse, self._dtype,
                                                           given if opened is None else opened, self._options))


@contextlib.contextmanager
def variable_op_scope(values, name_or_scope, default_name=None, initializer=None, regularizer=None,
                      caching_device=None, partitioner=None, custom_getter=None, reuse=None, dtype=None,
                      use_resource=None, constraint=None):
    """The argument order of TensorFlow before 1.0; use `variable_scope`."""
    with variable_scope(name_or_scope, default_name=default_name, values=values, initializer=initializer,
                        regularizer=regularizer, caching_device=caching_device, partitioner=partitioner,
                        custom_getter=custom_getter, reuse=reuse, dtype=dtype, use_resource=use_resource,
                        constraint=constraint) as scope:
        yield scope


def get_variable(name, shape=None, dtype=None, initializer=None, regularizer=None, trainable=None, collections=None,
                 caching_device=None, partitioner=None, validate_shape=True, use_resource=None, custom_getter=None,
                 constraint=None, synchronization=VariableSynchronization.AUTO, aggregation=VariableAggregation.NONE):
    """The variable of that name in the open variable scope: found where the scope shares, made otherwise.

    Parameters
    ----------
    name : str
    shape : of the variable; not where `initializer` is a value
    dtype : float32 where neither this nor the scope says another
    initializer : a tensor or value, or a callable (shape, dtype, partition_info) that gives one; None: the scope's,
        else Glorot's uniform for floating point, zeros for integers, booleans and strings
    regularizer : callable (variable) -> loss, put into REGULARIZATION_LOSSES when the variable is made
    trainable, collections, caching_device, validate_shape, use_resource, constraint : as for Variable
    partitioner : callable (shape, dtype) -> count of parts in each dimension; gives a PartitionedVariable
    custom_getter : callable (getter, name, ...) that is asked instead and may ask `getter`

    Raises
    ------
    ValueError      if the variable exists and is not to be shared (both places are named), does not exist and is not
                    to be made, or has another shape or dtype than asked for
    """
    return get_variable_scope().get_variable(
        name, shape=shape, dtype=dtype, initializer=initializer, regularizer=regularizer, trainable=trainable,
        collections=collections, caching_device=caching_device, partitioner=partitioner,
        validate_shape=validate_shape, use_resource=use_resource, custom_getter=custom_getter, constraint=constraint,
        synchronization=synchronization, aggregation=aggregation)


def get_local_variable(name, shape=None, dtype=None, initializer=None, regularizer=None, trainable=False,
                       collections=None, caching_device=None, partitioner=None, validate_shape=True,
                       use_resource=None, custom_getter=None, constraint=None,
                       synchronization=VariableSynchronization.AUTO, aggregation=VariableAggregation.NONE):
    """As `get_variable`, for a variable of this process: in LOCAL_VARIABLES instead, not trainable, not saved."""
    collections = [*collections, GraphKeys.LOCAL_VARIABLES] if collections else [GraphKeys.LOCAL_VARIABLES]
    return get_variable(
        name, shape=shape, dtype=dtype, initializer=initializer, regularizer=regularizer, trainable=False,
        collections=collections, caching_device=caching_device, partitioner=partitioner,
        validate_shape=validate_shape, use_resource=use_resource, custom_getter=custom_getter, constraint=constraint,
        synchronization=synchronization, aggregation=aggregation)


def no_regularizer(_):
    """A regularizer that gives no loss: it keeps that of the scope around away."""
    return None
