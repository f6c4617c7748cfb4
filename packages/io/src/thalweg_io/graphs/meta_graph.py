"""MetaGraphDef: a graph with its collections and its saver, the `.meta` file beside a checkpoint."""
import logging
import os

from thalweg.framework.collections import GraphKeys
from thalweg.framework.declaration import declaration_of
from thalweg.framework.graph import Graph, get_default_graph

from .._version import __version__
from ..atomic_file import write_file
from .graph_def import functions_of, op_def

logger = logging.getLogger("thalweg.io")

OF_VARIABLES = {GraphKeys.GLOBAL_VARIABLES, GraphKeys.TRAINABLE_VARIABLES, GraphKeys.LOCAL_VARIABLES,
                 GraphKeys.MODEL_VARIABLES, GraphKeys.METRIC_VARIABLES, GraphKeys.MOVING_AVERAGE_VARIABLES,
                 GraphKeys.GLOBAL_STEP, GraphKeys.EVAL_STEP}
UNBOUND_INPUTS = "unbound_inputs"
_FEATURE_LEVEL = "1.15.5"                  # of TensorFlow, whose readers look at it


def export_meta_graph(filename=None, meta_info_def=None, graph_def=None, saver_def=None, collection_list=None,
                      as_text=False, graph=None, export_scope=None, clear_devices=False,
                      clear_extraneous_savers=False, strip_default_attrs=False, save_debug_info=False,
                      unbound_inputs_col_name=UNBOUND_INPUTS):
    """The MetaGraphDef of a graph, written to `filename` where one is given.

    Parameters
    ----------
    meta_info_def : MetaInfoDef         tags and versions to start from
    graph_def : GraphDef                instead of that of `graph`
    saver_def : SaverDef                how to save and restore the graph's variables
    collection_list : list of str       collections to write; None: all
    as_text : bool                      writes `filename` in text form
    graph : Graph                       by default the default graph
    clear_devices : bool                leaves the nodes' devices out
    clear_extraneous_savers : bool      leaves the collection of other savers out
    strip_default_attrs : bool          leaves attributes out that have their op's default, so that older readers
                                        do not stumble on attributes that came later
    export_scope : str                  only what lies in that name scope, named without it
    unbound_inputs_col_name : str       with `export_scope`, the collection of the names of what comes from outside,
                                        which an import must map

    Raises
    ------
    TypeError       for a graph that is none
    """
    graph = get_default_graph() if graph is None else graph
    if not isinstance(graph, Graph):
        raise TypeError(f"graph must be of type Graph not {type(graph)}")
    graph_def, unbound = graph_def or graph.as_graph_def(add_shapes=True), []
    if export_scope:
        from .scoped_export import scoped_graph_def
        graph_def, unbound = scoped_graph_def(graph_def, export_scope)
    message = _meta_graph(graph, graph_def, meta_info_def)
    if unbound and unbound_inputs_col_name:
        message.collection_def[unbound_inputs_col_name].bytes_list.value.extend(name.encode() for name in unbound)
    _lower(message)
    if clear_devices:
        for node in message.graph_def.node:
            node.device = ""
    if strip_default_attrs:
        _strip_defaults(message)
    if saver_def is not None:
        message.saver_def.CopyFrom(saver_def)
    for key in graph.get_all_collection_keys() if collection_list is None else collection_list:
        if not (clear_extraneous_savers and key == GraphKeys.SAVERS):
            _add_collection(message, key, graph.get_collection(key), export_scope)
    if filename:
        write_message(filename, message, as_text)
    return message


def _meta_graph(graph, graph_def, meta_info_def):
    from ..protos import MetaGraphDef
    message = MetaGraphDef(graph_def=graph_def)
    info = message.meta_info_def
    if meta_info_def is not None:
        info.CopyFrom(meta_info_def)
    info.tensorflow_version, info.tensorflow_git_version = _FEATURE_LEVEL, f"thalweg-{__version__}"
    operations = graph.get_operations()
    for function in functions_of(operations):
        operations = operations + function.get_operations()
    for op_type in sorted({op.type for op in operations}):
        info.stripped_op_list.op.append(op_def(declaration_of(op_type)))
    return message


def _lower(message):
    """Writes branches and loops as TensorFlow 1.x does, with the contexts that its gradients need."""
    from .control_flow.lowering import lowered_with_contexts
    graph_def, branches, loops = lowered_with_contexts(message.graph_def)
    if graph_def is message.graph_def:
        return
    message.graph_def.CopyFrom(graph_def)
    for key, contexts in ((GraphKeys.COND_CONTEXT, branches), (GraphKeys.WHILE_CONTEXT, loops)):
        if contexts:
            message.collection_def[key].bytes_list.value.extend(c.SerializeToString() for c in contexts)


def _strip_defaults(message):
    """Removes attributes that say nothing but their default."""
    defaults = {op.name: {a.name: a.default_value for a in op.attr if a.HasField("default_value")}
                for op in message.meta_info_def.stripped_op_list.op}
    for node in message.graph_def.node:
        for name, default in defaults.get(node.op, {}).items():
            if name in node.attr and node.attr[name] == default:
                del node.attr[name]
    message.meta_info_def.stripped_default_attrs = True


def _add_collection(message, key, items, scope=None):
    """Adds a collection in the form that its items ask for; one that cannot be written is left out, and logged."""
    try:
        stored = [_stored_item(key, item, scope) for item in items]
        stored = [(field, value) for field, value in stored if value is not None]
        if len({field for field, _ in stored}) > 1:
            raise TypeError("its items have several forms")
    except (TypeError, ValueError) as error:
        logger.warning("Collection %s is left out of the meta graph: %s", key, error)
        return
    for field, value in stored:
        getattr(message.collection_def[key], field).value.append(value)


def _stored_item(key, item, scope):
    """(field of CollectionDef, value) of an item of collection `key`; the value is None for what is not in `scope`."""
    if key in OF_VARIABLES and hasattr(item, "to_proto"):
        proto = item.to_proto(f"{scope.rstrip('/')}/" if scope else None)
        return "bytes_list", proto and proto.SerializeToString()
    if hasattr(item, "as_saver_def"):
        return "bytes_list", None if scope else item.as_saver_def().SerializeToString()
    if hasattr(item, "SerializeToString"):
        is_any = item.DESCRIPTOR.name == "Any"
        return ("any_list", item) if is_any else ("bytes_list", item.SerializeToString())
    if isinstance(item, (str, bytes)):
        text = item if isinstance(item, bytes) else item.encode()
        return "bytes_list", text if scope is None else _inside_bytes(text, scope)
    if hasattr(item, "__index__"):
        return "int64_list", item.__index__()
    if isinstance(item, float):
        return "float_list", item
    if isinstance(getattr(item, "name", None), str):
        return "node_list", _inside(item.name, scope) if scope else item.name
    raise TypeError(f"an item of type {type(item).__name__} has no form there")


def _inside(name, scope):
    from .scoped_export import inside
    return inside(name, scope)


def _inside_bytes(text, scope):
    found = _inside(text.decode("utf-8", "surrogateescape"), scope)
    return None if found is None else found.encode("utf-8", "surrogateescape")


def write_message(path, message, as_text):
    """Writes a message, whole or not at all; the folder above must exist."""
    from ..protos import text
    write_file(os.fspath(path), text(message).encode() if as_text else message.SerializeToString(deterministic=True))


def write_graph(graph_or_graph_def, logdir, name, as_text=True):
    """Writes a graph, or a GraphDef, to `logdir/name`, in text form by default. Gives the path.

    Branches and loops are written as TensorFlow 1.x writes them (control_flow/lowering.py).
    """
    from .control_flow.lowering import lowered
    message = graph_or_graph_def.as_graph_def() if isinstance(graph_or_graph_def, Graph) else graph_or_graph_def
    if message.DESCRIPTOR.name == "GraphDef":
        message = lowered(message)
    os.makedirs(logdir, exist_ok=True)
    path = os.path.join(logdir, name)
    write_message(path, message, as_text)
    return path

