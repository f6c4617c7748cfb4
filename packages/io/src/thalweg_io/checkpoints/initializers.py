"""`tf.train.init_from_checkpoint`: variables whose first values come from a checkpoint."""
from thalweg.framework.graph import device, get_default_graph
from thalweg.framework.shapes import TensorShape
from thalweg.ops import state
from thalweg.variables.store import store_of

from . import mismatch, save_ops
from .reader import checkpoint_path, open_checkpoint

_PART = "/part_"


def init_from_checkpoint(ckpt_dir_or_file, assignment_map):
    """Makes the initializers of variables give what a checkpoint holds, instead of what they gave before.

    Call it after the variables are made and before their initializers are run; `Variable.initialized_value`, and what
    was built from an initial value before, keep to the old one.

    Parameters
    ----------
    ckpt_dir_or_file : str          a folder, of which the newest checkpoint is taken, or a checkpoint's path
    assignment_map : dict           what is in the checkpoint -> what is in the graph:

        "scope/": "other/"          all variables of get_variable under `other/`; "/" stands for the outermost scope
        "scope/name": "other/name"  one variable of get_variable, also a partitioned one
        "scope/name": variable      a Variable, a list of the parts of a partitioned one, or that itself

    Raises
    ------
    ValueError          where the checkpoint, or the graph, lacks one of them, or they differ in shape or dtype
    NotFoundError       without a checkpoint
    DataLossError       when its list of tensors is damaged
    """
    if not hasattr(assignment_map, "items"):
        raise TypeError("assignment_map must be a dict {name or scope/ in the checkpoint: variable, name or scope/ in "
                        f"the graph}}, not {assignment_map!r}")
    path = checkpoint_path(ckpt_dir_or_file)
    with open_checkpoint(path) as reader:
        for stored, target in sorted(assignment_map.items(), key=lambda item: item[0]):
            for name, parts in _pairs(reader, path, stored, target):
                _set_initializers(reader, path, name, parts)


def _pairs(reader, path, stored, target):
    """[(name in the checkpoint, the variable, or the parts of one, as a list)]"""
    if not isinstance(stored, str):
        raise TypeError(f"assignment_map has the key {stored!r}, expected the name of a variable or of a scope in the "
                        "checkpoint, a str")
    parts = _parts(target)
    if parts is not None:
        return [(_checked(reader, path, stored, f"{stored!r}: {parts[0].op.name}"), parts)]
    if not isinstance(target, str):
        raise TypeError(f"assignment_map[{stored!r}] must be a variable, a list of the parts of a partitioned one, or "
                        f"the name of a variable or of a scope, 'scope/', but is {target!r}")
    found = _variable_named(target) if stored != "/" else None
    if found is not None and not stored.endswith("/"):
        return [(_checked(reader, path, stored, f"{stored!r}: {target!r}", pairs=[(stored, target)]), found)]
    return _scope_pairs(reader, path, stored, target)


def _parts(target):
    """The variables of `target` as a list, None where it is none."""
    items = [target] if hasattr(target, "initializer") else target
    if isinstance(items, str) or not hasattr(items, "__iter__"):
        return None
    items = list(items)
    return items if items and all(hasattr(item, "initializer") for item in items) else None


def _variable_named(name):
    variables = store_of(get_default_graph()).variables
    if name in variables:
        return [variables[name]]
    parts, k = [], 0
    while f"{name}{_PART}{k}" in variables:
        parts.append(variables[f"{name}{_PART}{k}"])
        k += 1
    return parts or None


def _scope_pairs(reader, path, stored, target):
    if not (stored.endswith("/") and target.endswith("/")):
        if stored in reader:
            raise ValueError(f"assignment_map: {stored!r} is in the checkpoint, but tf.get_variable has made no "
                             f"variable {target!r}{mismatch.near(target, _names_in_graph())}")
        raise ValueError(f"Assignment map with scope only name {target} should map to scope only {stored}. Should be "
                         f"'scope/': 'other_scope/': {stored!r} is not in the checkpoint"
                         f"{mismatch.near(stored, reader.names())}")
    scope, prefix = target.rstrip("/"), "" if stored == "/" else stored
    inner = {name: name[len(scope) + 1:] if scope else name for name in _names_in_graph()
             if not scope or name.startswith(scope + "/")}
    pairs = [(prefix + rest, name) for name, rest in inner.items()]
    return [(_checked(reader, path, full, f"{stored!r}: {target!r}", f" ({inner[name]} in {stored})", pairs),
             _variable_named(name)) for full, name in pairs]


def _names_in_graph():
    """The names of the variables of get_variable, of partitioned ones the whole's, sorted."""
    return sorted({name.partition(_PART)[0] for name in store_of(get_default_graph()).variables})


def _checked(reader, path, name, item, where="", pairs=()):
    if name in reader:
        return name
    near = mismatch.near(name, reader.names())
    raise ValueError(f"Tensor {name}{where} is not found in {path} checkpoint{near}\n  for       assignment_map item "
                     f"{{{item}}}\n  try       tf.train.list_variables({path!r}), which tells what it holds"
                     + _paste_ready(reader, path, pairs))


def _paste_ready(reader, path, pairs):
    """The call with what the checkpoint has of `pairs`, (name there, name in the graph), or with what comes near."""
    found, names = {}, reader.names()
    for name, target in pairs:
        shape = _whole_shape(_variable_named(target))
        near = [name] if name in reader else mismatch.near_names(name, names)
        fitting = [n for n in near if shape.is_compatible_with(reader.shape(n)) and n not in found]
        if fitting:
            found[fitting[0]] = target
    return f"\n  or paste  tf.train.init_from_checkpoint({path!r}, {found!r})" if found else ""


def _whole_shape(parts):
    info = getattr(parts[0], "_save_slice_info", None)
    return parts[0].get_shape() if info is None else TensorShape(info.full_shape)


def _set_initializers(reader, path, name, parts):
    infos = [getattr(part, "_save_slice_info", None) for part in parts]
    if len(parts) == 1 and infos[0] is None or len(parts) == 1 and parts[0].get_shape() == reader.shape(name):
        specs, shape = [""], parts[0].get_shape()
    else:
        _check_parts(parts, infos)
        specs, shape = [info.spec for info in infos], TensorShape(infos[0].full_shape)
    stored, dtype = reader.shape(name), reader.dtype(name)
    if not shape.is_compatible_with(stored):
        raise ValueError(f"Shape of variable {parts[0].name} ({shape}) doesn't match with shape of tensor {name} "
                         f"({list(stored)}) from checkpoint reader.")
    if parts[0].dtype.base_dtype != dtype:
        raise ValueError(f"Variable {parts[0].name} is {parts[0].dtype.base_dtype.name}, tensor {name} in {path} is "
                         f"{dtype.name}")
    for part, spec in zip(parts, specs):
        _set_initializer(part, path, name, spec)


def _check_parts(parts, infos):
    whole = {info.full_name for info in infos if info is not None}
    if None in infos or len(whole) > 1:
        raise ValueError("Slices must all be from the same tensor: "
                         + " != ".join(sorted(part.op.name if info is None else info.full_name
                                              for part, info in zip(parts, infos))))


def _set_initializer(variable, path, name, spec):
    with device(variable.device), device("/cpu:0"):
        value = save_ops.restore_v2(path, [name], [spec], dtypes=[variable.dtype.base_dtype],
                                    name="checkpoint_initializer")[0]
    value.set_shape(variable.get_shape())
    set_first_value(variable, value)


def set_first_value(variable, value):
    """Makes `value`, a tensor, what the variable's initializer gives."""
    variable._initializer = state.assign(variable._ref(), value).op
    variable._initial_value = variable._safe_initial_value = value
