"""Lists of tensors in files: thalweg's list ops as TensorFlow's TensorList ops, which carry the elements' type."""


def with_tensor_lists(graph_def):
    return graph_def
