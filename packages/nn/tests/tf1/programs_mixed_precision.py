"""Programs of the loss scales of `tf.train.experimental` for test_programs.py: names, their way, skipped steps."""
import numpy as np

PROGRAMS = {}


def program(f):
    PROGRAMS[f.__name__] = f
    return f


FACTORS = [1.0, 1.0, np.inf, 1.0, np.nan, -np.inf, 1.0, 1.0, 1.0, 1.0, 1.0]


def optimizers(train):
    return {"gradient_descent": train.GradientDescentOptimizer(0.1), "momentum": train.MomentumOptimizer(0.1, 0.9),
            "adam": train.AdamOptimizer(0.1), "rms_prop": train.RMSPropOptimizer(0.1, momentum=0.5)}


def _trained(name, make_scale):
    """Steps whose gradients are now and then not finite: nothing but the scale may change then."""
    def trained(tf, note):
        note.without_nodes(collections=False)
        optimizer = optimizers(tf.train)[name]
        scaled = tf.train.experimental.MixedPrecisionLossScaleOptimizer(optimizer, make_scale(tf.train.experimental))
        v = tf.get_variable("v", initializer=tf.constant([1.0, -2.0, 3.0]))
        table = tf.get_variable("table", initializer=tf.constant([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]))
        factor, step = tf.placeholder(tf.float32, []), tf.train.get_or_create_global_step()
        rows = tf.nn.embedding_lookup(table, [2, 0, 2])
        loss = tf.reduce_sum(tf.square(v)) * factor + tf.reduce_sum(tf.square(rows))
        train = scaled.minimize(loss, global_step=step)
        note.text([train.name, train.type, scaled.get_name(), scaled.get_slot_names(), scaled.get_slot(v, "momentum")])
        note.text([[x.name, x.dtype.base_dtype.name, x.get_shape()] for x in tf.global_variables()])
        note.text([x.name for x in tf.trainable_variables()])
        note.text([x.name for x in optimizer.variables()])
        for number in FACTORS:
            note.run(train, {factor: number})
            note.value(tf.global_variables())
    trained.__name__ = f"{name}_{make_scale.__name__}"
    return program(trained)


def dynamic(experimental):
    return experimental.DynamicLossScale(initial_loss_scale=64, increment_period=2, multiplier=4)


def fixed(experimental):
    return 8.0


for _name in ("gradient_descent", "momentum", "adam", "rms_prop"):
    _trained(_name, dynamic)
_trained("momentum", fixed)


@program
def scale_of_one_is_never_less(tf, note):
    note.without_nodes()
    scale = tf.train.experimental.DynamicLossScale(4, 3, 3.0)
    gradient = tf.placeholder(tf.float32, [2])
    update, is_good = scale.update([gradient, None, [gradient * 2.0]])
    note.text([scale().dtype.name, scale().get_shape(), is_good.dtype.name, is_good.get_shape()])
    for numbers in ([1, 2], [np.inf, 0], [1, np.nan], [1e38, 3e38], [0, 0], [0, 1], [1, 1]):
        note.run(update, {gradient: numbers})
        note.value([scale(), *tf.global_variables()])


@program
def scale_stays_finite(tf, note):
    note.without_nodes()
    scale = tf.train.experimental.DynamicLossScale(initial_loss_scale=1e38, increment_period=1, multiplier=2.0)
    update, _ = scale.update([tf.constant([1.0])])
    for _ in range(3):
        note.run(update)
        note.value(tf.global_variables())


@program
def scales_describe_themselves(tf, note):
    note.without_nodes(collections=False)
    experimental = tf.train.experimental
    scales = [experimental.FixedLossScale(4), experimental.DynamicLossScale(),
              experimental.DynamicLossScale(16, 5, 1.5)]
    for scale in scales:
        note.text([repr(scale), sorted(scale.get_config().items()), isinstance(scale, experimental.LossScale)])
        note.text(repr(type(scale).from_config(scale.get_config())))
    note.text([scales[2].initial_loss_scale, scales[2].increment_period, scales[2].multiplier])
    note.text(scales[0].update([tf.constant(np.inf)])[1])
    note.value([scales[0](), scales[1]()])


@program
def variables_in_scopes(tf, note):
    note.without_nodes(collections=False)
    with tf.variable_scope("outer"), tf.name_scope("inner"):
        scale = tf.train.experimental.DynamicLossScale()
        v = tf.get_variable("v", initializer=[1.0])
        optimizer = tf.train.experimental.MixedPrecisionLossScaleOptimizer(tf.train.AdamOptimizer(), scale)
        train = optimizer.minimize(tf.reduce_sum(v), name="down")
    note.text([train.name, [x.name for x in tf.global_variables()]])


@program
def gradients_come_back_unscaled(tf, note):
    note.without_nodes()
    optimizer = tf.train.experimental.MixedPrecisionLossScaleOptimizer(tf.train.GradientDescentOptimizer(0.5), 1024)
    v, unused = tf.get_variable("v", initializer=[1.0, 2.0]), tf.get_variable("unused", initializer=[1.0])
    pairs = optimizer.compute_gradients(tf.reduce_sum(tf.square(v)), grad_loss=tf.constant(3.0))
    note.text([(g is None, x.name) for g, x in pairs])
    note.value(pairs[0][0])
    note.run(optimizer.apply_gradients(pairs))
    note.value([v, unused])


@program
def refusals(tf, note):
    note.without_nodes(collections=False)
    experimental, descent = tf.train.experimental, tf.train.GradientDescentOptimizer(0.1)
    wrap, enable = experimental.MixedPrecisionLossScaleOptimizer, experimental.enable_mixed_precision_graph_rewrite
    note.error(experimental.FixedLossScale, 0.5)
    note.error(experimental.FixedLossScale, "4")
    note.error(experimental.LossScale)
    for scale in ("static", None, 0.25, [1.0]):
        note.error(wrap, descent, scale)
    note.error(wrap, "GradientDescent", 2.0)
    note.error(enable, wrap(descent, 2.0))
    note.error(enable, "GradientDescent")
    note.error(wrap(descent, 2.0).apply_gradients, [])


@program
def the_switch_holds_for_new_sessions(tf, note):
    note.without_nodes(collections=False)
    experimental = tf.train.experimental
    told = []

    def wish(config=None):
        with tf.Session(config=config) as session:
            told.append(session._config.graph_options.rewrite_options.auto_mixed_precision)
    wish()
    optimizer = experimental.enable_mixed_precision_graph_rewrite(tf.train.GradientDescentOptimizer(0.1))
    off = tf.ConfigProto()
    off.graph_options.rewrite_options.auto_mixed_precision = 2
    wish()
    wish(off)
    wish(tf.ConfigProto())
    experimental.disable_mixed_precision_graph_rewrite()
    wish(tf.ConfigProto())
    on = tf.ConfigProto()
    on.graph_options.rewrite_options.auto_mixed_precision = 1
    wish(on)
    note.text([told, type(optimizer).__name__, [v.name for v in tf.global_variables()]])
