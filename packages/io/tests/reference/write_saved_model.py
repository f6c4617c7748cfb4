"""Writes SavedModels and frozen graphs with thalweg, for check_saved_model.py to load in TensorFlow.

    python write_saved_model.py FOLDER
"""
import pathlib
import sys

import numpy as np

import thalweg as tf

IMAGES = np.random.default_rng(1).normal(size=(2, 6, 6, 3)).astype(np.float32)


def network(images):
    """Convolution, batch norm, pooling, branch, loop, a layer of partitioned weights: [N, 6, 6, 3] -> [N, 4]."""
    x = tf.nn.conv2d(images, tf.get_variable("filter", [3, 3, 3, 8]), [1, 1, 1, 1], "SAME", name="conv")
    scale, offset, mean = (tf.get_variable(name, [8]) for name in ("scale", "offset", "mean"))
    variance = tf.get_variable("variance", [8], initializer=tf.ones_initializer())
    x = tf.nn.relu(tf.nn.fused_batch_norm(x, scale, offset, mean, variance, is_training=False)[0])
    x = tf.reshape(tf.nn.max_pool(x, [1, 2, 2, 1], [1, 2, 2, 1], "VALID"), [-1, 72])
    bias = tf.get_variable("bias", [72])
    x = tf.cond(tf.reduce_sum(x) > 0, lambda: x + bias, lambda: x - bias)
    x = tf.while_loop(lambda i, v: i < 3, lambda i, v: (i + 1, tf.nn.relu(v * 0.5 + bias)), (0, x))[1]
    with tf.variable_scope("parts", partitioner=tf.fixed_size_partitioner(2)):
        weights = tf.get_variable("weights", [72, 4])
    return tf.nn.softmax(tf.matmul(x, weights.as_tensor()), name="scores")


def write_model(folder, name, as_text):
    """One model: two tag sets, an asset that the main op reads into a variable."""
    vocabulary = folder / "vocab.txt"
    vocabulary.write_text("cat\ndog\n")
    with tf.Graph().as_default(), tf.Session() as session:
        images = tf.placeholder(tf.float32, [None, 6, 6, 3], name="images")
        scores = network(images)
        asset = tf.constant(str(vocabulary), name="asset")
        words = tf.get_variable("words", initializer="", trainable=False)
        main = tf.group(tf.assign(words, tf.read_file(asset)), name="main")
        session.run(tf.global_variables_initializer())
        signatures = {"serving_default": tf.saved_model.predict_signature_def({"images": images}, {"scores": scores})}
        builder = tf.saved_model.Builder(folder / name)
        builder.add_meta_graph_and_variables(session, ["serve"], signatures, [asset], main_op=main)
        builder.add_meta_graph(["serve", "small"], signatures, [asset], legacy_init_op=main)
        builder.save(as_text)
        np.savez(folder / f"{name}.npz", images=IMAGES, scores=session.run(scores, {images: IMAGES}))
    vocabulary.unlink()


def write_frozen(folder):
    """The same network frozen, and optimized for inference."""
    with tf.Graph().as_default() as graph, tf.Session() as session:
        images = tf.placeholder(tf.float32, [None, 6, 6, 3], name="images")
        scores = network(images)
        session.run(tf.global_variables_initializer())
        frozen = tf.graph_util.convert_variables_to_constants(session, graph.as_graph_def(), ["scores"])
        np.savez(folder / "frozen.npz", images=IMAGES, scores=session.run(scores, {images: IMAGES}))
    optimized = tf.tools.optimize_for_inference_lib.optimize_for_inference(frozen, ["images"], ["scores"], tf.float32)
    for name, message in (("frozen", frozen), ("optimized", optimized)):
        (folder / f"{name}.pb").write_bytes(message.SerializeToString())


if __name__ == "__main__":
    target = pathlib.Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    write_model(target, "binary", as_text=False)
    write_model(target, "text", as_text=True)
    write_frozen(target)
