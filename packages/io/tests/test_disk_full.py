"""A full disk, or a limit on the size of files, at every budget: a named error, and the old checkpoint stays."""
import os
import subprocess
import sys
from pathlib import Path

import fresh
import pytest
import saving

PAGE = 4096
MODES = ("same", "keep1", "sharded", "v1")


@pytest.fixture(scope="module")
def nursery():
    with fresh.Nursery("saving") as nursery:
        yield nursery


@pytest.fixture
def small_disk(tmp_path):
    """A folder that holds a megabyte."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], capture_output=True)
    if done.returncode:
        pytest.skip("this system lets nobody mount a small disk")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("mode", MODES)
def test_full_disk(nursery, small_disk, mode):
    """What is free goes from nothing to more than a save needs, in steps of a page."""
    folder = small_disk / "f"
    folder.mkdir()
    nursery.call("saving:save", str(folder), mode, 1, 2).result()
    newest, saved = 2, 0
    for free in range(40):
        fill(small_disk, free * PAGE)
        error = nursery.call("saving:save_at_limit", str(folder), mode, newest + 1, None).result()
        (small_disk / "ballast").unlink()
        if error:
            assert error.startswith("ResourceExhaustedError") and "No space left on device" in error
            assert no_temporary(folder), f"{free} pages: {os.listdir(folder)}"
        saved += not error
        newest = newest_of(nursery, str(folder), mode, newest + (not error), error)
    assert 0 < saved < 40
    nursery.call("saving:found_and_gone_on", str(folder), mode, newest).result()


def fill(disk, free):
    """Leaves so many bytes free on the disk."""
    with open(disk / "ballast", "wb", buffering=0) as file:
        try:
            while file.write(bytes(PAGE)):
                pass
        except OSError:
            pass
        file.truncate(max(0, file.tell() - free))


@pytest.mark.parametrize("mode", MODES)
def test_limited_file_size(nursery, tmp_path, mode):
    """RLIMIT_FSIZE from nothing to more than the largest file, the signal ignored, as a batch system may set it."""
    folder = str(tmp_path / "f")
    os.mkdir(folder)
    nursery.call("saving:save", folder, mode, 1, 2).result()
    largest = max(path.stat().st_size for path in Path(folder).iterdir())
    newest, failures = 2, 0
    for limit in [0, 1, 16, 50, 100, 150, 200, 230, 250, 300, 400, 512, 2048, *range(PAGE, largest + PAGE, PAGE)]:
        error = nursery.call("saving:save_at_limit", folder, mode, newest + 1, limit).result()
        if error:
            assert error.startswith("OutOfRangeError") and "File too large" in error
            assert no_temporary(folder), f"limit {limit}: {os.listdir(folder)}"
            failures += 1
        newest = newest_of(nursery, folder, mode, newest + (not error), error)
    assert failures > 3 and newest > 2
    nursery.call("saving:found_and_gone_on", folder, mode, newest).result()


def newest_of(nursery, folder, mode, at_least, error):
    """The newest save; one that has failed after its values were in place, where others were, may count."""
    found = nursery.call("saving:found", folder, mode, at_least).result()
    assert found <= at_least + (bool(error) and not saving.MODES[mode].steps)
    return found


def no_temporary(folder):
    return not any(".thw-" in name or "_temp_" in name for name in os.listdir(folder))
