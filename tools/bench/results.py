"""Raw figures and their file: {machine, subjects, runs: {threads: {work: {figures, reasons, busy, date, commit,
note}}}}; busy is the share of the processors that others used before each turn.

A file grows piece by piece: a work that is measured again replaces what was there. Pieces of another machine or of
another version of a peer do not mix.
"""
import datetime
import json
import os
import platform
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


# What tells processors of one name apart, on x86 and on Arm, in /proc/cpuinfo: a name may be no more than "AMD EPYC".
MAKE = ("cpu family", "model", "stepping", "CPU implementer", "CPU part", "CPU variant", "CPU revision")


class Mixed(Exception):
    """The file's figures come from elsewhere."""


def empty():
    return {"machine": machine(), "subjects": {}, "runs": {}}


def machine():
    """What the figures depend on."""
    told = {name.strip(): value.strip() for name, _, value in
            (text.partition(":") for text in reversed(_lines("/proc/cpuinfo")))}
    memory = [int(text.split()[1]) for text in _lines("/proc/meminfo") if text.startswith("MemTotal")]
    return {"cpu": told.get("model name", "unknown processor"),
            "make": ", ".join(f"{name} {told[name]}" for name in MAKE if name in told), "caches": _caches(),
            "processors": os.cpu_count(), "memory_gb": round(memory[0] / 2**20) if memory else None,
            "system": platform.system(), "python": platform.python_version()}


def _caches():
    """Of the first processor, those that hold data: "L1 48K, L2 1024K, L3 32768K"."""
    found = []
    for folder in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = (" ".join(_lines(folder / name)) for name in ("level", "type", "size"))
        found += [f"L{level} {size}"] if kind != "Instruction" else []
    return ", ".join(found)


def _lines(path):
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def load(path):
    """What a file holds; an empty collection where there is none."""
    return json.loads(Path(path).read_text()) if path and Path(path).exists() else empty()


def save(path, collected):
    """Replaces the file at once: a run that is stopped loses nothing."""
    draft = Path(f"{path}.part")
    draft.write_text(json.dumps(collected, indent=1) + "\n")
    draft.replace(path)


def describe(collected, running):
    """Notes the versions of the subjects; Mixed where the file has others, or another machine."""
    if collected["machine"] != machine():
        raise Mixed(f"the file was measured on {collected['machine']}, this is {machine()}; take another file")
    for subject in running:
        now = {"version": subject.version, "details": subject.details}
        before = collected["subjects"].setdefault(subject.name, now)
        if before != now:
            raise Mixed(f"{subject.name} was {before} in the file and is {now}; take another file")


def add(collected, threads, name, figures, reasons, busy, note=""):
    """Puts the figures of a work in."""
    collected["runs"].setdefault(str(threads), {})[name] = {
        "figures": figures, "reasons": reasons, "busy": [round(share, 2) for share in busy], "note": note,
        "commit": _commit(), "date": datetime.date.today().isoformat()}


def _commit():
    done = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"
