"""Every row of the core's op tables goes out as a GraphDef, comes back and gives the same values."""
import importlib.util
import pathlib

import numpy as np
import pytest

import thalweg as tf

_PATH = pathlib.Path(__file__).parent / "reference" / "write_graphs.py"


def rows():
    spec = importlib.util.spec_from_file_location("write_graphs", _PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: dict = {}
    for name, row in module.rows():
        found.setdefault(name.partition("[")[0], []).append((name, row))
    return found


ROWS = rows()


def values(graph, feeds, fetches, arrays):
    with tf.Session(graph=graph) as session:
        return session.run(fetches, dict(zip(feeds, arrays)))


@pytest.mark.parametrize("table", ROWS)
def test_rows_come_back(table):
    assert ROWS[table]
    for name, row in ROWS[table]:
        dtype = row.dtypes_of()[0]
        with tf.Graph().as_default() as graph:
            feeds, fetches = row.build(dtype)
        arrays = row.draw(dtype)
        expected = values(graph, feeds, fetches, arrays)
        message = graph.as_graph_def(add_shapes=True)
        with tf.Graph().as_default() as again:
            tf.import_graph_def(message, name="")
        assert message.library.function or again.as_graph_def(add_shapes=True) == message, name
        found = values(again, [t.name for t in feeds], [t.name for t in fetches], arrays)
        for want, got in zip(expected, found):
            np.testing.assert_array_equal(got, want, err_msg=name)
