"""Written by tools/stubs from the tables of names; do not edit."""
from typing import Any
from thalweg.framework.graph import Tensor

from thalweg_io.images.image_ops import decode_image as decode_image
from thalweg_io.images.image_ops import decode_jpeg as decode_jpeg
from thalweg_io.images.image_ops import decode_png as decode_png
def matching_files(pattern: Any, name: Any = ...) -> Tensor: ...
def read_file(filename: Any, name: Any = ...) -> Tensor: ...
from thalweg_io.file_ops import write as write_file
from thalweg_io.meta_graph import write_graph as write_graph
