"""Session: fetches and feeds of any form, errors, threads, plans and their end."""
import gc
import os
import subprocess
import sys
import threading
import tracemalloc
import weakref
from collections import namedtuple

import numpy as np
import pytest

import thalweg as tf


@pytest.fixture(autouse=True)
def fresh_graph():
    tf.reset_default_graph()


@pytest.fixture
def session():
    with tf.Session() as session:
        yield session


# --- fetches ------------------------------------------------------------------------------------------------

def test_fetches_come_back_in_the_form_they_were_asked(session):
    a, b = tf.constant(1.0, name="a"), tf.constant([2, 3])
    pair = namedtuple("pair", "left right")
    got = session.run({"x": [a, (b, a)], "y": pair(a, b), "z": "a:0", "n": tf.no_op()})
    assert got["x"][0] == 1.0 and isinstance(got["x"][1], tuple)
    assert got["y"].left == 1.0 and got["y"].right.tolist() == [2, 3]
    assert got["z"] == 1.0 and got["n"] is None
    assert session.run([]) == []


def test_scalars_are_numpy_scalars_and_arrays_belong_to_the_caller(session):
    x = tf.constant([1.0, 2.0])
    assert isinstance(session.run(tf.constant(3)), np.int32)
    first = session.run(x)
    first[:] = 0
    assert session.run(x).tolist() == [1.0, 2.0]
    v = tf.Variable([1.0, 2.0])
    session.run(v.initializer)
    session.run(v)[:] = 9
    assert session.run(v).tolist() == [1.0, 2.0]


def test_reshaped_views_of_a_variable_share_its_buffer(session):
    v = tf.Variable(np.arange(6, dtype=np.float32).reshape(2, 3))
    views = [tf.expand_dims(v, 0), tf.reshape(v, [3, 2]), tf.squeeze(tf.expand_dims(v, 1) + 0)]
    session.run(v.initializer)
    assert [view.tolist() for view in session.run(views)] == [
        [[[0, 1, 2], [3, 4, 5]]], [[0, 1], [2, 3], [4, 5]], [[0, 1, 2], [3, 4, 5]]]


@pytest.mark.parametrize("bad, error", [(None, TypeError), (3, TypeError), ("nothing:0", ValueError),
                                        ("a:5", ValueError)])
def test_bad_fetches_are_named(session, bad, error):
    tf.constant(1.0, name="a")
    with pytest.raises(error, match="Fetch argument"):
        session.run(bad)


def test_an_element_of_another_graph_is_refused(session):
    with tf.Graph().as_default():
        other = tf.constant(1.0)
    with pytest.raises(ValueError, match="not an element of this graph"):
        session.run(other)


# --- feeds --------------------------------------------------------------------------------------------------

def test_any_tensor_can_be_fed(session):
    x = tf.constant([1.0, 2.0])
    y = x * 2.0
    z = y + 1.0
    assert session.run(z, {y: [10.0, 20.0]}).tolist() == [11.0, 21.0]
    assert session.run([y, z], {y: [0.0, 0.0]})[1].tolist() == [1.0, 1.0]


def test_a_fed_array_is_read_in_place_and_never_written(session):
    x = tf.placeholder(tf.float32, [None])
    feed = np.arange(5, dtype=np.float32)
    session.run(tf.nn.relu(x - 2.0) * 3.0, {x: feed})
    assert feed.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("make", [lambda a: a[::2], lambda a: a.T, lambda a: np.asfortranarray(a),
                                  lambda a: a.astype(">f4"), lambda a: a.astype(np.float64), lambda a: a.tolist()])
def test_feeds_of_any_layout(session, make):
    a = np.arange(24, dtype=np.float32).reshape(4, 6)
    x = tf.placeholder(tf.float32, [None, None])
    np.testing.assert_array_equal(session.run(tf.identity(x) + 0.0, {x: make(a)}), np.asarray(make(a)))


def test_a_wrong_shape_is_named(session):
    x = tf.placeholder(tf.float32, [None, 3], name="x")
    with pytest.raises(ValueError, match=r"Cannot feed value of shape \(2, 4\) for Tensor 'x:0', "
                                         r"which has shape '\(\?, 3\)'"):
        session.run(x, {x: np.zeros([2, 4])})


def test_bytes_at_odd_addresses_are_copied_before_a_kernel_reads_them(session, monkeypatch):
    raw = np.zeros(4 * 6 + 1, np.uint8)
    odd = raw[1:].view(np.float32)
    odd[:] = np.arange(6)
    assert not odd.flags.aligned
    x, seen = tf.placeholder(tf.float32, [6]), []
    run = session._engine.run
    monkeypatch.setattr(session._engine, "run", lambda *args: seen.extend(args[2]) or run(*args))
    for feed in odd, odd.astype(">f4"), odd.astype(">f4")[::-1][::-1]:
        assert session.run(x * 2.0, {x: feed}).tolist() == [0, 2, 4, 6, 8, 10]
    assert all(a.flags.aligned and a.dtype.isnative for a in seen)
    assert session.run(tf.exp(tf.py_func(lambda: odd, [], tf.float32) * 0.0)).tolist() == [1.0] * 6


@pytest.mark.parametrize("dtype", [tf.float16, tf.float32, tf.float64])
@pytest.mark.parametrize("value", [1.5, 0.1, -0.0, 1e300, float("inf"), float("nan")])
@pytest.mark.filterwarnings("ignore:overflow")
def test_a_python_float_is_rounded_as_numpy_rounds_it(session, dtype, value):
    for shape in [], None:
        x = tf.placeholder(dtype, shape)
        found = session.run(tf.identity(x), {x: value})
        assert type(found) is dtype.as_numpy_dtype and found.tobytes() == dtype.as_numpy_dtype(value).tobytes()


def test_a_python_float_is_no_vector(session):
    x = tf.placeholder(tf.float32, [1])
    with pytest.raises(ValueError, match=r"Cannot feed value of shape \(\) for Tensor .* which has shape '\(1,\)'"):
        session.run(x, {x: 1.0})


def test_an_array_is_taken_as_it_is_where_it_fits(session, monkeypatch):
    x, seen = tf.placeholder(tf.float32, [None, 3]), []
    run = session._engine.run
    monkeypatch.setattr(session._engine, "run", lambda *args: seen.extend(args[2]) or run(*args))
    dense, turned = np.ones((2, 3), np.float32), np.ones((3, 2), np.float32).T
    for feed in dense, turned, dense.astype(np.float64), dense.astype(">f4"):
        session.run(x + 1.0, {x: feed})
    assert [a is dense for a in seen] == [True, False, False, False]
    assert all(a.flags.c_contiguous and a.dtype == np.float32 and a.dtype.isnative for a in seen)
    for feed in np.ones(3, np.float32), np.ones((2, 4), np.float32):
        with pytest.raises(ValueError, match="Cannot feed value of shape"):
            session.run(x, {x: feed})


def test_a_tensor_is_no_feed(session):
    x = tf.placeholder(tf.float32, [])
    with pytest.raises(TypeError, match="cannot be a tf.Tensor object"):
        session.run(x, {x: tf.constant(1.0)})
    with pytest.raises(TypeError, match="Cannot interpret feed_dict key"):
        session.run(x, {3: 1.0})


def test_a_feed_that_is_no_number_is_named(session):
    x = tf.placeholder(tf.float32, [], name="x")
    with pytest.raises(ValueError, match="Cannot feed Tensor 'x:0'"):
        session.run(x, {x: "seven"})
    n = tf.placeholder(tf.int32, [])
    with pytest.raises(TypeError, match="not compatible with Tensor type"):
        session.run(n, {n: 2**40})


def test_shapes_may_change_from_run_to_run(session):
    x = tf.placeholder(tf.float32, [None, None])
    y = tf.reduce_sum(tf.matmul(x, x, transpose_b=True))
    for n in range(60):                                        # more shapes than plans are kept
        feed = np.full([n % 9 + n // 9, 3], 0.5, np.float32)
        assert session.run(y, {x: feed}) == pytest.approx(feed.shape[0] ** 2 * 0.75)


def test_empty_and_scalar_tensors(session):
    x = tf.placeholder(tf.float32, [None, 3])
    assert session.run(x * 2.0, {x: np.zeros([0, 3])}).shape == (0, 3)
    assert session.run(tf.reduce_sum(x), {x: np.zeros([0, 3])}) == 0.0


# --- errors -------------------------------------------------------------------------------------------------

def test_an_unfed_placeholder_tells_who_needs_it_and_where_it_was_made(session):
    x = tf.placeholder(tf.float32, [2], name="pixels")
    other = tf.placeholder(tf.float32, [], name="other")
    y = tf.sqrt(x * other, name="root")
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        session.run(y, {other: 1.0})
    text = str(caught.value)
    for part in ("'pixels'", "float32", "(2,)", "'root'", "pixels -> mul -> root", "other:0", "test_session.py:"):
        assert part in text


def test_an_uninitialized_variable_names_the_missing_call(session):
    v = tf.Variable(1.0, name="weight")
    with pytest.raises(tf.errors.FailedPreconditionError) as caught:
        session.run(v + 1.0)
    for part in ("uninitialized value weight", "global_variables_initializer", "test_session.py:"):
        assert part in str(caught.value)


def test_the_session_can_be_used_after_an_error(session):
    v = tf.Variable(1.0)
    with pytest.raises(tf.errors.FailedPreconditionError):
        session.run(v)
    session.run(v.initializer)
    assert session.run(v) == 1.0


def test_shapes_that_meet_only_in_the_run_are_checked_there(session):
    a, b = tf.placeholder(tf.float32, name="a"), tf.placeholder(tf.float32, name="b")
    y = tf.matmul(a, b, name="product")
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        session.run(y, {a: np.zeros([2, 3]), b: np.zeros([4, 2])})
    for part in ("MatMul", "product", "(2, 3)", "(4, 2)", "test_session.py:"):
        assert part in str(caught.value)


def test_a_variable_of_unknown_shape_takes_values_of_any_shape(session):
    value = tf.placeholder(tf.float32)
    v = tf.Variable(value, validate_shape=False)
    doubled, again = v * 2.0, tf.assign(v, value, validate_shape=False)
    with tf.control_dependencies([again]):
        later = v.read_value() + 1.0
    for array in [1.0, 2.0], np.ones(3000), [[3.0]], 5.0:
        session.run(v.initializer, {value: array})
        np.testing.assert_array_equal(session.run(doubled), np.multiply(array, 2))
        session.run(v.initializer, {value: [7.0]})
        np.testing.assert_array_equal(session.run(later, {value: array}), np.add(array, 1))
        assert session.run(v).shape == np.shape(array)


def test_earlier_buffers_of_a_variable_are_freed(session):
    value = tf.placeholder(tf.float32)
    v = tf.Variable(value, validate_shape=False)
    tracemalloc.start()
    try:
        for i in range(40):
            session.run(v.initializer, {value: np.ones(100_000 + i % 3, np.float32)})
            session.run(v + 1.0)
        assert tracemalloc.get_traced_memory()[0] < 8_000_000
    finally:
        tracemalloc.stop()


def test_what_is_fed_for_a_variable_reaches_branches_and_bodies(session):
    v = tf.Variable(1.0)
    n = tf.placeholder(tf.int32, [])
    branch = tf.cond(n > 0, lambda: tf.cond(n > 1, lambda: v * 2.0, lambda: v * 3.0), lambda: v + 0.0)
    body = tf.while_loop(lambda i, total: i < n, lambda i, total: (i + 1, total + v), [0, 0.0])[1]
    session.run(v.initializer)
    for tensor in v, v.value():
        assert session.run([branch, body], {tensor: 10.0, n: 2}) == [20.0, 20.0]
        assert session.run(branch, {tensor: 10.0, n: 1}) == 30.0
    known = tf.cond(tf.placeholder_with_default(True, []), lambda: v * 2.0, lambda: v)
    assert session.run(known, {v: 10.0}) == 20.0
    assert session.run([branch, body, known], {n: 2}) == [2.0, 2.0, 2.0]


def test_what_is_fed_for_a_variable_is_not_written(session):
    v, value = tf.Variable([1.0, 2.0], name="v"), np.array([5, 5], np.float32)
    session.run(v.initializer)
    with pytest.raises(tf.errors.InvalidArgumentError, match="AssignAdd.*changes a variable.*\n.*fed +v:0"):
        session.run(v.assign_add([1.0, 1.0]), {v: value})
    assert value.tolist() == [5, 5] and session.run(v).tolist() == [1, 2]


def test_arrays_that_py_func_is_given_are_its_own(session):
    kept = []

    def keep(*arrays):
        kept.extend(arrays)
        for array in arrays:
            array += 1
        return np.float32(0)
    x, v, c = tf.placeholder(tf.float32, [3]), tf.Variable([1.0]), tf.constant([5.0])
    called = tf.py_func(keep, [x * 3.0, x, v, c], tf.float32)
    fed = np.array([1, 2, 3], np.float32)
    session.run(v.initializer)
    session.run(called + tf.reduce_sum(tf.exp(x * 2.0)), {x: fed})
    session.run(called + tf.reduce_sum(tf.exp(x * 2.0)), {x: fed * 0})
    assert [a.tolist() for a in kept] == [[4, 7, 10], [2, 3, 4], [2], [6], [1, 1, 1], [1, 1, 1], [2], [6]]
    assert fed.tolist() == [1, 2, 3] and [a.tolist() for a in session.run([v, c])] == [[1], [5]]


def test_a_fetch_that_is_too_large_for_the_memory_is_named(session):
    x = tf.placeholder(tf.float32, [None, 1])
    product = tf.matmul(x, x, transpose_b=True, name="outer")
    with pytest.raises(tf.errors.ResourceExhaustedError, match="no memory for a fetch: outer:0 takes 16"):
        session.run(product, {x: np.zeros((1 << 21, 1))})
    assert session.run(product, {x: [[2]]}).tolist() == [[4]]


def test_an_exception_in_py_func_keeps_its_cause(session):
    def fail(_):
        raise KeyError("lost")
    y = tf.py_func(fail, [tf.constant(1.0)], tf.float32, name="callback")
    with pytest.raises(tf.errors.OpError, match="lost") as caught:
        session.run(y)
    assert isinstance(caught.value.__cause__, KeyError) and "callback" in str(caught.value)


def test_a_closed_session_refuses(session):
    x = tf.constant(1.0)
    closed = tf.Session()
    closed.close()
    with pytest.raises(RuntimeError, match="closed Session"):
        closed.run(x)


# --- sessions as defaults -----------------------------------------------------------------------------------

def test_eval_and_run_use_the_default_session():
    v = tf.Variable(2.0)
    with pytest.raises(ValueError, match="No default session"):
        v.initializer.run()
    with tf.Session():
        v.initializer.run()
        assert (v * 2.0).eval() == 4.0
    session = tf.InteractiveSession()
    try:
        v.initializer.run()
        assert v.eval() == 2.0 and tf.get_default_session() is session
    finally:
        session.close()
    assert tf.get_default_session() is None


def test_sessions_do_not_share_variables():
    v = tf.Variable(0.0)
    bump = v.assign_add(1.0)
    with tf.Session() as a, tf.Session() as b:
        a.run(v.initializer)
        b.run(v.initializer)
        a.run(bump)
        assert (a.run(v), b.run(v)) == (1.0, 0.0)


def test_make_callable(session):
    x = tf.placeholder(tf.float32, [])
    double = session.make_callable(x * 2.0, [x])
    assert double(4.0) == 8.0
    with pytest.raises(ValueError, match="takes 1 values, got 2"):
        double(1.0, 2.0)
    with pytest.raises(TypeError, match="make_callable: `feed_list` must be a list or tuple, not Tensor"):
        session.make_callable(x * 2.0, x)


@pytest.mark.parametrize("fed", [False, True])
def test_a_callable_takes_options_and_metadata(session, fed):
    """With a list of feeds it does in any case, as in TensorFlow 1.15."""
    x = tf.placeholder_with_default(4.0, [])
    y, traced = tf.multiply(x, 2.0, name="double"), tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE)
    for accepts in [True, False][:1 + fed]:
        double, metadata = session.make_callable(y, [x] if fed else None, accept_options=accepts), tf.RunMetadata()
        args = [3.0] * fed
        assert double(*args) == double(*args, options=tf.RunOptions()) == double(*args, run_metadata=tf.RunMetadata())
        assert double(*args, options=traced, run_metadata=metadata) == (6.0 if fed else 8.0)
        assert ["double" in row[0] for row in metadata.step_stats] == [True]


def test_a_callable_without_feeds_takes_no_options_unasked(session):
    one = session.make_callable(tf.constant(1.0))
    assert one() == one(options=None, run_metadata=None) == 1.0
    for more in {"options": tf.RunOptions()}, {"run_metadata": tf.RunMetadata()}:
        with pytest.raises(TypeError, match=r"neither options nor run_metadata; make it with make_callable\(..., acc"):
            one(**more)


def test_a_trace_lists_the_steps(session):
    x = tf.placeholder(tf.float32, [2, 2])
    metadata = tf.RunMetadata()
    session.run(tf.matmul(x, x, name="product"), {x: np.eye(2)},
                options=tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE), run_metadata=metadata)
    assert [row[0] for row in metadata.step_stats] == ["product"] and metadata.step_stats[0][4] > 0


# --- many threads, long lives -------------------------------------------------------------------------------

def test_runs_from_many_threads(session):
    x = tf.placeholder(tf.float32, [None, 8])
    w = tf.Variable(np.eye(8, dtype=np.float32))
    y = tf.reduce_sum(tf.matmul(tf.matmul(x, w), w), axis=1)
    session.run(w.initializer)
    wrong = []

    def work(seed):
        random = np.random.RandomState(seed)
        for _ in range(30):
            feed = random.rand(random.randint(1, 6), 8).astype(np.float32)
            if not np.allclose(session.run(y, {x: feed}), feed.sum(1), rtol=1e-5):
                wrong.append(feed)
    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_close_ends_a_run_in_another_thread():
    n = tf.while_loop(lambda i: tf.less(i, 10**9), lambda i: i + 1, [tf.constant(0)])
    session = tf.Session()
    caught = []

    def work():
        try:
            session.run(n)
        except Exception as error:
            caught.append(error)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join(0.3)
    session.close()
    thread.join(10)
    assert not thread.is_alive() and isinstance(caught[0], (tf.errors.CancelledError, RuntimeError))


def test_a_session_frees_its_plans_and_variables():
    graph = tf.Graph()
    with graph.as_default():
        v = tf.Variable(np.zeros([100, 100], np.float32))
        session = tf.Session()
        session.run(v.initializer)
    engine = weakref.ref(session._engine)
    del session, v, graph
    gc.collect()
    assert engine() is None


def test_the_number_of_plans_is_bounded(session):
    from thalweg.runtime import engine
    x = tf.placeholder(tf.float32, [None])
    y = tf.reduce_sum(x)
    for n in range(engine.MAX_PROGRAMS + 20):
        assert session.run(y, {x: np.ones(n)}) == n
    entries = list(session._engine._templates.values())
    assert all(len(e.programs) <= engine.MAX_PROGRAMS + 1 for e in entries)


def test_the_fetches_that_were_not_used_for_longest_are_forgotten_first(session, monkeypatch):
    from thalweg.runtime import engine
    monkeypatch.setattr(engine, "MAX_TEMPLATES", 3)
    values = [tf.constant(float(i)) + 0.0 for i in range(4)]
    for i in 0, 1, 2, 0, 3:
        assert session.run(values[i]) == i
    assert {key[0] for key in session._engine._templates} == {(values[i],) for i in (2, 0, 3)}


def test_arenas_are_freed_when_their_frame_dies_in_a_cycle(session):
    from thalweg import devices

    def frames():
        return [o for o in gc.get_objects() if type(o).__name__ == "Frame" and "runtime" in type(o).__module__]
    host = devices.host_device()
    gc.collect()
    known = set(map(id, frames()))
    before = host.mem_stats()["bytes_in_use"]
    x = tf.placeholder(tf.float32, [None, 1000])
    session.run(tf.reduce_sum(tf.matmul(tf.tanh(x), tf.ones([1000, 1000]))), {x: np.ones([1000, 1000])})
    (frame,) = [o for o in frames() if id(o) not in known]
    (pool,) = [o for o in gc.get_referrers(frame) if type(o) is list]
    assert host.mem_stats()["bytes_in_use"] - before > 4_000_000
    gc.collect()
    session.close()
    gc.collect()
    pool.append(pool)
    del frame, pool
    gc.collect()
    assert host.mem_stats()["bytes_in_use"] - before < 1_000_000


def test_idle_arenas_of_many_shapes_do_not_add_up(session):
    x = tf.placeholder(tf.float32, [None, 1000])
    y = tf.reduce_sum(tf.matmul(tf.tanh(x), tf.constant(np.eye(1000, dtype=np.float32))))
    for n in range(3000, 3020):
        session.run(y, {x: np.zeros([n, 1000])})
    programs = [p for e in session._engine._templates.values() for p in e.programs.values()]
    arenas = [sum(p.plan.arena_bytes.values()) for p in programs if p.idle_frames]
    assert len(programs) == 20 and 1 <= len(arenas) <= 5


@pytest.mark.parametrize("level, expected", [(1, "/device:"), (2, "steps,"), (3, "MatMul"), (4, " us  ")])
def test_debug_levels_tell_more_and_more(level, expected):
    program = ("import thalweg as tf, numpy as np\n"
               "x = tf.placeholder(tf.float32, [2, 2])\n"
               "tf.Session().run(tf.matmul(x, x), {x: np.eye(2)})\n")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120,
                          env={**os.environ, "THALWEG_DEBUG": str(level)})
    assert done.returncode == 0 and expected in done.stderr and not done.stdout
