"""From Python values to tensors: the registry of conversions and `convert_to_tensor`."""
import bisect

from . import errors
from .dtypes import as_dtype
from .graph import Tensor, get_default_graph
from .naming import user_frame

_CONVERTERS: list = []                   # (priority, order, base types, function), sorted
_BY_TYPE: dict = {}                      # exact type -> the functions that apply, a cache


def register_tensor_conversion_function(base_type, conversion_func, priority=100):
    """Teaches `convert_to_tensor` a type, as in TensorFlow 1.x.

    Parameters
    ----------
    base_type : type or tuple of types
    conversion_func : callable (value, dtype, name, as_ref) -> Tensor or NotImplemented
    priority : int      lower comes first
    """
    bisect.insort(_CONVERTERS, (priority, len(_CONVERTERS), base_type, conversion_func))
    _BY_TYPE.clear()


def _converters_for(value):
    found = _BY_TYPE.get(type(value))
    if found is None:
        found = [f for _, _, base, f in _CONVERTERS if isinstance(value, base)]
        _BY_TYPE[type(value)] = found
    return found


def convert_to_tensor(value, dtype=None, name=None, preferred_dtype=None, as_ref=False):
    """`value` as a tensor of the default graph: tensors pass, variables are read, other values become constants.

    Parameters
    ----------
    value : Tensor, Variable, NumPy array, Python scalar or (nested) list
    dtype : the dtype that the result must have, or None
    name : str          name of the constant, where one is made
    preferred_dtype :   tried first when `dtype` is None

    Raises
    ------
    TypeError, ValueError   if the value has no conversion, or not to that dtype
    """
    if dtype is not None:
        dtype = as_dtype(dtype).base_dtype
    if type(value) is Tensor:
        return _checked_tensor(value, dtype, name)
    if preferred_dtype is not None and dtype is None:
        try:
            return convert_to_tensor(value, preferred_dtype, name, as_ref=as_ref)
        except (TypeError, ValueError):
            pass                        # a preference only: the value decides
    for function in _converters_for(value):
        result = function(value, dtype=dtype, name=name, as_ref=as_ref)
        if result is NotImplemented:
            continue
        if dtype is not None and result.dtype.base_dtype is not dtype:
            raise errors.DTypeError(f"{name or 'value'}: the conversion of {type(value).__name__} gave "
                                    f"{result.dtype.base_dtype.name}, {dtype.name} was asked for")
        return result
    raise errors.DTypeError(f"Cannot convert {value!r} with type {type(value)} to Tensor: no conversion function "
                            "registered. See tf.register_tensor_conversion_function.")


def _checked_tensor(tensor, dtype, name):
    if dtype is not None and tensor.dtype.base_dtype is not dtype:
        raise errors.ConversionError(errors.explain(
            f"Tensor conversion requested dtype {dtype.name} for Tensor with dtype {tensor.dtype.name}: "
            f"{str(tensor)!r}.", hint=f"tf.cast(x, tf.{dtype.name})", built_at=user_frame(),
            made_at=tensor.op.frame))
    return tensor


def convert_n_to_tensor(values, dtype=None, name=None, preferred_dtype=None, as_ref=False):
    """`convert_to_tensor` of each value; the constants are named `name_0`, `name_1`, ..."""
    return [convert_to_tensor(v, dtype, None if name is None else f"{name}_{i}", preferred_dtype, as_ref)
            for i, v in enumerate(values)]


def convert_to_tensor_or_operation(value, dtype=None, name=None):
    """An Operation as it is, anything else through `convert_to_tensor`."""
    element = get_default_graph().as_graph_element(value) if hasattr(value, "_as_graph_element") else value
    return convert_to_tensor(element, dtype, name) if isinstance(element, Tensor) or element is value else element
