"""docs/gpu.md: what a day on a card came to, beside what was asked."""
from musts import MOST_MEMORY, musts, ratio, reaches
from works import works

HEAD = """# On a GPU

Made by `tools/gpu_day` on {date}. A ratio compares medians of one run, in turns; above 1 thalweg is better.

| the card | |
|---|---|
{machine}
"""


def report(results, date, machine, rehearsed=False):
    """The page, from the results of `tools/gpu_day`'s stages and what the device tells about itself."""
    text = HEAD.format(date=date, machine="\n".join(f"| {key} | {value} |" for key, value in machine.items()))
    if rehearsed:
        text = text.replace("# On a GPU", "# A rehearsal: a processor plays the card, and no figure means anything")
    text += "\n" + "".join(f"* {line}\n" for line in verdicts(results))
    text += "\n## Stages\n\n| stage | outcome | seconds | |\n|---|---|---|---|\n"
    for stage, result in results.items():
        outcome = {True: "passed", False: "FAILED", None: "not run"}[result["passed"]]
        text += f"| {stage} | {outcome} | {result['seconds']:.0f} | {_cell(result.get('said', ''))} |\n"
    return text + _conformance(results.get("tests", {})) + _speed(results.get("speed", {}))


def verdicts(results):
    """Two sentences: whether all is right, and which of the figures that are asked were reached.

    A figure that is missed is no mistake, and a mistake is not made good by figures: neither changes the other's.
    """
    wrong, left_out = ([stage for stage, result in results.items() if result["passed"] is outcome]
                       for outcome in (False, None))
    right = f"**FAILED**: {', '.join(wrong)}" if wrong else "all that was run passed"
    if left_out:
        right += f"; not run: {', '.join(left_out)}"
    return [f"Correctness: {right}.", f"Figures: {_figures(results.get('speed', {}).get('results', ()))}."]


def _figures(found):
    """How many musts were reached, each that was missed, and how many were not measured."""
    asked = musts(found)
    missed = [f"{m.name} {_number(m.found)} ({m.asked})" for m in asked if m.reached is False]
    unknown = sum(m.reached is None for m in asked)
    if len(asked) == unknown:
        return "none was measured"
    text = f"{sum(m.reached is True for m in asked)} of {len(asked)} musts reached"
    return text + (f"; **missed**: {', '.join(missed)}" if missed else "") \
        + (f"; not measured: {unknown}" if unknown else "")


def _cell(value):
    return " ".join(str(value).split()).replace("|", "\\|")[:300]


def _conformance(result):
    levels = result.get("report", {}).get("levels", {})
    if not levels:
        return ""
    rows = "".join(f"| {name} | {level['passed']} | {level['failed']} | {level['skipped']} |\n"
                   for name, level in levels.items())
    return f"\n## Conformance\n\n| level | passed | failed | skipped |\n|---|---|---|---|\n{rows}"


def _speed(result):
    if not result.get("results"):
        return ""
    text = "\n## Speed\n\n"
    if result["without_torch"]:
        text += f"PyTorch was not measured: {result['without_torch']}.\n\n"
    text += f"thalweg {result['thalweg']}, PyTorch {result['torch']}.\n\n" \
            "| work | unit | thalweg | torch eager | torch.compile | copy | must | goal | |\n" \
            "|---|---|---|---|---|---|---|---|---|\n"
    asked = {work.name: work for work in works()}
    text += "".join(_row(asked[found["name"]], found) for found in result["results"])
    text += "\n| work | allocations after warm-up | peak memory, MB | torch eager, MB | ratio (at most " \
            f"{MOST_MEMORY}) |\n" \
            "|---|---|---|---|---|\n"
    return text + "".join(_memory_row(found) for found in result["results"] if "error" not in found)


def _row(work, found):
    if "error" in found:
        return f"| {work.name} | {work.unit} | {_cell(found['error'])} |\n"
    figures = found["figures"]
    ratios = [ratio(work, found, peer) for peer in (work.peer, work.goal_peer)]
    reached = [reaches(work, value, figure) for value, figure in zip(ratios, (work.must, work.goal))]
    verdict = "no peer" if None in reached else _verdict(*reached)
    numbers = [_number(figures.get(name)) for name in ("thalweg", "eager", "compile", "copy")]
    cells = [work.name, work.unit, *numbers, _asked(work, work.peer, work.must, ratios[0]),
             _asked(work, work.goal_peer, work.goal, ratios[1]), verdict]
    return "| " + " | ".join(map(str, cells)) + " |\n"


def _asked(work, peer, figure, ratio):
    """"1.04 of eager (1.0)": what was reached, and what was asked."""
    of = "" if work.unit == "us" else f" of {peer}"
    return f"{_number(ratio)}{of} ({figure})"


def _verdict(reaches_must, reaches_goal):
    return "goal" if reaches_goal else "must" if reaches_must else "missed"


def _memory_row(found):
    ours, theirs = found["thalweg_bytes"], found.get("eager_bytes")
    cells = [found["name"], found["allocations_after_warm_up"], _number(ours / 1e6),
             _number(theirs and theirs / 1e6), _number(theirs and ours / theirs)]
    return "| " + " | ".join(map(str, cells)) + " |\n"


def _number(value):
    return "" if value is None else f"{value:,.3g}" if abs(value) < 100 else f"{value:,.0f}"
