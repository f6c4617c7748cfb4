"""Graphs, nodes and op declarations as TensorFlow's messages: GraphDef, NodeDef, OpDef."""
import numpy as np

from thalweg.framework import errors, shapes
from thalweg.framework.dtypes import DType, as_dtype
from thalweg.framework.func_graph import FuncGraph

from ..tensor_proto import tensor_proto

GRAPH_VERSION = 134                        # of TensorFlow 1.15's; readers refuse graphs newer than themselves


# --- nodes ------------------------------------------------------------------------------------------

def node_def(op):
    """The NodeDef of an operation."""
    return _node_def(op, [t._as_node_def_input() for t in op.inputs])


def _node_def(op, inputs):
    from ..protos import NodeDef
    message = NodeDef(name=op.name, op=op.type, device=op.device)
    message.input.extend(inputs)
    message.input.extend(sorted(f"^{control.name}" for control in op.control_inputs))
    kinds = attribute_types(op.declaration)
    if op.type == "If":
        message.attr["Tcond"].type = 10                                  # bool
    for name, value in op.attrs.items():
        if value is not None or kinds.get(name) == "shape":
            set_attr(message.attr[name], value, kinds.get(name), f"attribute {name!r} of {op.name}")
    return message


def attribute_types(declaration):
    """{attribute name: TensorFlow's name of its type} of an op, those that its inputs decide included."""
    kinds = {attribute.name: attribute.type for attribute in declaration.attributes.values()}
    for argument in (*declaration.inputs, *declaration.outputs):
        if argument.count:
            kinds[argument.count] = "int"
        if argument.letter:
            kinds.setdefault(argument.letter, "list(type)" if argument.is_typed_list else "type")
    return kinds


def _bytes_of(text):
    return text if isinstance(text, bytes) else str(text).encode()


def _set_shape(message, value):
    message.CopyFrom(shapes.TensorShape(value).as_proto())


_SCALARS = {"int": ("i", int), "float": ("f", float), "bool": ("b", bool), "string": ("s", _bytes_of),
            "type": ("type", lambda v: as_dtype(v).base_dtype.as_datatype_enum)}


def set_attr(message, value, kind, owner):
    """Fills an AttrValue.

    Parameters
    ----------
    kind : str or None     "int", "list(type)", ...; None, for annotations such as `_class`: what `value` looks like
    """
    if isinstance(value, type(message)):                 # an annotation from a file, as it was
        message.CopyFrom(value)
        return
    kind = kind or _kind_of(value, owner)
    if kind.startswith("list("):
        _set_list(message.list, value, kind[5:-1])
    elif kind == "shape":
        _set_shape(message.shape, value)
    elif kind == "tensor":
        message.tensor.CopyFrom(tensor_proto(value))
    elif kind == "func":
        message.func.name = function_name(value, owner)
    else:
        field, convert = _SCALARS[kind]
        setattr(message, field, convert(value))


def _set_list(message, values, kind):
    message.SetInParent()                                # an empty list is a list
    if kind == "shape":
        for value in values:
            _set_shape(message.shape.add(), value)
        return
    field, convert = _SCALARS[kind]
    getattr(message, field).extend(convert(v) for v in values)


def _kind_of(value, owner):
    if isinstance(value, (list, tuple)):
        return f"list({_kind_of(value[0], owner) if len(value) else 'string'})"
    for kind, types in (("bool", (bool, np.bool_)), ("int", (int, np.integer)), ("float", (float, np.floating)),
                        ("string", (str, bytes)), ("type", DType), ("shape", shapes.TensorShape),
                        ("tensor", np.ndarray), ("func", FuncGraph)):
        if isinstance(value, types):
            return kind
    raise errors.InvalidArgumentError(None, None, f"{owner} cannot be written to a file: it is a "
                                                  f"{type(value).__name__}")


# --- declarations -----------------------------------------------------------------------------------

def op_def(declaration):
    """The OpDef of an op declaration, without documentation."""
    from ..protos import OpDef
    message = OpDef(name=declaration.name, is_stateful=declaration.is_stateful)
    for arguments, target in ((declaration.inputs, message.input_arg), (declaration.outputs, message.output_arg)):
        for argument in arguments:
            _fill_argument(target.add(), argument)
    for name, kind in attribute_types(declaration).items():
        _fill_attribute(message.attr.add(), name, kind, declaration)
    return message


def _fill_argument(message, argument):
    message.name, message.is_ref = argument.name, argument.is_ref
    if argument.is_typed_list:
        message.type_list_attr = argument.letter
    else:
        message.number_attr = argument.count or ""
        if argument.letter:
            message.type_attr = argument.letter
        else:
            message.type = argument.dtype.as_datatype_enum


def _fill_attribute(message, name, kind, declaration):
    message.name, message.type = name, kind
    if any(argument.count == name for argument in (*declaration.inputs, *declaration.outputs)):
        message.has_minimum, message.minimum = True, 1
    allowed = declaration.letters.get(name)
    if allowed:
        _set_list(message.allowed_values.list, allowed, "type")
    attribute = declaration.attributes.get(name)
    if attribute is not None and has_default(attribute):
        set_attr(message.default_value, attribute.default, kind, f"the default of {declaration.name}.{name}")


def has_default(attribute):
    """Whether a NodeDef may leave the attribute out."""
    return not attribute.is_required and (attribute.default is not None or attribute.type == "shape")


# --- graphs -----------------------------------------------------------------------------------------

def graph_def(graph, from_version=None, add_shapes=False):
    """The GraphDef of a graph.

    Parameters
    ----------
    from_version : int      only nodes added after the graph had that `version`; None: all
    add_shapes : bool       adds `_output_shapes`, the static shapes, to each node
    """
    from ..protos import GraphDef
    message = GraphDef()
    message.versions.producer = GRAPH_VERSION
    with graph._lock:
        operations = [op for op in graph.get_operations() if from_version is None or op._id > from_version]
        for op in operations:
            node = node_def(op)
            if add_shapes and op.outputs:
                _set_list(node.attr["_output_shapes"].list, _shown_shapes(op), "shape")
            message.node.append(node)
        for function in functions_of(operations):
            message.library.function.append(_function_def(function))
    return message


def _shown_shapes(op):
    """The static shapes of the outputs; free where TensorFlow gives an output that nobody uses another size."""
    found = [t._shape for t in op.outputs]
    if op.type in ("FusedBatchNormGrad", "FusedBatchNormGradV2"):
        found[3:] = [(None,), (None,)]
    return found


def functions_of(operations):
    """The function graphs that `operations` use, and those that these use, each once, outer ones first."""
    found: dict = {}
    waiting = list(operations)
    while waiting:
        op = waiting.pop(0)
        for value in op.attrs.values():
            if isinstance(value, FuncGraph) and value not in found:
                found[value] = True
                waiting += value.get_operations()
    return list(found)


def function_name(function, owner="a function"):
    """The name of a function graph in a library: its own, and a number that tells equal names apart."""
    if not isinstance(function, FuncGraph):
        raise errors.InvalidArgumentError(None, None, f"{owner} cannot be written to a file: it is a "
                                                      f"{type(function).__name__}")
    numbers = function._extra.setdefault("function_numbers", {})
    number = numbers.setdefault(function, len(numbers))
    return f"{function.name}_{number}"


def _function_def(function):
    """The FunctionDef of a function graph; inside, an input is named by argument or by node, output and index."""
    from ..protos import FunctionDef
    message = FunctionDef()
    message.signature.name = function_name(function)
    inputs = function.inputs
    for tensor in inputs:
        argument = message.signature.input_arg.add(name=tensor.op.name)
        argument.type, argument.is_ref = tensor.dtype.base_dtype.as_datatype_enum, tensor.dtype.is_ref_dtype
    inner_names = {tensor: tensor.op.name for tensor in inputs}
    skipped = {tensor.op for tensor in inputs}
    for op in function.get_operations():
        inner_names.update(zip(op.outputs, _output_names(op))) if op not in skipped else None
    for op in function.get_operations():
        if op not in skipped:
            node = _node_def(op, [inner_names[t] for t in op.inputs])
            if op.type == "While":                           # control_flow/lowering.py stacks rows of these shapes
                _set_list(node.attr["_output_shapes"].list, _shown_shapes(op), "shape")
            message.node_def.append(node)
    _note_shapes(message, function)
    for i, tensor in enumerate(function.outputs):
        message.signature.output_arg.add(name=f"output_{i}", type=tensor.dtype.base_dtype.as_datatype_enum)
        message.ret[f"output_{i}"] = inner_names[tensor]
    return message


def _note_shapes(message, function):
    """What a reader needs beyond the nodes: shapes of parameters, and what is special of a loop's body."""
    for k, parameter in enumerate(function.parameters):
        _set_list(message.arg_attr[k].attr["_output_shapes"].list, [parameter._shape], "shape")
    for name, tensors, marked in (("_uniform_outputs", function.outputs, function.uniform_outputs),
                                  ("_dense_inputs", function.inputs, function.dense_captures)):
        if marked:
            _set_list(message.attr[name].list, [k for k, tensor in enumerate(tensors) if tensor in marked], "int")


def _output_names(op):
    """`node:argument:index` of each output, as FunctionDefs name them."""
    names = []
    for argument in op.declaration.outputs:
        count = 1
        if argument.is_list:
            count = op.attrs[argument.count] if argument.count else len(op.attrs[argument.letter])
        names += [f"{op.name}:{argument.name}:{i}" for i in range(count)]
    return names


# --- variables --------------------------------------------------------------------------------------

def variable_def(variable, export_scope=None):
    """The VariableDef of a variable; None when it lies outside of `export_scope`, whose name is left out."""
    from ..protos import VariableDef
    if export_scope and not variable.name.startswith(export_scope):
        return None
    message = VariableDef(variable_name=_inside(variable.name, export_scope), trainable=variable.trainable,
                          initializer_name=_inside(variable.initializer.name, export_scope),
                          snapshot_name=_inside(variable.value().name, export_scope),
                          synchronization=variable.synchronization, aggregation=variable.aggregation)
    if variable.initial_value is not None:
        message.initial_value_name = _inside(variable.initial_value.name, export_scope)
    if variable._save_slice_info is not None:
        message.save_slice_info_def.CopyFrom(variable._save_slice_info.to_proto(export_scope))
    return message


def save_slice_info_def(info, export_scope=None):
    """The SaveSliceInfoDef of a part of a partitioned variable; None when it lies outside of `export_scope`."""
    from ..protos import SaveSliceInfoDef
    if export_scope and not info.full_name.startswith(export_scope):
        return None
    return SaveSliceInfoDef(full_name=_inside(info.full_name, export_scope), full_shape=info.full_shape,
                            var_offset=info.var_offset, var_shape=info.var_shape)


def _inside(name, scope):
    return name.removeprefix(scope).removeprefix("/") if scope else name
