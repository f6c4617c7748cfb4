"""The ops that parse Examples, TensorFlow's. Their bodies are complete: no device has a kernel for them."""
from thalweg.framework.declaration import define_op
from thalweg.framework.dtypes import DType
from thalweg.framework.shapes import TensorShape

from . import columns
from .columns import KINDS, kind_of

_NO_GRADIENT = "what is parsed from strings has no gradient"


def _owner(names):
    """What errors say of example i: its name, where names are given."""
    return lambda i: f"Name: {names[i].decode('utf-8', 'replace') if len(names) else '<unknown>'}, "


def _dense(column, shape, default, owner):
    if shape and shape[0] is None:
        return columns.padded(column, shape[1:], default, owner)
    return columns.fixed(column, shape, default, owner)


def _wanted(keys, kinds):
    return [(key, kind) for key, kind in zip(keys, kinds)]


def _bytes_of(keys):
    return [key.encode() if isinstance(key, str) else bytes(key) for key in keys]


def _by_part(triples):
    """Triples (indices, values, shape) as three lists: all indices, all values, all shapes."""
    return [[t[k] for t in triples] for k in range(3)]


def _features(serialized, sparse_keys, sparse_types, dense_keys, defaults, dense_shapes, owner):
    """([sparse triples], [dense arrays]) of a list of Examples."""
    kinds = [KINDS[t] for t in sparse_types] + [kind_of(d) for d in defaults]
    found = columns.walk(serialized, _wanted(sparse_keys + dense_keys, kinds), (), owner, "example").features
    count = len(sparse_keys)
    return ([columns.sparse(c) for c in found[:count]],
            [_dense(c, shape, d, owner) for c, shape, d in zip(found[count:], dense_shapes, defaults)])


# --- Examples ---------------------------------------------------------------------------------------

@define_op("ParseExample", "serialized: string[B], names: string[M], sparse_keys: Nsparse*string[], "
                           "dense_keys: Ndense*string[], dense_defaults: Tdense... "
                           "-> sparse_indices: Nsparse*int64, sparse_values: sparse_types..., "
                           "sparse_shapes: Nsparse*int64, dense_values: Tdense...")
def parse_example_op(serialized, names, sparse_keys, dense_keys, dense_defaults, *, Nsparse: int, Ndense: int,
                     sparse_types: list[DType], dense_shapes: list[TensorShape]):
    """The wanted features of a batch of Examples."""
    if len(names) not in (0, len(serialized)):
        raise columns.invalid(f"Expected len(names) == len(serialized), but got: {len(names)} vs. {len(serialized)}")
    sparse, dense = _features(serialized.tolist(), [k.item() for k in sparse_keys], sparse_types,
                              [k.item() for k in dense_keys], dense_defaults, dense_shapes, _owner(names))
    return [*_by_part(sparse), dense]


@parse_example_op.shape
def parse_example_shape(node, serialized, names, sparse_keys, dense_keys, defaults):
    batch = serialized[0] if serialized is not None else None
    return _sparse_shapes(node.Nsparse, 2) + [(batch, *shape) for shape in node.dense_shapes]


def _sparse_shapes(count, rank):
    return [(None, rank)] * count + [(None,)] * count + [(rank,)] * count


@define_op("ParseSingleExample", "serialized: string[], dense_defaults: Tdense... "
                                 "-> sparse_indices: num_sparse*int64, sparse_values: sparse_types..., "
                                 "sparse_shapes: num_sparse*int64, dense_values: Tdense...")
def parse_single_example_op(serialized, dense_defaults, *, num_sparse: int, sparse_keys: list[str],
                            dense_keys: list[str], sparse_types: list[DType], dense_shapes: list[TensorShape]):
    """The wanted features of one Example."""
    sparse, dense = _features([serialized.item()], _bytes_of(sparse_keys), sparse_types, _bytes_of(dense_keys),
                              dense_defaults, dense_shapes, lambda i: "")
    return [*_by_part([_first(triple) for triple in sparse]), [d[0, ...] for d in dense]]


def _first(triple):
    """The sparse triple of the one element in a batch of one."""
    indices, values, shape = triple
    return indices[:, 1:], values, shape[1:]


@parse_single_example_op.shape
def parse_single_example_shape(node, serialized, defaults):
    return _sparse_shapes(node.num_sparse, 1) + list(node.dense_shapes)


# --- SequenceExamples -------------------------------------------------------------------------------

class _Sequence:
    """What is wanted of SequenceExamples, and the walk over a list of them."""

    def __init__(self, serialized, owner, context_sparse, context_dense, list_sparse, list_dense):
        self.context_sparse, self.context_dense = context_sparse, context_dense
        self.list_sparse, self.list_dense = list_sparse, list_dense
        self.owner = owner
        self._walk = columns.walk(serialized, context_sparse + context_dense, list_sparse + list_dense, owner,
                                  "sequence example")

    def context(self, shapes, defaults):
        """(sparse triples, dense arrays [B, ...]) of the context."""
        found, count = self._walk.features, len(self.context_sparse)
        return ([columns.sparse(c) for c in found[:count]],
                [_dense(c, s, d, self.owner) for c, s, d in zip(found[count:], shapes, defaults)])

    def lists(self, shapes, may_miss):
        """(sparse triples, [(dense array [B, T, ...], lengths [B])]) of the lists; `may_miss`: keys of some."""
        found, count = self._walk.lists, len(self.list_sparse)
        return ([columns.sparse_lists(c) for c in found[:count]],
                [columns.dense_lists(c, s, c.key in may_miss, self.owner) for c, s in zip(found[count:], shapes)])


@define_op("ParseSingleSequenceExample",
           "serialized: string[], feature_list_dense_missing_assumed_empty: string[M], "
           "context_sparse_keys: Ncontext_sparse*string[], context_dense_keys: Ncontext_dense*string[], "
           "feature_list_sparse_keys: Nfeature_list_sparse*string[], "
           "feature_list_dense_keys: Nfeature_list_dense*string[], context_dense_defaults: Tcontext_dense..., "
           "debug_name: string[] "
           "-> context_sparse_indices: Ncontext_sparse*int64, context_sparse_values: context_sparse_types..., "
           "context_sparse_shapes: Ncontext_sparse*int64, context_dense_values: Tcontext_dense..., "
           "feature_list_sparse_indices: Nfeature_list_sparse*int64, "
           "feature_list_sparse_values: feature_list_sparse_types..., "
           "feature_list_sparse_shapes: Nfeature_list_sparse*int64, "
           "feature_list_dense_values: feature_list_dense_types...")
def parse_single_sequence_example_op(
        serialized, feature_list_dense_missing_assumed_empty, context_sparse_keys, context_dense_keys,
        feature_list_sparse_keys, feature_list_dense_keys, context_dense_defaults, debug_name, *,
        Ncontext_sparse: int, Ncontext_dense: int, Nfeature_list_sparse: int, Nfeature_list_dense: int,
        context_sparse_types: list[DType] = (), feature_list_dense_types: list[DType] = (),
        context_dense_shapes: list[TensorShape] = (),
        feature_list_sparse_types: list[DType] = (), feature_list_dense_shapes: list[TensorShape] = ()):
    """The wanted features of one SequenceExample: of its context, and of its lists."""
    def of(keys, kinds):
        return _wanted([k.item() for k in keys], kinds)
    found = _Sequence([serialized.item()], _owner([debug_name.item()] if debug_name.item() else []),
                      of(context_sparse_keys, [KINDS[t] for t in context_sparse_types]),
                      of(context_dense_keys, map(kind_of, context_dense_defaults)),
                      of(feature_list_sparse_keys, [KINDS[t] for t in feature_list_sparse_types]),
                      of(feature_list_dense_keys, [KINDS[t] for t in feature_list_dense_types]))
    sparse, dense = found.context(context_dense_shapes, context_dense_defaults)
    list_sparse, list_dense = found.lists(feature_list_dense_shapes, feature_list_dense_missing_assumed_empty.tolist())
    return [*_by_part([_first(t) for t in sparse]), [d[0, ...] for d in dense],
            *_by_part([_first(t) for t in list_sparse]), [values[0] for values, lengths in list_dense]]


@parse_single_sequence_example_op.shape
def parse_single_sequence_example_shape(node, *inputs):
    return [*_sparse_shapes(node.Ncontext_sparse, 1), *node.context_dense_shapes,
            *_sparse_shapes(node.Nfeature_list_sparse, 2), *[(None, *s) for s in node.feature_list_dense_shapes]]


@define_op("ParseSequenceExample",
           "serialized: string[B], debug_name: string[M], context_dense_defaults: Tcontext_dense... "
           "-> context_sparse_indices: Ncontext_sparse*int64, context_sparse_values: context_sparse_types..., "
           "context_sparse_shapes: Ncontext_sparse*int64, context_dense_values: Tcontext_dense..., "
           "feature_list_sparse_indices: Nfeature_list_sparse*int64, "
           "feature_list_sparse_values: feature_list_sparse_types..., "
           "feature_list_sparse_shapes: Nfeature_list_sparse*int64, "
           "feature_list_dense_values: feature_list_dense_types..., "
           "feature_list_dense_lengths: Nfeature_list_dense*int64")
def parse_sequence_example_op(
        serialized, debug_name, context_dense_defaults, *, feature_list_dense_missing_assumed_empty: list[str],
        context_sparse_keys: list[str], context_dense_keys: list[str], feature_list_sparse_keys: list[str],
        feature_list_dense_keys: list[str], Ncontext_sparse: int = 0, Ncontext_dense: int = 0,
        Nfeature_list_sparse: int = 0, Nfeature_list_dense: int = 0, context_sparse_types: list[DType] = (),
        feature_list_dense_types: list[DType] = (), context_dense_shapes: list[TensorShape] = (),
        feature_list_sparse_types: list[DType] = (), feature_list_dense_shapes: list[TensorShape] = ()):
    """The wanted features of a batch of SequenceExamples; lists are filled up to the longest of the batch."""
    if len(debug_name) not in (0, len(serialized)):
        raise columns.invalid(f"Expected len(debug_name) == len(serialized), but got: {len(debug_name)} vs. "
                              f"{len(serialized)}")

    def of(keys, kinds):
        return _wanted(_bytes_of(keys), kinds)
    found = _Sequence(serialized.tolist(), _owner(debug_name),
                      of(context_sparse_keys, [KINDS[t] for t in context_sparse_types]),
                      of(context_dense_keys, map(kind_of, context_dense_defaults)),
                      of(feature_list_sparse_keys, [KINDS[t] for t in feature_list_sparse_types]),
                      of(feature_list_dense_keys, [KINDS[t] for t in feature_list_dense_types]))
    sparse, dense = found.context(context_dense_shapes, context_dense_defaults)
    list_sparse, list_dense = found.lists(feature_list_dense_shapes,
                                          _bytes_of(feature_list_dense_missing_assumed_empty))
    return [*_by_part(sparse), dense, *_by_part(list_sparse), [values for values, lengths in list_dense],
            [lengths for values, lengths in list_dense]]


@parse_sequence_example_op.shape
def parse_sequence_example_shape(node, serialized, debug_name, defaults):
    batch = serialized[0] if serialized is not None else None
    return [*_sparse_shapes(node.Ncontext_sparse, 2), *[(batch, *s) for s in node.context_dense_shapes],
            *_sparse_shapes(node.Nfeature_list_sparse, 3),
            *[(batch, None, *s) for s in node.feature_list_dense_shapes], *[(batch,)] * node.Nfeature_list_dense]


for _op in (parse_example_op, parse_single_example_op, parse_single_sequence_example_op, parse_sequence_example_op):
    _op.no_gradient(_NO_GRADIENT)
