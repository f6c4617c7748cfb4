"""The global step and learning rates that follow it (`tf.train`)."""
import math

import thalweg as tf


def get_global_step(graph=None):
    """The global step's variable, or None. TypeError when there are several or it is no integer scalar."""
    graph = graph or tf.get_default_graph()
    found = graph.get_collection(tf.GraphKeys.GLOBAL_STEP)
    if len(found) > 1:
        raise ValueError("Multiple items in `global_step` collection.")
    if found:
        step = found[0]
    else:
        try:
            step = graph.get_tensor_by_name("global_step:0")
        except KeyError:
            return None
    assert_global_step(step)
    return step


def create_global_step(graph=None):
    """Makes the int64 variable `global_step`; ValueError when there is one."""
    graph = graph or tf.get_default_graph()
    if get_global_step(graph) is not None:
        raise ValueError("\"global_step\" already exists.")
    with graph.as_default(), graph.name_scope(None):
        return tf.get_variable(tf.GraphKeys.GLOBAL_STEP, shape=[], dtype=tf.int64, initializer=tf.zeros_initializer(),
                               trainable=False,
                               collections=[tf.GraphKeys.GLOBAL_VARIABLES, tf.GraphKeys.GLOBAL_STEP])


def get_or_create_global_step(graph=None):
    """The global step's variable, made if need be."""
    graph = graph or tf.get_default_graph()
    step = get_global_step(graph)
    return create_global_step(graph) if step is None else step


def assert_global_step(global_step_tensor):
    """TypeError unless it is an integer scalar."""
    dtype = global_step_tensor.dtype.base_dtype
    if dtype not in (tf.int32, tf.int64, tf.int16):
        raise TypeError(f"Existing \"global_step\" does not have integer type: {dtype}")
    if global_step_tensor.get_shape().ndims not in (0, None):
        raise TypeError(f"Existing \"global_step\" is not scalar: {global_step_tensor.get_shape()}")


def global_step(sess, global_step_tensor):
    """The step as a Python int."""
    return int(sess.run(global_step_tensor))


# --- learning rates -------------------------------------------------------------------------------------------

def _inputs(learning_rate, global_step, *numbers):
    if global_step is None:
        raise ValueError("global_step is required for a decayed learning rate.")
    rate = tf.convert_to_tensor(learning_rate, name="initial_learning_rate")
    return rate, *[tf.cast(n, rate.dtype) for n in numbers]


def exponential_decay(learning_rate, global_step, decay_steps, decay_rate, staircase=False, name=None):
    """learning_rate * decay_rate ^ (global_step / decay_steps); `staircase` takes the quotient's integer part."""
    with tf.name_scope(name, "ExponentialDecay", [learning_rate, global_step, decay_steps, decay_rate]) as scope:
        rate, steps, factor = _inputs(learning_rate, global_step, decay_steps, decay_rate)
        progress = tf.cast(global_step, rate.dtype) / steps
        return tf.multiply(rate, tf.pow(factor, tf.floor(progress) if staircase else progress), name=scope)


def natural_exp_decay(learning_rate, global_step, decay_steps, decay_rate, staircase=False, name=None):
    """learning_rate * exp(-decay_rate * global_step / decay_steps)."""
    with tf.name_scope(name, "NaturalExpDecay", [learning_rate, global_step, decay_rate]) as scope:
        rate, steps, factor = _inputs(learning_rate, global_step, decay_steps, decay_rate)
        progress = tf.cast(global_step, rate.dtype) / steps
        exponent = tf.exp(tf.multiply(-factor, tf.floor(progress) if staircase else progress))
        return tf.multiply(rate, exponent, name=scope)


def inverse_time_decay(learning_rate, global_step, decay_steps, decay_rate, staircase=False, name=None):
    """learning_rate / (1 + decay_rate * global_step / decay_steps)."""
    with tf.name_scope(name, "InverseTimeDecay", [learning_rate, global_step, decay_rate]) as scope:
        rate, steps, factor = _inputs(learning_rate, global_step, decay_steps, decay_rate)
        progress = tf.cast(global_step, rate.dtype) / steps
        divisor = 1.0 + factor * (tf.floor(progress) if staircase else progress)
        return tf.div(rate, divisor, name=scope)


def polynomial_decay(learning_rate, global_step, decay_steps, end_learning_rate=0.0001, power=1.0, cycle=False,
                     name=None):
    """From `learning_rate` to `end_learning_rate` in `decay_steps`, as (1 - progress) ^ power; `cycle` starts over."""
    values = [learning_rate, global_step, decay_steps, end_learning_rate, power]
    with tf.name_scope(name, "PolynomialDecay", values) as scope:
        rate, steps, end, power = _inputs(learning_rate, global_step, decay_steps, end_learning_rate, power)
        step = tf.cast(global_step, rate.dtype)
        if cycle:
            rounds = tf.cond(tf.equal(step, 0), lambda: tf.constant(1.0, rate.dtype), lambda: tf.ceil(step / steps))
            steps = steps * rounds
        else:
            step = tf.minimum(step, steps)
        return tf.add((rate - end) * tf.pow(1.0 - step / steps, power), end, name=scope)


def cosine_decay(learning_rate, global_step, decay_steps, alpha=0.0, name=None):
    """Half a cosine from `learning_rate` down to `alpha` times it (arXiv:1608.03983)."""
    with tf.name_scope(name, "CosineDecay", [learning_rate, global_step]):
        rate, steps = _inputs(learning_rate, global_step, decay_steps)
        step = tf.minimum(tf.cast(global_step, rate.dtype), steps)
        cosine = 0.5 * (1.0 + tf.cos(tf.constant(math.pi, rate.dtype) * (step / steps)))
        return tf.multiply(rate, (1 - alpha) * cosine + alpha)


def piecewise_constant(x, boundaries, values, name=None):
    """values[0] while x <= boundaries[0], values[1] up to boundaries[1], and so on: one value more than boundaries."""
    if len(boundaries) != len(values) - 1:
        raise ValueError("The length of boundaries should be 1 less than the length of values")
    with tf.name_scope(name, "PiecewiseConstant", [x, boundaries, values, name]):
        x = tf.convert_to_tensor(x)
        limits = [tf.cast(tf.convert_to_tensor(b), x.dtype.base_dtype) for b in boundaries]
        values = [tf.convert_to_tensor(v) for v in values]
        cases = [(x <= limits[0], lambda: values[0]), (x > limits[-1], lambda: values[-1])]
        cases += [((x > low) & (x <= high), lambda v=v: v)
                  for low, high, v in zip(limits[:-1], limits[1:], values[1:-1])]
        return tf.case(cases, default=lambda: values[0], exclusive=True)
