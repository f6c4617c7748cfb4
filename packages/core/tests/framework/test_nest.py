"""Nested structures against TensorFlow 1.15's rules."""
import collections

import pytest

import thalweg as tf
from thalweg.framework import nest

Point = collections.namedtuple("Point", "x y")


def test_flatten_and_pack():
    structure = {"b": 1, "a": Point(2, [3, (4,)])}
    assert nest.flatten(structure) == [2, 3, 4, 1]
    assert nest.pack_sequence_as(structure, [5, 6, 7, 8]) == {"b": 8, "a": Point(5, [6, (7,)])}
    assert nest.flatten("text") == ["text"] and nest.flatten(b"x") == [b"x"] and nest.flatten(7) == [7]
    assert nest.pack_sequence_as(1, [2]) == 2
    ordered = collections.OrderedDict([("z", 1), ("a", 2)])
    assert list(nest.pack_sequence_as(ordered, [3, 4]).items()) == [("z", 4), ("a", 3)]
    counts = nest.map_structure(lambda v: v + 1, collections.defaultdict(int, {"k": 1}))
    assert counts["k"] == 2 and counts["missing"] == 0
    assert nest.map_structure(lambda a, b: a + b, (1, [2]), (10, [20])) == (11, [22])


@pytest.mark.parametrize("call,error,match", [
    (lambda: nest.pack_sequence_as([1, 2], [1]), ValueError, "Structure had 2 elements, but flat_sequence had 1"),
    (lambda: nest.pack_sequence_as(1, [1, 2]), ValueError, r"Structure is a scalar but len\(flat_sequence\) == 2 > 1"),
    (lambda: nest.pack_sequence_as(1, 3), TypeError, "flat_sequence must be a sequence"),
    (lambda: nest.assert_same_structure([1, 2], [1, [2]]), ValueError, "is a sequence, while(.|\n)*is not"),
    (lambda: nest.assert_same_structure([1, 2], (1, 2)), TypeError, "First structure has type list, while second"),
    (lambda: nest.assert_same_structure([1, 2], [1]), ValueError, "don't have the same number of elements"),
    (lambda: nest.assert_same_structure({"a": 1}, {"b": 1}), ValueError, "don't have the same set of keys"),
    (lambda: nest.assert_same_structure(Point(1, 2), (1, 2)), TypeError, "same nested structure"),
    (lambda: nest.map_structure(3, [1]), TypeError, "func must be callable, got: 3"),
    (lambda: nest.map_structure(str), ValueError, "Must provide at least one structure"),
    (lambda: nest.flatten({1: 1, "a": 2}), TypeError, "only supports dicts with sortable keys"),
    (lambda: nest.flatten_up_to([1, [2]], [1, 2]), TypeError, "If shallow structure is a sequence, input must also"),
    (lambda: nest.flatten_up_to([1, 2], [1]), ValueError, "don't have the same sequence length"),
    (lambda: nest.flatten_up_to({"a": 1}, {"b": 1}), ValueError, "don't have the same keys"),
    (lambda: nest.flatten_dict_items([]), TypeError, "input must be a dictionary"),
    (lambda: nest.flatten_dict_items({(1, 2): [3]}), ValueError, "Key had 2 elements, but value had 1"),
    (lambda: nest.flatten_dict_items({(1, 2): [3, 4], 1: 5}), ValueError, "key 1 is not unique"),
])
def test_refusals(call, error, match):
    with pytest.raises(error, match=match):
        call()


def test_lenient_comparison():
    nest.assert_same_structure([1, 2], (1, 2), check_types=False)
    Other = collections.namedtuple("Point", "x y")
    nest.assert_same_structure(Point(1, 2), Other(3, 4))


def test_up_to():
    assert nest.flatten_up_to([0, {"a": 0}], [[1, 2], {"a": (3,)}]) == [[1, 2], (3,)]
    assert nest.map_structure_up_to([0, 0], len, [[1, 2], [3]]) == [2, 1]
    assert nest.flatten_dict_items({"a": 1, ("b", "c"): (2, 3)}) == {"a": 1, "b": 2, "c": 3}


def test_composites_open_on_demand():
    with tf.Graph().as_default():
        slices = tf.IndexedSlices(tf.ones([1, 2]), tf.constant([0]), tf.constant([3, 2]))
        assert nest.flatten([slices]) == [slices]
        parts = nest.flatten([slices], expand_composites=True)
        assert parts == [slices.values, slices.indices, slices.dense_shape]
        again = nest.pack_sequence_as([slices], parts, expand_composites=True)[0]
        assert isinstance(again, tf.IndexedSlices) and again.values is slices.values
        with pytest.raises(TypeError, match="different kinds of composite values"):
            nest.assert_same_structure([slices], [1], expand_composites=True)
