"""The stages of tools/gpu_day: what is run on the card, and what came of it."""
import functools
import json
import os
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import processes
import venvs
from building import compute_sanitizer
from processes import Failed, NotFinished
from works import works

SANITIZERS = ("memcheck", "racecheck", "initcheck")
# An error of the driver's is an exception of thalweg's, which some tests ask for: no finding.
SANITIZING = ["--error-exitcode", "9", "--target-processes", "all", "--report-api-errors", "no"]
GPU_TESTS = ["-m", "pytest", "-q", "packages/cuda/tests/gpu"]
SUITE = "thalweg.testing.suite"
# Of the conformance kit: these tell how long things take, or what memory holds, and want the card for themselves ...
ALONE = ["l0_load", "l1_memory", "l2_order", "l5_graphs", "l6_interop", "l7_cost"]
TABLES = ["l3_kernels", "l4_gradients"]  # ... and these are thousands of rows, each with kernels to be compiled
AT_ONCE = min(8, os.cpu_count())


class Stages:
    """What Day runs; `left` of each says how many seconds there are.

    Parameters
    ----------
    folder : Path           of the environment, the cache and the logs
    wheels : Path or None   where packages come from instead of the network
    rehearse : bool         the stand-ins of packages/cuda/tests play the card
    python : Path           runs the stages, once it is there
    """

    def __init__(self, folder, wheels, rehearse, python):
        self.folder, self.wheels, self.rehearse, self.python = folder, wheels, rehearse, python
        self.logs = folder / "logs"
        self.logs.mkdir(parents=True, exist_ok=True)
        self.environment = {**os.environ, "THALWEG_CACHE": str(folder / "cache"), "PYTHONUNBUFFERED": "1"}

    def build(self, left):
        """The environment, with everything built for the Python that runs this, on all processors."""
        wheels = ["--wheels", self.wheels] if self.wheels else []
        self._run("build", left(), sys.executable, "tools/gpu/building.py", self.folder, *wheels,
                  *(["--rehearse"] if self.rehearse else []))
        return {"passed": True}

    def kernels(self, left):
        """Images of all kernels in the cache that the other stages read, made on all processors."""
        output = self._run("kernels", left(), self.python, "tools/gpu/kernels.py", **self._played())
        return {"passed": True, "said": output.strip().splitlines()[-1]}

    def tests(self, left):
        """thalweg-cuda's tests that want a driver, and the conformance kit with the op tables, on the card."""
        before, played = self._images(), self._played()
        names = ["conformance", *(f"tables {k + 1}" for k in range(AT_ONCE))]
        reports = {name: self.folder / f"{name.replace(' ', '-')}.json" for name in names}
        for path in reports.values():
            path.unlink(missing_ok=True)

        def kit(name, seconds, modules, k=0, n=1):
            return self._part(name, seconds, self.python, "-m", "pytest", "-q", "-p", "thalweg.testing.plugin",
                              "-p", "part", "--part", f"{k}/{n}", "--thalweg-device=cuda",
                              "--thalweg-caps=packages/cuda/src/thalweg_cuda/caps.toml",
                              f"--thalweg-report={reports[name]}", "--pyargs", *(f"{SUITE}.test_{m}" for m in modules),
                              **played, PYTHONPATH=os.pathsep.join([str(Path(__file__).parent), *self._paths()]))
        parts = {"tests": self._part("tests", left(3), self.python, *GPU_TESTS, **played),
                 "conformance": kit("conformance", left(2), ALONE)}
        seconds = left()
        parts |= _at_once({name: lambda k=k, name=name: kit(name, seconds, TABLES, k, AT_ONCE)
                           for k, name in enumerate(names[1:])})
        return {**_summed(parts), "levels": levels(path for path in reports.values() if path.exists()),
                "compiled": self._images() - before}

    def speed(self, left):
        """The works of tools/gpu/works.py, against PyTorch where it is there; those that came, if the time is up."""
        small = ["--small", "--rounds", "1", "--seconds", "0.01"] if self.rehearse else ["--seconds", "0.5"]
        try:
            output = self._run("speed", left(), self.python, "tools/gpu/speed.py", *small, **self._played())
            is_done = True
        except NotFinished as error:
            output, is_done = error.output, False
        return speed_result(output, is_done)

    def sanitizer(self, left):
        """compute-sanitizer over a row of the op tables for each family of kernels, then over the tests of the device.

        A rehearsal runs the rows without it: the processor that plays the card finds what it finds on its own.
        """
        rows = "tools/gpu/sanitized.py"
        if self.rehearse:
            told = rows_result(self._run("rows", left(), self.python, rows, **self._played()))
            return {"passed": True, **told, "said": f"{told['said']} on the stand-in, without compute-sanitizer"}
        tool = compute_sanitizer(self.python)
        if tool is None:
            return {"passed": None, "said": "compute-sanitizer is neither on this machine nor among the wheels: "
                                            "pip download nvidia-cuda-sanitizer-api"}
        parts = {}
        for k, (what, program) in enumerate((("rows", [rows]), ("tests", [*GPU_TESTS, "-x"]))):
            seconds = left(2 - k)
            parts |= _at_once({f"{check} of {what}": functools.partial(       # most of the time is the host's
                self._part, f"{check} of {what}", seconds, tool, "--tool", check, *SANITIZING, self.python,
                *program) for check in SANITIZERS})
        logs = [self.logs / f"{check}-of-rows.txt" for check in SANITIZERS if parts[f"{check} of rows"] == "passed"]
        return {**_summed(parts), **(rows_result(logs[0].read_text()) if logs else {})}

    def machine(self):
        """What the device tells about itself; {} where there is none yet."""
        code = "import json; from thalweg import devices; print(json.dumps(devices.find_device('CUDA')[0].describe()))"
        try:
            output = self._run("machine", 20, self.python, "-c", code, **self._played())
            return json.loads(output.strip().splitlines()[-1])
        except (OSError, Failed, NotFinished, ValueError) as error:
            print(f"    the device told nothing about itself: {str(error)[-300:]}", flush=True)
            return {}

    # --- commands ------------------------------------------------------------------------------------

    def _run(self, name, seconds, *command, **more):
        return processes.run(command, self.logs / f"{name.replace(' ', '-')}.txt", seconds, cwd=venvs.ROOT,
                             env={**self.environment, **more})

    def _part(self, name, seconds, *command, **more):
        """"passed", or why not, in a word and the end of what was printed."""
        try:
            self._run(name, seconds, *command, **more)
        except NotFinished as error:
            return str(error)
        except Failed as error:
            return f"FAILED: {error}"
        return "passed"

    def _played(self):
        """The environment in which the stand-ins of packages/cuda/tests play the card."""
        if not self.rehearse:
            return {}
        made = self._run("standin", 600, self.python, "packages/cuda/tests/standin/environment.py")
        return {**json.loads(made), "THALWEG_STANDIN_DEVICES": "2"}  # as its tests want where they are played

    def _paths(self):
        return [path for path in [self.environment.get("PYTHONPATH")] if path]

    def _images(self):
        """How many files the cache of images has."""
        folder = Path(self.environment["THALWEG_CACHE"], "cuda")
        return len(list(folder.iterdir())) if folder.exists() else 0


def _at_once(calls):
    """What each of some calls gives, made side by side: {name: result}."""
    with ThreadPoolExecutor(len(calls)) as pool:
        return dict(zip(calls, pool.map(lambda call: call(), calls.values())))


def levels(paths):
    """The counts of the conformance kit by level, over the reports of all its parts."""
    counts = {}
    for path in paths:
        for name, level in json.loads(path.read_text())["levels"].items():
            counts.setdefault(name, Counter()).update({k: level[k] for k in ("passed", "failed", "skipped")})
    return counts


def speed_result(output, is_done):
    """A stage's result from the lines that tools/gpu/speed.py has printed, whole or not."""
    lines = [json.loads(line) for line in output.splitlines() if line.startswith("{") and line.endswith("}")]
    about, found = next((line for line in lines if "without_torch" in line), None), {}
    for line in lines:
        if "name" in line:
            found[line["name"]] = {**found.get(line["name"], {}), **line}
    missing = [] if is_done else [work.name for work in works() if "done" not in found.get(work.name, {})]
    failed = any("error" in result for result in found.values())
    return {"passed": False if failed or (is_done and not found) else None if missing else True, "unfinished": missing,
            **(about or {}), "results": list(found.values())}


def rows_result(output):
    """What tools/gpu/sanitized.py has printed last."""
    told = json.loads(output.strip().splitlines()[-1])
    return {"said": f"{told['rows']} rows", "without_row": told["without_row"]}


def _summed(parts):
    """A stage's result from those of its parts."""
    failed = any(outcome.startswith("FAILED") for outcome in parts.values())
    missing = [name for name, outcome in parts.items() if outcome.startswith("not finished")]
    return {"passed": False if failed else None if missing else True, "unfinished": missing, "parts": parts}
