"""Makes the V1 checkpoints of this folder and v1.json with TensorFlow 1.15: `python make_v1.py` where that is."""
import json
import os

import numpy as np
import tensorflow as tf
from make import HERE, describe, nodes, values

NOT_STORED = ("uint32", "uint64")                        # by V1 checkpoints


def plain_saver(tf):
    with tf.device("/cpu:0"):
        tf.Variable([1.0, 2.0], name="a")
    with tf.device("/cpu:1"):
        tf.Variable(2, name="b")
    tf.get_variable("p", [4, 2], partitioner=tf.fixed_size_partitioner(2))
    tf.train.Saver(write_version=tf.train.SaverDef.V1)


def sharded_saver(tf):
    with tf.device("/cpu:0"):
        tf.Variable([1.0, 2.0], name="a")
    with tf.device("/cpu:1"):
        tf.Variable(2, name="b")
    tf.get_variable("p", [4, 2], partitioner=tf.fixed_size_partitioner(2))
    tf.train.Saver(sharded=True, write_version=tf.train.SaverDef.V1)


CASES = {"plain_saver": plain_saver, "sharded_saver": sharded_saver}


def save_types():
    arrays = {name: array for name, array in values().items() if name not in NOT_STORED}
    names = sorted(arrays)
    with tf.Graph().as_default(), tf.Session() as session:
        holders = [tf.placeholder(tf.as_dtype(arrays[n].dtype)) for n in names]
        op = tf.raw_ops.Save(filename=os.path.join(HERE, "types_v1"), tensor_names=names, data=holders)
        session.run(op, dict(zip(holders, (arrays[n] for n in names))))
    return describe(arrays)


def save_parts(sharded):
    rng = np.random.RandomState(18 + sharded)
    arrays = {"table": rng.randn(7, 6).astype(np.float32), "wide": rng.randn(4, 9), "plain": rng.randn(3).astype("f4")}
    config = tf.ConfigProto(device_count={"CPU": 2})
    name = "sharded_v1" if sharded else "parts_v1"
    with tf.Graph().as_default(), tf.Session(config=config) as session:
        for i, (key, axis, parts) in enumerate((("table", 0, 3), ("wide", 1, 2), ("plain", 0, 1))):
            with tf.device(f"/cpu:{i % 2}"):
                partitioner = tf.fixed_size_partitioner(parts, axis) if parts > 1 else None
                tf.get_variable(key, arrays[key].shape, tf.as_dtype(arrays[key].dtype), partitioner=partitioner,
                                initializer=tf.constant_initializer(0.0))
        session.run(tf.global_variables_initializer())
        for variable in tf.global_variables():
            info = variable._save_slice_info
            key = info.full_name if info else variable.op.name
            box = tuple(slice(o, o + s) for o, s in zip(info.var_offset, info.var_shape)) if info else ...
            variable.load(arrays[key][box], session)
        saver = tf.train.Saver(sharded=sharded, write_version=tf.train.SaverDef.V1)
        saver.save(session, os.path.join(HERE, name), write_meta_graph=False, latest_filename="unused")
    os.unlink(os.path.join(HERE, "unused"))
    return describe(arrays)


if __name__ == "__main__":
    checkpoints = {"types_v1": save_types(), "parts_v1": save_parts(False),
                   "sharded_v1-?????-of-00002": save_parts(True)}
    with open(os.path.join(HERE, "v1.json"), "w") as file:
        json.dump({"tensorflow": tf.__version__, "checkpoints": checkpoints,
                   "graphs": {name: nodes(build) for name, build in CASES.items()}}, file, sort_keys=True)
