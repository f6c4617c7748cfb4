"""Written by tools/protos from formats.proto; do not edit."""
from typing import Any as _Any

class Message:
    def __init__(self, **fields: _Any) -> None: ...
    def __getattr__(self, name: str) -> _Any: ...
    @classmethod
    def FromString(cls, data: bytes) -> _Any: ...

def text(message: _Any) -> str: ...
def parse_text(text: str, message: _Any) -> _Any: ...
def own(message: _Any, message_class: type, problem: str) -> _Any: ...
def read_message(path: str, message_class: type) -> _Any: ...

class Any(Message):
    type_url: _Any
    value: _Any

class VersionDef(Message):
    producer: _Any
    min_consumer: _Any
    bad_consumers: _Any

class TensorShapeProto(Message):
    class Dim(Message):
        size: _Any
        name: _Any
    dim: _Any
    unknown_rank: _Any

class ResourceHandleProto(Message):
    class DtypeAndShape(Message):
        dtype: _Any
        shape: _Any
    device: _Any
    container: _Any
    name: _Any
    hash_code: _Any
    maybe_type_name: _Any
    dtypes_and_shapes: _Any

class VariantTensorDataProto(Message):
    type_name: _Any
    metadata: _Any
    tensors: _Any

class TensorProto(Message):
    dtype: _Any
    tensor_shape: _Any
    version_number: _Any
    tensor_content: _Any
    float_val: _Any
    double_val: _Any
    int_val: _Any
    string_val: _Any
    scomplex_val: _Any
    int64_val: _Any
    bool_val: _Any
    dcomplex_val: _Any
    half_val: _Any
    resource_handle_val: _Any
    variant_val: _Any
    uint32_val: _Any
    uint64_val: _Any
    float8_val: _Any

class NameAttrList(Message):
    name: _Any
    attr: _Any

class AttrValue(Message):
    class ListValue(Message):
        s: _Any
        i: _Any
        f: _Any
        b: _Any
        type: _Any
        shape: _Any
        tensor: _Any
        func: _Any
    list: _Any
    s: _Any
    i: _Any
    f: _Any
    b: _Any
    type: _Any
    shape: _Any
    tensor: _Any
    placeholder: _Any
    func: _Any

class FullTypeDef(Message):
    type_id: _Any
    args: _Any
    s: _Any
    i: _Any

class NodeDef(Message):
    class ExperimentalDebugInfo(Message):
        original_node_names: _Any
        original_func_names: _Any
    name: _Any
    op: _Any
    input: _Any
    device: _Any
    attr: _Any
    experimental_debug_info: _Any
    experimental_type: _Any

class OpDef(Message):
    class ArgDef(Message):
        name: _Any
        description: _Any
        type: _Any
        type_attr: _Any
        number_attr: _Any
        type_list_attr: _Any
        handle_data: _Any
        is_ref: _Any
        experimental_full_type: _Any
    class AttrDef(Message):
        name: _Any
        type: _Any
        default_value: _Any
        description: _Any
        has_minimum: _Any
        minimum: _Any
        allowed_values: _Any
    class Deprecation(Message):
        version: _Any
        explanation: _Any
    name: _Any
    input_arg: _Any
    output_arg: _Any
    attr: _Any
    summary: _Any
    description: _Any
    deprecation: _Any
    is_aggregate: _Any
    is_stateful: _Any
    is_commutative: _Any
    allows_uninitialized_input: _Any
    control_output: _Any
    is_distributed_communication: _Any

class OpList(Message):
    op: _Any

class FunctionDef(Message):
    class ArgAttrs(Message):
        attr: _Any
    signature: _Any
    node_def: _Any
    ret: _Any
    attr: _Any
    control_ret: _Any
    arg_attr: _Any
    resource_arg_unique_id: _Any

class GradientDef(Message):
    function_name: _Any
    gradient_func: _Any

class RegisteredGradient(Message):
    gradient_func: _Any
    registered_op_type: _Any

class FunctionDefLibrary(Message):
    function: _Any
    gradient: _Any
    registered_gradients: _Any

class GraphDef(Message):
    node: _Any
    library: _Any
    version: _Any
    versions: _Any
    debug_info: _Any

class SaveSliceInfoDef(Message):
    full_name: _Any
    full_shape: _Any
    var_offset: _Any
    var_shape: _Any

class VariableDef(Message):
    variable_name: _Any
    initializer_name: _Any
    snapshot_name: _Any
    save_slice_info_def: _Any
    is_resource: _Any
    initial_value_name: _Any
    trainable: _Any
    synchronization: _Any
    aggregation: _Any

class SaverDef(Message):
    LEGACY: int
    V1: int
    V2: int
    filename_tensor_name: _Any
    save_tensor_name: _Any
    restore_op_name: _Any
    max_to_keep: _Any
    sharded: _Any
    keep_checkpoint_every_n_hours: _Any
    version: _Any

class CollectionDef(Message):
    class NodeList(Message):
        value: _Any
    class BytesList(Message):
        value: _Any
    class Int64List(Message):
        value: _Any
    class FloatList(Message):
        value: _Any
    class AnyList(Message):
        value: _Any
    node_list: _Any
    bytes_list: _Any
    int64_list: _Any
    float_list: _Any
    any_list: _Any

class TensorInfo(Message):
    class CooSparse(Message):
        values_tensor_name: _Any
        indices_tensor_name: _Any
        dense_shape_tensor_name: _Any
    name: _Any
    coo_sparse: _Any
    composite_tensor: _Any
    dtype: _Any
    tensor_shape: _Any

class SignatureDef(Message):
    inputs: _Any
    outputs: _Any
    method_name: _Any
    defaults: _Any

class AssetFileDef(Message):
    tensor_info: _Any
    filename: _Any

class MetaGraphDef(Message):
    class MetaInfoDef(Message):
        meta_graph_version: _Any
        stripped_op_list: _Any
        any_info: _Any
        tags: _Any
        tensorflow_version: _Any
        tensorflow_git_version: _Any
        stripped_default_attrs: _Any
        function_aliases: _Any
    meta_info_def: _Any
    graph_def: _Any
    saver_def: _Any
    collection_def: _Any
    signature_def: _Any
    asset_file_def: _Any
    object_graph_def: _Any

class SavedModel(Message):
    saved_model_schema_version: _Any
    meta_graphs: _Any

class CheckpointState(Message):
    model_checkpoint_path: _Any
    all_model_checkpoint_paths: _Any
    all_model_checkpoint_timestamps: _Any
    last_preserved_timestamp: _Any

class ValuesDef(Message):
    values: _Any
    external_values: _Any

class ControlFlowContextDef(Message):
    cond_ctxt: _Any
    while_ctxt: _Any

class CondContextDef(Message):
    context_name: _Any
    pred_name: _Any
    pivot_name: _Any
    branch: _Any
    values_def: _Any
    nested_contexts: _Any

class WhileContextDef(Message):
    context_name: _Any
    parallel_iterations: _Any
    back_prop: _Any
    swap_memory: _Any
    pivot_name: _Any
    pivot_for_pred_name: _Any
    pivot_for_body_name: _Any
    loop_exit_names: _Any
    values_def: _Any
    loop_enter_names: _Any
    maximum_iterations_name: _Any
    nested_contexts: _Any

class QueueRunnerDef(Message):
    queue_name: _Any
    enqueue_op_name: _Any
    close_op_name: _Any
    cancel_op_name: _Any
    queue_closed_exception_types: _Any

class HistogramProto(Message):
    min: _Any
    max: _Any
    num: _Any
    sum: _Any
    sum_squares: _Any
    bucket_limit: _Any
    bucket: _Any

class SummaryMetadata(Message):
    class PluginData(Message):
        plugin_name: _Any
        content: _Any
    plugin_data: _Any
    display_name: _Any
    summary_description: _Any
    data_class: _Any

class SummaryDescription(Message):
    type_hint: _Any

class Summary(Message):
    class Image(Message):
        height: _Any
        width: _Any
        colorspace: _Any
        encoded_image_string: _Any
    class Audio(Message):
        sample_rate: _Any
        num_channels: _Any
        length_frames: _Any
        encoded_audio_string: _Any
        content_type: _Any
    class Value(Message):
        tag: _Any
        node_name: _Any
        metadata: _Any
        simple_value: _Any
        obsolete_old_style_histogram: _Any
        image: _Any
        histo: _Any
        audio: _Any
        tensor: _Any
    value: _Any

class LogMessage(Message):
    UNKNOWN: int
    DEBUGGING: int
    INFO: int
    WARN: int
    ERROR: int
    FATAL: int
    level: _Any
    message: _Any

class SessionLog(Message):
    STATUS_UNSPECIFIED: int
    START: int
    STOP: int
    CHECKPOINT: int
    status: _Any
    checkpoint_path: _Any
    msg: _Any

class NodeExecStats(Message):
    node_name: _Any
    all_start_micros: _Any
    op_start_rel_micros: _Any
    op_end_rel_micros: _Any
    all_end_rel_micros: _Any
    timeline_label: _Any
    all_start_nanos: _Any
    op_start_rel_nanos: _Any
    op_end_rel_nanos: _Any
    all_end_rel_nanos: _Any

class DeviceStepStats(Message):
    device: _Any
    node_stats: _Any

class StepStats(Message):
    dev_stats: _Any

class RunMetadata(Message):
    step_stats: _Any

class TaggedRunMetadata(Message):
    tag: _Any
    run_metadata: _Any

class SourceMetadata(Message):
    writer: _Any

class Event(Message):
    wall_time: _Any
    step: _Any
    file_version: _Any
    graph_def: _Any
    summary: _Any
    log_message: _Any
    session_log: _Any
    tagged_run_metadata: _Any
    meta_graph_def: _Any
    source_metadata: _Any

class BytesList(Message):
    value: _Any

class FloatList(Message):
    value: _Any

class Int64List(Message):
    value: _Any

class Feature(Message):
    bytes_list: _Any
    float_list: _Any
    int64_list: _Any

class Features(Message):
    feature: _Any

class FeatureList(Message):
    feature: _Any

class FeatureLists(Message):
    feature_list: _Any

class Example(Message):
    features: _Any

class SequenceExample(Message):
    context: _Any
    feature_lists: _Any
