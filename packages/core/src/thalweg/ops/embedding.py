"""Looking rows up in a table, or in a table that is split into parts."""
from thalweg.framework import shapes
from thalweg.framework.conversion import convert_to_tensor
from thalweg.framework.dtypes import int32
from thalweg.framework.graph import colocate_with, name_scope

from . import array, cast, constant, indexing, math, norm, partition, reduction, select, sequence


def embedding_lookup(params, ids, partition_strategy="mod", name=None, validate_indices=True, max_norm=None):
    """The rows of a table with the numbers `ids`, as [*ids.shape, *row].

    Parameters
    ----------
    params : Tensor, Variable, or a list of them, the parts of the table
    ids : int32 or int64 Tensor
    partition_strategy : "mod": part p holds the rows p, p + n, p + 2 n, ...; "div": parts hold consecutive rows, the
        first ones one more where the number does not divide
    max_norm : scale rows down whose euclidean norm exceeds it
    """
    if params is None:
        raise ValueError("params must be specified")
    if isinstance(params, (list, tuple)) and not params:
        raise ValueError("Need at least one param")
    parts = list(params) if isinstance(params, (list, tuple)) or hasattr(params, "as_tensor") else [params]
    with name_scope(name, "embedding_lookup", [*parts, ids]) as scope:
        parts = [convert_to_tensor(p, name="params" if len(parts) == 1 else f"params_{i}")
                 for i, p in enumerate(parts)]
        ids = convert_to_tensor(ids, name="ids")
        if len(parts) == 1:
            with colocate_with(parts[0]):
                rows = _clipped(indexing.gather(parts[0], ids, name=scope), ids, max_norm)
            return array.identity(rows)
        return _clipped(_from_parts(parts, ids, partition_strategy, scope), ids, max_norm)


def _clipped(rows, ids, max_norm):
    if max_norm is None:
        return rows
    ids_rank = None if ids._shape is None else len(ids._shape)
    if ids_rank is not None and rows._shape is not None:
        return norm.clip_by_norm(rows, max_norm, axes=list(range(ids_rank, len(rows._shape))))
    return norm.clip_by_norm(rows, max_norm, axes=sequence.range(array.rank(ids), array.rank(rows)))


def _from_parts(parts, ids, strategy, scope):
    flat = array.reshape(ids, [-1])
    places = sequence.range(array.size(flat))
    owners, local = _owners(parts, flat, strategy)
    owners = cast.cast(owners, int32)
    wanted = partition.dynamic_partition(local, owners, len(parts))
    places = partition.dynamic_partition(places, owners, len(parts))
    found = []
    for part, numbers in zip(parts, wanted):
        with colocate_with(part):
            found.append(indexing.gather(part, numbers))
    rows = partition.parallel_dynamic_stitch(places, found, name=scope)
    row = None
    for part in parts:
        row = shapes.merge(row, None if part._shape is None else part._shape[1:])
    if shapes.is_known(row):
        sizes = list(row)
    else:
        with colocate_with(parts[0]):
            sizes = array.shape(parts[0])[1:]
    rows = array.reshape(rows, array.concat([array.shape(ids), sizes], 0))
    if ids._shape is not None and row is not None:
        rows.set_shape(ids._shape + row)
    return rows


def _owners(parts, ids, strategy):
    """For each id the part that has its row, and the row's number there."""
    n = len(parts)
    if strategy == "mod":
        owners = ids % n
        return owners, ids // n
    if strategy != "div":
        raise ValueError(f"Unrecognized partition strategy: {strategy}")
    total = _total_rows(parts, ids.dtype.base_dtype)
    each = total // n
    surplus = total % n
    owners = math.maximum(ids // (each + 1), (ids - surplus) // each)
    return owners, select.where(owners < surplus, ids % (each + 1), (ids - surplus) % each)


def _total_rows(parts, dtype):
    counts = [p._shape[0] if p._shape else None for p in parts]
    if None not in counts:
        return constant.constant(sum(counts), dtype)
    sizes = [array.shape(p)[0] if c is None else c for p, c in zip(parts, counts)]
    return reduction.reduce_sum(cast.cast(array.stack(sizes), dtype))
