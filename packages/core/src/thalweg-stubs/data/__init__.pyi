"""Written by tools/stubs from the tables of names; do not edit."""

from thalweg_io.data.dataset import Dataset as Dataset
from thalweg_io.data.iterator import Iterator as Iterator
from thalweg_io.data.dataset import TFRecordDataset as TFRecordDataset
from thalweg_io.data.dataset import TextLineDataset as TextLineDataset
from thalweg_io.data.dataset import get_output_classes as get_output_classes
from thalweg_io.data.dataset import get_output_shapes as get_output_shapes
from thalweg_io.data.dataset import get_output_types as get_output_types
from thalweg_io.data.dataset import make_initializable_iterator as make_initializable_iterator
from thalweg_io.data.dataset import make_one_shot_iterator as make_one_shot_iterator
from thalweg.data import experimental as experimental
