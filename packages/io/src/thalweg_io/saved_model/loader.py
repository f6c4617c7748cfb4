"""`tf.saved_model.loader.load`: the graph of a SavedModel with its variables' values, ready to run."""

from thalweg.framework import errors

from . import constants
from .folder import asset_path, model_file, variables_path

_KNOWN_SCHEMAS = (0, constants.SAVED_MODEL_SCHEMA_VERSION)       # 0: not said


class NoSavedModelError(errors.NotFoundError, OSError):
    """There is no SavedModel in a folder; TensorFlow raises an OSError."""


class NoSuchTagsError(errors.NotFoundError, RuntimeError):
    """A SavedModel has no graph with the tags asked for; TensorFlow raises a RuntimeError."""


def load(sess, tags, export_dir, import_scope=None, **saver_kwargs):
    """Imports a graph of a SavedModel into the session's graph, restores its variables, runs its main op.

    Parameters
    ----------
    sess : Session
    tags : set or list of str       those of the graph, exactly
    export_dir : str                the folder
    import_scope : str              a name scope for all nodes
    saver_kwargs :                  for the Saver that restores

    Returns
    -------
    MetaGraphDef                    with the signatures: `result.signature_def["serving_default"].inputs`

    Raises
    ------
    NotFoundError                   without a SavedModel, a graph with these tags, or an asset
    DataLossError                   if the file is damaged
    InvalidArgumentError            if an asset lies outside of the folder
    UnimplementedError              for the form of TensorFlow 2.x
    """
    if not (hasattr(sess, "run") and hasattr(sess, "graph")):
        raise TypeError(f"sess must be a Session, not {sess!r}")
    meta_graph = choose_meta_graph(read_saved_model(export_dir), tags, export_dir)
    check_is_1x(meta_graph, export_dir)
    assets = {tensor: asset_path(export_dir, name) for tensor, name in assets_of(meta_graph)}
    main_op = main_op_of(meta_graph)
    with sess.graph.as_default():
        saver = _imported(meta_graph, import_scope, saver_kwargs)
        if saver is not None:
            saver.restore(sess, variables_path(export_dir))
        _run_main_op(sess, main_op, assets, import_scope)
    return meta_graph


def read_saved_model(export_dir):
    """The SavedModel message of a folder.

    Raises
    ------
    NotFoundError       without one
    DataLossError       if it cannot be read
    UnimplementedError  for a schema that is newer than this version
    """
    from ..protos import SavedModel, read_message
    path = model_file(export_dir)
    if path is None:
        raise NoSavedModelError(None, None, f"SavedModel file does not exist at: {export_dir}/{{"
                                f"{constants.SAVED_MODEL_FILENAME_PBTXT}|{constants.SAVED_MODEL_FILENAME_PB}}}")
    message = read_message(path, SavedModel)
    if message.saved_model_schema_version not in _KNOWN_SCHEMAS:
        raise errors.UnimplementedError(None, None, f"{path} has schema version {message.saved_model_schema_version}; "
                                                    f"this version knows {constants.SAVED_MODEL_SCHEMA_VERSION}")
    return message


def choose_meta_graph(saved_model, tags, export_dir):
    """The MetaGraphDef with exactly `tags`; None for the only one there is.

    Raises
    ------
    NotFoundError       if there is none, or several and no tags
    """
    there = [list(meta_graph.meta_info_def.tags) for meta_graph in saved_model.meta_graphs]
    if tags is None and len(there) == 1:
        return saved_model.meta_graphs[0]
    if isinstance(tags, (str, bytes)):
        raise TypeError(f"tags must be a set or a list of strings, as in [{tags!r}]")
    for meta_graph in saved_model.meta_graphs:
        if tags is not None and set(meta_graph.meta_info_def.tags) == set(tags):
            return meta_graph
    if tags is None:
        raise NoSuchTagsError(None, None, f"SavedModel {export_dir} has {len(there)} graphs; choose one by its tags: "
                                          f"{' or '.join(map(','.join, there)) or 'none'}")
    wanted = ", ".join(map(repr, sorted(tags)))
    raise NoSuchTagsError(None, None, f"MetaGraphDef associated with tags {wanted} could not be found in SavedModel "
                                      f"{export_dir}.\navailable_tags: {there}")


def check_is_1x(meta_graph, export_dir):
    """UnimplementedError for what `tf.saved_model.save` of TensorFlow 2.x writes."""
    if meta_graph.object_graph_def:
        raise errors.UnimplementedError(
            None, None, f"SavedModel {export_dir} was written by tf.saved_model.save of TensorFlow "
            f"{meta_graph.meta_info_def.tensorflow_version}: an object graph and "
            f"{len(meta_graph.graph_def.library.function)} functions, which 1.x programs cannot load. Write it by "
            "tf.compat.v1.saved_model.Builder there; its variables alone can be read: "
            f"tf.train.load_checkpoint({variables_path(export_dir)!r})")


def assets_of(meta_graph):
    """[(name of the tensor, name of the file)]

    Raises
    ------
    DataLossError       if an entry is damaged
    """
    from google.protobuf.message import DecodeError

    from ..protos import AssetFileDef
    found = list(meta_graph.asset_file_def)
    for item in meta_graph.collection_def[constants.ASSETS_KEY].any_list.value \
            if constants.ASSETS_KEY in meta_graph.collection_def else ():
        try:
            found.append(AssetFileDef.FromString(item.value))
        except DecodeError as error:
            raise errors.DataLossError(None, None, f"the SavedModel's list of assets is damaged: {error}") from error
    return [(asset.tensor_info.name, asset.filename) for asset in found]


def _imported(meta_graph, import_scope, saver_kwargs):
    """The Saver of the graph, once it has been imported; None for a graph without variables."""
    from ..graphs.meta_graph_import import import_meta_graph
    _check_saver(meta_graph)
    return import_meta_graph(meta_graph, import_scope=import_scope, **saver_kwargs)


def _check_saver(meta_graph):
    """The nodes that restore the variables must be there."""
    if not meta_graph.HasField("saver_def"):
        return
    names, saver = {node.name for node in meta_graph.graph_def.node}, meta_graph.saver_def
    for name in (saver.filename_tensor_name, saver.restore_op_name):
        if name.removesuffix(":0") not in names:
            raise errors.InvalidArgumentError(None, None, f"the SavedModel restores its variables by the node {name!r}"
                                                          ", which is not in its graph")


def main_op_of(meta_graph):
    """The name of the operation that runs after loading, or None."""
    if constants.INIT_OP_SIGNATURE_KEY in meta_graph.signature_def:
        outputs = meta_graph.signature_def[constants.INIT_OP_SIGNATURE_KEY].outputs
        if constants.INIT_OP_SIGNATURE_KEY in outputs:
            return outputs[constants.INIT_OP_SIGNATURE_KEY].name
    for key in (constants.MAIN_OP_KEY, constants.LEGACY_INIT_OP_KEY):
        names = meta_graph.collection_def[key].node_list.value if key in meta_graph.collection_def else ()
        if len(names) > 1:
            raise errors.InvalidArgumentError(None, None, f"the SavedModel names {len(names)} main ops under {key}: "
                                                          f"{', '.join(names)}; there may be one")
        if names:
            return names[0]
    return None


def _run_main_op(sess, name, assets, import_scope):
    from ..graphs.imported_files import reading_allowed
    if name is None:
        return
    prefix = f"{import_scope}/" if import_scope else ""
    feeds = {sess.graph.get_tensor_by_name(prefix + tensor): path for tensor, path in assets.items()}
    with _all_of([reading_allowed(path) for path in assets.values()]):
        sess.run(sess.graph.as_graph_element(prefix + name), feeds)


def _all_of(contexts):
    """One context of several."""
    import contextlib
    stack = contextlib.ExitStack()
    for context in contexts:
        stack.enter_context(context)
    return stack
