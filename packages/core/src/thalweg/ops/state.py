"""Variables' buffers and the ops that write them in place.

The reference body of a writing op takes the old array and returns the new one; a device writes the buffer itself.
"""
import numpy as np

from thalweg.framework import errors, shapes
from thalweg.framework.declaration import INDEX_TYPES, define_op
from thalweg.framework.dtypes import ANY, FLOATS, NUMBERS, DType, int32, int64
from thalweg.framework.shapes import TensorShape

from ._reference import snake
from .indexing import _checked, _nd_index, _scattered_shape

_WRITES = "it changes a variable; what flows out of a variable is what was read from it"
_ORDERED = FLOATS + (int32, int64)


def _no_value(op_type):
    raise errors.FailedPreconditionError(None, None, f"{op_type} is a buffer that the session owns, not a value")


def _declared_shape(node):
    return node.shape


@define_op("VariableV2", "-> ref: dtype&", stateful=True)
def variable_op(*, shape: TensorShape, dtype: DType, container="", shared_name=""):
    """A buffer that lives as long as the session; it holds nothing until it is assigned."""
    return _no_value("VariableV2")


@define_op("Variable", "-> ref: dtype&", stateful=True)
def variable_v1(*, shape: TensorShape, dtype: DType, container="", shared_name=""):
    """The older form of VariableV2."""
    return _no_value("Variable")


@define_op("TemporaryVariable", "-> ref: dtype&", stateful=True)
def temporary_variable(*, shape: TensorShape, dtype: DType, var_name=""):
    """A buffer that lives during one run."""
    return _no_value("TemporaryVariable")


for _op in (variable_op, variable_v1, temporary_variable):
    _op.shape(_declared_shape)
    _op.no_gradient("a variable has no inputs")


@define_op("IsVariableInitialized", "ref: dtype& -> is_initialized: bool[]", dtype=ANY, stateful=True)
def is_variable_initialized_op(ref):
    """Whether the variable holds a value."""
    return np.array(ref is not None)


is_variable_initialized_op.no_gradient("the result is bool")


# --- assignment -------------------------------------------------------------------------------------

@define_op("Assign", "ref: T&, value: T -> output_ref: T&", stateful=True, cpu="optimizers:assign")
def assign_op(ref, value, *, validate_shape: bool = True, use_locking: bool = True):
    """Sets the variable to `value`, which has its shape unless `validate_shape` is off."""
    return np.array(value)


@assign_op.shape
def assign_shape(node, ref, value):
    if not node.validate_shape:
        return value
    if not shapes.compatible(ref, value):
        raise ValueError(f"Assign requires shapes of both tensors to match: the variable has {shapes.text(ref)}, the "
                         f"value {shapes.text(value)}")
    return shapes.merge(ref, value)


@define_op("AssignAdd", "ref: T&, value: T -> output_ref: T&", T=NUMBERS, stateful=True, cpu="optimizers:assign_add")
def assign_add_op(ref, value, *, use_locking: bool = False):
    """Adds `value`, which has the variable's shape."""
    return ref + value


@define_op("AssignSub", "ref: T&, value: T -> output_ref: T&", T=NUMBERS, stateful=True, cpu="optimizers:assign_sub")
def assign_sub_op(ref, value, *, use_locking: bool = False):
    """Subtracts `value`, which has the variable's shape."""
    return ref - value


def _same_shape(node, ref, value):
    return shapes.merge(ref, value)


assign_add_op.shape(_same_shape)
assign_sub_op.shape(_same_shape)


@define_op("CountUpTo", "ref: T& -> output: T[]", T=INDEX_TYPES, stateful=True)
def count_up_to_op(ref, *, limit: int):
    """The scalar variable's value, after which it is one more; OutOfRangeError from `limit` on.

    The body gives the value that comes out; the session adds the one.
    """
    if ref >= limit:
        raise errors.OutOfRangeError(None, None, f"Reached limit of {limit}")
    return np.array(ref)


# --- scatter ----------------------------------------------------------------------------------------

_SCATTER = "ref: T&, indices: Tindices, updates: T -> output_ref: T&"


def _scatter(name, dtypes, at, verb, use_locking=False, nd=False):
    """Declares an op that changes the rows (nd: elements or slices) of a variable at `indices`."""
    def body(ref, indices, updates, *, use_locking: bool = use_locking):
        result = np.array(ref)
        at(result, _nd_index(indices, ref.shape) if nd else _checked(indices, ref.shape[0]), updates)
        return result
    body.__name__ = body.__qualname__ = snake(name) + "_op"
    body.__doc__ = f"{verb}; an index that occurs again is applied again, in order."
    options = {"Tindices": INDEX_TYPES, "stateful": True, "cpu": f"indexing:{snake(name)}"}
    declaration = define_op(name, _SCATTER, T=dtypes, **options)(body)
    declaration.shape(_scatter_nd_shape if nd else _scatter_shape)
    declaration.no_gradient(_WRITES, refuses=name in ("ScatterUpdate", "ScatterMin", "ScatterMax"))    # as TensorFlow
    return declaration


def _scatter_shape(node, ref, indices, updates):
    if ref is not None and indices is not None and updates is not None and updates != ():
        if not shapes.compatible(updates, indices + ref[1:]):
            raise ValueError(f"updates has shape {shapes.text(updates)}, must be indices.shape + ref.shape[1:] = "
                             f"{shapes.text(indices + ref[1:])}")
    return ref


def _scatter_nd_shape(node, ref, indices, updates):
    _scattered_shape(node, indices, updates, ref)
    return ref


def _set(array, index, values):
    array[index] = values


scatter_update_op = _scatter("ScatterUpdate", ANY, _set, "Sets rows of the variable", True)
scatter_add_op = _scatter("ScatterAdd", NUMBERS, np.add.at, "Adds to rows of the variable")
scatter_sub_op = _scatter("ScatterSub", NUMBERS, np.subtract.at, "Subtracts from rows of the variable")
scatter_mul_op = _scatter("ScatterMul", NUMBERS, np.multiply.at, "Multiplies rows of the variable")
scatter_min_op = _scatter("ScatterMin", _ORDERED, np.minimum.at, "Takes the minimum into rows of the variable")
scatter_max_op = _scatter("ScatterMax", _ORDERED, np.maximum.at, "Takes the maximum into rows of the variable")
scatter_nd_update_op = _scatter("ScatterNdUpdate", ANY, _set, "Sets slices of the variable", True, nd=True)
scatter_nd_add_op = _scatter("ScatterNdAdd", NUMBERS, np.add.at, "Adds to slices of the variable", nd=True)
scatter_nd_sub_op = _scatter("ScatterNdSub", NUMBERS, np.subtract.at, "Subtracts from slices of the variable", nd=True)


def _divide_at(array, index, values):
    if array.dtype.kind in "iu":
        if not np.all(values):
            from .math import division_by_zero
            raise division_by_zero()
        rows = np.broadcast_to(values, array[index].shape)
        for i in np.ndindex(np.shape(index)):
            array[index[i]] = np.trunc(array[index[i]] / rows[i]).astype(array.dtype)
    else:
        np.divide.at(array, index, values)


scatter_div_op = _scatter("ScatterDiv", NUMBERS, _divide_at, "Divides rows of the variable")

for _op in (assign_op, assign_add_op, assign_sub_op, count_up_to_op):
    _op.no_gradient(_WRITES)


# --- the public functions ---------------------------------------------------------------------------

def _is_ref(ref):
    return ref.dtype.is_ref_dtype


def _assigns_itself(ref):
    """Whether `ref` is a resource variable, or some other thing with methods to assign to it."""
    return not _is_ref(ref) or getattr(ref, "_is_resource", False)


def is_variable_initialized(ref, name=None):
    """Whether the variable holds a value, a bool tensor."""
    return is_variable_initialized_op(ref, name=name) if _is_ref(ref) else ref.is_initialized(name=name)


def assign(ref, value, validate_shape=None, use_locking=None, name=None):
    """Sets the variable `ref` to `value`; the result is the variable's buffer, after that."""
    if _assigns_itself(ref):
        return ref.assign(value, name=name)
    return assign_op(ref, value, use_locking=use_locking is not False, name=name,
                     validate_shape=validate_shape is not False)


def assign_add(ref, value, use_locking=None, name=None):
    """Adds `value` to the variable `ref`."""
    if _assigns_itself(ref):
        return ref.assign_add(value)
    return assign_add_op(ref, value, use_locking=bool(use_locking), name=name)


def assign_sub(ref, value, use_locking=None, name=None):
    """Subtracts `value` from the variable `ref`."""
    if _assigns_itself(ref):
        return ref.assign_sub(value)
    return assign_sub_op(ref, value, use_locking=bool(use_locking), name=name)


def count_up_to(ref, limit, name=None):
    """The scalar variable's value, after which it is one more; OutOfRangeError from `limit` on."""
    return count_up_to_op(ref, limit=limit, name=name)


def _scatterer(op, public_name, doc, use_locking=False):
    def scatter(ref, indices, updates, use_locking=use_locking, name=None):
        return op(ref, indices, updates, use_locking=use_locking, name=name)
    scatter.__name__ = scatter.__qualname__ = public_name
    scatter.__doc__ = doc
    return scatter


scatter_update = _scatterer(scatter_update_op, "scatter_update", "Sets ref[indices] = updates.", True)
scatter_add = _scatterer(scatter_add_op, "scatter_add", "Adds the updates to ref[indices].")
scatter_sub = _scatterer(scatter_sub_op, "scatter_sub", "Subtracts the updates from ref[indices].")
scatter_mul = _scatterer(scatter_mul_op, "scatter_mul", "Multiplies ref[indices] by the updates.")
scatter_div = _scatterer(scatter_div_op, "scatter_div", "Divides ref[indices] by the updates.")
scatter_min = _scatterer(scatter_min_op, "scatter_min", "Takes the minimum with the updates into ref[indices].")
scatter_max = _scatterer(scatter_max_op, "scatter_max", "Takes the maximum with the updates into ref[indices].")
scatter_nd_update = _scatterer(scatter_nd_update_op, "scatter_nd_update",
                               "Sets the elements or slices of ref at `indices`.", True)
scatter_nd_add = _scatterer(scatter_nd_add_op, "scatter_nd_add",
                            "Adds the updates to the elements or slices of ref at `indices`.")
scatter_nd_sub = _scatterer(scatter_nd_sub_op, "scatter_nd_sub",
                            "Subtracts the updates from the elements or slices of ref at `indices`.")
