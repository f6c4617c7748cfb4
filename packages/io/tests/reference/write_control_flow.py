"""Writes the programs of data/control_flow/programs.py as thalweg exports them: `.meta` files and expected values.

    python write_control_flow.py FOLDER         with thalweg
    python check_control_flow.py FOLDER         with TensorFlow 1.15 or 2.x
"""
import pathlib
import sys

import numpy as np

import thalweg as tf

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "data" / "control_flow"))
from programs import CASES

NOT_IN_TENSORFLOW = {"growing_shapes"}      # a gradient of values that change shape: docs/decisions/017


def write(name, build, folder, values):
    """Builds a program, runs it and writes its graph."""
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(3)
        feeds, fetches = build(tf)
        fetches = [tf.identity(tensor, name=f"result_{i}") for i, tensor in enumerate(fetches)]
        session.run(tf.global_variables_initializer())
        for run, feed in enumerate(feeds):
            for tensor, value in feed.items():
                values[f"{name}/feed/{run}/{tensor.name}"] = np.asarray(value, tensor.dtype.as_numpy_dtype)
            for tensor, value in zip(fetches, session.run(fetches, feed)):
                values[f"{name}/fetch/{run}/{tensor.name}"] = value
        tf.train.export_meta_graph(str(folder / f"{name}.meta"))


def main(folder):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    values = {}
    for name, build in CASES.items():
        if name not in NOT_IN_TENSORFLOW:
            write(name, build, folder, values)
    np.savez_compressed(folder / "values.npz", **values)
    print(f"{len(CASES) - len(NOT_IN_TENSORFLOW)} programs in {folder}")


if __name__ == "__main__":
    main(*sys.argv[1:])
