"""Writes graphs with TensorFlow 1.x's control flow, and what they give: run by TensorFlow 1.15 (Python 3.7).

    python make.py          writes cases.npz beside this file

The programs are those of programs.py and `hand_made`. cases.npz holds, for each, `NAME/graph`, the GraphDef's bytes,
`NAME/feed/RUN/TENSOR` and `NAME/fetch/RUN/TENSOR`.
"""
import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import tensorflow as tf
from programs import CASES, OF_TENSORFLOW
from tensorflow.python.ops import control_flow_ops, gen_control_flow_ops


def hand_made(tf):
    p, x = tf.placeholder(tf.bool, [], "p"), tf.placeholder(tf.float32, [2], "x")
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
    for name, build in {**CASES, **OF_TENSORFLOW, "hand_made": hand_made}.items():
        with tf.Graph().as_default() as graph, tf.Session() as session:
            tf.set_random_seed(3)
            feeds, fetches = build(tf)
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
