"""How busy the machine is with other things: figures of a busy machine mislead (a peer that spins suffers most)."""
import time
from pathlib import Path

SAMPLE_S = 0.2               # also lets the threads of the subject before stop spinning


def others():
    """Share of the processors, 0 to 1, that is in use while all subjects wait; None where the system does not tell."""
    before = _ticks()
    time.sleep(SAMPLE_S)
    after = _ticks()
    if before is None or after[1] == before[1]:
        return None
    return 1 - (after[0] - before[0]) / (after[1] - before[1])


def _ticks():
    """(idle, all) since the start of the machine."""
    try:
        ticks = [int(n) for n in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    except OSError:
        return None
    return ticks[3] + ticks[4], sum(ticks)


def wait(limit, patience_s=60):
    """Waits until others use less than `limit` of the processors, for `patience_s` at most; gives their share."""
    end = time.monotonic() + patience_s
    while True:
        share = others()
        if share is None or share < limit or time.monotonic() > end:
            return share
