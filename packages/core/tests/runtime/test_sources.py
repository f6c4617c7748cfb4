"""What input pipelines stand on: sources, whose values a run takes before it has a plan, and FunctionEngine."""
import numpy as np
import pytest

import thalweg as tf
from thalweg.framework.declaration import REGISTRY, define_op
from thalweg.framework.func_graph import FuncGraph
from thalweg.runtime.function_engine import FunctionEngine


@pytest.fixture(autouse=True)
def fresh_graph():
    tf.reset_default_graph()


@pytest.fixture
def rows():
    """A source op: rows of growing length from a counter that the session keeps; `rows(key)`."""
    @define_op("SourceTestRows", "key: int32[] -> row: float32", stateful=True, source=True)
    def source(key, *, session):
        if key < 0:
            raise ValueError("a negative key")
        counter = session.resource(f"rows{key}", Counter)
        counter.count += 1
        return np.arange(counter.count, dtype=np.float32)
    source.shape(lambda node, key: [(None,)])
    source.no_gradient("a test")
    yield source
    del REGISTRY["SourceTestRows"]


class Counter:
    count = 0
    is_closed = False

    def close(self):
        self.is_closed = True


def programs_of(session, fetch):
    entry, = [e for key, e in session._engine._templates.items() if key[0] == (fetch,)]
    return entry.programs


def test_a_source_is_taken_once_a_run_and_its_shape_is_known_to_the_plan(rows):
    row = rows(0)
    total = tf.reduce_sum(row * 2 + 1)
    with tf.Session() as session:
        assert [session.run(total) for _ in range(3)] == [1, 4, 9]
        assert [session.run([row, total])[1] for _ in range(2)] == [16, 25]
        programs = programs_of(session, total)
        assert sorted(programs) == [((1,),), ((2,),), ((3,),)]
        assert all(v.is_static for p in programs.values() for s in p.plan.steps for v in s.outputs)


def test_what_a_source_gives_can_be_fetched_and_fed(rows):
    row = rows(0)
    with tf.Session() as session:
        assert session.run(row).tolist() == [0]
        assert session.run(row + 1, {row: np.float32([5])}).tolist() == [6]
        assert session.run(row).tolist() == [0, 1]


def test_a_source_takes_feeds(rows):
    key = tf.placeholder(tf.int32, [])
    total = tf.reduce_sum(rows(key) + 1)
    with tf.Session() as session:
        assert [session.run(total, {key: k}) for k in (0, 1, 0)] == [1, 1, 3]
        with pytest.raises(tf.errors.InvalidArgumentError, match="You must feed a value for placeholder"):
            session.run(total)


def test_a_source_in_a_branch_is_taken_with_the_branch(rows):
    takes = tf.placeholder(tf.bool, [])
    value = tf.cond(takes, lambda: tf.reduce_sum(rows(0) + 1), lambda: -1.0)
    with tf.Session() as session:
        assert [session.run(value, {takes: t}) for t in (True, False, True)] == [1, -1, 3]


def test_a_source_that_must_wait_for_an_effect_stays_in_the_plan(rows):
    count = tf.Variable(0)
    with tf.control_dependencies([tf.assign_add(count, 1)]):
        total = tf.reduce_sum(rows(tf.zeros([], tf.int32)) + 1)
    with tf.Session() as session:
        session.run(count.initializer)
        assert [session.run(total) for _ in range(2)] == [1, 3]
        assert session.run(count) == 2


def test_errors_of_a_source_name_op_and_line(rows):
    total = tf.reduce_sum(rows(-1, name="mine"))
    with tf.Session() as session, pytest.raises(tf.errors.InvalidArgumentError,
                                                match=r"(?s)ValueError: a negative key.*'mine'.*test_sources.py"):
        session.run(total)


def test_a_trace_shows_the_source(rows):
    total = tf.reduce_sum(rows(0))
    metadata = tf.RunMetadata()
    with tf.Session() as session:
        session.run(total, options=tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE), run_metadata=metadata)
    assert metadata.step_stats[0][1] == "SourceTestRows"


def test_resources_are_closed_with_the_session(rows):
    row = rows(0)
    session = tf.Session()
    session.run(row)
    counter = session._engine.resource("rows0", Counter)
    session.close()
    assert counter.is_closed
    with pytest.raises(tf.errors.CancelledError):
        session._engine.resource("rows0", Counter)


def function(build):
    graph = FuncGraph("function")
    with graph.as_default():
        parameter = graph.add_parameter(tf.float32, [])
        graph.outputs = [graph.capture(build(parameter))]
    return graph


def test_function_engines_draw_together_what_one_draws_alone():
    graph = function(lambda x: x + tf.random_uniform([], seed=1))
    with tf.Session() as session:
        engines = [FunctionEngine(session._engine) for _ in range(3)]
        alone, first, second = [e.call for e in engines]
        call = (tuple(graph.outputs), (graph.parameters[0],), [np.zeros((), np.float32)])
        expected = [alone(*call)[0] for _ in range(3)]
        found = [first(*call)[0]]
        engines[2].drawn = engines[1].drawn              # before it has ever run
        found.append(second(*call)[0])
        engines[1].drawn = engines[2].drawn
        found.append(first(*call)[0])
        assert found == expected and len(set(map(float, found))) == 3
        assert engines[0].drawn == engines[1].drawn


def test_a_function_engine_has_the_variables_of_the_session():
    variable = tf.Variable(2.0)
    graph = function(lambda x: x * variable)
    with tf.Session() as session:
        engine = FunctionEngine(session._engine)
        call = (tuple(graph.outputs), (graph.parameters[0],), [np.float32([3])[0, ...]])
        with pytest.raises(tf.errors.FailedPreconditionError, match="uninitialized value Variable"):
            engine.call(*call)
        session.run(variable.initializer)
        assert engine.call(*call)[0] == 6
        session.run(variable.assign(5))
        assert engine.call(*call)[0] == 15
    with pytest.raises(tf.errors.CancelledError):
        engine.call(*call)
