"""Stateless random ops: the numbers follow from the input `seed` alone, two integers, and come again in each run."""
import numpy as np

from thalweg.framework.conversion import convert_to_tensor
from thalweg.framework.declaration import INDEX_TYPES, define_op
from thalweg.framework.dtypes import FLOATS, REALS, DType, as_dtype, float32, int32, int64
from thalweg.framework.graph import name_scope

from . import _philox, _rejection, array, math, random

_INTS = (int32, int64)
_SHAPE_ONLY = "the numbers do not depend on the values of the inputs"


def _shape_rule(declaration):
    declaration.shape(lambda node, shape, *rest: array.shape_from_input(node, 0))
    declaration.no_gradient(_SHAPE_ONLY)
    return declaration


@_shape_rule
@define_op("StatelessRandomUniform", "shape: T[D], seed: Tseed[2] -> output: dtype", T=INDEX_TYPES, Tseed=INDEX_TYPES,
           dtype=FLOATS)
def stateless_uniform_op(shape, seed, *, dtype: DType = float32, Tseed: DType = int64):
    """Uniform in [0, 1)."""
    size = random.size_of(shape)
    return _philox.uniforms(_philox.stateless_state(seed), size, dtype.np).reshape(shape)


@_shape_rule
@define_op("StatelessRandomUniformInt",
           "shape: T[D], seed: Tseed[2], minval: dtype[], maxval: dtype[] -> output: dtype",
           T=INDEX_TYPES, Tseed=INDEX_TYPES, dtype=_INTS)
def stateless_uniform_int_op(shape, seed, minval, maxval, *, Tseed: DType = int64):
    """Integers in [minval, maxval)."""
    size = random.size_of(shape)
    if not size:
        return np.empty(shape, minval.dtype)
    random.check_range(minval, maxval)
    return _philox.integers(_philox.stateless_state(seed), size, minval, maxval).reshape(shape)


@_shape_rule
@define_op("StatelessRandomNormal", "shape: T[D], seed: Tseed[2] -> output: dtype", T=INDEX_TYPES, Tseed=INDEX_TYPES,
           dtype=FLOATS, cpu="random:stateless_normal")
def stateless_normal_op(shape, seed, *, dtype: DType = float32, Tseed: DType = int64):
    """Normal, mean 0 and deviation 1."""
    size = random.size_of(shape)
    return _philox.normals(_philox.stateless_state(seed), size, dtype.np).reshape(shape)


@_shape_rule
@define_op("StatelessTruncatedNormal", "shape: T[D], seed: Tseed[2] -> output: dtype", T=INDEX_TYPES,
           Tseed=INDEX_TYPES, dtype=FLOATS, cpu="random:stateless_truncated_normal")
def stateless_truncated_normal_op(shape, seed, *, dtype: DType = float32, Tseed: DType = int64):
    """Normal, mean 0 and deviation 1, drawn again where its magnitude is 2 or more."""
    size = random.size_of(shape)
    return _rejection.truncated_normals(_philox.stateless_state(seed), size, dtype.np).reshape(shape)


@define_op("StatelessMultinomial", "logits: T[B,C], num_samples: int32[], seed: Tseed[2] -> output: output_dtype[B,N]",
           T=REALS, Tseed=INDEX_TYPES, output_dtype=_INTS, cpu="random:stateless_multinomial")
def stateless_multinomial_op(logits, num_samples, seed, *, output_dtype: DType = int64, Tseed: DType = int64):
    """Categories drawn with probability softmax(logits), `num_samples` per row."""
    count = random.check_categories(logits, num_samples)
    return random.draw_categories(_philox.stateless_state(seed), logits, count, output_dtype.np)


stateless_multinomial_op.shape(random.categories_shape)
stateless_multinomial_op.no_gradient("a category does not change smoothly with the logits")


# --- public functions -------------------------------------------------------------------------------

def stateless_uniform(shape, seed, minval=0, maxval=None, dtype=float32, name=None):
    """As `random_uniform`, the numbers a function of `seed`, an integer tensor [2]."""
    dtype = as_dtype(dtype)
    maxval = random.checked_maxval("stateless_random_uniform", dtype, maxval)
    with name_scope(name, "stateless_random_uniform", [shape, seed, minval, maxval]) as scope:
        shape = random.shape_tensor(shape)
        minval = convert_to_tensor(minval, dtype, "min")
        maxval = convert_to_tensor(maxval, dtype, "max")
        if dtype.is_integer:
            result = stateless_uniform_int_op(shape, seed, minval, maxval, name=scope)
        else:
            unit = stateless_uniform_op(shape, seed, dtype=dtype)
            result = math.add(unit * (maxval - minval), minval, name=scope)
        return random.with_static_shape(result, shape)


def stateless_normal(shape, seed, mean=0.0, stddev=1.0, dtype=float32, name=None):
    """As `random_normal`, the numbers a function of `seed`, an integer tensor [2]."""
    return _normal(stateless_normal_op, "stateless_random_normal", shape, seed, mean, stddev, dtype, name)


def stateless_truncated_normal(shape, seed, mean=0.0, stddev=1.0, dtype=float32, name=None):
    """As `truncated_normal`, the numbers a function of `seed`, an integer tensor [2]."""
    return _normal(stateless_truncated_normal_op, "stateless_truncated_normal", shape, seed, mean, stddev, dtype, name)


def _normal(standard, default_name, shape, seed, mean, stddev, dtype, name):
    dtype = as_dtype(dtype)
    with name_scope(name, default_name, [shape, seed, mean, stddev]) as scope:
        shape = random.shape_tensor(shape)
        mean = convert_to_tensor(mean, dtype, "mean")
        stddev = convert_to_tensor(stddev, dtype, "stddev")
        numbers = standard(shape, seed, dtype=dtype)
        return random.with_static_shape(math.add(numbers * stddev, mean, name=scope), shape)


def stateless_multinomial(logits, num_samples, seed, output_dtype=int64, name=None):
    """`stateless_categorical` under its older name."""
    return _categories("stateless_multinomial", logits, num_samples, seed, output_dtype, name)


def stateless_categorical(logits, num_samples, seed, dtype=int64, name=None):
    """As `categorical`, the numbers a function of `seed`, an integer tensor [2]."""
    return _categories("stateless_categorical", logits, num_samples, seed, dtype, name)


def _categories(default_name, logits, num_samples, seed, dtype, name):
    with name_scope(name, default_name, [logits, seed]):
        logits = convert_to_tensor(logits, name="logits")
        return stateless_multinomial_op(logits, num_samples, seed, output_dtype=as_dtype(dtype))
