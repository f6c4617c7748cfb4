"""The levels of checking and of telling that the environment sets, read once (docs/flags.md lists all switches)."""
import os


def _level(name):
    value = os.environ.get(name, "0")
    if not value.isdigit():
        raise ValueError(f"{name}={value!r}: a level is a number, 0 or more")
    return int(value)


CHECK = _level("THALWEG_CHECK")          # 1: the plan's invariants are checked after every pass
DEBUG = _level("THALWEG_DEBUG")          # 1: devices are listed; 2: each plan is summed up; 3: its steps; 4: every run
