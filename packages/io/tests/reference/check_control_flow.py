"""Imports with TensorFlow what write_control_flow.py wrote, runs it, and compares; takes gradients anew with 1.x.

    python check_control_flow.py FOLDER [NAME ...]

Prints one line for each program and exits with the number of those that differ or fail.
"""
import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import tensorflow

tf = tensorflow.compat.v1
tf.disable_v2_behavior()
tf.logging.set_verbosity(tf.logging.ERROR)

NO_NEW_GRADIENTS = {"batch_norm", "batch_norm_layers", "counted", "checked", "dropped_out"}


def part(values, name, kind, run):
    start = f"{name}/{kind}/{run}/"
    return {key[len(start):]: values[key] for key in values.files if key.startswith(start)}


def differences(graph, name, values):
    """Lines that say which values differ."""
    found, run = [], 0
    with tf.Session(graph=graph) as session:
        session.run("init")
        while part(values, name, "fetch", run):
            wanted = part(values, name, "fetch", run)
            got = session.run(list(wanted), part(values, name, "feed", run))
            for (tensor, want), have in zip(wanted.items(), got):
                have = np.asarray(have)
                if have.shape != want.shape or not np.allclose(have, want, 1e-4, 1e-5):
                    found.append(f"run {run}, {tensor}: {have.ravel()[:4]}, expected {want.ravel()[:4]}")
            run += 1
    return found


def new_gradients(graph, name, values):
    """Takes the gradient of the first result again and runs it, for the last feeds (loops of one row end at once)."""
    last = max(int(key.split("/")[2]) for key in values.files if key.startswith(name + "/fetch/"))
    with graph.as_default(), tf.Session(graph=graph) as session:
        y = graph.get_tensor_by_name("result_0:0")
        xs = [op.outputs[0] for op in graph.get_operations() if op.type == "Placeholder"]
        xs = [x for x in xs if x.dtype == tf.float32] + tf.trainable_variables()
        found = [g for g in tf.gradients(y, xs) if g is not None]
        session.run("init")
        session.run(found, part(values, name, "feed", last))
        return len(found)


def check(folder, name, values):
    with tf.Graph().as_default() as graph:
        tf.train.import_meta_graph(os.path.join(folder, name + ".meta"))
    found = differences(graph, name, values)
    count = 0
    if not found and name not in NO_NEW_GRADIENTS:
        count = new_gradients(graph, name, values)
    return found, count


def main(folder, *names):
    values = np.load(os.path.join(folder, "values.npz"))
    names = names or sorted({key.split("/")[0] for key in values.files})
    failed = 0
    for name in names:
        try:
            found, count = check(folder, name, values)
        except Exception as error:                           # the line says it; the others are tried too
            found, count = [type(error).__name__ + ": " + str(error)[:600]], 0
        failed += bool(found)
        print(f"{'differs' if found else 'ok':8s} {name}" + (f", {count} new gradients" if count else ""))
        for line in found:
            print("    " + line)
    print(f"{failed} of {len(names)} differ, TensorFlow {tensorflow.__version__}")
    return failed


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
