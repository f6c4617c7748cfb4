"""`tf.saved_model.simple_save`: a SavedModel with one graph and one signature."""
from . import constants
from .builder import SavedModelBuilder
from .signatures import predict_signature_def


def simple_save(session, export_dir, inputs, outputs, legacy_init_op=None):
    """Writes the default graph with the session's values, to be served.

    Parameters
    ----------
    session : Session
    export_dir : str                    the folder to make
    inputs, outputs : dict {str: Tensor}
    legacy_init_op : Operation          what a loader runs at the end

    Raises
    ------
    AssertionError, ValueError          as SavedModelBuilder and predict_signature_def
    """
    from thalweg.framework.graph import get_default_graph
    signature = predict_signature_def(inputs, outputs)
    builder = SavedModelBuilder(export_dir)
    builder.add_meta_graph_and_variables(
        session, tags=[constants.SERVING],
        signature_def_map={constants.DEFAULT_SERVING_SIGNATURE_DEF_KEY: signature},
        assets_collection=get_default_graph().get_collection("asset_filepaths"), main_op=legacy_init_op,
        clear_devices=True)
    builder.save()
