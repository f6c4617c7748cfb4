"""Dropout: random zeros in activations."""
import numbers

from thalweg.framework import shapes
from thalweg.framework.constant_value import constant_value
from thalweg.framework.conversion import convert_to_tensor
from thalweg.framework.graph import Tensor, name_scope
from thalweg.framework.shapes import TensorShape

from . import array, cast, random

# Where TensorFlow looks for a rate of 0 while it builds: not into arithmetic, so 1 - keep_prob adds the ops always.
_PLAIN = ("Const", "Cast", "Fill")


def dropout(x, keep_prob=None, noise_shape=None, seed=None, name=None, rate=None):
    """x with each element zero with probability `rate` and else multiplied by 1 / (1 - rate).

    Parameters
    ----------
    x : Tensor of floats
    keep_prob : float or scalar tensor      1 - rate; deprecated
    noise_shape : list, TensorShape or integer vector
        shape of the decisions, which broadcast to x: [batch, 1, 1, channels] drops whole channels. None in a list
        stands for the size of x.
    seed : int or None                      decides the draws, see tf.set_random_seed
    rate : float in [0, 1) or scalar tensor of x's dtype

    Returns
    -------
    Tensor of the shape and dtype of x; x itself where the rate is known to be 0

    Raises
    ------
    ValueError                              if x holds no floats, or the rate is missing, given twice or out of range
    """
    return _dropout(x, _rate(rate, keep_prob), noise_shape, seed, name)


def _rate(rate, keep_prob):
    if rate is not None and keep_prob is not None:
        raise ValueError("Cannot specify both 'keep_prob' and 'rate'")
    if keep_prob is None:
        if rate is None:
            raise ValueError("You must provide a rate to dropout.")
        return rate
    try:
        return 1.0 - keep_prob
    except TypeError:
        raise ValueError(f"keep_prob must be a floating point number or Tensor (got {keep_prob!r})") from None


def _dropout(x, rate, noise_shape, seed, name):
    with name_scope(name, "dropout", [x]):
        x = convert_to_tensor(x, name="x")
        if not x.dtype.is_floating:
            raise ValueError(f"x has to be a floating point tensor since it's going to be scaled. "
                             f"Got a {x.dtype} tensor instead.")
        if isinstance(rate, numbers.Real):
            if not 0 <= rate < 1:
                raise ValueError(f"rate must be a scalar tensor or a float in the range [0, 1), got {rate:g}")
            if rate == 0:
                return x
        rate = convert_to_tensor(rate, x.dtype.base_dtype, "rate")
        rate.shape.assert_has_rank(0)
        if rate.op.type in _PLAIN and constant_value(rate) == 0:
            return x
        draws = random.random_uniform(_noise_shape(x, noise_shape), dtype=x.dtype.base_dtype, seed=seed)
        scale = 1 / (1 - rate)
        is_kept = draws >= rate
        result = x * scale * cast.cast(is_kept, x.dtype.base_dtype)
        result.set_shape(x._shape)
        return result


def _noise_shape(x, noise_shape):
    """The shape of the draws: that of x, or `noise_shape` with x's sizes where it says None."""
    if noise_shape is None:
        return array.shape(x)
    if isinstance(noise_shape, Tensor):
        return noise_shape
    try:
        wanted = shapes.plain(noise_shape)
    except (TypeError, ValueError):                     # a list with tensors in it
        return noise_shape
    if wanted is None or x._shape is None or len(wanted) != len(x._shape):
        return noise_shape
    return TensorShape([size if d is None else d for d, size in zip(wanted, x._shape)])
