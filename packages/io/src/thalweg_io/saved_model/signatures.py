"""Signatures: which tensors a caller of a model gives, and which it gets (`tf.saved_model.signature_def_utils`)."""
from thalweg.framework.dtypes import as_dtype

from . import constants
from .tensor_info import build_tensor_info

_FLOAT, _STRING = as_dtype("float32").as_datatype_enum, as_dtype("string").as_datatype_enum


def build_signature_def(inputs=None, outputs=None, method_name=None):
    """A SignatureDef of TensorInfos by name."""
    from ..protos import SignatureDef
    signature = SignatureDef()
    for given, target in ((inputs, signature.inputs), (outputs, signature.outputs)):
        for name, info in (given or {}).items():
            target[name].CopyFrom(info)
    if method_name is not None:
        signature.method_name = method_name
    return signature


def predict_signature_def(inputs, outputs):
    """The signature of a function from tensors by name to tensors by name.

    Raises
    ------
    ValueError      without inputs or outputs
    """
    if not inputs:
        raise ValueError("Prediction inputs cannot be None or empty.")
    if not outputs:
        raise ValueError("Prediction outputs cannot be None or empty.")
    for what, tensors in (("inputs", inputs), ("outputs", outputs)):
        if not hasattr(tensors, "items") or not all(isinstance(name, str) for name in tensors):
            raise TypeError(f"{what} must be a dict of name: tensor, not {tensors!r}")
    return build_signature_def({name: build_tensor_info(t) for name, t in inputs.items()},
                               {name: build_tensor_info(t) for name, t in outputs.items()},
                               constants.PREDICT_METHOD_NAME)


def regression_signature_def(examples, predictions):
    """The signature of a function from serialized Examples to numbers.

    Parameters
    ----------
    examples : string Tensor
    predictions : float32 Tensor

    Raises
    ------
    ValueError      if one is missing or of another dtype
    """
    if examples is None:
        raise ValueError("Regression examples cannot be None.")
    if predictions is None:
        raise ValueError("Regression predictions cannot be None.")
    given = _checked("Regression examples", "string", examples, _STRING)
    result = _checked("Regression output", "float", predictions, _FLOAT)
    return build_signature_def({constants.REGRESS_INPUTS: given}, {constants.REGRESS_OUTPUTS: result},
                               constants.REGRESS_METHOD_NAME)


def classification_signature_def(examples, classes, scores):
    """The signature of a function from serialized Examples to classes, scores, or both.

    Parameters
    ----------
    examples : string Tensor
    classes : string Tensor or None
    scores : float32 Tensor or None

    Raises
    ------
    ValueError      if examples, or both results, are missing, or one has another dtype
    """
    if examples is None:
        raise ValueError("Classification examples cannot be None.")
    if classes is None and scores is None:
        raise ValueError("Classification classes and scores cannot both be None.")
    given = _checked("Classification examples", "string", examples, _STRING)
    outputs = {}
    if classes is not None:
        outputs[constants.CLASSIFY_OUTPUT_CLASSES] = _checked("Classification classes", "string", classes, _STRING)
    if scores is not None:
        outputs[constants.CLASSIFY_OUTPUT_SCORES] = _checked("Classification scores", "float", scores, _FLOAT)
    return build_signature_def({constants.CLASSIFY_INPUTS: given}, outputs, constants.CLASSIFY_METHOD_NAME)


def _checked(what, kind, tensor, number):
    info = build_tensor_info(tensor)
    if info.dtype != number:
        raise ValueError(f"{what} must be a {kind} Tensor.")
    return info


def is_valid_signature(signature_def):
    """Whether TensorFlow Serving could call it: a method that it knows, with inputs and outputs that fit."""
    if signature_def is None or not signature_def.inputs or not signature_def.outputs:
        return False
    check = _CHECKS.get(signature_def.method_name)
    return check is not None and check(signature_def)


def _is_predict(signature_def):
    return True


def _is_regression(signature_def):
    return (_has(signature_def.inputs, {constants.REGRESS_INPUTS: _STRING}) and len(signature_def.outputs) == 1
            and _has(signature_def.outputs, {constants.REGRESS_OUTPUTS: _FLOAT}))


def _is_classification(signature_def):
    allowed = {constants.CLASSIFY_OUTPUT_CLASSES: _STRING, constants.CLASSIFY_OUTPUT_SCORES: _FLOAT}
    return (_has(signature_def.inputs, {constants.CLASSIFY_INPUTS: _STRING})
            and all(allowed.get(name) == info.dtype for name, info in signature_def.outputs.items()))


def _has(infos, wanted):
    return len(infos) == len(wanted) and all(name in infos and infos[name].dtype == number
                                             for name, number in wanted.items())


_CHECKS = {constants.PREDICT_METHOD_NAME: _is_predict, constants.REGRESS_METHOD_NAME: _is_regression,
           constants.CLASSIFY_METHOD_NAME: _is_classification}
