"""Written by tools/stubs from the tables of names; do not edit."""

from thalweg_io.records.tf_record import TFRecordCompressionType as TFRecordCompressionType
from thalweg_io.records.tf_record import TFRecordOptions as TFRecordOptions
from thalweg_io.records.tf_record import TFRecordWriter as TFRecordWriter
from thalweg_io.records.tf_record import tf_record_iterator as tf_record_iterator
