"""Programs of the global step, learning rates that follow it and moving averages, for test_programs.py."""
PROGRAMS = {}


def program(f):
    PROGRAMS[f.__name__] = f
    return f


def follow(tf, note, make, last=12):
    """The values of a schedule along the global step."""
    step = tf.train.get_or_create_global_step()
    rate = make(step)
    note.text(rate)
    note.ids()
    for value in range(0, last, 2):
        note.value(rate, {step: value})


# --- the global step -------------------------------------------------------------------------------------------

@program
def global_step(tf, note):
    note.text(tf.train.get_global_step())
    step = tf.train.create_global_step()
    note.text([step.name, step.dtype.name, step.get_shape(), step in tf.trainable_variables()])
    note.text(tf.train.get_global_step() is step)
    note.text(tf.train.get_or_create_global_step() is step)
    tf.train.assert_global_step(step)
    note.value(step)
    note.text(tf.train.global_step(note.session, step))


@program
def global_step_in_scopes(tf, note):
    with tf.variable_scope("s"), tf.name_scope("n"):
        note.text(tf.train.get_or_create_global_step().name)


@program
def global_step_by_name(tf, note):
    tf.Variable(3, name="global_step", trainable=False)
    found = tf.train.get_global_step()
    note.text([found.name, found.dtype.base_dtype.name])


@program
def global_step_of_another_graph(tf, note):
    with tf.Graph().as_default() as other:
        step = tf.train.create_global_step()
    note.text(tf.train.get_global_step(other) is step)
    note.text(tf.train.get_global_step())
    note.text(tf.train.get_or_create_global_step(other) is step)


@program
def errors_of_global_steps(tf, note):
    note.without_nodes(collections=False)
    tf.train.create_global_step()
    note.error(tf.train.create_global_step)
    tf.add_to_collection(tf.GraphKeys.GLOBAL_STEP, tf.Variable(1))
    note.error(tf.train.get_global_step)
    note.error(tf.train.assert_global_step, tf.Variable(1.0))
    note.error(tf.train.assert_global_step, tf.Variable([1, 2]))
    note.error(tf.train.assert_global_step, tf.placeholder(tf.int64))
    note.error(tf.train.assert_global_step, 3)
    note.error(tf.train.assert_global_step, None)
    for dtype in (tf.uint8, tf.int16, tf.uint64, tf.qint8, tf.bool):
        note.error(tf.train.assert_global_step, tf.placeholder(dtype, []))
    for shape in (None, [None], [2, 3]):
        note.error(tf.train.assert_global_step, tf.placeholder(tf.int64, shape))
    note.error(tf.train.get_or_create_global_step)


# --- learning rates --------------------------------------------------------------------------------------------

@program
def exponential_decay(tf, note):
    follow(tf, note, lambda step: tf.train.exponential_decay(0.1, step, 4, 0.5))


@program
def exponential_decay_in_steps(tf, note):
    follow(tf, note, lambda step: tf.train.exponential_decay(0.1, step, 4, 0.5, staircase=True, name="rate"))


@program
def exponential_decay_of_tensors(tf, note):
    follow(tf, note, lambda step: tf.train.exponential_decay(tf.constant(0.1, tf.float64), step, tf.constant(4), 0.5))


@program
def natural_exp_decay(tf, note):
    follow(tf, note, lambda step: tf.train.natural_exp_decay(0.1, step, 4, 0.5))


@program
def natural_exp_decay_in_steps(tf, note):
    follow(tf, note, lambda step: tf.train.natural_exp_decay(0.1, step, 4, 0.5, staircase=True))


@program
def inverse_time_decay(tf, note):
    follow(tf, note, lambda step: tf.train.inverse_time_decay(0.1, step, 4, 0.5))


@program
def inverse_time_decay_in_steps(tf, note):
    follow(tf, note, lambda step: tf.train.inverse_time_decay(0.1, step, 4, 0.5, staircase=True))


@program
def polynomial_decay(tf, note):
    follow(tf, note, lambda step: tf.train.polynomial_decay(0.1, step, 8, 0.01, power=0.5))


@program
def polynomial_decay_again_and_again(tf, note):
    note.without_nodes()
    follow(tf, note, lambda step: tf.train.polynomial_decay(0.1, step, 4, 0.01, power=2.0, cycle=True))


@program
def cosine_decay(tf, note):
    follow(tf, note, lambda step: tf.train.cosine_decay(0.1, step, 8, alpha=0.1))


@program
def cosine_decay_restarts(tf, note):
    note.without_nodes()
    follow(tf, note, lambda step: tf.train.cosine_decay_restarts(0.1, step, 4, t_mul=1.5, m_mul=0.7, alpha=0.1), 20)


@program
def cosine_decay_restarts_of_equal_length(tf, note):
    note.without_nodes()
    follow(tf, note, lambda step: tf.train.cosine_decay_restarts(0.1, step, 4, t_mul=1.0), 20)


@program
def linear_cosine_decay(tf, note):
    follow(tf, note, lambda step: tf.train.linear_cosine_decay(0.1, step, 8))


@program
def noisy_linear_cosine_decay(tf, note):
    tf.set_random_seed(3)
    follow(tf, note, lambda step: tf.train.noisy_linear_cosine_decay(0.1, step, 8))


@program
def schedules_of_doubles(tf, note):
    rate, step = tf.constant(0.1, tf.float64), tf.constant(3)
    note.value([tf.train.natural_exp_decay(rate, step, 4, 0.5, name="natural"),
                tf.train.inverse_time_decay(rate, step, 4, 1, name="inverse"),
                tf.train.polynomial_decay(rate, step, 8, power=2)])


@program
def schedules_of_variables(tf, note):
    rate, step = tf.Variable(0.1, name="rate"), tf.Variable(3, name="step")
    note.value([tf.train.exponential_decay(rate, step, 4, 0.5), tf.train.polynomial_decay(rate, step, 5),
                tf.train.cosine_decay(rate, step, 5), tf.train.linear_cosine_decay(rate, step, 5)])


@program
def schedules_of_numbers(tf, note):
    note.value([tf.train.exponential_decay(0.1, 3, 4, 1), tf.train.inverse_time_decay(0.1, 3.0, 4, 1)])


@program
def schedules_of_equal_names(tf, note):
    note.without_nodes()
    step = tf.train.create_global_step()
    for schedule in (tf.train.cosine_decay, tf.train.linear_cosine_decay, tf.train.cosine_decay_restarts):
        note.text([schedule(0.1, step, 4).name for _ in range(2)] + [schedule(0.1, step, 4, name="mine").name])


@program
def piecewise_constant(tf, note):
    note.without_nodes()
    follow(tf, note, lambda step: tf.train.piecewise_constant(step, [2, 5], [1.0, 0.5, 0.1]))


@program
def piecewise_constant_decay(tf, note):
    note.without_nodes()
    follow(tf, note, lambda step: tf.train.piecewise_constant_decay(
        tf.cast(step, tf.int32), [2, 5, 8], [1.0, 0.5, 0.1, 0.0], name="rate"))


@program
def piecewise_constant_of_floats(tf, note):
    note.without_nodes()
    x = tf.placeholder(tf.float32, [])
    y = tf.train.piecewise_constant(x, [0.5, 1.5], [1, 2, 3])
    for value in (0.0, 0.5, 0.6, 1.5, 2.0):
        note.value(y, {x: value})


@program
def piecewise_constant_of_tensors(tf, note):
    note.without_nodes()
    step = tf.train.create_global_step()
    rate = tf.train.piecewise_constant(step, [tf.constant(2, tf.int64), tf.constant(5)], (tf.constant(1.0), 0.5, 0.1))
    number = tf.train.piecewise_constant(3, [2], [[1.0, 2.0], [3.0, 4.0]])
    note.text([rate, number])
    note.ids()
    for value in (2, 3, 5, 6):
        note.value(rate, {step: value})
    note.value(number)


@program
def errors_of_schedules(tf, note):
    note.without_nodes(collections=False)
    step = tf.train.create_global_step()
    train = tf.train
    for schedule in (train.exponential_decay, train.natural_exp_decay, train.inverse_time_decay):
        note.error(schedule, 0.1, None, 4, 0.5)
    note.error(train.polynomial_decay, 0.1, None, 4)
    note.error(train.cosine_decay, 0.1, None, 4)
    note.error(train.cosine_decay_restarts, 0.1, None, 4)
    note.error(train.linear_cosine_decay, 0.1, None, 4)
    note.error(train.noisy_linear_cosine_decay, 0.1, None, 4)
    note.error(train.piecewise_constant, step, [1, 2], [1.0, 2.0])
    note.error(train.piecewise_constant, step, [1.5], [1.0, 2.0])
    note.error(train.piecewise_constant, step, [1], [1.0, 2])
    note.error(train.piecewise_constant, step, 1, [1.0, 2.0])
    note.error(train.piecewise_constant, None, [1], [1.0, 2.0])
    note.error(train.piecewise_constant, tf.placeholder(tf.float32, []), [1], [1.0, 2.0])
    note.error(train.piecewise_constant, tf.placeholder(tf.int64, [2]), [1], [1.0, 2.0])
    for schedule in (train.exponential_decay, train.natural_exp_decay, train.inverse_time_decay):
        note.error(schedule, 1, step, 4, 0.5)
        note.error(schedule, None, step, 4, 0.5)
        note.error(schedule, 0.1, step, None, 0.5)
    note.error(train.natural_exp_decay, 0.1, step, 4, 1)
    note.error(train.polynomial_decay, 1, step, 4)
    note.error(train.polynomial_decay, tf.constant(0.1, tf.float64), step, tf.constant(4))
    note.error(train.cosine_decay, 1, step, 4)
    note.error(train.cosine_decay, "a", step, 4)


# --- moving averages -------------------------------------------------------------------------------------------

def _variables(tf):
    return (tf.get_variable("v", [2], initializer=tf.constant_initializer([1.0, 2.0])),
            tf.get_variable("w", [], initializer=tf.constant_initializer(5.0)))


@program
def moving_averages(tf, note):
    note.only_nodes_of("ExponentialMovingAverage")
    v, w = _variables(tf)
    averages = tf.train.ExponentialMovingAverage(0.9)
    update = averages.apply([v, w])
    note.text([update.name, averages.name, averages.average_name(v), averages.average(v).name])
    note.text([x.name for x in tf.moving_average_variables()])
    change = tf.assign_add(v, [1.0, -1.0])
    note.run(update)
    note.run(change)
    note.run(update)
    note.value([averages.average(v), averages.average(w)])
    note.text(sorted((name, x.name) for name, x in averages.variables_to_restore().items()))


@program
def moving_averages_of_all(tf, note):
    note.only_nodes_of("shadow")
    _variables(tf)
    averages = tf.train.ExponentialMovingAverage(0.5, name="shadow")
    update = averages.apply()
    note.text([averages.average_name(x) for x in tf.trainable_variables()])
    note.run(update)
    note.value(tf.global_variables())


@program
def moving_averages_that_start_slowly(tf, note):
    note.only_nodes_of("ExponentialMovingAverage")
    v, _ = _variables(tf)
    step = tf.Variable(3, trainable=False, name="step")
    averages = tf.train.ExponentialMovingAverage(0.99, num_updates=step)
    update = averages.apply([v])
    change = tf.assign_add(v, [1.0, -1.0])
    note.run(change)
    note.run(update)
    note.value(averages.average(v))


@program
def moving_averages_of_tensors(tf, note):
    x = tf.placeholder_with_default([1.0, 3.0], [2])
    averages = tf.train.ExponentialMovingAverage(0.9)
    update = averages.apply([tf.identity(x, name="t")])
    t = tf.get_default_graph().get_tensor_by_name("t:0")
    note.text([averages.average(t).name, averages.average_name(t)])
    for value in ([1.0, 3.0], [2.0, 2.0]):
        note.run(update, {x: value})
    note.value(averages.average(t))


@program
def moving_averages_of_doubles(tf, note):
    x = tf.placeholder_with_default(tf.constant(4.0, tf.float64), [])
    averages = tf.train.ExponentialMovingAverage(tf.constant(0.9), num_updates=7)
    note.run(averages.apply([x]))
    note.value(averages.average(x))


@program
def moving_averages_of_unknown_shape(tf, note):
    x = tf.placeholder_with_default([1.0, 3.0], [None], name="x")
    averages = tf.train.ExponentialMovingAverage(0.9)
    note.run(averages.apply([x]))
    note.value(averages.average(x))


@program
def moving_averages_in_scopes(tf, note):
    v, _ = _variables(tf)
    note.only_nodes_of("s/n/mean")
    averages = tf.train.ExponentialMovingAverage(0.9, name="mean")
    with tf.variable_scope("s"), tf.name_scope("n"):
        t = tf.identity(v, name="t")
        note.text([averages.average_name(v), averages.average_name(t)])
        update = averages.apply([v, t])
        note.text([update.name, averages.average_name(v), averages.average_name(t)])
    note.run(update)
    note.value([averages.average(v), averages.average(t)])


@program
def moving_averages_once_more(tf, note):
    x = tf.placeholder_with_default([1.0, 3.0], [2], name="x")
    averages = tf.train.ExponentialMovingAverage(0.9)
    first, second = averages.apply([x]), averages.apply((x, x))
    note.run(first)
    note.value(averages.average(x))
    note.run(second)
    note.text([averages.apply([]).name, averages.apply().name])


@program
def moving_averages_of_outputs(tf, note):
    a, b = tf.split([1.0, 2.0, 3.0, 4.0], 2)
    averages = tf.train.ExponentialMovingAverage(0.9)
    averages.apply([b, a])
    note.text([averages.average_name(a), averages.average_name(b), averages.average(a).name])


@program
def moving_averages_of_parts(tf, note):
    note.without_nodes()
    v = tf.get_variable("v", [4], partitioner=tf.fixed_size_partitioner(2), initializer=tf.ones_initializer())
    averages = tf.train.ExponentialMovingAverage(0.9)
    note.run(averages.apply(v))
    parts = [averages.average(part) for part in v]
    note.text([part._get_save_slice_info().full_name for part in parts])
    note.text(sorted((name, x.name) for name, x in averages.variables_to_restore().items()))
    note.value(parts)


@program
def moving_averages_to_restore(tf, note):
    note.without_nodes()
    v, w = _variables(tf)
    tf.Variable(1.0, name="local", collections=[tf.GraphKeys.LOCAL_VARIABLES])
    u = tf.Variable(1.0, name="u", trainable=False)
    averages = tf.train.ExponentialMovingAverage(0.9)

    def restored(*args):
        note.text(sorted((name, x.name) for name, x in averages.variables_to_restore(*args).items()))
    restored()
    averages.apply([w, u])
    restored()
    restored([w])
    restored([])
    note.text([x.name for x in tf.moving_average_variables()])


@program
def moving_averages_without_bias_again(tf, note):
    x = tf.placeholder_with_default([1.0, 3.0], [2], name="x")
    averages = tf.train.ExponentialMovingAverage(0.9, zero_debias=True)
    with tf.variable_scope("s"):
        updates = [averages.apply([x, x]), averages.apply([x])]
    note.run(updates[0])
    note.text([v.name for v in tf.global_variables()])


@program
def moving_averages_without_bias_of_doubles(tf, note):
    x = tf.placeholder_with_default(tf.constant(4.0, tf.float64), [])
    averages = tf.train.ExponentialMovingAverage(0.9, zero_debias=True)
    with tf.control_dependencies([tf.no_op(name="first")]), tf.device("/cpu:0"):
        update = averages.apply([x])
    for _ in range(3):
        note.run(update)
    note.value(averages.average(x))


@program
def moving_averages_without_bias(tf, note):
    x = tf.placeholder_with_default([1.0, 3.0], [2], name="x")
    averages = tf.train.ExponentialMovingAverage(0.9, zero_debias=True)
    t = tf.identity(x, name="t")
    update = averages.apply([t])
    note.run(update)
    note.value(averages.average(t))
    note.run(update, {x: [2.0, 0.0]})
    note.value(averages.average(t))
    note.text([x.name for x in tf.global_variables()])


@program
def moving_averages_after_the_step(tf, note):
    note.only_nodes_of("ExponentialMovingAverage")
    v, w = _variables(tf)
    train = tf.train.GradientDescentOptimizer(0.1).apply_gradients([(v * 1.0, v), (w * 2.0, w)])
    averages = tf.train.ExponentialMovingAverage(0.5)
    with tf.control_dependencies([train]):
        both = averages.apply([v, w])
    note.run(both)
    note.value([v, w, averages.average(v), averages.average(w)])


@program
def errors_of_moving_averages(tf, note):
    note.without_nodes(collections=False)
    v, _ = _variables(tf)
    averages = tf.train.ExponentialMovingAverage(0.9)
    note.error(averages.apply, [tf.Variable(1)])
    note.error(averages.apply, v)
    note.error(averages.apply, 5)
    note.error(tf.train.ExponentialMovingAverage(None).apply, [v])
    note.error(tf.train.ExponentialMovingAverage("a").apply, [v])
    note.error(tf.train.ExponentialMovingAverage(0.9, num_updates=[1, 2]).apply, [v])
    note.error(tf.train.ExponentialMovingAverage(0.9, zero_debias=True).apply, [tf.placeholder(tf.float32, [None])])
    averages.apply([v])
    note.error(averages.apply, [v])
    note.text(averages.average(tf.Variable(1.0)))
    note.text(averages.average_name(tf.Variable(1.0, name="not_averaged")))
