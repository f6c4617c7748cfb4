"""Summaries for TensorBoard: scalars, histograms and images of a small training, written and read back.

    python examples/slides/summaries.py [FOLDER]         then: tensorboard --logdir FOLDER
"""
import glob
import os
import sys
import tempfile

import numpy as np

import thalweg as tf

folder = sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp()

# --- a line is fitted to points -------------------------------------------------------------------------
x = tf.placeholder(tf.float32, [None])
y = tf.placeholder(tf.float32, [None])
slope, offset = tf.Variable(0.0), tf.Variable(0.0)
residuals = slope * x + offset - y
loss = tf.reduce_mean(tf.square(residuals))
train_op = tf.train.GradientDescentOptimizer(0.3).minimize(loss)

tf.summary.scalar("loss", loss)
tf.summary.scalar("slope", slope)
tf.summary.histogram("residuals", residuals)
tf.summary.image("residuals_image", tf.reshape(tf.abs(residuals), [1, 1, -1, 1]))
summaries = tf.summary.merge_all()

points = np.linspace(-1, 1, 9)
feed = {x: points, y: 2 * points + 1}
with tf.Session() as sess:
    writer = tf.summary.FileWriter(folder, sess.graph)
    sess.run(tf.global_variables_initializer())
    for step in range(5):
        writer.add_summary(sess.run(summaries, feed), step)
        sess.run(train_op, feed)
    writer.close()

# --- what the file holds --------------------------------------------------------------------------------
newest = max(glob.glob(os.path.join(folder, "events.out.tfevents.*")))
for event in tf.train.summary_iterator(newest):
    kind = event.WhichOneof("what")
    if kind != "summary":
        print("event:", kind)
    for value in event.summary.value:
        what = value.WhichOneof("value")
        text = {"simple_value": lambda v: f"{v.simple_value:.6f}",
                "histo": lambda v: f"{v.histo.num:.0f} values from {v.histo.min:.4f} to {v.histo.max:.4f}",
                "image": lambda v: f"{v.image.width} x {v.image.height} pixels"}[what](value)
        print(f"  step {event.step} {value.tag:17} {what:12} {text}")
