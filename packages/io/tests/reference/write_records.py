"""Writes records and arrays by thalweg, and what is in them as JSON: `python write_records.py FOLDER`.

check_records.py reads them by TensorFlow.
"""
import json
import pathlib
import sys

import numpy as np

import thalweg as tf
from thalweg_io.arrays import write_npz, write_safetensors

RECORDS = [b"first", b"", bytes(range(256)) * 300, b"\0", *(b"%d" % i * (i % 50) for i in range(3000))]


def write_tfrecords(folder):
    for name in ("", "ZLIB", "GZIP"):
        with tf.io.TFRecordWriter(folder / f"records.{name or 'plain'}", name) as writer:
            for record in RECORDS:
                writer.write(record)


def write_examples(folder):
    feature, train = tf.train.Feature, tf.train
    with tf.io.TFRecordWriter(folder / "examples") as writer:
        for i in range(20):
            writer.write(train.Example(features=train.Features(feature={
                "label": feature(int64_list=train.Int64List(value=[i - 10])),
                "box": feature(float_list=train.FloatList(value=[i + 0.5] * (i % 4))),
                "name": feature(bytes_list=train.BytesList(value=[b"\xff%d" % i]))})).SerializeToString())


def parsed_by_thalweg(folder):
    serialized = list(tf.io.tf_record_iterator(folder / "examples"))
    found = tf.parse_example(serialized, {
        "label": tf.FixedLenFeature([], tf.int64), "box": tf.VarLenFeature(tf.float32),
        "name": tf.FixedLenFeature([], tf.string)})
    with tf.Session() as session:
        box, label, name, tensor = session.run([found["box"], found["label"], found["name"],
                                                tf.io.serialize_tensor(np.arange(6, dtype=np.float32).reshape(2, 3))])
    return {"indices": box.indices.tolist(), "values": box.values.tolist(), "dense_shape": box.dense_shape.tolist(),
            "label": label.tolist(), "name": [n.hex() for n in name], "tensor": tensor.hex()}


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    write_tfrecords(folder)
    write_examples(folder)
    arrays = {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "flag": np.array([True, False]), "n": np.int64(-3)}
    write_npz(folder / "arrays.npz", arrays)
    write_safetensors(folder / "arrays.safetensors", arrays, {"by": "thalweg"})
    expected = {"records": [r.hex() for r in RECORDS], "parsed": parsed_by_thalweg(folder),
                "arrays": {k: np.asarray(v).tolist() for k, v in arrays.items()}}
    (folder / "expected.json").write_text(json.dumps(expected))


main(pathlib.Path(sys.argv[1]))
