"""The report of a conformance run: JSON, and a table of one page."""
import json
import pathlib
import platform
from collections import Counter

import numpy as np

from thalweg._version import __version__
from thalweg.devices.registry import REGISTRY

TITLES = ("load", "memory", "order", "kernels", "gradients", "graphs", "interop", "cost")
_OUTCOMES = ("passed", "failed", "xfailed", "skipped")


class Report:
    """Outcomes of tests by level, and what was measured.

    Attributes
    ----------
    unclaimed, deselected : set of int      levels with tests that no claim gives a case, or that -k left out
    """

    def __init__(self):
        self.device, self.outcomes, self.measured = {}, {}, {}
        self.unclaimed, self.deselected = set(), set()

    @property
    def is_empty(self):
        return not self.outcomes

    def about(self, kit):
        """Takes down which device this is about."""
        entry = next(e for e in REGISTRY.entries() if e.type == kit.device.type and e.devices)
        self.device = {"name": kit.device.name, "type": kit.device.type, "source": entry.source,
                       "version": entry.version, "build_tag": kit.device.build_tag,
                       "description": kit.device.describe(), "features": sorted(kit.caps.features)}
        self.measured = kit.measured

    def add(self, report):
        """Takes in a pytest report of a test that belongs to a level."""
        level = dict(report.user_properties).get("thalweg_level")
        if level is None or report.when != "call" and report.passed:
            return
        if hasattr(report, "wasxfail"):
            outcome, text = "xfailed", report.wasxfail
        elif report.skipped:
            text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
            outcome, text = "skipped", text.removeprefix("Skipped: ")
        else:
            outcome, text = report.outcome, _first_line(report) if report.failed else ""
        self.outcomes[report.nodeid] = {"level": level, "outcome": outcome, "text": text,
                                        "details": report.longreprtext if report.failed else ""}

    # --- results ------------------------------------------------------------------------------------

    def levels(self):
        """By level: counts of passed, failed, xfailed and skipped, and what percentage passed."""
        result = {}
        for level, title in enumerate(TITLES):
            counts = Counter(o["outcome"] for o in self.outcomes.values() if o["level"] == level)
            held = counts["passed"] + counts["failed"] + counts["xfailed"]
            result[f"L{level}"] = {"title": title, **{k: counts[k] for k in _OUTCOMES},
                                   "of": held, "percent": 100 * counts["passed"] / held if held else None}
        return result

    def summary(self):
        """One line: levels that are whole together, the others by count, "L0-L4 100 %, L5 9/11, L6 not claimed".

        A level of which nothing was run is "not run" where tests of it were left out, or never reached.
        """
        groups = []
        for number, (name, level) in enumerate(list(self.levels().items())[:-1]):            # L7 has no share
            left_out = number in self.deselected or not level["skipped"] and number not in self.unclaimed
            word = (f"{level['passed']}/{level['of']}" if level["passed"] != level["of"] else "100 %" if level["of"]
                    else "not run" if left_out else "not claimed")
            if groups and groups[-1][2] == word and "/" not in word:
                groups[-1][1] = name
            else:
                groups.append([name, name, word])
        return ", ".join(f"{a if a == b else f'{a}-{b}'} {word}" for a, b, word in groups)

    def table(self):
        """The page that a list of plugins may show."""
        device = self.device
        lines = [f"{device['name']} ({device['source']}), build {device['build_tag'] or 'unknown'}, "
                 f"thalweg {__version__}: {self.summary()}", "",
                 "| level | passed | failed | expected to fail | skipped |", "|---|---|---|---|---|"]
        for name, level in self.levels().items():
            lines.append(f"| {name} {level['title']} | {level['passed']} | {level['failed']} | {level['xfailed']} | "
                         f"{level['skipped']} |")
        lines += self._reasons()
        if self.measured:
            lines += ["", "| measured | |", "|---|---|"]
            lines += [f"| {name} | {value} |" for name, value in self.measured.items()]
        return "\n".join(lines) + "\n"

    def _reasons(self):
        """Why tests were skipped, expected to fail, or failed; equal reasons together."""
        groups = Counter((o["outcome"], f"L{o['level']}", o["text"]) for o in self.outcomes.values()
                         if o["outcome"] != "passed")
        lines = [f"* {level}, {count} {outcome}: {text}"
                 for (outcome, level, text), count in sorted(groups.items())]
        return ["", *lines] if lines else []

    def write(self, path):
        """Writes PATH as JSON, and the table beside it as PATH.md."""
        path = pathlib.Path(path)
        content = {"device": self.device, "summary": self.summary(), "levels": self.levels(),
                   "measured": self.measured, "thalweg": __version__, "numpy": np.__version__,
                   "python": platform.python_version(), "machine": f"{platform.system()} {platform.machine()}",
                   "tests": self.outcomes}
        path.write_text(json.dumps(content, indent=1) + "\n")
        path.with_name(path.name + ".md").write_text(self.table())


def _first_line(report):
    """What a failed test says first."""
    crash = getattr(report.longrepr, "reprcrash", None)
    return " ".join((crash.message if crash is not None else report.longreprtext).split())[:300]
