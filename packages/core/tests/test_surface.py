"""The public surface: lazy names, importable modules, one object per name, and what a missing name says."""
import fnmatch
import importlib
import os
import pathlib
import re
import subprocess
import sys
import types

import pytest

import thalweg as tf
from thalweg._names import NAMES as TABLE
from thalweg._surface import missing, modules, tables, tf1
from thalweg.framework.declaration import public_names

NAMES = tables.core_table()


def run(program, *arguments):
    """Runs a program in a fresh interpreter; gives what it prints."""
    result = subprocess.run([sys.executable, *arguments, "-c", program], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_version_has_tensorflows_name_too():
    assert tf.VERSION is tf.__version__
    with pytest.raises(AttributeError, match="Instead: use tf.VERSION"):
        tf.GIT_VERSION
    with pytest.raises(AttributeError, match="use unittest or pytest, and tf.list_devices"):
        tf.test


def test_running_the_package_says_what_there_is():
    result = subprocess.run([sys.executable, "-m", "thalweg"], capture_output=True, text=True)
    for text in (f"thalweg {tf.VERSION}\n", "  thalweg-nn: ", "  thalweg-io: ", "/device:CPU:0",
                 "thalweg card", "thalweg devices"):
        assert text in result.stdout
    assert result.returncode == 0 and not result.stderr


WITHOUT_IO = """
import sys
class Hidden:
    def find_spec(self, name, path, target=None):
        if name == "thalweg_io":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Hidden())
import thalweg as tf
"""


@pytest.mark.parametrize("call, what", [
    ("tf.Graph().as_graph_def()", "graph.as_graph_def()"), ("tf.no_op().node_def", "operation.node_def"),
    ("tf.Variable(1).to_proto()", "variable.to_proto()"), ("tf.TensorShape([1]).as_proto()", "shape.as_proto()")])
def test_messages_need_thalweg_io(call, what):
    found = run(f"{WITHOUT_IO}try: {call}\nexcept ModuleNotFoundError as error: print(error)")
    assert found == f"{what} needs the package thalweg-io: pip install thalweg-io\n"


# --- finding names ----------------------------------------------------------------------------------

@pytest.mark.parametrize("name", NAMES)
def test_every_name_of_the_table_is_there(name):
    value = tf
    for part in name.split("."):
        value = getattr(value, part)
    assert value is modules.resolve(name, NAMES[name])


def test_a_name_has_one_place():
    """In `_names.py`, or in a declaration."""
    assert not TABLE.keys() & public_names().keys() and tf.nn.relu.public == "nn.relu"


def test_no_name_is_also_a_module():
    names = tables.all_targets()
    above = {name.rpartition(".")[0] for name in names}
    assert not above.intersection(names)


def test_no_name_hides_a_module_of_the_package():
    files = {path.stem for path in pathlib.Path(tf.__file__).parent.iterdir()}
    assert not files.intersection(dir(tf))


def test_modules_import_in_every_form():
    import thalweg.errors
    import thalweg.errors as errors
    from thalweg import errors as again
    assert tf.errors is thalweg.errors is errors is again is sys.modules["thalweg.errors"]


def test_a_name_imports_from_its_module():
    from thalweg.errors import OpError
    assert OpError is tf.OpError is tf.errors.OpError


def test_other_names_of_one_object_follow_from_tensorflow():
    assert tf.dtypes.float32 is tf.float32
    assert tf.random.set_random_seed is tf.set_random_seed


def test_compat_v1_is_the_whole():
    import thalweg.compat.v1 as v1
    import thalweg.compat.v1.errors as errors
    from thalweg.compat.v1.errors import OpError
    assert v1 is tf and tf.compat.v1 is tf and errors is tf.errors and OpError is tf.OpError
    assert tf.__spec__.name == "thalweg"


def test_dir_and_star_are_complete():
    assert {name.partition(".")[0] for name in NAMES} <= set(dir(tf))
    assert "OpError" in dir(tf.errors)
    run("from thalweg import *\nassert Graph and issubclass(OpError, Exception)")


def test_a_name_is_looked_up_once():
    run("import thalweg as tf; tf.Graph; assert 'Graph' in vars(tf)")


def test_private_names_fail_without_reading_tables():
    run("import thalweg as tf\n"
        "assert not hasattr(tf, '__wrapped__') and not hasattr(tf, '_repr_html_')\n"
        "from thalweg._surface import tables\n"
        "assert len(tables._pending) == 4")


# --- what an import costs ---------------------------------------------------------------------------

def test_import_brings_numpy_and_our_own_only():
    loaded = run("import sys, numpy; before = set(sys.modules); import thalweg; print(*(set(sys.modules) - before))")
    foreign = {name.partition(".")[0] for name in loaded.split()} - set(sys.stdlib_module_names)
    assert foreign == {"thalweg"} and "importlib.metadata" not in loaded.split()


def test_import_is_silent():
    assert run("import thalweg", "-W", "error") == ""


def test_import_is_quick(tmp_path, monkeypatch):
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path))               # as after an installation
    program = ("import time, numpy; start = time.process_time(); import thalweg; "
               "print(time.process_time() - start)")
    assert min(float(run(program)) for _ in range(4)) < 0.1                # seconds; numpy itself takes as much


# --- names that are not there -----------------------------------------------------------------------

def test_a_misspelt_name_gets_the_nearest():
    with pytest.raises(AttributeError, match=r"There is no tf\.Grahp, neither .* nearest that thalweg has: tf\.Graph"):
        tf.Grahp


def test_the_same_leaf_elsewhere_is_the_nearest():
    with pytest.raises(AttributeError, match=r"nearest that thalweg has: tf\.errors\.InvalidArgumentError"):
        tf.InvalidArgumentError


def test_a_name_of_tensorflow_that_we_lack_says_so():
    with pytest.raises(AttributeError, match=r"tf\.raw_ops is a name of TensorFlow 1\.15 that thalweg does not have"):
        tf.raw_ops
    with pytest.raises(ModuleNotFoundError, match=r"tf\.raw_ops is a name of TensorFlow 1\.15"):
        import thalweg.raw_ops  # noqa: F401


@pytest.mark.parametrize("name, said", [
    ("mul", r"There is no tf\.mul\. Since TensorFlow 1\.0 it is tf\.multiply$"),
    ("logging", r"tf\.logging is a name of TensorFlow 1\.15 .*\. Instead: use Python's logging$"),
    ("flags", r"tf\.flags is a name of TensorFlow 1\.15 .*\. Instead: use argparse$"),
    ("Session2", r"The nearest that thalweg has: tf\.Session"),
    ("decode_base64", r"that thalweg does not have\. Instead: decode in Python, by tf\.py_func"),
    ("train.shuffle_batch", r"Instead: use tf\.data: Dataset\.from_tensor_slices"),
    ("data.Options", r"Instead: compose the transformations that tf\.data\.Dataset has"),
    ("py_function", r"Instead: use tf\.py_func$"),
    ("nn.dynamic_rnn", r"Instead: .*tf\.while_loop"),
    ("nn.rnn_cell.LSTMCell", r"Instead: .*tf\.while_loop"),
    ("image.resize_bicubic", r"Instead: work on images in NumPy"),
    ("sparse.softmax", r"Instead: use dense tensors: .*tf\.scatter_nd"),
    ("train.SyncReplicasOptimizer", r"would be the package thalweg-dist, which does not exist yet"),
    ("train.Server", r"would be the package thalweg-dist"),         # tf.train.Saver is spelt alike, and something else
    ("strings.split", r"Instead: work on texts in Python"),         # so is tf.split, with the same leaf
    ("signal", r"Instead: use numpy\.fft"),
    ("linalg.det", r"Instead: use numpy\.linalg"),
    ("sysconfig", r"Nothing in thalweg stands for it$"),
    ("foo", r"There is no tf\.foo, neither in thalweg nor in TensorFlow 1\.15$"),
    ("nn.relo", r"The nearest that thalweg has: tf\.nn\.relu"),
])
def test_a_name_that_we_lack_says_what_to_use(name, said):
    from thalweg._surface import missing  # attributes of tf.train need a package that has one
    assert re.search(said, missing.message(name))


def test_a_missing_attribute_says_what_to_use():
    with pytest.raises(AttributeError, match=r"Since TensorFlow 1\.0 it is tf\.multiply$"):
        tf.mul


def test_what_to_use_instead_of_a_name_is_there():
    from thalweg._surface import missing
    core = {name for name in missing.RENAMED.values() if not name.startswith("summary.")}
    assert all(getattr(tf, name) for name in core)
    assert not [name for name in [*missing.RENAMED, *missing.INSTEAD] if "." not in name and hasattr(tf, name)]


def test_names_that_stand_for_missing_ones_exist():
    said = " ".join([*missing.INSTEAD.values(), *missing.FAMILIES.values()])
    named = set(re.findall(r"tf\.(\w+(?:\.\w+)*)", said))
    there = {*tables.all_targets(), *missing._owners(), "__version__", "summary.FileWriter.add_summary",
             "train.Saver.save", "RunOptions.FULL_TRACE", "layers", "losses", "train"}
    assert len(named) > 20 and named <= there, named - there


@pytest.mark.parametrize("pattern", [p for patterns in missing.FAMILIES for p in patterns.split()])
def test_families_are_names_of_tensorflow_that_we_lack(pattern):
    known = {f"{module}.{name}" if module else name for module, names in tf1.names().items() for name in names}
    known |= set(tf1.names())
    assert any(fnmatch.fnmatchcase(name, pattern) for name in known)


def test_from_import_keeps_the_message():
    with pytest.raises(ImportError, match=r"There is no tf\.errors\.OpErro.* tf\.errors\.OpError"):
        from thalweg.errors import OpErro  # noqa: F401


def test_a_class_is_no_module():
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'thalweg\.Graph'"):
        importlib.import_module("thalweg.Graph")


def test_a_missing_file_of_a_room_is_no_public_name():
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'thalweg\.framework\.nothing'"):
        importlib.import_module("thalweg.framework.nothing")


def test_names_of_tensorflow_are_known():
    assert tf1.has("nn.conv2d") and tf1.has("compat.v1.nn.conv2d") and tf1.has("train") and not tf1.has("nn.conv9d")


# --- packages that are not there --------------------------------------------------------------------

@pytest.fixture
def owners(monkeypatch):
    """Names that packages bring, none of which is installed."""
    index = {"train.Saver": {"thalweg-io"}, "train": {"thalweg-io", "thalweg-nn"}, "layers": {"thalweg-nn"}}
    monkeypatch.setattr(missing, "_owners", lambda: index)
    monkeypatch.setattr(tables, "first_party_tables", dict)
    return index


def test_a_missing_package_is_named(owners):
    assert missing.message("train.Saver") == "tf.train.Saver needs the package thalweg-io: pip install thalweg-io"
    assert missing.message("train") == ("tf.train needs the packages thalweg-io and thalweg-nn: "
                                        "pip install thalweg-io thalweg-nn")


def test_an_outdated_package_is_named(owners, monkeypatch):
    monkeypatch.setattr(tables, "first_party_tables", lambda: {"thalweg-io": {}})
    assert missing.message("train.Saver") == ("tf.train.Saver needs a newer thalweg-io than the one installed: "
                                              "pip install --upgrade thalweg-io")


def test_the_import_error_is_about_the_package(owners):
    error = missing.import_error("layers")
    assert isinstance(error, ModuleNotFoundError) and error.name == "thalweg_nn"


def test_a_broken_package_is_not_a_missing_one(monkeypatch):
    def broken(name):
        raise ModuleNotFoundError("No module named 'lzma'", name="lzma")
    monkeypatch.setattr(tables.importlib, "import_module", broken)
    with pytest.raises(ModuleNotFoundError, match="lzma"):
        tables.first_party_tables()


# --- other distributions ----------------------------------------------------------------------------

class _Point:
    def __init__(self, name, table):
        self.name, self.table = name, table

    def load(self):
        if isinstance(self.table, Exception):
            raise self.table
        return self.table


def test_plugins_bring_names_and_a_broken_one_is_told(monkeypatch):
    points = [_Point("acme", {"acme.anvil": "os:sep"}), _Point("bad", ImportError("no libacme"))]
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: points)
    monkeypatch.setattr(tables, "_targets", dict(tables.all_targets()))
    monkeypatch.setattr(tables, "_children", {k: set(v) for k, v in tables._children.items()})
    monkeypatch.setattr(tables, "_pending", [tables._load_plugins])
    monkeypatch.setattr(tables, "failures", {})
    assert tf.acme.anvil is os.sep and isinstance(tf.acme, types.ModuleType)
    with pytest.raises(AttributeError, match=r"names of plugin 'bad' could not be read \(ImportError: no libacme\)"):
        tf.zzz
    del tf.acme, sys.modules["thalweg.acme"]


def test_another_thread_may_load_the_last_layer_meanwhile(monkeypatch):
    class Emptied(list):
        def __bool__(self):
            return True                  # as it was when this thread looked
    monkeypatch.setattr(tables, "_pending", Emptied())
    assert tables._load_next() is False
