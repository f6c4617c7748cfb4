"""The worker side of `tools/bench`: runs in the subject's own interpreter, reads questions from stdin."""
import gc
import importlib
import json
import os
import subprocess
import sys
import time

from subjects import KINDS

NAME = os.environ["BENCH_SUBJECT"]
FRAMEWORK = os.environ["BENCH_FRAMEWORK"]
WARM_STEPS, WARM_SECONDS = 3, 3.0        # after the first step, which may compile


def main():
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)                        # what a framework prints is no answer
    try:
        programs = _programs()
    except ImportError as error:
        print(error, file=sys.stderr)
        return
    _send(answers, {"version": programs.VERSION, "details": _details()})
    kept = {}
    for line in sys.stdin:
        question = json.loads(line)
        try:
            _send(answers, {"figure": _answer(programs, kept, **question)})
        except Exception as error:       # the harness reports it as this subject's reason
            _send(answers, {"error": f"{type(error).__name__}: {str(error)[:300]}"})


def _send(stream, message):
    stream.write(json.dumps(message) + "\n")
    stream.flush()


def _programs():
    return importlib.import_module(KINDS[NAME].programs)


def _details():
    """What the framework found on this machine."""
    if FRAMEWORK == "thalweg":
        from thalweg.cpu.device import isa
        return f"instruction set {isa()} {os.environ.get('BENCH_COMPUTE_TYPE', '')}".rstrip()
    if FRAMEWORK == "torch":
        import torch
        return f"instruction set {torch.backends.cpu.get_cpu_capability()}"
    try:
        from tensorflow.python.util import _pywrap_util_port
        return f"oneDNN {'on' if _pywrap_util_port.IsMklEnabled() else 'off'}"
    except ImportError:                  # TensorFlow 1.x
        return "oneDNN unknown"


def _answer(programs, kept, program, arguments, key, seconds):
    if program == "forget":
        kept.pop(key, None)
        gc.collect()
        return None
    if program in OWN:
        return OWN[program](**arguments)
    if program in MEASURE_THEMSELVES:
        return getattr(programs, program)(**arguments)
    if key not in kept:
        kept[key] = getattr(programs, program)(**arguments)
        _warm(kept[key][0])
    step, per_step, unit_seconds = kept[key]
    elapsed = _seconds_per_call(step, seconds)
    return per_step / elapsed if unit_seconds is None else elapsed / unit_seconds


def _warm(step):
    step()
    start = time.perf_counter()
    for _ in range(WARM_STEPS):
        step()
        if time.perf_counter() - start > WARM_SECONDS:
            return


def _seconds_per_call(step, seconds):
    """Of a loop that takes at least `seconds`. A call that does not count, and the shorter loops that find its length,
    bring caches, clocks and pages back after the other subjects' turns."""
    step()
    count = 1
    while True:
        start = time.perf_counter()
        for _ in range(count):
            step()
        elapsed = time.perf_counter() - start
        if elapsed >= seconds:
            return elapsed / count
        count = max(count * 2, int(count * 1.2 * seconds / max(elapsed, 1e-6)))


def import_time():
    """Seconds from the start of an interpreter to the module's import, less an empty interpreter's; best of 3."""
    def best(code):
        times = []
        for _ in range(3):
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
            times.append(time.perf_counter() - start)
        return min(times)
    return best(f"import {FRAMEWORK}") - best("pass")


def install_size():
    """MB of the subject's distributions and of all that they require, NumPy apart. An editable checkout of thalweg
    counts as its wheels would."""
    from importlib import metadata
    if FRAMEWORK == "thalweg":
        files, needed = thalweg_files(), requirements(["thalweg-core", "thalweg-nn", "thalweg-io"])
        names = [name for name in needed if not name.startswith("thalweg")]
    else:
        files, names = [], requirements({"torch": ["torch"],
                                         "tensorflow": ["tensorflow", "tensorflow-cpu"]}[FRAMEWORK])
    files += [f.locate() for name in names for f in metadata.files(name) or ()]
    return sum(os.path.getsize(f) for f in files if os.path.exists(f)) / 1e6


def thalweg_files():
    """What wheels of the three packages hold, in their folders."""
    from importlib.util import find_spec
    folders = [os.path.dirname(find_spec(name).origin) for name in ("thalweg", "thalweg_nn", "thalweg_io")]
    return [os.path.join(top, f) for folder in folders for top, _, names in os.walk(folder) for f in names
            if not f.endswith((".pyc", ".c", ".pyx", ".o")) and f"{os.sep}c{os.sep}" not in top + os.sep]


def requirements(names):
    """These distributions and what they require without extras, as far as it is installed, but for NumPy."""
    import re
    from importlib import metadata
    found, left = [], list(names)
    while left:
        name = re.sub("[-_.]+", "-", left.pop()).lower()
        try:
            needed = metadata.requires(name) or ()
        except metadata.PackageNotFoundError:
            continue
        if name not in (*found, "numpy"):
            found.append(name)
            left += [re.match(r"[\w.-]+", text)[0] for text in needed if not re.search(r"extra\s*==", text)]
    return found


def peak_memory(of, program="network", **arguments):
    """MB of peak resident memory of a new process that runs three steps of network `of`, or of the program `of`."""
    call = f"{program}({of!r}, **{arguments!r})" if program else f"{of}(**{arguments!r})"
    code = (f"import sys; sys.path.insert(0, {os.path.dirname(os.path.abspath(__file__))!r})\n"
            f"import worker\n"
            f"step = worker._programs().{call}[0]\n"
            "for _ in range(3): step()\n"
            "print(worker.own_peak_mb())\n")
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return float(done.stdout.strip().splitlines()[-1])


def own_peak_mb():
    """Peak resident MB of this process since its program began: getrusage would count what its parent had."""
    with open("/proc/self/status") as status:
        return next(int(text.split()[1]) for text in status if text.startswith("VmHWM")) / 1024


MEASURE_THEMSELVES = ("build_nodes", "input_bound", "io_save", "io_restore", "io_records_write",
                      "io_records_read")                 # programs that give the figure
OWN = {"import_time": import_time, "install_size": install_size, "peak_memory": peak_memory}

if __name__ == "__main__":
    main()
