"""Runs programs.py with TensorFlow 1.15 and writes what it did to tf1.json:

    python record.py               (an interpreter that has TensorFlow 1.15)
"""
import json
import os
import pathlib
import runpy
import warnings

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
warnings.filterwarnings("ignore")

HERE = pathlib.Path(__file__).parent


def main():
    import tensorflow as tf
    tf.compat.v1.logging.set_verbosity("ERROR")
    helpers = runpy.run_path(str(HERE / "notebook.py"))
    programs = runpy.run_path(str(HERE / "programs.py"))["PROGRAMS"]
    tf.RegisterGradient("Times7")(lambda op, dy: dy * 7.0)
    found = {name: helpers["run_program"](f, tf) for name, f in programs.items()}
    (HERE / "tf1.json").write_text(json.dumps(found, indent=0, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
