"""Products over any axes, written as transpositions, reshapes and matrix products."""
import collections
import re

import numpy as np

from thalweg.framework import shapes
from thalweg.framework.conversion import convert_to_tensor
from thalweg.framework.dtypes import int32
from thalweg.framework.graph import name_scope

from . import array, diagonal, indexing, math, matmul, reduction, select, sequence, unique

# --- tensordot --------------------------------------------------------------------------------------

def tensordot(a, b, axes, name=None):
    """The sum of products over pairs of axes.

    axes : int n: the last n of a with the first n of b; or two lists (or ints): these of a with those of b
    """
    with name_scope(name, "Tensordot", [a, b, axes]) as scope:
        a = convert_to_tensor(a, name="a")
        b = convert_to_tensor(b, name="b")
        a_axes, b_axes = _pairs(a, axes)
        a_rows, a_free, a_known = _as_matrix(a, a_axes, False)
        b_rows, b_free, b_known = _as_matrix(b, b_axes, True)
        product = matmul.matmul(a_rows, b_rows)
        if isinstance(a_free, list) and isinstance(b_free, list):
            return array.reshape(product, a_free + b_free, name=scope)
        a_free = convert_to_tensor(a_free, int32)
        b_free = convert_to_tensor(b_free, int32)
        result = array.reshape(product, array.concat([a_free, b_free], 0), name=scope)
        if a_known is not None and b_known is not None:
            result.set_shape(a_known + b_known)
        return result


def _pairs(a, axes):
    if isinstance(axes, (int, np.integer)):
        rank = None if a._shape is None else len(a._shape)
        if axes < 0 or rank is not None and axes > rank:
            raise ValueError(f"'axes' must be at least 0 and not larger than the number of dimensions of {a}.")
        if rank is None:
            count = array.rank(a)
            return sequence.range(count - axes, count, dtype=int32), sequence.range(axes, dtype=int32)
        return list(range(rank - axes, rank)), list(range(axes))
    if isinstance(axes, (list, tuple)):
        if len(axes) != 2:
            raise ValueError("'axes' must be an integer or have length 2.")
        pair = [[s] if isinstance(s, (int, np.integer)) else s for s in axes]
        if len(pair[0]) != len(pair[1]):
            raise ValueError(f"Different number of contraction axes 'a' and 'b', {len(pair[0])} != {len(pair[1])}.")
        return pair
    axes = convert_to_tensor(axes, int32, name="axes")
    return axes[0], axes[1]


def _as_matrix(x, axes, axes_first):
    """x as a matrix of (free, contracted) dimensions, or the reverse; and the free sizes, made and known."""
    listed = isinstance(axes, (list, tuple))
    if shapes.is_known(x._shape) and listed:
        axes, free = _split_axes(x._shape, axes)
        sizes = [x._shape[i] for i in free]
        rows, columns = int(np.prod(sizes)), int(np.prod([x._shape[i] for i in axes]))
        perm, shape = (axes + free, [columns, rows]) if axes_first else (free + axes, [rows, columns])
        return array.reshape(array.transpose(x, perm), shape), sizes, sizes
    known = None
    if x._shape is not None and listed:
        axes, free = _split_axes(x._shape, axes)
        known = [x._shape[i] for i in free]
        axes = convert_to_tensor(axes, int32, name="axes")
        free = convert_to_tensor(free, int32, name="free")
        every = array.shape(x)
    else:
        every = array.shape(x)
        rank = array.rank(x)
        axes = convert_to_tensor(axes, int32, name="axes")
        axes = select.where(axes >= 0, axes, axes + rank)
        free, _ = unique.setdiff1d(sequence.range(rank), axes)
    sizes = indexing.gather(every, free)
    contracted = indexing.gather(every, axes)
    rows = reduction.reduce_prod(sizes)
    columns = reduction.reduce_prod(contracted)
    perm = array.concat([axes, free] if axes_first else [free, axes], 0)
    shape = array.stack([columns, rows] if axes_first else [rows, columns])
    return array.reshape(array.transpose(x, perm), shape), sizes, known


def _split_axes(shape, axes):
    axes = [array.normal_axis(int(a), len(shape)) for a in axes]
    return axes, [i for i in range(len(shape)) if i not in axes]


# --- einsum -----------------------------------------------------------------------------------------

def einsum(equation, *inputs, name=None):
    """Products and sums by Einstein's convention: `einsum("ij,jk->ik", a, b)` is a matrix product.

    A letter names a dimension; one that the result lacks is summed. Without "->" the result has the letters that occur
    once, in alphabetical order. An ellipsis stands for dimensions that are broadcast.
    """
    with name_scope(name, "einsum", [equation, inputs]):
        inputs = [convert_to_tensor(x) for x in inputs]
        labels, result = _parsed(equation, inputs)
        if len(inputs) == 1 and len(set(labels[0])) < len(labels[0]) and "->" not in equation and \
                labels[0] == labels[0][::-1]:
            return diagonal.trace(inputs[0])
        for one in labels:
            if len(set(one)) != len(one):
                raise ValueError(f"Subscript not supported: an axis appears more than once: {one}")
        product, left = inputs[0], labels[0]
        for i, (x, own) in enumerate(zip(inputs[1:], labels[1:])):
            later = set("".join(labels[i + 2:])) | set(result)
            product, left = _joined(product, left, x, own, (set(left) & set(own)) - later)
        surplus = [i for i, a in enumerate(left) if a not in result]
        if surplus:
            product = reduction.reduce_sum(product, axis=surplus)
            left = "".join(a for a in left if a in result)
        if sorted(left) != sorted(result):
            raise ValueError(f"Invalid equation: {equation}")
        return _ordered(product, left, result)


def _parsed(equation, inputs):
    """The letters of each input and of the result; an ellipsis becomes letters of its own."""
    match = re.match(r"^([a-zA-Z,.]+)(->[a-zA-Z.]*)?$", equation.replace(" ", ""))
    if not match:
        raise ValueError(f"Indices have incorrect format: {equation}")
    labels, result = match[1].split(","), match[2] and match[2][2:]
    if len(labels) != len(inputs):
        raise ValueError(f"Got {len(labels)} arguments for equation \"{equation}\", expecting {len(inputs)}")
    if any("..." in one for one in labels):
        labels, result = _without_ellipsis(labels, result, inputs)
    for one, x in zip(labels, inputs):
        if x._shape is None or len(x._shape) != len(one):
            raise ValueError(f"{x.name} has shape {shapes.text(x._shape)}, the equation gives it {len(one)} "
                             "dimensions")
    if result is None:
        counts = collections.Counter("".join(labels))
        result = "".join(sorted(a for a in counts if counts[a] == 1))
    return labels, result


def _without_ellipsis(labels, result, inputs):
    free = [c for c in map(chr, range(ord("a"), ord("z") + 1)) if c not in "".join(labels)]
    count = max(len(x._shape) - len(one) + 3 for one, x in zip(labels, inputs) if "..." in one)
    dots = "".join(free[:count])
    labels = [one.replace("...", dots[len(dots) - (len(x._shape) - len(one) + 3):]) if "..." in one else one
              for one, x in zip(labels, inputs)]
    if result is None:
        counts = collections.Counter("".join(labels))
        return labels, dots + "".join(sorted(a for a in counts if counts[a] == 1 and a not in dots))
    return labels, result.replace("...", dots)


def _ordered(x, labels, wanted):
    perm = [labels.index(a) for a in wanted]
    return x if perm == list(range(len(perm))) else array.transpose(x, perm)


def _joined(a, a_labels, b, b_labels, summed):
    """The product of two inputs, summed over the labels that nothing needs any more, and its labels."""
    kept = (set(a_labels) & set(b_labels)) - summed
    a_own, b_own = set(a_labels) - kept - summed, set(b_labels) - kept - summed
    a_order = "".join(sorted(kept) + sorted(a_own) + sorted(summed))
    b_order = "".join(sorted(kept) + sorted(summed) + sorted(b_own))
    a, b = _ordered(a, a_labels, a_order), _ordered(b, b_labels, b_order)
    result = "".join(sorted(kept) + sorted(a_own) + sorted(b_own))
    if not summed:
        for _ in b_own:
            a = array.expand_dims(a, -1)
        for _ in a_own:
            b = array.expand_dims(b, len(kept))
        return math.multiply(a, b), result
    a_sizes, b_sizes = _sizes(a), _sizes(b)
    n, m = len(kept), len(summed)
    inner = _product(a_sizes[len(a_sizes) - m:])
    a = _reshaped(a, a_sizes[:n] + [_product(a_sizes[n:len(a_sizes) - m]), inner])
    b = _reshaped(b, b_sizes[:n] + [inner, _product(b_sizes[n + m:])])
    product = matmul.matmul(a, b)
    return _reshaped(product, a_sizes[:len(a_sizes) - m] + b_sizes[n + m:]), result


def _sizes(x):
    sizes = list(x._shape)
    if None in sizes:
        every = array.shape(x)
        sizes = [every[i] if d is None else d for i, d in enumerate(sizes)]
    return sizes


def _product(sizes):
    result = 1
    for size in sizes:
        result *= size
    return result


def _reshaped(x, sizes):
    known = [s if isinstance(s, int) else None for s in sizes]
    if len(known) == len(x._shape) and None not in known and tuple(known) == x._shape:
        return x
    return array.reshape(x, sizes)
