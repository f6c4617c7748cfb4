"""Loads what write_saved_model.py has written in TensorFlow, 1.15 or 2.x: equal values.

    python check_saved_model.py FOLDER
"""
import os
import sys

import numpy as np

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import tensorflow.compat.v1 as tf

tf.disable_eager_execution()


def check_model(folder, name):
    values = np.load(os.path.join(folder, name + ".npz"))
    for tags in (["serve"], ["serve", "small"]):
        with tf.Graph().as_default(), tf.Session() as session:
            loaded = tf.saved_model.load(session, tags, os.path.join(folder, name))
            signature = loaded.signature_def["serving_default"]
            scores = session.run(signature.outputs["scores"].name,
                                 {signature.inputs["images"].name: values["images"]})
            np.testing.assert_allclose(scores, values["scores"], 1e-4, 1e-6)
            assert session.run("words:0") == b"cat\ndog\n"


def check_frozen(folder):
    values = np.load(os.path.join(folder, "frozen.npz"))
    for name in ("frozen", "optimized"):
        graph_def = tf.GraphDef()
        with open(os.path.join(folder, name + ".pb"), "rb") as file:
            graph_def.ParseFromString(file.read())
        with tf.Graph().as_default(), tf.Session() as session:
            tf.import_graph_def(graph_def, name="")
            scores = session.run("scores:0", {"images:0": values["images"]})
            np.testing.assert_allclose(scores, values["scores"], 1e-4, 1e-6)


if __name__ == "__main__":
    for form in ("binary", "text"):
        check_model(sys.argv[1], form)
    check_frozen(sys.argv[1])
    print("SavedModels and frozen graphs load in TensorFlow", tf.__version__)
