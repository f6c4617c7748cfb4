"""A small training with everything in its log that TensorBoard shows; for the tests and the figure of the guide."""
import numpy as np

import thalweg as tf
from thalweg_io.summaries import hparams

STEPS = range(0, 60, 3)                                   # those that are logged


def write_experiment(folder, rates=(0.1, 1.0)):
    """A folder with a run per learning rate, and what they have in common. Gives {run: its losses}."""
    with tf.summary.FileWriter(folder) as writer:
        writer.add_summary(hparams.experiment({"learning_rate": (0.01, 10.0), "optimizer": ["sgd", "adam"]}, ["loss"]))
    return {f"rate_{rate:g}": train(f"{folder}/rate_{rate:g}", rate) for rate in rates}


def train(folder, rate):
    """Two classes of points in the plane, by a layer of eight units; gives the losses that were logged."""
    rng = np.random.default_rng(0)
    points = rng.normal(size=(200, 2)).astype(np.float32)
    classes = (points.sum(1, keepdims=True) > 0).astype(np.float32)
    losses = []
    with tf.Graph().as_default() as graph:
        x, labels = tf.placeholder(tf.float32, [None, 2], "x"), tf.placeholder(tf.float32, [None, 1], "labels")
        loss, step = network(x, labels, rate)
        merged = tf.summary.merge_all()
        with tf.Session() as session, tf.summary.FileWriter(folder, graph) as writer:
            session.run(tf.global_variables_initializer())
            writer.add_summary(hparams.session_start({"learning_rate": rate, "optimizer": "sgd"}))
            feed = {x: points, labels: classes}
            for k in range(60):
                if k in STEPS:
                    summary, value = session.run([merged, loss], feed)
                    writer.add_summary(summary, k)
                    losses.append(float(value))
                session.run(step, feed)
            metadata = tf.RunMetadata()
            session.run([step, merged], feed, tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE), metadata)
            writer.add_run_metadata(metadata, "step 60", 60)
            writer.add_summary(hparams.session_end())
    return losses


def network(x, labels, rate):
    """(loss, training step), and their summaries."""
    rng = np.random.default_rng(1)
    with tf.name_scope("hidden"):
        w = tf.Variable(rng.normal(size=(2, 8)).astype(np.float32), name="weights")
        b = tf.Variable(tf.zeros([8]), name="biases")
    with tf.name_scope("output"):
        v = tf.Variable(rng.normal(size=(8, 1)).astype(np.float32), name="weights")

    def logits(points):
        with tf.name_scope("hidden/"):
            hidden = tf.nn.relu(tf.matmul(points, w) + b)
        with tf.name_scope("output/"):
            return tf.matmul(hidden, v)

    with tf.name_scope("error"):
        loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits(x)))
    with tf.name_scope("train"):
        variables = [w, b, v]
        step = tf.group(*[var.assign_sub(rate * dy) for var, dy in zip(variables, tf.gradients(loss, variables))])
    damped = tf.cond(loss > 0.5, lambda: tf.square(loss), lambda: loss * 2.0, name="branch")
    total = tf.while_loop(lambda i, s: i < 3, lambda i, s: (i + 1, s + damped), [0, 0.0], name="loop")[1]
    plane = np.stack(np.meshgrid(np.linspace(-2, 2, 32), np.linspace(-2, 2, 32)), -1).reshape(-1, 2).astype(np.float32)
    with tf.name_scope("summaries"):
        decision = tf.reshape(tf.nn.sigmoid(logits(tf.constant(plane))), [1, 32, 32, 1])
        tone = tf.sin(tf.range(0.0, 400.0, 0.25))[None]
    tf.summary.scalar("loss", loss)
    tf.summary.scalar("total", total)
    tf.summary.histogram("weights", w)
    tf.summary.image("decision", decision, max_outputs=1)
    tf.summary.audio("tone", tone, 8000.0, max_outputs=1)
    tf.summary.text("note", tf.constant("a **classifier** of two classes"))
    return loss, step
