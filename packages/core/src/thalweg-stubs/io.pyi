"""Written by tools/stubs from the tables of names; do not edit."""
from typing import Any
from thalweg.framework.graph import Tensor

from thalweg_io.examples.features import FixedLenFeature as FixedLenFeature
from thalweg_io.examples.features import FixedLenSequenceFeature as FixedLenSequenceFeature
from thalweg_io.examples.features import SparseFeature as SparseFeature
from thalweg_io.records.tf_record import TFRecordCompressionType as TFRecordCompressionType
from thalweg_io.records.tf_record import TFRecordOptions as TFRecordOptions
from thalweg_io.records.tf_record import TFRecordWriter as TFRecordWriter
from thalweg_io.examples.features import VarLenFeature as VarLenFeature
from thalweg_io.examples.decode_ops import decode_csv as decode_csv
from thalweg_io.images.image_ops import decode_image as decode_image
from thalweg_io.images.image_ops import decode_jpeg as decode_jpeg
from thalweg_io.examples.decode_ops import decode_json_example as decode_json_example
from thalweg_io.images.image_ops import decode_png as decode_png
from thalweg_io.examples.decode_ops import decode_raw as decode_raw
def matching_files(pattern: Any, name: Any = ...) -> Tensor: ...
from thalweg_io.examples.parse import parse_example as parse_example
from thalweg_io.examples.parse import parse_sequence_example as parse_sequence_example
from thalweg_io.examples.parse import parse_single_example as parse_single_example
from thalweg_io.examples.parse import parse_single_sequence_example as parse_single_sequence_example
from thalweg_io.examples.decode_ops import parse_tensor as parse_tensor
def read_file(filename: Any, name: Any = ...) -> Tensor: ...
from thalweg_io.examples.decode_ops import serialize_tensor as serialize_tensor
from thalweg_io.records.tf_record import tf_record_iterator as tf_record_iterator
from thalweg_io.graphs.file_ops import write as write_file
from thalweg_io.graphs.meta_graph import write_graph as write_graph
