"""Programs that TensorFlow 1.15 and thalweg both run: `record.py` keeps what TensorFlow did, and the test compares.

Each function takes the module and a notebook. `note.value(fetch, feed)` keeps values, `note.text(x)` a string,
`note.ids()` how many nodes there are here, which default seeds depend on; the graph's nodes are kept at the end.
"""
import numpy as np

PROGRAMS = {}


def program(f):
    PROGRAMS[f.__name__] = f
    return f


# --- variables -------------------------------------------------------------------------------------------

@program
def slide_graph_of_variables(tf, note):
    a, b, c = tf.Variable(3), tf.Variable(2), tf.Variable(1)
    y = a * b + c
    tf.global_variables_initializer()
    note.value(y)


@program
def slide_variable_creation(tf, note):
    x = tf.Variable(tf.zeros([200]), name="x")
    tf.Variable([[1, 0], [0, 1]])
    tf.constant(6.0)
    tf.Variable(0.01, trainable=False)
    note.text([v.name for v in tf.global_variables()])
    note.text([v.name for v in tf.trainable_variables()])
    note.text(x)


@program
def slide_device_placement(tf, note):
    with tf.device("/cpu:0"):
        x = tf.Variable(3) * tf.Variable(2)
    with tf.device("/gpu:0"):
        x + tf.Variable(1)
    note.text([op.device for op in tf.get_default_graph().get_operations()])


@program
def slide_variable_update(tf, note):
    x = tf.Variable(100)
    assign_op = x.assign(x - 1)
    note.value([assign_op])
    note.text(assign_op)


@program
def slide_sharing_variables(tf, note):
    def f(x):
        return x + tf.get_variable("b", [10], initializer=tf.random_normal_initializer(seed=1))

    x1, x2 = tf.zeros([10]), tf.zeros([10])
    with tf.variable_scope("bias") as scope:
        y1 = f(x1)
        scope.reuse_variables()
        y2 = f(x2)
    note.value(y1 - y2)


@program
def slide_variable_scopes(tf, note):
    with tf.variable_scope("foo"):
        v = tf.get_variable("v", [1])
    with tf.variable_scope("foo", reuse=True):
        note.text(tf.get_variable("v", [1]) is v)
    with tf.variable_scope("root"):
        note.text(tf.get_variable_scope().reuse)
        with tf.variable_scope("foo"):
            note.text(tf.get_variable_scope().reuse)
        with tf.variable_scope("foo", reuse=True):
            with tf.variable_scope("bar"):
                note.text(tf.get_variable_scope().reuse)
        note.text(tf.get_variable_scope().reuse)


@program
def variable_of_another(tf, note):
    v = tf.Variable(3.0)
    w = tf.Variable(v * 2, name="w")
    note.ids()
    note.value([v, w])


@program
def variable_methods(tf, note):
    v = tf.Variable([1.0, 2.0, 3.0])
    v.read_value()
    note.text(v.assign([2.0, 2.0, 2.0]))
    note.text(v.assign_add([1.0, 1.0, 1.0]))
    note.text(v.assign_sub([1.0, 1.0, 1.0], read_value=False).name)
    note.text(v.value())
    note.text(v[1])
    note.text(v + 1.0)
    note.text(2.0 * v)
    note.text(-v)
    note.text(v < 2.0)
    note.text(v.initial_value)
    note.text(v.initializer.name)
    note.text([v.dtype, v.shape, v.get_shape(), v.op.type, v.device])


@program
def variable_kinds_of_initial_value(tf, note):
    tf.Variable(lambda: tf.ones([2]), name="lazy")
    tf.Variable(np.arange(3), name="array")
    tf.Variable(tf.placeholder(tf.float32), validate_shape=False, name="free")
    tf.Variable("text", name="text")
    tf.Variable(True, name="truth")
    tf.Variable([1, 2], dtype=tf.float64, name="wide")
    note.text(tf.global_variables())


@program
def scatter_methods(tf, note):
    v = tf.Variable(np.zeros([3, 2], np.float32))
    s = tf.IndexedSlices(tf.ones([1, 2]), tf.constant([1]))
    for each in (v.scatter_add(s), v.scatter_sub(s), v.scatter_update(s), v.scatter_nd_add([[1]], [[1.0, 2.0]])):
        note.text(each)
    note.value(v.scatter_nd_update([[0]], [[5.0, 6.0]]))


@program
def counting(tf, note):
    v = tf.Variable(0)
    note.value(v.count_up_to(3))


@program
def get_variable_defaults(tf, note):
    tf.get_variable("u", [3])
    tf.get_variable("k", [2], tf.int32)
    tf.get_variable("b", [2], tf.bool)
    tf.get_variable("s", [2], tf.string)
    tf.get_variable("value", initializer=tf.constant([1.0, 2.0]))
    tf.get_variable("array", initializer=np.zeros([2]))
    tf.get_variable("number", initializer=3)
    tf.get_variable("typed", initializer=np.zeros([2]), dtype=tf.float64)
    tf.get_variable("class", [2], initializer=tf.zeros_initializer)
    tf.get_variable("function", [2], initializer=lambda shape, dtype, partition_info: tf.ones(shape, dtype))
    tf.get_variable("nothing", initializer=lambda: tf.ones([2]))
    note.text(tf.global_variables())


@program
def scopes_and_names(tf, note):
    with tf.variable_scope("a") as s:
        tf.get_variable("x", [1])
        tf.constant(1)
    with tf.variable_scope("a"):
        tf.constant(1)
    with tf.variable_scope(s):
        tf.constant(1)
    with tf.variable_scope(s, auxiliary_name_scope=False):
        tf.constant(1)
    with tf.variable_scope("b"):
        with tf.variable_scope(s):
            tf.constant(1)
            tf.get_variable("y", [1])
            tf.Variable(1.0, name="z")
    for _ in range(2):
        with tf.variable_scope(None, default_name="a") as d:
            tf.get_variable("w", [1])
            note.text([d.name, d.original_name_scope])
    with tf.variable_scope("", reuse=tf.AUTO_REUSE) as r:
        tf.get_variable("q", [1])
        tf.constant(1)
    with tf.name_scope("ns"):
        tf.get_variable("v", [1])
        tf.Variable(1.0, name="w")
    with tf.variable_scope("c", reuse=tf.AUTO_REUSE):
        with tf.variable_scope("d", reuse=False) as e:
            note.text(e.reuse)
    note.text([s.name, s.original_name_scope, r.name])
    note.text(tf.global_variables())


@program
def scope_defaults(tf, note):
    with tf.variable_scope("x", initializer=tf.zeros_initializer(), regularizer=lambda v: tf.reduce_sum(v) * 0.5,
                           dtype=tf.float64) as s:
        tf.get_variable("v", [2])
        with tf.variable_scope("y", regularizer=tf.no_regularizer):
            tf.get_variable("w", [2], dtype=tf.float32)
    note.text(tf.get_collection(tf.GraphKeys.REGULARIZATION_LOSSES))
    note.text(s.dtype)
    note.text([v.name for v in s.global_variables()])


@program
def custom_getters(tf, note):
    def getter(getter, name, *args, **kwargs):
        note.text([name, sorted(kwargs)])
        return getter(name + "_x", *args, **kwargs)

    def other(getter, name, *args, **kwargs):
        return getter(name + "_o", *args, **kwargs)

    with tf.variable_scope("s", custom_getter=getter):
        tf.get_variable("v", [2])
        with tf.variable_scope("t", custom_getter=other):
            tf.get_variable("v", [2])
    tf.get_variable("w", [2], custom_getter=getter)
    note.text(tf.global_variables())


@program
def partitioned_variables(tf, note):
    v = tf.get_variable("v", [7, 3], partitioner=tf.fixed_size_partitioner(3), initializer=tf.ones_initializer())
    w = tf.get_variable("w", initializer=tf.reshape(tf.range(8.0), [2, 4]),
                        partitioner=tf.fixed_size_partitioner(2, axis=1))
    note.text([p._get_save_slice_info().spec for p in [*v, *w]])
    total = 1.0 + tf.convert_to_tensor(v)
    v.assign(tf.zeros([7, 3]))
    with tf.variable_scope("", reuse=True):
        note.text(tf.get_variable("v", [7, 3], partitioner=tf.fixed_size_partitioner(3)) is v)
    note.value([total, tf.convert_to_tensor(w)])


@program
def local_variables(tf, note):
    with tf.variable_scope("q"):
        tf.get_local_variable("v", [4, 3])
    tf.Variable(1.0, collections=[tf.GraphKeys.LOCAL_VARIABLES], name="l", trainable=False)
    note.text([tf.local_variables(), tf.global_variables(), tf.trainable_variables()])
    tf.local_variables_initializer()


@program
def initialization_ops(tf, note):
    v = tf.get_variable("v", [4, 3])
    tf.Variable(1)
    note.text(tf.is_variable_initialized(v))
    tf.global_variables_initializer()
    tf.variables_initializer([v], name="some")
    tf.variables_initializer([])
    note.value(tf.report_uninitialized_variables())


@program
def placement_of_variables(tf, note):
    with tf.device("/gpu:1"):
        v = tf.Variable(1.0)
        v * 2.0
    with tf.device("/cpu:0"):
        v * 3.0
        v.assign(2.0)
    tf.get_variable("u", [2], caching_device="/gpu:3")
    with tf.variable_scope("s", caching_device=lambda op: "/device:CPU:1"):
        tf.get_variable("c", [2])
    with tf.control_dependencies([tf.no_op("first")]):
        tf.Variable(1.0 + tf.constant(2.0))
    for op in tf.get_default_graph().get_operations():
        note.text([op.name, op.device, op.colocation_groups(), [c.name for c in op.control_inputs]])


# --- the graph ------------------------------------------------------------------------------------------------

@program
def unique_names(tf, note):
    for name in ("a", "A", "a_1", "a", "b/c", "b", "b/c"):
        note.text(tf.constant(1, name=name).name)
    with tf.name_scope("b") as outer:
        note.text(outer)
        with tf.name_scope("b"):
            note.text(tf.constant(1).name)
        with tf.name_scope("a/"):
            note.text(tf.constant(1).name)
        with tf.name_scope(None):
            note.text(tf.constant(1).name)
        with tf.name_scope(None, "given", [1]):
            note.text(tf.constant(1).name)
    graph = tf.get_default_graph()
    note.text([graph.unique_name("a"), graph.unique_name("a", mark_as_used=False), graph.unique_name("a")])


@program
def device_scopes(tf, note):
    with tf.device("/job:worker/task:1"):
        with tf.device("/gpu:2"):
            note.text(tf.constant(1).device)
            with tf.device(None):
                note.text(tf.constant(1).device)
            with tf.device("/job:ps"):
                note.text(tf.constant(1).device)
        with tf.device(lambda op: "/cpu:3" if op.type == "Const" else "/cpu:4"):
            note.text([tf.constant(1).device, tf.no_op().device])
        with tf.device("/device:GPU:*"):
            note.text(tf.constant(1).device)


@program
def control_dependencies(tf, note):
    a, b = tf.constant(1.0), tf.constant(2.0)
    with tf.control_dependencies([a]):
        c = tf.constant(3.0)
        with tf.control_dependencies([b, c]):
            d = a + 1.0
            e = d + c
            with tf.control_dependencies(None):
                f = tf.constant(4.0)
        g = tf.identity(f)
    for x in (c, d, e, f, g):
        note.text([x.op.name, sorted(op.name for op in x.op.control_inputs)])


@program
def colocation(tf, note):
    a = tf.constant(1.0)
    with tf.device("/gpu:1"):
        b = tf.constant(1.0)
    with tf.colocate_with(a):
        c = tf.constant(2.0)
        with tf.colocate_with(b):
            d = tf.constant(2.0)
            with tf.device("/cpu:1"):
                e = tf.constant(2.0)
        with tf.colocate_with(None, ignore_existing=True):
            f = tf.constant(1.0)
    with tf.colocate_with(c):
        g = tf.constant(1.0)
    for x in (c, d, e, f, g):
        note.text([x.op.name, x.device, x.op.colocation_groups()])


@program
def collections(tf, note):
    a = tf.constant(1.0, name="s/a")
    tf.add_to_collection("k", a)
    tf.add_to_collection("k", 5)
    tf.add_to_collections(["k", "l"], "x")
    note.text([tf.get_collection("k"), tf.get_collection("k", scope="s"), tf.get_collection("none")])
    tf.get_collection_ref("m").append(1)
    note.text(sorted(tf.get_default_graph().get_all_collection_keys()))


# --- gradients ---------------------------------------------------------------------------------------------------

@program
def slide_gradients(tf, note):
    x = tf.placeholder(tf.float32, shape=())
    y = x * x + tf.sin(x)
    g = tf.gradients(y, x)
    note.value(g, {x: 0.0})
    note.value(g, {x: np.pi})


@program
def gradient_names_and_shapes(tf, note):
    x = tf.placeholder(tf.float32, [3])
    y = x * 2.0
    z = y * x
    w = tf.placeholder(tf.float32)
    for found in (tf.gradients(z, [x, y]), tf.gradients(x, x), tf.gradients(z, x, stop_gradients=[y]),
                  tf.gradients(y, [x, w])):
        note.text([None if g is None else g.get_shape() for g in found])
    note.text([tf.gradients(x, x), tf.gradients(z, x)])
    note.value(tf.gradients([y, z], x, name="mine"), {x: [1.0, 2.0, 3.0]})
    note.value(tf.gradients(y, [x, w], unconnected_gradients="zero"), {x: [1.0, 2.0, 3.0], w: [1.0, 2.0]})
    note.value(tf.gradients(z, x, grad_ys=tf.constant([1.0, 0.0, 2.0])), {x: [1.0, 2.0, 3.0]})
    note.value(tf.gradients(z, x, gate_gradients=True, colocate_gradients_with_ops=True), {x: [1.0, 2.0, 3.0]})


@program
def no_path_for_integers(tf, note):
    i = tf.placeholder(tf.int32)
    x = tf.placeholder(tf.float32, [3])
    note.text([tf.gradients(i * 2, i), tf.gradients(tf.cast(tf.cast(x, tf.int32), tf.float32), x)])
    note.text(tf.gradients(tf.stop_gradient(x) * 2.0, x))


@program
def sparse_gradients(tf, note):
    v = tf.Variable(np.arange(10.0, dtype=np.float32).reshape(5, 2))
    one, two = tf.gather(v, [1, 2, 1]), tf.gather(v, [0])
    g = tf.gradients(one, v)[0]
    note.text(g.indices.dtype)
    note.value([g.values, g.indices])
    note.value(tf.convert_to_tensor(g))
    h = tf.gradients([one, two], v)[0]
    note.value([h.values, h.indices])
    note.value(tf.gradients([one, v * v], v))


@program
def hessian(tf, note):
    x = tf.constant([1.0, 2.0, -1.0])
    y = tf.reduce_sum(x * x * x) + x[0] * x[1]
    note.value(tf.hessians(y, x))


@program
def custom_gradients(tf, note):
    @tf.custom_gradient
    def f(x, y):
        return x * y, lambda dz: (dz * 2.0, dz * y)

    a, b = tf.constant(1.0), tf.constant(3.0)
    note.value(tf.gradients(f(a, b) * 2.0, [a, b]))
    with tf.get_default_graph().gradient_override_map({"Square": "Times7"}):
        c = tf.square(a)
    note.value(tf.gradients(c + tf.square(a), a))


@program
def many_uses(tf, note):
    x = tf.constant([[1.0, 2.0], [3.0, 4.0]])
    parts = tf.split(x, 2, axis=1)
    y = tf.concat([parts[1], parts[1] * parts[0]], 1)
    a, _ = tf.unstack(y)
    note.value(tf.gradients(tf.reduce_sum(a * a) + tf.reduce_mean(tf.matmul(x, x)), x))


# --- branches and loops ------------------------------------------------------------------------------------------

@program
def branches(tf, note):
    p, x = tf.placeholder(tf.bool, []), tf.placeholder(tf.float32, [3])
    w = tf.constant(2.0)
    y = tf.cond(p, lambda: x * w, lambda: tf.sin(x) + 1.0)
    note.text(y)
    note.ids()
    g = tf.gradients(y, [x, w])
    for truth in (True, False):
        note.value([y, *g], {p: truth, x: [1.0, 2.0, 3.0]})
        note.value(tf.gradients(g[0], x), {p: truth, x: [1.0, 2.0, 3.0]})


@program
def structures_of_branches(tf, note):
    p = tf.placeholder(tf.bool, [])
    note.text(tf.cond(p, lambda: {"a": 1, "b": 2.0}, lambda: {"a": 3, "b": 4.0}))
    note.text(tf.cond(p, lambda: [1], lambda: 2))
    note.text(tf.cond(p, lambda: [1], lambda: [2], strict=True))
    note.text(tf.cond(p, lambda: (1, [2]), lambda: (3, [4])))
    note.text(tf.cond(p, lambda: tf.zeros([2, 3]), lambda: tf.zeros([2, 4])))
    note.text(tf.cond(p, lambda: tf.zeros([2, 3]), lambda: tf.zeros([2])))
    note.text(tf.cond(p, tf.no_op, tf.no_op))
    note.ids()


@program
def seeds_in_branches(tf, note):
    tf.set_random_seed(5)
    p = tf.placeholder(tf.bool, [])

    def true():
        note.ids()
        return tf.random_uniform([3])

    def false():
        note.ids()
        return tf.random_normal([3]) + tf.constant(1.0)

    y = tf.cond(p, true, false)
    note.ids()
    z = tf.random_uniform([2])
    note.value([y, z], {p: True})
    note.value([y, z], {p: False})


@program
def variables_in_branches(tf, note):
    p = tf.placeholder(tf.bool, [])
    v = tf.Variable(1.0, name="v")

    def change():
        with tf.control_dependencies([v.assign_add(5.0)]):
            return v.read_value()

    y = tf.cond(p, change, lambda: tf.get_variable("w", initializer=lambda: tf.constant(7.0)) * 1.0)
    note.ids()
    note.text(tf.global_variables())
    note.value(y, {p: True})
    note.value(y, {p: False})


@program
def nested_branches(tf, note):
    p, q = tf.placeholder(tf.bool, []), tf.placeholder(tf.bool, [])
    x = tf.constant([1.0, 2.0])
    v = tf.Variable([3.0, 4.0])
    y = tf.cond(p, lambda: tf.cond(q, lambda: x * v, lambda: v * v) + 1.0,
                lambda: tf.cond(q, lambda: x, lambda: x * x))
    note.ids()
    g = tf.gradients(y, [x, v])
    for a in (True, False):
        for b in (True, False):
            note.value([y, *g], {p: a, q: b})


@program
def cases(tf, note):
    a, b = tf.placeholder(tf.bool, []), tf.placeholder(tf.bool, [])
    y = tf.case([(a, lambda: 1), (b, lambda: 2)], default=lambda: 3)
    note.ids()
    note.text(y)
    for p in (True, False):
        for q in (True, False):
            note.value(y, {a: p, b: q})


@program
def loop(tf, note):
    n, x = tf.placeholder(tf.int32, []), tf.placeholder(tf.float32, [3])
    w = tf.constant(2.0)

    def body(i, h):
        note.ids()
        note.text([i, h])
        return i + 1, h * x + w

    i, h = tf.while_loop(lambda i, h: i < n, body, [0, tf.ones([3])])
    note.ids()
    note.text([i, h])
    g = tf.gradients(h, [x, w])
    for count in (0, 1, 4):
        note.value([i, h, *g], {n: count, x: [1.0, 2.0, 3.0]})


@program
def structures_of_loops(tf, note):
    note.text(tf.while_loop(lambda x: x < 1, lambda x: x + 1, [1]))
    note.text(tf.while_loop(lambda x: x < 1, lambda x: x + 1, [1], return_same_structure=True))
    note.text(tf.while_loop(lambda i, d: d["a"] < 1, lambda i, d: (i, {"a": d["a"] + 1, "b": d["b"]}),
                            [1, {"a": 1, "b": 2.0}]))
    note.text(tf.while_loop(lambda x, y: x < 1, lambda x, y: (x + 1, tf.concat([y, y], 0)), [1, tf.zeros([2])],
                            shape_invariants=[tf.TensorShape([]), tf.TensorShape([None])]))
    note.text(tf.while_loop(lambda x: x < 1, lambda x: x + 1, [1], maximum_iterations=5))
    note.ids()


@program
def growing_loop(tf, note):
    x = tf.constant([1.0, 2.0])
    _, y = tf.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, tf.concat([y * y, x], 0)), [0, x],
                         shape_invariants=[tf.TensorShape([]), tf.TensorShape([None])])
    note.value([y, *tf.gradients(y, x)])


@program
def nested_loops(tf, note):
    x = tf.constant(1.5)
    v = tf.Variable(0.5)

    def inner(j, b):
        return j + 1, b * x + v

    def outer(i, a):
        _, b = tf.while_loop(lambda j, b: j <= i, inner, [0, a])
        return i + 1, b * 0.5

    _, y = tf.while_loop(lambda i, a: i < 3, outer, [0, tf.constant(1.0)])
    note.ids()
    note.value([y, *tf.gradients(y, [x, v])])


@program
def branch_in_loop(tf, note):
    x = tf.constant([1.0, 2.0])

    def body(i, h):
        return i + 1, tf.cond(tf.equal(i % 2, 0), lambda: h * x, lambda: h + x)

    _, y = tf.while_loop(lambda i, h: i < 5, body, [0, x])
    note.ids()
    note.value([y, *tf.gradients(y, x)])


@program
def seeds_in_loops(tf, note):
    tf.set_random_seed(3)
    w = tf.constant(1.0)

    def body(i, h):
        note.ids()
        return i + 1, h + tf.random_uniform([2]) * w

    _, h = tf.while_loop(lambda i, h: i < 3, body, [0, tf.zeros([2])])
    note.ids()
    note.value(h)
    note.value(tf.gradients(h, w))


@program
def gather_in_loop(tf, note):
    table = tf.Variable(np.arange(8.0, dtype=np.float32).reshape(4, 2))
    ids = tf.constant([3, 1, 3])
    _, total = tf.while_loop(lambda i, t: i < 3, lambda i, t: (i + 1, t * 2.0 + tf.gather(table, [ids[i]])[0]),
                             [0, tf.zeros([2])])
    g = tf.gradients(total, table)[0]
    note.value([total, tf.convert_to_tensor(g)])


@program
def maps(tf, note):
    x = tf.placeholder(tf.float32, [None, 2])
    y = tf.placeholder(tf.float32, [3, 2])

    def doubled(e):
        note.ids()
        return e * 2.0

    a = tf.map_fn(doubled, y)
    note.ids()
    b = tf.map_fn(lambda e: (e[0] * e[1], tf.reduce_sum(e[1])), (x, y), dtype=(tf.float32, tf.float32))
    note.ids()
    note.text([a, b[0].name, b[1].name])
    rows = np.arange(6.0).reshape(3, 2) + 1
    note.value([a, *b], {x: rows, y: rows})
    note.value(tf.gradients([a, *b], [x, y]), {x: rows, y: rows})


@program
def scans(tf, note):
    y = tf.placeholder(tf.float32, [3, 2])
    w = tf.constant(2.0)

    def step(a, e):
        note.ids()
        return e * w + a

    results = [tf.scan(step, y)]
    note.ids()
    results.append(tf.scan(step, y, initializer=tf.zeros([2])))
    note.ids()
    results.append(tf.scan(step, y, initializer=tf.zeros([2]), reverse=True))
    note.ids()
    results.append(tf.foldl(step, y))
    note.ids()
    results.append(tf.foldr(step, y))
    note.ids()
    results.append(tf.foldr(step, y, initializer=tf.zeros([2])))
    note.ids()
    note.text(results)
    rows = np.arange(6.0).reshape(3, 2) + 1
    note.value(results, {y: rows})
    note.value(tf.gradients(results, [y, w]), {y: rows})


@program
def scans_of_unknown_length(tf, note):
    y = tf.placeholder(tf.float32, [None, 2])
    w = tf.constant(2.0)

    def step(a, e):
        note.ids()
        return e * w + a

    results = []
    for f, options in ((tf.scan, {}), (tf.scan, {"reverse": True}), (tf.foldl, {}), (tf.foldr, {})):
        for initial in (None, tf.zeros([2])):
            results.append(f(step, y, initializer=initial, **options))
            note.ids()
    rows = np.arange(6.0).reshape(3, 2) + 1
    note.value(results, {y: rows})
    note.value(tf.gradients(results, [y, w]), {y: rows})


@program
def scan_of_structures(tf, note):
    x = tf.constant([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    fib = tf.scan(lambda a, _: (a[1], a[0] + a[1]), tf.range(6), initializer=(0, 1))
    note.value(fib[0])
    pairs = tf.scan(lambda a, e: {"s": a["s"] + e[0], "p": a["p"] * e[1]}, (x, x[:, 0]),
                    initializer={"s": tf.zeros([2]), "p": 1.0})
    note.value([pairs["s"], pairs["p"], *tf.gradients(pairs["p"], x)])


@program
def tensor_arrays(tf, note):
    x = tf.placeholder(tf.float32, [3, 2])
    a = tf.TensorArray(tf.float32, 3).unstack(x)
    note.ids()
    b = tf.TensorArray(tf.float32, size=0, dynamic_size=True, clear_after_read=False)
    for i in range(3):
        b = b.write(i, a.read(2 - i) * float(i))
    note.ids()
    c = tf.TensorArray(tf.float32, 3, clear_after_read=False, element_shape=[2]).scatter([2, 0], x[:2])
    d = tf.TensorArray(tf.float32, 2, clear_after_read=False, infer_shape=False).split(x, [1, 2])
    note.ids()
    results = [b.stack(), b.concat(), c.stack(), c.gather([0, 2]), d.read(1), d.concat()]
    note.ids()
    rows = np.arange(6.0).reshape(3, 2) + 1
    note.value([*results, b.size(), d.size()], {x: rows})
    note.value([tf.gradients(y * y, x)[0] for y in (*results[:4], results[5])], {x: rows})


@program
def arrays_in_loops(tf, note):
    x = tf.placeholder(tf.float32, [None, 2])
    w = tf.constant([2.0, 3.0])
    n = tf.shape(x)[0]
    source = tf.TensorArray(tf.float32, n).unstack(x)

    def body(i, h, out):
        note.ids()
        h = tf.tanh(h * w + source.read(i))
        return i + 1, h, out.write(i, h)

    _, last, out = tf.while_loop(lambda i, *_: i < n, body, [0, tf.zeros([2]), tf.TensorArray(tf.float32, n)])
    note.ids()
    stacked = out.stack()
    note.text(stacked.get_shape())
    rows = np.arange(6.0).reshape(3, 2) / 4
    note.value([stacked, last], {x: rows})
    note.value(tf.gradients(stacked * stacked, [x, w]), {x: rows})
    note.value(tf.gradients([stacked, last], [x, w]), {x: rows})


@program
def arrays_in_branches(tf, note):
    p, x = tf.placeholder(tf.bool, []), tf.constant([1.0, 2.0])
    a = tf.TensorArray(tf.float32, 2).write(0, x)
    b = tf.cond(p, lambda: a.write(1, x * x), lambda: a.write(1, -x))
    y = b.stack()
    for truth in (True, False):
        note.value([y, *tf.gradients(y * y, x)], {p: truth})


@program
def stops_inside_loops(tf, note):
    x = tf.constant(2.0)

    def body(i, a):
        return i + 1, a + tf.gradients(a * a * x, a)[0]

    _, y = tf.while_loop(lambda i, a: i < 2, body, [0, tf.constant(1.0)])
    note.value(y)


@program
def gradient_node_counts(tf, note):
    """Default seeds depend on how many nodes the gradient of each op has."""
    note.without_nodes()

    def count(build, *sizes):
        xs = [tf.placeholder(tf.float32, size) for size in sizes]
        tf.gradients(build(*xs), xs)
        note.ids()

    binary = [tf.add, tf.subtract, tf.multiply, tf.divide, tf.pow, tf.maximum, tf.minimum, tf.squared_difference,
              tf.floormod, tf.div_no_nan]
    for op in binary:
        for sizes in (([2, 3], [2, 3]), ([2, 3], []), ([], [2, 3]), ([2, 3], [3]), ([3], [2, 1]), ([None, 3], [3]),
                      ([None, 3], [None, 3]), ([None, 3], []), (None, [3])):
            count(op, *sizes)
    for reduce in (tf.reduce_sum, tf.reduce_mean, tf.reduce_max, tf.reduce_min):
        for size in ([2, 3], [None, 3], [], [3]):
            for axis in (None, 0, [0], -1, []) if size else (None,):
                count(lambda x, r=reduce, a=axis: r(x, a), size)
    for size in ([2, 3], [None, 3]):
        for op in (tf.square, tf.transpose, lambda x: tf.reshape(x, [-1]), tf.nn.relu, tf.nn.softmax, tf.nn.softplus,
                   tf.sign, tf.tanh, lambda x: tf.concat([x, x, x], 0), lambda x: tf.tile(x, [1, 2]),
                   lambda x: tf.pad(x, [[1, 1], [0, 0]]), lambda x: tf.slice(x, [0, 0], [1, 1]),
                   lambda x: tf.clip_by_value(x, 0.0, 1.0), lambda x: tf.nn.dropout(x, 0.5), tf.nn.l2_loss,
                   lambda x: tf.gather(x, [0]), lambda x: tf.broadcast_to(x, [2, 3]), lambda x: tf.nn.top_k(x, 1)[0],
                   lambda x: tf.nn.sparse_softmax_cross_entropy_with_logits(labels=[1, 0], logits=x),
                   lambda x: tf.nn.softmax_cross_entropy_with_logits_v2(labels=tf.ones([2, 3]), logits=x)):
            count(op, size)
        count(lambda x, w: tf.matmul(x, w), size, [3, 4])
        count(lambda x, b: tf.nn.bias_add(x, b), size, [3])
    for n in (2, None):
        count(lambda x, w: tf.nn.conv2d(x, w, [1, 1, 1, 1], "SAME"), [n, 6, 6, 2], [3, 3, 2, 4])
        count(lambda x: tf.nn.max_pool(x, [1, 2, 2, 1], [1, 2, 2, 1], "SAME"), [n, 6, 6, 2])
        count(lambda x, w: tf.matmul(x, w), [n, 2, 3], [n, 3, 2])


@program
def node_counts_of_resources_and_of_nothing(tf, note):
    note.without_nodes()
    tf.set_random_seed(1)
    tf.get_variable("a", [2], use_resource=True)
    note.ids()
    b = tf.get_variable("b", [2], use_resource=True)
    note.ids()
    b + 1.0
    tf.square(b)
    b.assign_add([1.0, 2.0])
    tf.assign(b, [1.0, 2.0])
    note.ids()
    for empty in (tf.zeros([0, 3]), tf.ones([2, 0], tf.int64), tf.constant([1.0, 2.0], shape=[0])):
        note.ids()
        note.value(empty)
    note.value(b)
