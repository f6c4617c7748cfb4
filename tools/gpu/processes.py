"""Commands, each in a process group of its own: what it has started ends with it, and nothing more holds a card."""
import contextlib
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

_running, _lock = set(), threading.Lock()


class NotFinished(Exception):
    """A command was killed when its time was up.

    Attributes
    ----------
    output : str        what it had printed
    """

    def __init__(self, output):
        super().__init__(f"not finished: ...{output[-300:]}" if output else "not finished")
        self.output = output


class Failed(Exception):
    """A command ended with another status than 0; `output` is what it had printed."""

    def __init__(self, command, status, output):
        super().__init__(f"{command[0]} ended with status {status}: ...{output[-1500:]}")
        self.output = output


def run(command, log, seconds, **options):
    """What a command printed, errors too; the file `log` has it as it comes.

    Raises
    ------
    NotFinished     after `seconds`
    Failed          for a status that is not 0
    """
    command = [str(part) for part in command]
    with open(log, "wb") as file:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
                                   start_new_session=True, **options)
    with _lock:
        _running.add(process)
    try:
        is_done = _has_ended(process, seconds)
    finally:
        _end(process)
    output = Path(log).read_text(errors="replace")
    if not is_done:
        raise NotFinished(output)
    if process.returncode:
        raise Failed(command, process.returncode, output)
    return output


def end_all():
    """Kills what runs, in whatever thread it was started."""
    with _lock:
        left = list(_running)
    for process in left:
        _kill(process)


def _has_ended(process, seconds):
    """Waits, and leaves the process as it is: while nobody asks for its status, its number is no other group's."""
    end = time.monotonic() + seconds
    while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def _end(process):
    _kill(process)
    process.wait()
    with _lock:
        _running.discard(process)


def _kill(process):
    with contextlib.suppress(ProcessLookupError):        # all of the group have gone
        os.killpg(process.pid, signal.SIGKILL)
