"""The public names that thalweg-io brings: `"train.Saver"` stands for `tf.train.Saver`.

The form: thalweg/_surface/tables.py.
"""

_STATE = "thalweg_io.checkpoints.state:"
_READER = "thalweg_io.checkpoints.reader:"
_META = "thalweg_io.graphs.meta_graph:"
_SUMMARY = "thalweg_io.summaries.builders:"
_WRITER = "thalweg_io.summaries.file_writer:"
_PROTOS = "thalweg_io.protos:"
_DATA = "thalweg_io.data."
_MODEL = "thalweg_io.saved_model."

NAMES = {
    # --- checkpoints --------------------------------------------------------------------------------
    "train.Saver": "thalweg_io.checkpoints.saver:Saver",
    **{"train." + name: _STATE + name for name in (
        "checkpoint_exists", "generate_checkpoint_state_proto", "get_checkpoint_mtimes", "get_checkpoint_state",
        "latest_checkpoint", "remove_checkpoint", "update_checkpoint_state")},
    **{"train." + name: _READER + name for name in (
        "NewCheckpointReader", "list_variables", "load_checkpoint", "load_variable")},
    "train.init_from_checkpoint": "thalweg_io.checkpoints.initializers:init_from_checkpoint",
    **{name: "thalweg_io.checkpoints.warm_start:" + name.partition(".")[2] for name in (
        "train.VocabInfo", "train.warm_start", "estimator.VocabInfo", "estimator.WarmStartSettings")},
    "train.checkpoints_iterator": "thalweg_io.checkpoints.iterator:checkpoints_iterator",
    "contrib.training.wait_for_new_checkpoint": "thalweg_io.checkpoints.iterator:wait_for_new_checkpoint",

    # --- graphs in files ----------------------------------------------------------------------------
    "train.export_meta_graph": _META + "export_meta_graph",
    "train.import_meta_graph": "thalweg_io.graphs.meta_graph_import:import_meta_graph",
    "train.write_graph": _META + "write_graph",
    **{f"graph_util.{name}": f"thalweg_io.graph_tools.{module}:{name}" for module, name in (
        ("freezing", "convert_variables_to_constants"), ("sub_graph", "extract_sub_graph"),
        ("sub_graph", "must_run_on_cpu"), ("training_nodes", "remove_training_nodes"),
        ("sub_graph", "tensor_shape_from_node_def_name"))},
    "tools.freeze_graph.freeze_graph": "thalweg_io.graph_tools.freeze_graph:freeze_graph",
    "tools.optimize_for_inference_lib.optimize_for_inference":
        "thalweg_io.graph_tools.optimize_for_inference:optimize_for_inference",
    "tools.strip_unused_lib.strip_unused": "thalweg_io.graph_tools.strip_unused:strip_unused",
    "import_graph_def": "thalweg_io.graphs.graph_import:import_graph_def",
    "make_tensor_proto": "thalweg_io.tensor_proto:make_tensor_proto",
    "make_ndarray": "thalweg_io.tensor_proto:make_ndarray",
    **{name: _PROTOS + name for name in (
        "AttrValue", "Event", "GraphDef", "HistogramProto", "LogMessage", "MetaGraphDef", "NameAttrList", "NodeDef",
        "SessionLog", "Summary", "SummaryMetadata", "TensorInfo")},
    **{"train." + name: _PROTOS + name for name in (
        "BytesList", "Example", "Feature", "FeatureList", "FeatureLists", "Features", "FloatList", "Int64List",
        "SaverDef", "SequenceExample")},

    # --- records ------------------------------------------------------------------------------------
    **{"io." + name: "thalweg_io.records.tf_record:" + name for name in (
        "TFRecordCompressionType", "TFRecordOptions", "TFRecordWriter", "tf_record_iterator")},
    **{"io." + name: "thalweg_io.examples.parse:" + name for name in (
        "parse_example", "parse_sequence_example", "parse_single_example", "parse_single_sequence_example")},
    **{"io." + name: "thalweg_io.examples.decode_ops:" + name for name in (
        "decode_csv", "decode_json_example", "decode_raw", "parse_tensor", "serialize_tensor")},
    **{"io." + name: "thalweg_io.examples.features:" + name for name in (
        "FixedLenFeature", "FixedLenSequenceFeature", "SparseFeature", "VarLenFeature")},
    # --- SavedModel ---------------------------------------------------------------------------------
    **{f"saved_model.{room}{name}": f"{_MODEL}{module}:{name}" for module, rooms, names in (
        ("constants", ("", "constants."), (
            "ASSETS_DIRECTORY", "ASSETS_KEY", "LEGACY_INIT_OP_KEY", "MAIN_OP_KEY", "SAVED_MODEL_FILENAME_PB",
            "SAVED_MODEL_FILENAME_PBTXT", "SAVED_MODEL_SCHEMA_VERSION", "VARIABLES_DIRECTORY", "VARIABLES_FILENAME")),
        ("constants", ("", "signature_constants."), (
            "CLASSIFY_INPUTS", "CLASSIFY_METHOD_NAME", "CLASSIFY_OUTPUT_CLASSES", "CLASSIFY_OUTPUT_SCORES",
            "DEFAULT_SERVING_SIGNATURE_DEF_KEY", "PREDICT_INPUTS", "PREDICT_METHOD_NAME", "PREDICT_OUTPUTS",
            "REGRESS_INPUTS", "REGRESS_METHOD_NAME", "REGRESS_OUTPUTS")),
        ("constants", ("", "tag_constants."), ("GPU", "SERVING", "TPU", "TRAINING")),
        ("folder", ("", "loader."), ("maybe_saved_model_directory",)), ("folder", ("",), ("contains_saved_model",)),
        ("loader", ("", "loader."), ("load",)), ("simple_save", ("",), ("simple_save",)),
        ("main_op", ("main_op.",), ("main_op", "main_op_with_restore")), ("main_op", ("",), ("main_op_with_restore",)),
        ("builder", ("builder.",), ("SavedModelBuilder",)),
        ("signatures", ("", "signature_def_utils."), (
            "build_signature_def", "classification_signature_def", "is_valid_signature", "predict_signature_def",
            "regression_signature_def")),
        ("tensor_info", ("", "utils."), ("build_tensor_info", "get_tensor_from_tensor_info")))
       for room in rooms for name in names},
    "saved_model.Builder": _MODEL + "builder:SavedModelBuilder",

    # --- input pipelines ----------------------------------------------------------------------------
    **{"data." + name: _DATA + "dataset:" + name for name in (
        "Dataset", "TFRecordDataset", "TextLineDataset", "get_output_classes", "get_output_shapes", "get_output_types",
        "make_initializable_iterator", "make_one_shot_iterator")},
    "data.Iterator": _DATA + "iterator:Iterator",
    **{"data.experimental." + name: _DATA + "experimental:" + name for name in (
        "AUTOTUNE", "ignore_errors", "map_and_batch", "shuffle_and_repeat")},

    # --- image files --------------------------------------------------------------------------------
    **{"image." + name: "thalweg_io.images.image_ops:" + name for name in (
        "decode_image", "decode_jpeg", "decode_png")},
    "read_file": "thalweg_io.images.image_ops:read_file",
    "write_file": "thalweg_io.graphs.file_ops:write",
    "io.matching_files": _DATA + "dataset_ops:matching_files",

    # --- summaries ----------------------------------------------------------------------------------
    **{"summary." + name: _SUMMARY + name for name in (
        "audio", "get_summary_description", "histogram", "image", "merge", "merge_all", "scalar", "tensor_summary",
        "text")},
    **{"summary." + name: _WRITER + name for name in ("FileWriter", "FileWriterCache")},
    **{"summary." + name: _PROTOS + name for name in ("SummaryDescription", "TaggedRunMetadata")},
    "train.summary_iterator": "thalweg_io.summaries.reader:summary_iterator",
}
