"""The worker side of `tools/bench`: runs in the subject's own interpreter, reads questions from stdin."""
import json
import os
import subprocess
import sys
import time

NAME, THREADS = sys.argv[1], int(sys.argv[2])
MODULE = {"thalweg": "thalweg", "tensorflow": "tensorflow", "torch": "torch"}[NAME]
os.environ["THALWEG_NUM_THREADS"] = str(THREADS)
SECONDS = 1.0                            # least time of one measurement


def main():
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)                        # what a framework prints is no answer
    try:
        programs = _programs()
    except ImportError as error:
        print(error, file=sys.stderr)
        return
    _send(answers, {"version": programs.VERSION})
    kept = {}
    for line in sys.stdin:
        question = json.loads(line)
        try:
            _send(answers, {"figure": _answer(programs, kept, **question)})
        except Exception as error:       # the harness reports it as this subject's reason
            _send(answers, {"error": f"{type(error).__name__}: {error}"})


def _send(stream, message):
    stream.write(json.dumps(message) + "\n")
    stream.flush()


def _programs():
    if NAME == "torch":
        import torch_programs
        return torch_programs
    import tf_programs
    return tf_programs


def _answer(programs, kept, program, arguments, key):
    if program == "forget":
        kept.pop(key, None)
        return None
    if program in OWN:
        return OWN[program](**arguments)
    if program == "build_nodes":
        return programs.build_nodes(**arguments)
    if key not in kept:
        kept[key] = getattr(programs, program)(**arguments)
        step, _, _ = kept[key]
        for _ in range(3):
            step()
    step, per_step, unit_seconds = kept[key]
    seconds = _seconds_per_call(step)
    return per_step / seconds if unit_seconds is None else seconds / unit_seconds


def _seconds_per_call(step):
    count, elapsed = 1, 0.0
    while True:
        start = time.perf_counter()
        for _ in range(count):
            step()
        elapsed = time.perf_counter() - start
        if elapsed >= SECONDS:
            return elapsed / count
        count = max(count * 2, int(count * 1.2 * SECONDS / max(elapsed, 1e-6)))


def import_time():
    """Seconds from the start of an interpreter to the module's import, less an empty interpreter's; best of 3."""
    def best(code):
        times = []
        for _ in range(3):
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
            times.append(time.perf_counter() - start)
        return min(times)
    return best(f"import {MODULE}") - best("pass")


def install_size():
    """MB of what the subject installs: thalweg's package folders (an editable checkout counts as its wheels would),
    of the peers their distributions with those that they bring for themselves."""
    if NAME == "thalweg":
        from importlib.util import find_spec
        folders = [os.path.dirname(find_spec(name).origin) for name in ("thalweg", "thalweg_nn", "thalweg_io")]
        files = [os.path.join(top, f) for folder in folders for top, _, names in os.walk(folder) for f in names
                 if not f.endswith((".pyc", ".c", ".pyx", ".o")) and f"{os.sep}c{os.sep}" not in top + os.sep]
        return sum(os.path.getsize(f) for f in files) / 1e6
    from importlib import metadata
    names = {"torch": ["torch"], "tensorflow": ["tensorflow", "tensorflow-cpu", "keras", "tensorboard", "grpcio",
                                                "h5py", "ml_dtypes", "libclang", "protobuf"]}[NAME]
    total = 0
    for name in names:
        try:
            files = metadata.files(name) or []
        except metadata.PackageNotFoundError:
            continue
        total += sum(f.locate().stat().st_size for f in files if f.locate().exists())
    return total / 1e6


def peak_memory(of, **arguments):
    """MB of peak resident memory of a new process that runs three steps."""
    code = (f"import sys; sys.argv = [sys.argv[0], {NAME!r}, {str(THREADS)!r}]\n"
            f"sys.path.insert(0, {os.path.dirname(os.path.abspath(__file__))!r})\n"
            f"import worker, resource\n"
            f"step = getattr(worker._programs(), {of!r})(**{arguments!r})[0]\n"
            "for _ in range(3): step()\n"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)\n")
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return float(done.stdout.strip().splitlines()[-1])


OWN = {"import_time": import_time, "install_size": install_size, "peak_memory": peak_memory}

if __name__ == "__main__":
    main()
