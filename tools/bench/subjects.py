"""The frameworks under measurement, each in a worker process that answers one JSON line per question."""
import contextlib
import json
import os
import select
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent


class Kind:
    """How a framework is driven.

    Attributes
    ----------
    programs : str          module of the worker
    tuned : bool            not what its users get by default
    environment : dict      of its worker
    by_wish : bool          measured only where a call names it
    """

    def __init__(self, framework, programs, about, tuned=False, environment=None, by_wish=False):
        self.framework, self.programs, self.about = framework, programs, about
        self.tuned, self.environment, self.by_wish = tuned, environment or {}, by_wish


KINDS = {
    "thalweg": Kind("thalweg", "tf_programs", "this checkout, defaults"),
    "tensorflow": Kind("tensorflow", "tf_programs", "compat.v1 graphs and sessions, as the wheel decides on oneDNN"),
    "torch": Kind("torch", "torch_programs", "eager, NCHW memory"),
    "torch_compile": Kind("torch", "torch_programs", "torch.compile without options, compilation not timed"),
    "tensorflow_onednn": Kind("tensorflow", "tf_programs", "TF_ENABLE_ONEDNN_OPTS=1", True,
                              {"TF_ENABLE_ONEDNN_OPTS": "1"}),
    "tensorflow_plain": Kind("tensorflow", "tf_programs", "TF_ENABLE_ONEDNN_OPTS=0", True,
                             {"TF_ENABLE_ONEDNN_OPTS": "0"}),
    "torch_tuned": Kind("torch", "torch_programs", "eager, channels-last memory, fused optimizers", True),
    "torch_frozen": Kind("torch", "torch_programs", "torch.compile with freezing, channels-last memory; inference",
                         True),
    **{f"thalweg_{name}": Kind("thalweg", "tf_programs", f'ConfigProto(compute_type="{name}")', True,
                               {"BENCH_COMPUTE_TYPE": name}, by_wish=True) for name in ("float16", "bfloat16")},
}


class CannotMeasure(Exception):
    """A subject has no program for a work, or failed at it; the text says why."""


class Subject:
    """One worker process; started anew after it died.

    Attributes
    ----------
    version, details : str      of the framework; what it found on this machine
    """

    def __init__(self, name, python, threads, patience_s=300):
        self.name, self._python, self._threads, self._patience_s = name, python, threads, patience_s
        self._process = None
        self._start()

    def _start(self):
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONWARNINGS": "ignore",
                       "BENCH_SUBJECT": self.name, "BENCH_FRAMEWORK": KINDS[self.name].framework,
                       "BENCH_THREADS": str(self._threads), "THALWEG_NUM_THREADS": str(self._threads),
                       **KINDS[self.name].environment}
        self._complaints = tempfile.TemporaryFile("w+")
        self._process = subprocess.Popen([self._python, str(HERE / "worker.py")], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, stderr=self._complaints, text=True, env=environment)
        first = self._answer()
        self.version, self.details = first["version"], first["details"]

    def measure(self, work):
        """One figure."""
        return self._ask(work.program, work.arguments, work.name, work.seconds)

    def forget(self, work):
        """Lets the worker free what it keeps for a work; one too large to be shared takes its process along."""
        if work.alone:
            self.close()
        elif self._process is not None:
            self._ask("forget", {}, work.name)

    def _ask(self, program, arguments, key, seconds=0.0):
        if self._process is None:
            self._start()
        self._process.stdin.write(json.dumps({"program": program, "arguments": arguments, "key": key,
                                              "seconds": seconds}) + "\n")
        self._process.stdin.flush()
        answer = self._answer()
        if "error" in answer:
            raise CannotMeasure(answer["error"])
        return answer["figure"]

    def _answer(self):
        ready, _, _ = select.select([self._process.stdout], [], [], self._patience_s)
        line = self._process.stdout.readline() if ready else ""
        if line:
            return json.loads(line)
        self._process.kill()
        self._process.wait()
        self._process = None
        if not ready:
            raise CannotMeasure(f"took longer than {self._patience_s} s")
        self._complaints.seek(0)
        raise CannotMeasure(f"the worker died: {' '.join(self._complaints.read().split())[-300:]}")

    def close(self):
        if self._process is None:
            return
        self._process.stdin.close()
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._process = None


@contextlib.contextmanager
def started(names, peers_python, threads, patience_s=300):
    """The subjects that could be started; a tuned one that is the default on this machine is left out."""
    running = []
    try:
        for name in names:
            python = sys.executable if KINDS[name].framework == "thalweg" or peers_python is None else peers_python
            try:
                subject = Subject(name, python, threads, patience_s)
            except CannotMeasure as reason:
                print(f"{name} is left out: {reason}", file=sys.stderr)
                continue
            if _is_default(subject, running):
                subject.close()
                print(f"{name} is left out: it is the default here ({subject.details})", file=sys.stderr)
            else:
                running.append(subject)
        yield running
    finally:
        for subject in running:
            subject.close()


def _is_default(subject, running):
    return KINDS[subject.name].environment and any(
        s.details == subject.details and KINDS[s.name].framework == KINDS[subject.name].framework
        and not KINDS[s.name].tuned for s in running)
