"""How each op is written in ONNX, one file per family as in `thalweg.ops`; each function is one or several ops'."""


def load_converters():
    """Registers the converters of all families."""
    from . import arrays, elementwise, images, indexing, matmul, reduction, resize, slicing, space_to_batch  # noqa: F401
