"""Programs of `tf.layers` for test_programs.py; each takes the module and a notebook (notebook.py)."""
import numpy as np

PROGRAMS = {}


def program(f):
    PROGRAMS[f.__name__] = f
    return f


def ph(tf, *shape, dtype=None):
    return tf.placeholder(dtype or tf.float32, list(shape))


def numbers(*shape):
    """Values without ties, the same in every run."""
    return np.sin(np.arange(1, 1 + np.prod(shape), dtype=np.float64) * 1.7).reshape(shape).astype(np.float32)


def evaluate(tf, note, build, *shape, **options):
    """The layer on a constant, with seeded variables."""
    tf.set_random_seed(7)
    y = build(tf.constant(numbers(*shape)), **options)
    note.text(y.get_shape())
    if note.compares_nodes:
        note.ids()
    note.value(y)


# --- convolution -------------------------------------------------------------------------------------------

@program
def conv2d_of_the_slides(tf, note):
    conv1 = tf.layers.conv2d(inputs=ph(tf, None, 28, 28, 1), filters=32, kernel_size=[5, 5], padding="same",
                             activation=tf.nn.relu)
    tf.layers.max_pooling2d(inputs=conv1, pool_size=[2, 2], strides=2)
    note.ids()


@program
def conv2d_values(tf, note):
    evaluate(tf, note, tf.layers.conv2d, 1, 5, 6, 2, filters=3, kernel_size=3, strides=(1, 2), padding="same",
             activation=tf.nn.relu)


@program
def conv2d_without_bias_twice(tf, note):
    for _ in range(2):
        tf.layers.conv2d(ph(tf, None, 8, 8, 3), 4, 3, use_bias=False)


@program
def conv2d_channels_first(tf, note):
    tf.layers.conv2d(ph(tf, 1, 3, 8, 8), 4, 3, strides=2, data_format="channels_first")


@program
def conv2d_dilated(tf, note):
    evaluate(tf, note, tf.layers.conv2d, 1, 8, 8, 2, filters=3, kernel_size=3, dilation_rate=2)


@program
def conv2d_dilated_same(tf, note):
    evaluate(tf, note, tf.layers.conv2d, 1, 7, 8, 2, filters=3, kernel_size=3, dilation_rate=(2, 1), padding="same")


@program
def conv2d_unknown_sizes(tf, note):
    y = tf.layers.conv2d(ph(tf, None, None, None, 3), 4, [3, 5], padding="SAME")
    note.text(y.get_shape())
    tf.layers.conv2d(tf.placeholder(tf.float32, [None, None, None, 3]), 4, 3, dilation_rate=2, name="dilated")


@program
def conv2d_float64(tf, note):
    tf.layers.conv2d(ph(tf, 1, 4, 4, 1, dtype=tf.float64), 2, 2)


@program
def conv2d_everything(tf, note):
    regularizer = tf.contrib.layers.l2_regularizer(0.1)
    tf.layers.conv2d(ph(tf, None, 8, 8, 3), 4, 3, kernel_initializer=tf.random_normal_initializer(stddev=0.1, seed=3),
                     bias_initializer=tf.constant_initializer(0.5), kernel_regularizer=regularizer,
                     bias_regularizer=regularizer, activity_regularizer=regularizer,
                     kernel_constraint=lambda w: w, name="conv", activation=tf.nn.elu)


@program
def conv2d_not_trainable(tf, note):
    tf.layers.conv2d(ph(tf, None, 8, 8, 3), 4, 3, trainable=False)


@program
def conv1d_and_conv3d(tf, note):
    tf.layers.conv1d(ph(tf, None, 8, 3), 4, 3)
    tf.layers.conv3d(ph(tf, None, 8, 8, 8, 3), 4, 3)
    tf.layers.conv1d(ph(tf, None, None, 3), 4, 3, padding="same", strides=2, activation=tf.tanh)


@program
def conv1d_values(tf, note):
    evaluate(tf, note, tf.layers.conv1d, 2, 7, 3, filters=2, kernel_size=3, padding="same", strides=2)


@program
def conv1d_dilated(tf, note):
    evaluate(tf, note, tf.layers.conv1d, 2, 9, 3, filters=2, kernel_size=3, dilation_rate=2)


@program
def conv1d_channels_first(tf, note):
    tf.layers.conv1d(ph(tf, 2, 3, 8), 4, 3, data_format="channels_first")


@program
def conv3d_values(tf, note):
    evaluate(tf, note, tf.layers.conv3d, 1, 4, 3, 5, 2, filters=2, kernel_size=(2, 2, 3), strides=(2, 1, 1))


@program
def conv3d_channels_first(tf, note):
    tf.layers.conv3d(ph(tf, None, 3, 8, 8, 8), 4, 3, data_format="channels_first")


@program
def conv2d_transpose_of_the_slides(tf, note):
    tf.layers.conv2d_transpose(ph(tf, 2, 7, 7, 3), 8, [3, 3], [2, 2], padding="same")
    note.ids()


@program
def conv2d_transpose_values(tf, note):
    evaluate(tf, note, tf.layers.conv2d_transpose, 1, 3, 4, 2, filters=3, kernel_size=(3, 2), strides=(2, 3))


@program
def conv2d_transpose_unknown_sizes(tf, note):
    y = tf.layers.conv2d_transpose(ph(tf, None, None, 7, 3), 8, 5, 2)
    note.text(y.get_shape())


@program
def conv2d_transpose_channels_first(tf, note):
    note.without_nodes()                 # TensorFlow moves the channels to the end where there is no GPU
    evaluate(tf, note, tf.layers.conv2d_transpose, 1, 3, 2, 3, filters=2, kernel_size=3, strides=2, padding="same",
             data_format="channels_first")


@program
def conv3d_transpose(tf, note):
    tf.layers.conv3d_transpose(ph(tf, 2, 3, 3, 3, 3), 4, 3, 2, padding="same")
    tf.layers.conv3d_transpose(ph(tf, None, 3, None, 3, 3), 4, 3, 2)


@program
def conv3d_transpose_channels_first(tf, note):
    tf.layers.conv3d_transpose(ph(tf, 2, 3, 3, 3, 4), 4, 3, 2, data_format="channels_first")


@program
def conv3d_transpose_values(tf, note):
    evaluate(tf, note, tf.layers.conv3d_transpose, 1, 2, 3, 2, 2, filters=2, kernel_size=(2, 3, 2), strides=2,
             padding="same")


@program
def separable_conv2d(tf, note):
    tf.layers.separable_conv2d(ph(tf, None, 8, 8, 3), 4, 3, depth_multiplier=2, activation=tf.nn.relu)
    tf.layers.separable_conv2d(ph(tf, None, 8, 8, 3), 4, 3, strides=2, padding="same", use_bias=False)
    tf.layers.separable_conv2d(ph(tf, None, 8, 8, 3), 4, 3, dilation_rate=2)


@program
def separable_conv2d_values(tf, note):
    evaluate(tf, note, tf.layers.separable_conv2d, 1, 5, 5, 2, filters=2, kernel_size=3, depth_multiplier=2)


@program
def separable_conv2d_channels_first(tf, note):
    tf.layers.separable_conv2d(ph(tf, None, 3, 8, 8), 4, 3, data_format="channels_first")


@program
def separable_conv1d(tf, note):
    tf.layers.separable_conv1d(ph(tf, None, 8, 3), 4, 3, depth_multiplier=2, activation=tf.nn.relu)
    tf.layers.separable_conv1d(ph(tf, None, 8, 3), 4, 3, strides=2, padding="same")


@program
def separable_conv1d_values(tf, note):
    evaluate(tf, note, tf.layers.separable_conv1d, 2, 6, 2, filters=3, kernel_size=3)


# --- dense, flatten, dropout ---------------------------------------------------------------------------------

@program
def dense(tf, note):
    tf.layers.dense(ph(tf, None, 6), 10, activation=tf.nn.relu)
    tf.layers.dense(ph(tf, None, 6), 10, use_bias=False)
    note.ids()


@program
def dense_of_rank_3(tf, note):
    tf.layers.dense(ph(tf, None, 5, 6), 10)
    y = tf.layers.dense(ph(tf, None, None, 6), 10)
    note.text(y.get_shape())
    tf.layers.dense(ph(tf, 2, 5, 6), 10)
    note.ids()


@program
def dense_of_rank_4(tf, note):
    tf.layers.dense(ph(tf, None, 5, 3, 6), 10, name="four", activation=tf.nn.relu)


@program
def dense_values(tf, note):
    evaluate(tf, note, tf.layers.dense, 2, 3, 4, units=2)


@program
def dense_of_an_array(tf, note):
    tf.set_random_seed(1)
    note.value(tf.layers.dense(numbers(2, 3), 2))


@program
def dense_with_activities(tf, note):
    tf.layers.dense(ph(tf, None, 6), 10, kernel_regularizer=tf.nn.l2_loss, activity_regularizer=tf.nn.l2_loss,
                    name="d")
    tf.losses.get_regularization_loss()


@program
def flatten(tf, note):
    note.text(tf.layers.flatten(ph(tf, None, 8, 8, 3)).get_shape())
    note.text(tf.layers.flatten(ph(tf, None)).get_shape())
    note.text(tf.layers.flatten(ph(tf, 2, None, 4)).get_shape())
    note.text(tf.layers.flatten(ph(tf, 2, 3, 4), name="named").get_shape())


@program
def flatten_of_an_empty_batch(tf, note):
    x = ph(tf, None, 4, 4, 3)
    note.value(tf.layers.flatten(x), {x: np.zeros((0, 4, 4, 3))})


@program
def flatten_channels_first(tf, note):
    y = tf.layers.flatten(tf.constant(numbers(2, 2, 3)), data_format="channels_first")
    note.value(y)


@program
def flatten_other_ranks(tf, note):
    note.text(tf.layers.flatten(ph(tf, None, None, 3)).get_shape())
    note.text(tf.layers.flatten(ph(tf, 5, 0)).get_shape())


@program
def dropout_plain(tf, note):
    tf.layers.dropout(ph(tf, None, 6), 0.4, training=True)
    tf.layers.dropout(ph(tf, None, 6))
    note.ids()


@program
def dropout_with_a_shape(tf, note):
    tf.layers.dropout(ph(tf, None, 6, 3), 0.4, noise_shape=[None, 1, 3], training=True, seed=3)


@program
def dropout_masks(tf, note):
    tf.set_random_seed(5)
    x = tf.ones([4, 5])
    y = tf.layers.dropout(x, 0.4, training=True)
    z = tf.layers.dropout(x, 0.25, training=True, seed=11)
    note.value([y, z])
    note.value([y, z])
    note.ids()


@program
def dropout_by_a_placeholder(tf, note):
    tf.set_random_seed(5)
    training = tf.placeholder(tf.bool, [], name="training")
    x = tf.ones([3, 5])
    y = tf.layers.dropout(x, 0.4, training=training)
    note.ids()
    z = tf.layers.dropout(y, 0.4, training=training)
    note.ids()
    w = tf.random_normal([3])
    note.without_nodes()
    note.text([y.name, z.name, w.name])
    note.value([y, z, w], {training: True})
    note.value([y, z, w], {training: False})


@program
def dropout_by_a_constant(tf, note):
    tf.layers.dropout(ph(tf, None, 6), training=tf.constant(True))
    tf.layers.dropout(ph(tf, None, 6), training=1)


@program
def arguments_by_name(tf, note):
    tf.layers.conv2d(ph(tf, 1, 8, 8, 3), 4, 3, activation="relu", kernel_initializer="zeros")
    tf.layers.dense(ph(tf, 1, 3), 4, activation="softmax", kernel_initializer=tf.ones_initializer)
    tf.layers.dense(ph(tf, 1, 3), 4, activation="linear", bias_initializer=None)
    tf.layers.conv1d(ph(tf, 1, 8, 3), 4, 3, padding="causal", activation="exponential")
    tf.layers.separable_conv1d(ph(tf, 1, 8, 3), 4, 3, padding="CAUSAL", activation="tanh")
    note.error(tf.layers.dense, ph(tf, 1, 3), 4, activation="nope")
    note.error(tf.layers.dense, ph(tf, 1, 3), 4, kernel_initializer="nope")
    note.error(tf.layers.conv2d, ph(tf, 1, 8, 8, 3), 4, 3, padding="causal")


@program
def conv3d_transpose_of_small_windows(tf, note):
    tf.layers.conv3d_transpose(ph(tf, 2, 3, 3, 3, 3), 4, 2, 2)
    tf.layers.conv2d_transpose(ph(tf, 2, 3, 3, 3), 4, 1, (1, 2))


# --- pooling -------------------------------------------------------------------------------------------------

@program
def pooling_2d(tf, note):
    x = tf.constant(numbers(1, 5, 6, 2))
    note.value([tf.layers.max_pooling2d(x, 2, 2), tf.layers.average_pooling2d(x, [2, 3], [1, 2], padding="same"),
                tf.layers.max_pooling2d(x, 3, 1, name="named")])


@program
def pooling_1d(tf, note):
    x = tf.constant(numbers(2, 7, 2))
    note.value([tf.layers.max_pooling1d(x, 2, 2), tf.layers.average_pooling1d(x, 3, 2, padding="same")])


@program
def pooling_3d(tf, note):
    x = tf.constant(numbers(1, 4, 4, 3, 2))
    note.value([tf.layers.max_pooling3d(x, 2, 2), tf.layers.average_pooling3d(x, (2, 1, 2), 1, padding="same")])


@program
def pooling_channels_first(tf, note):
    tf.layers.max_pooling2d(ph(tf, None, 3, 8, 8), 2, 2, data_format="channels_first")
    tf.layers.average_pooling2d(ph(tf, None, 3, 8, 8), 2, 2, data_format="channels_first")


@program
def pooling_channels_first_other_ranks(tf, note):
    note.without_nodes()                 # TensorFlow moves the channels to the end where there is no GPU
    sequence, volume = tf.constant(numbers(2, 3, 8)), tf.constant(numbers(1, 3, 2, 4, 5))
    options = {"data_format": "channels_first"}
    note.value([tf.layers.max_pooling1d(sequence, 2, 2, **options),
                tf.layers.average_pooling1d(sequence, 3, 2, **options),
                tf.layers.max_pooling3d(volume, 2, 2, **options),
                tf.layers.average_pooling3d(volume, 2, 2, **options)])


# --- batch normalisation ---------------------------------------------------------------------------------------

@program
def batch_norm_fused_inference(tf, note):
    tf.layers.batch_normalization(ph(tf, None, 8, 8, 3))
    note.ids()


@program
def batch_norm_fused_training(tf, note):
    tf.layers.batch_normalization(ph(tf, None, 8, 8, 3), training=True)
    note.ids()


@program
def batch_norm_fused_values(tf, note):
    x = tf.constant(numbers(2, 3, 2, 2))
    y = tf.layers.batch_normalization(x, training=True, momentum=0.8, epsilon=0.01)
    updates = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
    note.value(y)
    note.run(updates)
    note.run(updates)
    note.value(tf.global_variables())


@program
def batch_norm_fused_by_a_placeholder(tf, note):
    training = tf.placeholder(tf.bool, [], name="training")
    x = tf.constant(numbers(2, 3, 2, 2))
    y = tf.layers.batch_normalization(x, training=training, momentum=0.8)
    note.ids()
    note.without_nodes()
    updates = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
    note.text([op.name for op in updates])
    note.value(y, {training: True})
    note.run(updates, {training: True})
    note.value([y, *tf.global_variables()], {training: False})
    note.run(updates, {training: False})
    note.value(tf.global_variables())


@program
def batch_norm_fused_by_a_constant(tf, note):
    tf.layers.batch_normalization(ph(tf, None, 8, 8, 3), training=tf.constant(True))
    tf.layers.batch_normalization(ph(tf, None, 8, 8, 3), training=tf.constant(False))


@program
def batch_norm_without_scale_or_center(tf, note):
    tf.layers.batch_normalization(ph(tf, None, 8, 8, 3), training=True, scale=False)
    tf.layers.batch_normalization(ph(tf, None, 8, 8, 3), training=True, center=False)
    tf.layers.batch_normalization(ph(tf, None, 3), training=True, scale=False)
    tf.layers.batch_normalization(ph(tf, None, 3), training=False, center=False)
    note.ids()


@program
def batch_norm_channels_first(tf, note):
    tf.layers.batch_normalization(ph(tf, None, 3, 8, 8), axis=1, training=True)


@program
def batch_norm_float16(tf, note):
    tf.layers.batch_normalization(ph(tf, None, 8, 8, 3, dtype=tf.float16), training=True)


@program
def batch_norm_float16_inference(tf, note):
    tf.layers.batch_normalization(ph(tf, None, 8, 8, 3, dtype=tf.float16))


@program
def batch_norm_float16_not_fused(tf, note):
    tf.layers.batch_normalization(ph(tf, None, 3, dtype=tf.float16), training=True)
    tf.layers.batch_normalization(ph(tf, None, 3, dtype=tf.float16), training=False)


@program
def batch_norm_float64(tf, note):
    tf.layers.batch_normalization(ph(tf, None, 3, dtype=tf.float64), training=True)


@program
def batch_norm_not_fused(tf, note):
    tf.layers.batch_normalization(ph(tf, None, 4, 4, 3), training=True, fused=False)
    tf.layers.batch_normalization(ph(tf, None, 4, 4, 3), training=False, fused=False)
    note.ids()


@program
def batch_norm_not_fused_channels_first(tf, note):
    tf.layers.batch_normalization(ph(tf, None, 3, 4, 4), axis=1, training=True, fused=False)
    tf.layers.batch_normalization(ph(tf, None, 3, 4, 4), axis=1, training=False, fused=False)
    tf.layers.batch_normalization(ph(tf, None, 3, 4), axis=1, training=True)


@program
def batch_norm_of_rank_2(tf, note):
    tf.layers.batch_normalization(ph(tf, 3, 1), axis=1, momentum=0.9, training=False)
    tf.layers.batch_normalization(ph(tf, 3, 1), axis=1, momentum=0.9, training=True)
    note.ids()


@program
def batch_norm_of_rank_2_values(tf, note):
    x = tf.constant(numbers(4, 3))
    y = tf.layers.batch_normalization(x, training=True, momentum=0.7)
    updates = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
    note.value(y)
    note.run(updates)
    note.value(tf.global_variables())


@program
def batch_norm_of_the_slides(tf, note):
    x = tf.placeholder(tf.float32, shape=(3, 1), name="x")
    tr = tf.placeholder(tf.bool, shape=())
    y = tf.layers.batch_normalization(x, axis=1, momentum=0.9, training=tr)
    note.ids()
    note.without_nodes()
    update_ops = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
    note.text([y.name, *[op.name for op in update_ops]])
    batch_x = np.arange(3).reshape([3, 1]).astype(np.float32)
    for _ in range(10):
        note.run([y, update_ops], {x: batch_x, tr: True})
        note.value(y, {x: batch_x, tr: False})
    note.value(y, {x: batch_x, tr: True})


@program
def batch_norm_of_two_axes(tf, note):
    tf.layers.batch_normalization(ph(tf, None, 4, 3), axis=[1, 2], training=True)
    tf.layers.batch_normalization(ph(tf, None, 4, 3), axis=[1, 2], training=False)


@program
def batch_norm_of_two_axes_values(tf, note):
    x = tf.constant(numbers(3, 2, 2))
    y = tf.layers.batch_normalization(x, axis=[-1, -2], training=True)
    note.value(y)
    note.run(tf.get_collection(tf.GraphKeys.UPDATE_OPS))
    note.value(tf.global_variables())


@program
def batch_norm_renorm(tf, note):
    x = tf.constant(numbers(4, 3))
    tf.layers.batch_normalization(x, renorm=True, training=False)
    note.ids()


@program
def batch_norm_renorm_training(tf, note):
    x = tf.constant(numbers(4, 3))
    note.without_nodes()
    clipping = {"rmax": 1.5, "rmin": 0.5, "dmax": 0.5}
    y = tf.layers.batch_normalization(x, renorm=True, training=True, renorm_momentum=0.8, momentum=0.9,
                                      renorm_clipping=clipping)
    updates = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
    note.text([op.name for op in updates])
    for _ in range(4):
        note.value(y)
        note.run(updates)
    note.value(tf.global_variables())


@program
def batch_norm_renorm_by_a_placeholder(tf, note):
    training = tf.placeholder(tf.bool, [], name="training")
    note.without_nodes()
    y = tf.layers.batch_normalization(tf.constant(numbers(2, 3, 2, 2)), renorm=True, training=training,
                                      renorm_momentum=0.8, momentum=0.9)
    note.ids()
    updates = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
    for on in (True, True, False):
        note.value(y, {training: on})
        note.run(updates, {training: on})
    note.value(tf.global_variables())


@program
def batch_norm_of_virtual_batches(tf, note):
    x = tf.constant(numbers(4, 3))
    y = tf.layers.batch_normalization(x, virtual_batch_size=2, training=True)
    note.value(y)
    note.run(tf.get_collection(tf.GraphKeys.UPDATE_OPS))
    note.value(tf.global_variables())


@program
def batch_norm_adjusted(tf, note):
    def adjustment(shape):
        return tf.ones([3]) * 2.0, tf.ones([3])
    y = tf.layers.batch_normalization(tf.constant(numbers(4, 3)), adjustment=adjustment, training=True)
    note.value(y)


@program
def batch_norm_everything(tf, note):
    regularizer = tf.contrib.layers.l2_regularizer(0.1)
    tf.layers.batch_normalization(
        ph(tf, None, 8, 8, 3), name="bn", training=True, beta_initializer=tf.constant_initializer(0.5),
        gamma_initializer=tf.random_uniform_initializer(0.5, 1.5),
        moving_mean_initializer=tf.constant_initializer(1.0),
        moving_variance_initializer=tf.constant_initializer(2.0), beta_regularizer=regularizer,
        gamma_regularizer=regularizer)


@program
def batch_norm_not_trainable(tf, note):
    tf.layers.batch_normalization(ph(tf, None, 8, 8, 3), training=True, trainable=False)
    tf.layers.batch_normalization(ph(tf, None, 3), training=True, trainable=False)


@program
def batch_norm_in_a_scope(tf, note):
    with tf.variable_scope("block"):
        tf.layers.batch_normalization(ph(tf, None, 3), training=True)
    with tf.variable_scope("block", reuse=True):
        tf.layers.batch_normalization(ph(tf, None, 3), training=False, name="batch_normalization")


@program
def batch_norm_shared(tf, note):
    layer = tf.layers.BatchNormalization(name="shared")
    layer(ph(tf, None, 3), training=True)
    layer(ph(tf, None, 3), training=True)
    note.text([op.name for op in layer.updates])
    note.text([v.name for v in layer.variables])


# --- names, scopes, sharing --------------------------------------------------------------------------------------

@program
def sharing(tf, note):
    layer = tf.layers.Dense(3)
    layer(ph(tf, None, 6))
    layer(ph(tf, None, 6))
    tf.layers.dense(ph(tf, None, 6), 3, name="x")
    tf.layers.dense(ph(tf, None, 6), 3, name="x", reuse=True)
    with tf.variable_scope("out"):
        tf.layers.dense(ph(tf, None, 6), 3)
    with tf.variable_scope("out", reuse=True):
        tf.layers.dense(ph(tf, None, 6), 3)
    with tf.variable_scope("o2", reuse=tf.AUTO_REUSE):
        tf.layers.dense(ph(tf, None, 6), 3, name="q")
        tf.layers.dense(ph(tf, None, 6), 3, name="q")


@program
def sharing_convolutions(tf, note):
    layers = [tf.layers.Conv2D(3, 2), tf.layers.Conv2DTranspose(3, 2), tf.layers.SeparableConv2D(3, 2),
              tf.layers.Conv2D(3, 2, dilation_rate=2)]
    for layer in layers:
        layer(ph(tf, None, 6, 6, 2))
        layer(ph(tf, None, 6, 6, 2))
    note.ids()


@program
def names_of_layers(tf, note):
    layers = [tf.layers.Conv2D(3, 3), tf.layers.Conv2D(3, 3), tf.layers.MaxPooling2D(2, 2), tf.layers.Dense(3),
              tf.layers.BatchNormalization(), tf.layers.Dropout(), tf.layers.Flatten(), tf.layers.Dense(3, name="x"),
              tf.layers.SeparableConv1D(3, 3), tf.layers.Conv3DTranspose(3, 3), tf.layers.AveragePooling3D(2, 2)]
    note.text([layer.name for layer in layers])
    layers[3](ph(tf, None, 6))
    tf.layers.dense(ph(tf, None, 6), 3)
    with tf.name_scope("inner"):
        layers[7](ph(tf, None, 6))
    note.text([layers[3].scope_name, layers[7].scope_name])
    note.text([v.name for v in layers[3].weights])


@program
def layers_in_name_scopes(tf, note):
    with tf.name_scope("a"):
        tf.layers.dense(ph(tf, None, 6), 3)
        with tf.variable_scope("b"):
            tf.layers.conv2d(ph(tf, None, 6, 6, 1), 3, 3)
    with tf.variable_scope("b"):
        tf.layers.conv2d(ph(tf, None, 6, 6, 1), 3, 3, name="other")
    with tf.name_scope("a"), tf.variable_scope("b", default_name="c"):
        tf.layers.dropout(ph(tf, None, 6), training=True)
        tf.layers.flatten(ph(tf, None, 6))


@program
def layers_under_a_device(tf, note):
    with tf.device("/cpu:0"):
        tf.layers.dense(ph(tf, None, 6), 3)
        tf.layers.batch_normalization(ph(tf, None, 3), training=True)


@program
def residual_block_of_the_slides(tf, note):
    x = ph(tf, 1, 224, 224, 3)
    h = tf.layers.conv2d(x, filters=64, kernel_size=[11, 11], strides=[4, 4], padding="SAME")
    h2 = tf.layers.conv2d(h, filters=64, kernel_size=[3, 3], strides=[1, 1], padding="SAME")
    h3 = tf.layers.conv2d(h2, filters=64, kernel_size=[3, 3], strides=[1, 1], padding="SAME")
    note.text(h3 + h)


@program
def scope_with_an_initializer(tf, note):
    with tf.variable_scope("s", initializer=tf.constant_initializer(0.25), regularizer=tf.nn.l2_loss):
        note.value(tf.layers.dense(tf.ones([1, 2]), 2))


@program
def scopes_made_first(tf, note):
    with tf.variable_scope("s") as scope:
        pass
    layer = tf.layers.Dense(2, _scope=scope)
    layer(ph(tf, None, 3))
    note.text(layer.scope_name)
    again = tf.layers.Dense(2, _scope=scope, _reuse=True)
    again(ph(tf, None, 3))
    note.text([v.name for v in again.variables])


@program
def what_a_layer_has(tf, note):
    layer = tf.layers.Conv2D(4, 3)
    layer(ph(tf, None, 8, 8, 3))
    note.text([layer.built, layer.dtype, layer.count_params(), layer.trainable])
    note.text([[v.name for v in vs] for vs in (layer.variables, layer.trainable_weights, layer.non_trainable_weights)])
    note.text([layer.filters, layer.kernel_size, layer.strides, layer.padding, layer.data_format])
    note.text([layer.kernel.name, layer.bias.name, layer.rank])


@program
def own_layer(tf, note):
    class Scaled(tf.layers.Layer):
        def build(self, input_shape):
            self.scale = self.add_variable("scale", [int(input_shape[-1])], initializer=tf.ones_initializer())
            self.built = True

        def call(self, inputs):
            return inputs * self.scale
    layer = Scaled(name="my")
    layer(ph(tf, None, 3))
    layer.apply(ph(tf, None, 3))
    Scaled()(ph(tf, 2, 2))
    note.text([v.name for v in layer.trainable_variables])


@program
def own_layer_with_losses(tf, note):
    class Noisy(tf.layers.Layer):
        def call(self, inputs, scale=2.0):
            self.add_loss(tf.reduce_sum(inputs), inputs=True)
            self.add_update(tf.no_op(name="own_update"), inputs=True)
            return inputs * scale
    layer = Noisy()
    x = ph(tf, 3)
    layer(x, scale=3.0)
    note.text([[t.name for t in layer.losses], [t.name for t in layer.updates]])


# --- what is refused -----------------------------------------------------------------------------------------------

@program
def errors_of_layers(tf, note):
    note.without_nodes(collections=False)
    image = ph(tf, None, 8, 8, 3)
    note.error(tf.layers.conv2d, ph(tf, None, 8, 3), 4, 3)
    note.error(tf.layers.conv2d, ph(tf, None, 8, 8, None), 4, 3)
    note.error(tf.layers.conv2d, tf.placeholder(tf.float32), 4, 3)
    note.error(tf.layers.conv2d, image, 4, [3, 3, 3])
    note.error(tf.layers.conv2d, image, 4, "a")
    note.error(tf.layers.conv2d, image, 4, 3, padding="some")
    note.error(tf.layers.conv2d, image, 4, 3, data_format="NHWC")
    note.error(tf.layers.conv2d, image, 4, 9)
    note.error(tf.layers.conv2d, image, 4, 3, strides=2, dilation_rate=2)
    note.error(tf.layers.conv2d_transpose, ph(tf, None, 8, 8, None), 4, 3)
    note.error(tf.layers.conv2d_transpose, ph(tf, None, 8, 8), 4, 3)
    note.error(tf.layers.separable_conv2d, ph(tf, None, 8, 8, None), 4, 3)
    note.error(tf.layers.dense, ph(tf, None, None), 3)
    note.error(tf.layers.dense, tf.placeholder(tf.float32), 3)
    note.error(tf.layers.dense, ph(tf), 3)
    note.error(tf.layers.dense, ph(tf, 3), 3)
    note.error(tf.layers.dense, ph(tf, None, 3, dtype=tf.int32), 3)
    note.error(tf.layers.batch_normalization, tf.placeholder(tf.float32))
    note.error(tf.layers.batch_normalization, ph(tf, None, None))
    note.error(tf.layers.batch_normalization, ph(tf, None, 3), axis=2)
    note.error(tf.layers.batch_normalization, ph(tf, None, 3), axis="a")
    note.error(tf.layers.batch_normalization, ph(tf, None, 3), fused=True)
    note.error(tf.layers.batch_normalization, ph(tf, None, 4, 4, 3), axis=2, fused=True)
    note.error(tf.layers.batch_normalization, ph(tf, None, 4, 4, 3), renorm=True, fused=True)
    note.error(tf.layers.batch_normalization, ph(tf, None, 4, 4, 3), virtual_batch_size=2, fused=True)
    note.error(tf.layers.batch_normalization, ph(tf, None, 3), renorm=True, renorm_clipping={"max": 1.0})
    note.error(tf.layers.max_pooling2d, ph(tf, None, 8, 8), 2, 2)
    note.error(tf.layers.max_pooling2d, image, [2, 2, 2], 2)
    note.error(tf.layers.max_pooling2d, image, 2, 2, padding="some")
    note.error(tf.layers.max_pooling2d, image, 2, 2, data_format="NHWC")
    note.error(tf.layers.flatten, ph(tf))
    note.error(tf.layers.dense, ph(tf, None, 3), 3, name="x", reuse=True)
    tf.layers.dense(ph(tf, None, 3), 3, name="y")
    note.error(tf.layers.dense, ph(tf, None, 3), 3, name="y")
    layer = tf.layers.Dense(3)
    note.error(layer.count_params)
    note.error(lambda: layer.scope_name)
    layer(ph(tf, None, 3))
    note.error(layer, ph(tf, None, 4))
    with tf.Graph().as_default():
        note.error(layer, ph(tf, None, 3))
    note.error(tf.layers.Dense, 3, unknown=1)
