"""All switches that the environment can set, read once; fewer than ten. docs/flags.md is made from this file."""
import os


def _level(name):
    value = os.environ.get(name, "0")
    if not value.isdigit():
        raise ValueError(f"{name}={value!r}: a level is a number, 0 or more")
    return int(value)


CHECK = _level("THALWEG_CHECK")          # 1: the plan's invariants after every pass; 2: kernels against references
DEBUG = _level("THALWEG_DEBUG")          # 1: devices; 2: placement and timings; 3: plans; 4: every kernel call
