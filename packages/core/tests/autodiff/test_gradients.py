"""What gradients promise beyond the programs that are compared with TensorFlow (tests/tf1)."""
import warnings

import numpy as np
import pytest

import thalweg as tf
from thalweg.framework.indexed_slices import IndexedSlices


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def run(fetch, feed=None):
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        return session.run(fetch, feed)


def test_ten_thousand_nodes_need_no_deep_stack():
    x = tf.placeholder(tf.float32, [4])
    h = x
    for _ in range(5000):
        h = tf.tanh(h) * 1.0001
    dx, = tf.gradients(h, x)                                   # about 0.8 s
    assert np.isfinite(run(dx, {x: np.full(4, 0.01)})).all()


def test_a_node_that_is_used_often_is_differentiated_once(graph):
    x = tf.placeholder(tf.float32, [])
    h = x
    for _ in range(40):                                        # 2**40 paths
        h = h + h
    assert run(tf.gradients(h, x), {x: 1.0}) == [2.0**40]


def test_unknown_gradient_is_a_lookup_error():
    x = tf.placeholder(tf.float32, [3], name="x")
    y = tf.random_shuffle(x, name="shuffled")
    with pytest.raises(LookupError, match=r"No gradient defined for operation 'shuffled' \(op type: Random") as error:
        tf.gradients(y, x)
    assert "test_gradients.py" in str(error.value) and "tf.stop_gradient" in str(error.value)


def test_override_without_registration(graph):
    x = tf.constant(1.0)
    with graph.gradient_override_map({"Square": "NeverRegistered"}):
        y = tf.square(x)
    with pytest.raises(LookupError, match="'NeverRegistered'"):
        tf.gradients(y, x)


def test_override_map_wants_strings(graph):
    with pytest.raises(TypeError, match="must be a dictionary"), graph.gradient_override_map([]):
        pass
    with pytest.raises(TypeError, match="must be strings"), graph.gradient_override_map({"Square": 1}):
        pass


def test_registration_twice():
    tf.RegisterGradient("TestRegisteredTwice")(lambda op, dy: dy)
    with pytest.raises(KeyError, match="Registering two gradient with name 'TestRegisteredTwice'.*test_gradients.py"):
        tf.RegisterGradient("TestRegisteredTwice")(lambda op, dy: dy)
    with pytest.raises(KeyError, match="Registering two gradient with name 'Square'"):
        tf.RegisterGradient("Square")(lambda op, dy: dy)
    with pytest.raises(TypeError, match="op_type must be a string"):
        tf.RegisterGradient(3)


def test_not_differentiable_gives_none(graph):
    tf.NotDifferentiable("TestNothing")
    x = tf.constant(1.0)
    with graph.gradient_override_map({"Square": "TestNothing"}):
        assert tf.gradients(tf.square(x), x) == [None]


@pytest.mark.parametrize("rule,error,match", [
    (lambda op, dy: (dy, dy), ValueError, "Num gradients 2 generated for op .* do not match num inputs 1"),
    (lambda op, dy: tf.zeros([7]), ValueError, "Incompatible shapes between op input and calculated input gradient"),
    (lambda op, dy: tf.cast(dy, tf.float64), TypeError, "got .*float64(.|\n)*expected +float32"),
    (lambda op, dy: 3, TypeError, "gave 3 where a tensor is expected"),
])
def test_wrong_rules_are_named(graph, rule, error, match):
    name = f"TestWrong{match}"
    tf.RegisterGradient(name)(rule)
    x = tf.constant([1.0])
    with graph.gradient_override_map({"Square": name}):
        y = tf.square(x, name="culprit")
    with pytest.raises(error, match=match):
        tf.gradients(y, x)


def test_arguments_are_checked():
    x = tf.placeholder(tf.float32, [3])
    with pytest.raises(ValueError, match="Invalid aggregation_method specified 7"):
        tf.gradients(x * 2.0, x, aggregation_method=7)
    with pytest.raises(ValueError, match="Passed 2 grad_ys for 1 ys"):
        tf.gradients(x * 2.0, x, grad_ys=[1.0, 2.0])
    with pytest.raises(TypeError, match="Gradient type int32 generated for tensor"):
        tf.gradients(x * 2.0, x, grad_ys=tf.constant([1, 2, 3]))
    with pytest.raises(ValueError, match="Unknown value for unconnected_gradients"):
        tf.gradients(x, x, unconnected_gradients="nothing")
    z = tf.placeholder(tf.complex64, [3])
    with pytest.raises(TypeError, match="Gradients of complex tensors must set grad_ys"):
        tf.gradients(z * 2.0, z)


def test_prevented_gradient():
    x = tf.constant(1.0)
    from thalweg.ops.array import prevent_gradient
    with pytest.raises(LookupError, match="Gradient explicitly disabled at .*not today"):
        tf.gradients(prevent_gradient(x, message="not today"), x)


def test_stopped_tensors_keep_their_own_gradient():
    x = tf.constant(2.0)
    y = x * x
    z = y * x
    assert run(tf.gradients(z, [x, y], stop_gradients=[y])) == [4.0, 2.0]


def test_missing_output_gradients_are_zeros():
    x = tf.constant([1.0, 2.0, 3.0, 4.0])
    _, b = tf.split(x, 2)
    np.testing.assert_array_equal(run(tf.gradients(b * b, x))[0], [0, 0, 6, 8])


def test_gradient_has_the_static_shape_of_its_input():
    x = tf.placeholder(tf.float32, [None, 3])
    assert tf.gradients(tf.reduce_sum(tf.exp(x)), x)[0].get_shape().as_list() == [None, 3]


def test_names_lie_in_the_scope():
    x = tf.constant(1.0, name="x")
    before = len(tf.get_default_graph().get_operations())
    tf.gradients(tf.sin(x) * x, x, name="mine")
    made = tf.get_default_graph().get_operations()[before + 2:]
    assert made and all(op.name.startswith("mine/") for op in made)


def test_third_derivative():
    x = tf.constant(2.0)
    y = x * x * x * x
    for want in (32.0, 48.0, 48.0, 24.0):
        y = tf.gradients(y, x)[0]
        assert run(y) == want


# --- IndexedSlices ---------------------------------------------------------------------------------------------

def test_sparse_gradients_stay_sparse_until_they_meet_a_dense_one():
    v = tf.Variable(np.ones([5, 2], np.float32))
    a, b = tf.gather(v, [1, 1]), tf.gather(v, [0])
    assert isinstance(tf.gradients(a, v)[0], IndexedSlices)
    both = tf.gradients([a, b], v)[0]
    assert isinstance(both, IndexedSlices) and both.get_shape() == (5, 2)
    assert sorted(run(both.indices)) == [0, 1, 1]
    dense = tf.gradients([a, v * 3.0], v)[0]
    assert isinstance(dense, tf.Tensor)
    np.testing.assert_array_equal(run(dense)[:, 0], [3, 5, 3, 3, 3])


def test_slices_of_different_index_types_join():
    v = tf.Variable(np.ones([5, 2], np.float32))
    g = tf.gradients([tf.gather(v, tf.constant([1], tf.int64)), tf.gather(v, tf.constant([2], tf.int32))], v)[0]
    assert g.indices.dtype == tf.int64


def test_becoming_dense_warns_at_the_users_line():
    v = tf.placeholder(tf.float32)
    slices = tf.gradients(tf.gather(v, [0]), v)[0]
    with pytest.warns(UserWarning, match="Converting sparse IndexedSlices to a dense Tensor of unknown shape") as seen:
        tf.convert_to_tensor(slices)
    assert seen[0].filename == __file__
    huge = IndexedSlices(tf.ones([1, 1]), tf.constant([0]), tf.constant([10**8, 1]))
    with pytest.warns(UserWarning, match="100000000 elements"):
        tf.convert_to_tensor(huge)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tf.convert_to_tensor(IndexedSlices(tf.ones([1, 1]), tf.constant([0]), tf.constant([10, 1])))


def test_slices_that_cannot_become_dense():
    slices = IndexedSlices(tf.ones([1, 2]), tf.constant([0]))
    with pytest.raises(ValueError, match="IndexedSlices without dense_shape"):
        tf.convert_to_tensor(slices)
    with pytest.raises(TypeError, match="requested dtype int32 for IndexedSlices with dtype float32"):
        tf.convert_to_tensor(slices, tf.int32)
    assert tf.convert_to_tensor_or_indexed_slices(slices) is slices
    assert tf.convert_to_tensor_or_indexed_slices(None) is None
    assert run((-slices).values).tolist() == [[-1, -1]]


# --- custom gradients and Hessians ---------------------------------------------------------------------------------

def test_custom_gradient_of_a_function_with_variables():
    v = tf.Variable(3.0)

    @tf.custom_gradient
    def f(x):
        def grad(dy, variables):
            assert variables == [v]
            return dy * 10.0, [dy * 20.0]
        return x * v, grad

    x = tf.constant(2.0)
    y = f(x)
    assert run([y, *tf.gradients(y, [x, v])]) == [6.0, 10.0, 20.0]


def test_custom_gradient_errors():
    v = tf.Variable(3.0)
    uses = tf.custom_gradient(lambda x: (x * v, lambda dy: dy))
    with pytest.raises(TypeError, match="grad_fn must accept a keyword argument 'variables'"):
        uses(tf.constant(1.0))
    with pytest.raises(ValueError, match="positional arguments only, not x"):
        uses(x=1.0)
    two = tf.custom_gradient(lambda x: (x * 2.0, lambda dy: (dy, dy)))
    x = tf.constant(1.0)
    with pytest.raises(ValueError, match="grad_fn gave 2 gradients for 1 arguments"):
        tf.gradients(two(x), x)


def test_hessian_without_dependence():
    x = tf.constant([1.0, 2.0])
    assert run(tf.hessians(tf.reduce_sum(x), x))[0].tolist() == [[0, 0], [0, 0]]
    with pytest.raises(ValueError, match="ys do not depend on"):
        tf.hessians(tf.constant(1.0), x)


def test_hessian_of_a_matrix():
    x = tf.placeholder(tf.float32, [2, 2])
    h, = tf.hessians(tf.reduce_sum(x * x * x), x)
    assert h.get_shape() == (2, 2, 2, 2)
    value = np.array([[1.0, 2.0], [3.0, 4.0]])
    np.testing.assert_allclose(run(h, {x: value}).reshape(4, 4), np.diag(6 * value.ravel()), rtol=1e-6)


def first_and_second(build, feeds, shapes):
    """Gradients of build(*inputs) and of their squares, with placeholders of these shapes."""
    tensors = [tf.placeholder(v.dtype, s) for v, s in zip(feeds, shapes)]
    inputs = [t for t in tensors if t.dtype.is_floating]
    first = tf.gradients(build(*tensors), inputs)
    second = tf.gradients([tf.square(g) for g in first], inputs)
    return run([first, second], dict(zip(tensors, feeds)))


CUBE = np.array([[[4, 1], [2, 4], [1, 0]], [[1, 4], [2, 1], [4, 3]]], np.float32)
ROWS, TAKEN, AXIS = np.array([1, 1], np.int32), np.array([[1, 0, 1], [0, 0, 1]], np.int32), np.array(-2, np.int32)


@pytest.mark.parametrize(("build", "feeds"), [
    (lambda x: tf.reduce_prod(x), [CUBE]),
    (lambda x: tf.reduce_prod(x, [0, -1]), [CUBE]),
    (lambda x: tf.reduce_prod(x, 1, keepdims=True), [CUBE]),
    (lambda x, axes: tf.reduce_prod(x, axes), [CUBE, np.array([-1, 0], np.int32)]),
    (lambda x: tf.reduce_prod(x), [np.float32(3)]),
    (lambda x: tf.reduce_prod(x, 1), [np.zeros((0, 3), np.float32)]),
    (lambda x, b: tf.square(tf.nn.bias_add(x, b)), [CUBE, np.array([1, 2], np.float32)]),
    (lambda x, b: tf.square(tf.nn.bias_add(x, b, "NCHW")), [CUBE, np.array([1, 2, 3], np.float32)]),
    (lambda x, b: tf.square(tf.nn.bias_add(x, b, "NCHW")), [CUBE[0], np.array([1, 2], np.float32)]),
    (lambda x, i: tf.square(tf.gather(x, i, axis=1)), [CUBE, ROWS]),
    (lambda x, i: tf.square(tf.gather(x, i, axis=-1)), [CUBE, TAKEN]),
    (lambda x, i: tf.square(tf.gather(x, i, axis=2)), [CUBE, np.array(1, np.int32)]),
    (lambda x, i, axis: tf.square(tf.gather(x, i, axis=axis)), [CUBE, ROWS, AXIS]),
    (lambda x, i: tf.square(tf.gather(x, tf.ensure_shape(i, [None, None]), batch_dims=1)), [CUBE, TAKEN]),
    (lambda x, i: tf.square(tf.gather(x, tf.ensure_shape(i, [None, None]), axis=2, batch_dims=1)), [CUBE, TAKEN]),
])
def test_gradients_do_not_depend_on_what_is_known_of_the_shapes(build, feeds):
    known = first_and_second(build, feeds, [v.shape for v in feeds])
    unknown = first_and_second(build, feeds, [None if v.ndim else () for v in feeds])
    for a, b in zip(known, unknown):
        assert len(a) == len(b) and all(np.array_equal(x, y, equal_nan=True) for x, y in zip(a, b))


def test_the_product_of_an_unknown_shape_has_the_gradient_of_tensorflow():
    x = tf.placeholder(tf.float32)
    assert run(tf.gradients(tf.reduce_prod(x), x), {x: [[1, 2], [0, 4]]})[0].tolist() == [[0, 0], [8, 0]]


def test_rows_along_an_axis_that_only_the_run_tells_have_a_gradient():
    x, axis = tf.placeholder(tf.float32), tf.placeholder(tf.int32, [])
    dx, = tf.gradients(tf.square(tf.gather(x, [1, 1], axis=axis)), x)
    assert run(dx, {x: [[1, 2], [3, 4]], axis: 1}).tolist() == [[0, 8], [0, 16]]
