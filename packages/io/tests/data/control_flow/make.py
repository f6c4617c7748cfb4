"""Writes graphs with TensorFlow 1.x's control flow, and what they give: run by TensorFlow 1.15 (Python 3.7).

    python make.py          writes cases.npz beside this file

A case is a function that builds a graph and gives (feeds, fetches): feeds is a list of {placeholder: value}, each run in
its turn in one session after the initializer `init`, fetches is a list of tensors. cases.npz holds, for each case,
`NAME/graph`, the GraphDef's bytes, `NAME/feed/RUN/TENSOR` and `NAME/fetch/RUN/TENSOR`.
"""
import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import tensorflow as tf

CASES = {}


def case(build):
    CASES[build.__name__] = build
    return build


def _some(*shape):
    return (np.arange(np.prod(shape), dtype=np.float32).reshape(shape) % 7 - 3) / 5


def _with_gradients(y, *xs):
    return [y, *[tf.convert_to_tensor(g) for g in tf.gradients(y, xs)]]


@case
def nested_while():
    n, x = tf.placeholder(tf.int32, [], "n"), tf.placeholder(tf.float32, [3], "x")
    w = tf.get_variable("w", initializer=_some(3, 3))

    def inner(j, b):
        return j + 1, tf.tanh(tf.linalg.matvec(w, b) + x)

    def outer(i, a):
        return i + 1, tf.while_loop(lambda j, b: j <= i, inner, (0, a * 0.5))[1] + tf.cast(i, tf.float32)

    y = tf.while_loop(lambda i, a: i < n, outer, (0, x))[1]
    return [{n: k, x: _some(3)} for k in (0, 1, 4)], _with_gradients(tf.reduce_sum(y * y), x, w)


@case
def cond_in_while():
    n, x = tf.placeholder(tf.int32, [], "n"), tf.placeholder(tf.float32, [2], "x")

    def body(i, a):
        return i + 1, tf.cond(tf.equal(i % 2, 0), lambda: tf.sin(a * 3) + x, lambda: tf.exp(a) * tf.cos(a))

    y = tf.while_loop(lambda i, a: i < n, body, (0, x))[1]
    return [{n: k, x: [0.3, -0.4]} for k in (0, 1, 2, 5)], _with_gradients(tf.reduce_sum(y), x)


@case
def while_in_cond():
    p, x = tf.placeholder(tf.bool, [], "p"), tf.placeholder(tf.float32, [2], "x")

    def repeated():
        return tf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, tf.sin(a) * x), (0, x))[1]

    y = tf.cond(p, repeated, lambda: x * x)
    return [{p: k, x: [0.3, -0.4]} for k in (True, False)], _with_gradients(tf.reduce_sum(y), x)


@case
def conds_in_conds_in_while():
    n, x = tf.placeholder(tf.int32, [], "n"), tf.placeholder(tf.float32, [2], "x")

    def step(i, a):
        def even():
            return tf.cond(tf.reduce_sum(a) > 0, lambda: tf.sin(a) * a, lambda: a * a * x)
        return i + 1, tf.cond(tf.equal(i % 2, 0), even, lambda: tf.tanh(a) - x)

    y = tf.while_loop(lambda i, a: i < n, step, (0, x))[1]
    return [{n: k, x: v} for k in (0, 1, 4) for v in ([0.3, 0.4], [-0.5, 0.1])], _with_gradients(tf.reduce_sum(y), x)


@case
def while_in_cond_in_while():
    n, x = tf.placeholder(tf.int32, [], "n"), tf.placeholder(tf.float32, [2], "x")

    def inner(a):
        return tf.while_loop(lambda j, b: j < 2, lambda j, b: (j + 1, tf.sin(b) * a), (0, a))[1]

    def step(i, a):
        return i + 1, tf.cond(i < 2, lambda: inner(a + x), lambda: tf.cos(a) * a)

    y = tf.while_loop(lambda i, a: i < n, step, (0, x))[1]
    return [{n: k, x: [0.3, 0.4]} for k in (0, 1, 4)], _with_gradients(tf.reduce_sum(y), x)


@case
def growing_shapes():
    n, x = tf.placeholder(tf.int32, [], "n"), tf.placeholder(tf.float32, [1, 2], "x")
    y = tf.while_loop(lambda i, a: i < n, lambda i, a: (i + 1, tf.concat([a, tf.sin(a[:1]) + x], 0)), (0, x),
                      shape_invariants=(tf.TensorShape([]), tf.TensorShape([None, 2])))[1]
    return [{n: k, x: [[0.3, 0.4]]} for k in (0, 1, 3)], [y, *_with_gradients(tf.reduce_sum(y * y), x)]


@case
def mapped():
    x = tf.placeholder(tf.float32, [None, 2], "x")
    w = tf.get_variable("w", initializer=_some(2, 2))
    y = tf.map_fn(lambda row: tf.tanh(tf.linalg.matvec(w, row)) * row[0], x)
    return [{x: _some(k, 2)} for k in (1, 4)], [y, *_with_gradients(tf.reduce_sum(y * y), x, w)]


@case
def map_in_map():
    x = tf.placeholder(tf.float32, [2, 3], "x")
    y = tf.map_fn(lambda row: tf.map_fn(lambda v: tf.sin(v) * tf.reduce_sum(row), row), x)
    return [{x: _some(2, 3)}], [y, *_with_gradients(tf.reduce_sum(y * y), x)]


@case
def scanned():
    x, a = tf.placeholder(tf.float32, [None, 2], "x"), tf.placeholder(tf.float32, [2], "a")
    y = tf.scan(lambda s, row: tf.sin(s * row) + a, x, initializer=a)
    back = tf.scan(lambda s, row: s * 0.5 + row, x, reverse=True)
    return [{x: _some(k, 2), a: [0.1, 0.2]} for k in (1, 4)], [y, back, *_with_gradients(
        tf.reduce_sum(y * y) + tf.reduce_sum(back ** 3), x, a)]


@case
def folded():
    x = tf.placeholder(tf.float32, [None, 2], "x")
    y = tf.foldl(lambda s, row: s * 0.5 + tf.sin(row), x)
    z = tf.foldr(lambda s, row: s * row + 1, x)
    return [{x: _some(k, 2)} for k in (1, 4)], [y, z, *_with_gradients(tf.reduce_sum(y * z), x)]


@case
def rnn():
    x, lengths = tf.placeholder(tf.float32, [2, None, 3], "x"), tf.placeholder(tf.int32, [2], "lengths")
    cell = tf.nn.rnn_cell.LSTMCell(4, initializer=tf.constant_initializer(_some(7, 16)))
    outputs, state = tf.nn.dynamic_rnn(cell, x, lengths, dtype=tf.float32)
    loss = tf.reduce_sum(outputs ** 2) + tf.reduce_sum(state.c)
    return ([{x: _some(2, t, 3), lengths: k} for t, k in ((3, [3, 1]), (1, [0, 1]), (4, [2, 4]))],
            [outputs, state.c, state.h, *_with_gradients(loss, x, *tf.trainable_variables())])


@case
def rnn_both_ways():
    x = tf.placeholder(tf.float32, [None, 2, 3], "x")
    cells = [tf.nn.rnn_cell.GRUCell(2, kernel_initializer=tf.random_uniform_initializer(-0.5, 0.5, seed=k))
             for k in (1, 2)]
    outputs, _ = tf.nn.bidirectional_dynamic_rnn(*cells, x, tf.constant([2, 3]), dtype=tf.float32, time_major=True)
    y = tf.concat(outputs, 2)
    return [{x: _some(3, 2, 3)}], [y, *_with_gradients(tf.reduce_sum(y * y), x, *tf.trainable_variables())]


@case
def several_cases():
    k, x = tf.placeholder(tf.int32, [], "k"), tf.placeholder(tf.float32, [2], "x")
    y = tf.case([(tf.equal(k, 0), lambda: tf.sin(x)), (tf.equal(k, 1), lambda: x * x), (k > 5, lambda: x / 2)],
                default=lambda: tf.exp(x))
    return [{k: v, x: [0.3, -0.4]} for v in (0, 1, 2, 7)], _with_gradients(tf.reduce_sum(y), x)


@case
def several_outputs():
    p, x = tf.placeholder(tf.bool, [], "p"), tf.placeholder(tf.float32, [2], "x")

    def yes():
        s = tf.sin(x)
        return s, s * x, tf.constant(3)

    y, z, k = tf.cond(p, yes, lambda: (x * x, tf.zeros_like(x), tf.constant(4)))
    q = tf.cond(p, lambda: z * y, lambda: tf.cond(tf.reduce_sum(y) > 1, lambda: y * 3, lambda: z - y))
    return ([{p: v, x: w} for v in (True, False) for w in ([0.3, -0.4], [1.0, 2.0])],
            [y, z, k, *_with_gradients(tf.reduce_sum(q * y) + tf.reduce_sum(z), x)])


@case
def limited_loops():
    n, x = tf.placeholder(tf.int32, [], "n"), tf.placeholder(tf.float32, [2], "x")
    y = tf.while_loop(lambda a: tf.reduce_sum(a) < 100, lambda a: a * a + x, [x], maximum_iterations=n,
                      parallel_iterations=1)
    return [{n: k, x: v} for k in (0, 3) for v in ([2.0, 3.0], [60.0, 70.0])], _with_gradients(tf.reduce_sum(y), x)


@case
def checked():
    x = tf.placeholder(tf.float32, [None], "x")
    with tf.control_dependencies([tf.Assert(tf.reduce_all(x > 0), [x, "is not positive"]),
                                  tf.assert_less(x, 10.0)]):
        y = tf.sqrt(x)
    return [{x: [1.0, 4.0]}], [y]


@case
def batch_norm():
    is_training = tf.placeholder_with_default(False, [], "is_training")
    x = tf.placeholder(tf.float32, [None, 2], "x")
    mean = tf.get_variable("mean", [2], initializer=tf.zeros_initializer(), trainable=False)
    gamma = tf.get_variable("gamma", initializer=np.float32([1.5, 0.5]))

    def train():
        m, v = tf.nn.moments(x, [0])
        with tf.control_dependencies([tf.assign(mean, mean * 0.9 + m * 0.1)]):
            return tf.identity(m), tf.identity(v)

    m, v = tf.cond(is_training, train, lambda: (tf.identity(mean), tf.ones([2])))
    y = (x - m) / tf.sqrt(v + 1e-3) * gamma
    return ([{is_training: k, x: _some(4, 2) + 1} for k in (False, True, True, False)],
            [y, *_with_gradients(tf.reduce_sum(y ** 3), x, gamma)])


@case
def batch_norm_layers():
    is_training = tf.placeholder(tf.bool, [], "is_training")
    x = tf.placeholder(tf.float32, [2, 3, 3, 2], "x")
    y = tf.layers.batch_normalization(tf.layers.conv2d(x, 2, 2, kernel_initializer=tf.constant_initializer(
        _some(2, 2, 2, 2))), training=is_training, momentum=0.5)
    y = tf.layers.batch_normalization(tf.nn.relu(y), training=is_training, fused=False)
    with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)):
        loss = tf.reduce_sum(y ** 3)
    return ([{is_training: k, x: _some(2, 3, 3, 2)} for k in (False, True, True, False)],
            [y, *_with_gradients(loss, x, *tf.trainable_variables())])


@case
def dropped_out():
    is_training, x = tf.placeholder(tf.bool, [], "is_training"), tf.placeholder(tf.float32, [8], "x")
    y = tf.layers.dropout(x, 0.5, seed=5, training=is_training)
    return [{is_training: k, x: _some(8)} for k in (True, False, True)], _with_gradients(tf.reduce_sum(y * y), x)


@case
def counted():
    n, v = tf.placeholder(tf.int32, [], "n"), tf.get_variable("v", initializer=np.float32(1.5))

    def body(i, a):
        new = tf.assign_add(v, 1.0)
        with tf.control_dependencies([new]):
            return i + 1, a + v.read_value()

    y = tf.while_loop(lambda i, a: i < n, body, (0, 0.0), parallel_iterations=1)[1]
    return [{n: k} for k in (0, 2, 3)], [y]


@case
def resource_variables():
    n, p = tf.placeholder(tf.int32, [], "n"), tf.placeholder(tf.bool, [], "p")
    with tf.variable_scope("", use_resource=True):
        v = tf.get_variable("v", initializer=np.float32([1.5, -0.5]))
        u = tf.get_variable("u", initializer=np.float32(0.0), trainable=False)

    def body(i, a):
        return i + 1, tf.sin(a * v)

    y = tf.while_loop(lambda i, a: i < n, body, (0, tf.ones([2])))[1]
    z = tf.cond(p, lambda: u.assign_add(1.0), lambda: u.read_value())
    return ([{n: k, p: q} for k in (0, 3) for q in (True, False)], [z, *_with_gradients(tf.reduce_sum(y * v), v)])


@case
def embedded():
    ids, n = tf.placeholder(tf.int32, [None], "ids"), tf.placeholder(tf.int32, [], "n")
    table = tf.get_variable("table", initializer=_some(5, 2))

    def body(i, a):
        return i + 1, a + tf.reduce_sum(tf.nn.embedding_lookup(table, ids + i) ** 2, 0)

    y = tf.while_loop(lambda i, a: i < n, body, (0, tf.zeros([2])))[1]
    return [{ids: [0, 2], n: k} for k in (1, 3)], _with_gradients(tf.reduce_sum(y * y), table)


@case
def arrays():
    n, x = tf.placeholder(tf.int32, [], "n"), tf.placeholder(tf.float32, [2], "x")
    first = tf.TensorArray(tf.float32, 1, dynamic_size=True, clear_after_read=False, element_shape=[2]).write(0, x)

    def body(i, ta):
        return i + 1, ta.write(i, tf.sin(ta.read(i - 1)) * ta.read(0))

    ta = tf.while_loop(lambda i, ta: i < n, body, (1, first))[1]
    y = ta.stack()
    parts = tf.TensorArray(tf.float32, 2, infer_shape=False).split(x, [1, 1])
    z = parts.concat()
    return [{n: k, x: [0.3, 0.4]} for k in (1, 2, 4)], [y, z, ta.size(), *_with_gradients(
        tf.reduce_sum(y[-1]) + tf.reduce_sum(z ** 2), x)]


@case
def hand_made():
    p, x = tf.placeholder(tf.bool, [], "p"), tf.placeholder(tf.float32, [2], "x")
    from tensorflow.python.ops import control_flow_ops, gen_control_flow_ops
    no, yes = control_flow_ops.switch(x, p)
    y, which = control_flow_ops.merge([tf.sin(no), yes * 2])
    trigger_on = tf.identity(yes)
    counter = tf.Variable(0.0, name="counter")
    with tf.control_dependencies([trigger_on]):
        add = tf.assign_add(counter, 1.0)
    with tf.control_dependencies([add]):
        trigger = gen_control_flow_ops.control_trigger()
    with tf.control_dependencies([trigger]):
        z = tf.identity(x[0])
    with tf.control_dependencies([z]):
        count = tf.identity(counter.read_value())
    return [{p: k, x: [0.3, 0.4]} for k in (True, False, True)], [y, which, z, count]


def main(folder):
    values = {}
    for name, build in CASES.items():
        with tf.Graph().as_default() as graph, tf.Session() as session:
            tf.set_random_seed(3)
            feeds, fetches = build()
            session.run(tf.global_variables_initializer())
            for run, feed in enumerate(feeds):
                for tensor, value in feed.items():
                    values[f"{name}/feed/{run}/{tensor.name}"] = np.asarray(value, tensor.dtype.as_numpy_dtype)
                for tensor, value in zip(fetches, session.run(fetches, feed)):
                    values[f"{name}/fetch/{run}/{tensor.name}"] = value
            values[f"{name}/graph"] = np.frombuffer(graph.as_graph_def().SerializeToString(), np.uint8)
    np.savez_compressed(os.path.join(folder, "cases.npz"), **values)


if __name__ == "__main__":
    main(os.path.dirname(os.path.abspath(__file__)))
