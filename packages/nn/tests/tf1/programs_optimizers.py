"""Programs of the optimizers of `tf.train` for test_programs.py: update rules, slots, names."""
import numpy as np

PROGRAMS = {}


def program(f):
    PROGRAMS[f.__name__] = f
    return f


def numbers(*shape, phase=0.0):
    """Values without ties, the same in every run."""
    return np.sin(phase + np.arange(1, 1 + np.prod(shape), dtype=np.float64) * 1.7).reshape(shape)


# Each rule and its variants: of tf.train and the global step.
OPTIMIZERS = {
    "gradient_descent": lambda train, step: train.GradientDescentOptimizer(0.1),
    "momentum": lambda train, step: train.MomentumOptimizer(0.1, 0.9),
    "nesterov": lambda train, step: train.MomentumOptimizer(0.1, 0.9, use_nesterov=True),
    "adam": lambda train, step: train.AdamOptimizer(0.1),
    "adam_of_other_betas": lambda train, step: train.AdamOptimizer(0.1, beta1=0.8, beta2=0.9, epsilon=0.1),
    "adagrad": lambda train, step: train.AdagradOptimizer(0.1),
    "adagrad_of_another_start": lambda train, step: train.AdagradOptimizer(0.1, 1.5),
    "rms_prop": lambda train, step: train.RMSPropOptimizer(0.1),
    "rms_prop_with_momentum": lambda train, step: train.RMSPropOptimizer(0.1, 0.8, 0.5, 1e-3),
    "rms_prop_centered": lambda train, step: train.RMSPropOptimizer(0.1, centered=True, momentum=0.3),
    "adadelta": lambda train, step: train.AdadeltaOptimizer(1.0, rho=0.9, epsilon=1e-3),
    "ftrl": lambda train, step: train.FtrlOptimizer(0.1),
    "ftrl_regularized": lambda train, step: train.FtrlOptimizer(0.5, -0.4, 0.2, 0.01, 0.02),
    "ftrl_shrinking": lambda train, step: train.FtrlOptimizer(
        0.5, l1_regularization_strength=0.01, l2_shrinkage_regularization_strength=0.1),
    "ftrl_named": lambda train, step: train.FtrlOptimizer(0.1, accum_name="a", linear_name="l"),
    "proximal_gradient_descent": lambda train, step: train.ProximalGradientDescentOptimizer(0.1, 0.1, 0.2),
    "proximal_adagrad": lambda train, step: train.ProximalAdagradOptimizer(0.1, 0.2, 0.1, 0.2),
    "adagrad_da": lambda train, step: train.AdagradDAOptimizer(0.1, step, 0.2, 0.01, 0.02),
}


def _of(name):
    def rule(tf, note):
        step = tf.train.get_or_create_global_step()
        dense = tf.get_variable("dense", [2, 3], initializer=tf.constant_initializer(numbers(2, 3)))
        with tf.variable_scope("s"):
            sparse = tf.get_variable("sparse", [4, 2], initializer=tf.constant_initializer(numbers(4, 2, phase=1.0)))
        optimizer = OPTIMIZERS[name](tf.train, step)
        feed, rows = tf.placeholder(tf.float32, []), tf.placeholder(tf.int32, [3])
        pairs = [(feed * numbers(2, 3, phase=2.0).astype(np.float32), dense),
                 (tf.IndexedSlices(feed * numbers(3, 2, phase=3.0).astype(np.float32), rows, tf.constant([4, 2])),
                  sparse)]
        train = optimizer.apply_gradients(pairs, global_step=step)
        note.text([train.name, train.type, optimizer.get_name(), optimizer.get_slot_names()])
        note.text([[v.name, v.dtype.name, v.get_shape()] for v in optimizer.variables()])
        note.text([getattr(optimizer.get_slot(dense, s), "name", None) for s in optimizer.get_slot_names()])
        note.ids()
        for scale in (1.0, -0.5, 2.0, 0.25):
            note.run(train, {feed: scale, rows: [2, 0, 2]})
        note.value([step, dense, sparse, *optimizer.variables()])
    rule.__name__ = name
    return rule


for _name in OPTIMIZERS:
    program(_of(_name))


def _of_float64(name):
    def rule(tf, note):
        step = tf.train.get_or_create_global_step()
        v = tf.get_variable("v", [2, 3], tf.float64, tf.constant_initializer(numbers(2, 3)))
        train = OPTIMIZERS[name](tf.train, step).apply_gradients(
            [(tf.constant(numbers(2, 3, phase=2.0)), v)])
        note.run(train)
        note.run(train)
        note.value(v)
    rule.__name__ = name + "_of_float64"
    return rule


for _name in ("gradient_descent", "momentum", "adam", "adagrad", "rms_prop_centered", "adadelta", "ftrl"):
    program(_of_float64(_name))


def variable(tf, name="v", **options):
    return tf.get_variable(name, [3], initializer=tf.constant_initializer([1.0, 2.0, 3.0]), **options)


# --- names, scopes, places -------------------------------------------------------------------------------------

@program
def names_of_steps(tf, note):
    v = variable(tf)
    for name in (None, "mine", "other/"):
        note.text(tf.train.GradientDescentOptimizer(0.1).apply_gradients([(v * 2.0, v)], name=name).name)
    note.text(tf.train.GradientDescentOptimizer(0.1, name="SGD").apply_gradients([(v * 2.0, v)]).name)
    step = tf.Variable(0, name="step", trainable=False)
    note.text(tf.train.GradientDescentOptimizer(0.1).apply_gradients([(v * 2.0, v)], step, "with").name)
    with tf.name_scope("outer"):
        note.text(tf.train.AdamOptimizer(0.1).apply_gradients([(v * 2.0, v)], step).name)
    note.text([op.name for op in tf.get_collection(tf.GraphKeys.TRAIN_OP)])


@program
def two_adams(tf, note):
    with tf.variable_scope("net"):
        v, w = variable(tf), variable(tf, "w")
    for _ in range(2):
        optimizer = tf.train.AdamOptimizer(0.1)
        optimizer.apply_gradients([(v * 2.0, v), (w * 3.0, w)])
        note.text([x.name for x in optimizer.variables()])


@program
def one_adam_twice(tf, note):
    v, w = variable(tf), variable(tf, "w")
    optimizer = tf.train.AdamOptimizer(0.1)
    optimizer.apply_gradients([(v * 2.0, v)])
    optimizer.apply_gradients([(v * 2.0, v), (w * 3.0, w)])
    note.text([x.name for x in optimizer.variables()])


@program
def optimizers_in_scopes(tf, note):
    with tf.variable_scope("net"):
        v = variable(tf)
    with tf.variable_scope("train"):
        optimizer = tf.train.MomentumOptimizer(0.1, 0.9)
        optimizer.apply_gradients([(v * 2.0, v)])
        note.text([x.name for x in optimizer.variables()])
        adam = tf.train.AdamOptimizer(0.1, name="Other")
        adam.apply_gradients([(v * 2.0, v)])
        note.text([x.name for x in adam.variables()])


@program
def slots_under_reuse(tf, note):
    with tf.variable_scope("net"):
        v = variable(tf)
    with tf.variable_scope("net", reuse=tf.AUTO_REUSE):
        optimizer = tf.train.MomentumOptimizer(0.1, 0.9)
        optimizer.apply_gradients([(v * 2.0, v)])
        note.text([x.name for x in optimizer.variables()])


@program
def optimizers_on_devices(tf, note):
    with tf.device("/cpu:0"):
        v = variable(tf)
    with tf.device("/gpu:0"):
        tf.train.AdamOptimizer(0.1).apply_gradients([(v * 2.0, v)])


@program
def slots_outside_of_controls(tf, note):
    v = variable(tf)
    with tf.control_dependencies([tf.no_op(name="before")]):
        tf.train.MomentumOptimizer(0.1, 0.9).apply_gradients([(v * 2.0, v)])


@program
def variables_of_tf_variable(tf, note):
    v = tf.Variable([1.0, 2.0], name="v")
    optimizer = tf.train.AdagradOptimizer(0.1)
    train = optimizer.apply_gradients([(v * 2.0, v)])
    note.run(train)
    note.value([v, optimizer.get_slot(v, "accumulator")])
    note.text([x.name for x in tf.global_variables()])


@program
def scalar_variables(tf, note):
    v = tf.Variable(3.0, name="v")
    train = tf.train.RMSPropOptimizer(0.1).apply_gradients([(v * 2.0, v)])
    note.run(train)
    note.value(v)


@program
def variables_of_unknown_shape(tf, note):
    note.without_nodes()
    v = tf.Variable(tf.placeholder_with_default([1.0, 2.0], None), validate_shape=False, name="v")
    train = tf.train.MomentumOptimizer(0.1, 0.9).apply_gradients([(v * 2.0, v)])
    note.run(train)
    note.value(v)


@program
def several_variables_and_no_gradient(tf, note):
    v, w, u = variable(tf), variable(tf, "w"), variable(tf, "a")
    optimizer = tf.train.AdamOptimizer(0.1)
    optimizer.apply_gradients([(v * 2.0, v), (None, w), (u * 1.0, u)])
    note.text(optimizer.get_slot(w, "m"))
    note.text([x.name for x in optimizer.variables()])
    note.text(optimizer.get_slot(v, "nothing"))


@program
def partitioned_variables(tf, note):
    with tf.variable_scope("p", partitioner=tf.fixed_size_partitioner(2)):
        v = tf.get_variable("v", [4, 2], initializer=tf.ones_initializer())
    optimizer = tf.train.MomentumOptimizer(0.1, 0.9)
    parts = list(v)
    train = optimizer.apply_gradients([(part * 2.0, part) for part in parts])
    note.text([x.name for x in optimizer.variables()])
    note.run(train)
    note.value(tf.convert_to_tensor(v))


# --- hyperparameters -------------------------------------------------------------------------------------------

@program
def learning_rates_as_tensors(tf, note):
    v = variable(tf)
    rate = tf.placeholder(tf.float32, [], name="rate")
    train = tf.train.GradientDescentOptimizer(rate).apply_gradients([(v * 1.0, v)])
    note.run(train, {rate: 0.5})
    note.value(v)
    tf.train.AdamOptimizer(tf.constant(0.1), beta1=tf.constant(0.8)).apply_gradients([(v * 1.0, v)])
    tf.train.MomentumOptimizer(tf.Variable(0.1, trainable=False), lambda: 0.9).apply_gradients([(v * 1.0, v)])


@program
def learning_rates_as_functions(tf, note):
    v = variable(tf)
    for make in (tf.train.GradientDescentOptimizer, tf.train.AdamOptimizer, tf.train.AdagradOptimizer,
                 tf.train.RMSPropOptimizer, tf.train.AdadeltaOptimizer):
        make(lambda: 0.1).apply_gradients([(v * 1.0, v)])


@program
def decayed_learning_rates(tf, note):
    v, step = variable(tf), tf.train.get_or_create_global_step()
    rate = tf.train.exponential_decay(0.5, step, 2, 0.5, staircase=True)
    train = tf.train.GradientDescentOptimizer(rate).apply_gradients([(v * 0.0 + 1.0, v)], step)
    for _ in range(5):
        note.run(train)
    note.value([v, rate, step])


@program
def locking(tf, note):
    v = variable(tf)
    for make in (tf.train.GradientDescentOptimizer, tf.train.AdamOptimizer, tf.train.AdagradOptimizer):
        train = make(0.1, use_locking=True).apply_gradients([(v * 1.0, v)])
        note.text([op.get_attr("use_locking") for op in tf.get_default_graph().get_operations()
                   if op.type.startswith("Apply")])
    note.run(train)


@program
def sparse_of_many_dimensions(tf, note):
    v = tf.get_variable("v", [3, 2, 2], initializer=tf.constant_initializer(numbers(3, 2, 2)))
    rows = tf.placeholder(tf.int64, [2])
    slices = tf.IndexedSlices(tf.constant(numbers(2, 2, 2, phase=1.0), tf.float32), rows,
                              tf.constant([3, 2, 2], tf.int64))
    optimizer = tf.train.AdagradOptimizer(0.1)
    note.run(optimizer.apply_gradients([(slices, v)]), {rows: [1, 1]})
    note.value([v, *optimizer.variables()])


@program
def constraints(tf, note):
    v = variable(tf, constraint=lambda x: tf.clip_by_value(x, 0.0, 2.5))
    train = tf.train.GradientDescentOptimizer(0.1).apply_gradients([(tf.constant([1.0, -9.0, 40.0]), v)])
    note.run(train)
    note.value(v)


@program
def gradients_that_are_no_tensors(tf, note):
    v = variable(tf)
    train = tf.train.GradientDescentOptimizer(0.1).apply_gradients([([1.0, 2.0, 3.0], v)])
    note.run(train)
    note.value(v)
    note.text(train.name)


@program
def update_ops_first(tf, note):
    v = variable(tf)
    w = tf.Variable(1.0, trainable=False, name="average")
    with tf.control_dependencies([tf.assign_add(w, 1.0, name="update")]):
        train = tf.train.GradientDescentOptimizer(0.1).apply_gradients([(v * 2.0, v)])
    note.run(train)
    note.value([v, w])


# --- minimize and compute_gradients ----------------------------------------------------------------------------

@program
def minimize(tf, note):
    note.without_nodes()
    v, w, u = variable(tf), variable(tf, "w", trainable=False), variable(tf, "u")
    loss = tf.reduce_sum(v * v * w) + tf.reduce_sum(u)
    step = tf.train.create_global_step()
    train = tf.train.GradientDescentOptimizer(0.1).minimize(loss, global_step=step, name="down")
    only = tf.train.MomentumOptimizer(0.1, 0.5).minimize(loss, var_list=[u])
    note.text([train.name, only.name])
    note.run(train)
    note.run(only)
    note.value([v, w, u, step])
    note.text([x.name for x in tf.global_variables()])


@program
def compute_gradients(tf, note):
    note.without_nodes()
    v, w = variable(tf), variable(tf, "w")
    loss = tf.reduce_sum(v * v)
    optimizer = tf.train.GradientDescentOptimizer(0.1)
    pairs = optimizer.compute_gradients(loss)
    note.text([[g is None, x.name] for g, x in pairs])
    note.value(pairs[0][0])
    for gate in (tf.train.Optimizer.GATE_NONE, tf.train.Optimizer.GATE_OP, tf.train.Optimizer.GATE_GRAPH):
        pairs = optimizer.compute_gradients(loss + tf.reduce_sum(w), gate_gradients=gate)
        note.value([g for g, _ in pairs])
    pairs = optimizer.compute_gradients(v * 2.0, grad_loss=tf.constant([1.0, 2.0, 3.0]), var_list=[v])
    note.value(pairs[0][0])
    clipped = [(tf.clip_by_norm(g, 1.0), x) for g, x in pairs]
    note.run(optimizer.apply_gradients(clipped))
    note.value(v)


@program
def gradients_of_a_tensor(tf, note):
    note.without_nodes()
    v = variable(tf)
    read = v.value()
    loss = tf.reduce_sum(read * 3.0)
    pairs = tf.train.GradientDescentOptimizer(0.1).compute_gradients(loss, var_list=[v])
    note.text([g is None for g, _ in pairs])


@program
def clip_by_global_norm(tf, note):
    note.without_nodes()
    v, w = variable(tf), variable(tf, "w")
    optimizer = tf.train.AdamOptimizer(0.1)
    grads, variables = zip(*optimizer.compute_gradients(tf.reduce_sum(v * v) + tf.reduce_sum(w * 3.0)))
    clipped, norm = tf.clip_by_global_norm(grads, 1.0)
    train = optimizer.apply_gradients(zip(clipped, variables))
    note.value([norm, *clipped])
    note.run(train)
    note.value([v, w])


@program
def own_optimizer(tf, note):
    class Sign(tf.train.Optimizer):
        def __init__(self, rate):
            super().__init__(use_locking=False, name="Sign")
            self._rate = rate

        def _create_slots(self, var_list):
            for v in var_list:
                self._zeros_slot(v, "count", self._name)

        def _prepare(self):
            self._rate_tensor = tf.convert_to_tensor(self._rate, name="rate")

        def _apply_dense(self, grad, var):
            count = tf.assign_add(self.get_slot(var, "count"), tf.ones_like(grad))
            return tf.group(tf.assign_sub(var, self._rate_tensor * tf.sign(grad)), count)
    v = variable(tf)
    optimizer = Sign(0.1)
    train = optimizer.apply_gradients([(v * -2.0, v)])
    note.run(train)
    note.value([v, optimizer.get_slot(v, "count")])
    note.error(optimizer.apply_gradients, [(tf.IndexedSlices(tf.ones([1]), tf.placeholder(tf.int32, [1])), v)])


# --- what is refused -------------------------------------------------------------------------------------------

@program
def errors_of_optimizers(tf, note):
    note.without_nodes(collections=False)
    v, i = variable(tf), tf.Variable([1, 2])
    make = tf.train.GradientDescentOptimizer
    optimizer = make(0.1)
    note.error(optimizer.minimize, tf.constant(1.0), var_list=[])
    note.error(optimizer.minimize, tf.constant(1.0))
    note.error(optimizer.minimize, tf.constant(1))
    note.error(optimizer.minimize, tf.reduce_sum(v), gate_gradients=7)
    note.error(optimizer.minimize, tf.reduce_sum(v), gate_gradients="no")
    note.error(optimizer.minimize, tf.reduce_sum(v), var_list=[tf.constant(1.0)])
    note.error(optimizer.minimize, tf.reduce_sum(tf.cast(i, tf.float32)), var_list=[i])
    note.error(optimizer.apply_gradients, [])
    note.error(optimizer.apply_gradients, [(None, v)])
    note.error(optimizer.apply_gradients, [("text", v)])
    note.error(optimizer.apply_gradients, [(tf.ones([2]), v)])
    note.error(optimizer.apply_gradients, [(tf.ones([3], tf.float64), v)])
    note.error(optimizer.apply_gradients, [(tf.ones([3]), tf.ones([3]))])
    note.error(make, 0.1, name="")
    note.error(tf.train.AdagradOptimizer, 0.1, 0.0)
    note.error(tf.train.AdagradDAOptimizer, 0.1, tf.constant(0), 0.0)
    note.error(tf.train.ProximalAdagradOptimizer, 0.1, 0.0)
    note.error(tf.train.FtrlOptimizer, 0.1, 0.5)
    note.error(tf.train.FtrlOptimizer, 0.1, initial_accumulator_value=-1.0)
    note.error(tf.train.FtrlOptimizer, 0.1, l1_regularization_strength=-1.0)
    note.error(tf.train.FtrlOptimizer, 0.1, l2_regularization_strength=-1.0)
    note.error(tf.train.FtrlOptimizer, 0.1, l2_shrinkage_regularization_strength=-1.0)
    note.error(tf.train.FtrlOptimizer, 0.1, 0.0)


def draw_after_minimize(tf, note, n, training, optimizer):
    """What a convolutional network's train op leaves for the seeds of the ops after it."""
    note.without_nodes(collections=False)
    tf.set_random_seed(1)
    x, labels = tf.placeholder(tf.float32, [n, 12, 12, 3]), tf.placeholder(tf.int32, [n])
    h = tf.layers.conv2d(x, 4, 3, activation=tf.nn.relu)
    h = tf.layers.batch_normalization(tf.layers.max_pooling2d(h, 2, 2), training=training)
    h = tf.reduce_mean(tf.layers.conv2d(h, 4, 3, padding="same", activation=tf.nn.relu), [1, 2])
    h = tf.layers.dropout(tf.layers.dense(h, 8, tf.tanh), 0.5, training=True)
    loss = tf.losses.sparse_softmax_cross_entropy(labels, tf.layers.dense(h, 3))
    loss += tf.add_n([0.01 * tf.nn.l2_loss(v) for v in tf.trainable_variables()])
    optimizer.minimize(loss, global_step=tf.train.get_or_create_global_step())
    note.ids()
    drawn = tf.random_uniform([3])
    later = tf.layers.dense(tf.ones([1, 2]), 2, name="later")
    note.value([drawn, later])


@program
def draws_after_minimize(tf, note):
    draw_after_minimize(tf, note, None, True, tf.train.AdamOptimizer())


@program
def draws_after_minimize_of_a_known_batch(tf, note):
    draw_after_minimize(tf, note, 8, True, tf.train.MomentumOptimizer(0.1, 0.9))


@program
def draws_after_minimize_in_inference(tf, note):
    draw_after_minimize(tf, note, None, False, tf.train.GradientDescentOptimizer(0.1))


@program
def draws_between_two_train_ops(tf, note):
    note.without_nodes(collections=False)
    tf.set_random_seed(3)
    x = tf.placeholder(tf.float32, [None, 7])

    def judge(images, reuse):
        with tf.variable_scope("d", reuse=reuse):
            return tf.layers.dense(tf.layers.dense(images, 6, tf.nn.elu), 1)

    with tf.variable_scope("g"):
        made = tf.layers.dense(tf.layers.dense(tf.random_uniform([4, 5], -1, 1), 6, tf.nn.leaky_relu), 7, tf.tanh)
    real, false = judge(x, None), judge(made, True)
    cross = tf.nn.sigmoid_cross_entropy_with_logits
    judges = tf.reduce_mean(cross(logits=real, labels=tf.ones_like(real)))
    judges += tf.reduce_mean(cross(logits=false, labels=tf.zeros_like(false)))
    makes = tf.reduce_mean(cross(logits=false, labels=tf.ones_like(false)))
    for loss, name in ((judges, "d"), (makes, "g")):
        found = [v for v in tf.trainable_variables() if v.name.startswith(name)]
        tf.train.AdamOptimizer(0.1).minimize(loss, var_list=found)
        note.ids()
        note.value(tf.random_normal([2]))
