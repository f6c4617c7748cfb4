"""init_from_checkpoint and warm_start: every form of their arguments, values as TensorFlow 1.15 gives them."""
import tracemalloc

import numpy as np
import pytest

import thalweg as tf
from thalweg_io.checkpoints import remapping

X, Y = np.array([1.0, 2.0], np.float32), np.arange(1, 9, dtype=np.float32).reshape(4, 2)


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


@pytest.fixture(params=[1, 2])
def path(request, tmp_path):
    """A checkpoint, of each format, with a/x, a/y, an int32 and a partitioned tensor."""
    with tf.Graph().as_default(), tf.Session() as session:
        tf.get_variable("a/x", initializer=X)
        tf.get_variable("a/y", initializer=Y)
        tf.get_variable("b/z", initializer=3)
        tf.get_variable("p", initializer=tf.constant(-Y), partitioner=tf.fixed_size_partitioner(2))
        session.run(tf.global_variables_initializer())
        return tf.train.Saver(write_version=request.param).save(session, str(tmp_path / "m"))


def first_values():
    """{name: value} of the global variables after their initializers have run."""
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        return {v.op.name: session.run(v) for v in tf.global_variables()}


def scope():
    with tf.variable_scope("s"):
        return [tf.get_variable("x", [2]), tf.get_variable("y", [4, 2])]


def partitioned(name="q"):
    return tf.get_variable(name, [4, 2], partitioner=tf.fixed_size_partitioner(2))


# --- init_from_checkpoint ---------------------------------------------------------------------------

@pytest.mark.parametrize("make,assignment_map,expected", [
    (scope, {"a/": "s/"}, {"s/x": X, "s/y": Y}),
    (scope, {"a/x": "s/x", "a/y": "s/y"}, {"s/x": X, "s/y": Y}),
    (scope, lambda v: {"a/x": v[0]}, {"s/x": X}),
    (lambda: tf.get_variable("a/x", [2]), {"/": "/"}, {"a/x": X}),
    (lambda: tf.get_variable("q/p", [4, 2]), {"/": "q/"}, {"q/p": -Y}),
    (partitioned, lambda v: {"a/y": v}, {"q/part_0": Y[:2], "q/part_1": Y[2:]}),
    (partitioned, lambda v: {"a/y": list(v)}, {"q/part_0": Y[:2], "q/part_1": Y[2:]}),
    (partitioned, {"p": "q"}, {"q/part_0": -Y[:2], "q/part_1": -Y[2:]}),
    (lambda: partitioned("s/y"), {"a/": "s/"}, {"s/y/part_0": Y[:2], "s/y/part_1": Y[2:]}),
    (lambda: tf.Variable([0.0, 0.0], name="plain"), lambda v: {"a/x": v}, {"plain": X}),
    (scope, {"a/": "nobody/"}, {}),
    (scope, {}, {}),
])
def test_forms_of_the_map(path, make, assignment_map, expected):
    made = make()
    tf.train.init_from_checkpoint(path, assignment_map(made) if callable(assignment_map) else assignment_map)
    values = first_values()
    for name, value in expected.items():
        np.testing.assert_array_equal(values[name], value)


def test_nodes_are_tensorflows(path, graph):
    made = scope()
    count = len(graph.get_operations())
    tf.train.init_from_checkpoint(path, {"a/": "s/"})
    new = [(op.type, op.name, op.device) for op in graph.get_operations()[count:]]
    of_restore = [(kind, "checkpoint_initializer" + suffix, "/device:CPU:0") for kind, suffix in (
        ("Const", "/prefix"), ("Const", "/tensor_names"), ("Const", "/shape_and_slices"), ("RestoreV2", ""))]
    assert new[:5] == [*of_restore, ("Assign", "Assign", "")]
    assert made[0].initializer.name == "Assign" and made[0].initial_value.name == "checkpoint_initializer:0"
    with tf.Session() as session:
        assert session.run(made[0].initialized_value()).tolist() == [1, 2]


def test_the_newest_checkpoint_of_a_folder(path, tmp_path):
    scope()
    tf.train.init_from_checkpoint(str(tmp_path), {"a/x": "s/x"})
    np.testing.assert_array_equal(first_values()["s/x"], X)


@pytest.mark.parametrize("make,assignment_map,kind,message", [
    (scope, {"zz": "s/x"}, ValueError, "Tensor zz is not found in .*m checkpoint"),
    (scope, {"a/x:0": "s/x"}, ValueError, r"(?s)a/x:0 is not found in .* which has a/x.*or paste .*\{'a/x': 's/x'\}"),
    (scope, {"a": "s"}, ValueError, "scope only name s should map to scope only a. Should be 'scope/': 'other"),
    (scope, {"a/x": "s/zz"}, ValueError, "'a/x' is in the checkpoint, but tf.get_variable has made no variable"),
    (scope, {"zz/": "s/"}, ValueError,
     r"(?s)Tensor zz/x \(x in zz/\) is not found.*or paste .*, \{'a/x': 's/x', 'a/y': 's/y'\}\)"),
    (lambda: tf.get_variable("s/x", [3]), {"a/x": "s/x"}, ValueError,
     r"Shape of variable s/x:0 \(\(3,\)\) doesn't match with shape of tensor a/x \(\[2\]\)"),
    (lambda: tf.get_variable("s/x", [2], tf.int32), {"a/x": "s/x"}, ValueError, "s/x:0 is int32, tensor a/x in"),
    (scope, {"a/x": 3}, TypeError, "must be a variable, a list of the parts .* but is 3"),
    (scope, {"a/x": [3]}, TypeError, r"but is \[3\]"),
    (scope, lambda v: {"a/x": [v[0], v[0]]}, ValueError, "Slices must all be from the same tensor: s/x != s/x"),
    (scope, None, TypeError, "assignment_map must be a dict"),
])
def test_what_the_map_may_not_be(path, make, assignment_map, kind, message):
    made = make()
    with pytest.raises(kind, match=message):
        tf.train.init_from_checkpoint(path, assignment_map(made) if callable(assignment_map) else assignment_map)


def test_without_a_checkpoint(tmp_path):
    scope()
    with pytest.raises(tf.errors.NotFoundError, match="Failed to find any matching files for .*nope"):
        tf.train.init_from_checkpoint(str(tmp_path / "nope"), {"a/x": "s/x"})
    with pytest.raises(ValueError, match="Couldn't find 'checkpoint' file"):
        tf.train.init_from_checkpoint(str(tmp_path), {"a/x": "s/x"})


# --- warm_start -------------------------------------------------------------------------------------

@pytest.fixture
def vocabularies(tmp_path):
    """VocabInfo of rows a b c d that became c x a d new."""
    (tmp_path / "old").write_text("a\nb\nc\nd\n")
    (tmp_path / "new").write_text("c\nx\na\nd\nnew\n")

    def info(*args, new="new", old="old", **options):
        return tf.train.VocabInfo(str(tmp_path / new), *(args or (5, 0)), str(tmp_path / old), **options)
    return info


def test_which_variables(path):
    def started(**options):
        with tf.Graph().as_default():
            tf.get_variable("a/x", [2], initializer=tf.zeros_initializer(), trainable=False)
            tf.get_variable("a/y", [4, 2], initializer=tf.zeros_initializer())
            partitioned("p")
            tf.train.warm_start(path, **options)
            return {name for name, value in first_values().items() if name[0] == "a" and value.any()}
    assert started() == started(vars_to_warm_start="a/") == {"a/y"}
    assert started(vars_to_warm_start=["a/x", "p"]) == {"a/x"}
    assert started(vars_to_warm_start=None) == started(vars_to_warm_start="p") == set()
    settings = tf.estimator.WarmStartSettings(path, vars_to_warm_start=".*y")
    with tf.Graph().as_default():
        made = [tf.get_variable("a/x", [2], initializer=tf.zeros_initializer()), partitioned("a/y")]
        tf.train.warm_start(*settings)
        tf.train.warm_start(path, vars_to_warm_start=made)
        values = first_values()
    np.testing.assert_array_equal(np.concatenate([values["a/y/part_0"], values["a/y/part_1"]]), Y)
    np.testing.assert_array_equal(values["a/x"], X)


def test_other_names(path):
    tf.get_variable("q", [2])
    tf.train.warm_start(path, var_name_to_prev_var_name={"q": "a/x"})
    np.testing.assert_array_equal(first_values()["q"], X)


@pytest.mark.parametrize("parts", [1, 3])
def test_rows_of_a_new_vocabulary(path, vocabularies, parts):
    tf.get_variable("a/y", [7, 2], partitioner=tf.fixed_size_partitioner(parts) if parts > 1 else None)
    tf.train.warm_start(path, var_name_to_vocab_info={"a/y": vocabularies(5, 2)})
    values = first_values()
    got = np.concatenate([values[name] for name in sorted(values)])
    np.testing.assert_array_equal(got, [[5, 6], [0, 0], [1, 2], [7, 8], [0, 0], [0, 0], [0, 0]])


def test_new_rows_start_from_the_backup_initializer(path, vocabularies):
    """Values as TensorFlow 1.15 drew them."""
    tf.get_variable("a/y", [7, 2])
    initializer = tf.random_uniform_initializer(seed=3)
    tf.train.warm_start(path, var_name_to_vocab_info={"a/y": vocabularies(5, 2, backup_initializer=initializer)})
    drawn = [[0.38692939281463623, 0.3600262403488159], [0.9768795967102051, 0.0865163803100586]]
    np.testing.assert_array_equal(first_values()["a/y"],
                                  np.array([[5, 6], drawn[0], [1, 2], [7, 8], drawn[1], *drawn], np.float32))


def test_the_old_vocabulary_cut(path, vocabularies):
    tf.get_variable("a/x", [2], initializer=tf.zeros_initializer())
    tf.get_variable("a/y", [5, 2])
    tf.train.warm_start(path, None, {"a/y": vocabularies(old_vocab_size=2)})
    values = first_values()
    np.testing.assert_array_equal(values["a/y"], [[0, 0], [0, 0], [1, 2], [0, 0], [0, 0]])
    np.testing.assert_array_equal(values["a/x"], [0, 0])


@pytest.mark.parametrize("parts", [1, 2])
def test_columns_of_a_new_vocabulary(path, vocabularies, tmp_path, parts):
    (tmp_path / "left").write_text("l\nr\n")
    (tmp_path / "right").write_text("n\nr\nl\n")
    tf.get_variable("a/y", [4, 4], partitioner=tf.fixed_size_partitioner(parts) if parts > 1 else None)
    tf.train.warm_start(path, var_name_to_vocab_info={"a/y": vocabularies(3, 1, new="right", old="left", axis=1)})
    values = first_values()
    got = np.concatenate([values[name] for name in sorted(values)])
    np.testing.assert_array_equal(got, np.stack([0 * Y[:, 0], Y[:, 1], Y[:, 0], 0 * Y[:, 0]], 1))


def test_what_cannot_be_started(path, vocabularies, tmp_path):
    def refused(match, shape=(4, 2), kind=ValueError, name="a/y", **options):
        with tf.Graph().as_default(), pytest.raises(kind, match=match):
            tf.get_variable(name, shape)
            tf.train.warm_start(path, **options)
            first_values()

    refused("Tensor zz is not found", name="zz")
    refused(r"var_name_to_prev_var_name that were not used: \['q'\].*\['a/y'\]", var_name_to_prev_var_name={"q": "p"})
    refused(r"var_name_to_vocab_info that were not used: \['q'\]", var_name_to_vocab_info={"q": vocabularies()})
    refused("which would exceed expected total row count", (9, 2), var_name_to_vocab_info={"a/y": vocabularies()})
    refused("only support 2-dim matrices", (2,), name="a/x", var_name_to_vocab_info={"a/x": vocabularies()})
    refused("axis argument are 0 and 1.  Provided axis: 2", var_name_to_vocab_info={"a/y": vocabularies(axis=2)})
    refused("must have new_vocab, new_vocab_size", var_name_to_vocab_info={"a/y": vocabularies(0, 0)})
    refused("must be all `Variable` or all `str`", vars_to_warm_start=[3])
    refused("must be larger than last new vocab entry's line", (8, 2), tf.errors.InvalidArgumentError,
            var_name_to_vocab_info={"a/y": vocabularies(8, 0)})
    (tmp_path / "twice").write_text("a\na\n")
    refused("'a' stands there twice", (2, 2), tf.errors.FailedPreconditionError,
            var_name_to_vocab_info={"a/y": vocabularies(2, 0, new="twice")})
    refused("No such file or directory", (2, 2), tf.errors.NotFoundError,
            var_name_to_vocab_info={"a/y": vocabularies(2, 0, new="gone")})


@pytest.mark.parametrize("rows,columns,new,message", [
    ([0, 1], [], [], "row_remapping has 2 elements, expected 3"),
    ([0, 1, 1], [], [], "row_remapping names an old row twice"),
    ([0, -2, 1], [], [], "row_remapping names an old row twice, or a negative one"),
    ([0, 9, 1], [], [], "row_remapping names row 9, tensor a/y .* has 4"),
    ([0, 2, 1], [0, 5], [], "col_remapping names col 5"),
    ([0, -1, 1], [], [0.0], "initializing_values contained 1 elements, but 2 are needed"),
])
def test_what_remapping_refuses(path, rows, columns, new, message):
    made = remapping.load_and_remap_matrix(path, "a/y", tf.constant(rows, tf.int64), tf.constant(columns, tf.int64),
                                           tf.constant(new, tf.float32), num_rows=3, num_cols=2)
    with tf.Session() as session, pytest.raises(tf.errors.OpError, match=message):
        session.run(made)


def test_remapping_wants_a_matrix_of_float32(path):
    for name, num_cols, message in (("a/x", 2, "not a matrix of float32"), ("b/z", 2, "not a matrix"),
                                    ("a/y", 3, "has 2 columns, 3 are wanted")):
        made = remapping.load_and_remap_matrix(path, name, [0], tf.zeros([0], tf.int64), tf.zeros([0]), num_rows=1,
                                               num_cols=num_cols)
        with tf.Session() as session, pytest.raises(tf.errors.InvalidArgumentError, match=message):
            session.run(made)


# --- what is told of a failed restore --------------------------------------------------------------------

def pasted(text):
    """The program that an error message offers."""
    lines = text.split("\n")
    start = next(k for k, line in enumerate(lines) if line.startswith("  or paste"))
    stop = lines.index("Original error:")
    return "\n".join(line[12:] for line in lines[start:stop])


def test_what_can_be_pasted_restores(path):
    with tf.variable_scope("net"):
        tf.get_variable("x", [2])
        tf.get_variable("y", [4, 2])
    other = tf.get_variable("b/z", [], tf.int32, initializer=tf.zeros_initializer())
    tf.get_variable("nowhere", [9], initializer=tf.ones_initializer())
    with tf.Session() as session:
        with pytest.raises(tf.errors.NotFoundError, match="net/x is not in the checkpoint, which has a/x") as caught:
            tf.train.Saver().restore(session, path)
        found = {"tf": tf}
        exec(pasted(str(caught.value)), found)
        assert found["missing"] == {"nowhere"} and found["names"] == {"net/x": "a/x", "net/y": "a/y"}
        session.run(tf.global_variables_initializer())
        found["saver"].restore(session, path)
        assert session.run(other) == 3 and session.run("net/x:0").tolist() == [1, 2]


def test_what_can_be_pasted_for_parts(path):
    partitioned("p")
    partitioned("r")
    with tf.Session() as session:
        with pytest.raises(tf.errors.NotFoundError, match="r is not in the checkpoint") as caught:
            tf.train.Saver().restore(session, path)
        found = {"tf": tf}
        exec(pasted(str(caught.value)), found)
        found["saver"].restore(session, path)
        np.testing.assert_array_equal(session.run("p/part_1:0"), -Y[2:])


def test_a_sequential_restore(path, graph):
    made = [tf.get_variable("a/x", [2]), tf.get_variable("a/y", [4, 2]), partitioned("p")]
    saver = tf.train.Saver(restore_sequentially=True)
    reads = [op for op in graph.get_operations() if op.type == "RestoreV2"]
    assert [[c.type for c in op.control_inputs] for op in reads] == [[], ["Assign"], ["Assign"], ["Assign"]]
    with tf.Session() as session:
        saver.restore(session, path)
        np.testing.assert_array_equal(session.run(made[1]), Y)
        lacking = tf.train.Saver({"a/x": made[0], "zz": made[1]}, restore_sequentially=True)
        with pytest.raises(tf.errors.NotFoundError, match="zz is not in the checkpoint"):
            lacking.restore(session, path)


def test_restores_hold_no_value_beside_the_variables(tmp_path):
    count, size = 8, 1 << 19
    made = [tf.get_variable(f"v{k}", [size], initializer=tf.zeros_initializer()) for k in range(count)]
    written = [v.assign_add(tf.ones([size])).op for v in made]
    savers = [tf.train.Saver(restore_sequentially=is_sequential) for is_sequential in (False, True)]
    peaks = []
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run(written)                         # from now on the variables keep their memory
        path = savers[0].save(session, str(tmp_path / "m"))
        for saver in savers:
            saver.restore(session, path)             # makes the plan
            tracemalloc.start()
            saver.restore(session, path)
            peaks.append(tracemalloc.get_traced_memory()[1] / (4 * size))
            tracemalloc.stop()
    assert max(peaks) < 1


# --- waiting for checkpoints ----------------------------------------------------------------------------

def test_checkpoints_as_they_appear(tmp_path, monkeypatch):
    tf.get_variable("v", [2])
    folder, steps, asked = str(tmp_path / "f"), iter([1, 2]), []
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        saver = tf.train.Saver()

        def sleep(seconds):
            asked.append(seconds)
            step = next(steps, None)
            if step is not None:
                saver.save(session, folder + "/m", step)

        monkeypatch.setattr("thalweg_io.checkpoints.iterator.time.sleep", sleep)
        seen = list(tf.train.checkpoints_iterator(folder, min_interval_secs=0, timeout=1.5,
                                                  timeout_fn=lambda: next(steps, True)))
        assert [path[len(folder):] for path in seen] == ["/m-1", "/m-2"]
        assert tf.contrib.training.wait_for_new_checkpoint(folder, seen[0]) == seen[1]
        assert tf.contrib.training.wait_for_new_checkpoint(folder, seen[1], timeout=0.1) is None
