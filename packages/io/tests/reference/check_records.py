"""Reads by TensorFlow what write_records.py wrote: `python check_records.py FOLDER`, TensorFlow 1.15 or 2.x.

Runs on Python 3.7; safetensors is checked where it is installed.
"""
import json
import os
import sys

import numpy as np
import tensorflow

tf = tensorflow.compat.v1
tf.disable_eager_execution()


def check_records(folder, expected):
    for name in ("", "ZLIB", "GZIP"):
        path = os.path.join(folder, "records." + (name or "plain"))
        options = tf.python_io.TFRecordOptions(name) if name else None
        assert [r.hex() for r in tf.python_io.tf_record_iterator(path, options)] == expected, name


def check_examples(folder, expected):
    serialized = list(tf.python_io.tf_record_iterator(os.path.join(folder, "examples")))
    found = tf.parse_example(serialized, {
        "label": tf.FixedLenFeature([], tf.int64), "box": tf.VarLenFeature(tf.float32),
        "name": tf.FixedLenFeature([], tf.string)})
    tensor = tf.io.parse_tensor(bytes.fromhex(expected["tensor"]), tf.float32)
    with tf.Session() as session:
        box, label, name, tensor = session.run([found["box"], found["label"], found["name"], tensor])
    assert box.indices.tolist() == expected["indices"] and box.values.tolist() == expected["values"]
    assert box.dense_shape.tolist() == expected["dense_shape"] and label.tolist() == expected["label"]
    assert [n.hex() for n in name] == expected["name"] and tensor.tolist() == [[0, 1, 2], [3, 4, 5]]


def check_arrays(folder, expected):
    found = [np.load(os.path.join(folder, "arrays.npz"))]
    try:
        from safetensors.numpy import load_file
        found.append(load_file(os.path.join(folder, "arrays.safetensors")))
    except ImportError:
        print("safetensors is not installed: its file is not checked")
    for arrays in found:
        assert {key: arrays[key].tolist() for key in arrays.keys()} == expected


def main(folder):
    with open(os.path.join(folder, "expected.json")) as file:
        expected = json.load(file)
    check_records(folder, expected["records"])
    check_examples(folder, expected["parsed"])
    check_arrays(folder, expected["arrays"])
    print("TensorFlow", tensorflow.__version__, "reads thalweg's records, Examples and arrays")


main(sys.argv[1])
