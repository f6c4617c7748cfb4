"""TensorInfo: how a signature names a tensor, with its dtype and shape."""
from thalweg.framework import shapes
from thalweg.framework.graph import get_default_graph


def build_tensor_info(tensor):
    """The TensorInfo of a tensor or a variable.

    Raises
    ------
    TypeError       for anything else
    """
    from ..protos import TensorInfo
    if not hasattr(tensor, "get_shape") or not hasattr(tensor, "dtype"):
        raise TypeError(f"build_tensor_info takes a Tensor, not {type(tensor).__name__}")
    return TensorInfo(name=tensor.name, dtype=tensor.dtype.base_dtype.as_datatype_enum,
                      tensor_shape=shapes.TensorShape(tensor.get_shape()).as_proto())


def get_tensor_from_tensor_info(tensor_info, graph=None, import_scope=None):
    """The tensor of `graph` (by default the default graph) that a TensorInfo names.

    Parameters
    ----------
    import_scope : str      the scope under which the graph was imported

    Raises
    ------
    KeyError                if the graph has no such tensor
    ValueError              for an encoding that is no name
    """
    graph = get_default_graph() if graph is None else graph
    if tensor_info.WhichOneof("encoding") != "name":
        raise ValueError(f"Invalid TensorInfo.encoding: {tensor_info.WhichOneof('encoding')}; thalweg has dense "
                         "tensors only, which have names")
    name = f"{import_scope}/{tensor_info.name}" if import_scope else tensor_info.name
    return graph.get_tensor_by_name(name)
