"""Processes that begin as if new, for the price of a fork: one has imported thalweg, and forks a child per call.

`Nursery.call("module:function", *arguments)` runs a function of a module in this folder in such a child and gives what
came of it: its value, the exception, or the signal that killed it, with the seconds and the memory that it took.
"""
import contextlib
import importlib
import json
import os
import resource
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))


class Outcome:
    """What came of a call.

    Attributes
    ----------
    status : int            0; an exit status; or minus the signal that ended the process
    value                   what the function gave, as JSON keeps it
    error : str or None     "module.Class: message" of the exception that it raised
    family : list of str    names of the exception's classes
    seconds, mbytes : float     what it took: processor time, and the peak of resident memory above the beginning's
    """

    def __init__(self, status=0, value=None, error=None, family=(), seconds=0.0, mbytes=0.0):
        self.status, self.value, self.error, self.family = status, value, error, list(family)
        self.seconds, self.mbytes = seconds, mbytes

    def __repr__(self):
        return f"Outcome({vars(self)})"

    @property
    def is_killed(self):
        return self.status == -signal.SIGKILL

    def result(self):
        """The value; AssertionError when the function has not returned."""
        assert self.status == 0 and self.error is None, f"ended with {self.status}: {self.error}"
        return self.value


class Nursery:
    """The process that forks; use as a context.

    Parameters
    ----------
    modules : names of the modules in this folder that are imported before the first call; their function `prepare`,
        if there is one, runs then
    preload : str           a library for LD_PRELOAD
    """

    def __init__(self, *modules, preload=None):
        # no threads: they do not survive a fork
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "THALWEG_NUM_THREADS": "1",
                       "PYTHONDONTWRITEBYTECODE": "1", **({"LD_PRELOAD": preload} if preload else {})}
        # -c, and the path as an argument: python would put this folder before the standard library for a script
        self._process = subprocess.Popen([sys.executable, "-c", "import sys; sys.path.append(sys.argv.pop(1)); "
                                          "import fresh; fresh.serve(sys.argv[1:])", HERE, *modules],
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()

    def call(self, function, *arguments, timeout_s=60.0):
        """Runs `function(*arguments)` in a new child and waits for it; after `timeout_s` of work it is killed.

        Work is processor time, so that a busy machine changes nothing; one that only waits has ten times as long.
        """
        question = {"function": function, "arguments": arguments, "timeout_s": timeout_s}
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the nursery has died"
        return Outcome(**json.loads(line))


# --- in the process that forks -----------------------------------------------------------------------

def serve(modules):
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)                                    # what a child prints is no answer
    for module in modules:
        prepare = getattr(importlib.import_module(module), "prepare", None)
        if prepare is not None:
            prepare()
    for line in sys.stdin:
        answers.write(json.dumps(_in_child(**json.loads(line))) + "\n")
        answers.flush()


def _in_child(function, arguments, timeout_s):
    module, name = function.split(":")
    function = getattr(importlib.import_module(module), name)
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        _run(function, arguments, writing, timeout_s)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read()                         # until the child ends
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return {**(json.loads(answer) if answer else {}), "status": status}


def _run(function, arguments, writing, timeout_s):
    signal.setitimer(signal.ITIMER_PROF, timeout_s)                     # their default actions end the process
    signal.setitimer(signal.ITIMER_REAL, 10 * timeout_s)
    before, start = _resident_mb(), time.process_time()
    answer = {}
    try:
        answer["value"] = function(*arguments)
    except BaseException as error:
        kind = type(error)
        answer["error"] = f"{kind.__module__}.{kind.__qualname__}: {str(error)[:2000]}"
        answer["family"] = [f"{base.__module__}.{base.__qualname__}" for base in kind.__mro__]
    answer["seconds"] = time.process_time() - start
    answer["mbytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before
    with contextlib.suppress(BaseException), os.fdopen(writing, "w") as pipe:
        pipe.write(json.dumps(answer))
    os._exit(0)


def _resident_mb():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20
