"""Variable: a tensor that outlives a run, TensorFlow 1.x's reference variable.

Making `Variable(value, name="v")` adds, in this order, `v/initial_value` (where `value` is no tensor yet), `v` (the
buffer, `VariableV2`), `v/Assign` (the initializer) and `v/read` (the value that expressions use).
"""
from thalweg.framework import errors
from thalweg.framework.collections import GraphKeys
from thalweg.framework.conversion import convert_to_tensor, register_tensor_conversion_function
from thalweg.framework.func_graph import FuncGraph, init_scope, uncounted
from thalweg.framework.graph import Tensor, colocate_with, device, get_default_graph, name_scope
from thalweg.framework.packages import needs_io
from thalweg.ops import array, indexing, operators, slicing, state
from thalweg.ops.cond import cond

from .guard import guarded_initial_value


class VariableSynchronization:
    """When replicas of a variable agree, as `tf.VariableSynchronization`; accepted, there is one copy here."""

    AUTO, NONE, ON_WRITE, ON_READ = range(4)


class VariableAggregation:
    """How updates of replicas add up, as `tf.VariableAggregation`; accepted, there is one copy here."""

    NONE, SUM, MEAN, ONLY_FIRST_REPLICA = range(4)
    ONLY_FIRST_TOWER = ONLY_FIRST_REPLICA


class SaveSliceInfo:
    """Where a part of a partitioned variable lies in the whole.

    Attributes
    ----------
    full_name : str             name of the whole
    full_shape : list of int
    var_offset : list of int    first element of the part in each dimension
    var_shape : list of int     shape of the part
    """

    def __init__(self, full_name=None, full_shape=None, var_offset=None, var_shape=None, save_slice_info_def=None,
                 import_scope=None):
        if save_slice_info_def is not None:
            message = save_slice_info_def
            full_name = f"{import_scope}/{message.full_name}" if import_scope else message.full_name
            full_shape, var_offset, var_shape = map(list, (message.full_shape, message.var_offset, message.var_shape))
        self.full_name, self.full_shape, self.var_offset, self.var_shape = full_name, full_shape, var_offset, var_shape

    @property
    def spec(self):
        """The text that checkpoints know the part by: "4 3 2,2:0,3"."""
        parts = [f"{start},{size}" for start, size in zip(self.var_offset, self.var_shape)]
        return " ".join(map(str, self.full_shape)) + " " + ":".join(parts)

    def to_proto(self, export_scope=None):
        """The SaveSliceInfoDef message (needs thalweg-io); None outside of `export_scope`."""
        with needs_io("SaveSliceInfo.to_proto()"):
            from thalweg_io.graphs.graph_def import save_slice_info_def
        return save_slice_info_def(self, export_scope)


class Variable:
    """A tensor that a session keeps between runs, as `tf.Variable`.

    Parameters
    ----------
    initial_value : Tensor, what becomes one, or a callable that gives one
    trainable : bool            whether optimizers take it (collection TRAINABLE_VARIABLES)
    collections : list of str   collections to be in; None: GLOBAL_VARIABLES
    validate_shape : bool       False: the shape need not be known, and may change
    caching_device : str or callable        device on which reads are cached
    name : str
    variable_def :              a VariableDef message, instead of everything above
    dtype : to convert initial_value to
    expected_shape : accepted; the shape is that of the initial value
    import_scope : str          name scope for a variable_def
    constraint : callable       value -> value, for optimizers to apply after an update
    use_resource : bool         True: a scatter of the variable into itself reads all of it first. Both kinds of
        TensorFlow's variables are else this one
    shape :                     the static shape, where it is to be less specific than the initial value's

    Raises
    ------
    ValueError      without an initial value, with one of unknown shape, or with one from inside of a branch or loop
    """

    SaveSliceInfo = SaveSliceInfo
    __array_priority__ = 100

    def __init__(self, initial_value=None, trainable=None, collections=None, validate_shape=True, caching_device=None,
                 name=None, variable_def=None, dtype=None, expected_shape=None, import_scope=None, constraint=None,
                 use_resource=None, synchronization=VariableSynchronization.AUTO,
                 aggregation=VariableAggregation.NONE, shape=None):
        self._save_slice_info = None
        self._synchronization, self._aggregation = synchronization, aggregation
        if variable_def is not None:
            if initial_value is not None:
                raise ValueError("variable_def and initial_value are mutually exclusive.")
            self._init_from_proto(variable_def, import_scope)
            return
        if initial_value is None:
            raise ValueError("initial_value must be specified.")
        if constraint is not None and not callable(constraint):
            raise ValueError("The `constraint` argument must be a callable.")
        self._trainable = trainable is None or bool(trainable)
        self._constraint, self._caching_device = constraint, caching_device
        collections = self._checked_collections(collections)
        self._is_resource = bool(use_resource)
        with init_scope(), name_scope(name, "Variable", [] if callable(initial_value) else [initial_value]) as scope:
            self._build(initial_value, scope, dtype, validate_shape, shape)
            get_default_graph().add_to_collections(collections, self)

    def _checked_collections(self, collections):
        if collections is None:
            collections = [GraphKeys.GLOBAL_VARIABLES]
        if not isinstance(collections, (list, tuple, set)):
            raise ValueError("collections argument to Variable constructor must be a list, tuple, or set. "
                             f"Got {collections} of type {type(collections)}")
        if self._trainable and GraphKeys.TRAINABLE_VARIABLES not in collections:
            return [*collections, GraphKeys.TRAINABLE_VARIABLES]
        return list(collections)

    def _build(self, initial_value, scope, dtype, validate_shape, shape):
        """Adds the nodes; `scope` is the variable's name and a slash."""
        if callable(initial_value):
            with get_default_graph()._attr_scope({"_class": [f"loc:@{scope[:-1]}"]}):
                with name_scope("Initializer"), device(None):
                    value = convert_to_tensor(initial_value(), dtype, name="initial_value")
                self._add_buffer(value, scope, validate_shape, shape)
        else:
            _check_is_outside(initial_value, scope)
            value = convert_to_tensor(initial_value, dtype, name="initial_value")
            self._add_buffer(value, scope, validate_shape, shape)
        self._initial_value = value
        self._safe_initial_value = guarded_initial_value(scope[:-1], value)
        self._initializer = state.assign(self._variable, self._safe_initial_value, validate_shape=validate_shape).op
        if self._caching_device is not None:
            with device(self._caching_device):
                self._snapshot = array.identity(self._variable, name="read")
        else:
            with colocate_with(self._variable.op):
                self._snapshot = array.identity(self._variable, name="read")

    def _add_buffer(self, value, scope, validate_shape, shape):
        get_default_graph()._next_id += self._is_resource                # TensorFlow asks a resource whether it is set
        if shape is None:
            shape = value.get_shape() if validate_shape else None
            if validate_shape and not shape.is_fully_defined():
                raise ValueError(f"initial_value must have a shape specified: {value}. Try validate_shape=False, or "
                                 "set_shape on the initial value.")
        with get_default_graph()._attr_scope({"_resource": True} if self._is_resource else {}):
            self._variable = state.variable_op(shape=shape, dtype=value.dtype.base_dtype, name=scope)

    def _init_from_proto(self, message, import_scope):
        graph = get_default_graph()

        def in_scope(name):
            return f"{import_scope}/{name}" if import_scope else name

        def tensor(name):
            return graph.as_graph_element(in_scope(name), allow_operation=False)

        self._variable = tensor(message.variable_name)
        self._initializer = graph.as_graph_element(in_scope(message.initializer_name))
        self._snapshot = self._read_at_use() if getattr(message, "is_resource", False) else \
            tensor(message.snapshot_name)
        self._initial_value = tensor(message.initial_value_name) if message.initial_value_name else None
        self._safe_initial_value = self._initial_value
        self._trainable = getattr(message, "trainable", True)
        self._is_resource = bool(self._variable.op.attrs.get("_resource"))
        if not self._variable.dtype.is_ref_dtype:
            raise ValueError(f"{self._variable.name}, a {self._variable.op.type}, is no variable")
        self._caching_device = self._constraint = None
        if message.HasField("save_slice_info_def"):
            self._save_slice_info = SaveSliceInfo(save_slice_info_def=message.save_slice_info_def,
                                                  import_scope=import_scope)

    def _read_at_use(self):
        """`NAME/read` of a buffer from a file whose variable had no such node: a resource, read anew at each use."""
        graph, name = self._variable.graph, f"{self._variable.op.name}/read"
        if name in graph._by_name:
            return graph.get_tensor_by_name(f"{name}:0")
        with graph.as_default(), uncounted(graph), graph.control_dependencies(None), colocate_with(self._variable.op):
            return array.identity(self._variable, name=f"{name}/")

    # --- what it is -------------------------------------------------------------------------------

    @property
    def name(self):
        return self._variable.name

    @property
    def _shared_name(self):
        return self._variable.op.name

    @property
    def dtype(self):
        """The reference dtype, `float32_ref`."""
        return self._variable.dtype

    @property
    def shape(self):
        return self._variable.get_shape()

    def get_shape(self):
        return self._variable.get_shape()

    def set_shape(self, shape):
        """Adds what the caller knows to the static shape, of the buffer and of its value."""
        self._variable.set_shape(shape)
        self._snapshot.set_shape(shape)

    @property
    def op(self):
        """The operation that declares the buffer."""
        return self._variable.op

    @property
    def graph(self):
        return self._variable.graph

    @property
    def device(self):
        return self._variable.device

    @property
    def trainable(self):
        return self._trainable

    @property
    def constraint(self):
        return self._constraint

    @property
    def synchronization(self):
        return self._synchronization

    @property
    def aggregation(self):
        return self._aggregation

    @property
    def initializer(self):
        """The operation that gives the variable its initial value."""
        return self._initializer

    @property
    def initial_value(self):
        """The tensor that the variable starts from."""
        return self._initial_value

    def initialized_value(self):
        """The variable's value where it has been initialized, else its initial value."""
        return cond(state.is_variable_initialized(self), self.read_value, lambda: self._safe_initial_value)

    # --- reading -----------------------------------------------------------------------------------

    def value(self):
        """The tensor `NAME/read`: the value at the place of each op that takes it."""
        return self._snapshot

    def read_value(self):
        """A new tensor: the value here, after what this place in the program must follow."""
        return array.identity(self._variable, name="read")

    def _as_graph_element(self):
        return self._variable

    def _AsTensor(self):
        self._count_read()
        return self._snapshot

    def _count_read(self):
        """TensorFlow makes a node for each read of a resource, which default seeds depend on."""
        get_default_graph()._next_id += self._is_resource

    def _ref(self):
        """The buffer, for ops that change it."""
        return self._variable

    def eval(self, session=None):
        """The value in `session` or in the default session."""
        return self._variable.eval(session=session)

    def load(self, value, session=None):
        """Sets the value in `session` at once; adds no op to the graph."""
        from thalweg.runtime.session import session_for
        session_for(session, self.graph, "load()").run(self._initializer, {self._initializer.inputs[1]: value})

    def sparse_read(self, indices, name=None):
        """The rows at `indices`."""
        return indexing.gather(self, indices, name=name)

    def gather_nd(self, indices, name=None):
        """The elements or slices at `indices`."""
        return indexing.gather_nd(self, indices, name=name)

    # --- writing -----------------------------------------------------------------------------------

    def assign(self, value, use_locking=False, name=None, read_value=True):
        """Sets the variable. Gives its buffer after that; the operation if not `read_value`."""
        return self._result(state.assign(self._variable, value, use_locking=use_locking, name=name), read_value)

    def assign_add(self, delta, use_locking=False, name=None, read_value=True):
        """Adds `delta`."""
        return self._result(state.assign_add(self._variable, delta, use_locking=use_locking, name=name), read_value)

    def assign_sub(self, delta, use_locking=False, name=None, read_value=True):
        """Subtracts `delta`."""
        return self._result(state.assign_sub(self._variable, delta, use_locking=use_locking, name=name), read_value)

    def _result(self, reference, read_value):
        if not read_value:
            return reference.op
        self._count_read()
        return reference

    def count_up_to(self, limit):
        """The value, after which it is one more; OutOfRangeError from `limit` on."""
        return state.count_up_to(self._variable, limit)

    def _strided_slice_assign(self, begin, end, strides, value, name, begin_mask, end_mask, ellipsis_mask,
                              new_axis_mask, shrink_axis_mask):
        return slicing.strided_slice_assign(self._variable, begin, end, strides, value, name=name,
                                            begin_mask=begin_mask, end_mask=end_mask, ellipsis_mask=ellipsis_mask,
                                            new_axis_mask=new_axis_mask, shrink_axis_mask=shrink_axis_mask)

    # --- saving ------------------------------------------------------------------------------------

    def _set_save_slice_info(self, save_slice_info):
        self._save_slice_info = save_slice_info

    def _get_save_slice_info(self):
        return self._save_slice_info

    def to_proto(self, export_scope=None):
        """The VariableDef message (needs thalweg-io); None for a variable outside of `export_scope`."""
        with needs_io("variable.to_proto()"):
            from thalweg_io.graphs.graph_def import variable_def
        return variable_def(self, export_scope)

    @staticmethod
    def from_proto(variable_def, import_scope=None):
        """The variable that a VariableDef message describes; its nodes are in the default graph."""
        return Variable(variable_def=variable_def, import_scope=import_scope)

    # --- Python ------------------------------------------------------------------------------------

    def experimental_ref(self):
        """The variable itself: it can be a key as it is."""
        return self

    def __getitem__(self, items):
        return slicing.getitem(self, items)

    def __iter__(self):
        raise TypeError("'Variable' object is not iterable.")

    def __array__(self, dtype=None, copy=None):
        raise NotImplementedError(f"Cannot convert a variable ({self.name}) to a numpy array; its value exists in a "
                                  "session: session.run(variable).")

    def __hash__(self):
        return id(self)

    def __eq__(self, other):
        return self is other

    def __repr__(self):
        return f"<tf.Variable '{self.name}' shape={self.get_shape()} dtype={self.dtype.name}>"


RefVariable = Variable


def _check_is_outside(initial_value, scope):
    if isinstance(initial_value, Tensor) and isinstance(initial_value.graph, FuncGraph):
        raise ValueError(f"Initializer for variable {scope} is from inside a control-flow construct, such as a loop "
                         "or conditional. When creating a variable inside a loop or conditional, use a lambda as the "
                         "initializer.")


def _to_tensor(variable, dtype=None, name=None, as_ref=False):
    if dtype is not None and dtype is not variable.dtype.base_dtype:
        raise errors.ConversionError(f"Incompatible type conversion requested to type '{dtype.name}' for variable of "
                                     f"type '{variable.dtype.base_dtype.name}' ({variable.name}). Try tf.cast.")
    return variable._ref() if as_ref else variable._AsTensor()


register_tensor_conversion_function(Variable, _to_tensor, 10)


def _scatter_method(op, doc):
    def method(self, sparse_delta, use_locking=False, name=None):
        if not hasattr(sparse_delta, "indices"):
            raise ValueError(f"sparse_delta is not IndexedSlices: {sparse_delta}")
        return op(self._variable, sparse_delta.indices, sparse_delta.values, use_locking=use_locking, name=name)
    method.__doc__ = doc
    return method


def _scatter_nd_method(op, doc):
    def method(self, indices, updates, name=None):
        return op(self._variable, indices, updates, use_locking=True, name=name)
    method.__doc__ = doc
    return method


def _operator(name):
    """The operator of tensors, on the variable's value."""
    of_tensor = getattr(Tensor, name)

    def method(self, *others):
        return of_tensor(self._AsTensor(), *others)
    method.__name__ = name
    return method


for _word, _doc in {"add": "Adds", "sub": "Subtracts", "update": "Sets", "mul": "Multiplies by", "div": "Divides by",
                    "min": "Takes the minimum with", "max": "Takes the maximum with"}.items():
    setattr(Variable, f"scatter_{_word}", _scatter_method(
        getattr(state, f"scatter_{_word}"), f"{_doc} the values of IndexedSlices, at their rows."))
for _word, _doc in {"add": "Adds", "sub": "Subtracts", "update": "Sets"}.items():
    setattr(Variable, f"scatter_nd_{_word}", _scatter_nd_method(
        getattr(state, f"scatter_nd_{_word}"), f"{_doc} `updates` at the elements or slices at `indices`."))
for _name in operators.NAMES:
    if _name != "__getitem__":
        setattr(Variable, _name, _operator(_name))
