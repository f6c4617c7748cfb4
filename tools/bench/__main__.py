"""Side-by-side measurements of thalweg and its peers: `python tools/bench --help`.

Each subject runs in a process of its own (peers may live in other environments); rounds are interleaved, so that all
subjects meet the same minutes of a shared machine. Every figure is a median of rounds, every comparison a ratio of
medians of one run. Nothing here asserts; `--write` puts the tables into docs/performance.md.
"""
import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import report
import subjects
from works import WORKS, select


def main():
    parser = argparse.ArgumentParser(prog="tools/bench", description=__doc__.split("\n")[0])
    parser.add_argument("works", nargs="*", help=f"what to measure, by prefix; all: {', '.join(WORKS)}")
    parser.add_argument("--peers", default=None, metavar="PYTHON",
                        help="interpreter that has tensorflow and torch (default: this one)")
    parser.add_argument("--subjects", default="thalweg,tensorflow,torch", help="comma-joined; missing: left out")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--note", default="", help="a sentence on the run for the report: what else the machine did")
    parser.add_argument("--json", metavar="FILE", help="writes all raw figures there")
    parser.add_argument("--write", action="store_true", help="writes docs/performance.md")
    args = parser.parse_args()
    with subjects.started(args.subjects.split(","), args.peers, args.threads) as running:
        if not running:
            parser.error("no subject could be started")
        results = measure(select(args.works), running, args.rounds)
    text = report.markdown(results, args)
    print(text)
    if args.json:
        Path(args.json).write_text(json.dumps(results, indent=1))
    if args.write:
        report.write(text)


def measure(works, running, rounds):
    """{work: {subject: [figure per round]}}; a subject that cannot do a work is left out of it, with the reason."""
    results = {}
    for work in works:
        figures, reasons = {s.name: [] for s in running}, {}
        for _ in range(1 if work.once else rounds):
            for subject in running:
                if subject.name in reasons:
                    continue
                try:
                    figures[subject.name].append(subject.measure(work))
                except subjects.CannotMeasure as reason:
                    reasons[subject.name] = str(reason)
        for subject in running:
            subject.forget(work)
        results[work.name] = {"unit": work.unit, "better": work.better, "about": work.about,
                              "figures": {k: v for k, v in figures.items() if v}, "reasons": reasons}
        print(report.line(work.name, results[work.name]), file=sys.stderr, flush=True)
    return results


if __name__ == "__main__":
    main()
