"""What a Saver saves: variables, parts of partitioned variables, and objects that say themselves how."""
from thalweg.framework.collections import GraphKeys
from thalweg.framework.conversion import convert_to_tensor
from thalweg.framework.graph import Tensor, get_default_graph
from thalweg.ops import array, state

_VARIABLE_OPS = ("Variable", "VariableV2", "AutoReloadVariable")


class SaveSpec:
    """One tensor to save.

    Attributes
    ----------
    tensor : Tensor or Variable     or a function that gives it when it is needed
    slice_spec : str                "" or the part that it is: "4 3 0,2:0,3"
    name : str                      the name in the checkpoint
    dtype : DType
    device : str
    """

    def __init__(self, tensor, slice_spec, name, dtype=None, device=None):
        self._tensor, self.slice_spec, self.name = tensor, slice_spec, name
        if callable(tensor) and (dtype is None or device is None):
            raise AssertionError("When passing a callable `tensor` to a SaveSpec, an explicit dtype and device must "
                                 "be provided.")
        self.dtype = tensor.dtype if dtype is None else dtype
        self.device = tensor.device if device is None else device

    @property
    def tensor(self):
        return self._tensor() if callable(self._tensor) else self._tensor


class SaveableObject:
    """The base of what can be saved and restored; a subclass writes `restore`.

    Attributes
    ----------
    op : Operation or Variable      what it belongs to; each may be saved once
    specs : list of SaveSpec
    name : str
    """

    def __init__(self, op, specs, name):
        self.op, self.specs, self.name = op, specs, name

    @property
    def device(self):
        return self.specs[0].device if self.specs else ""

    @property
    def optional_restore(self):
        return False

    def restore(self, restored_tensors, restored_shapes):
        """The operation that puts the restored tensors in place; `restored_shapes` where they are to be reshaped."""
        raise NotImplementedError(f"{type(self).__name__} must define restore(restored_tensors, restored_shapes)")


class VariableSaveable(SaveableObject):
    """A variable, or one part of a partitioned one."""

    def __init__(self, var, slice_spec, name):
        super().__init__(var, [SaveSpec(var, slice_spec, name, dtype=var.dtype)], name)

    def restore(self, restored_tensors, restored_shapes):
        value = restored_tensors[0]
        if restored_shapes is not None:
            value = array.reshape(value, restored_shapes[0])
        is_checked = restored_shapes is None and self.op.get_shape().is_fully_defined()
        return state.assign(self.op, value, validate_shape=is_checked)


def default_variables():
    """What a Saver without a list saves: all global variables and saveable objects of the default graph."""
    graph = get_default_graph()
    return (graph.get_collection(GraphKeys.GLOBAL_VARIABLES) + graph.get_collection(GraphKeys.SAVEABLE_OBJECTS))


def saveables_from(var_list):
    """The saveable objects of a list, tuple, set or dict of variables, sorted by name.

    Raises
    ------
    TypeError       for what is neither variable nor saveable object
    ValueError      when a name or a variable occurs twice
    """
    named = var_list if isinstance(var_list, dict) else _named(var_list)
    found, seen = [], set()
    for name, item in sorted(named.items(), key=lambda pair: pair[0]):
        for saveable in _saveables_of(name, item):
            if saveable.op in seen:
                raise ValueError(f"The same saveable will be restored with two names: {saveable.name}")
            seen.add(saveable.op)
            found.append(saveable)
    return found


def _named(var_list):
    """{name: variable, saveable object, or list of parts}."""
    if not isinstance(var_list, (list, tuple, set)):
        raise TypeError(f"Variables to save should be passed in a dict or a list: {var_list}")
    named: dict = {}
    for item in sorted(var_list, key=_sort_key):
        info = getattr(item, "_save_slice_info", None)
        if info is not None and not _is_partitioned(item):
            parts = named.setdefault(info.full_name, [])
            if not isinstance(parts, list):
                raise ValueError(f"Mixing slices and non-slices with the same name: {info.full_name}")
            parts.append(item)
            continue
        name = item.name if _is_partitioned(item) or isinstance(item, SaveableObject) else _variable_name(item)
        if name in named:
            raise ValueError(f"At least two variables have the same name: {name}")
        named[name] = item
    return named


def _sort_key(item):
    if not isinstance(getattr(item, "name", None), str):
        raise TypeError(f"var_list has {item!r} in it, a {type(item).__name__}; expected variables, as "
                        "tf.global_variables() gives them")
    return item.name


def _is_partitioned(item):
    return hasattr(item, "_get_variable_list")


def _reference(item):
    """The buffer of a variable, or None."""
    tensor = convert_to_tensor(item, as_ref=True) if not isinstance(item, Tensor) else item
    return tensor if tensor.op.type in _VARIABLE_OPS else None


def _variable_name(item):
    reference = _reference(item)
    if reference is None:
        raise TypeError(f"Variable to save is not a Variable: {item}")
    return reference.op.name


def _saveables_of(name, item):
    if not isinstance(name, str):
        raise TypeError(f"names_to_saveables must be a dict mapping string names to variables. Name is not a string: "
                        f"{name!r}")
    if isinstance(item, SaveableObject):
        return [item]
    if isinstance(item, (list, tuple)) or _is_partitioned(item):
        return _saveable_parts(name, list(item))
    try:
        reference = _reference(item)
    except (TypeError, ValueError):
        reference = None
    if reference is None:
        raise TypeError("names_to_saveables must be a dict mapping string names to Tensors/Variables. Not a variable: "
                        f"{item}")
    return [VariableSaveable(reference, "", name)]


def _saveable_parts(name, parts):
    full_names = set()
    for part in parts:
        info = getattr(part, "_save_slice_info", None)
        if info is None:
            raise ValueError(f"Slices must all be Slices: {part} is no part of a partitioned variable")
        full_names.add(info.full_name)
    if len(full_names) > 1:
        raise ValueError(f"Slices must all be from the same tensor: {' != '.join(sorted(full_names))}")
    return [VariableSaveable(part, part._save_slice_info.spec, name) for part in parts]
