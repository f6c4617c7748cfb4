"""Input pipelines and training together: what is read beside the steps trains as what is fed."""
import numpy as np
import pytest

import thalweg as tf


@pytest.fixture(autouse=True)
def fresh_graph():
    tf.reset_default_graph()


DATA = np.random.RandomState(0)
IMAGES = DATA.rand(96, 8, 8, 1).astype(np.float32)
LABELS = DATA.randint(0, 3, 96).astype(np.int32)


def network(images, labels, seed=1):
    kernel = tf.initializers.truncated_normal(stddev=0.1, seed=seed)
    h = tf.layers.conv2d(images, 4, 3, activation=tf.nn.relu, kernel_initializer=kernel)
    h = tf.layers.dropout(h, 0.2, training=True, seed=3)
    logits = tf.layers.dense(tf.layers.flatten(h), 3, kernel_initializer=kernel)
    loss = tf.losses.sparse_softmax_cross_entropy(labels, logits)
    return loss, tf.train.MomentumOptimizer(0.1, 0.9).minimize(loss)


def losses_of_fed_steps(batches):
    images, labels = tf.placeholder(tf.float32, [None, 8, 8, 1]), tf.placeholder(tf.int32, [None])
    fetches = network(images, labels)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        return [session.run(fetches, {images: x, labels: y})[0] for x, y in batches]


@pytest.mark.parametrize("workers", [None, 3])
def test_training_on_a_dataset_is_training_on_its_batches(workers):
    dataset = tf.data.Dataset.from_tensor_slices((IMAGES, LABELS)).shuffle(96, seed=5).repeat(3)
    dataset = dataset.map(lambda x, y: (tf.image.random_flip_left_right(x, seed=2), y), workers).batch(20).prefetch(2)
    element = dataset.make_one_shot_iterator().get_next()
    fetches = network(*element)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        found = []
        with pytest.raises(tf.errors.OutOfRangeError):
            while True:
                found.append(session.run([*fetches, element]))
    assert [len(labels) for _, _, (_, labels) in found] == [20] * 14 + [8]
    tf.reset_default_graph()
    assert losses_of_fed_steps([batch for _, _, batch in found]) == [loss for loss, _, _ in found]
    assert found[-1][0] < found[0][0]


def test_a_summary_and_a_checkpoint_beside_a_pipeline(tmp_path):
    """All parts of a training program use one graph: it is written with its datasets, and goes on when restored."""
    iterator = tf.data.Dataset.from_tensor_slices((IMAGES, LABELS)).repeat().batch(32).make_initializable_iterator()
    loss, step = network(*iterator.get_next())
    summary = tf.summary.scalar("loss", loss)
    saver = tf.train.Saver()
    with tf.Session() as session, tf.summary.FileWriter(str(tmp_path), session.graph) as writer:
        session.run([tf.global_variables_initializer(), iterator.initializer])
        for k in range(3):
            writer.add_summary(session.run([summary, step])[0], k)
        path = saver.save(session, str(tmp_path / "model"))
    with tf.Session() as session:
        saver.restore(session, path)
        session.run(iterator.initializer)
        assert np.isfinite(session.run(loss))
    assert [event.step for event in tf.train.summary_iterator(next(map(str, tmp_path.glob("events*"))))
            if event.summary.value] == [0, 1, 2]
