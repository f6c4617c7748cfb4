"""Reads with TensorFlow what write_checkpoints.py has written: `python check_checkpoints.py FOLDER`.

Runs on Python 3.7 with TensorFlow 1.15 and on newer ones with 2.x; thalweg need not be there.
"""
import json
import os
import sys

import numpy as np
import tensorflow as tensorflow

tf = tensorflow.compat.v1
tf.disable_eager_execution()
IS_NEW = not tensorflow.__version__.startswith("1.")


def read(path, name, dtype):
    """A value by the op that restores; NewCheckpointReader lacks some types in V1 files."""
    with tf.Graph().as_default(), tf.Session() as session:
        return session.run(tf.raw_ops.RestoreV2(prefix=path, tensor_names=[name], shape_and_slices=[""],
                                                dtypes=[dtype])[0])


def check_types(folder, expected):
    files = [("types_v2", expected["only_newer"]), ("types_v1", expected["not_in_v1"])]
    files += [("newer_v2", [])] if IS_NEW else []
    count = 0
    for name, left_out in files:
        reader = tf.train.NewCheckpointReader(os.path.join(folder, name))
        wanted = set(expected["raw"]) - set(left_out)
        assert set(reader.get_variable_to_shape_map()) == wanted, name
        dtypes = reader.get_variable_to_dtype_map()
        for key in wanted:
            value = read(os.path.join(folder, name), key, dtypes[key])
            raw, shape = expected["raw"][key], expected["shapes"][key]
            assert list(np.shape(value)) == shape, (name, key)
            if isinstance(raw, list):
                got = [item.hex() for item in np.ravel(np.array(value, object)).tolist()]
                assert got == [text for texts in raw for text in texts], (name, key)
            else:
                assert np.asarray(value).tobytes().hex() == raw, (name, key)
            count += 1
    return count


def restored(path):
    """The values of the variables after a restore into a graph, in parts and whole."""
    found = []
    for parts in (None, tf.fixed_size_partitioner(2)):
        with tf.Graph().as_default(), tf.Session() as session:
            made = {"table": tf.get_variable("table", [7, 6], partitioner=parts),
                    "wide": tf.get_variable("wide", [4, 9], tf.float64, partitioner=parts),
                    "plain": tf.get_variable("plain", [3], tf.int32)}
            tf.train.Saver().restore(session, path)
            found.append({key: session.run(tf.convert_to_tensor(value)).tolist() for key, value in made.items()})
    return found


def continued(folder, path):
    """Goes on where thalweg stopped: takes its state file over, saves, and drops its oldest checkpoint."""
    with tf.Graph().as_default(), tf.Session() as session:
        tf.get_variable("plain", [3], tf.int32)
        saver = tf.train.Saver(max_to_keep=2)
        saver.restore(session, path)
        saver.recover_last_checkpoints(list(tf.train.get_checkpoint_state(folder).all_model_checkpoint_paths))
        assert len(saver.last_checkpoints) == 2
        saver.save(session, os.path.join(folder, "model"), 3)
        assert [os.path.basename(p)[:7] for p in saver.last_checkpoints] == ["model-2", "model-3"]


def imported(path):
    """Restores through the graph of the .meta file."""
    meta = path.partition("-?????")[0] + ".meta"
    config = tf.ConfigProto(device_count={"CPU": 2})
    with tf.Graph().as_default(), tf.Session(config=config) as session:
        saver = tf.train.import_meta_graph(meta)
        saver.restore(session, path)
        return session.run("plain/read:0").tolist()


def main(folder):
    with open(os.path.join(folder, "expected.json")) as file:
        expected = json.load(file)
    count = check_types(folder, expected)
    for name, (base, values) in sorted(expected["saved"].items()):
        inside = os.path.join(folder, name)
        path = os.path.join(inside, base)
        assert tf.train.latest_checkpoint(inside) == path, (name, tf.train.latest_checkpoint(inside))
        for found in restored(path):
            assert found == values, name
        assert imported(path) == values["plain"], name
        continued(inside, path)
        count += 1
    print(f"TensorFlow {tensorflow.__version__} reads {count} tensors and checkpoints")


if __name__ == "__main__":
    main(sys.argv[1])
