"""The public names that thalweg-core brings: `"nn.conv2d"` stands for `tf.nn.conv2d`. The form: `_surface/tables.py`.

Sorted by room. One TensorFlow 1.x name is enough where an object has several (`add`, not also `math.add`): its other
names follow from `_surface/tf1_aliases.txt`. `tools/stubs` after a change.
"""

_GRAPH = "thalweg.framework.graph:"
_DTYPES = "thalweg.framework.dtypes:"
_SHAPES = "thalweg.framework.shapes:"
_ERRORS = "thalweg.framework.errors:"

NAMES = {
    # --- framework: the graph -----------------------------------------------------------------------
    **{name: _GRAPH + name for name in (
        "Graph", "Operation", "Tensor", "add_to_collection", "add_to_collections", "colocate_with", "container",
        "control_dependencies", "device", "get_collection", "get_collection_ref", "get_default_graph", "name_scope",
        "op_scope", "reset_default_graph", "set_random_seed")},
    "DeviceSpec": "thalweg.framework.device_spec:DeviceSpec",
    "GraphKeys": "thalweg.framework.collections:GraphKeys",
    "convert_to_tensor": "thalweg.framework.conversion:convert_to_tensor",
    "register_tensor_conversion_function": "thalweg.framework.conversion:register_tensor_conversion_function",

    # --- framework: dtypes and shapes ---------------------------------------------------------------
    **{name: _DTYPES + name for name in (
        "DType", "as_dtype", "bfloat16", "complex128", "complex64", "double", "float16", "float32", "float64", "half",
        "int16", "int32", "int64", "int8", "qint16", "qint32", "qint8", "quint16", "quint8", "resource", "string",
        "uint16", "uint32", "uint64", "uint8", "variant")},
    "bool": _DTYPES + "bool_",
    "Dimension": _SHAPES + "Dimension",
    "TensorShape": _SHAPES + "TensorShape",
    "newaxis": "numpy:newaxis",

    # --- framework: errors --------------------------------------------------------------------------
    **{"errors." + name: _ERRORS + name for name in (
        "ABORTED", "ALREADY_EXISTS", "AbortedError", "AlreadyExistsError", "CANCELLED", "CancelledError", "DATA_LOSS",
        "DEADLINE_EXCEEDED", "DataLossError", "DeadlineExceededError", "FAILED_PRECONDITION",
        "FailedPreconditionError", "INTERNAL", "INVALID_ARGUMENT", "InternalError", "InvalidArgumentError",
        "NOT_FOUND", "NotFoundError", "OK", "OUT_OF_RANGE", "OpError", "OutOfRangeError", "PERMISSION_DENIED",
        "PermissionDeniedError", "RESOURCE_EXHAUSTED", "ResourceExhaustedError", "ShapeError", "DTypeError",
        "ThalwegError", "UNAUTHENTICATED", "UNAVAILABLE", "UNIMPLEMENTED", "UNKNOWN", "UnauthenticatedError",
        "UnavailableError", "UnimplementedError", "UnknownError", "error_code_from_exception_type",
        "exception_type_from_error_code")},
    "OpError": _ERRORS + "OpError",

    # --- the whole, under another name --------------------------------------------------------------
    "compat.v1": "tf",
}
