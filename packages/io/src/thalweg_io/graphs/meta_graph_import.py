"""`tf.train.import_meta_graph`: a `.meta` file becomes nodes, collections and a Saver of the default graph."""
import logging
import os

from thalweg.framework import errors
from thalweg.framework.collections import GraphKeys
from thalweg.framework.graph import get_default_graph
from thalweg.variables.variable import Variable

from ..protos import read_message
from .graph_import import import_nodes
from .meta_graph import OF_VARIABLES, UNBOUND_INPUTS

logger = logging.getLogger("thalweg.io")

_CONTROL_FLOW = {GraphKeys.COND_CONTEXT, GraphKeys.WHILE_CONTEXT}
_LISTS = {"int64_list", "float_list", "any_list"}


def import_meta_graph(meta_graph_or_file, clear_devices=False, import_scope=None, *, input_map=None,
                      return_elements=None, restore_collections_predicate=None,
                      unbound_inputs_col_name=UNBOUND_INPUTS):
    """Adds the graph of a MetaGraphDef to the default graph, with its collections.

    Parameters
    ----------
    meta_graph_or_file : MetaGraphDef, or the path of a file with one       binary or in text form
    clear_devices : bool                leaves the nodes' devices out
    import_scope : str                  name scope of all that is added
    input_map : dict {str: Tensor}      as in `tf.import_graph_def`
    return_elements : list of str       accepted; look the elements up in the graph
    restore_collections_predicate : callable (name) -> bool         which collections are added; None: all
    unbound_inputs_col_name : str       collection of the inputs that `input_map` must give

    Returns
    -------
    Saver           on the nodes of the file's own saver; a new one where the file has variables, and no saver; None
                    where it has neither

    Raises
    ------
    NotFoundError           without such a file, and for an op that thalweg does not have
    DataLossError           for a file that holds no MetaGraphDef
    ValueError              (InvalidArgumentError) for a graph that is not valid, and where inputs are missing
    """
    from ..checkpoints.saver import Saver
    message = _read(meta_graph_or_file)
    _check_unbound(message, input_map, unbound_inputs_col_name)
    graph_def = message.graph_def
    if clear_devices:
        graph_def = _without_devices(graph_def)
    importer = import_nodes(graph_def, input_map, name=import_scope or "",
                            producer_op_list=message.meta_info_def.stripped_op_list)
    scope = importer.prefix
    collections = _Collections(get_default_graph(), message, scope)
    for key in sorted(message.collection_def):
        if key != unbound_inputs_col_name and (restore_collections_predicate is None
                                               or restore_collections_predicate(key)):
            collections.restore(key)
    if message.HasField("saver_def"):
        return Saver.from_proto(message.saver_def, scope)
    variables = get_default_graph().get_collection(GraphKeys.GLOBAL_VARIABLES, scope or None)
    if variables or get_default_graph().get_collection(GraphKeys.SAVEABLE_OBJECTS, scope or None):
        return Saver()
    logger.info("Saver not created because there are no variables in the graph to restore")
    return None


def _read(meta_graph_or_file):
    from ..protos import MetaGraphDef, own
    if isinstance(meta_graph_or_file, (str, os.PathLike)):
        path = os.fspath(meta_graph_or_file)
        if not os.path.exists(path) and os.path.isfile(path + ".meta"):
            raise errors.NotFoundError(None, None, f"{path}: No such file or directory; its meta graph is {path}.meta")
        return read_message(path, MetaGraphDef)
    return own(meta_graph_or_file, MetaGraphDef, "meta_graph_or_file must be a MetaGraphDef proto or a file name")


def _without_devices(graph_def):
    cleared = type(graph_def)()
    cleared.CopyFrom(graph_def)
    for node in [*cleared.node, *[n for function in cleared.library.function for n in function.node_def]]:
        node.device = ""
    return cleared


def _check_unbound(message, input_map, key):
    if key not in message.collection_def:
        return
    wanted = {value.decode() for value in message.collection_def[key].bytes_list.value}
    missing = sorted(wanted - set(input_map or ()))
    if missing:
        raise ValueError(f"Graph contains unbound inputs: {', '.join(missing)}. Must provide these inputs through "
                         "input_map.")


class _Collections:
    """The collections of a meta graph on their way into a graph.

    Attributes
    ----------
    variables : dict        name of a variable in the file -> Variable; each is one object in all collections
    trainable : set or None     the names in the collection of trainable variables, which decides
    """

    def __init__(self, graph, message, scope):
        self.graph, self.message, self.scope = graph, message, scope
        self.variables = {}
        self.trainable = None
        if GraphKeys.TRAINABLE_VARIABLES in message.collection_def:
            self.trainable = {self._variable_def(GraphKeys.TRAINABLE_VARIABLES, value).variable_name for value in
                              message.collection_def[GraphKeys.TRAINABLE_VARIABLES].bytes_list.value}
        self.file_nodes = {node.name for node in message.graph_def.node}

    def restore(self, key):
        """Adds one collection; what has no meaning here is left out, and said in the log."""
        collection = self.message.collection_def[key]
        kind = collection.WhichOneof("kind")
        if key in _CONTROL_FLOW:                          # their Switch and Enter nodes have become If and While
            return
        if kind is None:
            return
        for value in getattr(collection, kind).value:
            item = value if kind in _LISTS else self._node(key, value) if kind == "node_list" else \
                self._from_bytes(key, value)
            if item is not None:
                self.graph.add_to_collection(key, item)

    def _scoped(self, name):
        return f"{self.scope}/{name}" if self.scope else name

    def _node(self, key, name):
        try:
            return self.graph.as_graph_element(self._scoped(name))
        except (KeyError, ValueError) as error:
            if name.rpartition(":")[0] in self.file_nodes or name in self.file_nodes:
                logger.warning("Collection %s leaves out %s, which has gone with the control flow around it", key,
                               name)
                return None
            raise errors.InvalidArgumentError(None, None, f"Collection {key!r} names {name!r}, which is not in the "
                                                          "file's graph") from error

    def _from_bytes(self, key, value):
        from .. import protos
        from ..checkpoints.saver import Saver
        if key in OF_VARIABLES:
            return self._variable(self._variable_def(key, value))
        if key == GraphKeys.SAVERS:
            return Saver.from_proto(_parsed(key, value, protos.SaverDef), self.scope)
        if key == GraphKeys.QUEUE_RUNNERS:
            name = _parsed(key, value, protos.QueueRunnerDef).queue_name
            logger.warning("Collection %s leaves out the runner of %s: thalweg has no queues, tf.data feeds it", key,
                           name)
            return None
        if self.scope:                                    # as TensorFlow, which takes texts for names
            try:
                return self._scoped(value.decode())
            except UnicodeDecodeError:
                return value
        return value

    def _variable_def(self, key, value):
        from ..protos import VariableDef
        return _parsed(key, value, VariableDef)

    def _variable(self, message):
        name = message.variable_name
        if name not in self.variables:
            try:
                variable = Variable.from_proto(message, self.scope)
            except (KeyError, ValueError, TypeError) as error:
                raise errors.InvalidArgumentError(None, None, f"Variable {name!r} of the file cannot be made: "
                                                              f"{error}") from error
            if self.trainable is not None:                # the field of the message is missing in older files
                variable._trainable = name in self.trainable
            self.variables[name] = variable
        return self.variables[name]


def _parsed(key, value, message_class):
    from google.protobuf.message import DecodeError
    try:
        return message_class.FromString(value)
    except DecodeError as error:
        raise errors.DataLossError(None, None, f"Collection {key!r} holds bytes that are no "
                                               f"{message_class.DESCRIPTOR.name}: {error}") from error

