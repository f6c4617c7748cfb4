"""Tables from raw figures: medians, and the ratio to the best peer of the same run."""
import os
import platform
import statistics
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def line(name, result):
    """One work on one line."""
    parts = [f"{s} {statistics.median(v):.4g}" for s, v in result["figures"].items()]
    parts += [f"{s}: {reason}" for s, reason in result["reasons"].items()]
    return f"{name} [{result['unit']}]  " + "  ".join(parts)


def ratio(result):
    """How much better thalweg's median is than the best peer's; None without a peer."""
    medians = {s: statistics.median(v) for s, v in result["figures"].items()}
    own = medians.pop("thalweg", None)
    if own is None or not medians:
        return None
    if result["better"] == "less":
        return min(medians.values()) / own
    return own / max(medians.values())


def markdown(results, args):
    """The table of one run, with the machine."""
    names = list(dict.fromkeys(s for r in results.values() for s in r["figures"]))
    rows = [f"| work | unit | {' | '.join(names)} | thalweg / best peer |", "|---|---|" + "---|" * (len(names) + 1)]
    for name, result in results.items():
        cells = [f"{statistics.median(result['figures'][s]):.4g}" if s in result["figures"] else "-" for s in names]
        better = ratio(result)
        last = "-" if better is None else f"{better:.2f}"
        rows.append(f"| {name} | {result['unit']} | {' | '.join(cells)} | {last} |")
    notes = [f"* {name}: {result['about']}" for name, result in results.items() if result["about"]]
    return "\n".join([_machine(args), "", *rows, "", *dict.fromkeys(notes)])


def _machine(args):
    names = [text.split(":")[1].strip() for text in _lines("/proc/cpuinfo") if text.startswith("model name")]
    model = names[0] if names else "unknown processor"
    return (f"{model}, {os.cpu_count()} processors, {args.threads} threads, {platform.system()}, "
            f"Python {platform.python_version()}; medians of {args.rounds} interleaved rounds. "
            f"A ratio above 1: thalweg is better. {args.note}".rstrip())


def _lines(path):
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def write(text):
    """Replaces the measured part of docs/performance.md."""
    page = ROOT / "docs" / "performance.md"
    head = "# Performance\n\nMade by `python tools/bench --write`; every figure is measured.\n\n"
    page.write_text(head + text + "\n")
