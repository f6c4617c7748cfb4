"""The variables that `get_variable` has made in a graph, by full name: made once, shared afterwards."""
import inspect

from thalweg.framework import errors, shapes
from thalweg.framework.collections import GraphKeys
from thalweg.framework.conversion import convert_to_tensor
from thalweg.framework.dtypes import as_dtype, float32
from thalweg.framework.func_graph import init_scope, outermost
from thalweg.framework.graph import Graph, colocate_with, get_default_graph, name_scope
from thalweg.framework.naming import user_frame
from thalweg.framework.shapes import TensorShape

from . import creators
from .partitioned import PartitionedVariable, part_of, partition_axis, partition_slices, partitions_of
from .variable import SaveSliceInfo, VariableAggregation, VariableSynchronization

_KEY = "variable_store"


class PartitionInfo:
    """What an initializer of one part learns of the whole.

    Attributes
    ----------
    full_shape : list of int
    var_offset : list of int        where the part begins
    """

    def __init__(self, full_shape, var_offset):
        self.full_shape, self.var_offset = list(full_shape), list(var_offset)

    def single_offset(self, shape):
        """The offset in the one dimension that is split, for a part of `shape`; 0 where none is."""
        axis = self.single_slice_dim(shape)
        return 0 if axis is None else self.var_offset[axis]

    def single_slice_dim(self, shape):
        """The one dimension in which a part of `shape` is smaller than the whole, or None."""
        split = [i for i, (part, whole) in enumerate(zip(shape, self.full_shape)) if part < whole]
        if len(split) > 1:
            raise ValueError(f"Cannot use single_slice_dim() with shape {list(shape)} and full_shape "
                             f"{self.full_shape} since slice dim could be either one of {split}.")
        return split[0] if split else None


class VariableStore:
    """One per graph; `VariableScope.get_variable` asks it.

    Attributes
    ----------
    variables : dict            full name -> Variable
    partitioned : dict          full name -> PartitionedVariable
    frames : dict               full name -> where it was made
    """

    def __init__(self):
        self.variables, self.partitioned, self.frames = {}, {}, {}

    def get_variable(self, name, shape=None, dtype=float32, initializer=None, regularizer=None, reuse=None,
                     trainable=None, collections=None, caching_device=None, partitioner=None, validate_shape=True,
                     use_resource=None, custom_getter=None, constraint=None,
                     synchronization=VariableSynchronization.AUTO, aggregation=VariableAggregation.NONE):
        """The variable of that full name, made or found as `reuse` says; see `get_variable`."""
        if name == "":
            raise ValueError("'' is not a valid node name: a variable needs a name of its own, as in "
                             "tf.get_variable('weights', ...)")
        if custom_getter is not None and not callable(custom_getter):
            raise ValueError(f"Passed a custom_getter which is not callable: {custom_getter}")
        options = {"shape": shape, "dtype": as_dtype(dtype).base_dtype, "initializer": initializer,
                   "regularizer": regularizer, "reuse": reuse, "trainable": trainable, "collections": collections,
                   "caching_device": caching_device, "partitioner": partitioner, "validate_shape": validate_shape,
                   "use_resource": use_resource, "constraint": constraint, "synchronization": synchronization,
                   "aggregation": aggregation}
        if custom_getter is None:
            return self._get(name, **options)
        parameters = inspect.signature(custom_getter).parameters
        takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
        if not takes_all and "constraint" not in parameters:
            options.pop("constraint")
        return custom_getter(getter=self._get, name=name, **options)

    def _get(self, name, shape=None, dtype=float32, initializer=None, regularizer=None, reuse=None, trainable=None,
             collections=None, caching_device=None, partitioner=None, validate_shape=True, use_resource=None,
             constraint=None, synchronization=VariableSynchronization.AUTO, aggregation=VariableAggregation.NONE):
        """The getter that custom getters end up in."""
        made = {"dtype": as_dtype(dtype).base_dtype, "initializer": initializer, "regularizer": regularizer,
                "reuse": reuse, "trainable": trainable, "collections": collections, "caching_device": caching_device,
                "validate_shape": validate_shape, "use_resource": use_resource, "constraint": constraint,
                "synchronization": synchronization, "aggregation": aggregation}
        is_scalar = shape is not None and shapes.plain(shape) == ()
        if partitioner is not None and not is_scalar:
            if not callable(partitioner):
                raise ValueError(f"Partitioner must be callable, but received: {partitioner}")
            with get_default_graph().name_scope(None):
                return self._get_partitioned(name, shape, partitioner, made)
        if reuse is True and partitioner is None and name in self.partitioned:
            return self._found_partitioned(name, shape, None, made["dtype"])
        if f"{name}/part_0" in self.variables:
            raise ValueError(f"No partitioner was provided, but a partitioned version of the variable was found: "
                             f"{name}/part_0. Perhaps a variable of the same name was already created with "
                             "partitioning?")
        return self._get_single(name, shape, None, made)

    # --- one variable ------------------------------------------------------------------------------

    def _get_single(self, name, shape, partition_info, made):
        initializer, dtype = made["initializer"], made["dtype"]
        is_value = initializer is not None and not callable(initializer)
        if is_value and shape is not None:
            raise ValueError("If initializer is a constant, do not specify shape.")
        shape = TensorShape(shape)
        if name in self.variables:
            return self._found(name, shape, dtype, made["reuse"])
        if made["reuse"] is True:
            raise ValueError(errors.explain(
                f"Variable {name} does not exist, or was not created with tf.get_variable(). Did you mean to set "
                f"reuse=tf.AUTO_REUSE in VarScope?", near=self._near(name), hint="reuse=tf.AUTO_REUSE, which makes it "
                "where it does not exist yet, or the name of a variable that does", built_at=user_frame()))
        variable = self._create(name, shape, dtype, initializer, is_value, partition_info, made)
        self.variables[name], self.frames[name] = variable, user_frame()
        if made["regularizer"]:
            _regularize(name, variable, made["regularizer"])
        return variable

    def _found(self, name, shape, dtype, reuse):
        found = self.variables[name]
        if reuse is False or reuse is None:
            raise ValueError(errors.explain(
                f"Variable {name} already exists, disallowed. Did you mean to set reuse=True or reuse=tf.AUTO_REUSE "
                f"in VarScope? Originally defined at:\n\n  {self.frames[name]}\n", made_again_at=user_frame()))
        if not shape.is_compatible_with(found.get_shape()):
            raise ValueError(f"Trying to share variable {name}, but specified shape {shape} and found shape "
                             f"{found.get_shape()}.{self._made_at(name)}\n  shared at {user_frame()}")
        if not dtype.is_compatible_with(found.dtype.base_dtype):
            raise ValueError(f"Trying to share variable {name}, but specified dtype {dtype.name} and found dtype "
                             f"{found.dtype.name}.{self._made_at(name)}\n  shared at {user_frame()}")
        return found

    def _made_at(self, name):
        return f"\n  defined at {self.frames[name]}"

    def _near(self, name):
        import difflib
        near = difflib.get_close_matches(name, self.variables, n=3)
        return ", ".join(near)

    def _create(self, name, shape, dtype, initializer, is_value, partition_info, made):
        if initializer is None:
            initializer = default_initializer(name, dtype)
        with init_scope():
            value, dtype = (initializer, None) if is_value else _initial_value(name, initializer, shape, dtype,
                                                                               partition_info)
            return creators.create(
                initial_value=value, name=name, trainable=made["trainable"], collections=made["collections"],
                caching_device=made["caching_device"], dtype=dtype, validate_shape=made["validate_shape"],
                constraint=made["constraint"], use_resource=made["use_resource"],
                synchronization=made["synchronization"], aggregation=made["aggregation"])

    # --- partitioned variables ---------------------------------------------------------------------

    def _get_partitioned(self, name, shape, partitioner, made):
        initializer = made["initializer"]
        is_value = initializer is not None and not callable(initializer)
        if is_value and not hasattr(initializer, "get_shape"):
            initializer = convert_to_tensor(initializer)
        shape = initializer.get_shape() if is_value else TensorShape(shape)
        if not shape.is_fully_defined():
            raise ValueError(f"Shape of a new partitioned variable ({name}) must be fully defined, but instead was "
                             f"{shape}.")
        partitions = partitions_of(partitioner, shape, made["dtype"])
        if name in self.partitioned:
            if not made["reuse"]:
                raise ValueError(f"Partitioned variable with name {name} already exists. Did you mean to set "
                                 f"reuse=True or reuse=tf.AUTO_REUSE in VarScope?")
            return self._found_partitioned(name, shape, partitions, made["dtype"])
        if made["reuse"] is True:
            raise ValueError(f"PartitionedVariable {name} does not exist, or was not created with "
                             "tf.get_variable(). Did you mean to set reuse=False or reuse=tf.AUTO_REUSE in VarScope?")
        axis = partition_axis(partitions)
        parts = [self._part(name, i, shape, offset, size, initializer, is_value, made)
                 for i, (offset, size) in enumerate(partition_slices(shape.as_list(), partitions[axis], axis))]
        found = PartitionedVariable(name=name, shape=shape, dtype=made["dtype"], variable_list=parts,
                                    partitions=partitions)
        self.partitioned[name] = found
        return found

    def _part(self, name, i, shape, offset, size, initializer, is_value, made):
        full_name = f"{name}/part_{i}"
        if is_value:
            with name_scope(f"{full_name}/PartitionedInitializer"):
                initializer = part_of(initializer, offset, size)
        part = self._get_single(full_name, None if is_value else size, PartitionInfo(shape.as_list(), offset),
                                {**made, "initializer": initializer})
        part._set_save_slice_info(SaveSliceInfo(name, shape.as_list(), offset, size))
        return part

    def _found_partitioned(self, name, shape, partitions, dtype):
        found = self.partitioned[name]
        if shape is not None and not TensorShape(shape).is_compatible_with(found.get_shape()):
            raise ValueError(f"Trying to reuse partitioned variable {name}, but specified shape {TensorShape(shape)} "
                             f"and found shape {found.get_shape()}.")
        if not dtype.is_compatible_with(found.dtype):
            raise ValueError(f"Trying to reuse partitioned variable {name}, but specified dtype {dtype.name} and "
                             f"found dtype {found.dtype.name}.")
        if partitions is not None and list(partitions) != list(found._get_partitions()):
            raise ValueError(f"Trying to reuse partitioned variable {name}, but specified partitions "
                             f"{list(partitions)} and found partitions {list(found._get_partitions())}.")
        return found


def default_initializer(name, dtype):
    """Glorot's uniform initializer for floating point, zeros for integers, booleans and strings."""
    from . import initializers
    if dtype.is_floating:
        return initializers.GlorotUniform()
    if dtype.is_integer or dtype.is_bool or dtype.kind == "O":
        return initializers.Zeros()
    raise ValueError(f"An initializer for variable {name} of {dtype} is required")


def _initial_value(name, initializer, shape, dtype, partition_info):
    """What to hand to the variable: a callable that needs nothing, and the dtype it has to give."""
    if inspect.isclass(initializer):
        initializer = initializer()
    if shape.is_fully_defined():
        options = {"partition_info": partition_info} if _takes(initializer, "partition_info") else {}
        return lambda: _initialized(name, initializer, shape.as_list(), dtype, options), dtype
    if _needs_nothing(initializer):
        return initializer, None
    raise ValueError(errors.explain(
        f"Variable {name}: The initializer passed is not valid for shape {shape}, which is not fully defined: "
        f"{_name_of(initializer)} takes a shape", built_at=user_frame(),
        hint=f"tf.get_variable({name.rpartition('/')[2]!r}, shape=[...]) with every dimension, or an initializer that "
        "needs no shape: a tensor, or a callable without arguments"))


def _initialized(name, initializer, shape, dtype, options):
    """What the initializer gives; where it refuses the shape or the dtype, the error names the variable too."""
    try:
        return initializer(shape, dtype=dtype, **options)
    except (TypeError, ValueError) as error:
        if type(error) not in (TypeError, ValueError, errors.ShapeError, errors.DTypeError, errors.ConversionError):
            raise
        raise type(error)(errors.explain(
            f"Variable {name}: its initializer {_name_of(initializer)} gives no value of shape {tuple(shape)} and "
            f"dtype {dtype.name}: {error}", hint="another initializer, shape or dtype of tf.get_variable("
            f"{name.rpartition('/')[2]!r}, ...)", built_at=user_frame())) from error


def _name_of(initializer):
    return getattr(initializer, "__name__", type(initializer).__name__)


def _takes(function, argument):
    parameters = inspect.signature(function).parameters
    return argument in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def _needs_nothing(function):
    return all(p.default is not p.empty or p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
               for p in inspect.signature(function).parameters.values())


def _regularize(name, variable, regularizer):
    with colocate_with(variable.op), name_scope(f"{name}/Regularizer/"):
        loss = regularizer(variable)
    if loss is not None:
        get_default_graph().add_to_collection(GraphKeys.REGULARIZATION_LOSSES, loss)


def store_of(graph: Graph) -> VariableStore:
    """The variable store of a graph; function graphs share the outermost graph's."""
    return outermost(graph)._extra.setdefault(_KEY, VariableStore())
