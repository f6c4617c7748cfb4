"""The state file and looking into checkpoints without a graph."""
import logging
import os

import numpy as np
import pytest

from thalweg.framework import errors
from thalweg.framework.dtypes import float32, string
from thalweg_io.checkpoints import reader as checkpoint_reader
from thalweg_io.checkpoints import state as checkpoint_state
from thalweg_io.checkpoints.bundle.writer import BundleWriter


def save(prefix, **values):
    with BundleWriter(prefix) as writer:
        for name, value in values.items():
            writer.add(name, np.asarray(value))


def test_the_text_is_tensorflows(tmp_path, golden_or_none):
    save(tmp_path / "roll-50", a=1.0)
    folder = os.path.relpath(tmp_path)
    checkpoint_state.update_checkpoint_state(folder, f"{folder}/roll-50", [f"{folder}/roll-40", f"{folder}/roll-50"])
    text = (tmp_path / "checkpoint").read_text()
    assert text == ('model_checkpoint_path: "roll-50"\nall_model_checkpoint_paths: "roll-40"\n'
                    'all_model_checkpoint_paths: "roll-50"\n')
    for path in [golden_or_none / "keep_n" / "checkpoint"] if golden_or_none else []:
        assert path.read_text() == text
    assert checkpoint_state.latest_checkpoint(folder) == f"{folder}/roll-50"


def test_latest_of_tensorflows_folders(golden_or_none):
    for name in ("v2/net.ckpt-3", "keep_n/roll-50", "v2_sharded/shards.ckpt-9") if golden_or_none else ():
        path = str(golden_or_none / name)
        assert checkpoint_state.latest_checkpoint(os.path.dirname(path)) == path


@pytest.mark.parametrize("paths", [["/x/a-1", "/x/a-2"], None])
def test_absolute_paths_stay_unless_asked(tmp_path, paths):
    prefix = str(tmp_path / "\u00e4 \"quoted\"-2")
    save(prefix, a=1.0)
    checkpoint_state.update_checkpoint_state(str(tmp_path), prefix, paths, save_relative_paths=True)
    assert f'model_checkpoint_path: "{chr(92)}303{chr(92)}244 ' in (tmp_path / "checkpoint").read_text()
    assert checkpoint_state.latest_checkpoint(str(tmp_path)) == prefix
    state = checkpoint_state.get_checkpoint_state(str(tmp_path))
    assert len(state.all_model_checkpoint_paths) == len(paths or []) + 1
    checkpoint_state.update_checkpoint_state(str(tmp_path), prefix, paths, latest_filename="other")
    assert checkpoint_state.latest_checkpoint(str(tmp_path), "other") == prefix


def test_hostile_state_files(hostile_state, golden):
    folder = str(golden / "hostile" / hostile_state["path"])
    try:
        found = checkpoint_state.latest_checkpoint(folder)
    except ValueError:
        found = None
    assert (found == folder + "/m") == (hostile_state["expect"] == "ok")
    assert found in (None, folder + "/m")


def test_bad_state_files_are_logged_and_ignored(tmp_path, caplog):
    folder = str(tmp_path)
    assert checkpoint_state.latest_checkpoint(folder) is None and not caplog.records
    for content in (b"\xff\xfe", b"model_checkpoint_path: 3", b"unknown: 'x'", b'model_checkpoint_path: "gone"'):
        (tmp_path / "checkpoint").write_bytes(content)
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            assert checkpoint_state.latest_checkpoint(folder) is None
        assert len(caplog.records) == 1
    (tmp_path / "checkpoint").write_bytes(b"")
    with pytest.raises(ValueError, match="Invalid checkpoint state loaded from"):
        checkpoint_state.latest_checkpoint(folder)


def test_timestamps_and_conflicts(tmp_path):
    state = checkpoint_state.generate_checkpoint_state_proto("/x", "/x/b", ["/x/a"], [1.0, 2.0], 3.0)
    assert list(state.all_model_checkpoint_paths) == ["/x/a", "/x/b"] and state.last_preserved_timestamp == 3
    with pytest.raises(ValueError, match="timestamps, if provided, must match"):
        checkpoint_state.generate_checkpoint_state_proto("/x", "/x/b", ["/x/a"], [1.0])
    with pytest.raises(RuntimeError, match="conflicts with path used for checkpoint state"):
        checkpoint_state.update_checkpoint_state(str(tmp_path), str(tmp_path / "checkpoint"))


def test_existence_times_and_removal(tmp_path):
    prefix = str(tmp_path / "m[1]-3")
    save(prefix, a=1.0)
    (tmp_path / "m[1]-3.meta").write_bytes(b"")
    (tmp_path / "v1").write_bytes(b"table")
    assert checkpoint_state.checkpoint_exists(prefix) and checkpoint_state.checkpoint_exists(str(tmp_path / "v?"))
    assert not checkpoint_state.checkpoint_exists(str(tmp_path / "none"))
    assert len(checkpoint_state.get_checkpoint_mtimes([str(tmp_path / "v1"), str(tmp_path / "none")])) == 1
    checkpoint_state.remove_checkpoint(prefix)
    checkpoint_state.remove_checkpoint(str(tmp_path / "v1"), checkpoint_state.V1)
    assert os.listdir(tmp_path) == []
    assert checkpoint_state.meta_graph_filename("a/m-3-00001-of-00002") == "a/m-3.meta"


def test_the_reader(tmp_path):
    prefix = str(tmp_path / "m")
    save(prefix, a=np.ones((2, 3), np.float32), s=np.array(b"x", object), n=np.int64(3))
    checkpoint_state.update_checkpoint_state(str(tmp_path), prefix)
    reader = checkpoint_reader.NewCheckpointReader(prefix)
    assert reader.get_variable_to_shape_map() == {"a": [2, 3], "n": [], "s": []}
    assert reader.get_variable_to_dtype_map()["a"] is float32 and reader.get_variable_to_dtype_map()["s"] is string
    assert reader.has_tensor("a") and not reader.has_tensor("b") and not reader.has_tensor("")
    assert reader.get_tensor("a").shape == (2, 3) and reader.get_tensor("s") == b"x" and reader.get_tensor("n") == 3
    assert reader.debug_string() == b"a (DT_FLOAT) [2,3]\nn (DT_INT64) []\ns (DT_STRING) []\n"
    assert checkpoint_reader.list_variables(str(tmp_path)) == [("a", [2, 3]), ("n", []), ("s", [])]
    assert checkpoint_reader.load_variable(prefix, "n:0") == 3
    with pytest.raises(errors.NotFoundError, match="Key zz not found in checkpoint"):
        reader.get_tensor("zz")


def test_the_reader_says_what_is_not_there(tmp_path):
    with pytest.raises(errors.NotFoundError, match="Failed to find any matching files for .*nope"):
        checkpoint_reader.NewCheckpointReader(str(tmp_path / "nope"))
    with pytest.raises(ValueError, match="Couldn't find 'checkpoint' file or checkpoints in given directory"):
        checkpoint_reader.load_checkpoint(str(tmp_path))
    (tmp_path / "old").write_bytes(b"a table")
    with pytest.raises(errors.DataLossError, match="file is too short to be an sstable"):
        checkpoint_reader.NewCheckpointReader(str(tmp_path / "old"))
