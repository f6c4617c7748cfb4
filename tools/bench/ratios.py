"""Ratios of medians: how much better thalweg is than its peers in the same run."""
import statistics

from subjects import KINDS
from works import WORKS

DEFAULTS = [name for name, kind in KINDS.items() if not kind.tuned and name != "thalweg"]
TUNED = [name for name, kind in KINDS.items() if kind.tuned]


def fewest_rounds(figures, peers):
    """How many samples the least sampled median of a ratio to `peers` is of."""
    return min((len(figures[s]) for s in ("thalweg", *peers) if s in figures), default=0)


def ratio(work, figures, peers):
    """How much better thalweg's median is than the best of `peers`; None where one of both has no figure."""
    medians = {s: statistics.median(v) for s, v in figures.items()}
    theirs = [medians[s] for s in peers if s in medians]
    if "thalweg" not in medians or not theirs:
        return None
    return min(theirs) / medians["thalweg"] if work.better == "less" else medians["thalweg"] / max(theirs)


def class_ratios(kind, run):
    """The ratios of a kernel class by shape: {name of the work after "kernel_": ratio}."""
    peers = [kind.against] if kind.against else DEFAULTS
    found = {name: ratio(WORKS[f"kernel_{name}"], run[f"kernel_{name}"]["figures"], peers)
             for name in kind.shapes if f"kernel_{name}" in run}
    return {name: r for name, r in found.items() if r is not None}
