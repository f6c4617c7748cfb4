"""Training on JPEG files by tf.data, beside the same steps on one batch that is fed: what the input costs."""
import time

import input_files
import numpy as np
from framework import THREADS, new_session, tf
from networks.tf_layers import Layers

CROP = 128
MEASURED = 20                            # steps, or batches, of which the CPU time is taken


def input_training(source, batch=32, width=1.0):
    """Steps of a small network, (step, 1, None).

    `source`: "fed", one batch from memory; "prefetched", files by a parallel map and prefetch; "in_step", the same
    pipeline without threads.
    """
    step, _ = _training(source, batch, width)
    return step, 1, None


def input_bound(batch=32, width=1.0):
    """Steps per second if all threads were busy with nothing but one step and the making of one batch at a time."""
    step, take = _training("in_step", batch, width)
    fed = _training("fed", batch, width)[0]
    return THREADS / (_cpu_seconds(fed) + _cpu_seconds(take))


def _cpu_seconds(call):
    """Processor time of a call, of all threads of this process."""
    for _ in range(3):
        call()
    start = time.process_time()
    for _ in range(MEASURED):
        call()
    return (time.process_time() - start) / MEASURED


def _training(source, batch, width):
    """(what runs a training step, what takes a batch from the pipeline)"""
    with tf.Graph().as_default() as graph:
        images, labels = tf.data.make_one_shot_iterator(_dataset(source, batch)).get_next()
        train = _train(_logits(images, width), labels)
        session = new_session(graph)
    random = np.random.RandomState(1)
    feed = {} if source != "fed" else {images: random.rand(batch, CROP, CROP, 3).astype(np.float32),
                                       labels: random.randint(0, input_files.CLASSES, batch).astype(np.int32)}
    return lambda: session.run(train, feed), lambda: session.run(labels)


def _dataset(source, batch):
    names = [str(path) for path in input_files.paths()]
    numbers = np.arange(len(names), dtype=np.int32) % input_files.CLASSES
    dataset = tf.data.Dataset.from_tensor_slices((names, numbers)).shuffle(len(names), seed=1).repeat()
    if source == "prefetched":
        return dataset.map(_load, num_parallel_calls=THREADS).batch(batch).prefetch(2)
    return dataset.map(_load).batch(batch)


def _load(name, label):
    image = tf.image.decode_jpeg(tf.read_file(name), channels=3)
    image = tf.image.random_flip_left_right(tf.random_crop(image, [CROP, CROP, 3], seed=2), seed=3)
    return tf.image.convert_image_dtype(image, tf.float32), label


def _logits(x, width):
    layers = Layers(True, width)
    for filters in (32, 64, 64):
        x = tf.nn.relu(layers.conv(x, filters, 3, 2, bias=True))
    return layers.dense(tf.reduce_mean(x, [1, 2]), input_files.CLASSES, scaled=False)


def _train(logits, labels):
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
    return tf.train.MomentumOptimizer(0.01, 0.9).minimize(loss)
