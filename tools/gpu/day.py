"""The order of a day: which stage may take how long, what is kept of each, and the page that is written after each."""
import datetime
import hashlib
import json
import time

import venvs
from processes import Failed, NotFinished
from report import report, verdicts
from shares import SECONDS, SHARES

_SOURCES = {".py", ".pyx", ".pxd", ".c", ".h", ".toml", ".txt", ""}      # "": the commands in tools/


class Day:
    """A run of some stages.

    Parameters
    ----------
    stages : object         has a method per stage: `left` -> {"passed": bool or None, ...}; None: not run, or not
                            finished where "unfinished" names what. `left(parts)` tells the seconds that the next of
                            so many parts may take
    folder : Path           where results are kept
    page : Path             is written where all stages have a result, else folder / "gpu.md"; not by a rehearsal
    seconds : float         of all that is asked for
    """

    def __init__(self, stages, folder, page, rehearsed=False, seconds=SECONDS):
        self.stages, self.folder, self.page, self.rehearsed, self.seconds = stages, folder, page, rehearsed, seconds
        self.machine, self.sources = None, sources()
        self.kept = folder / ("rehearsal.json" if rehearsed else "results.json")

    def run(self, names):
        """Runs stages by name, in this order; {stage: result} of them."""
        self.results, self.all_asked = {} if set(names) == set(SHARES) else self._kept(), set(names) == set(SHARES)
        for name in names:
            self.results.pop(name, None)
        start, spent, shares = time.monotonic(), 0, sum(SHARES[name] for name in names)
        self.write()
        for name in names:
            spent += SHARES[name]
            self._run(name, start + self.seconds * spent / shares)
            if self.machine is None:     # after the first stage, which may have built what it takes to ask
                self.machine = self.stages.machine()
            self.write()
        return {name: self.results[name] for name in names}

    def _run(self, name, deadline):
        print(f"--- {name}", flush=True)
        begun = time.monotonic()

        def left(parts=1):
            return max(1.0, deadline - time.monotonic()) / parts
        try:
            result = getattr(self.stages, name)(left)
        except NotFinished as error:
            result = {"passed": None, "unfinished": [name], "said": str(error)}
        except (OSError, Failed, ValueError) as error:
            result = {"passed": False, "said": str(error)}
        self.results[name] = {**result, "seconds": time.monotonic() - begun,
                              "date": datetime.date.today().isoformat()}
        print(f"    {result}"[:2000], flush=True)

    def _kept(self):
        """Results of earlier runs of the same sources."""
        try:
            kept = json.loads(self.kept.read_text())
        except FileNotFoundError:
            return {}
        return kept["stages"] if kept["sources"] == self.sources else {}

    def write(self):
        """Keeps the results, and writes the page. A page of all stages is not replaced by one of some."""
        fresh = self.kept.with_suffix(".new")
        fresh.write_text(json.dumps({"sources": self.sources, "stages": self.results}, indent=1))
        fresh.replace(self.kept)
        text = report(self.results, datetime.date.today(), self.machine or {}, self.rehearsed)
        is_whole = self.all_asked or set(self.results) == set(SHARES)
        self.written = self.folder / "rehearsal.md" if self.rehearsed else self.page if is_whole \
            else self.folder / "gpu.md"
        self.written.write_text(text)
        return text

    def verdicts(self):
        """The two sentences of the page's head."""
        return verdicts(self.results)


def status(results):
    """0: all passed; 1: something failed; 2: nothing failed, but something was not run or not finished."""
    outcomes = {result["passed"] for result in results.values()}
    return 1 if False in outcomes else 2 if None in outcomes else 0


def sources(root=venvs.ROOT):
    """A short hash of what is built, tested and measured, whether or not git is there to tell of it."""
    hasher = hashlib.sha256()
    for folder in ("packages", "tools"):
        for path in sorted((root / folder).rglob("*")):
            inside = path.relative_to(root)
            if path.suffix in _SOURCES and path.is_file() and not {"build", "__pycache__"} & set(inside.parts) \
                    and not any(part.endswith(".egg-info") for part in inside.parts):
                hasher.update(f"{inside}\0".encode() + path.read_bytes())
    return hasher.hexdigest()[:12]
