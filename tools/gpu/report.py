"""docs/gpu.md: what a day on a card came to, beside what was asked."""
from musts import MOST_MEMORY, musts, ratio, reaches
from shares import SHARES
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
    for stage in SHARES:
        result = results.get(stage, {"passed": None})
        seconds = f"{result['seconds']:.0f}" if "seconds" in result else ""
        kept = f"of {result['date']}; " if result.get("date", str(date)) != str(date) else ""
        text += f"| {stage} | {_outcome(result)} | {seconds} | {kept}{_cell(_said(result))} |\n"
    return text + _parts(results) + _conformance(results.get("tests", {})) + _speed(results.get("speed", {}))


def verdicts(results):
    """Two sentences: whether all is right, and which of the figures that are asked were reached.

    A figure that is missed is no mistake, and a mistake is not made good by figures: neither changes the other's. What
    was not run, or not to its end, is neither right nor wrong, and is named.
    """
    outcomes = {stage: _outcome(results.get(stage, {"passed": None})) for stage in SHARES}
    wrong = [stage for stage, outcome in outcomes.items() if outcome == "FAILED"]
    unknown = [f"{stage} ({outcome})" for stage, outcome in outcomes.items() if outcome.startswith("not")]
    right = [f"**{word}**: {', '.join(names)}" for word, names in (("FAILED", wrong), ("not shown", unknown)) if names]
    return [f"Correctness: {'; '.join(right) or 'all stages passed'}.",
            f"Figures: {_figures(results.get('speed', {}).get('results', ()))}."]


def _outcome(result):
    if result["passed"] is None:
        return "not finished" if result.get("unfinished") else "not run"
    return "passed" if result["passed"] else "FAILED"


def _said(result):
    """What a stage has said, and what it has not come to."""
    words = [str(result["said"])] if result.get("said") else []
    if result.get("unfinished"):
        words.append(f"not finished: {', '.join(result['unfinished'])}")
    if result.get("compiled"):
        words.append(f"{result['compiled']} more kernels were compiled")
    return "; ".join(words)


def _parts(results):
    """What compute-sanitizer and the tests came to one by one, and the kernels that no row shows to the former."""
    rows = "".join(f"| {stage} | {part} | {_cell(outcome)} |\n" for stage in SHARES
                   for part, outcome in results.get(stage, {}).get("parts", {}).items())
    text = f"\n## Parts of stages\n\n| stage | part | |\n|---|---|---|\n{rows}" if rows else ""
    if without := results.get("sanitizer", {}).get("without_row"):
        text += "\nFamilies of kernels that no sanitized row has, so that the tests of the device alone run them: " \
                f"{', '.join(without)}.\n"
    return text


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
    levels = result.get("levels")
    if not levels:
        return ""
    rows = "".join(f"| {name} | {level['passed']} | {level['failed']} | {level['skipped']} |\n"
                   for name, level in sorted(levels.items()))
    return f"\n## Conformance\n\n| level | passed | failed | skipped |\n|---|---|---|---|\n{rows}"


def _speed(result):
    if not result.get("results"):
        return ""
    found = {one["name"]: one for one in result["results"]}
    text = "\n## Speed\n\n"
    if result.get("without_torch"):
        text += f"PyTorch was not measured: {result['without_torch']}.\n\n"
    text += f"thalweg {result['thalweg']}, PyTorch {result['torch']}.\n\n" \
            "| work | unit | thalweg | torch eager | torch.compile | copy | must | goal | |\n" \
            "|---|---|---|---|---|---|---|---|---|\n"
    text += "".join(_row(work, found.get(work.name, {})) for work in works())
    text += "\n| work | allocations after warm-up | peak memory, MB | torch eager, MB | ratio (at most " \
            f"{MOST_MEMORY}) |\n" \
            "|---|---|---|---|---|\n"
    return text + "".join(_memory_row(one) for one in result["results"] if "figures" in one)


def _row(work, found):
    if "figures" not in found:
        return f"| {work.name} | {work.unit} | {_cell(found.get('error', 'not finished'))} |\n"
    figures = {**found.get("goal_figures", {}), **found["figures"]}
    ratios = [ratio(work, found, peer) for peer in (work.peer, work.goal_peer)]
    reached = [reaches(work, value, figure) for value, figure in zip(ratios, (work.must, work.goal))]
    verdict = _verdict(*reached) + (f"; {_cell(found['error'])}" if "error" in found else "")
    numbers = [_number(figures.get(name)) for name in ("thalweg", "eager", "compile", "copy")]
    cells = [work.name, work.unit, *numbers, _asked(work, work.peer, work.must, ratios[0]),
             _asked(work, work.goal_peer, work.goal, ratios[1]), verdict]
    return "| " + " | ".join(map(str, cells)) + " |\n"


def _asked(work, peer, figure, ratio):
    """"1.04 of eager (1.0)": what was reached, and what was asked."""
    of = "" if work.unit == "us" else f" of {peer}"
    return f"{_number(ratio)}{of} ({figure})"


def _verdict(reaches_must, reaches_goal):
    """A word on both; None: not measured."""
    if reaches_must is None:
        return "no peer"
    return "missed" if not reaches_must else "goal" if reaches_goal else "must"


def _memory_row(found):
    ours, theirs = found["thalweg_bytes"], found.get("eager_bytes")
    cells = [found["name"], found["allocations_after_warm_up"], _number(ours / 1e6),
             _number(theirs and theirs / 1e6), _number(theirs and ours / theirs)]
    return "| " + " | ".join(map(str, cells)) + " |\n"


def _number(value):
    return "" if value is None else f"{value:,.3g}" if abs(value) < 100 else f"{value:,.0f}"
