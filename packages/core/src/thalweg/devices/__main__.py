"""`python -m thalweg.devices`: all devices with the reasons for those that cannot be used.

`--isolate` opens each in a process of its own, so that one that crashes is named; `--verbose` adds what devices tell
about themselves, and tracebacks.
"""
import argparse
import signal
import subprocess
import sys

from thalweg import devices
from thalweg.devices.registry import REGISTRY, Registry, entry_points

_ONE = "from thalweg.devices.__main__ import probe_one; probe_one({!r})"
_TIMEOUT_S = 60
GROUP = "thalweg.devices"


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m thalweg.devices", description=__doc__.split("\n", 1)[0])
    add_arguments(parser)
    return run(parser.parse_args(arguments))


def add_arguments(parser):
    parser.add_argument("--isolate", action="store_true", help="open each plugin in a process of its own")
    parser.add_argument("--timeout", type=float, default=_TIMEOUT_S, metavar="S",
                        help=f"seconds that --isolate gives each ({_TIMEOUT_S})")
    parser.add_argument("--verbose", action="store_true",
                        help="what devices tell about themselves; tracebacks of what failed")


def run(options):
    """What is done for the parsed arguments; 1 if a plugin crashed or hung."""
    if options.isolate:
        return isolate(options.timeout)
    print(devices.list_devices())
    if options.verbose:
        for entry in REGISTRY.entries():
            for device in entry.devices:
                print(_description(device), end="")
            if entry.traceback:
                print(f"\n{entry.label}:\n{entry.traceback}", end="")
    return 0


def _description(device):
    """What a device tells about itself and its memory, a line each; "" where it tells nothing."""
    told = {**device.describe(), **(device.mem_stats() or {})}
    told.pop("lacks", None)              # the row has it
    return "".join([f"\n{device.name}:\n", *[f"  {name}: {value}\n" for name, value in told.items()]]) if told else ""


def isolate(timeout_s):
    """Opens every plugin in a child process; 1 if one of them crashed, hung, or ended the process."""
    outcomes = {name: run_isolated(name, timeout_s) for name in dict.fromkeys(p.name for p in entry_points(GROUP))}
    for name, outcome in outcomes.items():
        print(f"{name}: {outcome}")
    bad = ("killed by", "no answer", "ended with status")
    return int(any(outcome.startswith(bad) for outcome in outcomes.values()))


def run_isolated(name, timeout_s):
    """What became of opening one plugin in a child process, in a line."""
    try:
        child = subprocess.run([sys.executable, "-c", _ONE.format(name)], capture_output=True, text=True,
                               timeout=timeout_s, check=False, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        return f"no answer within {timeout_s:g} s"
    if child.returncode < 0:
        return f"killed by {signal.Signals(-child.returncode).name} while it was opened"
    if child.returncode:
        return f"ended with status {child.returncode} while it was opened: {child.stderr.strip()[-300:]}".rstrip(": ")
    return child.stdout.strip() or "told nothing"


def probe_one(name):
    """Opens one plugin, and no other, and prints how far it came; the child's part of `--isolate`."""
    registry = Registry(lambda group, only_core: [p for p in entry_points(group) if group == GROUP and p.name == name])
    for entry in registry.entries():
        opened = registry.opened(entry)
        print(f"{entry.state}: {', '.join(d.name for d in opened) if opened else entry.reason}")


if __name__ == "__main__":
    sys.exit(main())
