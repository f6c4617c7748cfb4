"""The global step (`tf.train`): the variable that counts training steps, one per graph."""
import logging

import thalweg as tf

from .refusal import refused

_log = logging.getLogger("thalweg")


def get_global_step(graph=None):
    """The global step's variable, or None where there is none.

    It is the one member of the collection GLOBAL_STEP, or, while that is empty, the tensor `global_step:0`. Of several
    in the collection none is chosen: that is logged, and gives None.

    Raises
    ------
    TypeError       if it is no integer scalar
    """
    graph = tf.get_default_graph() if graph is None else graph
    found = graph.get_collection(tf.GraphKeys.GLOBAL_STEP)
    if len(found) > 1:
        _log.error("get_global_step: none of the %d in the collection GLOBAL_STEP is chosen: %s", len(found), found)
        return None
    if not found:
        try:
            found = [graph.get_tensor_by_name("global_step:0")]
        except KeyError:
            return None
    assert_global_step(found[0])
    return found[0]


def create_global_step(graph=None):
    """Makes the variable `global_step`, int64 []; ValueError when the graph has a global step."""
    graph = tf.get_default_graph() if graph is None else graph
    found = get_global_step(graph)
    if found is not None:
        raise refused("create_global_step", "the graph has a global step", found.name,
                      hint="tf.train.get_or_create_global_step()")
    with graph.as_default(), graph.name_scope(None):
        return tf.get_variable(tf.GraphKeys.GLOBAL_STEP, shape=[], dtype=tf.int64, initializer=tf.zeros_initializer(),
                               trainable=False,
                               collections=[tf.GraphKeys.GLOBAL_VARIABLES, tf.GraphKeys.GLOBAL_STEP])


def get_or_create_global_step(graph=None):
    """The global step's variable, made if need be; errors as for `get_global_step`."""
    graph = tf.get_default_graph() if graph is None else graph
    step = get_global_step(graph)
    return create_global_step(graph) if step is None else step


def assert_global_step(global_step_tensor):
    """TypeError unless it is a variable or a tensor of integers, and a scalar as far as its shape is known."""
    if not isinstance(global_step_tensor, (tf.Variable, tf.Tensor)):
        raise _no_step(repr(global_step_tensor))
    dtype, shape = global_step_tensor.dtype.base_dtype, global_step_tensor.get_shape()
    if not dtype.is_integer or shape.ndims != 0 and shape.is_fully_defined():
        raise _no_step(f"{global_step_tensor.name} {dtype.name} {shape}")


def _no_step(got):
    return refused("global step", "it must be a scalar of integers", got, "a variable or a tensor, int64 []",
                   "tf.train.create_global_step()", TypeError)


def global_step(sess, global_step_tensor):
    """The step as an int, read in the session `sess`."""
    return int(sess.run(global_step_tensor))
