"""The switches that the environment sets: all of them in one table, and the two levels that are read once.

docs/flags.md is made from the table (`tools/stubs` writes it); tests/test_flags.py fails for a THALWEG_ name in the
sources that the table lacks.
"""
import os
from typing import NamedTuple


class Flag(NamedTuple):
    """One variable: what may follow the `=`, what it means, and what holds when it is not set."""

    name: str
    values: str
    meaning: str
    default: str


FLAGS = [
    Flag("THALWEG_DEBUG", "1..4", "tells on standard error: 1 the devices; 2 a line per plan; 3 its steps; "
         "4 every step of every run with its time", "0: nothing"),
    Flag("THALWEG_CHECK", "1", "checks the plan's invariants after every pass (tests run so)", "0"),
    Flag("THALWEG_NUM_THREADS", "n", "threads of the pool", "what affinity and control groups allow"),
    Flag("THALWEG_ISA", "portable, avx2, avx512", "lowers the choice of CPU kernels, for tests", "the machine's best"),
    Flag("THALWEG_FILTER_CACHE_MB", "n", "megabytes for filters that are packed or transformed once and kept; 0: none "
         "is", "256"),
    Flag("THALWEG_CACHE", "folder", "what devices keep for the next process, such as compiled kernels, lies here; "
         "empty: nothing is kept", "`$XDG_CACHE_HOME/thalweg`, `~/.cache/thalweg`"),
    Flag("THALWEG_DEVICES", "a,b", "only these devices, the first is the default; one that fails is an error",
         "all that are found"),
    Flag("THALWEG_BLOCK", "a,b", "leaves these plugins out, not even imported", "none"),
    Flag("THALWEG_AUTOLOAD", "0", "only thalweg's own devices", "1: those of other packages too"),
    Flag("THALWEG_<ALIAS>", "type", "which device type an alias means: `THALWEG_GPU=acme`",
         "the best that lists the alias"),
]
BUILD_FLAGS = [
    Flag("THALWEG_DEBUG_BUILD", "1", "builds with bounds checks and -O0", "0"),
    Flag("THALWEG_BUILD_JOBS", "n", "modules that are compiled at once", "2"),
    Flag("THALWEG_GOLDEN", "folder", "TensorFlow's files that tests of thalweg-io read",
         "`shared/golden` beside the checkout"),
]


def _table(flags):
    rows = [f"| `{flag.name}={flag.values}` | {flag.meaning} | {flag.default} |" for flag in flags]
    return "\n".join(["| variable | meaning | when unset |", "|---|---|---|", *rows])


def page():
    """The text of docs/flags.md."""
    return (f"# Switches in the environment\n\nWritten by `tools/stubs` from `thalweg/framework/flags.py`; do not "
            f"edit.\n\n{_table(FLAGS)}\n\nFor those who build and test thalweg:\n\n{_table(BUILD_FLAGS)}\n")


def _level(name):
    value = os.environ.get(name, "0")
    if not value.isdigit():
        raise ValueError(f"{name}={value!r}: a level is a number, 0 or more")
    return int(value)


CHECK = _level("THALWEG_CHECK")
DEBUG = _level("THALWEG_DEBUG")
