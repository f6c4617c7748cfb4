"""Runs a command on the stand-ins, or prints as JSON what a process must find in its environment to run on them.

    python packages/cuda/tests/standin/environment.py                       {"LD_LIBRARY_PATH": ...}
    python packages/cuda/tests/standin/environment.py python program.py     runs it

The stand-ins are built where they are not there yet.
"""
import json
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from standin import driver

made = driver.environment()
if sys.argv[1:]:
    os.execvpe(sys.argv[1], sys.argv[1:], made)
print(json.dumps({name: value for name, value in made.items() if os.environ.get(name) != value}))
