"""Side-by-side measurements of thalweg and its peers: `python tools/bench --help`.

Each subject runs in a process of its own (peers may live in other environments); rounds are interleaved, so that all
subjects meet the same minutes of a shared machine. Every figure is a median of rounds, every comparison a ratio of
medians of one run. `--json FILE` keeps the raw figures; calls with the same file add to it, and with `--resume` they
measure only what it lacks, so that a long list is measured in pieces (`--minutes`). Nothing here asserts; `--write`
puts tables and plots into docs/performance.md.
"""
import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import input_files
import io_files
import quiet
import report
import results
import subjects
from works import select, unknown


def main():
    parser = _parser()
    args = parser.parse_args()
    if names := unknown(args.works):
        parser.error(f"no work is named {names[0]!r} or begins so; --list tells the names")
    if args.list:
        print(*(work.name for work in select(args.works)), sep="\n")
        return
    if args.from_file and not Path(args.from_file).is_file():
        parser.error(f"there is no file {args.from_file}")
    if args.from_file:
        collected, left = results.load(args.from_file), []
    else:
        collected, left = _measured(parser, args)
    lost = report.lost(collected) if args.write else []
    is_written = args.write and not lost
    text = report.markdown(collected, report.write_figures(collected) if is_written else [])
    print(text)
    if is_written:
        report.write(text)
    if lost:
        sys.exit(f"{report.PAGE} is left as it is: it tells {len(lost)} works that are not among these figures, "
                 f"{lost[0]} first. Measure them into the same --json file, or move the page away to begin a new one")
    if left:
        names = " ".join(work.name for work in left)
        sys.exit(f"{len(left)} works are left: {names}; the same command with --resume goes on")


def _parser():
    parser = argparse.ArgumentParser(prog="tools/bench", description=__doc__.split("\n")[0])
    parser.add_argument("works", nargs="*", help="what to measure, by name or prefix; all without. --list tells them")
    parser.add_argument("--list", action="store_true", help="names of the works, and no more")
    parser.add_argument("--peers", default=None, metavar="PYTHON",
                        help="interpreter that has tensorflow and torch (default: this one)")
    parser.add_argument("--subjects", help="comma-joined; missing: left out",
                        default=",".join(name for name, kind in subjects.KINDS.items() if not kind.by_wish))
    parser.add_argument("--rounds", type=_positive, default=5)
    parser.add_argument("--threads", type=_positive, default=2)
    parser.add_argument("--note", default="", help="a sentence on the run for the report: what else the machine did")
    parser.add_argument("--json", metavar="FILE", help="adds all raw figures to this file, after every work")
    parser.add_argument("--resume", action="store_true", help="leaves out the works that --json has")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begins no further work after them")
    parser.add_argument("--work-seconds", type=float, default=120, help="begins no further round of a work after them")
    parser.add_argument("--patience", type=float, default=600, metavar="SECONDS",
                        help="a subject that takes longer for one answer is left out of the work; the first answer of "
                             "torch_compile takes minutes until its cache on disk has the program")
    parser.add_argument("--quiet", type=float, default=100, metavar="PERCENT",
                        help="each turn waits, a minute at most, until others use less of the processors than this")
    parser.add_argument("--from", dest="from_file", metavar="FILE", help="reports kept figures, measures nothing")
    parser.add_argument("--write", action="store_true",
                        help="writes docs/performance.md and its figures (matplotlib) anew, from --json or --from: "
                             "they must have all works that the page tells")
    return parser


def _positive(text):
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


def _measured(parser, args):
    """(what is collected, works that were left for another call)"""
    names = args.subjects.split(",")
    if unknown := [n for n in names if n not in subjects.KINDS]:
        parser.error(f"no subject {unknown[0]}; there are {', '.join(subjects.KINDS)}")
    collected, end = results.load(args.json), time.monotonic() + 60 * args.minutes
    done = collected["runs"].get(str(args.threads), {}) if args.resume else {}
    left = [w for w in select(args.works) if w.name not in done]
    if any(work.theme == "input" for work in left):
        input_files.make()
    if any(work.theme == "io" for work in left):
        io_files.make()
    with subjects.started(names, args.peers, args.threads, args.patience) as running:
        if not running:
            parser.error("no subject could be started")
        try:
            results.describe(collected, running)
        except results.Mixed as error:
            parser.error(str(error))
        while left and time.monotonic() < end:
            work = left.pop(0)
            found = measure(work, running, args.rounds, args.work_seconds, args.quiet / 100)
            results.add(collected, args.threads, work.name, *found, args.note)
            print(report.line(work, *found), file=sys.stderr, flush=True)
            if args.json:
                results.save(args.json, collected)
    return collected, left


def measure(work, running, rounds, limit_s, quiet_below=1.0):
    """({subject: [figure per round]}, {subject: why it has none}, shares of the machine that others used).

    Rounds are interleaved and end early at the limit, but for works too large for that: there each subject has its
    rounds, and its share of the time, alone. Each turn waits until others use less than `quiet_below`.
    """
    rounds = 1 if work.once else rounds
    groups, share = ([[s] for s in running], limit_s / len(running)) if work.alone else ([running], limit_s)
    figures, reasons, busy = {}, {}, []
    for group in groups:
        end = time.monotonic() + share
        for done in range(rounds):
            if done and time.monotonic() > end:
                break
            for subject in group:
                busy.append(quiet.wait(quiet_below))
                _round(work, subject, figures, reasons)
        for subject in group:
            subject.forget(work)
    return figures, reasons, [share for share in busy if share is not None]


def _round(work, subject, figures, reasons):
    if subject.name in reasons:
        return
    try:
        figures.setdefault(subject.name, []).append(subject.measure(work))
    except subjects.CannotMeasure as reason:
        reasons[subject.name] = str(reason)
        figures.pop(subject.name, None)


if __name__ == "__main__":
    main()
