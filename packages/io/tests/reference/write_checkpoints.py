"""Writes checkpoints of every kind with thalweg, and what they hold: `python write_checkpoints.py FOLDER`.

`check_checkpoints.py FOLDER`, run by a Python with TensorFlow and without thalweg, then restores them.
"""
import json
import os
import sys

import numpy as np

import thalweg as tf
from thalweg_io.checkpoints.bundle.writer import BundleWriter
from thalweg_io.checkpoints.v1.writer import V1Writer

ONLY_NEWER = ("float8_e5m2", "float8_e4m3fn", "int4", "uint4")        # TensorFlow 1.15 does not know them
NOT_IN_V1 = ("uint32", "uint64", *ONLY_NEWER)


def arrays():
    """One array of each element type, with its limits."""
    found = {"bool": np.array([[True, False]]), "complex64": np.array([1 + 2j, -0.5j], np.complex64),
             "complex128": np.array([[1e300 + 1j]]), "float16": np.array([np.nan, np.inf, -0.0, 65504], np.float16),
             "float32": np.array([np.nan, -np.inf, -0.0, 1e-45, 3.4e38], np.float32), "float64": np.array(0.1),
             "empty": np.zeros((0, 4), np.float32), "empty_string": np.array([], object),
             "string": np.array([[b"", b"a\0b"], ["\u00e4".encode(), b"\xff" * 300]], object),
             "scalar_string": np.array(b"one", object), "deep/na.me-X/w": np.ones((1, 2, 1, 3, 1), np.float32),
             "large": np.random.RandomState(0).randn(300_000).astype(np.float32)}
    for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"):
        found[name] = np.array([np.iinfo(name).min, 0, 1, np.iinfo(name).max], name)
    for name in ONLY_NEWER:
        found[name] = np.array([0, 1, 2], np.uint8).view(np.dtype([(name, "u1")]))
    return found


def write_types(folder):
    for file, kind, left_out in (("types_v2", BundleWriter, ONLY_NEWER), ("newer_v2", BundleWriter, ()),
                                 ("types_v1", V1Writer, NOT_IN_V1)):
        with kind(os.path.join(folder, file)) as writer:
            for name, array in sorted(arrays().items()):
                if name not in left_out:
                    writer.add(name, array)


def save(folder, name, version, sharded, is_async=False):
    """Saves three variables, two of them in parts, on two devices; gives the path of the last of three saves."""
    config = tf.ConfigProto(allow_soft_placement=True)
    rng = np.random.RandomState(7)
    with tf.Graph().as_default(), tf.Session(config=config) as session:
        with tf.device("/cpu:0"):
            tf.get_variable("table", initializer=tf.constant(rng.randn(7, 6).astype(np.float32)),
                            partitioner=tf.fixed_size_partitioner(3))
        with tf.device("/cpu:1"):
            tf.get_variable("wide", initializer=tf.constant(rng.randn(4, 9)),
                            partitioner=tf.fixed_size_partitioner(2, axis=1))
        tf.get_variable("plain", initializer=tf.constant([3, -4, 5]))
        session.run(tf.global_variables_initializer())
        saver = tf.train.Saver(write_version=version, sharded=sharded, max_to_keep=2)
        os.mkdir(os.path.join(folder, name))
        prefix = os.path.join(folder, name, "model")
        for step in range(3):
            path = saver.save_async(session, prefix, step).result() if is_async else saver.save(session, prefix, step)
        return path, {v: tf.train.load_variable(path, v).tolist() for v in ("table", "wide", "plain")}


def main(folder):
    write_types(folder)
    saved = {}
    for version in (1, 2):
        for sharded in (False, True):
            name = f"v{version}{'_sharded' if sharded else ''}"
            saved[name] = save(folder, name, version, sharded)
    saved["asynchronous"] = save(folder, "asynchronous", 2, True, is_async=True)
    raw = {name: array.tolist() if array.dtype.kind == "O" else array.tobytes().hex()
           for name, array in arrays().items()}
    raw = {name: [[x.hex() for x in np.ravel(item)] for item in np.array(value, object).reshape(-1, 1)]
           if arrays()[name].dtype.kind == "O" else value for name, value in raw.items()}
    shapes = {name: array.shape for name, array in arrays().items()}
    with open(os.path.join(folder, "expected.json"), "w") as file:
        json.dump({"saved": {name: [os.path.basename(path), values] for name, (path, values) in saved.items()},
                   "raw": raw, "shapes": shapes, "only_newer": ONLY_NEWER, "not_in_v1": NOT_IN_V1}, file)


if __name__ == "__main__":
    main(sys.argv[1])
