"""Imports with TensorFlow what write_graphs.py wrote, runs it, and compares.

    python check_graphs.py FOLDER

Prints what differs or fails, and exits with the number of such graphs.
"""
import collections
import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import tensorflow
from google.protobuf import text_format

tf = tensorflow.compat.v1
tf.disable_v2_behavior()
tf.logging.set_verbosity(tf.logging.ERROR)

NOT_THERE = ("NHWC", "No OpKernel was registered", "UnimplementedError", "not supported", "could not be placed",
             "is not available in GraphDef version")                # what TensorFlow's CPU kernels lack
NEWER = ("maximum [3,3]", "reduce_max [3]", "sign [3]", "round_op [2] int", "conv2d [0x5x5x2")
# rows of NaN, integers and empty batches that 2.x computes otherwise than 1.15, whose rules thalweg follows
TOLERANCE = {"float16": 1e-2, "float32": 1e-4, "complex64": 1e-4}


def is_close(have, want):
    have, want = np.asarray(have), np.asarray(want)
    if have.dtype.kind == "O" or want.dtype.kind == "S":
        return have.astype("S").tolist() == want.astype("S").tolist()
    if have.shape != want.shape or have.dtype != want.dtype:
        return False
    if want.dtype.kind in "fc":
        tolerance = TOLERANCE.get(want.dtype.name, 1e-7)
        return np.allclose(have, want, tolerance, tolerance, equal_nan=True)
    return np.array_equal(have, want)


def check_row(case):
    """Text that says what is wrong with a row's graph, or None."""
    message = tf.GraphDef.FromString(case["graph"].tobytes())
    feeds = {key[5:]: value for key, value in case.items() if key.startswith("feed/")}
    wanted = {key[6:]: value for key, value in case.items() if key.startswith("fetch/")}
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(message, name="")
        feeds = {key: value.astype(object) if value.dtype.kind == "S" else value for key, value in feeds.items()}
        with tf.Session(graph=graph) as session:
            for tensor, have in zip(wanted, session.run(list(wanted), feeds)):
                if not is_close(have, wanted[tensor]):
                    return "%s: %s, expected %s" % (tensor, np.ravel(have)[:4], np.ravel(wanted[tensor])[:4])


def check_rows(folder):
    cases = collections.defaultdict(dict)
    with np.load(os.path.join(folder, "rows.npz")) as values:
        for key in values.files:
            number, _, rest = key.partition("/")
            cases[int(number)][rest] = values[key]
    failed = missing = 0
    for _, case in sorted(cases.items()):
        try:
            problem = check_row(case)
        except Exception as error:                           # the line says it; the others are tried too
            problem = type(error).__name__ + ": " + str(error)[:300]
        is_newer = tensorflow.__version__[0] == "2" and any(text in str(case["name"]) for text in NEWER)
        if problem and (is_newer or any(text in problem for text in NOT_THERE)):
            missing += 1
        elif problem:
            failed += 1
            print("differs  %s\n    %s" % (case["name"], problem))
    print("%d of %d rows differ (%d have no kernel there), TensorFlow %s" % (failed, len(cases), missing,
                                                                             tensorflow.__version__))
    return failed


def batch(step):
    rng = np.random.RandomState(step)
    return {"images:0": rng.randn(6, 8, 8, 2).astype(np.float32), "words:0": rng.randint(0, 10, 6),
            "labels:0": rng.randint(0, 3, 6)}


def check_program(folder, name, values):
    """Trains on from the `.meta` and the checkpoint; imports both forms of the graph."""
    with tf.Graph().as_default(), tf.Session() as session:
        saver = tf.train.import_meta_graph(os.path.join(folder, name + ".meta"))
        saver.restore(session, os.path.join(folder, name))
        train = tf.get_collection("train_op")[0]
        for step in range(2, 5):
            loss, _ = session.run(["loss:0", train], batch(step))
            np.testing.assert_allclose(loss, values["%s/loss/%d" % (name, step)], 2e-4, 1e-5)
        finals = [key for key in values.files if key.startswith(name + "/final/")]
        assert len(finals) == len(tf.global_variables())
        for key in finals:
            have = session.run(key[len(name) + 7:])
            np.testing.assert_allclose(have, values[key], 5e-4, 2e-5, err_msg=key)
    if name == "again":
        return
    binary = tf.GraphDef.FromString(open(os.path.join(folder, name + ".pb"), "rb").read())
    assert text_format.Parse(open(os.path.join(folder, name + ".pbtxt")).read(), tf.GraphDef()) == binary
    with tf.Graph().as_default():
        tf.import_graph_def(binary)


def check_programs(folder):
    failed = 0
    with np.load(os.path.join(folder, "programs.npz")) as values:
        names = sorted({key.split("/")[0] for key in values.files})
        for name in names:
            try:
                check_program(folder, name, values)
            except Exception as error:
                failed += 1
                print("differs  %s\n    %s: %s" % (name, type(error).__name__, str(error)[:600]))
    print("%d of %d programs differ, TensorFlow %s" % (failed, len(names), tensorflow.__version__))
    return failed


if __name__ == "__main__":
    sys.exit(min(check_programs(sys.argv[1]) + check_rows(sys.argv[1]), 255))
