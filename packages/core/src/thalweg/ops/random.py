"""Random ops: uniform, normal and categorical variates, shuffles and crops; numbers and seeds are TensorFlow's.

A run reserves its blocks of the op's generator (`rng`) at once; where in them an output lies is part of the op's
meaning, so that a seed gives the same numbers on every device and at every number of threads.
"""
import numpy as np

from thalweg.framework import errors
from thalweg.framework.constant_value import constant_value_as_shape
from thalweg.framework.conversion import convert_to_tensor
from thalweg.framework.declaration import INDEX_TYPES, define_op
from thalweg.framework.dtypes import ANY, FLOATS, REALS, DType, as_dtype, float32, int32, int64
from thalweg.framework.graph import name_scope
from thalweg.framework.random_seed import get_seed

from . import _philox, _rejection, array, checks, flow, math, reduction, slicing

_INTS = (int32, int64)
_SHAPE_ONLY = "the numbers do not depend on the values of the inputs"


def size_of(shape):
    """The count of elements of a shape that came as a value; InvalidArgumentError if a dimension is negative."""
    size = 1
    for d in shape:
        if d < 0:
            raise errors.InvalidArgumentError(None, None, f"Dimension {d} must be >= 0 in the shape "
                                                          f"{list(map(int, shape))} of random numbers.")
        size *= int(d)
    return size


def check_range(minval, maxval):
    """Raises InvalidArgumentError for an empty range of integers."""
    if minval >= maxval:
        raise errors.InvalidArgumentError(None, None, f"Need minval < maxval, got {minval} >= {maxval}")


def reserve(rng, outputs):
    """The stream that one run reads: TensorFlow takes 256 blocks per output, whatever is drawn."""
    return rng.key, rng.reserve(outputs * _rejection.BLOCKS_PER_OUTPUT)


def shape_tensor(shape):
    """A list, TensorShape or tensor as an integer vector named "shape"."""
    return convert_to_tensor(shape, int32 if isinstance(shape, (list, tuple)) and not shape else None, "shape")


def seeds(seed):
    """The seed attributes of an op made now, whose caller gave `seed`."""
    seed, seed2 = get_seed(seed)
    return {"seed": seed or 0, "seed2": seed2 or 0}


def with_static_shape(tensor, shape):
    """`tensor`, with what is known of the vector `shape` that it was made from."""
    tensor.set_shape(constant_value_as_shape(shape))
    return tensor


def _shape_rule(declaration):
    """The output has the shape that the first input says."""
    declaration.shape(lambda node, shape, *rest: array.shape_from_input(node, 0))
    declaration.no_gradient(_SHAPE_ONLY)
    return declaration


# --- uniform ----------------------------------------------------------------------------------------

@_shape_rule
@define_op("RandomUniform", "shape: T[D] -> output: dtype", T=INDEX_TYPES, dtype=FLOATS, stateful=True,
           cpu="random:uniform")
def random_uniform_op(shape, *, seed: int = 0, seed2: int = 0, dtype: DType, rng):
    """Uniform in [0, 1): one word of the stream for each float32 and float16, two for each float64."""
    size = size_of(shape)
    return _philox.uniforms(reserve(rng, size), size, dtype.np).reshape(shape)


@_shape_rule
@define_op("RandomUniformInt", "shape: T[D], minval: Tout[], maxval: Tout[] -> output: Tout", T=INDEX_TYPES,
           Tout=_INTS, stateful=True, cpu="random:uniform_int")
def random_uniform_int_op(shape, minval, maxval, *, seed: int = 0, seed2: int = 0, rng):
    """Integers minval + word % (maxval - minval); 64-bit words have their low half first.

    The remainder favours small values by at most one part in 2**32 / (maxval - minval) (2**64 for int64).
    """
    size = size_of(shape)
    if not size:
        return np.empty(shape, minval.dtype)
    check_range(minval, maxval)
    return _philox.integers(reserve(rng, size), size, minval, maxval).reshape(shape)


def checked_maxval(function, dtype, maxval):
    """The upper end of uniform numbers, 1 for floats; ValueError for integers without one and for other dtypes."""
    if dtype not in (*FLOATS, *_INTS):
        raise ValueError(f"Invalid dtype {dtype!r} of {function}: it makes float16, float32, float64, int32 and int64."
                         " Try tf.cast of one of these.")
    if maxval is None and dtype.is_integer:
        raise ValueError(f"Must specify maxval for integer dtype {dtype!r} of {function}")
    return 1 if maxval is None else maxval


def random_uniform(shape, minval=0, maxval=None, dtype=float32, seed=None, name=None):
    """Uniform random numbers in [minval, maxval).

    Parameters
    ----------
    shape : list of ints, TensorShape or integer vector
    minval, maxval : scalars of `dtype`         maxval is 1 for floats and must be given for integers
    dtype : float16, float32, float64, int32 or int64
    seed : int or None                          with the graph's seed decides the numbers, see tf.set_random_seed

    Raises
    ------
    ValueError                                  for another dtype, or integers without maxval
    InvalidArgumentError                        when run, if integers have minval >= maxval
    """
    dtype = as_dtype(dtype)
    maxval = checked_maxval("random_uniform", dtype, maxval)
    with name_scope(name, "random_uniform", [shape, minval, maxval]) as scope:
        shape = shape_tensor(shape)
        minval = convert_to_tensor(minval, dtype, "min")
        maxval = convert_to_tensor(maxval, dtype, "max")
        chosen = seeds(seed)
        if dtype.is_integer:
            result = random_uniform_int_op(shape, minval, maxval, **chosen, name=scope)
        else:
            unit = random_uniform_op(shape, dtype=dtype, **chosen)
            result = math.add(unit * (maxval - minval), minval, name=scope)
        return with_static_shape(result, shape)


# --- normal -----------------------------------------------------------------------------------------

@_shape_rule
@define_op("RandomStandardNormal", "shape: T[D] -> output: dtype", T=INDEX_TYPES, dtype=FLOATS, stateful=True,
           cpu="random:standard_normal")
def random_standard_normal(shape, *, seed: int = 0, seed2: int = 0, dtype: DType, rng):
    """Normal, mean 0 and deviation 1: a pair by Box-Muller from two words (float64: four) of the stream."""
    size = size_of(shape)
    return _philox.normals(reserve(rng, size), size, dtype.np).reshape(shape)


@_shape_rule
@define_op("TruncatedNormal", "shape: T[D] -> output: dtype", T=INDEX_TYPES, dtype=FLOATS, stateful=True,
           cpu="random:truncated_normal")
def truncated_normal_op(shape, *, seed: int = 0, seed2: int = 0, dtype: DType, rng):
    """Normal, mean 0 and deviation 1, drawn again where its magnitude is 2 or more."""
    size = size_of(shape)
    return _rejection.truncated_normals(reserve(rng, size), size, dtype.np).reshape(shape)


def random_normal(shape, mean=0.0, stddev=1.0, dtype=float32, seed=None, name=None):
    """Normal random numbers; `mean` and `stddev` are scalars or broadcast against `shape`."""
    return _normal(random_standard_normal, "random_normal", shape, mean, stddev, dtype, seed, name)


def truncated_normal(shape, mean=0.0, stddev=1.0, dtype=float32, seed=None, name=None):
    """Normal random numbers within two standard deviations of `mean`; the others are drawn again."""
    return _normal(truncated_normal_op, "truncated_normal", shape, mean, stddev, dtype, seed, name)


def _normal(standard, default_name, shape, mean, stddev, dtype, seed, name):
    dtype = as_dtype(dtype)
    with name_scope(name, default_name, [shape, mean, stddev]) as scope:
        shape = shape_tensor(shape)
        mean = convert_to_tensor(mean, dtype, "mean")
        stddev = convert_to_tensor(stddev, dtype, "stddev")
        numbers = standard(shape, dtype=dtype, **seeds(seed))
        return with_static_shape(math.add(numbers * stddev, mean, name=scope), shape)


# --- categories and orders --------------------------------------------------------------------------

@define_op("Multinomial", "logits: T[B,C], num_samples: int32[] -> output: output_dtype[B,N]", T=REALS,
           output_dtype=_INTS, stateful=True, cpu="random:multinomial")
def multinomial_op(logits, num_samples, *, seed: int = 0, seed2: int = 0, output_dtype: DType = int64, rng):
    """Categories drawn with probability softmax(logits), `num_samples` per row; logits that are not finite have none.

    Row b reads the stream from word 2 * b * num_samples on; a row without a finite logit gives C.
    """
    count = check_categories(logits, num_samples)
    padded = -(-count // 4) * 4
    return draw_categories(reserve(rng, 2 * len(logits) * padded), logits, count, output_dtype.np)


def check_categories(logits, num_samples):
    """The count of samples per row as an int; InvalidArgumentError if it is negative or there are no classes."""
    if num_samples < 0:
        raise errors.InvalidArgumentError(None, None, f"num_samples should be nonnegative, got {num_samples}")
    if logits.shape[1] == 0:
        raise errors.InvalidArgumentError(None, None, f"num_classes should be positive, got {logits.shape[1]}")
    return int(num_samples)


def draw_categories(stream, logits, count, dtype):
    """`count` categories for each row of logits [B, C]: [B, count]."""
    uniforms = _philox.uniforms(stream, len(logits) * count, np.float64).reshape(len(logits), count)
    result = np.empty(uniforms.shape, dtype)
    for row, draws, found in zip(logits.astype(np.float64), uniforms, result):
        is_finite = np.isfinite(row)
        weights = np.zeros_like(row)
        weights[is_finite] = np.exp(row[is_finite] - row[is_finite].max(initial=-np.inf))
        cumulated = np.cumsum(weights)
        found[:] = np.searchsorted(cumulated, draws * cumulated[-1], side="right")
    return result


@multinomial_op.shape
def categories_shape(node, logits, num_samples, *seed):
    samples = node.constant(1)
    if samples is None:
        return {}
    if samples < 0:
        raise ValueError(f"num_samples should be nonnegative, got {samples}")
    return {"N": int(samples)}


multinomial_op.no_gradient("a category does not change smoothly with the logits")


@define_op("RandomShuffle", "value: T -> output: T", T=ANY, stateful=True, cpu="random:shuffle")
def random_shuffle_op(value, *, seed: int = 0, seed2: int = 0, rng):
    """The rows (slices along axis 0) in random order: Fisher and Yates from the front, one word per swap."""
    if value.size <= 1 or len(value) <= 1:
        return value
    n = len(value)
    draws = _philox.words((rng.key, rng.reserve(-(-(n - 1) // 4))), n - 1)
    order = list(range(n))
    for i, step in enumerate((draws % np.arange(n, 1, -1, dtype=np.uint32)).tolist()):
        order[i], order[i + step] = order[i + step], order[i]
    return value[order]


@random_shuffle_op.shape
def random_shuffle_shape(node, value):
    return value


random_shuffle_op.no_gradient("TensorFlow 1.x has none: the order is not kept for a gradient", refuses=True)


def multinomial(logits, num_samples, seed=None, name=None, output_dtype=None):
    """`categorical` under its older name."""
    return _categories("multinomial", logits, num_samples, output_dtype, seed, name)


def categorical(logits, num_samples, dtype=None, seed=None, name=None):
    """Draws `num_samples` categories per row of `logits` [B, C], with probability softmax(logits).

    Returns
    -------
    Tensor [B, num_samples] of `dtype`: int64 (for None) or int32
    """
    return _categories("categorical", logits, num_samples, dtype, seed, name)


def _categories(default_name, logits, num_samples, dtype, seed, name):
    with name_scope(name, default_name, [logits]):
        logits = convert_to_tensor(logits, name="logits")
        return multinomial_op(logits, num_samples, output_dtype=dtype or int64, **seeds(seed))


def random_shuffle(value, seed=None, name=None):
    """The rows of `value`, slices along its first dimension, in random order."""
    return random_shuffle_op(value, **seeds(seed), name=name)


def random_crop(value, size, seed=None, name=None):
    """A slice of shape `size` of `value`, its position random; any size up to the shape of `value` may be asked for.

    Raises InvalidArgumentError, when run, if a dimension of `size` is larger.
    """
    with name_scope(name, "random_crop", [value, size]) as scope:
        value = convert_to_tensor(value, name="value")
        size = convert_to_tensor(size, int32, "size")
        shape = array.shape(value)
        check = checks.Assert(reduction.reduce_all(shape >= size), ["Need value.shape >= size, got ", shape, size],
                              summarize=1000)
        shape = flow.with_dependencies([check], shape)
        limit = shape - size + 1
        offset = random_uniform(array.shape(shape), maxval=size.dtype.max, dtype=size.dtype, seed=seed) % limit
        return slicing.slice(value, offset, size, name=scope)
