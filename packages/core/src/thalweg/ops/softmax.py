"""Softmax, and the cross entropy of classes."""
import numpy as np

from thalweg.framework import errors, shapes
from thalweg.framework.constant_value import constant_value
from thalweg.framework.conversion import convert_to_tensor
from thalweg.framework.declaration import INDEX_TYPES, define_op, elementwise
from thalweg.framework.dtypes import FLOATS, bfloat16, float16, float32
from thalweg.framework.graph import Tensor, control_dependencies, name_scope

from . import array, cast, checks, comparison, math, reduction, select, sequence, slicing, unary
from ._gradient import is_zero
from ._reference import widened


def _shifted(x):
    """x less the maximum of each row: exp of it does not overflow."""
    return x - np.max(x, -1, keepdims=True, initial=-np.inf) if x.size else x


@elementwise("Softmax", "logits: T -> softmax: T", T=FLOATS, cpu="softmax:softmax")
@widened
def softmax_op(logits):
    """exp(logits) / sum(exp(logits)) along the last dimension."""
    shifted = np.exp(_shifted(logits))
    return shifted / np.sum(shifted, -1, keepdims=True, dtype=np.float64).astype(logits.dtype)


@softmax_op.gradient
def softmax_grad(node, dy):
    y = node.softmax
    return (dy - reduction.reduce_sum(dy * y, -1, keepdims=True)) * y


@elementwise("LogSoftmax", "logits: T -> logsoftmax: T", T=FLOATS, cpu="softmax:log_softmax")
@widened
def log_softmax_op(logits):
    """logits - log(sum(exp(logits))) along the last dimension."""
    shifted = _shifted(logits)
    return shifted - np.log(np.sum(np.exp(shifted), -1, keepdims=True, dtype=np.float64)).astype(logits.dtype)


@log_softmax_op.gradient
def log_softmax_grad(node, dy):
    return dy - reduction.reduce_sum(dy, -1, keepdims=True) * unary.exp(node.logsoftmax)


def _has_a_dimension(node, logits):
    if logits == ():
        raise ValueError("logits must have at least one dimension")
    return logits


softmax_op.shape(_has_a_dimension)
log_softmax_op.shape(_has_a_dimension)


# --- cross entropy ----------------------------------------------------------------------------------

_OUTPUTS = "-> loss: T, backprop: T"


@define_op("SoftmaxCrossEntropyWithLogits", f"features: T, labels: T {_OUTPUTS}", T=FLOATS,
           cpu="softmax:softmax_cross_entropy")
@widened
def softmax_cross_entropy_op(features, labels):
    """loss[n] = -sum over c of labels[n, c] log softmax(features)[n, c]; backprop is its gradient for features.

    The labels of a row are taken to add up to 1.
    """
    features, labels = np.broadcast_arrays(features, labels)
    log_p = log_softmax_op.body.__wrapped__(features) if features.size else features
    loss = -np.sum(np.where(labels == 0, labels, labels * log_p), -1, dtype=np.float64)
    return loss.astype(features.dtype), np.exp(log_p) - labels


@softmax_cross_entropy_op.shape
def softmax_cross_entropy_shape(node, features, labels):
    for name, side in (("features", features), ("labels", labels)):
        if side is not None and len(side) != 2:
            raise ValueError(f"{name} must be a matrix [batch, classes], its shape is {shapes.text(side)}")
    joined = shapes.broadcast(features, labels) or (None, None)
    return [joined[:1], joined]


@softmax_cross_entropy_op.gradient
def softmax_cross_entropy_grad(node, dloss, dbackprop):
    """Labels too: they get -log softmax. `dbackprop` is not zero in the gradient of a gradient only."""
    logits = node.features
    share = array.expand_dims(dloss, -1)
    dlogits = share * node.backprop
    if not is_zero(dbackprop):
        dlogits += _through_softmax(logits, dbackprop)
    dlabels = share * -log_softmax_op(logits)
    if not is_zero(dbackprop):
        dlabels -= dbackprop
    return dlogits, dlabels


def _through_softmax(logits, dy):
    p = softmax_op(logits)
    return (dy - reduction.reduce_sum(dy * p, -1, keepdims=True)) * p


@define_op("SparseSoftmaxCrossEntropyWithLogits", f"features: T[N,C], labels: Tlabels[N] {_OUTPUTS}", T=FLOATS,
           Tlabels=INDEX_TYPES, cpu="softmax:sparse_softmax_cross_entropy")
@widened
def sparse_softmax_cross_entropy_op(features, labels):
    """loss[n] = -log softmax(features)[n, labels[n]]; backprop is its gradient for features."""
    classes = features.shape[1]
    if features.size and np.any((labels < 0) | (labels >= classes)):
        wrong = labels[(labels < 0) | (labels >= classes)][0]
        raise errors.InvalidArgumentError(None, None, f"Received a label value of {wrong} which is outside the valid "
                                                      f"range of [0, {classes}). Label values: {labels.tolist()[:20]}")
    log_p = log_softmax_op.body.__wrapped__(features) if features.size else features
    rows = np.arange(len(labels))
    backprop = np.exp(log_p)
    backprop[rows, labels] -= 1
    return -log_p[rows, labels], backprop


@sparse_softmax_cross_entropy_op.shape
def sparse_softmax_cross_entropy_shape(node, features, labels):
    known = [s[0] for s in (features, labels) if s is not None and s[0] is not None]
    n = known[0] if known else None
    return [(n,), (n, None if features is None else features[1])]


@sparse_softmax_cross_entropy_op.gradient
def sparse_softmax_cross_entropy_grad(node, dloss, dbackprop):
    dlogits = array.expand_dims(dloss, -1) * node.backprop
    if not is_zero(dbackprop):
        dlogits += _through_softmax(node.features, dbackprop)
    return dlogits, None


# --- the public functions ---------------------------------------------------------------------------

def _along_axis(op, logits, axis, name):
    """Applies an op of the last dimension along `axis`: exchanges the two, before and after."""
    logits = convert_to_tensor(logits)
    shape = logits._shape
    known = constant_value(axis) if isinstance(axis, Tensor) else axis
    if shape is not None and known is not None and not -len(shape) <= known < max(len(shape), 1):
        raise errors.InvalidArgumentError(None, None, f"Dimension (provided: {known}) must be in the range "
                                                      f"[{-len(shape)}, {len(shape)}), where {len(shape)} is the "
                                                      "number of dimensions in the input.")
    if known == -1 or shape is not None and known == len(shape) - 1:
        return op(logits, name=name)
    count = array.rank(logits)
    if isinstance(axis, Tensor):
        axis = select.where(comparison.less(axis, 0), axis + count, axis)
    elif axis < 0:
        axis = axis + count if shape is None else axis + len(shape)
    rank = array.rank(logits)

    def exchanged(x, name=None):
        last = math.subtract(rank, 1)
        perm = array.concat([sequence.range(axis), [last], sequence.range(axis + 1, last), [axis]], 0)
        return array.transpose(x, perm) if name is None else array.transpose(x, perm, name=name)
    result = exchanged(op(exchanged(logits)), name)
    result.set_shape(shape)
    return result


def softmax(logits, axis=None, name=None, dim=None):
    """exp(logits) / sum(exp(logits)) along `axis`, by default the last. `dim` is the older name of `axis`."""
    axis = array._one_of("axis", axis, "dim", dim)
    return _along_axis(softmax_op, logits, -1 if axis is None else axis, name)


def log_softmax(logits, axis=None, name=None, dim=None):
    """logits - log(sum(exp(logits))) along `axis`, by default the last. `dim` is the older name of `axis`."""
    axis = array._one_of("axis", axis, "dim", dim)
    return _along_axis(log_softmax_op, logits, -1 if axis is None else axis, name)


def _as_matrix(logits):
    """All dimensions but the last merged into one."""
    rank = array.rank(logits)
    classes = slicing.slice(array.shape(logits), [math.subtract(rank, 1)], [1])
    return array.reshape(logits, array.concat([[-1], classes], 0))


def _named_only(function, sentinel, labels, logits):
    if sentinel is not None:
        raise ValueError(f"Only call `{function}` with named arguments (labels=..., logits=..., ...)")
    if labels is None or logits is None:
        raise ValueError("Both labels and logits must be provided.")


def softmax_cross_entropy_with_logits(_sentinel=None, labels=None, logits=None, dim=-1, name=None, axis=None):
    """Cross entropy of class probabilities; no gradient flows into the labels. See the `_v2` for one that does.

    labels : Tensor [..., classes]    rows of probabilities
    logits : Tensor [..., classes]    unscaled log probabilities
    Gives a Tensor of the shape of logits without `dim`.
    """
    dim = axis if axis is not None else dim
    _named_only("softmax_cross_entropy_with_logits", _sentinel, labels, logits)
    with name_scope(name, "softmax_cross_entropy_with_logits_sg", [logits, labels]) as scope:
        labels = array.stop_gradient(labels, name="labels_stop_gradient")
        return softmax_cross_entropy_with_logits_v2(labels=labels, logits=logits, axis=dim, name=scope)


def softmax_cross_entropy_with_logits_v2(labels=None, logits=None, axis=None, name=None, dim=None):
    """Cross entropy of class probabilities, -sum(labels * log(softmax(logits))) along `axis` (default: the last).

    labels : Tensor [..., classes]    rows of probabilities that add up to 1; gradients flow into them
    logits : Tensor [..., classes]    unscaled log probabilities; float16 is computed in float32
    """
    axis = array._one_of("axis", axis, "dim", dim)
    axis = -1 if axis is None else axis
    with name_scope(name, "softmax_cross_entropy_with_logits", [logits, labels]) as scope:
        logits = convert_to_tensor(logits, name="logits")
        labels = convert_to_tensor(labels, name="labels")
        is_half = logits.dtype.base_dtype in (float16, bfloat16)
        precise = cast.cast(logits, float32) if is_half else logits
        labels = cast.cast(labels, precise.dtype.base_dtype)
        rank, shape = array.rank(precise), logits._shape
        if axis != -1:
            precise, labels = _with_axis_last(precise, axis, rank), _with_axis_last(labels, axis, rank)
        sizes = array.shape(precise)
        cost, _ = softmax_cross_entropy_op(_as_matrix(precise), _as_matrix(labels), name=scope)
        cost = array.reshape(cost, slicing.slice(sizes, [0], [math.subtract(rank, 1)]))
        if shape is not None:
            axis = array.normal_axis(axis, len(shape))
            cost.set_shape(shape[:axis] + shape[axis + 1:])
        return cast.cast(cost, logits.dtype) if is_half else cost


def _with_axis_last(x, axis, rank):
    return array.transpose(x, array.concat([sequence.range(axis), sequence.range(axis + 1, rank), [axis]], 0))


def sparse_softmax_cross_entropy_with_logits(_sentinel=None, labels=None, logits=None, name=None):
    """Cross entropy where each label is the number of the one right class.

    labels : int32 or int64 Tensor [...], in [0, classes)
    logits : Tensor [..., classes]    unscaled log probabilities
    Gives a Tensor of the shape of the labels.
    """
    _named_only("sparse_softmax_cross_entropy_with_logits", _sentinel, labels, logits)
    with name_scope(name, "SparseSoftmaxCrossEntropyWithLogits", [labels, logits]):
        labels = convert_to_tensor(labels)
        logits = convert_to_tensor(logits)
        is_half = logits.dtype.base_dtype is float16
        precise = cast.cast(logits, float32) if is_half else logits
        sizes, wanted = array.shape(labels), labels._shape
        all_known = _check_sparse(wanted, logits._shape)
        if logits._shape is not None and len(logits._shape) == 2:
            cost, _ = sparse_softmax_cross_entropy_op(precise, labels, name=name)
            return cast.cast(cost, float16) if is_half else cost
        tests = [] if all_known else [checks.assert_equal(array.shape(labels), array.shape(logits)[:-1])]
        with control_dependencies(tests):
            classes = array.shape(logits)[array.rank(logits) - 1]
            precise = array.reshape(precise, [-1, classes])
            flat = array.reshape(labels, [-1])
            cost, _ = sparse_softmax_cross_entropy_op(precise, flat, name=name)
            cost = array.reshape(cost, sizes)
            cost.set_shape(wanted)
            return cast.cast(cost, float16) if is_half else cost


def _check_sparse(labels, logits):
    """Whether both static shapes are known; ValueError when they do not fit."""
    if logits == ():
        raise ValueError("Logits cannot be scalars - received shape ().")
    if logits is None or labels is None:
        return False
    if len(labels) != len(logits) - 1:
        raise errors.ShapeError(f"Rank mismatch: Rank of labels (received {len(labels)}) should equal rank of logits "
                                f"minus 1 (received {len(logits)}).")
    known = None not in labels and None not in logits[:-1]
    if known and labels != logits[:-1]:
        raise errors.ShapeError(f"Shape mismatch: The shape of labels (received {shapes.text(labels)}) should equal "
                                f"the shape of logits except for the last dimension (received {shapes.text(logits)}).")
    return known
