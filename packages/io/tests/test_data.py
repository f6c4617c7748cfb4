"""tf.data: what each dataset gives, in TensorFlow 1.15's order; recorded values come from it."""
import collections
import gzip

import numpy as np
import pytest

import thalweg as tf
from thalweg_io.records.records import framed

Dataset = tf.data.Dataset
Point = collections.namedtuple("Point", "x y")


@pytest.fixture(autouse=True)
def fresh_graph():
    with tf.Graph().as_default():
        yield


def plain(value):
    """A fetched element with lists for arrays."""
    if isinstance(value, dict):
        return {key: plain(v) for key, v in value.items()}
    if isinstance(value, tuple):
        return tuple(map(plain, value))
    return value.tolist() if hasattr(value, "tolist") else value


def taken(session, element, limit=100):
    """What runs give until the end, or `limit` of them."""
    found = []
    while len(found) < limit:
        try:
            found.append(plain(session.run(element)))
        except tf.errors.OutOfRangeError:
            break
    return found


def elements(dataset, limit=100):
    element = dataset.make_one_shot_iterator().get_next()
    with tf.Session() as session:
        return taken(session, element, limit)


CASES = {
    "range": (lambda: Dataset.range(2, 9, 3), [2, 5, 8]),
    "tensors": (lambda: Dataset.from_tensors([[1, 2]]), [[[1, 2]]]),
    "slices": (lambda: Dataset.from_tensor_slices(([1, 2], {"b": ["u", "v"], "a": [[3.0], [4.0]]})),
               [(1, {"b": b"u", "a": [3.0]}), (2, {"b": b"v", "a": [4.0]})]),
    "zip": (lambda: Dataset.zip((Dataset.range(2), Point(Dataset.range(5, 9), Dataset.range(7, 9)))),
            [(0, (5, 7)), (1, (6, 8))]),
    "concatenate": (lambda: Dataset.range(2).concatenate(Dataset.range(5, 7)), [0, 1, 5, 6]),
    "map": (lambda: Dataset.from_tensor_slices(([1, 2], [3, 4])).map(lambda a, b: {"sum": a + b, "b": [b, b]}),
            [{"sum": 4, "b": [3, 3]}, {"sum": 6, "b": [4, 4]}]),
    "parallel map": (lambda: Dataset.range(7).map(lambda x: x * x, num_parallel_calls=3),
                     [0, 1, 4, 9, 16, 25, 36]),
    "map of strings": (lambda: Dataset.from_tensor_slices(["a", "b"]).map(lambda s: s), [b"a", b"b"]),
    "flat_map": (lambda: Dataset.range(3).flat_map(lambda x: Dataset.from_tensor_slices([x, x * 10])),
                 [0, 0, 1, 10, 2, 20]),
    "interleave": (lambda: Dataset.range(4).interleave(lambda x: Dataset.from_tensors(x).repeat(3), 2, 2),
                   [0, 0, 1, 1, 0, 1, 2, 2, 3, 3, 2, 3]),
    "filter": (lambda: Dataset.range(6).filter(lambda x: tf.equal(x % 2, 0)), [0, 2, 4]),
    "batch": (lambda: Dataset.range(5).batch(2), [[0, 1], [2, 3], [4]]),
    "batch without remainder": (lambda: Dataset.range(5).batch(2, drop_remainder=True), [[0, 1], [2, 3]]),
    "batch of strings": (lambda: Dataset.from_tensor_slices(["a", "b", "c"]).batch(2), [[b"a", b"b"], [b"c"]]),
    "padded batch": (lambda: Dataset.range(1, 4).map(lambda x: tf.fill([tf.cast(x, tf.int32)], x)).padded_batch(
        2, [None], padding_values=tf.constant(-1, tf.int64)), [[[1, -1], [2, 2]], [[3, 3, 3]]]),
    "padded batch of scalars": (lambda: Dataset.range(3).padded_batch(2, []), [[0, 1], [2]]),
    "padded batch to a size": (lambda: Dataset.from_tensors(["a"]).padded_batch(1, [3]), [[[b"a", b"", b""]]]),
    "repeat": (lambda: Dataset.range(2).repeat(3), [0, 1, 0, 1, 0, 1]),
    "repeat never": (lambda: Dataset.range(2).repeat(0), []),
    "repeat nothing": (lambda: Dataset.range(0).repeat(), []),
    "take and skip": (lambda: Dataset.range(10).skip(2).take(3), [2, 3, 4]),
    "take and skip -1": (lambda: Dataset.range(3).take(-1).concatenate(Dataset.range(3).skip(-1)), [0, 1, 2]),
    "shard": (lambda: Dataset.range(10).shard(3, 1), [1, 4, 7]),
    "enumerate": (lambda: Dataset.range(7, 9).enumerate(5), [(5, 7), (6, 8)]),
    "prefetch": (lambda: Dataset.range(3).prefetch(2).prefetch(tf.data.experimental.AUTOTUNE).prefetch(0), [0, 1, 2]),
    "generator": (lambda: Dataset.from_generator(lambda n: ([i, (i, 2 * i)] for i in range(n)),
                                                 (tf.int64, tf.float32), ([], [2]), args=(3,)).repeat(2),
                  [(0, [0.0, 0.0]), (1, [1.0, 2.0]), (2, [2.0, 4.0])] * 2),
    "generator of dicts": (lambda: Dataset.from_generator(lambda: [{"a": "x"}], {"a": tf.string}), [{"a": b"x"}]),
    "map_and_batch": (lambda: Dataset.range(4).apply(tf.data.experimental.map_and_batch(lambda x: x + 1, 2)),
                      [[1, 2], [3, 4]]),
    "ignore_errors": (lambda: Dataset.range(-1, 2).map(lambda x: 6 // x).apply(tf.data.experimental.ignore_errors()),
                      [-6, 6]),
}


@pytest.mark.parametrize("name", CASES)
def test_elements(name):
    make, expected = CASES[name]
    found = elements(make())
    assert found == expected and repr(found) == repr(expected)           # an array of one string equals the string


SEEDED = {                                      # graph seed 3
    "map": (lambda: Dataset.range(3).map(lambda x: tf.random_uniform([])).repeat(2),
            [0.9237367, 0.764892, 0.77825224, 0.9067508, 0.5149554, 0.8628837]),
    "map, own seed": (lambda: Dataset.range(3).map(lambda x: tf.random_uniform([], seed=5)),
                      [0.3976692, 0.9253018, 0.9487264]),
    "map with nodes before": (lambda: Dataset.range(3).map(
        lambda x: tf.cast(x, tf.float32) * 0 + tf.random_uniform([])), [0.7300215, 0.3250357, 0.756536]),
    "map of two": (lambda: Dataset.from_tensor_slices(([1, 2], [3, 4])).map(lambda a, b: tf.random_uniform([])),
                   [0.3976692, 0.9253018]),
    "parallel map": (lambda: Dataset.range(6).map(lambda x: tf.random_uniform([]), num_parallel_calls=4),
                     [0.9237367, 0.764892, 0.77825224, 0.9067508, 0.5149554, 0.8628837]),
    "flat_map": (lambda: Dataset.range(2).flat_map(lambda x: Dataset.range(2).map(lambda y: tf.random_uniform([]))),
                 [0.9237367, 0.764892, 0.77825224, 0.9067508]),
    "cache": (lambda: Dataset.range(2).map(lambda x: tf.random_uniform([])).cache().repeat(2),
              [0.9237367, 0.764892] * 2),
    "shuffle": (lambda: Dataset.range(8).shuffle(4), [0, 3, 1, 6, 5, 7, 4, 2]),
    "shuffle, repeat": (lambda: Dataset.range(8).shuffle(100).repeat(2),
                        [3, 0, 2, 5, 4, 7, 1, 6, 2, 1, 5, 4, 7, 3, 0, 6]),
    "shuffle, own seed, repeat": (lambda: Dataset.range(8).shuffle(4, seed=7).repeat(2),
                                  [0, 3, 1, 5, 6, 2, 7, 4, 1, 0, 5, 4, 2, 3, 6, 7]),
    "shuffle, one order": (lambda: Dataset.range(8).shuffle(4, seed=7, reshuffle_each_iteration=False).repeat(2),
                           [0, 3, 1, 5, 6, 2, 7, 4] * 2),
    "shuffle in flat_map": (lambda: Dataset.range(2).flat_map(lambda x: Dataset.range(5).shuffle(5)),
                            [2, 4, 3, 1, 0] * 2),
}


@pytest.mark.parametrize("name", SEEDED)
def test_seeds_give_tensorflows_numbers(name):
    make, expected = SEEDED[name]
    tf.set_random_seed(3)
    iterator = make().make_initializable_iterator()
    element = iterator.get_next()
    with tf.Session() as session:
        for _ in range(2):                      # an initializer begins the streams anew
            session.run(iterator.initializer)
            np.testing.assert_allclose(taken(session, element), expected, rtol=1e-6)


def test_default_seeds_after_a_dataset_are_tensorflows():
    tf.set_random_seed(5)
    Dataset.range(2).shuffle(2).make_one_shot_iterator().get_next()
    value = tf.random_uniform([])
    with tf.Session() as session:
        assert session.run(value) == np.float32(0.8374052047729492)


def numbers_drawn(workers, function, count=40):
    with tf.Graph().as_default():
        tf.set_random_seed(1)
        return elements(Dataset.range(count).map(function, workers).repeat(2), 2 * count)


def draws_by_element(x):
    """A different count of numbers for each element, and a branch that draws or not."""
    some = tf.random_uniform([1 + tf.cast(x % 3, tf.int32)])
    return tf.reduce_sum(some) + tf.cond(x % 5 > 2, lambda: tf.random_normal([]), lambda: 0.0)


def test_draws_do_not_depend_on_the_number_of_calls():
    alone = numbers_drawn(None, draws_by_element)
    assert len(set(alone)) == 80
    assert all(numbers_drawn(workers, draws_by_element) == alone for workers in (1, 2, 5))


def test_a_python_function_beside_draws_is_called_once_for_each_element():
    called = []

    def function(x):
        x = tf.py_func(lambda v: called.append(int(v)) or v, [x], tf.int64)
        return draws_by_element(tf.reshape(x, []))
    assert numbers_drawn(4, function) == numbers_drawn(None, function)
    assert called == [*range(40)] * 4


def test_calls_run_side_by_side():
    import threading
    meeting = threading.Barrier(3, timeout=60)

    def meet(x):
        meeting.wait()
        return x
    dataset = Dataset.range(6).map(lambda x: tf.py_func(meet, [x], tf.int64), num_parallel_calls=3)
    assert elements(dataset) == [0, 1, 2, 3, 4, 5]


# --- structure and shapes ---------------------------------------------------------------------------

def test_what_is_known_of_the_elements():
    dataset = Dataset.from_tensor_slices({"a": np.zeros((3, 4), np.float32), "b": ["x", "y", "z"]})
    assert dataset.output_types == {"a": tf.float32, "b": tf.string}
    assert dataset.output_shapes == {"a": tf.TensorShape([4]), "b": tf.TensorShape([])}
    assert dataset.output_classes == {"a": tf.Tensor, "b": tf.Tensor}
    assert dataset.batch(2).output_shapes["a"].as_list() == [None, 4]
    assert dataset.batch(2, True).output_shapes["a"].as_list() == [2, 4]
    assert dataset.padded_batch(2, {"a": [6], "b": []}).output_shapes["a"].as_list() == [None, 6]
    assert repr(Dataset.range(3)) == "<Dataset shapes: (), types: <dtype: 'int64'>>"
    element = dataset.make_one_shot_iterator().get_next()
    assert element["a"].shape.as_list() == [4] and element["b"].dtype == tf.string


def test_values_of_the_graph_are_parameters():
    limit = tf.placeholder(tf.int64, [])
    factor = tf.Variable(3, dtype=tf.int64)
    iterator = Dataset.range(limit).map(lambda x: x * factor + limit).make_initializable_iterator()
    element = iterator.get_next()
    with tf.Session() as session:
        session.run(factor.initializer)
        session.run(iterator.initializer, {limit: 3})
        assert taken(session, element) == [3, 6, 9]
        session.run(factor.assign(10))
        session.run(iterator.initializer, {limit: 2})
        assert taken(session, element) == [2, 12]


def test_an_element_is_taken_once_for_all_fetches_of_a_run():
    element = Dataset.range(100).batch(10).make_one_shot_iterator().get_next()
    total, largest = tf.reduce_sum(element), tf.reduce_max(element)
    with tf.Session() as session:
        assert session.run([total, largest]) == [45, 9]
        assert session.run([largest, element, total])[0] == 19
        assert plain(session.run(element)) == [*range(20, 30)]


def test_batches_of_unknown_size_have_plans_of_known_shapes():
    """What comes from an iterator is fed to the plan: no step has to find its shapes when it runs."""
    element = Dataset.range(5).batch(2).map(lambda x: tf.cast(x, tf.float32)).make_one_shot_iterator().get_next()
    total = tf.reduce_sum(tf.nn.relu(element) * 2)
    with tf.Session() as session:
        assert [session.run(total) for _ in range(3)] == [2, 10, 8]
        entry, = [e for key, e in session._engine._templates.items() if key[0] == (total,)]
        assert sorted(entry.programs) == [((1,),), ((2,),)]
        assert all(v.is_static for p in entry.programs.values() for s in p.plan.steps for v in s.outputs)


def test_an_element_inside_a_branch_is_taken_when_the_branch_is():
    element = Dataset.range(5).make_one_shot_iterator()
    takes = tf.placeholder(tf.bool, [])
    value = tf.cond(takes, lambda: element.get_next() + 10, lambda: tf.constant(-1, tf.int64))
    with tf.Session() as session:
        assert [session.run(value, {takes: t}) for t in (True, False, True)] == [10, -1, 11]


def test_an_element_comes_after_what_it_waits_for():
    count = tf.Variable(0)
    iterator = Dataset.from_generator(lambda: iter([seen] * 3), tf.int32, []).make_initializable_iterator()
    seen = 0
    with tf.control_dependencies([tf.assign_add(count, 1)]):
        element = iterator.get_next() + 0
    with tf.Session() as session:
        session.run([count.initializer, iterator.initializer])
        session.run(element)
        assert session.run(count) == 1


def test_training_reads_batches():
    rng = np.random.RandomState(0)
    inputs = rng.randn(64, 3).astype(np.float32)
    dataset = Dataset.from_tensor_slices((inputs, inputs @ np.float32([[1], [2], [3]])))
    x, y = dataset.shuffle(64, seed=1).repeat().batch(16).prefetch(2).make_one_shot_iterator().get_next()
    weights = tf.Variable(tf.zeros([3, 1]))
    gradient, = tf.gradients(tf.reduce_mean(tf.square(x @ weights - y)), [weights])
    step = weights.assign_sub(0.1 * gradient)
    with tf.Session() as session:
        session.run(weights.initializer)
        for _ in range(100):
            session.run(step.op)
        np.testing.assert_allclose(session.run(weights), [[1], [2], [3]], atol=1e-2)


# --- iterators --------------------------------------------------------------------------------------

def test_the_end_is_told_as_tensorflow_does_and_stays():
    element = Dataset.range(1).make_one_shot_iterator().get_next()
    with tf.Session() as session:
        assert session.run(element) == 0
        for fetch in (element, element + 1, element):
            with pytest.raises(tf.errors.OutOfRangeError, match=r"End of sequence\n\t \[\[IteratorGetNext 'Iter.*\n.*"
                                                                "built at.*test_data.py"):
                session.run(fetch)


def test_an_iterator_must_be_initialized():
    iterator = Dataset.range(1).make_initializable_iterator()
    element = iterator.get_next()
    with tf.Session() as session, pytest.raises(tf.errors.FailedPreconditionError,
                                                match="(?s)iterator has not been initialized.*iterator.initializer"):
        session.run(element)


def test_a_one_shot_iterator_has_no_initializer_and_no_feeds():
    with pytest.raises(ValueError, match="Iterator does not have an initializer"):
        Dataset.range(1).make_one_shot_iterator().initializer
    dataset = Dataset.range(tf.placeholder(tf.int64, [], name="limit"))
    with pytest.raises(ValueError, match=r"Cannot capture a placeholder \(name:limit, type:Placeholder\) by value"):
        dataset.make_one_shot_iterator()


def test_iterators_of_sessions_are_their_own():
    element = Dataset.range(3).make_one_shot_iterator().get_next()
    with tf.Session() as first, tf.Session() as second:
        assert [first.run(element), first.run(element), second.run(element)] == [0, 1, 0]


def test_one_iterator_for_several_datasets():
    training, validation = Dataset.range(3), Dataset.range(10, 12)
    iterator = tf.data.Iterator.from_structure(training.output_types, training.output_shapes)
    to_training, to_validation = iterator.make_initializer(training), iterator.make_initializer(validation)
    element = iterator.get_next()
    with tf.Session() as session:
        session.run(to_training)
        assert session.run(element) == 0
        session.run(to_validation)
        assert taken(session, element) == [10, 11]
        session.run(to_training)
        assert taken(session, element) == [0, 1, 2]
    with pytest.raises(ValueError, match="make_initializer"):
        iterator.initializer
    with pytest.raises(TypeError, match="Expected output types .*int64.* but got dataset with output types .*string"):
        iterator.make_initializer(Dataset.from_tensors("a"))
    with pytest.raises(TypeError, match="Expected output shapes"):
        iterator.make_initializer(training.batch(2))


def test_a_handle_chooses_the_iterator_of_a_run():
    first, second = (Dataset.range(k, k + 3).make_one_shot_iterator() for k in (0, 10))
    handle = tf.placeholder(tf.string, [])
    element = tf.data.Iterator.from_string_handle(handle, tf.int64, []).get_next() * 2
    with tf.Session() as session:
        handles = session.run([first.string_handle(), second.string_handle()])
        assert [session.run(element, {handle: handles[k]}) for k in (0, 1, 1, 0)] == [0, 20, 22, 2]
        with pytest.raises(tf.errors.NotFoundError, match="no iterator of the handle 'nobody'"):
            session.run(element, {handle: "nobody"})


def test_a_session_forgets_its_iterators():
    iterator = Dataset.range(3).prefetch(1).make_initializable_iterator()
    session = tf.Session()
    session.run(iterator.initializer)
    session.close()
    assert not session._engine.resources


# --- errors -----------------------------------------------------------------------------------------

BUILD = [
    (lambda: Dataset.from_tensor_slices(3), ValueError, "takes rows, but .* is a scalar"),
    (lambda: Dataset.from_tensor_slices(([1, 2], [1])), ValueError, "Dimensions 2 and 1 are not compatible"),
    (lambda: Dataset.zip([Dataset.range(1)]), TypeError, "please use a tuple"),
    (lambda: Dataset.range(), ValueError, "Invalid arguments to RangeDataset"),
    (lambda: Dataset.range(3).map(lambda x: None), TypeError, r"Unsupported return value .* Dataset.map\(\): None"),
    (lambda: Dataset.range(3).map(lambda x: object()), TypeError, "Unsupported return value"),
    (lambda: Dataset.range(3).map(lambda x: Dataset.range(3)), TypeError, "flat_map and interleave"),
    (lambda: Dataset.range(3).flat_map(lambda x: x), TypeError, r"`map_func` of Dataset.flat_map\(\) must return a"),
    (lambda: Dataset.range(3).filter(lambda x: x), ValueError, "`predicate` must return a scalar boolean tensor"),
    (lambda: Dataset.range(3).apply(lambda d: 3), TypeError, "`transformation_func` must return a Dataset"),
    (lambda: Dataset.range(3).concatenate(Dataset.from_tensors("a")), TypeError, "concatenate have different types"),
    (lambda: Dataset.from_generator([1], tf.int32), TypeError, "`generator` must be callable"),
    (lambda: Dataset.range(3).padded_batch(2, None), ValueError, "padded_shapes must have known ranks"),
    (lambda: Dataset.range(3).padded_batch(2, [], (0, 0)), TypeError, "padding_values .* not the structure"),
    (lambda: iter(Dataset.range(3)), RuntimeError, "cannot be iterated by Python"),
    (lambda: Dataset.from_generator(list, (tf.int32, tf.int32), [2]), TypeError, "structure of the shapes"),
]


@pytest.mark.parametrize("make, error, match", BUILD)
def test_mistakes_are_told_while_building(make, error, match):
    with pytest.raises(error, match=match):
        make()


def of_shapes(*shapes):
    return Dataset.from_generator(lambda: map(np.zeros, shapes), tf.float64)


RUN = [
    (lambda: Dataset.range(3).batch(0), "InvalidArgumentError", "Batch size must be greater than zero"),
    (lambda: Dataset.range(3).shuffle(0), "InvalidArgumentError", "buffer_size must be greater than zero"),
    (lambda: Dataset.range(3).prefetch(-2), "InvalidArgumentError", "buffer_size must be >= 0"),
    (lambda: Dataset.range(3).map(lambda x: x, 0), "InvalidArgumentError", "num_parallel_calls must be greater"),
    (lambda: Dataset.range(3).shard(0, 0), "InvalidArgumentError", "Number of shards must be greater than zero"),
    (lambda: Dataset.range(3).shard(2, 2), "InvalidArgumentError", "Index must be between 0 and 1"),
    (lambda: Dataset.range(0, 3, 0), "InvalidArgumentError", "step must be a non-zero integer"),
    (lambda: Dataset.range(3).interleave(lambda x: Dataset.range(3), 0), "InvalidArgumentError", "cycle_length must"),
    (lambda: Dataset.range(3).cache("here"), "UnimplementedError", "a cache in a file .'here'. does not exist"),
    (lambda: of_shapes((2,), (3,)).batch(2), "InvalidArgumentError",
     r"First element had shape \(2,\) and element 1 had shape \(3,\)(?s:.*)padded_batch"),
    (lambda: of_shapes((2,)).padded_batch(1, [1]), "DataLossError", "Attempted to pad to a smaller size"),
    (lambda: of_shapes((2, 2)).padded_batch(1, [1]), "InvalidArgumentError", "must have the same rank"),
    (lambda: Dataset.from_generator(lambda: [1, 2], tf.int32, [2]), "InvalidArgumentError",
     r"yielded an element of shape \(\) where an element of shape \(2,\) was expected"),
    (lambda: Dataset.from_generator(lambda: ["a"], tf.int32), "InvalidArgumentError", "could not be converted"),
    (lambda: Dataset.from_generator(lambda: [1], (tf.int32, tf.int32)), "InvalidArgumentError",
     "did not match the expected structure"),
    (lambda: Dataset.from_generator(lambda: [{"b": 1}], {"a": tf.int32}), "InvalidArgumentError",
     "did not match the expected structure"),
    (lambda: Dataset.from_tensor_slices((tf.py_func(lambda: np.zeros(2), [], tf.float64), [1, 2, 3])),
     "InvalidArgumentError", "all components must have the same size"),
    (lambda: Dataset.list_files("/nowhere/*"), "InvalidArgumentError", "No files matched pattern: /nowhere/"),
    (lambda: tf.data.TFRecordDataset("/nowhere"), "NotFoundError", "/nowhere"),
    (lambda: tf.data.TextLineDataset("/nowhere", "LZ4"), "InvalidArgumentError", "compression_type: .LZ4."),
]


@pytest.mark.parametrize("make, error, match", RUN)
def test_mistakes_are_told_when_running(make, error, match):
    element = make().make_one_shot_iterator().get_next()
    with tf.Session() as session, pytest.raises(getattr(tf.errors, error), match=match):
        session.run(element)


def divided(x):
    return 6 // x


@pytest.mark.parametrize("workers", [None, 2])
@pytest.mark.parametrize("ahead", [0, 2])
def test_an_error_of_an_element_names_it_and_does_not_end_the_others(workers, ahead):
    element = Dataset.range(-2, 3).map(divided, workers).prefetch(ahead).make_one_shot_iterator().get_next()
    with tf.Session() as session:
        assert taken(session, element, 2) == [-3, -6]
        with pytest.raises(tf.errors.InvalidArgumentError) as caught:
            session.run(element)
        assert taken(session, element) == [6, 3]
    for expected in ("FloorDiv", "element   2 of Dataset.map(divided) at ", "test_data.py"):
        assert expected in str(caught.value)


def test_errors_go_through_all_that_stands_on_a_dataset():
    dataset = Dataset.range(-1, 3).map(divided)
    dataset = dataset.skip(0).filter(lambda x: x < 100).shuffle(1).batch(1).take(9).repeat(1).prefetch(1)
    element = dataset.make_one_shot_iterator().get_next()
    with tf.Session() as session:
        found = []
        for _ in range(4):
            try:
                found.append(plain(session.run(element)))
            except tf.errors.InvalidArgumentError:
                found.append("error")
    assert found == [[-6], "error", [6], [3]]


def test_a_generator_may_raise():
    def generator():
        yield 1
        raise KeyError("lost")
    element = Dataset.from_generator(generator, tf.int32).prefetch(1).make_one_shot_iterator().get_next()
    with tf.Session() as session:
        assert session.run(element) == 1
        with pytest.raises(tf.errors.InvalidArgumentError, match="KeyError: 'lost'"):
            session.run(element)


# --- files ------------------------------------------------------------------------------------------

def test_files(tmp_path):
    (tmp_path / "b.txt").write_bytes(b"one\r\ntwo\n\nthree")
    (tmp_path / "a.txt").write_bytes(b"zero\n")
    (tmp_path / "r").write_bytes(framed(b"first") + framed(b""))
    names = Dataset.list_files(str(tmp_path / "*.txt"), shuffle=False)
    assert elements(names) == [bytes(tmp_path / n) for n in ("a.txt", "b.txt")]
    assert sorted(elements(Dataset.list_files([str(tmp_path / "r"), str(tmp_path / "?.txt")]))) \
        == [bytes(tmp_path / n) for n in ("a.txt", "b.txt", "r")]
    assert elements(tf.data.TextLineDataset(names)) == [b"zero", b"one", b"two", b"", b"three"]
    assert elements(tf.data.TFRecordDataset([str(tmp_path / "r")] * 2)) == [b"first", b""] * 2


def test_a_damaged_record_is_told_after_those_before_it(tmp_path):
    (tmp_path / "r").write_bytes(framed(b"first") + gzip.compress(b"noise" * 20))
    element = tf.data.TFRecordDataset(str(tmp_path / "r")).make_one_shot_iterator().get_next()
    with tf.Session() as session:
        assert session.run(element) == b"first"
        with pytest.raises(tf.errors.DataLossError, match="corrupted record"):
            session.run(element)


def test_a_graph_with_a_dataset_can_be_written():
    Dataset.range(3).map(lambda x: x + 1).make_one_shot_iterator().get_next()
    message = tf.get_default_graph().as_graph_def()
    assert [n.op for n in message.node][3:] == ["RangeDataset", "MapDataset", "OneShotIterator",
                                                "IteratorToStringHandle", "IteratorGetNext"]
    assert len(message.library.function) == 2
