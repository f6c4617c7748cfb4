"""`tf.parse_example` and its kin: Examples and SequenceExamples, as strings in the graph, taken apart."""
from thalweg.framework.conversion import convert_to_tensor
from thalweg.framework.dtypes import string
from thalweg.framework.graph import name_scope
from thalweg.framework.sparse_tensor import SparseTensor
from thalweg.ops import array

from . import parse_ops as ops
from .features import FixedLenFeature, FixedLenSequenceFeature, Plan, SparseFeature, VarLenFeature

_OF_EXAMPLES = (VarLenFeature, SparseFeature, FixedLenFeature, FixedLenSequenceFeature)
_OF_CONTEXTS = (VarLenFeature, FixedLenFeature)
_OF_LISTS = (VarLenFeature, FixedLenSequenceFeature)


def parse_example(serialized, features, name=None, example_names=None):
    """The features of a batch of Examples.

    Parameters
    ----------
    serialized : string [B]             tf.train.Example messages
    features : dict of str: FixedLenFeature, FixedLenSequenceFeature, VarLenFeature or SparseFeature
    example_names : string [B]          for errors

    Returns
    -------
    dict of str: Tensor [B, *shape], [B, T, *shape] of rows, or SparseTensor [B, T]

    Raises
    ------
    InvalidArgumentError      when run, for what is no Example; for a feature that is missing, of another kind, or of
                              another number of values. The error names the feature and the example.
    """
    if not features:
        raise ValueError(f"Missing: features was {features}.")
    plan = Plan(features, _OF_EXAMPLES).with_rows()
    with name_scope(name, "ParseExample"):
        return _parse(plan, convert_to_tensor(serialized, string, name="serialized"), example_names, name)


def _parse(plan, serialized, names, name):
    names = convert_to_tensor([] if names is None else names, string, name="names")
    found = ops.parse_example_op(serialized, names, plan.sparse_keys, list(plan.dense), plan.defaults(),
                                 sparse_types=plan.sparse_types, dense_shapes=plan.dense_shapes, name=name)
    return plan.values(*found)


def parse_single_example(serialized, features, name=None, example_names=None):
    """The features of one Example.

    Parameters
    ----------
    serialized : string scalar          a tf.train.Example message
    features : as in `parse_example`
    example_names : string scalar       for errors

    Returns
    -------
    dict of str: Tensor of the feature's shape, [T, *shape] of rows, or SparseTensor [T]

    Raises as `parse_example`.
    """
    if not features:
        raise ValueError("Missing features.")
    plan = Plan(features, _OF_EXAMPLES).with_rows()
    with name_scope(name, "ParseSingleExample"):
        serialized = convert_to_tensor(serialized, string, name="serialized")
        if example_names is not None:
            names = array.expand_dims(convert_to_tensor(example_names, string, name="names"), 0)
            batch = _parse(plan, array.expand_dims(serialized, 0), names, name)
            return {key: _first(value) for key, value in batch.items()}
        found = ops.parse_single_example_op(
            serialized, plan.defaults(), num_sparse=len(plan.sparse), sparse_keys=plan.sparse_keys,
            dense_keys=list(plan.dense), sparse_types=plan.sparse_types, dense_shapes=plan.dense_shapes,
            name=name)
        return plan.values(*found)


def _first(value):
    """The one element of a batch of one."""
    if isinstance(value, SparseTensor):
        return SparseTensor(value.indices[:, 1:], value.values, value.dense_shape[1:])
    return array.squeeze(value, [0])


def parse_single_sequence_example(serialized, context_features=None, sequence_features=None, example_name=None,
                                  name=None):
    """The features of one SequenceExample: of its context, and of its lists.

    Parameters
    ----------
    serialized : string scalar          a tf.train.SequenceExample message
    context_features : dict of str: FixedLenFeature or VarLenFeature
    sequence_features : dict of str: FixedLenSequenceFeature or VarLenFeature
    example_name : string scalar        for errors

    Returns
    -------
    (dict of the context: Tensor of the feature's shape, or SparseTensor [n];
     dict of the lists: Tensor [T, *shape], or SparseTensor [T, n])

    Raises as `parse_example`; also for a list that is missing, unless its feature says allow_missing.
    """
    context, lists = _plans(context_features, sequence_features)
    with name_scope(name, "ParseSingleSequenceExample"):
        found = ops.parse_single_sequence_example_op(
            convert_to_tensor(serialized, string, name="serialized"),
            convert_to_tensor(lists.may_miss, string, name="feature_list_dense_missing_assumed_empty"),
            context.sparse_keys, list(context.dense), lists.sparse_keys, list(lists.dense), context.defaults(),
            convert_to_tensor("" if example_name is None else example_name, string, name="debug_name"),
            context_sparse_types=context.sparse_types, context_dense_shapes=context.dense_shapes,
            feature_list_sparse_types=lists.sparse_types, feature_list_dense_types=lists.dense_types,
            feature_list_dense_shapes=lists.dense_shapes, name=name)
        return context.values(*found[:4]), lists.values(*found[4:])


def parse_sequence_example(serialized, context_features=None, sequence_features=None, example_names=None, name=None):
    """The features of a batch of SequenceExamples.

    Parameters
    ----------
    serialized : string [B]             tf.train.SequenceExample messages
    context_features, sequence_features : as in `parse_single_sequence_example`
    example_names : string [B]          for errors

    Returns
    -------
    (dict of the context, as from `parse_example`;
     dict of the lists: Tensor [B, T, *shape], zero behind the shorter ones, or SparseTensor [B, T, n];
     dict of the lengths of the dense lists: int64 [B])

    Raises as `parse_single_sequence_example`.
    """
    context, lists = _plans(context_features, sequence_features)
    with name_scope(name, "ParseSequenceExample"):
        *found, lengths = ops.parse_sequence_example_op(
            convert_to_tensor(serialized, string, name="serialized"),
            convert_to_tensor([] if example_names is None else example_names, string, name="debug_name"),
            context.defaults(), feature_list_dense_missing_assumed_empty=lists.may_miss,
            context_sparse_keys=context.sparse_keys, context_dense_keys=list(context.dense),
            feature_list_sparse_keys=lists.sparse_keys, feature_list_dense_keys=list(lists.dense),
            Ncontext_sparse=len(context.sparse), Ncontext_dense=len(context.dense),
            Nfeature_list_sparse=len(lists.sparse), Nfeature_list_dense=len(lists.dense),
            context_sparse_types=context.sparse_types, context_dense_shapes=context.dense_shapes,
            feature_list_sparse_types=lists.sparse_types, feature_list_dense_types=lists.dense_types,
            feature_list_dense_shapes=lists.dense_shapes, name=name)
        return context.values(*found[:4]), lists.values(*found[4:]), dict(zip(lists.dense, lengths))


def _plans(context_features, sequence_features):
    if not (context_features or sequence_features):
        raise ValueError("Missing features.")
    return Plan(context_features, _OF_CONTEXTS), Plan(sequence_features, _OF_LISTS)
