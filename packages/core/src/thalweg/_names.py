"""The public names that thalweg-core brings: `"nn.conv2d"` stands for `tf.nn.conv2d`. The form: `_surface/tables.py`.

Ops that programs call as they are declared are not here: their declarations say `public="nn.relu"`. Sorted by room.
One TensorFlow 1.x name is enough where an object has several (`add`, not also `math.add`): its other names follow from
`_surface/tf1_aliases.txt`. `tools/stubs` after a change.
"""

_GRAPH = "thalweg.framework.graph:"
_DTYPES = "thalweg.framework.dtypes:"
_SHAPES = "thalweg.framework.shapes:"
_ERRORS = "thalweg.framework.errors:"
_OPS = "thalweg.ops."
_INITIALIZERS = "thalweg.variables.initializers:"

NAMES = {
    # --- framework: the graph -----------------------------------------------------------------------
    **{name: _GRAPH + name for name in (
        "Graph", "Operation", "Tensor", "add_to_collection", "add_to_collections", "colocate_with", "container",
        "control_dependencies", "device", "get_collection", "get_collection_ref", "get_default_graph", "name_scope",
        "op_scope", "reset_default_graph", "set_random_seed")},
    "VERSION": "thalweg._version:__version__",
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

    # --- ops: values --------------------------------------------------------------------------------
    **{name: _OPS + "constant:" + name for name in ("constant", "ones", "ones_like", "zeros", "zeros_like")},
    **{name: _OPS + "placeholder:" + name for name in ("placeholder", "placeholder_with_default")},
    "range": _OPS + "sequence:range",
    **{name: _OPS + "cast:" + name for name in (
        "cast", "saturate_cast", "to_bfloat16", "to_complex128", "to_complex64", "to_double", "to_float", "to_int32",
        "to_int64")},

    # --- ops: images --------------------------------------------------------------------------------
    **{"image." + name: _OPS + "image:" + name for name in (
        "adjust_brightness", "adjust_contrast", "central_crop", "convert_image_dtype", "crop_to_bounding_box",
        "flip_left_right", "flip_up_down", "pad_to_bounding_box", "per_image_standardization", "random_brightness",
        "random_contrast", "random_flip_left_right", "random_flip_up_down", "resize_image_with_crop_or_pad")},
    **{"image." + name: _OPS + "resize:" + name for name in (
        "ResizeMethod", "resize_bilinear", "resize_images", "resize_nearest_neighbor")},

    # --- ops: shape ---------------------------------------------------------------------------------
    **{name: _OPS + "array:" + name for name in (
        "concat", "ensure_shape", "expand_dims", "matrix_transpose", "rank", "shape", "shape_n", "size", "split",
        "squeeze", "stack", "transpose", "unstack")},
    **{name: _OPS + "broadcast:" + name for name in ("broadcast_dynamic_shape", "broadcast_static_shape")},
    "pad": _OPS + "padding:pad",
    **{name: _OPS + "slicing:" + name for name in ("slice", "strided_slice")},
    **{name: _OPS + "indexing:" + name for name in ("boolean_mask", "gather", "gather_nd", "one_hot")},
    **{name: _OPS + "select:" + name for name in ("where", "where_v2")},

    # --- ops: arithmetic ----------------------------------------------------------------------------
    **{name: _OPS + "math:" + name for name in (
        "accumulate_n", "add_n", "div", "div_no_nan", "divide", "floordiv", "pow", "scalar_mul", "truediv")},
    **{name: _OPS + "unary:" + name for name in ("abs", "round")},
    **{name: _OPS + "complex:" + name for name in ("angle", "complex", "conj", "imag", "real")},
    "logical_xor": _OPS + "comparison:logical_xor",
    **{name: _OPS + "cumulative:" + name for name in ("cumprod", "cumsum")},
    **{name: _OPS + "reduction:" + name for name in (
        "argmax", "argmin", "count_nonzero", "reduce_all", "reduce_any", "reduce_logsumexp", "reduce_max",
        "reduce_mean", "reduce_min", "reduce_prod", "reduce_sum")},
    "math.reduce_std": _OPS + "reduction:reduce_std",
    "math.reduce_variance": _OPS + "reduction:reduce_variance",
    **{name: _OPS + "segment:" + name for name in ("unsorted_segment_mean", "unsorted_segment_sqrt_n")},
    "matmul": _OPS + "matmul:matmul",
    **{name: _OPS + "reversal:" + name for name in ("reverse", "reverse_sequence")},
    **{name: _OPS + "unique:" + name for name in ("setdiff1d", "unique", "unique_with_counts")},
    "dynamic_partition": _OPS + "partition:dynamic_partition",
    **{name: _OPS + "grid:" + name for name in ("meshgrid", "sequence_mask")},
    "bitcast": _OPS + "bitwise:bitcast",
    **{name: _OPS + "tensordot:" + name for name in ("einsum", "tensordot")},
    **{name: _OPS + "special:" + name for name in ("lbeta", "log_sigmoid")},
    "nn.zero_fraction": _OPS + "reduction:zero_fraction",
    "nn.embedding_lookup": _OPS + "embedding:embedding_lookup",
    "trace": _OPS + "diagonal:trace",

    # --- ops: Python, texts -------------------------------------------------------------------------
    **{name: _OPS + "script:" + name for name in ("numpy_function", "py_func")},
    "Print": _OPS + "printing:Print",
    "print": _OPS + "printing:print_v2",
    "string_join": _OPS + "strings:string_join",
    **{name: _OPS + "strings:" + name for name in ("as_string", "string_to_number")},
    "strings.length": _OPS + "strings:string_length",

    # --- ops: random numbers ------------------------------------------------------------------------
    **{name: _OPS + "random:" + name for name in (
        "multinomial", "random_crop", "random_normal", "random_shuffle", "random_uniform", "truncated_normal")},
    "random.categorical": _OPS + "random:categorical",
    **{"random." + name: _OPS + "stateless_random:" + name for name in (
        "stateless_categorical", "stateless_multinomial", "stateless_normal", "stateless_truncated_normal",
        "stateless_uniform")},
    **{name: _OPS + "random_gamma:" + name for name in ("random_gamma", "random_poisson")},
    "get_seed": "thalweg.framework.random_seed:get_seed",
    "nn.dropout": _OPS + "nn_random:dropout",

    # --- ops: linear algebra ------------------------------------------------------------------------
    **{name: _OPS + "diagonal:" + name for name in ("eye", "matrix_diag", "matrix_diag_part", "matrix_set_diag")},
    "qr": _OPS + "linalg:qr",

    # --- variables: initializers --------------------------------------------------------------------
    **{f"{name}_initializer": _INITIALIZERS + cls for name, cls in (
        ("constant", "Constant"), ("glorot_normal", "GlorotNormal"), ("glorot_uniform", "GlorotUniform"),
        ("ones", "Ones"), ("orthogonal", "Orthogonal"), ("random_normal", "RandomNormal"),
        ("random_uniform", "RandomUniform"), ("truncated_normal", "TruncatedNormal"),
        ("uniform_unit_scaling", "UniformUnitScaling"), ("variance_scaling", "VarianceScaling"), ("zeros", "Zeros"))},
    "initializers.identity": _INITIALIZERS + "Identity",
    **{f"{room}.{name}": _INITIALIZERS + name for room in ("initializers", "keras.initializers")
       for name in ("he_normal", "he_uniform", "lecun_normal", "lecun_uniform")},
    **{"keras.initializers." + name: _INITIALIZERS + name for name in (
        "Constant", "Identity", "Initializer", "Ones", "Orthogonal", "VarianceScaling", "Zeros")},
    **{"keras.initializers." + name: _INITIALIZERS + "Keras" + name for name in (
        "RandomNormal", "RandomUniform", "TruncatedNormal")},
    "keras.initializers.glorot_normal": _INITIALIZERS + "GlorotNormal",
    "keras.initializers.glorot_uniform": _INITIALIZERS + "GlorotUniform",
    "contrib.layers.variance_scaling_initializer": _INITIALIZERS + "contrib_variance_scaling",
    "contrib.layers.xavier_initializer": _INITIALIZERS + "xavier_initializer",

    # --- ops: state and order -----------------------------------------------------------------------
    **{name: _OPS + "state:" + name for name in (
        "assign", "assign_add", "assign_sub", "count_up_to", "is_variable_initialized", "scatter_add", "scatter_div",
        "scatter_max", "scatter_min", "scatter_mul", "scatter_nd_add", "scatter_nd_sub", "scatter_nd_update",
        "scatter_sub", "scatter_update")},
    **{name: _OPS + "flow:" + name for name in ("group", "no_op", "tuple")},

    # --- ops: control flow --------------------------------------------------------------------------
    "case": _OPS + "case:case",
    "cond": _OPS + "cond:cond",
    "contrib.framework.smart_cond": _OPS + "cond:smart_cond",
    "while_loop": _OPS + "while_loop:while_loop",
    "TensorArray": _OPS + "tensor_array:TensorArray",
    **{name: _OPS + "functional:" + name for name in ("foldl", "foldr", "map_fn", "scan")},
    **{"nest." + name: "thalweg.framework.nest:" + name for name in (
        "assert_same_structure", "flatten", "is_nested", "map_structure", "pack_sequence_as")},
    **{"contrib.framework.nest." + name: "thalweg.framework.nest:" + name for name in (
        "assert_same_structure", "assert_shallow_structure", "flatten", "flatten_dict_items", "flatten_up_to",
        "is_sequence", "map_structure", "map_structure_up_to", "pack_sequence_as")},
    "init_scope": "thalweg.framework.func_graph:init_scope",

    # --- gradients ----------------------------------------------------------------------------------
    **{name: "thalweg.autodiff:" + name for name in (
        "AggregationMethod", "NoGradient", "NotDifferentiable", "RegisterGradient", "UnconnectedGradients",
        "custom_gradient", "gradients", "hessians")},
    "IndexedSlices": "thalweg.framework.indexed_slices:IndexedSlices",
    "IndexedSlicesValue": "thalweg.framework.indexed_slices:IndexedSlicesValue",
    "SparseTensor": "thalweg.framework.sparse_tensor:SparseTensor",
    "SparseTensorValue": "thalweg.framework.sparse_tensor:SparseTensorValue",
    **{name: _OPS + "sparse:" + name for name in (
        "sparse_placeholder", "sparse_reorder", "sparse_tensor_to_dense", "sparse_to_dense")},
    "convert_to_tensor_or_indexed_slices":
        "thalweg.framework.indexed_slices:convert_to_tensor_or_indexed_slices",

    # --- variables ----------------------------------------------------------------------------------
    **{name: "thalweg.variables.variable:" + name for name in (
        "Variable", "VariableAggregation", "VariableSynchronization")},
    **{name: "thalweg.variables.scope:" + name for name in (
        "VariableScope", "get_local_variable", "get_variable", "get_variable_scope", "no_regularizer",
        "variable_op_scope", "variable_scope")},
    "AUTO_REUSE": "thalweg.variables.reuse:AUTO_REUSE",
    "variable_creator_scope": "thalweg.variables.creators:variable_creator_scope",
    **{name: "thalweg.variables.partitioned:" + name for name in (
        "PartitionedVariable", "fixed_size_partitioner", "min_max_variable_partitioner",
        "variable_axis_size_partitioner")},
    **{name: "thalweg.variables.initialization:" + name for name in (
        "all_variables", "assert_variables_initialized", "global_variables", "global_variables_initializer",
        "initialize_all_variables", "initialize_local_variables", "initialize_variables", "local_variables",
        "local_variables_initializer", "model_variables", "moving_average_variables",
        "report_uninitialized_variables", "trainable_variables", "variables_initializer")},

    # --- sessions -------------------------------------------------------------------------------------
    **{name: "thalweg.runtime.session:" + name for name in (
        "InteractiveSession", "Session", "get_default_session")},
    **{name: "thalweg.runtime.config:" + name for name in (
        "ConfigProto", "GPUOptions", "GraphOptions", "OptimizerOptions", "RunMetadata", "RunOptions")},
    "get_include": "thalweg.devices:get_include",
    "list_devices": "thalweg.devices:list_devices",

    # --- ops: nn ------------------------------------------------------------------------------------
    **{"nn." + name: _OPS + "activation:" + name for name in (
        "crelu", "leaky_relu", "relu6", "relu_layer", "swish", "xw_plus_b")},
    **{"nn." + name: _OPS + "conv:" + name for name in (
        "conv1d", "conv1d_transpose", "conv2d", "conv2d_backprop_filter", "conv2d_backprop_input",
        "conv2d_transpose", "conv3d", "conv3d_transpose")},
    **{"nn." + name: _OPS + "convolution:" + name for name in (
        "atrous_conv2d", "atrous_conv2d_transpose", "convolution")},
    **{"nn." + name: _OPS + "depthwise:" + name for name in (
        "depthwise_conv2d", "depthwise_conv2d_native", "depthwise_conv2d_native_backprop_filter",
        "depthwise_conv2d_native_backprop_input", "separable_conv2d")},
    **{name: _OPS + "space_to_batch:" + name for name in (
        "batch_to_space", "depth_to_space", "required_space_to_batch_paddings", "space_to_batch", "space_to_depth")},
    "nn.with_space_to_batch": _OPS + "space_to_batch:with_space_to_batch",
    **{"nn." + name: _OPS + "pooling:" + name for name in (
        "avg_pool", "avg_pool1d", "avg_pool2d", "avg_pool3d", "max_pool", "max_pool1d", "max_pool2d", "max_pool3d",
        "max_pool_with_argmax", "pool")},
    "nn.bias_add": _OPS + "bias:bias_add",
    **{"nn." + name: _OPS + "batch_norm:" + name for name in (
        "batch_norm_with_global_normalization", "batch_normalization", "fused_batch_norm")},
    **{"nn." + name: _OPS + "moments:" + name for name in (
        "moments", "normalize_moments", "sufficient_statistics", "weighted_moments")},
    **{"nn." + name: _OPS + "softmax:" + name for name in (
        "log_softmax", "softmax", "softmax_cross_entropy_with_logits", "softmax_cross_entropy_with_logits_v2",
        "sparse_softmax_cross_entropy_with_logits")},
    **{"nn." + name: _OPS + "cross_entropy:" + name for name in (
        "log_poisson_loss", "sigmoid_cross_entropy_with_logits", "weighted_cross_entropy_with_logits")},
    "nn.l2_normalize": _OPS + "norm:l2_normalize",
    "nn.local_response_normalization": _OPS + "lrn:local_response_normalization",
    **{"nn." + name: _OPS + "top_k:" + name for name in ("in_top_k", "top_k")},
    **{name: _OPS + "norm:" + name for name in (
        "clip_by_average_norm", "clip_by_global_norm", "clip_by_norm", "clip_by_value", "global_norm", "norm")},

    # --- ops: checks --------------------------------------------------------------------------------
    **{name: _OPS + "checks:" + name for name in (
        "Assert", "assert_equal", "assert_greater", "assert_greater_equal", "assert_integer", "assert_less",
        "assert_less_equal", "assert_near", "assert_negative", "assert_non_negative", "assert_non_positive",
        "assert_none_equal", "assert_positive", "assert_proper_iterable", "assert_rank", "assert_rank_at_least",
        "assert_rank_in", "assert_same_float_dtype", "assert_scalar", "assert_type", "check_numerics",
        "is_numeric_tensor", "verify_tensor_all_finite")},

    # --- the whole, under another name --------------------------------------------------------------
    "compat.v1": "tf",
}
