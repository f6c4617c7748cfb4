"""docs/gpu.md: what a day on a card came to, beside what was asked."""
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
    text += "\n## Stages\n\n| stage | outcome | seconds | |\n|---|---|---|---|\n"
    for stage, result in results.items():
        outcome = {True: "passed", False: "FAILED", None: "not run"}[result["passed"]]
        text += f"| {stage} | {outcome} | {result['seconds']:.0f} | {_cell(result.get('said', ''))} |\n"
    return text + _conformance(results.get("tests", {})) + _speed(results.get("speed", {}))


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
    text += "\n| work | allocations after warm-up | peak memory, MB | torch eager, MB | ratio (at most 1.1) |\n" \
            "|---|---|---|---|---|\n"
    return text + "".join(_memory_row(found) for found in result["results"] if "error" not in found)


def _row(work, found):
    if "error" in found:
        return f"| {work.name} | {work.unit} | {_cell(found['error'])} |\n"
    figures, ours = found["figures"], found["figures"]["thalweg"]
    if work.unit == "us":
        ratios, verdict = [ours, ours], _verdict(ours <= work.must, ours <= work.goal)
    elif work.peer in figures and work.goal_peer in figures:
        ratios = [ours / figures[work.peer], ours / figures[work.goal_peer]]
        verdict = _verdict(ratios[0] >= work.must, ratios[1] >= work.goal)
    else:
        ratios, verdict = [None, None], "no peer"
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
