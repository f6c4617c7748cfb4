"""Prints what a process must find in its environment to run on the stand-ins, as JSON; builds them where needed."""
import json
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from standin import driver

made = driver.environment()
print(json.dumps({name: value for name, value in made.items() if os.environ.get(name) != value}))
