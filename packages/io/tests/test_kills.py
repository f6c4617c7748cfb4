"""`Saver.save` killed, broken or cut off at any moment: the newest checkpoint stays, and the next save cleans up.

After each event a new process looks (`saving.found_and_gone_on`). Kills are SIGKILLs at every call that changes the
folder, sent by a small library that is built here; random ones come from outside. `tox -e crash` draws more of them.
"""
import errno
import os
import random
import shutil
import subprocess
from pathlib import Path

import fresh
import pytest
import saving

SUPPORT = Path(__file__).parent / "support"
KILLS = int(os.environ.get("THALWEG_CRASH_KILLS", 200))                  # random ones, over all modes
POWER_CUTS = int(os.environ.get("THALWEG_CRASH_POWER_CUTS", 1))          # rounds: each draws other torn states
FEW = list(saving.MODES) if "THALWEG_CRASH_ALL" in os.environ else ["keep1", "sharded"]
BEFORE = 4                                                               # saves that had returned


@pytest.fixture(scope="module")
def nursery():
    with fresh.Nursery("saving") as nursery:
        yield nursery


@pytest.fixture(scope="module")
def killer(tmp_path_factory):
    """A nursery whose children can be told at which call they are killed."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler to build the library that kills")
    library = str(tmp_path_factory.mktemp("killer") / "killer.so")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, str(SUPPORT / "killer.c"), "-ldl"], check=True)
    with fresh.Nursery("saving", preload=library) as nursery:
        yield nursery


class Folder:
    """A folder with four saves of a mode in it, as often as needed, and files of others beside them."""

    def __init__(self, nursery, mode, place):
        self.nursery, self.mode, self.path, self._copy = nursery, mode, str(place / "f"), str(place / "copy")
        os.mkdir(self.path)
        nursery.call("saving:save", self.path, mode, 1, BEFORE).result()
        for name in saving.FOREIGN:
            Path(self.path, name).touch()
        os.rename(self.path, self._copy)

    def reset(self):
        shutil.rmtree(self.path, ignore_errors=True)
        shutil.copytree(self._copy, self.path)

    def check(self, at_least, what):
        """Which save a new process finds; it goes on, and finds its own save then."""
        outcome = self.nursery.call("saving:found_and_gone_on", self.path, self.mode, at_least)
        assert outcome.status == 0 and outcome.error is None, f"{what}: {outcome}"
        return outcome.value


@pytest.fixture(params=list(saving.MODES))
def folder(request, nursery, tmp_path):
    return Folder(nursery, request.param, tmp_path)


@pytest.fixture(params=FEW)
def folder_of_few(request, nursery, tmp_path):
    """Two modes that stand for all, but in `tox -e crash`."""
    return Folder(nursery, request.param, tmp_path)


def test_killed_at_every_call(folder, killer):
    killed_at_every_call(folder, killer, False)


def test_killed_within_every_write(folder_of_few, killer):
    killed_at_every_call(folder_of_few, killer, True)


def killed_at_every_call(folder, killer, tear):
    newest = []
    for call in range(300):
        folder.reset()
        outcome = killer.call("saving:save_killed", folder.path, folder.mode, BEFORE + 1, call, tear)
        newest.append(folder.check(BEFORE if outcome.is_killed else BEFORE + 1, f"killed at call {call}"))
        if not outcome.is_killed:
            assert outcome.result() == call
            break
    assert newest == sorted(newest) and newest[0] == BEFORE and newest[-1] == BEFORE + 1
    assert len(newest) > 15


def test_killed_again_while_cleaning_up(folder_of_few, killer):
    """The save after a dead one dies at any call, too."""
    folder, rng = folder_of_few, random.Random(4)
    for first in rng.sample(range(30), 6):
        for call in rng.sample(range(40), 5):
            folder.reset()
            killer.call("saving:save_killed", folder.path, folder.mode, BEFORE + 1, first)
            found = folder.nursery.call("saving:found", folder.path, folder.mode, BEFORE).result()
            killer.call("saving:save_killed", folder.path, folder.mode, BEFORE + 2, call)
            folder.check(found, f"killed at call {first}, the next at {call}")


KINDS = {errno.ENOSPC: "ResourceExhaustedError", errno.EIO: "UnknownError", errno.EACCES: "PermissionDeniedError"}


@pytest.mark.parametrize("code", KINDS, ids=errno.errorcode.get)
def test_every_call_fails(folder_of_few, code):
    for error, call in failures(folder_of_few, code, False):
        folder_of_few.check(BEFORE + (not error), f"call {call} failed: {error}")


def test_the_disk_is_full_from_every_call_on(folder):
    for error, call in failures(folder, errno.ENOSPC, True):
        left = [name for name in os.listdir(folder.path) if ".thw-" in name and name not in saving.FOREIGN]
        counts = any(name.endswith(".commit") for name in left)          # the new one does: the next save finishes it
        assert not left or not error or counts, f"call {call} failed: {left}"
        folder.check(BEFORE + (not error), f"call {call} failed: {error}")


def failures(folder, code, lasts):
    """Lets a save's first call fail, its second, ..., as long as there is one. Yields the error and the call's number.

    A save that returns for all that has failed to delete what is no longer needed: the next one does.
    """
    for call in range(300):
        folder.reset()
        error = folder.nursery.call("saving:save_failing", folder.path, folder.mode, BEFORE + 1, call, code,
                                    lasts).result()
        if error is None:
            break
        assert not error or error.startswith(KINDS[code]) and os.strerror(code) in error
        yield error, call
    assert call > 10


def test_interrupted_by_ctrl_c(folder_of_few):
    folder = folder_of_few
    for call in range(300):
        folder.reset()
        is_interrupted = folder.nursery.call("saving:save_interrupted", folder.path, folder.mode, BEFORE + 1,
                                             call).result()
        folder.check(BEFORE + 1 + is_interrupted, f"interrupted at call {call}")
        if not is_interrupted:
            break
    assert call > 10


def test_killed_at_random_moments(folder):
    rng = random.Random(5)
    for kill in range(max(1, KILLS // len(saving.MODES))):
        folder.reset()
        Path(folder.path + saving.ACKNOWLEDGED).unlink(missing_ok=True)
        acknowledged = folder.nursery.call("saving:save_until_killed", folder.path, folder.mode, BEFORE + 1,
                                           rng.randrange(3), rng.uniform(0, 0.015)).result()
        found = folder.check(acknowledged, f"kill {kill}")
        assert found <= acknowledged + 1


def test_power_cuts(folder, tmp_path):
    """No state that a cut can leave after any call loses a save that had returned."""
    for seed in range(POWER_CUTS):
        folder.reset()
        states = folder.nursery.call("saving:save_recorded", folder.path, folder.mode, BEFORE + 1, 2,
                                     str(tmp_path / f"states{seed}"), seed, min(POWER_CUTS, 3)).result()
        found = set()
        for place, returned, moment in states:
            shutil.rmtree(folder.path)
            os.rename(place, folder.path)
            found.add(folder.check(BEFORE + returned, moment))
        assert found == {BEFORE, BEFORE + 1, BEFORE + 2} and len(states) >= 15
