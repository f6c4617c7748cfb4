"""What is asked of the works (issue 5), and what came of it: speed, allocations after warm-up, peak of memory."""
from typing import NamedTuple

from works import works

MOST_MEMORY = 1.1                # of torch eager's peak


class Must(NamedTuple):
    """One figure that is asked.

    Attributes
    ----------
    name, asked : str
    found : float or None       None: not measured
    reached : bool or None      None: not measured
    """

    name: str
    asked: str
    found: float | None
    reached: bool | None


def musts(results):
    """Every Must of the works that tools/gpu/speed.py has told of; `results` are its lines but the first."""
    asked = {work.name: work for work in works()}
    return [must for found in results for must in _of(asked[found["name"]], found)]


def ratio(work, found, peer):
    """The figure beside that of `peer` in the same turns, or itself where it is asked for; None without one."""
    if work.unit == "us":
        return found.get("figures", {}).get("thalweg")
    turns = (found.get("figures", {}), found.get("goal_figures", {}))
    return next((figures["thalweg"] / figures[peer] for figures in turns if peer in figures), None)


def reaches(work, value, figure):
    """Whether a ratio, or a figure in us, is at least as good as what is asked; None where there is none."""
    return None if value is None else value <= figure if work.unit == "us" else value >= figure


def _of(work, found):
    speed = ratio(work, found, work.peer)
    asked = f"at most {work.must} us" if work.unit == "us" else f"at least {work.must} of {work.peer}"
    yield Must(work.name, asked, speed, reaches(work, speed, work.must))
    allocations = found.get("allocations_after_warm_up")
    yield Must(work.name, "no allocation after warm-up", allocations, None if allocations is None else not allocations)
    memory = found["thalweg_bytes"] / found["eager_bytes"] if found.get("eager_bytes") else None
    yield Must(work.name, f"memory at most {MOST_MEMORY} of eager", memory,
               None if memory is None else memory <= MOST_MEMORY)
