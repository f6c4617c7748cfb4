"""Writes a graph with its variables' values as constants: one file that needs no checkpoint.

The values come from the checkpoint beside a .meta file, from a SavedModel, or from --checkpoint.
"""
from thalweg.framework import errors

from ...graph_tools.freeze_graph import frozen_from_checkpoint
from ...graphs.graph_files import write_graph_def
from .source import Source, add_source

HELP = "variables to constants, from a checkpoint"


def add_arguments(parser):
    add_source(parser)
    parser.add_argument("target", metavar="TARGET", help="the file to write, .pb or .pbtxt")
    parser.add_argument("--checkpoint", metavar="PREFIX", help="where the values are")
    parser.add_argument("--output", action="append", metavar="NAME", help="nodes to keep with what they need; by "
                        "default the outputs of a SavedModel's signature")
    parser.add_argument("--input", action="append", metavar="NAME", help="cut the graph at these nodes")
    parser.add_argument("--optimize", action="store_true", help="fold constants and batch norms, drop what only "
                        "training needs")
    parser.set_defaults(func=run)


def run(options):
    source = Source(options.graph, options.tags)
    frozen, outputs = frozen_graph(source, options.output, options.checkpoint)
    if options.optimize or options.input:
        frozen = _cut(source, frozen, outputs, options)
    write_graph_def(options.target, frozen)
    print(f"{options.target}: {len(frozen.node):,} nodes, {frozen.ByteSize():,} bytes")


def frozen_graph(source, given, checkpoint):
    """(GraphDef without variables, names of its outputs)"""
    outputs = source.names(given, "outputs")
    checkpoint = checkpoint or source.checkpoint
    if checkpoint is None and not source.is_frozen():
        raise errors.InvalidArgumentError(None, None, f"{source.path} has variables, and no checkpoint stands beside "
                                                      "it: give one by --checkpoint")
    return frozen_from_checkpoint(source.graph_def, checkpoint, outputs), outputs


def _cut(source, frozen, outputs, options):
    from ...graph_tools.optimize_for_inference import optimize_for_inference
    from ...graph_tools.strip_unused import strip_unused
    inputs = source.names(options.input, "inputs")
    types = [_type_of(frozen, name) for name in inputs]
    reduce = optimize_for_inference if options.optimize else strip_unused
    return reduce(frozen, inputs, outputs, types)


def _type_of(graph_def, name):
    """The number of the element type that a tensor has."""
    from ...graph_tools.summary import imported
    graph = imported(graph_def)
    return graph.get_tensor_by_name(name if ":" in name else f"{name}:0").dtype.base_dtype.as_datatype_enum
