"""Learning rates that follow the global step (`tf.train`): a tensor, computed anew in each run.

The rate of step 0 sets the dtype that all else is cast to. Nodes and their order are TensorFlow's.
"""
import math

import thalweg as tf

from .refusal import refused

# --- powers -------------------------------------------------------------------------------------------------

def exponential_decay(learning_rate, global_step, decay_steps, decay_rate, staircase=False, name=None):
    """learning_rate * decay_rate ^ (global_step / decay_steps).

    Parameters
    ----------
    learning_rate : float or Tensor []      the rate of step 0
    global_step : Variable, Tensor [] or int
    decay_steps : int                       steps in which the rate is multiplied by `decay_rate` once
    decay_rate : float
    staircase : bool                        the quotient is rounded down: the rate falls once in `decay_steps`
    name : str                              of the scope and of the result

    Returns
    -------
    Tensor [], dtype of learning_rate

    Raises
    ------
    ValueError                              without a global step
    TypeError                               if the rate is not floating point
    """
    _need_step("exponential_decay", global_step)
    with tf.name_scope(name, "ExponentialDecay", [learning_rate, global_step, decay_steps, decay_rate]) as scope:
        rate, steps, factor = _of_one_dtype("exponential_decay", learning_rate, decay_steps, decay_rate)
        progress = _progress(tf.cast(global_step, rate.dtype), steps, staircase)
        return tf.multiply(rate, tf.pow(factor, progress), name=scope)


def natural_exp_decay(learning_rate, global_step, decay_steps, decay_rate, staircase=False, name=None):
    """learning_rate * exp(-decay_rate * global_step / decay_steps); see `exponential_decay`, also for the name."""
    _need_step("natural_exp_decay", global_step)
    return exponential_decay(learning_rate, global_step, decay_steps, tf.exp(tf.negative(decay_rate)), staircase, name)


def inverse_time_decay(learning_rate, global_step, decay_steps, decay_rate, staircase=False, name=None):
    """learning_rate / (1 + decay_rate * global_step / decay_steps); see `exponential_decay`."""
    _need_step("inverse_time_decay", global_step)
    with tf.name_scope(name, "InverseTimeDecay", [learning_rate, global_step, decay_rate]) as scope:
        rate, steps, factor = _of_one_dtype("inverse_time_decay", learning_rate, decay_steps, decay_rate)
        progress = _progress(tf.cast(global_step, rate.dtype), steps, staircase)
        one = tf.cast(tf.constant(1), rate.dtype)
        return tf.div(rate, tf.add(one, tf.multiply(factor, progress)), name=scope)


def polynomial_decay(learning_rate, global_step, decay_steps, end_learning_rate=0.0001, power=1.0, cycle=False,
                     name=None):
    """end + (learning_rate - end) * (1 - global_step / decay_steps) ^ power.

    Parameters
    ----------
    learning_rate : float or Tensor []      the rate of step 0
    global_step : Variable, Tensor [] or int
    decay_steps : int                       the step at which `end_learning_rate` is reached
    end_learning_rate : float               what the rate remains at
    power : float
    cycle : bool                            each time that the step has come to it, `decay_steps` is made longer by
                                            itself: the rate jumps up, and falls again
    name : str                              of the scope and of the result
    """
    _need_step("polynomial_decay", global_step)
    values = [learning_rate, global_step, decay_steps, end_learning_rate, power]
    with tf.name_scope(name, "PolynomialDecay", values) as scope:
        rate, end, power = _of_one_dtype("polynomial_decay", learning_rate, end_learning_rate, power)
        step, steps = tf.cast(global_step, rate.dtype), tf.cast(decay_steps, rate.dtype)
        if cycle:
            steps = tf.multiply(steps, tf.cond(tf.equal(step, 0), lambda: tf.constant(1.0, rate.dtype),
                                               lambda: tf.ceil(step / decay_steps)))
        else:
            step = tf.minimum(step, decay_steps)
        progress = step / steps
        return tf.add(tf.multiply(rate - end, tf.pow(1 - progress, power)), end, name=scope)


# --- cosines ------------------------------------------------------------------------------------------------

def cosine_decay(learning_rate, global_step, decay_steps, alpha=0.0, name=None):
    """Half a cosine from `learning_rate` down to `alpha` times it (arXiv:1608.03983, equation 5).

    Parameters
    ----------
    learning_rate : float or Tensor []      the rate of step 0
    global_step : Variable, Tensor [] or int
    decay_steps : int                       the step at which the rate is least
    alpha : float                           least rate, as a part of `learning_rate`
    name : str                              of the scope; the result is `NAME/Mul_3`
    """
    _need_step("cosine_decay", global_step)
    with tf.name_scope(name, "CosineDecay", [learning_rate, global_step]):
        rate, steps = _of_one_dtype("cosine_decay", learning_rate, decay_steps)
        step = tf.minimum(tf.cast(global_step, rate.dtype), steps)
        wave = 0.5 * (1.0 + _cosine(step / steps))
        return tf.multiply(rate, (1 - alpha) * wave + alpha)


def cosine_decay_restarts(learning_rate, global_step, first_decay_steps, t_mul=2.0, m_mul=1.0, alpha=0.0, name=None):
    """Half a cosine after the other, each from the top: warm restarts (arXiv:1608.03983, section 3).

    Parameters
    ----------
    learning_rate : float or Tensor []      the rate of step 0
    global_step : Variable, Tensor [] or int
    first_decay_steps : int                 length of the first half cosine, in steps
    t_mul : float                           each is so many times as long as the one before; 1, or more
    m_mul : float                           each begins with so many times the rate of the one before
    alpha : float                           least rate, as a part of `learning_rate`
    name : str                              of the scope and of the result
    """
    _need_step("cosine_decay_restarts", global_step)
    with tf.name_scope(name, "SGDRDecay", [learning_rate, global_step]) as scope:
        rate, steps, alpha, t_mul, m_mul = _of_one_dtype(
            "cosine_decay_restarts", learning_rate, first_decay_steps, alpha, t_mul, m_mul)
        lengths = tf.cast(global_step, rate.dtype) / steps
        restarts, progress = tf.cond(tf.equal(t_mul, 1.0), lambda: _equal_periods(lengths),
                                     lambda: _growing_periods(lengths, t_mul))
        wave = 0.5 * m_mul ** restarts * (1.0 + _cosine(progress))
        return tf.multiply(rate, (1 - alpha) * wave + alpha, name=scope)


def _equal_periods(lengths):
    """(count of restarts, part of the present period that is over) after so many lengths of a period."""
    restarts = tf.floor(lengths)
    return restarts, lengths - restarts


def _growing_periods(lengths, growth):
    """The same after so many lengths of the first period: n periods have taken (1 - growth^n) / (1 - growth)."""
    restarts = tf.floor(tf.log(1.0 - lengths * (1.0 - growth)) / tf.log(growth))
    before = (1.0 - growth ** restarts) / (1.0 - growth)
    return restarts, (lengths - before) / growth ** restarts


def linear_cosine_decay(learning_rate, global_step, decay_steps, num_periods=0.5, alpha=0.0, beta=0.001, name=None):
    """learning_rate * ((alpha + linear) * cosine + beta): a line from 1 to 0 under waves (arXiv:1709.07417).

    Parameters
    ----------
    learning_rate : float or Tensor []      the rate of step 0
    global_step : Variable, Tensor [] or int
    decay_steps : int                       the step at which the line comes to 0
    num_periods : float                     count of the cosine's periods until then
    alpha, beta : float                     what is added to the line, and to the product
    name : str                              of the scope and of the result
    """
    _need_step("linear_cosine_decay", global_step)
    with tf.name_scope(name, "LinearCosineDecay", [learning_rate, global_step]) as scope:
        rate, steps, *shape = _of_one_dtype("linear_cosine_decay", learning_rate, decay_steps, num_periods, alpha,
                                            beta)
        step = tf.minimum(tf.cast(global_step, rate.dtype), steps)
        line = (steps - step) / steps
        return tf.multiply(rate, _under_waves(line, step / steps, *shape), name=scope)


def noisy_linear_cosine_decay(learning_rate, global_step, decay_steps, initial_variance=1.0, variance_decay=0.55,
                              num_periods=0.5, alpha=0.0, beta=0.001, name=None):
    """`linear_cosine_decay` with noise on the line, of variance initial_variance / (1 + step) ^ variance_decay."""
    _need_step("noisy_linear_cosine_decay", global_step)
    with tf.name_scope(name, "NoisyLinearCosineDecay", [learning_rate, global_step]) as scope:
        rate, steps, variance, falling, *shape = _of_one_dtype(
            "noisy_linear_cosine_decay", learning_rate, decay_steps, initial_variance, variance_decay, num_periods,
            alpha, beta)
        step = tf.minimum(tf.cast(global_step, rate.dtype), steps)
        line = (steps - step) / steps
        deviation = tf.sqrt(variance / tf.pow(1.0 + step, falling))
        line = line + tf.random_normal([], stddev=deviation, dtype=rate.dtype)
        return tf.multiply(rate, _under_waves(line, step / steps, *shape), name=scope)


def _under_waves(line, progress, periods, alpha, beta):
    wave = 0.5 * (1.0 + _cosine(2.0 * periods * progress))
    return (alpha + line) * wave + beta


def _cosine(half_turns):
    return tf.cos(tf.constant(math.pi, half_turns.dtype) * half_turns)


# --- steps --------------------------------------------------------------------------------------------------

def piecewise_constant(x, boundaries, values, name=None):
    """values[0] while x <= boundaries[0], then values[1] up to boundaries[1], and so on; values[-1] after the last.

    Parameters
    ----------
    x : Variable, Tensor [] or number       usually the global step
    boundaries : list       numbers or tensors of the dtype of x, ascending; int32 ones suit an int64 x
    values : list           one more than boundaries, numbers or tensors of one dtype
    name : str              of the scope; the result is `NAME/case/cond/Merge`

    Raises
    ------
    ValueError              if the counts or the dtypes do not fit
    """
    if len(boundaries) != len(values) - 1 or len(boundaries) == 0:
        raise refused("piecewise_constant", "the counts do not fit", f"{len(boundaries)} boundaries, {len(values)} "
                      "values", "at least one boundary, and one value more than boundaries")
    limits, values = ([tf.convert_to_tensor(item) for item in items] for items in (boundaries, values))
    limits = _limits_for(tf.convert_to_tensor(x).dtype.base_dtype, limits)
    _check_same_dtype(values)
    with tf.name_scope(name, "PiecewiseConstant", [x, boundaries, values, name]):
        x = tf.convert_to_tensor(x)
        cases = [(x <= limits[0], lambda: values[0]), (x > limits[-1], lambda: values[-1])]
        cases += [((x > low) & (x <= high), lambda v=v: v)
                  for low, high, v in zip(limits[:-1], limits[1:], values[1:-1])]
        return tf.case(cases, default=lambda: values[0], exclusive=True)


def _limits_for(dtype, limits):
    """The boundaries in the dtype of x: those of int32 are cast for an int64 step, others must have it."""
    fitting = {dtype, tf.int32} if dtype == tf.int64 else {dtype}
    for limit in limits:
        if limit.dtype.base_dtype not in fitting:
            raise refused("piecewise_constant", "boundaries and x are of different dtypes",
                          f"a boundary of {limit.dtype.base_dtype.name}, x of {dtype.name}",
                          hint=f"boundaries of {dtype.name}, or tf.cast of x")
    return [tf.cast(limit, dtype) for limit in limits]


def _check_same_dtype(values):
    names = [value.dtype.base_dtype.name for value in values]
    if len(set(names)) > 1:
        raise refused("piecewise_constant", "values are of different dtypes", ", ".join(names), "one dtype",
                      "1.0 instead of 1")


# --- what they share ----------------------------------------------------------------------------------------

def _need_step(schedule, global_step):
    if global_step is None:
        raise refused(schedule, "it needs a global_step", "None", "a variable, a tensor or a number",
                      "tf.train.get_or_create_global_step()")


def _of_one_dtype(schedule, learning_rate, *numbers):
    """The rate as a tensor, and the other numbers in its dtype."""
    rate = tf.convert_to_tensor(learning_rate, name="initial_learning_rate")
    dtype = rate.dtype.base_dtype
    if not (dtype.is_floating or dtype.is_complex):
        raise refused(schedule, f"learning_rate is of {dtype.name}", repr(learning_rate),
                      "a floating point number, 1.0 instead of 1", kind=TypeError)
    return [rate, *[tf.cast(number, dtype) for number in numbers]]


def _progress(step, steps, staircase):
    progress = step / steps
    return tf.floor(progress) if staircase else progress
