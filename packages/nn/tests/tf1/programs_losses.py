"""Programs of `tf.losses` for test_programs.py."""
import numpy as np

PROGRAMS = {}


def program(f):
    PROGRAMS[f.__name__] = f
    return f


def ph(tf, *shape, dtype=None):
    return tf.placeholder(dtype or tf.float32, list(shape))


def numbers(*shape, phase=0.0):
    """Values without ties, the same in every run."""
    return np.sin(phase + np.arange(1, 1 + np.prod(shape), dtype=np.float64) * 1.7).reshape(shape).astype(np.float32)


ELEMENTWISE = ("absolute_difference", "hinge_loss", "huber_loss", "log_loss", "mean_squared_error",
               "mean_pairwise_squared_error")


def _of(name):
    def nodes(tf, note):
        loss = getattr(tf.losses, name)
        loss(ph(tf, None, 3), ph(tf, None, 3))
        loss(ph(tf, 4, 3), ph(tf, 4, 3), weights=ph(tf, 4, 1))
        loss(ph(tf, 4, 3, dtype=tf.int32), ph(tf, 4, 3), weights=2.0, scope="named")
        note.ids()

    def values(tf, note):
        loss = getattr(tf.losses, name)
        labels = tf.constant((numbers(4, 3) > 0).astype(np.float32))
        predictions = tf.constant(0.5 + 0.4 * numbers(4, 3, phase=1.0))
        weights = [1.0, 0.5, tf.constant([[1.0], [0.0], [2.0], [0.0]])]
        if name != "mean_pairwise_squared_error":
            weights.append(numbers(4, 3, phase=2.0))
        note.value([loss(labels, predictions, w) for w in weights] + [tf.losses.get_total_loss()])
    nodes.__name__, values.__name__ = name, f"{name}_values"
    program(nodes)
    program(values)


for _name in ELEMENTWISE:
    _of(_name)


@program
def huber_loss_of_another_delta(tf, note):
    note.value(tf.losses.huber_loss(numbers(3, 2), 3 * numbers(3, 2, phase=1.0), delta=0.3))


@program
def log_loss_of_another_epsilon(tf, note):
    note.value(tf.losses.log_loss([[1.0, 0.0]], [[1.0, 0.25]], epsilon=1e-3))


@program
def cosine_distance(tf, note):
    a, b = tf.constant(numbers(4, 3)), tf.constant(numbers(4, 3, phase=1.0))
    note.value([tf.losses.cosine_distance(a, b, axis=1), tf.losses.cosine_distance(a, b, dim=0, weights=0.5),
                tf.losses.cosine_distance(a, b, 1, tf.constant([[1.0], [0.0], [2.0], [0.0]]))])


@program
def softmax_cross_entropy(tf, note):
    tf.losses.softmax_cross_entropy(ph(tf, None, 10), ph(tf, None, 10))
    tf.losses.softmax_cross_entropy(ph(tf, 4, 10, dtype=tf.int32), ph(tf, 4, 10), weights=ph(tf, 4))
    tf.losses.softmax_cross_entropy(ph(tf, 4, 10), ph(tf, 4, 10), label_smoothing=0.1)
    note.ids()


@program
def softmax_cross_entropy_of_the_slides(tf, note):
    labels = ph(tf, None, dtype=tf.int64)
    onehot_labels = tf.one_hot(indices=tf.cast(labels, tf.int32), depth=10)
    tf.losses.softmax_cross_entropy(onehot_labels=onehot_labels, logits=ph(tf, None, 10))


@program
def softmax_cross_entropy_values(tf, note):
    labels, logits = tf.one_hot([0, 2, 1, 1], 3), tf.constant(3 * numbers(4, 3))
    loss = tf.losses.softmax_cross_entropy
    note.value([loss(labels, logits), loss(labels, logits, 0.5), loss(labels, logits, [1.0, 0.0, 2.0, 0.5]),
                loss(labels, logits, label_smoothing=0.2), tf.losses.get_total_loss()])


@program
def sparse_softmax_cross_entropy(tf, note):
    tf.losses.sparse_softmax_cross_entropy(ph(tf, None, dtype=tf.int32), ph(tf, None, 10))
    tf.losses.sparse_softmax_cross_entropy(ph(tf, 4, 1, dtype=tf.int64), ph(tf, 4, 10), weights=ph(tf, 4))
    tf.losses.sparse_softmax_cross_entropy(ph(tf, 4, dtype=tf.int64), ph(tf, 4, 10), weights=ph(tf, 4, 1))
    tf.losses.get_total_loss()
    note.ids()


@program
def sparse_softmax_cross_entropy_values(tf, note):
    labels, logits = tf.constant([0, 2, 1, 1]), tf.constant(3 * numbers(4, 3))
    loss = tf.losses.sparse_softmax_cross_entropy
    note.value([loss(labels, logits), loss(labels, logits, 0.5), loss(labels, logits, [1.0, 0.0, 2.0, 0.5]),
                loss(tf.reshape(labels, [4, 1]), logits, tf.constant([[1.0], [1.0], [0.0], [3.0]]))])


@program
def sparse_softmax_cross_entropy_of_images(tf, note):
    note.value(tf.losses.sparse_softmax_cross_entropy([[[0, 1], [2, 0]]], numbers(1, 2, 2, 3),
                                                      weights=tf.constant(numbers(1, 2, 2))))


@program
def sigmoid_cross_entropy(tf, note):
    tf.losses.sigmoid_cross_entropy(ph(tf, None, 3), ph(tf, None, 3))
    tf.losses.sigmoid_cross_entropy(ph(tf, 4, 3, dtype=tf.int32), ph(tf, 4, 3), weights=ph(tf, 4, 1),
                                    label_smoothing=0.1)


@program
def sigmoid_cross_entropy_values(tf, note):
    labels, logits = tf.constant((numbers(4, 3) > 0).astype(np.float32)), tf.constant(3 * numbers(4, 3, phase=1.0))
    note.value([tf.losses.sigmoid_cross_entropy(labels, logits),
                tf.losses.sigmoid_cross_entropy(labels, logits, 0.5, label_smoothing=0.2)])


# --- weights and reductions ----------------------------------------------------------------------------------

@program
def reductions(tf, note):
    losses, weights = tf.constant(numbers(4, 3)), tf.constant([[1.0], [0.0], [2.0], [0.0]])
    note.text(tf.losses.Reduction.all())
    note.value([tf.losses.compute_weighted_loss(losses, weights, reduction=r) for r in tf.losses.Reduction.all()])
    note.value([tf.losses.mean_squared_error(losses, 2 * losses, 0.5, reduction=r)
                for r in tf.losses.Reduction.all()])


@program
def weights_of_all_zeros(tf, note):
    losses = tf.constant(numbers(4, 3))
    note.value([tf.losses.compute_weighted_loss(losses, 0.0),
                tf.losses.compute_weighted_loss(losses, tf.zeros([4, 3])),
                tf.losses.mean_pairwise_squared_error(losses, -losses, tf.zeros([4, 1]))])


@program
def weighted_losses(tf, note):
    tf.losses.compute_weighted_loss(ph(tf, None, 3), ph(tf, None, 1))
    note.without_nodes()
    note.ids()


@program
def weighted_losses_of_unknown_rank(tf, note):
    tf.losses.compute_weighted_loss(tf.placeholder(tf.float32), tf.placeholder(tf.float32))
    note.without_nodes()
    note.ids()


@program
def weighted_losses_checked_in_the_run(tf, note):
    note.without_nodes()
    values, weights = ph(tf, None, 3), tf.placeholder(tf.float32)
    loss = tf.losses.compute_weighted_loss(values, weights)
    for w in (numbers(2, 3), [[1.0], [0.5]], 2.0):
        note.value(loss, {values: numbers(2, 3), weights: w})
    note.error(note.run, loss, {values: numbers(2, 3), weights: numbers(2, 2)})
    note.error(note.run, loss, {values: numbers(2, 3), weights: numbers(3)})


@program
def weighted_losses_of_other_dtypes(tf, note):
    loss = tf.losses.compute_weighted_loss(ph(tf, 4, 3, dtype=tf.float64), 2)
    note.text(loss)
    note.text(tf.losses.compute_weighted_loss(ph(tf, 4, 3, dtype=tf.float16), tf.constant(True)))
    note.value(tf.losses.compute_weighted_loss([1, 2, 4], 0.5))


@program
def float64_losses(tf, note):
    a, b = tf.constant(numbers(4, 3).astype(np.float64)), tf.constant(numbers(4, 3, phase=1.0).astype(np.float64))
    note.value([tf.losses.mean_squared_error(a, b), tf.losses.softmax_cross_entropy(tf.abs(a), b)])


# --- collections -----------------------------------------------------------------------------------------------

@program
def collections_of_losses(tf, note):
    x = ph(tf, 4, 3)
    with tf.name_scope("a"):
        tf.losses.mean_squared_error(x, x)
    with tf.variable_scope("b"):
        tf.losses.absolute_difference(x, x, scope="c")
        tf.losses.absolute_difference(x, x, loss_collection=None)
        tf.losses.absolute_difference(x, x, loss_collection="mine")
    tf.losses.add_loss(tf.constant(1.0, name="own"))
    tf.add_to_collection(tf.GraphKeys.REGULARIZATION_LOSSES, tf.constant(2.0, name="regular"))
    note.text([t.name for t in tf.losses.get_losses()])
    note.text([t.name for t in tf.losses.get_losses("b")])
    note.text([t.name for t in tf.losses.get_losses(loss_collection="mine")])
    note.text([t.name for t in tf.losses.get_regularization_losses()])
    tf.losses.get_total_loss()
    tf.losses.get_total_loss(add_regularization_losses=False, name="without")
    tf.losses.get_total_loss(scope="b")
    note.text(tf.losses.get_regularization_loss(name="r"))


@program
def no_losses(tf, note):
    note.text(tf.losses.get_losses())
    note.text(tf.losses.get_regularization_loss())
    note.error(tf.losses.get_total_loss)


# --- what is refused -------------------------------------------------------------------------------------------

@program
def errors_of_losses(tf, note):
    note.without_nodes(collections=False)
    x, y = ph(tf, 4, 3), ph(tf, 4, 2)
    for name in ("absolute_difference", "hinge_loss", "huber_loss", "log_loss", "mean_squared_error",
                 "mean_pairwise_squared_error", "sigmoid_cross_entropy", "softmax_cross_entropy",
                 "sparse_softmax_cross_entropy"):
        loss = getattr(tf.losses, name)
        note.error(loss, None, x)
        note.error(loss, x, None)
        note.error(loss, x, y)
    note.error(tf.losses.cosine_distance, x, x)
    note.error(tf.losses.cosine_distance, None, x, 1)
    note.error(tf.losses.cosine_distance, x, None, 1)
    note.error(tf.losses.compute_weighted_loss, x, ph(tf, 4))
    note.error(tf.losses.compute_weighted_loss, x, ph(tf, 3, 3))
    note.error(tf.losses.compute_weighted_loss, x, ph(tf, 4, 3, 1))
    note.error(tf.losses.compute_weighted_loss, x, 1.0, reduction="other")
    note.error(tf.losses.Reduction.validate, "other")
    note.error(tf.losses.mean_squared_error, x, x, None)
    note.error(tf.losses.mean_pairwise_squared_error, x, x, ph(tf, 3))
    note.error(tf.losses.softmax_cross_entropy, x, x, weights=ph(tf, 3))
    note.error(tf.losses.sparse_softmax_cross_entropy, ph(tf, 4, 3, dtype=tf.int32), x)
    note.error(tf.losses.sparse_softmax_cross_entropy, ph(tf, 4), x)
    note.error(tf.losses.get_total_loss, scope="nowhere")
