"""Checkpoints: a Saver writes all variables of a model, and restores them in another session.

    python examples/slides/saving.py
"""
import os
import tempfile

import numpy as np

import thalweg as tf

folder = tempfile.mkdtemp()

# --- the model, and the ops that save and restore it ----------------------------------------------------
v1 = tf.Variable(np.arange(6).reshape(2, 3), name="v1", dtype=tf.float32)
v2 = tf.Variable(tf.random_normal([200], seed=1), name="v2")
step = tf.train.get_or_create_global_step()
forward = step.assign_add(10)
init_op = tf.global_variables_initializer()
saver = tf.train.Saver(max_to_keep=2)

with tf.Session() as sess:
    sess.run(init_op)
    for _ in range(3):                                   # some work with the model, saved three times
        sess.run(forward)
        save_path = saver.save(sess, os.path.join(folder, "model.ckpt"), global_step=step)
        print("Model saved in file:", os.path.basename(save_path))
    saved = sess.run(v2)

print("kept:", [os.path.basename(path) for path in saver.last_checkpoints])
print("files:", sorted(name for name in os.listdir(folder)))

# --- the same Saver restores ----------------------------------------------------------------------------
with tf.Session() as sess:
    saver.restore(sess, tf.train.latest_checkpoint(folder))
    print("Model restored:", sess.run(step), sess.run(v1).tolist(), np.array_equal(sess.run(v2), saved))

# --- what a checkpoint holds, without a graph -----------------------------------------------------------
for name, shape in tf.train.list_variables(save_path):
    print(f"  {name:12} {shape}")

# --- some variables, under other names ------------------------------------------------------------------
with tf.Graph().as_default(), tf.Session() as sess:
    table = tf.get_variable("table", [2, 3])
    tf.train.Saver({"v1": table}).restore(sess, save_path)
    print("table:", sess.run(table).tolist())
