"""The op that writes a file."""
import os

from thalweg.framework.declaration import define_op

from ..atomic_file import translated, write_file


@define_op("WriteFile", "filename: string[], contents: string[] ->", stateful=True, files=("filename",))
def write_file_op(filename, contents):
    """Writes `contents` to the file, which appears whole or not at all; its folder is made where there is none."""
    path = os.fsdecode(filename.item())
    with translated(path):
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    write_file(path, contents.item())


write_file_op.no_gradient("a file is no number")


def write(filename, contents, name=None):
    """An operation that writes the string `contents` to the file `filename`."""
    return write_file_op(filename, contents, name=name)
