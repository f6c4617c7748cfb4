"""Converts a graph to the form that the target's name tells.

    .pb, .pbtxt     the GraphDef, in binary or text form
    .meta           a MetaGraphDef; .meta.pbtxt in text form
                    (branches and loops that are functions become Switch and Merge, as TensorFlow 1.x reads them)
    .onnx           an ONNX model of what lies between --input and --output, frozen
    FOLDER/         a SavedModel of the same, frozen, with a signature for serving
"""
from thalweg.framework import errors

from ...graphs.control_flow.lowering import lowered
from ...graphs.graph_files import write_graph_def
from ...graphs.meta_graph import write_message
from .freeze import frozen_graph
from .source import Source, add_source

HELP = "to GraphDef, MetaGraphDef (binary or text), ONNX or SavedModel"


def add_arguments(parser):
    add_source(parser)
    parser.add_argument("target", metavar="TARGET", help="what to write; its name tells the form")
    parser.add_argument("--input", action="append", metavar="NAME", help="inputs, for ONNX and SavedModel; by default "
                        "those of a signature")
    parser.add_argument("--output", action="append", metavar="NAME", help="outputs, likewise")
    parser.add_argument("--checkpoint", metavar="PREFIX", help="the variables' values, for ONNX and SavedModel")
    parser.set_defaults(func=run)


def run(options):
    source, target = Source(options.graph, options.tags), options.target
    if target.endswith(".onnx"):
        _to_onnx(source, target, options)
    elif target.endswith("/"):
        _to_saved_model(source, target, options)
    elif target.endswith((".meta", ".meta.pbtxt")):
        write_message(target, source.meta_graph or _meta_graph(source.graph_def), target.endswith("txt"))
    elif target.endswith((".pb", ".pbtxt")):
        write_graph_def(target, lowered(source.graph_def))
    else:
        raise errors.InvalidArgumentError(None, None, f"{target}: the name does not tell the form; use .pb, .pbtxt, "
                                                      ".meta, .meta.pbtxt, .onnx, or FOLDER/ with / at its end")
    print(f"{target}: written")


def _meta_graph(graph_def):
    from ...protos import MetaGraphDef
    return MetaGraphDef(graph_def=lowered(graph_def))


def _to_onnx(source, target, options):
    from ... import onnx
    frozen, outputs = frozen_graph(source, options.output, options.checkpoint)
    onnx.export(frozen, source.names(options.input, "inputs"), outputs, target)


def _to_saved_model(source, target, options):
    from thalweg.runtime.session import Session

    from ...graph_tools.summary import imported
    from ...saved_model.simple_save import simple_save
    frozen, outputs = frozen_graph(source, options.output, options.checkpoint)
    graph = imported(frozen)

    def tensors(names):
        full = [name if ":" in name else f"{name}:0" for name in names]
        return {name.removesuffix(":0"): graph.get_tensor_by_name(name) for name in full}
    with graph.as_default(), Session(graph=graph) as session:
        simple_save(session, target.rstrip("/"), tensors(source.names(options.input, "inputs")), tensors(outputs))
