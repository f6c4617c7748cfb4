"""The frameworks under measurement, each in a worker process that answers one JSON line per question."""
import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


class CannotMeasure(Exception):
    """A subject has no program for a work, or failed at it; the text says why."""


class Subject:
    """One worker process."""

    def __init__(self, name, python, threads):
        self.name = name
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONWARNINGS": "ignore"}
        self._process = subprocess.Popen([python, str(HERE / "worker.py"), name, str(threads)], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
        first = self._process.stdout.readline()
        if not first:
            raise CannotMeasure(self._process.stderr.read().strip().splitlines()[-1:])
        self.version = json.loads(first)["version"]

    def measure(self, work):
        """One figure."""
        return self._ask({"program": work.program, "arguments": work.arguments, "key": work.name})

    def forget(self, work):
        """Lets the worker free what it keeps for a work."""
        self._ask({"program": "forget", "arguments": {}, "key": work.name})

    def _ask(self, question):
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise CannotMeasure(f"the worker of {self.name} died: {self._process.stderr.read()[-500:]}")
        answer = json.loads(answer)
        if "error" in answer:
            raise CannotMeasure(answer["error"])
        return answer["figure"]

    def close(self):
        self._process.stdin.close()
        self._process.wait(timeout=30)


@contextlib.contextmanager
def started(names, peers_python, threads):
    """The subjects that could be started."""
    running = []
    for name in names:
        python = sys.executable if name == "thalweg" or peers_python is None else peers_python
        try:
            running.append(Subject(name, python, threads))
        except CannotMeasure as reason:
            print(f"{name} is left out: {reason}", file=sys.stderr)
    try:
        yield running
    finally:
        for subject in running:
            subject.close()
