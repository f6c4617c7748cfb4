"""Nodes about resource variables as the ops of thalweg's one kind of variable.

TensorFlow has a second kind of variable beside `VariableV2`: a handle (`VarHandleOp`) and ops that take the handle.
thalweg's variables behave as both do (docs/decisions), so the handle becomes the buffer, a read of it an Identity, and
an update by the handle the update of the buffer. Node names, and with them checkpoints, stay what they were.
"""
from thalweg.framework import shapes

from .node_attributes import attributes_of, invalid, kinds_of, value_of
from .op_adapters import adapts

_RESOURCE = 20
_SCATTER = ("Add", "Sub", "Mul", "Div", "Min", "Max", "Update")
_APPLY = ("AdaMax", "Adadelta", "Adagrad", "AdagradDA", "AdagradV2", "Adam", "AddSign", "CenteredRMSProp", "Ftrl",
          "FtrlV2", "GradientDescent", "Momentum", "PowerSign", "ProximalAdagrad", "ProximalGradientDescent",
          "RMSProp")
_SPARSE = ("Adadelta", "Adagrad", "AdagradDA", "AdagradV2", "CenteredRMSProp", "Ftrl", "FtrlV2", "Momentum",
           "ProximalAdagrad", "ProximalGradientDescent", "RMSProp")

_SAME_INPUTS = {                             # op on a handle -> op on a buffer that takes the same inputs
    "ReadVariableOp": "Identity", "VarIsInitializedOp": "IsVariableInitialized", "AssignAddVariableOp": "AssignAdd",
    "AssignSubVariableOp": "AssignSub", "ResourceGatherNd": "GatherNd", "VariableShape": "Shape",
    "ResourceCountUpTo": "CountUpTo",
    **{f"ResourceScatter{word}": f"Scatter{word}" for word in _SCATTER},
    **{f"ResourceScatterNd{word}": f"ScatterNd{word}" for word in ("Add", "Sub", "Update")},
    **{f"ResourceApply{word}": f"Apply{word}" for word in _APPLY},
    **{f"ResourceSparseApply{word}": f"SparseApply{word}" for word in _SPARSE}}


def _kept(node, op_type):
    """The attributes of `node` that the op `op_type` has too; annotations included, types left to the inputs."""
    kinds = kinds_of(op_type)
    found = {}
    for name, message in node.attr.items():
        if name[:1] == "_" or name in kinds and kinds[name] != "type":
            found[name] = message
    return found


class _View:
    """A NodeDef as a node of another op: some of its attributes."""

    __slots__ = ("name", "op", "device", "attr")

    def __init__(self, node, op_type, attr):
        self.name, self.op, self.device, self.attr = node.name, op_type, node.device, attr


def add_as(importer, node, op_type, tensors, controls, **attrs):
    """Adds `node` as an op of type `op_type`, with what it says of that op's attributes, and `attrs`."""
    view = _View(node, op_type, _kept(node, op_type))
    for letter in ("out_type", "dtype"):                 # types that no input decides
        if kinds_of(op_type).get(letter) == "type" and letter in node.attr:
            view.attr[letter] = node.attr[letter]
    found = attributes_of(view, op_type)
    found.update(attrs)
    return importer.add_operation(view, op_type, tensors, controls, found)


@adapts("VarHandleOp")
def add_handle(importer, node, tensors, controls):
    """A handle: the buffer itself."""
    view = _View(node, node.op, {k: v for k, v in node.attr.items() if k != "_output_shapes"})    # of the handle
    op = add_as(importer, view, "VariableV2", tensors, controls, _resource=True)
    return op, op.outputs


@adapts(*_SAME_INPUTS)
def add_with_buffer(importer, node, tensors, controls):
    """A read or an update by a handle."""
    _check_handle(node, tensors)
    op = add_as(importer, node, _SAME_INPUTS[node.op], tensors, controls)
    return op, op.outputs


@adapts("AssignVariableOp")
def add_assign(importer, node, tensors, controls):
    """An assignment, which compares shapes where the variable has one."""
    _check_handle(node, tensors)
    op = add_as(importer, node, "Assign", tensors, controls, validate_shape=shapes.is_known(tensors[0]._shape),
                use_locking=True)
    return op, op.outputs


@adapts("ResourceGather")
def add_gather(importer, node, tensors, controls):
    """Rows of a variable."""
    _check_handle(node, tensors)
    batch_dims = value_of(node.attr["batch_dims"], "int", node.name, "batch_dims") if "batch_dims" in node.attr else 0
    if batch_dims:
        raise invalid(node.name, f"ResourceGather with batch_dims = {batch_dims}; from variables thalweg "
                                 "gathers with 0")
    op = add_as(importer, node, "Gather", tensors, controls)
    return op, op.outputs


def _check_handle(node, tensors):
    if not tensors or not tensors[0].dtype.is_ref_dtype:
        got = tensors[0].name + ", a value" if tensors else "nothing"
        raise invalid(node.name, f"{node.op} takes the handle of a variable, not {got}")
    for name in ("dtype", "T"):
        if name in node.attr:
            said = value_of(node.attr[name], "type", node.name, name)
            if said.base_dtype is not tensors[0].dtype.base_dtype:
                raise invalid(node.name, f"attr '{name}' is {said.name}, the variable {tensors[0].op.name} is "
                                         f"{tensors[0].dtype.base_dtype.name}")


@adapts("Identity")
def add_identity(importer, node, tensors, controls):
    """An Identity; of a handle, as functions pass them on, the buffer itself."""
    if "T" in node.attr and node.attr["T"].type == _RESOURCE and len(tensors) == 1 and tensors[0].dtype.is_ref_dtype:
        op = importer.add_operation(_View(node, "NoOp", {}), "NoOp", [], [*controls, tensors[0].op], {})
        return op, tensors
    op = importer.add_operation(node, "Identity", tensors, controls)
    return op, op.outputs
