"""Examples and SequenceExamples taken apart. What is expected is what TensorFlow 1.15 gave for the same, or said."""
import json
import random

import numpy as np
import pytest

import thalweg as tf
from thalweg_io.examples.walk import Walk

FLOAT, INT, TEXT = tf.float32, tf.int64, tf.string
Fixed, Rows, Any, Sparse = tf.FixedLenFeature, tf.FixedLenSequenceFeature, tf.VarLenFeature, tf.SparseFeature


def floats(*values):
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))


def integers(*values):
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def texts(*values):
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))


def example(**features):
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def sequence(context, **lists):
    return tf.train.SequenceExample(
        context=tf.train.Features(feature=context), feature_lists=tf.train.FeatureLists(
            feature_list={k: tf.train.FeatureList(feature=v) for k, v in lists.items()})).SerializeToString()


A = example(a=floats(1, 2), b=integers(3), c=texts(b"x", b"y"))
Q = sequence({"id": integers(7)}, x=[floats(1, 2), floats(3, 4)], w=[texts(b"a"), texts(), texts(b"b", b"c")])


def run(fetch, feeds=None):
    with tf.Session() as session:
        return plain(session.run(fetch, feeds))


def plain(value):
    """Values as lists; a SparseTensor's as (indices, values, dense_shape)."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return tuple(map(plain, value))
    return value.tolist() if hasattr(value, "tolist") else value


# --- Examples ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("serialized, features, expected", [
    ([A], {"a": Fixed([2], FLOAT), "b": Fixed([], INT), "c": Fixed([2, 1], TEXT)},
     {"a": [[1, 2]], "b": [3], "c": [[[b"x"], [b"y"]]]}),
    ([A], {"c": Any(TEXT), "zz": Any(INT)},
     {"c": ([[0, 0], [0, 1]], [b"x", b"y"], [1, 2]), "zz": ([], [], [1, 0])}),
    ([A], {"zz": Fixed([2], FLOAT, [5.0, 6.0])}, {"zz": [[5, 6]]}),
    ([A, example(a=floats(3, 4))], {"b": Fixed([], INT, -1), "a": Fixed([2], FLOAT)},
     {"b": [3, -1], "a": [[1, 2], [3, 4]]}),
    ([A, example(a=floats(9))], {"a": Rows([], FLOAT, True)}, {"a": [[1, 2], [9, 0]]}),
    ([A, example(a=floats(9))], {"a": Rows([], FLOAT, True, -1.0)}, {"a": [[1, 2], [9, -1]]}),
    ([A, example(c=texts(b"z")), example()], {"c": Rows([1], TEXT, True)},
     {"c": [[[b"x"], [b"y"]], [[b"z"], [b""]], [[b""], [b""]]]}),
    ([A], {"s": Sparse("b", "b", INT, 10)}, {"s": ([[0, 3]], [3], [1, 10])}),
    ([example(i=integers(5, 2), j=integers(1, 0), v=floats(0.5, 1.5))], {"s": Sparse(["i", "j"], "v", FLOAT, [9, 2])},
     {"s": ([[0, 2, 0], [0, 5, 1]], [1.5, 0.5], [1, 9, 2])}),
    ([example(a=tf.train.Feature())], {"a": Any(FLOAT)}, {"a": ([], [], [1, 0])}),
    (np.zeros(0, object), {"a": Fixed([2], FLOAT), "v": Any(INT), "q": Rows([], INT, True)},
     {"a": [], "v": ([], [], [0, 0]), "q": []}),
])
def test_parse_example(serialized, features, expected):
    assert run(tf.parse_example(serialized, features)) == expected
    if len(serialized) == 1:                                        # one alone: the same without the batch
        def alone(value):
            return ([i[1:] for i in value[0]], value[1], value[2][1:]) if type(value) is tuple else value[0]
        found = run(tf.parse_single_example(serialized[0], features))
        assert found == {key: alone(value) for key, value in expected.items()}
        assert run(tf.parse_single_example(serialized[0], features, example_names="one")) == found


@pytest.mark.parametrize("features, said", [
    ({"zz": Fixed([2], FLOAT)}, r"Feature: zz \(data type: float\) is required but could not be found\."),
    ({"a": Fixed([2], INT)}, r"Key: a, Index: 0\.  Data types don't match\. Data type: float but expected .* int64"),
    ({"a": Any(INT)}, r"Key: a, Index: 0\.  Data types don't match\."),
    ({"a": Fixed([3], FLOAT)}, r"Key: a, Index: 0\.  Number of float values != expected\.  Values size: 2 but output "
                               r"shape: \[3\]"),
    ({"a": Rows([3], FLOAT, True)}, r"Key: a, Index: 0\.  Number of float values is not a multiple of stride length\. "
                                    r"Saw 2 values but output shape is: \[\?,3\]"),
    ({"a": Rows([0], FLOAT, True)}, "Key: a, Index: 0.  .*not a multiple of stride length"),
    ({"none": Fixed([0], FLOAT)}, "Feature: none .*is required")])
def test_features_that_do_not_fit(features, said):
    for build, start in ((lambda: tf.parse_example([A], features), "Name: <unknown>, "),
                         (lambda: tf.parse_example([A], features, example_names=["first"]), "Name: first, "),
                         (lambda: tf.parse_single_example(A, features), "")):
        with pytest.raises(tf.errors.InvalidArgumentError, match=f"^{start}{said}"):
            run(build())


def test_the_example_that_does_not_fit_is_named():
    with pytest.raises(tf.errors.InvalidArgumentError, match="^Name: second, Key: a, Index: 1"):
        run(tf.parse_example([A, example(a=floats(1))], {"a": Fixed([2], FLOAT)}, example_names=["first", "second"]))
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"^Name: second, Could not parse example .*'\\xff'"):
        run(tf.parse_example([A, b"\xff"], {"a": Fixed([2], FLOAT)}, example_names=["first", "second"]))
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"len\(names\) == len\(serialized\), but got: 1 vs. 2"):
        run(tf.parse_example([A, A], {"a": Fixed([2], FLOAT)}, example_names=["first"]))


@pytest.mark.parametrize("features, said", [
    ({}, "Missing"), ({"a": 3}, "Invalid feature a:3."), ({"a": Fixed([None], FLOAT)}, "First dimension of shape for "
     "feature a unknown. Consider using FixedLenSequenceFeature."),
    ({"a": Fixed([2, None], FLOAT)}, "All dimensions of shape for feature a need to be known"),
    ({"a": Rows([None], FLOAT, True)}, "All dimensions of shape for feature a need to be known"),
    ({"a": Rows([], FLOAT)}, "Unsupported: FixedLenSequenceFeature requires allow_missing to be True."),
    ({"a": Fixed([2], FLOAT, [1.0, 2.0, 3.0])}, "Cannot reshape"),
    ({"a": Any(INT), "s": Sparse("a", "a", FLOAT, 3)}, "Conflicting type float32 vs int64 for feature a")])
def test_features_that_cannot_be(features, said):
    for parse, given in ((tf.parse_example, [A]), (tf.parse_single_example, A)):
        with pytest.raises(ValueError, match=said):
            parse(given, features)
    with pytest.raises(TypeError, match="'a' has DataType int32 not in list of allowed values: float32, int64, str"):
        tf.parse_example([A], {"a": Any(tf.int32)})


def test_static_shapes_and_ops():
    found = tf.parse_example(tf.placeholder(TEXT, [None]), {"a": Fixed([2], FLOAT), "v": Any(INT),
                                                            "q": Rows([3], INT, True)}, name="pp")
    assert found["a"].shape.as_list() == [None, 2] and found["q"].shape.as_list() == [None, None, 3]
    assert found["v"].indices.shape.as_list() == [None, 2] and found["v"].values.name == "pp/pp:1"
    assert found["a"].op.type == "ParseExample" and found["a"].op.get_attr("dense_shapes")[0] == (2,)
    one = tf.parse_single_example(tf.placeholder(TEXT, []), {"a": Fixed([2], FLOAT), "v": Any(INT)}, name="ss")
    assert one["a"].shape.as_list() == [2] and one["v"].values.name == "ss/ss:1"
    assert one["a"].op.type == "ParseSingleExample" and one["a"].op.get_attr("dense_keys") == ["a"]
    assert tf.io.parse_example is tf.parse_example and tf.io.VarLenFeature is tf.VarLenFeature


# --- SequenceExamples -------------------------------------------------------------------------------

ID = {"id": Fixed([], INT)}


def test_parse_sequence_examples():
    lists = {"x": Rows([2], FLOAT), "w": Any(TEXT)}
    assert run(tf.io.parse_single_sequence_example(Q, ID, lists)) == (
        {"id": 7}, {"x": [[1, 2], [3, 4]], "w": ([[0, 0], [2, 0], [2, 1]], [b"a", b"b", b"c"], [3, 2])})
    other = sequence({"id": integers(8)}, x=[floats(5, 6)], w=[])
    assert run(tf.io.parse_sequence_example([Q, other], {**ID, "v": Any(INT)}, lists)) == (
        {"id": [7, 8], "v": ([], [], [2, 0])},
        {"x": [[[1, 2], [3, 4]], [[5, 6], [0, 0]]],
         "w": ([[0, 0, 0], [0, 2, 0], [0, 2, 1]], [b"a", b"b", b"c"], [2, 3, 2])}, {"x": [2, 1]})
    for build in (tf.parse_single_sequence_example, tf.io.parse_sequence_example):
        with pytest.raises(ValueError, match="Missing features."):
            build(Q, {}, {})


def test_lists_that_are_missing():
    lists = {"zz": Rows([2], FLOAT, allow_missing=True), "none": Any(INT)}
    assert run(tf.parse_single_sequence_example(Q, ID, lists)) == (
        {"id": 7}, {"zz": [], "none": ([], [], [0, 0])})
    assert run(tf.io.parse_sequence_example([Q], ID, lists)) == (
        {"id": [7]}, {"zz": [[]], "none": ([], [], [1, 0, 0])}, {"zz": [0]})


@pytest.mark.parametrize("context, lists, said", [
    (ID, {"zz": Rows([2], FLOAT)}, "Feature list 'zz' is required but could not be found; .*allow_missing=True"),
    ({"idd": Fixed([], INT)}, {}, "Feature: idd .*is required but could not be found"),
    ({"id": Fixed([], FLOAT)}, {}, "Key: id, Index: 0.  Data types don't match. Data type: int64 but .* float"),
    ({"id": Fixed([2], INT)}, {}, "Key: id, Index: 0.  Number of int64 values != expected.  Values size: 1"),
    (ID, {"x": Rows([2], INT)}, "Key: x, Index: 0.  Data types don't match"),
    (ID, {"x": Rows([3], FLOAT)}, r"Key: x, Index: 0.  Number of float values != expected.  Values size: 2 .* \[3\]"),
    (ID, {"w": Rows([1], TEXT)}, r"Key: w, Index: 1.  Number of string values != expected.  Values size: 0")])
def test_sequences_that_do_not_fit(context, lists, said):
    for build in (lambda: tf.parse_single_sequence_example(Q, context, lists, example_name="q"),
                  lambda: tf.io.parse_sequence_example([Q], context, lists, example_names=["q"])):
        with pytest.raises(tf.errors.InvalidArgumentError, match=f"^Name: q, {said}"):
            run(build())


def test_names_of_sequences_are_as_many_as_they():
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"len\(debug_name\) == .* but got: 2 vs. 1"):
        run(tf.io.parse_sequence_example([Q], ID, {}, example_names=["a", "b"]))


# --- the wire ---------------------------------------------------------------------------------------

def field(number, data):
    """A field with a length, below 128 bytes."""
    return bytes([number << 3 | 2, len(data)]) + data


def feature(key, value):
    """An Example with one feature, `value` being its Feature message."""
    return field(1, field(1, field(1, key) + field(2, value)))


UNPACKED = feature(b"a", field(2, b"\x0d\0\0\x80\x3f" + b"\x0d\0\0\0\x40"))


def test_numbers_that_are_not_packed():
    assert run(tf.parse_example([UNPACKED], {"a": Fixed([2], FLOAT)})) == {"a": [[1, 2]]}
    whole = feature(b"a", field(3, b"\x08\x05" + b"\x08" + b"\xff" * 9 + b"\x01" + field(1, b"\x07\x08")))
    assert run(tf.parse_example([whole], {"a": Any(INT)}))["a"][1] == [5, -1, 7, 8]


def test_the_last_of_a_key_and_unknown_fields():
    twice = example(a=floats(1)) + b"\x7a\x01x" + b"\x18\x05" + example(a=floats(2), other=texts(b"no"))
    assert run(tf.parse_single_example(twice, {"a": Fixed([], FLOAT)})) == {"a": 2}
    in_one_map = field(1, example(a=floats(1))[2:] + example(a=integers(9))[2:])
    assert run(tf.parse_single_example(in_one_map, {"a": Fixed([], INT)})) == {"a": 9}


@pytest.mark.parametrize("data", [
    b"\x0a", b"\x0a\x05ab", b"\x0b\x0c", b"\x02\x00", b"\x0a\x80\x80\x80\x80\x80\x80\x80\x80\x80\x02", b"\xff" * 11,
    feature(b"a", b"\x12\x09"), feature(b"a", field(2, b"\x0a\x07" + b"\0" * 7)), feature(b"a", field(2, b"\x0d\0\0")),
    feature(b"a", field(2, b"\x0a\xff\xff\xff\xff\x0f"))])
def test_damaged_messages(data):
    with pytest.raises(tf.errors.InvalidArgumentError, match="Could not parse example input, value: .*"):
        run(tf.parse_example([data], {"a": Any(FLOAT)}))


@pytest.mark.parametrize("data", [feature(b"a", field(3, b"\x0a\x01\x80")), feature(b"a", field(3, b"\x08\x80"))])
def test_damaged_integers(data):
    with pytest.raises(tf.errors.InvalidArgumentError, match="damaged"):
        run(tf.parse_example([data], {"a": Any(INT)}))


def test_many_features_against_the_messages():
    rng, known = np.random.RandomState(5), {}
    for i in range(60):
        made = [floats(*rng.rand(i % 7)), integers(*rng.randint(-2**40, 2**40, i % 5)), texts(*[b"t" * i] * (i % 3))]
        known[f"f{i:02}"] = made[i % 3]
    data = example(**known)
    found = run(tf.parse_single_example(data, {
        key: Any([FLOAT, INT, TEXT][i % 3]) for i, key in enumerate(sorted(known))}))
    for key, (_, values, shape) in found.items():
        kind = known[key].WhichOneof("kind")
        assert values == list(getattr(known[key], kind).value) and shape == [len(values)]


def test_mutated_messages_are_parsed_or_refused():
    rng = random.Random(1)
    for data, wanted in ((A, ([(b"a", 2), (b"b", 3), (b"c", 1)], [])), (Q, ([(b"id", 3)], [(b"x", 2), (b"w", 1)]))):
        for _ in range(3000):
            bad = bytearray(data)
            for _ in range(rng.choice((1, 1, 3))):
                bad[rng.randrange(len(bad))] = rng.randrange(256)
            walk = Walk(*wanted)
            try:
                walk.over([bytes(bad[:rng.choice((len(bad), rng.randrange(len(bad))))])])
            except Exception as error:
                assert type(error).__name__ in ("WireError", "KindError"), error
            else:
                assert all(len(c.values) == np.maximum(c.counts, 0).sum() for c in walk.features + walk.lists)


# --- in pipelines, golden and hostile files ---------------------------------------------------------

@pytest.mark.parametrize("calls", [None, 3])
def test_in_the_map_of_a_dataset(tmp_path, calls):
    with tf.python_io.TFRecordWriter(str(tmp_path / "f"), "GZIP") as writer:
        for i in range(20):
            writer.write(example(i=integers(i), v=floats(*range(i % 3))))

    def parse(record):
        found = tf.parse_single_example(record, {"i": Fixed([], INT), "v": Any(FLOAT)})
        return found["i"], tf.sparse_tensor_to_dense(found["v"], -1.0)
    dataset = tf.data.TFRecordDataset(str(tmp_path / "f"), "GZIP").map(parse, num_parallel_calls=calls)
    element = dataset.padded_batch(20, ([], [None])).make_one_shot_iterator().get_next()
    numbers, values = run(element)
    assert numbers == list(range(20)) and values == [[[0, 0], [0, 0], [0, 1]][i % 3] for i in range(20)]


def test_a_map_that_leaves_features_sparse_says_what_to_do():
    with pytest.raises(TypeError, match="Unsupported return value .*tf.sparse.to_dense makes one of it"):
        tf.data.Dataset.from_tensors(A).map(lambda record: tf.parse_single_example(record, {"c": Any(TEXT)}))


def test_golden_examples(golden):
    expected = json.loads((golden / "tfrecord/examples.json").read_text())
    serialized = list(tf.io.tf_record_iterator(golden / "tfrecord/data.tfrecord"))[:len(expected)]
    kinds = {"float_list": FLOAT, "int64_list": INT, "bytes_list": TEXT}
    keys = {key: kind for e in expected for key, (kind, _) in e.items() if kind}
    found = run(tf.parse_example(serialized, {key: Any(kinds[kind]) for key, kind in keys.items()}))
    for key, (indices, values, _) in found.items():
        wanted = [e[key][1] if e[key][0] else [] for e in expected]
        if keys[key] == "bytes_list":
            wanted = [[bytes.fromhex(v) for v in row] for row in wanted]
        assert values == [v for row in wanted for v in row]
        assert indices == [[i, k] for i, row in enumerate(wanted) for k in range(len(row))]
    features = {"label": Fixed([], INT), "absent": Fixed([2], FLOAT, [7.0, 8.0]), "seq": Rows([], INT, True),
                "box": Any(FLOAT)}
    found = run(tf.parse_example(serialized, features))
    found.update(zip(("box_indices", "box_values", "box_shape"), found.pop("box")))
    with np.load(golden / "tfrecord/parsed.npz", allow_pickle=False) as parsed:
        assert sorted(parsed.files) == sorted(found)
        for name in parsed.files:
            assert parsed[name].tolist() == found[name], name


def test_hostile_example(hostile_example, golden):
    serialized = list(tf.io.tf_record_iterator(golden / "hostile" / hostile_example["path"]))
    if hostile_example["expect"] == "ok":
        assert run(tf.parse_example(serialized, {"a": Fixed([], INT)})) == {"a": [5]}
        return
    for dtype in (FLOAT, INT):
        with pytest.raises(tf.errors.InvalidArgumentError, match="Key: a|Could not parse example input"):
            run(tf.parse_example(serialized, {"a": Fixed([], dtype)}))
