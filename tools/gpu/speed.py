"""Measures the works on the card of this machine, thalweg and PyTorch in turns; prints a JSON object per line.

    python tools/gpu/speed.py [--small] [--rounds 5] [--seconds 2] [works ...]

The first line says who was measured. Each further one is about a work: first its figures beside the peer of its must,
for all works, then those beside the peer of its goal, which takes minutes to compile; the last of a work has "done".
Every line comes of a process of its own, so that one that fails, and gives an "error", loses no other, and its peak
of memory is its own. Where PyTorch is missing or sees no card, thalweg runs alone and the reason stands in the place
of its figures.
"""
import argparse
import json
import statistics
import subprocess
import sys
import time

import thalweg_programs
from works import works


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("works", nargs="*", help="names or beginnings of names; all without")
    parser.add_argument("--small", action="store_true", help="sizes for a processor that plays the card")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of one turn of one subject")
    parser.add_argument("--alone", nargs="*", metavar="PEER", help="measures in this process, beside these peers")
    args = parser.parse_args()
    peer, reason = _torch()
    chosen = [work for work in works(args.small)
              if not args.works or any(work.name.startswith(name) for name in args.works)]
    if args.alone is not None:
        _tell(measure(chosen[0], peer, args.alone, args.rounds, args.seconds))
        return
    _tell({"thalweg": thalweg_programs.VERSION, "torch": peer.VERSION if peer else None, "without_torch": reason})
    more = [work for work in chosen if _beside_must(work, peer, args)]
    for work in more:
        _beside_goal(work, args)


def _beside_must(work, peer, args):
    """Tells of a work and its must; whether there is more to come."""
    peers = dict.fromkeys(("eager", work.peer)) if peer else ()
    result = _measured_by_a_child(work, peers, args)
    is_more = bool(peer) and work.goal_peer not in peers and "error" not in result
    _tell(result if is_more else {**result, "done": True})
    return is_more


def _beside_goal(work, args):
    result = _measured_by_a_child(work, [work.goal_peer], args)
    told = {"error": result["error"]} if "error" in result else {"goal_figures": result["figures"]}
    _tell({"name": work.name, **told, "done": True})


def _tell(result):
    print(json.dumps(result), flush=True)


def _torch():
    try:
        import torch_programs
    except ImportError as error:
        return None, str(error)
    return (torch_programs, "") if torch_programs.is_usable() else (None, "torch sees no card")


def _measured_by_a_child(work, peers, args):
    command = [sys.executable, __file__, work.name, "--rounds", str(args.rounds), "--seconds", str(args.seconds),
               *(["--small"] if args.small else []), "--alone", *peers]
    child = subprocess.run(command, capture_output=True, text=True)
    if child.returncode:
        return {"name": work.name, "error": f"status {child.returncode}: {child.stderr.strip()[-300:]}"}
    return json.loads(child.stdout.splitlines()[-1])


def measure(work, peer, peers, rounds, seconds):
    """The medians of thalweg and of the module `peer` in each way of `peers`, memory and allocations, as a dict."""
    result = {"name": work.name, "unit": work.unit}
    step, units = getattr(thalweg_programs, work.program)(**work.arguments)
    for _ in range(3):                                    # run, recorded, replayed
        step()
    warm = thalweg_programs.statistics()
    subjects = {"thalweg": (step, units, lambda: None)}
    for how in peers:
        step, units = getattr(peer, work.program)(how, **work.arguments)
        for _ in range(3):
            step()
        subjects[how] = step, units, peer.synchronize
        if how == "eager":                                # the first of them
            result["eager_bytes"] = peer.peak_bytes()
    figures = {name: [] for name in subjects}
    for _ in range(rounds):
        for name, (step, units, wait) in subjects.items():
            figures[name].append(_figure(work.unit, _seconds_per_step(step, wait, seconds), units))
    after = thalweg_programs.statistics()
    return {**result, "figures": {name: statistics.median(values) for name, values in figures.items()},
            "spread": {name: (min(values), max(values)) for name, values in figures.items()},
            "allocations_after_warm_up": after["num_allocs"] - warm["num_allocs"],
            "thalweg_bytes": after["peak_bytes"]}


def _seconds_per_step(step, wait, seconds):
    wait()
    count, start = 0, time.perf_counter()
    while True:
        step()
        count += 1
        if count & 7 == 0 or seconds < 0.1:
            wait()                                        # nobody is ahead by more than eight steps
            if time.perf_counter() - start > seconds:
                return (time.perf_counter() - start) / count


def _figure(unit, seconds, units):
    return 1e6 * seconds if unit == "us" else units / seconds


if __name__ == "__main__":
    main()
