"""Trains on a folder of JPEG files that tf.data reads, varies and batches while the training runs.

    python examples/input_pipeline/train.py                     the digits, written as JPEG files at first
    python examples/input_pipeline/train.py --images FOLDER     FOLDER/CLASS/FILE.jpg
"""
import argparse
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

import thalweg as tf

DIGITS = Path(__file__).resolve().parents[1] / "data" / "digits" / "digits.csv.gz"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=Path, metavar="FOLDER", help="own images: FOLDER/CLASS/FILE.jpg")
    parser.add_argument("--size", type=int, default=28, help="images are scaled to a little more than SIZE x SIZE")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--batch", type=int, default=64)
    args = parser.parse_args()
    tf.set_random_seed(1)
    if args.images:
        train(args, args.images)
        return
    with tempfile.TemporaryDirectory() as folder:
        write_digits(Path(folder))
        train(args, Path(folder))


def write_digits(folder):
    """The digits as 32 x 32 grey JPEG files, FOLDER/DIGIT/NUMBER.jpg."""
    for number, row in enumerate(np.loadtxt(DIGITS, delimiter=",")):
        path = folder / str(int(row[64])) / f"{number:04}.jpg"
        path.parent.mkdir(exist_ok=True)
        image = Image.fromarray((row[:64].reshape(8, 8) * 15.9).astype(np.uint8))
        image.resize((32, 32), Image.BICUBIC).save(path, quality=95)


def train(args, folder):
    classes = sorted(path.name for path in folder.iterdir() if path.is_dir())
    files = sorted(folder.glob("*/*.jpg"))
    labels = np.int32([classes.index(path.parent.name) for path in files])
    names = np.array([str(path) for path in files])
    is_test = np.arange(len(files)) % 5 == 0
    print(f"{(~is_test).sum()} images to learn from, {is_test.sum()} to test with, {len(classes)} classes")

    training = pipeline(names[~is_test], labels[~is_test], args, is_training=True)
    testing = pipeline(names[is_test], labels[is_test], args, is_training=False)
    iterator = tf.data.Iterator.from_structure(training.output_types, training.output_shapes)
    start_training, start_testing = iterator.make_initializer(training), iterator.make_initializer(testing)
    loss, hits = network(*iterator.get_next(), len(classes))
    step = tf.train.AdamOptimizer(2e-3).minimize(loss)

    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for epoch in range(args.epochs):
            session.run(start_training)
            losses = [found for found, _ in until_the_end(session, [loss, step])]
            session.run(start_testing)
            right = np.concatenate(list(until_the_end(session, hits)))
            print(f"epoch {epoch + 1}: loss {np.mean(losses):.3f}, test accuracy {right.mean():.2%}")


def pipeline(names, labels, args, is_training):
    """A dataset of (images [n, SIZE, SIZE, 1] in [0, 1], labels [n]); one pass is one epoch."""
    larger = args.size + args.size // 8

    def load(name, label):
        image = tf.image.decode_jpeg(tf.read_file(name), channels=1)
        image = tf.image.resize_images(image, [larger, larger]) / 255
        if is_training:
            image = tf.image.random_brightness(tf.random_crop(image, [args.size, args.size, 1]), 0.1)
        else:
            image = tf.image.resize_image_with_crop_or_pad(image, args.size, args.size)
        return image, label
    dataset = tf.data.Dataset.from_tensor_slices((names, labels))
    if is_training:
        dataset = dataset.shuffle(len(names))
    return dataset.map(load, num_parallel_calls=tf.data.experimental.AUTOTUNE).batch(args.batch).prefetch(2)


def network(images, labels, classes):
    """(loss, whether each image was recognised)"""
    h = images
    for filters in (16, 32):
        h = tf.layers.max_pooling2d(tf.layers.conv2d(h, filters, 3, padding="same", activation=tf.nn.relu), 2, 2)
    logits = tf.layers.dense(tf.layers.flatten(h), classes)
    loss = tf.losses.sparse_softmax_cross_entropy(labels, logits)
    return loss, tf.equal(tf.argmax(logits, 1, output_type=tf.int32), labels)


def until_the_end(session, fetches):
    """What runs give until the dataset has no element left."""
    while True:
        try:
            yield session.run(fetches)
        except tf.errors.OutOfRangeError:
            return


if __name__ == "__main__":
    main()
