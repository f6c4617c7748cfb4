"""Runs the programs beside it with TensorFlow 1.15 and writes what they did to ../data:

    python record.py [layers ...]       (an interpreter that has TensorFlow 1.15)
"""
import json
import os
import pathlib
import runpy
import sys
import warnings

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
warnings.filterwarnings("ignore")

HERE = pathlib.Path(__file__).resolve().parent


def main():
    import tensorflow as tf
    tf.compat.v1.logging.set_verbosity("ERROR")
    run = runpy.run_path(str(HERE / "notebook.py"))["run_program"]
    for path in sorted(HERE.glob("programs_*.py")):
        name = path.stem.partition("_")[2]
        if len(sys.argv) == 1 or name in sys.argv[1:]:
            programs = runpy.run_path(str(path))["PROGRAMS"]
            found = {name: run(f, tf) for name, f in programs.items()}
            (HERE.parent / f"data/{name}.json").write_text(json.dumps(found, indent=0, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
