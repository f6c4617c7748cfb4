"""Makes the files of this folder with TensorFlow 1.15: `python make.py` in an environment that has it.

They are what the tests need when the larger golden set (THALWEG_GOLDEN) is not at hand.
"""
import base64
import hashlib
import json
import os
import struct

import graph_cases
import numpy as np
import tensorflow as tf

HERE = os.path.dirname(os.path.abspath(__file__))


def digest(array):
    if array.dtype == object:
        data = b"".join(struct.pack("<Q", len(item)) + item for item in array.ravel())
    else:
        data = np.ascontiguousarray(array).tobytes()
    return hashlib.sha256(data).hexdigest()


def values():
    rng = np.random.RandomState(7)
    found = {
        "bool": np.array([[True, False], [False, True]]),
        "complex64": np.array([1 + 2j, -0.5j], np.complex64), "complex128": np.array([[1e300 + 1j]], np.complex128),
        "float16": np.array([np.nan, np.inf, -0.0, 65504, 6e-8], np.float16),
        "float32": np.array([np.nan, -np.inf, -0.0, 1e-45, 3.4e38], np.float32),
        "float64": np.array(0.1), "empty": np.zeros((0, 4), np.float32), "empty_string": np.array([], object),
        "string": np.array([[b"", b"a\0b"], ["\u00e4\u4e16".encode(), b"\xff" * 300]], object),
        "scalar_string": np.array(b"one", object), "deep/na.me-X/w": rng.randn(1, 2, 1, 3, 1).astype(np.float32),
    }
    for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"):
        limits = np.iinfo(name)
        found[name] = np.array([limits.min, 0, 1, limits.max], name)
    return found


def save_all_types():
    arrays = values()
    names = sorted(arrays)
    with tf.Graph().as_default(), tf.Session() as session:
        holders = [tf.placeholder(tf.as_dtype(arrays[n].dtype)) for n in names]
        op = tf.raw_ops.SaveV2(prefix=os.path.join(HERE, "types"), tensor_names=names,
                               shape_and_slices=[""] * len(names), tensors=holders)
        session.run(op, dict(zip(holders, (arrays[n] for n in names))))
    return {"types": describe(arrays)}


def save_partitioned(sharded):
    rng = np.random.RandomState(8 + sharded)
    arrays = {"table": rng.randn(7, 6).astype(np.float32), "wide": rng.randn(4, 9), "plain": rng.randn(3).astype("f4")}
    config = tf.ConfigProto(device_count={"CPU": 2})
    with tf.Graph().as_default(), tf.Session(config=config) as session:
        for i, (name, axis, parts) in enumerate((("table", 0, 3), ("wide", 1, 2), ("plain", 0, 1))):
            with tf.device(f"/cpu:{i % 2}"):
                partitioner = tf.fixed_size_partitioner(parts, axis) if parts > 1 else None
                tf.get_variable(name, arrays[name].shape, tf.as_dtype(arrays[name].dtype), partitioner=partitioner,
                                initializer=tf.constant_initializer(0.0))
        session.run(tf.global_variables_initializer())
        for variable in tf.global_variables():
            info = variable._save_slice_info
            name = info.full_name if info else variable.op.name
            box = tuple(slice(o, o + s) for o, s in zip(info.var_offset, info.var_shape)) if info else ...
            variable.load(arrays[name][box], session)
        saver = tf.train.Saver(sharded=sharded)
        saver.save(session, os.path.join(HERE, "sharded" if sharded else "parts"), write_meta_graph=False,
                   latest_filename="unused")
    os.unlink(os.path.join(HERE, "unused"))
    return {"sharded" if sharded else "parts": describe(arrays)}


def nodes(build):
    """Every node of a graph: type, name, inputs, control inputs, device, colocation, static shapes."""
    with tf.Graph().as_default() as graph:
        build(tf)
        return [[op.type, op.name, [t.name for t in op.inputs], sorted(c.name for c in op.control_inputs), op.device,
                 sorted(g.decode() for g in op.colocation_groups()), [str(t.shape) for t in op.outputs]]
                for op in graph.get_operations()]


def summary_bytes():
    """The Summary that TensorFlow makes of each input, in base64."""
    found = {}
    for name, (kind, options, value) in graph_cases.summary_inputs().items():
        with tf.Graph().as_default(), tf.Session() as session:
            summary = getattr(tf.summary, kind)(name, tf.constant(value), **options)
            found[name] = base64.b64encode(session.run(summary)).decode()
    return found


def describe(arrays):
    return {name: {"dtype": tf.as_dtype(a.dtype).as_datatype_enum, "shape": list(a.shape), "sha256": digest(a)}
            for name, a in arrays.items()}


if __name__ == "__main__":
    checkpoints = {}
    checkpoints.update(save_all_types())
    checkpoints.update(save_partitioned(False))
    checkpoints.update(save_partitioned(True))
    with open(os.path.join(HERE, "manifest.json"), "w") as file:
        json.dump({"tensorflow": tf.__version__, "checkpoints": checkpoints, "summaries": summary_bytes(),
                   "graphs": {name: nodes(build) for name, build in graph_cases.CASES.items()}}, file, sort_keys=True)
