"""Ops on the shape of tensors: identity, reshape, transpose, sizes, joining and splitting."""
import numpy as np

from thalweg.framework import dtypes, errors, shapes
from thalweg.framework.constant_value import constant_value, constant_value_as_shape
from thalweg.framework.conversion import convert_to_tensor
from thalweg.framework.declaration import INDEX_TYPES, define_op
from thalweg.framework.dtypes import DType
from thalweg.framework.graph import name_scope
from thalweg.framework.shapes import TensorShape

from . import complex, constant, indexing, math, sequence, slicing


def shape_from_input(node, index):
    """For shape rules: the plain shape that integer input `index` spells, as far as it is known."""
    value = node.constant(index)
    if value is not None:
        sizes = [int(d) for d in np.ravel(value)]
        if sizes and min(sizes) < -1:
            raise ValueError("Dimension {0} must be >= 0. Invalid value in tensor used for shape: {0} in {1}".format(
                min(sizes), sizes))
        return tuple([None if d == -1 else d for d in sizes])
    return constant_value_as_shape(node.inputs[index]) if node.inputs else None


def normal_axis(axis, rank, what="axis"):
    """`axis` counted from the front; ValueError when it lies outside a tensor of that rank."""
    if not -rank <= axis < rank:
        raise ValueError(f"{what} = {axis} not in [{-rank}, {rank})")
    return axis % rank


# --- the value as it is -----------------------------------------------------------------------------

@define_op("Identity", "input: T -> output: T", cpu="array:identity", kind="elementwise", public="identity")
def identity(input):
    """The same value under another name."""
    return input


@identity.gradient
def identity_grad(node, dy):
    return dy


@define_op("IdentityN", "input: T... -> output: T...", public="identity_n")
def identity_n(input):
    """The same values under other names."""
    return input


@identity_n.shape
def identity_n_shape(node, shapes_in):
    return list(shapes_in)


@identity_n.gradient
def identity_n_grad(node, *dys):
    return dys


@define_op("StopGradient", "input: T -> output: T", cpu="array:identity", kind="elementwise", public="stop_gradient")
def stop_gradient(input):
    """The same value, through which no gradient flows."""
    return input


stop_gradient.no_gradient("that is what it is for")


@define_op("PreventGradient", "input: T -> output: T", cpu="array:identity", kind="elementwise")
def prevent_gradient(input, *, message=""):
    """The same value; asking for a gradient through it is an error."""
    return input


@prevent_gradient.gradient
def prevent_gradient_grad(node, dy):
    raise LookupError(f"Gradient explicitly disabled at {node.op.name}. Reason: {node.message}")


@define_op("EnsureShape", "input: T -> output: T", cpu="array:identity")
def ensure_shape_op(input, *, shape: TensorShape):
    """The same value; InvalidArgumentError unless its shape fits `shape`."""
    if not shapes.compatible(input.shape, shape):
        raise errors.InvalidArgumentError(None, None, f"Shape of tensor {shapes.text(input.shape)} is not compatible "
                                                      f"with expected shape {shapes.text(shape)}.")
    return input


@ensure_shape_op.shape
def ensure_shape_shape(node, x):
    return shapes.merge(x, node.shape)


@ensure_shape_op.gradient
def ensure_shape_grad(node, dy):
    return dy


def ensure_shape(x, shape, name=None):
    """x, with `shape` known while the graph is built and checked when it runs."""
    return ensure_shape_op(x, shape=shapes.plain(shape), name=name)


# --- sizes ------------------------------------------------------------------------------------------

@define_op("Shape", "input: T -> output: out_type", out_type=INDEX_TYPES, cpu="array:shape")
def shape_op(input, *, out_type: DType = dtypes.int32):
    """The sizes of the dimensions of the input."""
    return np.array(input.shape, out_type.np)


@shape_op.shape
def shape_shape(node, x):
    return (None if x is None else len(x),)


shape_op.no_gradient("sizes do not depend on values")


@define_op("ShapeN", "input: N*T -> output: N*out_type", out_type=INDEX_TYPES, cpu="array:shape_n")
def shape_n_op(input, *, out_type: DType = dtypes.int32):
    """The shapes of several tensors."""
    return [np.array(x.shape, out_type.np) for x in input]


@shape_n_op.shape
def shape_n_shape(node, xs):
    return [(None if x is None else len(x),) for x in xs]


shape_n_op.no_gradient("sizes do not depend on values")


@define_op("Size", "input: T -> output: out_type[]", out_type=INDEX_TYPES, cpu="array:size")
def size_op(input, *, out_type: DType = dtypes.int32):
    """The number of elements."""
    return np.array(input.size, out_type.np)


size_op.no_gradient("sizes do not depend on values")


@define_op("Rank", "input: T -> output: int32[]", cpu="array:rank")
def rank_op(input):
    """The number of dimensions."""
    return np.array(input.ndim, np.int32)


rank_op.no_gradient("sizes do not depend on values")


def shape(input, name=None, out_type=dtypes.int32):
    """The shape of `input` as an integer vector; a constant where it is known while the graph is built."""
    return shape_internal(input, name, True, out_type)


def shape_internal(input, name=None, optimize=True, out_type=dtypes.int32):
    """`shape`; with `optimize` False always a Shape op."""
    with name_scope(name, "Shape", [input]) as scope:
        input = convert_to_tensor(input)
        if optimize and shapes.is_known(input._shape):
            return constant.constant(list(input._shape), out_type, name=scope)
        return shape_op(input, out_type=out_type, name=scope)


def shape_n(input, out_type=dtypes.int32, name=None):
    """The shapes of several tensors, one integer vector each."""
    return shape_n_op(input, out_type=out_type, name=name)


def size(input, name=None, out_type=dtypes.int32):
    """The number of elements of `input`, a scalar."""
    with name_scope(name, "Size", [input]) as scope:
        input = convert_to_tensor(input)
        known = shapes.size_of(input._shape)
        return size_op(input, out_type=out_type, name=scope) if known is None else constant.constant(
            known, out_type, name=scope)


def rank(input, name=None):
    """The number of dimensions of `input`, a scalar."""
    return rank_internal(input, name)


def rank_internal(input, name=None, optimize=True):
    """`rank`; with `optimize` False always a Rank op."""
    with name_scope(name, "Rank", [input]) as scope:
        input = convert_to_tensor(input)
        if optimize and input._shape is not None:
            return constant.constant(len(input._shape), dtypes.int32, name=scope)
        return rank_op(input, name=scope)


# --- reshape ----------------------------------------------------------------------------------------

@define_op("Reshape", "tensor: T, shape: Tshape -> output: T", Tshape=INDEX_TYPES, cpu="array:reshape",
           public="reshape")
def reshape(tensor, shape):
    """The same elements, row by row, in another shape; one size may be -1 and is inferred."""
    sizes = tuple(int(d) for d in shape)
    if sizes.count(-1) > 1 or any(d < -1 for d in sizes):
        raise errors.InvalidArgumentError(None, None, f"Reshape to {list(sizes)}: at most one size may be -1.")
    found = _inferred(tensor.shape, sizes, -1)
    if found is None:
        known = shapes.size_of([d for d in sizes if d != -1])
        raise errors.InvalidArgumentError(
            None, None, f"Input to reshape is a tensor with {tensor.size} values, but the requested shape "
                        f"{list(sizes)} requires {'a multiple of ' * (-1 in sizes)}{known}")
    return tensor.reshape(found)


@reshape.shape
def reshape_shape(node, x, spelled):
    sizes = shape_from_input(node, 1)
    if sizes is None or shapes.size_of(x) is None or sizes.count(None) > 1:
        return sizes
    found = _inferred(x, sizes, None)
    if found is None:
        known = shapes.size_of([d for d in sizes if d is not None])
        raise ValueError(f"Cannot reshape a tensor with {shapes.size_of(x)} elements to shape {shapes.text(sizes)} "
                         f"({known} elements{' per unknown' * (None in sizes)})")
    return found


def _inferred(shape, sizes, unknown):
    """`sizes` with the one that is `unknown` inferred from the tensor's shape; None where they do not fit.

    Zeros say nothing of the other sizes, so where both sides have one it is left out on both, as TensorFlow does:
    [0, 4, 3] becomes [0, 12] by [0, -1].
    """
    size, known = shapes.size_of(shape), shapes.size_of([d for d in sizes if d != unknown])
    if unknown not in sizes:
        return sizes if size == known else None
    if known == 0 and size == 0:
        missing = shapes.size_of([d for d in shape if d]) // shapes.size_of([d for d in sizes if d and d != unknown])
    elif known == 0 or size % known:
        return None
    else:
        missing = size // known
    return tuple([missing if d == unknown else d for d in sizes])


@reshape.gradient
def reshape_grad(node, dy):
    return reshape(dy, shape(node.tensor)), None


@define_op("ExpandDims", "input: T, dim: Tdim -> output: T", Tdim=INDEX_TYPES, cpu="array:expand_dims")
def expand_dims_op(input, dim):
    """Puts a dimension of size 1 before axis `dim`; -1 puts it last."""
    return np.expand_dims(input, int(np.ravel(dim)[0]))


@expand_dims_op.shape
def expand_dims_shape(node, x, dim):
    if x is None:
        return None
    axis = node.constant(1)
    if axis is None:
        return (None,) * (len(x) + 1)
    axis = normal_axis(int(np.ravel(axis)[0]), len(x) + 1, "dim")
    return x[:axis] + (1,) + x[axis:]


@expand_dims_op.gradient
def expand_dims_grad(node, dy):
    return reshape(dy, shape(node.input)), None


def expand_dims(input, axis=None, name=None, dim=None):
    """Puts a dimension of size 1 before `axis` (-1: last). `dim` is the older name of `axis`."""
    axis = _one_of("axis", axis, "dim", dim)
    if axis is None:
        raise ValueError("Must specify an axis argument to tf.expand_dims()")
    return expand_dims_op(input, axis, name=name)


def _one_of(name, value, old_name, old_value):
    """The value given under either of two names; ValueError for both."""
    if old_value is None:
        return value
    if value is not None:
        raise ValueError(f"Cannot specify both '{name}' and '{old_name}'")
    return old_value


@define_op("Squeeze", "input: T -> output: T", cpu="array:squeeze")
def squeeze_op(input, *, squeeze_dims: list[int] = []):
    """Drops dimensions of size 1: those of `squeeze_dims`, or all."""
    return np.squeeze(input, tuple(squeeze_dims) or None)


@squeeze_op.shape
def squeeze_shape(node, x):
    axes = node.squeeze_dims
    if x is None:
        return None
    if not axes:
        return None if None in x else tuple([d for d in x if d != 1])
    axes = {normal_axis(a, len(x), "squeeze dim") for a in axes}
    for a in axes:
        if x[a] not in (1, None):
            raise ValueError(f"Can not squeeze dim[{a}], expected a dimension of 1, got {x[a]}")
    return tuple([d for i, d in enumerate(x) if i not in axes])


@squeeze_op.gradient
def squeeze_grad(node, dy):
    return reshape(dy, shape(node.input))


def squeeze(input, axis=None, name=None, squeeze_dims=None):
    """Drops the dimensions `axis` (one, a list, or None: all) of size 1. `squeeze_dims` is the older name."""
    axis = _one_of("axis", axis, "squeeze_dims", squeeze_dims)
    if axis is None:
        axis = []
    elif not hasattr(axis, "__iter__"):
        axis = [axis]
    return squeeze_op(input, squeeze_dims=axis, name=name)


# --- transpose --------------------------------------------------------------------------------------

@define_op("Transpose", "x: T, perm: Tperm -> y: T", Tperm=INDEX_TYPES, cpu="array:transpose")
def transpose_op(x, perm):
    """Dimension i of the result is dimension perm[i] of x."""
    if np.any(perm < 0):
        raise errors.InvalidArgumentError(None, None, f"{perm.min()} is out of range [0 .. {x.ndim})")
    return np.transpose(x, [int(p) for p in perm])


@transpose_op.shape
def transpose_shape(node, x, perm_shape):
    perm = node.constant(1)
    if perm is None:
        rank = len(x) if x is not None else perm_shape[0] if perm_shape else None
        return None if rank is None else (None,) * rank
    perm = [int(p) for p in perm]
    if sorted(perm) != list(range(len(perm))):
        raise errors.Misfit(f"{perm} is not a permutation of the dimensions", f"each of 0 to {len(perm) - 1} once",
                            "perm counts from the front: rank - 1 for the last dimension" if min(perm) < 0 else None)
    if x is None:
        return (None,) * len(perm)
    if len(x) != len(perm):
        raise ValueError(f"perm {perm} has {len(perm)} entries, x has {len(x)} dimensions")
    return tuple([x[p] for p in perm])


@transpose_op.gradient
def transpose_grad(node, dy):
    perm = constant_value(node.perm)
    if perm is None:
        return transpose_op(dy, indexing.invert_permutation(node.perm)), None
    return transpose_op(dy, np.argsort(perm % max(len(perm), 1)).astype(np.int32)), None


def transpose(a, perm=None, name="transpose", conjugate=False):
    """a with its dimensions in the order `perm`; None reverses them. `conjugate` also conjugates complex values."""
    with name_scope(name, "transpose", [a]) as scope:
        a = convert_to_tensor(a, name="a")
        if perm is None:
            perm = _reversed_axes(a)
        if conjugate and a.dtype.is_complex:
            return complex.conj(transpose_op(a, perm), name=scope)
        return transpose_op(a, perm, name=scope)


def _reversed_axes(a):
    if a._shape is not None:
        return np.arange(len(a._shape) - 1, -1, -1, dtype=np.int32)
    count = rank_op(a)
    return (count - 1) - sequence.range_op(0, count, 1, name="Range")


def matrix_transpose(a, name="matrix_transpose", conjugate=False):
    """a with its last two dimensions exchanged."""
    with name_scope(name, "matrix_transpose", [a]):
        a = convert_to_tensor(a, name="a")
        if a._shape is not None:
            if len(a._shape) < 2:
                raise errors.ShapeError(f"Argument 'a' should be a (batch) matrix, with rank >= 2. "
                                        f"Found: {shapes.text(a._shape)}")
            last = len(a._shape)
            return transpose(a, [*range(last - 2), last - 1, last - 2], conjugate=conjugate)
        count = rank(a)
        perm = concat((sequence.range(count - 2), [count - 1, count - 2]), 0)
        return transpose(a, perm, conjugate=conjugate)


# --- joining ----------------------------------------------------------------------------------------

@define_op("ConcatV2", "values: N*T, axis: Tidx -> output: T", Tidx=INDEX_TYPES, cpu="array:concat_v2")
def concat_v2(values, axis):
    """The values one after the other along `axis`."""
    return np.concatenate(values, int(axis))


@concat_v2.shape
def concat_v2_shape(node, values, axis_shape):
    axis = node.constant(len(values))
    known = [v for v in values if v is not None]
    if axis is None or not known:
        return (None,) * len(known[0]) if known else None
    if not known[0]:
        raise ValueError("Can't concatenate scalars (use tf.stack instead)")
    axis = normal_axis(int(axis), len(known[0]))
    rest = None
    for v in known:
        try:
            rest = shapes.merge(rest, v[:axis] + (None,) + v[axis + 1:])
        except ValueError:
            raise ValueError(f"Dimensions besides axis {axis} must be equal: "
                             f"{', '.join(map(shapes.text, values))}") from None
    sizes = [None if v is None else v[axis] for v in values]
    return rest[:axis] + (None if None in sizes else sum(sizes),) + rest[axis + 1:]


@concat_v2.gradient
def concat_v2_grad(node, dy):
    axis, sizes = constant_value(node.axis), [t._shape for t in node.values]
    if axis is not None and None not in sizes:
        axis = int(axis) % len(sizes[0])
        along = [s[axis] for s in sizes]
        if None not in along:
            return *split(dy, along, axis), None
    every = shape_n(node.values)
    rank_of = size(every[0])
    offsets = concat_offset(math.floormod(node.axis, rank_of), every)
    return *[slicing.slice(dy, begin, extent) for begin, extent in zip(offsets, every)], None


@define_op("ConcatOffset", "concat_dim: int32[], shape: N*int32 -> offset: N*int32")
def concat_offset(concat_dim, shape):
    """Where each of several tensors begins when they are joined along `concat_dim`: one vector each."""
    offsets, position = [], 0
    for sizes in shape:
        offset = np.zeros_like(sizes)
        offset[concat_dim] = position
        position += sizes[concat_dim]
        offsets.append(offset)
    return offsets


@concat_offset.shape
def concat_offset_shape(node, axis_shape, vectors):
    return list(vectors)


concat_offset.no_gradient("offsets are integers")


def concat(values, axis, name="concat"):
    """Joins tensors along `axis`, which they may differ in; all other dimensions must agree."""
    if not isinstance(values, (list, tuple)):
        values = [values]
    if not values:
        raise ValueError("concat: values is an empty list, expected one Tensor or more to join. Try tf.zeros of the "
                         "shape and dtype that an empty result should have")
    if len(values) == 1:
        with name_scope(name):
            if convert_to_tensor(axis, dtypes.int32, name="concat_dim")._shape not in ((), None):
                raise errors.ShapeError(f"concat: axis must be a scalar, not {axis!r}. Write tf.concat(values, axis)")
            return identity(values[0], name=name)
    return concat_v2(values, axis, name=name)


@define_op("Pack", "values: N*T -> output: T", cpu="array:pack")
def pack(values, *, axis=0):
    """The values as the slices of one tensor, along a new dimension `axis`."""
    return np.stack(values, axis)


@pack.shape
def pack_shape(node, values):
    one = None
    for value in values:
        try:
            one = shapes.merge(one, value)
        except ValueError:
            raise ValueError(f"Shapes must be equal: {', '.join(map(shapes.text, values))}") from None
    if one is None:
        return None
    axis = normal_axis(node.axis, len(one) + 1)
    return one[:axis] + (len(values),) + one[axis:]


@pack.gradient
def pack_grad(node, dy):
    return unpack(dy, num=len(node.values), axis=node.axis)


def stack(values, axis=0, name="stack"):
    """Puts tensors of one shape side by side along a new dimension `axis`."""
    if axis == 0:
        try:
            return convert_to_tensor(values, name=name)
        except (TypeError, ValueError):
            pass                                  # tensors of several dtypes: the op itself says what is wrong
    first = convert_to_tensor(values[0], name=name)._shape
    if first is not None:
        normal_axis(axis, len(first) + 1)
    return pack(values, axis=axis, name=name)


@define_op("Unpack", "value: T -> output: num*T", cpu="array:unpack")
def unpack(value, *, num: int, axis=0):
    """The `num` slices of value along `axis`, without that dimension."""
    return [np.take(value, i, axis) for i in range(num)]


@unpack.shape
def unpack_shape(node, x):
    if x is None:
        return [None] * node.num
    axis = normal_axis(node.axis, len(x))
    if x[axis] not in (node.num, None):
        raise ValueError(f"Dimension {axis} must be {node.num} but is {x[axis]}")
    return [x[:axis] + x[axis + 1:]] * node.num


@unpack.gradient
def unpack_grad(node, *dys):
    return stack(dys, axis=node.axis)


def unstack(value, num=None, axis=0, name="unstack"):
    """The slices of `value` along `axis` as a list; `num` is needed where that dimension is unknown."""
    if num is None:
        value = convert_to_tensor(value)
        if value._shape is not None:
            num = value._shape[normal_axis(axis, len(value._shape))]
    if num is None:
        raise ValueError(f"Cannot infer num from shape {shapes.text(value._shape)}")
    return unpack(value, num=num, axis=axis, name=name)


# --- splitting --------------------------------------------------------------------------------------

@define_op("Split", "split_dim: int32[], value: T -> output: num_split*T", cpu="array:split")
def split_op(split_dim, value, *, num_split: int):
    """`num_split` equal parts along `split_dim`."""
    return np.split(value, num_split, int(split_dim))


@split_op.shape
def split_shape(node, axis_shape, x):
    axis, count = node.constant(0), node.num_split
    if x is None or axis is None:
        return [None if x is None else (None,) * len(x)] * count
    axis = normal_axis(int(axis), len(x), "split_dim")
    if x[axis] is not None and x[axis] % count:
        raise ValueError(f"Dimension size must be evenly divisible by {count} but is {x[axis]}; try sizes that "
                         "differ, tf.split(value, [size, ...], axis)")
    part = None if x[axis] is None else x[axis] // count
    return [x[:axis] + (part,) + x[axis + 1:]] * count


@split_op.gradient
def split_grad(node, *dys):
    return None, concat(list(dys), node.split_dim)


@define_op("SplitV", "value: T, size_splits: Tlen, split_dim: int32[] -> output: num_split*T", Tlen=INDEX_TYPES,
           cpu="array:split_v")
def split_v(value, size_splits, split_dim, *, num_split: int, Tlen: DType = dtypes.int64):
    """Parts of the sizes `size_splits` along `split_dim`; one size may be -1 and takes what is left."""
    axis, sizes = int(split_dim), [int(s) for s in size_splits]
    _fill_missing(sizes, value.shape[axis])
    return np.split(value, np.cumsum(sizes)[:-1], axis)


def _fill_missing(sizes, total):
    """Puts the remainder where `sizes` has -1; ValueError unless they add up to `total`."""
    if sizes.count(-1) == 1 and total is not None:
        sizes[sizes.index(-1)] = total - sum(s for s in sizes if s != -1)
    if sizes.count(-1) > 1 or min(sizes, default=0) < -1:
        raise ValueError(f"split sizes {sizes}: at most one may be -1, and they may not exceed {total}")
    if total is not None and sum(sizes) != total:
        raise ValueError(f"split sizes {sizes} add up to {sum(sizes)}, the dimension is {total}")


@split_v.shape
def split_v_shape(node, x, sizes_shape, axis_shape):
    axis, sizes, count = node.constant(2), node.constant(1), node.num_split
    if x is None or axis is None:
        return [None if x is None else (None,) * len(x)] * count
    axis = normal_axis(int(axis), len(x), "split_dim")
    parts = [None] * count
    if sizes is not None:
        parts = [int(s) for s in sizes]
        if x[axis] is None and -1 not in parts:
            _fill_missing(parts, None)
        else:
            _fill_missing(parts, x[axis])
    return [x[:axis] + (None if p == -1 else p,) + x[axis + 1:] for p in parts]


@split_v.gradient
def split_v_grad(node, *dys):
    return concat(list(dys), node.split_dim), None, None


def split(value, num_or_size_splits, axis=0, num=None, name="split"):
    """Splits `value` along `axis`: into so many equal parts, or into parts of the given sizes (one may be -1).

    `num` is the number of parts, needed only where sizes are a tensor of unknown length.
    """
    sizes = convert_to_tensor(num_or_size_splits)
    if isinstance(num_or_size_splits, (int, np.integer, shapes.Dimension)):
        return split_op(axis, value, num_split=num_or_size_splits, name=name)
    if sizes._shape == ():
        raise ValueError("Rank-0 tensors are not supported as the num_or_size_splits argument to split: the number of "
                         "parts must be known while the graph is built. Try a Python int.")
    if num is None:
        num = sizes._shape[0] if sizes._shape else None
        if num is None:
            raise ValueError("Cannot infer num from shape " + shapes.text(sizes._shape))
    return split_v(value, sizes, axis, num_split=num, name=name)
