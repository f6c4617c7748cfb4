"""Attributes of a NodeDef as Python values: the way back from graph_def.py's `set_attr`."""
import functools
import logging

from thalweg.framework import errors
from thalweg.framework.declaration import REGISTRY
from thalweg.framework.dtypes import as_dtype

from ..tensor_proto import make_ndarray
from .graph_def import attribute_types

logger = logging.getLogger("thalweg.io")

_FIELDS = {"string": "s", "int": "i", "float": "f", "bool": "b", "type": "type", "shape": "shape", "tensor": "tensor",
           "func": "func"}
_KINDS = {field: kind for kind, field in _FIELDS.items()}
MOST_DIMENSIONS = 254                       # TensorFlow's limit

# Attributes that later versions added to ops which thalweg declares, where the default is no zero.
_NEWER = {"exponential_avg_factor": 1.0, "expand_animations": True, "shape_type": 3, "Tk": 3, "index_type": 3,
          "Tcond": 10, "Tshape": 3}
# Those that change speed only, and those that the import itself uses.
_WITHOUT_EFFECT = {"parallel_iterations", "metadata", "output_shapes", "debug_name", "allowed_devices", "grad_a",
                   "grad_b", "grad_x", "grad_y"}


@functools.cache
def kinds_of(op_type):
    """{attribute name: TensorFlow's name of its type} of a declared op."""
    return attribute_types(REGISTRY[op_type])


@functools.cache
def _known_attributes(op_type):
    """[(name, kind, Attribute or None)] of a declared op."""
    attributes = REGISTRY[op_type].attributes
    return [(name, kind, attributes.get(name)) for name, kind in kinds_of(op_type).items()]


def invalid(name, problem):
    """The InvalidArgumentError (a ValueError, as TensorFlow's) about node `name`."""
    return errors.InvalidArgumentError(None, None, f"Node '{name}': {problem}")


def attributes_of(node, op_type, defaults=None):
    """The attribute values of a NodeDef for an op of type `op_type`, annotations included.

    Parameters
    ----------
    defaults : dict or None     {attribute: AttrValue}, what the writer of the file says are its defaults

    Functions are left as NameAttrList messages. Types that the node does not say are left out: its inputs decide.
    """
    given = node.attr
    attrs = {}
    for name, kind, attribute in _known_attributes(op_type):
        if name in given:
            attrs[name] = value_of(given[name], kind, node.name, name)
        elif attribute is not None:
            if attribute.is_required or attribute.default is None and kind != "shape":
                if not attribute.is_required:
                    attrs[name] = None
                elif kind != "type" or name not in REGISTRY[op_type]._bound_letters:
                    raise errors.InvalidArgumentError(
                        None, None, f"NodeDef missing attr '{name}' from Op<name={op_type}>; NodeDef: "
                                    f"{{{{node {node.name}}}}}")
            else:
                attrs[name] = attribute.default
    if op_type == "Const":
        _check_constant(node, attrs)
    for name in given:
        if name not in attrs and name not in kinds_of(op_type):
            if name[:1] == "_":
                attrs[name] = annotation_of(given[name], node.name, name)
            else:
                _check_unknown(node, op_type, name, given[name], defaults)
    return attrs


def _check_constant(node, attrs):
    if node.attr["value"].tensor.dtype != attrs["dtype"].as_datatype_enum:
        raise invalid(node.name, f"its value is of type {node.attr['value'].tensor.dtype}, its attr 'dtype' says "
                                 f"{attrs['dtype'].name}")


# --- one value --------------------------------------------------------------------------------------

def value_of(message, kind, node_name, name):
    """The value of an AttrValue that must be of `kind`: "int", "list(type)", ..."""
    field = message.WhichOneof("value")
    if kind[:5] == "list(":
        if field is None:                              # an empty list of older writers
            return []
        if field != "list":
            raise _wrong_kind(message, kind, node_name, name)
        return _list_of(message.list, kind[5:-1], node_name, name)
    if field != _FIELDS[kind]:
        if field is None and kind == "string":
            return ""
        raise _wrong_kind(message, kind, node_name, name)
    return _SINGLE[kind](getattr(message, field), node_name, name)


def _wrong_kind(message, kind, node_name, name):
    found = message.WhichOneof("value")
    return invalid(node_name, f"AttrValue had value with type '{_KINDS.get(found, found or 'nothing')}' when '{kind}' "
                              f"expected for attr '{name}'")


def _list_of(message, kind, node_name, name):
    values = getattr(message, _FIELDS[kind])
    surplus = [f.name for f, _ in message.ListFields() if f.name != _FIELDS[kind]]
    if surplus:
        raise invalid(node_name, f"AttrValue had a list of '{_KINDS.get(surplus[0])}' when 'list({kind})' expected "
                                 f"for attr '{name}'")
    convert = _SINGLE[kind]
    return [convert(value, node_name, name) for value in values]


def _text(value, node_name, name):
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise invalid(node_name, f"attr '{name}' is {value[:40]!r}, which is no UTF-8 text") from None


def _type(value, node_name, name):
    try:
        return as_dtype(value)
    except TypeError:
        raise invalid(node_name, f"AttrValue has invalid DataType {value} for attr '{name}'") from None


def dtype_of(number, node_name, name):
    """The DType of a number in a file."""
    return _type(number, node_name, name)


def _value_type(value, node_name, name):
    found = _type(value, node_name, name)
    if found.is_ref_dtype:                             # an op's signature says which of its tensors are references
        raise invalid(node_name, f"AttrValue must not have reference type value of {found.name} for attr '{name}'")
    return found


def _shape(message, node_name, name):
    if message.unknown_rank:
        return None
    sizes = [d.size for d in message.dim]
    if len(sizes) > MOST_DIMENSIONS or min(sizes, default=0) < -1:
        raise invalid(node_name, f"attr '{name}': {str(sizes)[:200]} is no shape; a dimension is a size, or -1 where "
                                 f"it is unknown, and there are at most {MOST_DIMENSIONS}")
    return tuple([None if size == -1 else size for size in sizes])


def _tensor(message, node_name, name):
    return make_ndarray(message, f"attr '{name}' of node '{node_name}'")


def _plain(value, node_name, name):
    return value


_SINGLE = {"string": _text, "int": _plain, "float": _plain, "bool": _plain, "type": _value_type, "shape": _shape,
           "tensor": _tensor, "func": _plain}


# --- annotations ------------------------------------------------------------------------------------

_MEANT = {"_class": "list(string)", "_output_shapes": "list(shape)", "_gradient_op_type": "string", "_n_asked": "int",
          "_back_prop": "bool", "_resource": "bool", "_internal": "bool", "_captured_variable": "string"}


def annotation_of(message, node_name, name):
    """The value of an attribute that no op declares (`_class`, `_output_shapes`): what its field says.

    What has no Python form stays an AttrValue, which `set_attr` writes as it is.

    Raises
    ------
    InvalidArgumentError        for one that thalweg uses, and that is of another kind
    """
    if name in _MEANT:
        return value_of(message, _MEANT[name], node_name, name)
    field = message.WhichOneof("value")
    if field == "list":
        for item, _ in message.list.ListFields():
            if item.name not in _KINDS or item.name in ("func", "tensor"):
                break
            return _list_of(message.list, _KINDS[item.name], node_name, name)
        else:
            return []
    elif field in _KINDS and field not in ("func", "tensor"):
        return value_of(message, _KINDS[field], node_name, name)
    kept = type(message)()
    kept.CopyFrom(message)
    return kept


# --- attributes of other versions -------------------------------------------------------------------

def _check_unknown(node, op_type, name, message, defaults):
    """An attribute that thalweg's op lacks must be at its default; says so in the log."""
    if name in _WITHOUT_EFFECT:
        return
    if defaults is not None and name in defaults:
        is_default, default = message == defaults[name], defaults[name]
    elif name in _NEWER:
        is_default, default = getattr(message, message.WhichOneof("value") or "s") == _NEWER[name], _NEWER[name]
    else:
        is_default, default = _is_zero(message), "zero, empty or false"
    if not is_default:
        raise invalid(node.name, f"NodeDef mentions attr '{name}' = {_shown(message)} that thalweg's {op_type} does "
                                 f"not have, and it is not at its default ({_shown(default)}): the op would give "
                                 "other values than where the graph was written")
    logger.warning("Node '%s': attr '%s' is not known for %s; it is at its default and ignored", node.name, name,
                   op_type)


def _is_zero(message):
    field = message.WhichOneof("value")
    if field == "list":
        return not message.list.ListFields()
    return field is None or field in "sifb" and not getattr(message, field)


def _shown(value):
    return " ".join(str(value).split())[:80] or "empty"
