"""The public names that thalweg-io brings: `"train.Saver"` stands for `tf.train.Saver`.

The form: thalweg/_surface/tables.py.
"""

_STATE = "thalweg_io.checkpoint_state:"
_READER = "thalweg_io.checkpoint_reader:"
_META = "thalweg_io.meta_graph:"
_SUMMARY = "thalweg_io.summaries.builders:"
_WRITER = "thalweg_io.summaries.file_writer:"
_PROTOS = "thalweg_io.protos:"
_DATA = "thalweg_io.data."

NAMES = {
    # --- checkpoints --------------------------------------------------------------------------------
    "train.Saver": "thalweg_io.saver:Saver",
    **{"train." + name: _STATE + name for name in (
        "checkpoint_exists", "generate_checkpoint_state_proto", "get_checkpoint_mtimes", "get_checkpoint_state",
        "latest_checkpoint", "remove_checkpoint", "update_checkpoint_state")},
    **{"train." + name: _READER + name for name in (
        "NewCheckpointReader", "list_variables", "load_checkpoint", "load_variable")},
    "train.init_from_checkpoint": "thalweg_io.checkpoint_initializers:init_from_checkpoint",
    **{"train." + name: "thalweg_io.warm_start:" + name for name in ("VocabInfo", "warm_start")},
    **{"estimator." + name: "thalweg_io.warm_start:" + name for name in ("VocabInfo", "WarmStartSettings")},
    "train.checkpoints_iterator": "thalweg_io.checkpoints_iterator:checkpoints_iterator",
    "contrib.training.wait_for_new_checkpoint": "thalweg_io.checkpoints_iterator:wait_for_new_checkpoint",

    # --- graphs in files ----------------------------------------------------------------------------
    "train.export_meta_graph": _META + "export_meta_graph",
    "train.write_graph": _META + "write_graph",
    "make_tensor_proto": "thalweg_io.tensor_proto:make_tensor_proto",
    "make_ndarray": "thalweg_io.tensor_proto:make_ndarray",
    **{name: _PROTOS + name for name in (
        "AttrValue", "Event", "GraphDef", "HistogramProto", "LogMessage", "MetaGraphDef", "NameAttrList", "NodeDef",
        "SessionLog", "Summary", "SummaryMetadata")},
    **{"train." + name: _PROTOS + name for name in (
        "BytesList", "Example", "Feature", "FeatureList", "FeatureLists", "Features", "FloatList", "Int64List",
        "SaverDef", "SequenceExample")},

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
    "io.matching_files": _DATA + "dataset_ops:matching_files",

    # --- summaries ----------------------------------------------------------------------------------
    **{"summary." + name: _SUMMARY + name for name in (
        "audio", "get_summary_description", "histogram", "image", "merge", "merge_all", "scalar", "tensor_summary",
        "text")},
    **{"summary." + name: _WRITER + name for name in ("FileWriter", "FileWriterCache")},
    **{"summary." + name: _PROTOS + name for name in ("SummaryDescription", "TaggedRunMetadata")},
    "train.summary_iterator": _WRITER + "summary_iterator",
}
