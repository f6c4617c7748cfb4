"""Readers beside writers, and writers beside each other: every read is of one save, and no older than those before."""
import os

import fresh
import pytest
import saving

READS = int(os.environ.get("THALWEG_CRASH_READS", 500))


@pytest.fixture(scope="module")
def nursery():
    with fresh.Nursery("saving") as nursery:
        yield nursery


@pytest.mark.parametrize("mode", ["same", "keep3", "sharded", "v1"])
def test_reads_during_writes(nursery, tmp_path, mode):
    folder = str(tmp_path / "f")
    os.mkdir(folder)
    nursery.call("saving:save", folder, mode, 1).result()
    assert nursery.call("saving:read_beside_writer", folder, mode, 2, READS // 4, timeout_s=600).result() >= 10
    nursery.call("saving:found_and_gone_on", folder, mode, 1).result()


@pytest.mark.parametrize("mode", ["keep3", "sharded_keep1", "v1"])
def test_two_writers_in_one_folder(nursery, tmp_path, mode):
    """Each with a prefix and a state file of its own: neither takes the other's files for leftovers."""
    folder = str(tmp_path / "f")
    os.mkdir(folder)
    assert nursery.call("saving:save_beside_writer", folder, mode, 30, timeout_s=200).result() > 0


def test_two_writers_of_one_state_file(nursery, tmp_path):
    """The last one to save is the newest; what it names is whole."""
    folder = str(tmp_path / "f")
    os.mkdir(folder)
    nursery.call("saving:save", folder, "keep3", 1).result()
    nursery.call("saving:save_beside_writer", folder, "keep3", 30, True, timeout_s=200).result()
    assert nursery.call("saving:found", folder, "keep3", 1).result() > 1


def test_modes_cover_what_is_asked():
    assert {"same", "keep1", "keep3", "plain", "sharded"} <= set(saving.MODES)
