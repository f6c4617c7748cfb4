"""Plots of raw figures, where matplotlib is installed; the tables stand without them."""
import statistics
import sys

import kernels
from ratios import DEFAULTS, TUNED, class_ratios
from works import WORKS


def draw(collected, folder):
    """Writes SVG files; gives (file relative to docs/, what it shows)."""
    try:
        import matplotlib
    except ImportError:
        print("no plots: matplotlib is not installed here", file=sys.stderr)
        return []
    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "thalweg"          # the same figures give the same file
    run = collected["runs"].get("2") or next(iter(collected["runs"].values()), {})
    folder.mkdir(parents=True, exist_ok=True)
    return [found for plot in (_networks, _kernels, _growth) if (found := plot(run, folder))]


def _save(figure, folder, name, about):
    import matplotlib.pyplot as plt
    figure.tight_layout()
    figure.savefig(folder / name, metadata={"Date": None})
    plt.close(figure)
    return f"{folder.name}/{name}", about


def _networks(run, folder):
    """Each network's medians, thalweg's being 1."""
    import matplotlib.pyplot as plt
    rows = [n for n in run if n in WORKS and WORKS[n].theme in ("inference", "training")
            and "thalweg" in run[n]["figures"]]
    if not rows:
        return None
    names = ["thalweg", *[s for s in (*DEFAULTS, *TUNED) if any(s in run[n]["figures"] for n in rows)]]
    figure, axes = plt.subplots(figsize=(8, 1 + 0.06 * len(rows) * len(names)))
    for i, subject in enumerate(names):
        at = [r + (i - len(names) / 2) / (len(names) + 1) for r in range(len(rows))]
        medians = [statistics.median(run[n]["figures"].get(subject, [0])) for n in rows]
        own = [statistics.median(run[n]["figures"]["thalweg"]) for n in rows]
        axes.barh(at, [m / o for m, o in zip(medians, own)], 1 / (len(names) + 1), label=subject)
    axes.set_yticks(range(len(rows)), rows)
    axes.invert_yaxis()
    axes.set_xlabel("images/s, thalweg = 1")
    axes.legend()
    return _save(figure, folder, "networks.svg", "networks beside their peers")


def _kernels(run, folder):
    """Ratios of each class, a dot per shape, with the study's expectations."""
    import matplotlib.pyplot as plt
    rows = [(kind, list(class_ratios(kind, run).values())) for kind in kernels.CLASSES]
    rows = [(kind, ratios) for kind, ratios in rows if ratios]
    if not rows:
        return None
    figure, axes = plt.subplots(figsize=(8, 1 + 0.28 * len(rows)))
    for at, (kind, ratios) in enumerate(rows):
        axes.plot(ratios, [at] * len(ratios), "o", color="tab:blue", markersize=4, label=None if at else "a shape")
        for value, mark, word in ((kind.realistic, "|", "realistic"), (kind.stretch, ">", "stretch")):
            if value is not None:
                axes.plot([value], [at], mark, color="tab:red", markersize=9, label=None if at else word)
    axes.axvline(1, color="gray", linewidth=1)
    axes.set_xscale("log")
    axes.set_yticks(range(len(rows)), [kind.name for kind, _ in rows])
    axes.invert_yaxis()
    axes.set_xlabel("ratio to the best default peer")
    axes.legend()
    return _save(figure, folder, "kernels.svg", "kernel classes: ratio to the best default peer")


def _growth(run, folder):
    """Time of a step against batch, side and depth."""
    import matplotlib.pyplot as plt
    series = {}
    for name, result in run.items():
        if name in WORKS and WORKS[name].series:
            what, at = WORKS[name].series
            for subject, values in result["figures"].items():
                series.setdefault(what, {}).setdefault(subject, []).append((at, statistics.median(values)))
    if not series:
        return None
    figure, panels = plt.subplots(1, len(series), figsize=(4 * len(series), 3.5), squeeze=False)
    for axes, (what, lines) in zip(panels[0], series.items()):
        for subject, points in lines.items():
            axes.loglog(*zip(*sorted(points)), marker="o", markersize=3, label=subject)
        axes.set_xlabel(what)
        axes.set_ylabel("ms a step")
    panels[0][0].legend(fontsize="small")
    return _save(figure, folder, "growth.svg", "time of a step against batch, side of the images and depth")
