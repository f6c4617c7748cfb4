"""Op types of graphs that were written long ago, as the ops that came after them."""
from .node_attributes import annotation_of, invalid
from .op_adapters import adapts


@adapts("OptimizeDataset", "ModelDataset")
def add_dataset_option(importer, node, tensors, controls):
    """What TensorFlow asks for before it runs a dataset, to rewrite or to watch it: the dataset itself."""
    if not tensors:
        raise invalid(node.name, f"{node.op} takes a dataset, and has no input")
    op = importer.add_operation(node, "Identity", tensors[:1], controls, {})
    return op, op.outputs


@adapts("Concat")
def add_concat(importer, node, tensors, controls):
    """Concat, whose axis is the first input and not the last."""
    if len(tensors) < 2:
        raise invalid(node.name, f"Concat takes an axis and values, and has {len(tensors)} inputs")
    attrs = {name: annotation_of(message, node.name, name) for name, message in node.attr.items() if name[:1] == "_"}
    op = importer.add_operation(node, "ConcatV2", [*tensors[1:], tensors[0]], controls,
                                {**attrs, "N": len(tensors) - 1})
    return op, op.outputs
