"""`tf.saved_model.builder.SavedModelBuilder`: writes a SavedModel."""
import os
import weakref

from thalweg.framework.graph import Operation

from ..atomic_folder import NewFolder, chunks_of
from ..checkpoints.saveables import default_variables
from ..checkpoints.saver import Saver
from ..graphs.meta_graph import write_message
from . import constants

_TYPE_URL = "type.googleapis.com/tensorflow.AssetFileDef"


class SavedModelBuilder:
    """Writes a SavedModel: first a graph with variables and assets, then further graphs, then `save`.

    The folder appears at `save`, whole; before, what is written lies beside it.

    Parameters
    ----------
    export_dir : str        the folder to make; an empty one may be there

    Raises
    ------
    AssertionError          (TensorFlow's choice) if the folder has something in it
    """

    def __init__(self, export_dir):
        from ..protos import SavedModel
        self._export_dir = os.fspath(export_dir)
        if not self._export_dir:
            raise ValueError("export_dir is empty; expected the folder to make")
        _check_is_free(self._export_dir)
        self._saved_model = SavedModel(saved_model_schema_version=constants.SAVED_MODEL_SCHEMA_VERSION)
        self._has_variables, self._folder = False, NewFolder(self._export_dir)
        self._assets: dict = {}                               # path of a file -> its name among the assets
        self._finalizer = weakref.finalize(self, self._folder.discard)

    # --- adding graphs --------------------------------------------------------------------------------

    def add_meta_graph_and_variables(self, sess, tags, signature_def_map=None, assets_collection=None,
                                     legacy_init_op=None, clear_devices=False, main_op=None,
                                     strip_default_attrs=False, saver=None):
        """Adds the default graph and the values of its variables in `sess`.

        Parameters
        ----------
        sess : Session
        tags : list of str                  by which a loader chooses the graph
        signature_def_map : dict {str: SignatureDef}
        assets_collection : list of Tensor  constants with the paths of files, which go along
        legacy_init_op, main_op : Operation what a loader runs at the end; legacy_init_op is the older name
        clear_devices : bool                leaves the nodes' devices out
        strip_default_attrs : bool          leaves attributes at their defaults out
        saver : Saver                       saves and restores the variables; None: all of them

        Raises
        ------
        AssertionError      if variables have been added before, or a signature is not valid
        ValueError, TypeError       for assets and main ops that are none
        """
        if self._has_variables:
            raise AssertionError("Graph state including variables and assets has already been saved. Please invoke "
                                 "`add_meta_graph()` instead.")
        tags, main_op = self._checked(tags, signature_def_map, main_op, legacy_init_op)
        assets = self._written_assets(assets_collection)
        saver = _saver_for(saver)
        path = os.path.join(self._folder.add_folder(constants.VARIABLES_DIRECTORY), constants.VARIABLES_FILENAME)
        saver.save(sess, path, write_meta_graph=False, write_state=False)
        self._add(saver, tags, signature_def_map, assets, main_op, clear_devices, strip_default_attrs)
        self._has_variables = True

    def add_meta_graph(self, tags, signature_def_map=None, assets_collection=None, legacy_init_op=None,
                       clear_devices=False, main_op=None, strip_default_attrs=False, saver=None):
        """Adds the default graph, which takes its variables' values from those that are there already.

        The parameters are those of `add_meta_graph_and_variables`.

        Raises
        ------
        AssertionError      if no variables have been added, or a signature is not valid
        """
        if not self._has_variables:
            raise AssertionError("Graph state including variables and assets has not been saved yet. Please invoke "
                                 "`add_meta_graph_and_variables()` first.")
        tags, main_op = self._checked(tags, signature_def_map, main_op, legacy_init_op)
        assets = self._written_assets(assets_collection)
        self._add(_saver_for(saver), tags, signature_def_map, assets, main_op, clear_devices, strip_default_attrs)

    def _checked(self, tags, signature_def_map, main_op, legacy_init_op):
        if isinstance(tags, (str, bytes)):
            raise TypeError(f"tags must be a list of strings, as in [{tags!r}]")
        for key, signature in (signature_def_map or {}).items():
            _check_signature(key, signature)
        main_op = legacy_init_op if main_op is None else main_op
        if main_op is not None and not isinstance(main_op, Operation):
            raise TypeError(f"main_op needs to be an Operation: {main_op!r}")
        return list(tags), main_op

    def _add(self, saver, tags, signature_def_map, assets, main_op, clear_devices, strip_default_attrs):
        message = saver.export_meta_graph(clear_devices=clear_devices, strip_default_attrs=strip_default_attrs)
        message.meta_info_def.tags.extend(tags)
        for key, signature in (signature_def_map or {}).items():
            message.signature_def[key].CopyFrom(signature)
        message.collection_def.pop(constants.ASSETS_KEY, None)
        for tensor_name, name in assets:
            _add_asset(message, tensor_name, name)
        if main_op is not None:
            message.collection_def.pop(constants.MAIN_OP_KEY, None)
            message.collection_def[constants.MAIN_OP_KEY].node_list.value.append(main_op.name)
        self._saved_model.meta_graphs.append(message)

    # --- assets ---------------------------------------------------------------------------------------

    def _written_assets(self, assets_collection):
        """[(name of the tensor, name of the file among the assets)]; the files are copied."""
        found = []
        for tensor in assets_collection or ():
            path = _path_in(tensor)
            if path not in self._assets:
                name = self._new_name(os.path.basename(path))
                self._folder.add_folder(constants.ASSETS_DIRECTORY)
                self._folder.add_file(os.path.join(constants.ASSETS_DIRECTORY, name), chunks_of(path))
                self._assets[path] = name
            found.append((tensor.name, self._assets[path]))
        return found

    def _new_name(self, name):
        """`name`, or with a number behind it where another file has that name."""
        taken, number, candidate = set(self._assets.values()), 0, name
        while candidate in taken:
            number += 1
            candidate = f"{name}_{number}"
        return candidate

    # --- the end --------------------------------------------------------------------------------------

    def save(self, as_text=False):
        """Writes the file with the graphs; the folder is in its place then. May be called again, in another form.

        Parameters
        ----------
        as_text : bool      writes `saved_model.pbtxt` instead of `saved_model.pb`

        Returns
        -------
        bytes               the path of that file
        """
        name = constants.SAVED_MODEL_FILENAME_PBTXT if as_text else constants.SAVED_MODEL_FILENAME_PB
        if not self._folder.is_committed:
            _check_is_free(self._export_dir)
        write_message(os.path.join(self._folder.path, name), self._saved_model, as_text)
        if not self._folder.is_committed:
            self._folder.commit()
        return os.path.join(self._export_dir, name).encode()


def _check_is_free(export_dir):
    if os.path.lexists(export_dir) and (not os.path.isdir(export_dir) or os.listdir(export_dir)):
        raise AssertionError("Export directory already exists, and isn't empty. Please choose a different export "
                             f"directory, or delete all the contents of the specified directory: {export_dir}")


def _saver_for(saver):
    if saver is not None:
        return saver
    return Saver(default_variables(), sharded=True, allow_empty=True)


def _check_signature(key, signature):
    if key.startswith("__saved_model_"):
        raise KeyError(f"SignatureDef map key {key!r} is reserved")
    if not hasattr(signature, "inputs"):
        raise TypeError(f"signature {key!r} must be a SignatureDef, as build_signature_def gives, not {signature!r}")
    for info in (*signature.inputs.values(), *signature.outputs.values()):
        if not info.dtype or info.WhichOneof("encoding") is None:
            raise AssertionError(f"signature {key!r}: every TensorInfo must have a name and a dtype, unlike {info}")


def _path_in(tensor):
    """The path in a constant."""
    op = getattr(tensor, "op", None)
    if op is None or op.type != "Const" or tensor.dtype.base_dtype.name != "string" or op.attrs["value"].size != 1:
        raise ValueError(f"Invalid asset filepath tensor {tensor!r}: it must be a constant with one path")
    return op.attrs["value"].item().decode("utf-8", "surrogateescape")


def _add_asset(message, tensor_name, name):
    from ..protos import AssetFileDef
    asset = AssetFileDef(filename=name)
    asset.tensor_info.name = tensor_name
    message.collection_def[constants.ASSETS_KEY].any_list.value.add(
        type_url=_TYPE_URL, value=asset.SerializeToString(deterministic=True))
