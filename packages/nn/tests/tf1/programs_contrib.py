"""Programs of tf.contrib.layers for test_programs.py."""
import numpy as np

PROGRAMS = {}


def program(f):
    PROGRAMS[f.__name__] = f
    return f


def weights(tf, name="v", dtype=None):
    start = np.linspace(-1, 2, 6).reshape(2, 3)
    return tf.get_variable(name, [2, 3], dtype or tf.float32, tf.constant_initializer(start))


@program
def regularizers(tf, note):
    v = weights(tf)
    layers = tf.contrib.layers
    penalties = [layers.l1_regularizer(0.1)(v), layers.l2_regularizer(0.1)(v), layers.l1_l2_regularizer(0.1, 0.2)(v),
                 layers.l1_l2_regularizer(0.0, 0.2)(v), layers.l1_l2_regularizer(0.1, 0.0, scope="named")(v),
                 layers.sum_regularizer([layers.l1_regularizer(0.1), None, layers.l2_regularizer(0.2)])(v),
                 layers.l1_regularizer(0.5, scope="one")(weights(tf, "w", tf.float64))]
    note.text(layers.l1_regularizer(0.0)(v))
    note.text(layers.sum_regularizer([]))
    note.value(penalties)


@program
def regularizers_of_scopes(tf, note):
    tf.set_random_seed(1)
    with tf.variable_scope("s", regularizer=tf.contrib.layers.l2_regularizer(0.1)):
        weights(tf)
        tf.layers.dense(tf.placeholder(tf.float32, [None, 3]), 2, kernel_regularizer=tf.nn.l2_loss)
    note.value(tf.losses.get_regularization_loss())


@program
def apply_regularization(tf, note):
    v, w = weights(tf), weights(tf, "w")
    total = tf.contrib.layers.apply_regularization(tf.contrib.layers.l2_regularizer(0.2), [v, w])
    tf.add_to_collection(tf.GraphKeys.WEIGHTS, w)
    note.value([total, tf.contrib.layers.apply_regularization(tf.contrib.layers.l1_regularizer(0.0)),
                tf.contrib.layers.apply_regularization(tf.contrib.layers.l1_regularizer(1.0))])


@program
def small_functions(tf, note):
    layers = tf.contrib.layers
    layers.flatten(tf.placeholder(tf.float32, [None, 3, 4]))
    layers.flatten(tf.placeholder(tf.float32, [2, 3, 4]), scope="f", outputs_collections="outs")
    note.value([layers.one_hot_encoding([1, 2], 4), layers.one_hot_encoding(tf.constant([0], tf.int64), 2, scope="e")])


@program
def errors(tf, note):
    note.without_nodes()
    layers = tf.contrib.layers
    note.error(layers.l2_regularizer, -0.2)
    note.error(layers.l1_regularizer, 1)
    note.error(layers.apply_regularization, layers.l1_regularizer(0.1))
    note.error(layers.apply_regularization, lambda v: v * 1.0, [weights(tf)])
