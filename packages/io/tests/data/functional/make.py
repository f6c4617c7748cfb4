"""Writes graphs with TensorFlow's second form of control flow, gradients included, and what they give.

    python make.py          run by TensorFlow 2.x and by 1.15 in turn: tf2.npz and tf1.npz beside this file

The files hold, for each program, `NAME/graph`, the GraphDef's bytes, and `NAME/RUN`, the value of `out` for row RUN of
`FEEDS` as `x`.
"""
import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import tensorflow as tf

IS_2 = tf.__version__[0] == "2"
tf = tf.compat.v1
FEEDS = np.float32([[0.4, 0.7, 1.2], [-0.3, 0.2, 0.9], [0.9, -0.6, 0.1]])


def cond(x):
    return tf.cond(x[0] > 0, lambda: tf.tanh(x) * x, lambda: tf.sin(x))


def cond_in_cond(x):
    return tf.cond(x[0] > 0, lambda: tf.cond(x[1] > 0, lambda: tf.sin(x) * x, lambda: tf.exp(x)), lambda: x * x)


def loop(x):
    return tf.while_loop(lambda i, v: i < 3, lambda i, v: (i + 1, tf.sin(v * x)), (0, x))[1]


def cond_in_loop(x):
    def body(i, v):
        return i + 1, tf.cond(v[0] > 0.3, lambda: tf.tanh(v) * x, lambda: tf.exp(v))
    return tf.while_loop(lambda i, v: i < 3, body, (0, x))[1]


def loop_in_loop(x):
    def body(i, v):
        return i + 1, v * tf.while_loop(lambda j, w: j < i, lambda j, w: (j + 1, tf.sin(w) + x), (0, v))[1]
    return tf.while_loop(lambda i, v: i < 3, body, (0, x))[1]


def switch_case(x):
    return tf.switch_case(tf.cast(x[2] * 10, tf.int32) - 1, [
        lambda: tf.sin(x) * x, lambda: tf.exp(x), lambda: x * 3, lambda: x * x * x])


def map_fn(x):
    return tf.map_fn(lambda v: tf.tanh(v) * x, x)


def scan(x):
    return tf.scan(lambda a, v: a * v + tf.reduce_sum(x) * tf.sin(a), x)


def array_that_grows(x):
    array = tf.TensorArray(tf.float32, 0, dynamic_size=True)
    return tf.while_loop(lambda i, a: i < 4, lambda i, a: (i + 1, a.write(i, tf.exp(x) * tf.cast(i, tf.float32))),
                         (0, array))[1].stack()


def parts(x):
    array = tf.TensorArray(tf.float32, 2, infer_shape=False).split(x, [1, 2])
    joined = tf.TensorArray(tf.float32, 2, infer_shape=False, element_shape=[None])
    joined = joined.write(0, tf.sin(x)).write(1, x[:2] * x[0])
    return tf.concat([array.read(0) * array.read(1), joined.concat()], 0)


PROGRAMS = [(cond, 2), (cond_in_cond, 1), (loop, 2), (cond_in_loop, 1), (loop_in_loop, 1), (switch_case, 1),
            (map_fn, 1), (scan, 1), (array_that_grows, 1), (parts, 1)]
ONLY_2 = (array_that_grows, loop_in_loop, scan)        # 1.15's differ little, or are not there


def main(folder):
    tf.disable_eager_execution()
    tf.enable_control_flow_v2()
    values = {}
    for build, order in PROGRAMS:
        if IS_2 or build not in ONLY_2:
            with tf.Graph().as_default() as graph, tf.Session() as session:
                x = tf.placeholder(tf.float32, [3], name="x")
                y = build(x)
                for _ in range(order):
                    y = tf.gradients(tf.reduce_sum(y * y), x)[0]
                out = tf.identity(y, name="out")
                for run, feed in enumerate(FEEDS):
                    values[f"{build.__name__}/{run}"] = session.run(out, {x: feed})
                graph = tf.graph_util.extract_sub_graph(graph.as_graph_def(), ["out"])
                values[f"{build.__name__}/graph"] = np.frombuffer(graph.SerializeToString(), np.uint8)
    np.savez_compressed(os.path.join(folder, "tf2.npz" if IS_2 else "tf1.npz"), feeds=FEEDS, **values)


if __name__ == "__main__":
    main(os.path.dirname(os.path.abspath(__file__)))
