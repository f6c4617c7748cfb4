"""Branches and loops beyond the programs that are compared with TensorFlow (tests/tf1): every run is also done by the
reference evaluator, and gradients are compared with differences."""
import collections

import numpy as np
import pytest

import thalweg as tf
from thalweg.framework.evaluate import Evaluator


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def run(fetch, feed=None):
    """Values of a list of tensors by the session, which must be those of the reference evaluator."""
    evaluator = Evaluator()
    for v in tf.global_variables():
        evaluator.run(v.initializer)
    want = evaluator.run(fetch, feed)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        found = session.run(fetch, feed)
    for a, b in zip(found, want):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    return found


def check_gradient(y, x, value, feed=None, order=2):
    """Compares dy/dx along a random direction with central differences, then the gradient's own gradient."""
    rng = np.random.default_rng(1)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for _ in range(order):
            direction, step = rng.normal(size=np.shape(value)), 1e-6
            g = tf.gradients(y, x)[0]
            ends = [session.run(tf.reduce_sum(y), {x: value + s * step * direction, **(feed or {})}) for s in (1, -1)]
            want = (ends[0] - ends[1]) / (2 * step)
            found = np.sum(session.run(g, {x: value, **(feed or {})}) * direction)
            np.testing.assert_allclose(found, want, rtol=1e-5, atol=1e-7)
            y = tf.reduce_sum(tf.sin(g))


# --- what a program sees ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("arguments,error,match", [
    (dict(true_fn=lambda: 1, false_fn=lambda: 2, fn1=lambda: 1), TypeError, "true_fn and fn1 may not be set"),
    (dict(), TypeError, "true_fn argument required"),
    (dict(true_fn=lambda: 1), TypeError, "false_fn argument required"),
    (dict(true_fn=1, false_fn=lambda: 2), TypeError, "true_fn must be callable"),
    (dict(true_fn=lambda: None, false_fn=lambda: None), ValueError, "true_fn must have a return value"),
    (dict(true_fn=list, false_fn=list), ValueError, "must return at least one result"),
    (dict(true_fn=lambda: [1, 2], false_fn=lambda: [1]), ValueError, "don't have the same nested structure"),
    (dict(true_fn=lambda: (1, 2), false_fn=lambda: [1, 2]), TypeError, "don't have the same sequence type"),
    (dict(true_fn=lambda: 1.0, false_fn=lambda: 1), ValueError, "must have the same type: float32, int32"),
])
def test_cond_refuses(arguments, error, match):
    with pytest.raises(error, match=match):
        tf.cond(tf.placeholder(tf.bool, []), **arguments)


@pytest.mark.parametrize("pred,error,match", [
    (True, TypeError, "pred must not be a Python bool"),
    (1, TypeError, "has type int32 that does not match expected type of bool"),
    ([True, False], ValueError, "Shape must be rank 0 but is rank 1"),
])
def test_cond_wants_one_bool(pred, error, match):
    pred = pred if isinstance(pred, bool) else tf.constant(pred)
    with pytest.raises(error, match=match):
        tf.cond(pred, lambda: 1, lambda: 2)


@pytest.mark.parametrize("arguments,error,match", [
    ((lambda: True, lambda: 1, []), ValueError, "No loop variables provided"),
    ((1, lambda x: x, [1]), TypeError, "cond must be callable"),
    ((lambda x: x < 1, 1, [1]), TypeError, "body must be callable"),
    ((lambda x, y: x < 1, lambda x, y: x + 1, [1, 2]), ValueError, "don't have the same number of elements"),
    ((lambda x, y: x < 1, lambda x, y: (x, [y]), [1, 2]), ValueError, "is a sequence, while"),
    ((lambda x, y: x < 1, lambda x, y: (x, 1.5), [1, 2]), TypeError, "as int32, but the body gives float32"),
    ((lambda x: x, lambda x: x, [1]), TypeError, "does not match expected type of bool"),
    ((lambda x: x < 2, lambda x: x, [tf.ones([2])]), ValueError, "must give one bool"),
    ((lambda x: True, lambda x: tf.concat([x, x], 0), [tf.zeros([2])]), ValueError,
     r"enters the loop with shape \(2,\), but has shape \(4,\) after one iteration"),
])
def test_while_loop_refuses(arguments, error, match):
    cond, body, loop_vars = arguments
    loop_vars = [tf.constant(np.ones(v.get_shape().as_list(), np.float32)) if isinstance(v, tf.Tensor) else v
                 for v in loop_vars]
    with pytest.raises(error, match=match):
        tf.while_loop(cond, body, loop_vars)


def test_shape_invariants_are_checked():
    def loop(*invariants):
        return tf.while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, tf.concat([x, x], 0)), [0, tf.zeros([2])],
                             shape_invariants=list(invariants))
    with pytest.raises(ValueError, match=r"enters the loop with shape \(2,\), but the specified shape invariant is"):
        loop(tf.TensorShape([]), tf.TensorShape([3]))
    with pytest.raises(ValueError, match="don't have the same number of elements"):
        loop(tf.TensorShape([]))
    assert loop(tf.TensorShape([]), tf.TensorShape([None]))[1].get_shape().as_list() == [None]
    assert run([loop(tf.TensorShape([]), tf.TensorShape(None))[1]])[0].shape == (16,)


def test_maximum_iterations():
    i = tf.while_loop(lambda i: True, lambda i: i + 2, [0], maximum_iterations=5)
    a, b = tf.while_loop(lambda a, b: True, lambda a, b: (a + 1, b * 2), (0, 1), maximum_iterations=tf.constant(3))
    assert run([i, a, b]) == [10, 3, 8]
    with pytest.raises(ValueError, match=r"maximum_iterations must be a scalar, saw shape: \(1,\)"):
        tf.while_loop(lambda i: True, lambda i: i, [0], maximum_iterations=[5])
    with pytest.raises(TypeError, match="parallel_iterations must be a positive integer"):
        tf.while_loop(lambda i: True, lambda i: i, [0], parallel_iterations=0)


def test_structures_come_back():
    Pair = collections.namedtuple("Pair", "a b")
    pair = tf.while_loop(lambda p, d: p.a < 3, lambda p, d: (Pair(p.a + 1, p.b * 2.0), {"k": d["k"] + p.a}),
                         [Pair(0, 1.0), {"k": 0}])
    assert isinstance(pair[0], Pair)
    assert run([pair[0].a, pair[0].b, pair[1]["k"]]) == [3, 8.0, 3]


def test_what_is_inside_stays_inside():
    kept = []
    tf.cond(tf.placeholder(tf.bool, []), lambda: kept.append(tf.constant(1.0)) or kept[0], lambda: 2.0)
    with pytest.raises(ValueError, match="inside a branch or a loop.*return it"):
        kept[0] + 1.0


def test_collections_and_variable_scopes_are_the_outer_graphs(graph):
    def true():
        tf.add_to_collection("mine", 1)
        with tf.variable_scope("s"):
            v = tf.get_variable("v", initializer=lambda: tf.constant(2.0))
        assert tf.get_default_graph().get_tensor_by_name("outside:0") is x
        return v * x
    x = tf.constant(3.0, name="outside")
    y = tf.cond(tf.constant(True), true, lambda: 0.0)
    assert tf.get_collection("mine") == [1]
    assert [v.name for v in tf.global_variables()] == ["s/v:0"]
    with tf.variable_scope("s", reuse=True):
        assert tf.get_variable("v").graph is graph
    assert run([y]) == [6.0]


def test_a_variable_wants_a_lambda_inside():
    with pytest.raises(ValueError, match="is from inside a control-flow construct.*use a lambda"):
        tf.cond(tf.constant(True), lambda: tf.Variable(tf.constant(1.0)) + 1.0, lambda: 1.0)


def test_seed_and_device_inside(graph):
    tf.set_random_seed(4)
    seen = []
    with tf.device("/cpu:0"):
        tf.cond(tf.constant(True), lambda: seen.append(tf.constant(1.0)) or seen[0], lambda: 1.0)
    assert seen[0].device == "/device:CPU:0" and seen[0].graph.seed == 4


# --- what runs ------------------------------------------------------------------------------------------------

def test_only_the_chosen_branch_runs():
    ran = []

    def mark(name, value):
        return tf.py_func(lambda: ran.append(name) or np.float32(value), [], tf.float32)
    p = tf.placeholder(tf.bool, [])
    y = tf.cond(p, lambda: mark("a", 1.0), lambda: mark("b", 2.0))
    with tf.Session() as session:
        assert session.run(y, {p: True}) == 1.0 and ran == ["a"]
        assert session.run(y, {p: False}) == 2.0 and ran == ["a", "b"]


def test_control_dependencies_on_outer_ops_hold():
    v = tf.Variable(1.0)
    update = v.assign_add(10.0)

    def true():
        with tf.control_dependencies([update]):
            return v.read_value()
    y = tf.cond(tf.constant(True), true, lambda: 0.0)
    assert run([y]) == [11.0]


def test_operations_as_results():
    v = tf.Variable(1.0)
    p = tf.placeholder(tf.bool, [])
    done = tf.cond(p, lambda: v.assign(5.0).op, tf.no_op)
    assert done.dtype == tf.bool
    with tf.Session() as session:
        session.run(v.initializer)
        session.run(done, {p: False})
        assert session.run(v) == 1.0
        session.run(done.op, {p: True})
        assert session.run(v) == 5.0


def test_updates_inside_a_loop_happen_in_order():
    v = tf.Variable(1.0)

    def body(i, s):
        with tf.control_dependencies([v.assign_add(1.0)]):
            return i + 1, s + v.read_value()
    s = tf.while_loop(lambda i, s: i < 3, body, [0, 0.0])[1]
    assert run([s]) == [9.0]                                    # 2 + 3 + 4


def test_an_untaken_branch_needs_no_initialized_variable():
    v = tf.Variable(1.0, name="v")
    y = tf.cond(tf.is_variable_initialized(v), v.read_value, lambda: 7.0)
    with tf.Session() as session:
        assert session.run([y, v.initialized_value()]) == [7.0, 1.0]
        session.run(v.assign(3.0))
        assert session.run([y, v.initialized_value()]) == [3.0, 3.0]


def test_the_reference_of_an_update_outside_is_taken_inside():
    v = tf.Variable(1.0)
    changed = v.assign_add(1.0)
    y = tf.cond(tf.constant(True), lambda: tf.assign(changed, changed * 2.0) + 0.0, lambda: 0.0)
    assert run([y]) == [4.0]


def test_a_snapshot_is_taken_before_the_branch_or_body_writes():
    v, n = tf.Variable(1.0), tf.placeholder(tf.int32, [])
    snapshot = tf.identity(v)

    def update():
        with tf.control_dependencies([v.assign_add(1.0)]):
            return snapshot + 0.0
    branch = tf.cond(n > 0, update, lambda: snapshot)
    body = tf.while_loop(lambda i, a: i < n, lambda i, a: (i + 1, a + update()), [0, snapshot])[1]
    with tf.Session() as session:
        for fetch, want in (branch, 1.0), (body, 4.0):
            session.run(v.initializer)
            assert session.run(fetch, {n: 3}) == want


def test_shapes_that_contradict_each_other_in_what_does_not_run():
    x, n = tf.placeholder(tf.float32, [None]), tf.placeholder(tf.int32, [])
    three = tf.constant([1.0, 2.0, 3.0])
    branch = tf.cond(tf.equal(tf.size(x), 3), lambda: x + three, lambda: x * 2.0)
    body = tf.while_loop(lambda i, a: i < n, lambda i, a: (i + 1, a + three), [0, x],
                         shape_invariants=[tf.TensorShape([]), tf.TensorShape([None])])[1]
    with tf.Session() as session:
        assert session.run(branch, {x: [1, 2]}).tolist() == [2, 4]
        assert session.run(branch, {x: [1, 2, 3]}).tolist() == [2, 4, 6]
        assert session.run(body, {x: [1, 2], n: 0}).tolist() == [1, 2]
        with pytest.raises(tf.errors.InvalidArgumentError, match="do not broadcast"):
            session.run(body, {x: [1, 2], n: 1})


def test_no_iteration():
    x = tf.placeholder(tf.float32, [None, 3])
    y = tf.while_loop(lambda i, h: i < 0, lambda i, h: (i + 1, h * x), [0, x])[1]
    feed = {x: np.ones([2, 3])}
    found = run([y, *tf.gradients(y, x)], feed)
    np.testing.assert_array_equal(found[1], np.ones([2, 3]))
    mapped = tf.map_fn(lambda e: e * 2.0, x)
    assert run([mapped, *tf.gradients(mapped, x)], {x: np.zeros([0, 3])})[0].shape == (0, 3)


# --- gradients --------------------------------------------------------------------------------------------------

def test_gradient_of_branches_twice():
    x, p = tf.placeholder(tf.float64, [3]), tf.placeholder(tf.bool, [])
    y = tf.cond(p, lambda: tf.sin(x) * x, lambda: tf.cond(x[0] > 0, lambda: x * x * x, lambda: tf.exp(x)))
    for feed in ({p: True}, {p: False}):
        for value in ([0.3, -0.2, 0.7], [-0.3, 0.1, 0.2]):
            check_gradient(y, x, np.array(value), feed)


def test_gradient_of_a_loop_twice():
    x, n = tf.placeholder(tf.float64, [3]), tf.placeholder(tf.int32, [])
    _, _, y = tf.while_loop(lambda i, a, b: i < n, lambda i, a, b: (i + 1, tf.sin(a) * x, b + a * a),
                            [0, x, tf.zeros([3], tf.float64)])
    for count in (0, 1, 4):
        check_gradient(y, x, np.array([0.3, -0.2, 0.7]), {n: count}, order=3)


def test_gradient_of_nested_loops_with_branches_twice():
    x = tf.placeholder(tf.float64, [2])

    def inner(j, b):
        return j + 1, tf.cond(tf.equal(j % 2, 0), lambda: tf.sin(b) * x, lambda: b + x)

    def outer(i, a):
        return i + 1, tf.while_loop(lambda j, b: j <= i, inner, [0, a])[1] * 0.9

    y = tf.while_loop(lambda i, a: i < 3, outer, [0, x])[1]
    check_gradient(y, x, np.array([0.4, 0.8]))


def test_gradient_of_a_growing_loop_twice():
    x = tf.placeholder(tf.float64, [2])
    y = tf.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, tf.concat([y * y, tf.sin(x)], 0)), [0, x],
                      shape_invariants=[tf.TensorShape([]), tf.TensorShape([None])])[1]
    check_gradient(y, x, np.array([0.4, 0.8]))


def test_gradient_of_nested_loops_of_uneven_length():
    x = tf.placeholder(tf.float64, [])
    rng_kept = []

    def outer(i, a):
        def inner(j, b):
            noise = tf.py_func(lambda: rng_kept.append(1) or 1.0 + len(rng_kept), [], tf.float64)
            return j + 1, b * x + tf.reshape(noise, [])
        return i + 1, tf.while_loop(lambda j, b: j < i, inner, [0, a])[1]

    y = tf.while_loop(lambda i, a: i < 4, outer, [0, x])[1]
    g = tf.gradients(y, x)[0]
    with tf.Session() as session:
        value, found = session.run([y, g], {x: 0.5})
    assert len(rng_kept) == 6                                   # the gradient has not called the function again
    h, d, k = 0.5, 1.0, 0
    for i in range(4):
        for _ in range(i):
            k += 1
            h, d = h * 0.5 + 1.0 + k, d * 0.5 + h
    np.testing.assert_allclose([value, found], [h, d], rtol=1e-12)


def test_random_values_are_kept_for_the_gradient():
    w = tf.constant(np.ones([50], np.float32))
    drawn = tf.while_loop(lambda i, s: i < 3, lambda i, s: (i + 1, s + tf.random_uniform([50], seed=3) * w),
                          [0, tf.zeros([50])])[1]
    chosen = tf.cond(tf.constant(True), lambda: tf.nn.dropout(w, keep_prob=0.5), lambda: w)
    with tf.Session() as session:
        a, da = session.run([drawn, tf.gradients(drawn, w)[0]])
        b, db = session.run([chosen, tf.gradients(chosen, w)[0]])
    np.testing.assert_allclose(a, da, rtol=1e-6)
    np.testing.assert_array_equal(b, db)
    assert 0 < np.count_nonzero(b) < 50


def test_a_variable_that_the_body_writes_is_remembered():
    v, x = tf.Variable(1.0), tf.constant(2.0)

    def body(i, s):
        term = v * x
        with tf.control_dependencies([term]):
            change = v.assign_add(1.0)
        with tf.control_dependencies([change]):
            return i + 1, s + tf.identity(term)
    s = tf.while_loop(lambda i, s: i < 3, body, [0, 0.0])[1]
    assert run([s, *tf.gradients(s, x)]) == [12.0, 6.0]         # (1 + 2 + 3) * x


def test_rows_that_a_loop_gathers_stay_sparse():
    table = tf.Variable(np.ones([100, 2], np.float32))
    ids = tf.constant([7, 3, 7])
    total = tf.while_loop(lambda i, t: i < 3, lambda i, t: (i + 1, t + tf.gather(table, [ids[i]])),
                          [0, tf.zeros([1, 2])])[1]
    g = tf.gradients(total, table)[0]
    assert isinstance(g, tf.IndexedSlices) and g.get_shape() == (100, 2)
    assert sorted(run([g.indices])[0]) == [3, 7, 7]
    chosen = tf.cond(tf.placeholder_with_default(True, []), lambda: tf.gather(table, [5]), lambda: tf.zeros([1, 2]))
    g = tf.gradients(chosen, table)[0]
    assert isinstance(g, tf.IndexedSlices)
    assert run([g.indices])[0].tolist() == [5]


def test_no_gradient_without_back_prop():
    x = tf.constant(2.0)
    y = tf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, a * x), [0, x], back_prop=False)[1]
    assert tf.gradients(y, x) == [None]
    assert tf.gradients(tf.map_fn(lambda e: e * x, tf.ones([2]), back_prop=False), x) == [None]


def test_gradients_taken_inside_a_loop_reach_outer_tensors():
    x = tf.constant(3.0)
    outside = x * x
    y = tf.map_fn(lambda e: tf.gradients(e * outside, x)[0], tf.constant([1.0, 2.0]))
    assert run([y])[0].tolist() == [6.0, 12.0]


# --- functions over rows --------------------------------------------------------------------------------------------

@pytest.mark.parametrize("sweep", [tf.map_fn, tf.scan, tf.foldl, tf.foldr])
def test_sweeps_refuse(sweep):
    with pytest.raises(TypeError, match="fn must be callable"):
        sweep(1, tf.zeros([3]))
    with pytest.raises(ValueError, match="elems must be a 1\\+ dimensional Tensor, not a scalar"):
        sweep(lambda *a: a[0], tf.constant(1.0))


def test_results_of_map_fn_are_checked():
    with pytest.raises(TypeError, match="is int32.*announced was float32.*dtype="):
        tf.map_fn(lambda e: tf.cast(e, tf.int32), tf.zeros([3]))
    with pytest.raises(ValueError, match="don't have the same nested structure"):
        tf.map_fn(lambda e: (e, e), tf.zeros([3]))
    with pytest.raises(ValueError, match="after one row: fn must keep it"):
        tf.scan(lambda a, e: tf.concat([a, a], 0), tf.zeros([3, 2]))
    uneven = tf.map_fn(lambda n: tf.ones(tf.stack([n])), tf.constant([1, 2]), dtype=tf.float32)
    with tf.Session() as session, pytest.raises(tf.errors.InvalidArgumentError, match="changes between iterations"):
        session.run(uneven)


def test_gradient_of_sweeps_twice():
    x = tf.placeholder(tf.float64, [None, 2])
    value = np.array([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]])
    for y in (tf.map_fn(lambda e: tf.sin(e) * x[0], x), tf.scan(lambda a, e: tf.sin(a) + e * e, x),
              tf.scan(lambda a, e: a * e, x, reverse=True), tf.foldl(lambda a, e: tf.sin(a * e), x),
              tf.foldr(lambda a, e: a * e + a, x, initializer=tf.ones([2], tf.float64))):
        check_gradient(y, x, value)


# --- case -----------------------------------------------------------------------------------------------------------

def test_case_refuses():
    p = tf.placeholder(tf.bool, [])
    with pytest.raises(TypeError, match="fns must be a list, tuple, or dict"):
        tf.case(5)
    with pytest.raises(TypeError, match="must be a 2-tuple"):
        tf.case([1])
    with pytest.raises(TypeError, match="pred must be Tensor of type bool: Const"):
        tf.case([(tf.constant(1), lambda: 1)])
    with pytest.raises(TypeError, match="fn for pred Placeholder:0 must be callable"):
        tf.case([(p, 1)])
    with pytest.raises(TypeError, match="default must be callable"):
        tf.case([(p, lambda: 1)], default=2)
    with pytest.raises(ValueError, match="at least one pair"):
        tf.case([])


def test_exclusive_case_packs_its_conditions_once():
    p = tf.placeholder(tf.bool, [], name="p")
    y = tf.case([(p, lambda: 1)] * 5, default=lambda: 2, exclusive=True)
    ops = tf.get_default_graph().get_operations()
    assert [op.name for op in ops if op.type in ("Pack", "Sum")] == ["case/preds_c", "case/num_true_conds"]
    with tf.Session() as session, pytest.raises(tf.errors.InvalidArgumentError, match=r"\[1 1 1 1 1\]"):
        session.run(y, {p: True})


def test_case_checks_at_run_time():
    a, b = tf.placeholder(tf.bool, []), tf.placeholder(tf.bool, [])
    y = tf.case({a: lambda: 1, b: lambda: 2}, exclusive=True)
    with tf.Session() as session:
        assert session.run(y, {a: False, b: True}) == 2
        with pytest.raises(tf.errors.InvalidArgumentError, match="More than one condition evaluated as True"):
            session.run(y, {a: True, b: True})
        with pytest.raises(tf.errors.InvalidArgumentError, match="None of the conditions evaluated as True"):
            session.run(y, {a: False, b: False})


def test_smart_cond():
    from thalweg.ops.cond import smart_cond
    called = []
    for pred in (True, 1, tf.constant(True), tf.constant(1) > 0):
        assert smart_cond(pred, lambda: 5, lambda: called.append(1)) == 5
    assert not called
    assert run([smart_cond(tf.placeholder(tf.bool, [], name="p"), lambda: 1, lambda: 2)], {"p:0": True}) == [1]
    with pytest.raises(TypeError, match="must be a Tensor, or a Python bool, or 1 or 0"):
        smart_cond("yes", lambda: 1, lambda: 2)
    with pytest.raises(TypeError, match="`false_fn` must be callable"):
        smart_cond(True, lambda: 1)


# --- TensorArray ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("build,error,match", [
    (lambda: tf.TensorArray(tf.float32), ValueError, "Size must be provided if handle is not provided"),
    (lambda: tf.TensorArray(tf.float32, 3, handle=tf.constant(1)), ValueError, "both a handle and size"),
    (lambda: tf.TensorArray(tf.float32, tensor_array_name="x", handle=1), ValueError, "handle and tensor_array"),
    (lambda: tf.TensorArray(tf.float32, 2).write(0, [1.0, 2.0]).write(1, [1.0]), ValueError,
     r"Inconsistent shapes: saw \(1,\) but expected \(2,\)"),
    (lambda: tf.TensorArray(tf.float32, 2, element_shape=[3]).write(0, [1.0]), ValueError, "Inconsistent shapes"),
    (lambda: tf.TensorArray(tf.float32, 2).write(0, tf.constant(1)), TypeError, "but the value is int32"),
    (lambda: tf.TensorArray(tf.float32, 2).grad("x"), NotImplementedError, "use tf.gradients"),
])
def test_tensor_array_refuses(build, error, match):
    with pytest.raises(error, match=match):
        build()


@pytest.mark.parametrize("build,match", [
    (lambda a: a.read(0), "Could not read from TensorArray index 0: it has not been written"),
    (lambda a: a.read(2), "Tried to read from index 2 but array size is: 2"),
    (lambda a: a.write(2, 1.0).read(0), "Tried to write to index 2 but array is not resizeable and size is: 2"),
    (lambda a: a.write(1, 1.0).write(1, 1.0).read(1), "index 1 because it has already been written to"),
    (lambda a: a.unstack([1.0, 2.0, 3.0]).read(0), "Tried to write to index 2 but array is not resizeable"),
    (lambda a: a.split([1.0, 2.0], [1, 2]).read(0), "Expected sum of lengths to be equal to values.shape"),
    (lambda a: a.split([1.0, 2.0], [2]).read(0), "size is not equal to the size of lengths"),
    (lambda a: a.write(0, 1.0).write(1, 1.0).concat(), "at least one dimension"),
])
def test_tensor_array_at_run_time(build, match):
    y = build(tf.TensorArray(tf.float32, 2))
    with tf.Session() as session, pytest.raises(tf.errors.InvalidArgumentError, match=match):
        session.run(y)


def test_elements_of_different_shapes():
    a = tf.TensorArray(tf.float32, 2, infer_shape=False).split([1.0, 2.0, 3.0], [1, 2])
    assert run([a.read(1), a.concat()])[0].tolist() == [2, 3]
    with tf.Session() as session, pytest.raises(tf.errors.InvalidArgumentError, match="inconsistent shapes"):
        session.run(a.stack())


def test_what_was_not_written_is_zero_where_the_shape_is_known():
    a = tf.TensorArray(tf.float32, 2, element_shape=[2])
    b = tf.TensorArray(tf.float32, 3).write(1, [1.0, 2.0])
    s = tf.TensorArray(tf.string, 2, element_shape=[]).write(0, "x")
    assert run([a.stack(), b.stack()])[1].tolist() == [[0, 0], [1, 2], [0, 0]]
    with tf.Session() as session:
        assert session.run(s.stack()).tolist() == [b"x", b""]
        session.run(s.close())
    assert "element_shape=(2,)" in repr(b) and b.identity().element_shape == (2,) and b.dynamic_size is False


def test_gradient_through_arrays_twice():
    x = tf.placeholder(tf.float64, [3, 2])
    source = tf.TensorArray(tf.float64, 3).unstack(x)

    def body(i, h, out):
        h = tf.sin(h * source.read(i))
        return i + 1, h, tf.cond(h[0] > 0, lambda: out.write(i, h), lambda: out.write(i, h * h))

    out = tf.while_loop(lambda i, *_: i < 3, body, [0, x[0], tf.TensorArray(tf.float64, 3)])[2]
    value = np.array([[0.5, -0.2], [0.3, 0.4], [-0.6, 0.7]])
    check_gradient(out.stack(), x, value)
    parts = tf.TensorArray(tf.float64, 2, infer_shape=False).split(x * x, [1, 2])
    check_gradient(tf.sin(parts.read(1)), x, value)
    check_gradient(tf.sin(parts.concat()) * x, x, value)
    check_gradient(source.gather([1, 1, 0]) * source.gather([2, 0, 0]), x, value)


def test_a_read_in_a_branch_that_is_fed_its_condition_sees_what_was_written_before():
    a, b = tf.Variable(1.0), tf.Variable(10.0)
    good = tf.placeholder(tf.bool, [])

    def then():
        with tf.control_dependencies([a.assign(a + b)]):
            return b.assign(b + a).op
    op = tf.cond(good, then, tf.no_op)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run([op, a + 1.0], {good: True})
        assert session.run([a, b]) == [11, 21]
