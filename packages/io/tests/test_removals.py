"""Notes on checkpoints that go unless the state file names them: what is carried out, and what is left alone."""
import os

import pytest

import thalweg as tf
from thalweg_io.checkpoints import removals
from thalweg_io.checkpoints.bundle.writer import BundleWriter

NOTE = "m-1.thw-0123456789abcdef.doomed"
TEXT = b"checkpoint\nmeta\n2\n"


@pytest.fixture
def folder(tmp_path):
    """Checkpoints m-1 and m-2, of which the state file names the second."""
    for name in ("m-1", "m-2"):
        with BundleWriter(str(tmp_path / name)) as writer:
            writer.add("a", [1.0])
        (tmp_path / f"{name}.meta").write_bytes(b"graph")
    tf.train.update_checkpoint_state(str(tmp_path), str(tmp_path / "m-2"))
    return tmp_path


def names(folder):
    return {name.partition(".")[0] for name in os.listdir(folder)}


def test_a_dead_savers_note_is_carried_out(folder):
    (folder / NOTE).write_bytes(TEXT)
    removals.finish(str(folder))
    assert names(folder) == {"checkpoint", "m-2"}


def test_what_the_state_file_names_stays(folder):
    (folder / NOTE.replace("m-1", "m-2")).write_bytes(TEXT)
    removals.finish(str(folder))
    assert names(folder) == {"checkpoint", "m-1", "m-2"}
    assert not [name for name in os.listdir(folder) if name.endswith(".doomed")]


@pytest.mark.parametrize("text", [b"", b"checkpoint\nme", b"../checkpoint\nmeta\n2\n", b"checkpoint\n/meta\n2\n",
                                  b"checkpoint\nmeta\nx\n", b"\xff" * 30])
def test_a_note_that_is_cut_or_lies_deletes_nothing_but_itself(folder, text):
    (folder / NOTE).write_bytes(text)
    removals.finish(str(folder))
    assert names(folder) == {"checkpoint", "m-1", "m-2"}
    assert not (folder / NOTE).exists()


def test_a_state_file_that_cannot_be_read_may_name_anything(folder):
    (folder / "checkpoint").write_bytes(b"\xff\xfe")
    (folder / NOTE).write_bytes(TEXT)
    removals.finish(str(folder))
    assert names(folder) == {"checkpoint", "m-1", "m-2"}


def test_without_a_state_file_nothing_is_named(folder):
    (folder / "checkpoint").unlink()
    (folder / NOTE).write_bytes(TEXT)
    removals.finish(str(folder))
    assert names(folder) == {"m-2"}


def test_a_living_savers_note_is_left_alone(folder):
    with removals.Removals("checkpoint", "meta", 2) as doomed:
        doomed.add(str(folder / "m-1"))
        removals.finish(str(folder))
        assert names(folder) == {"checkpoint", "m-1", "m-2"}
    assert names(folder) == {"checkpoint", "m-2"}


def test_a_new_checkpoint_stays_when_another_saver_names_its_own(folder):
    with removals.Removals("checkpoint", "meta", 2) as doomed:
        doomed.add(str(folder / "m-1"), is_new=True)
    assert names(folder) == {"checkpoint", "m-1", "m-2"}
    with pytest.raises(KeyboardInterrupt), removals.Removals("checkpoint", "meta", 2) as doomed:
        doomed.add(str(folder / "m-1"), is_new=True)
        raise KeyboardInterrupt
    assert names(folder) == {"checkpoint", "m-2"}


def test_a_new_checkpoint_stays_when_another_saver_looks_while_its_note_goes(folder, monkeypatch):
    carry_out = removals._carry_out

    def beside_another_saver(note, *args, **more):
        monkeypatch.undo()
        removals.finish(str(folder))
        carry_out(note, *args, **more)
    with removals.Removals("checkpoint", "meta", 2) as doomed:
        doomed.add(str(folder / "m-1"), is_new=True)
        monkeypatch.setattr(removals, "_carry_out", beside_another_saver)
    assert names(folder) == {"checkpoint", "m-1", "m-2"}
