"""Tables from raw figures: medians with their spread, and ratios to peers of the same run."""
import re
import statistics
from pathlib import Path

import kernels
import plots
from ratios import DEFAULTS, TUNED, class_ratios, fewest_rounds, ratio
from subjects import KINDS
from works import THEMES, WORKS

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "performance.md"


def line(work, figures, reasons, busy):
    """One work on one line."""
    parts = [f"{s} {statistics.median(v):.4g}" for s, v in figures.items()]
    parts += [f"{s}: {reason}" for s, reason in reasons.items()]
    parts += [f"(others used {100 * statistics.mean(busy):.0f} %)"] if busy else []
    return f"{work.name} [{work.unit}]  " + "  ".join(parts)


def markdown(collected, figures=()):
    """The page; `figures` are (file relative to docs/, what it shows)."""
    parts = ["# Performance", _head(collected)]
    for threads, run in sorted(collected["runs"].items(), key=lambda item: -int(item[0])):
        run = {name: result for name, result in run.items() if name in WORKS}
        of = f", {threads} thread{'s' if threads != '1' else ''}"
        parts += _aims(run, of) + _classes(run, of)
        for theme, title in THEMES.items():
            parts += _theme(theme, title + of, run)
    parts += [f"![{about}]({file})" for file, about in figures]
    return "\n\n".join([*parts, _notes(collected)]) + "\n"


def _head(collected):
    machine, runs = collected["machine"], collected["runs"].values()
    results = [result for run in runs for result in run.values()]
    said = {key: sorted({r[key] for r in results if r[key]}) for key in ("date", "commit", "note")}
    rows = [[name, KINDS[name].about, found["version"], found["details"], "tuned" if KINDS[name].tuned else "default"]
            for name, found in collected["subjects"].items() if name in KINDS]
    return "\n\n".join([
        "Made by `python tools/bench --write`; every figure is measured. Figures are medians of interleaved rounds, "
        "with the least and the greatest in brackets, or single samples, marked (once); a ratio compares medians of "
        "one run, above 1 thalweg is better.",
        f"{_processor(machine)}, {machine['processors']} processors, {machine['memory_gb']} GB, {machine['system']}, "
        f"Python {machine['python']}; {', '.join(said['date'])}; thalweg at {', '.join(said['commit'])}. "
        f"{_busy(results)}{' '.join(said['note'])}".rstrip(),
        _table(["subject", "how", "version", "found", "column"], rows)])


def _processor(machine):
    """Its name, and what tells it from others of that name where the figures' file has it."""
    more = [machine[key] for key in ("make", "caches") if machine.get(key)]
    return machine["cpu"] + (f" ({'; '.join(more)})" if more else "")


def _busy(results):
    shares = [share for result in results for share in result["busy"]]
    if not shares:
        return ""
    return (f"Other processes used {100 * statistics.median(shares):.0f} % of the processors before a turn (median; "
            f"{100 * statistics.quantiles([*shares, *shares], n=10)[-1]:.0f} % or less before nine of ten). ")


def _aims(run, of):
    """What issue 3 asks for, beside what is measured."""
    rows = []
    for name, result in run.items():
        work = WORKS[name]
        if work.must is not None:
            peers = [work.against] if work.against else DEFAULTS
            reached = ratio(work, result["figures"], peers)
            rows.append([name, work.against or "best default peer", fewest_rounds(result["figures"], peers),
                         _ratio(reached, work.must, work.goal), _ratio(work.must), _ratio(work.goal),
                         _verdict(reached, work.must, work.goal)])
    return _section(f"Aims{of}", ["work", "against", "rounds", "ratio", "must", "goal", ""], rows)


def _verdict(reached, must, goal):
    """Which of two limits, either of which may be None, is reached."""
    if reached is None:
        return "not measured"
    if goal is not None and reached >= goal:
        return "goal"
    return "-" if must is None else "must" if reached >= must else "missed"


def _classes(run, of):
    """The kernel classes. The geometric mean over a class's shapes hides the least, which has a verdict of its own and
    a name."""
    rows = []
    for kind in kernels.CLASSES:
        if ratios := class_ratios(kind, run):
            least = min(ratios, key=ratios.get)
            mean, limits = statistics.geometric_mean(ratios.values()), (kind.realistic, kind.stretch)
            rows.append([kind.name, kind.about, len(ratios), _ratio(max(ratios.values())), _ratio(mean, *limits),
                         _verdict(mean, *limits), *map(_ratio, limits), _ratio(ratios[least], *limits),
                         _verdict(ratios[least], *limits), least])
    return _section(f"Kernel classes{of}: ratio to the best default peer",
                    ["class", "", "shapes", "greatest", "mean", "", "must", "goal", "least", "", "which is"], rows)


def _theme(theme, title, run):
    chosen = {name: result for name, result in run.items() if WORKS[name].theme == theme}
    present = {s for result in chosen.values() for s in result["figures"]}
    defaults, tuned = ([s for s in names if s in present] for names in (DEFAULTS, TUNED))
    head = ["work", "unit", "thalweg", *defaults, "/ best default", *tuned, *(["/ best tuned"] if tuned else [])]
    rows = []
    for name, result in chosen.items():
        work, figures = WORKS[name], result["figures"]
        row = [name, work.unit, _cell(figures.get("thalweg")), *(_cell(figures.get(s)) for s in defaults),
               _ratio(ratio(work, figures, DEFAULTS)), *(_cell(figures.get(s)) for s in tuned)]
        rows.append(row + [_ratio(ratio(work, figures, TUNED))] if tuned else row)
    return _section(title, head, rows)


def _section(title, head, rows):
    return [f"## {title}", _table(head, rows)] if rows else []


def _table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows])


def _cell(values):
    """Median and spread, or a single sample, marked; `-` where nothing is measured."""
    if not values:
        return "-"
    middle = f"{statistics.median(values):.4g}"
    return f"{middle} (once)" if len(values) == 1 else f"{middle} [{min(values):.3g}, {max(values):.3g}]"


def _ratio(value, *limits):
    """Two digits, or as many as tell the value from limits that it is compared with."""
    if value is None:
        return "-"
    others = [limit for limit in limits if limit is not None and limit != value]
    return next(text for digits in range(2, 17) if (text := f"{value:.{digits}f}") not in
                [f"{limit:.{digits}f}" for limit in others] or digits == 16)


def _notes(collected):
    """What the works are, and why a subject has no figure."""
    abouts, reasons = {}, {}
    for run in collected["runs"].values():
        for name, result in run.items():
            if name not in WORKS:
                continue
            if WORKS[name].about:
                abouts.setdefault(WORKS[name].about, []).append(name)
            for subject, reason in result["reasons"].items():
                reasons.setdefault((subject, reason), []).append(name)
    lines = [f"* {', '.join(dict.fromkeys(names))}: {about}" for about, names in abouts.items()]
    lines += [f"* without {subject}: {', '.join(dict.fromkeys(names))}: {reason}"
              for (subject, reason), names in reasons.items()]
    return "## What the works are\n\n" + "\n".join(lines)


def write_figures(collected):
    """Draws into docs/figures; gives (file relative to docs/, what it shows)."""
    return plots.draw(collected, ROOT / "docs" / "figures")


def write(text):
    """Replaces docs/performance.md."""
    PAGE.write_text(text)


def lost(collected):
    """The works that docs/performance.md tells and that are not among the figures, as "name, threads"."""
    runs, threads, told = collected["runs"], "", {}
    for text in PAGE.read_text().splitlines() if PAGE.exists() else ():
        if heading := re.match(r"## .*, (\d+) threads?\b", text):
            threads = heading[1]
        name = text[2:].partition(" |")[0] if text.startswith("| ") else ""
        if name in WORKS and name not in runs.get(threads, {}):
            told[f"{name}, {threads} thread{'s' if threads != '1' else ''}"] = None
    return list(told)
