"""Trains the classifier, saves checkpoints and TensorBoard events, prints the test accuracy.

    python examples/image_classifier/train.py --out runs/digits
    python examples/image_classifier/train.py --out runs/mine --images FOLDER
"""
import argparse
import json
from pathlib import Path

import numpy as np
from images import load_digits, load_folder, varied, write_image
from model import Classifier, train_op
from tqdm import tqdm

import thalweg as tf

SAMPLES = 24                              # test images that are kept as files
WRITTEN = ["checkpoint", "model.ckpt-*", "events.out.tfevents.*"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("runs/digits"), help="folder for checkpoints and events")
    parser.add_argument("--images", metavar="FOLDER", help="own images: FOLDER/CLASS/FILE.png; default: digits")
    parser.add_argument("--size", type=int, default=32, help="own images are scaled to SIZE x SIZE pixels, 4 or more")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    for name, least in [("size", 4), ("epochs", 1), ("batch", 1)]:          # two pools halve the size
        if getattr(args, name) < least:
            parser.error(f"--{name} must be {least} or more, not {getattr(args, name)}")
    if not 0 <= args.seed < 2**32:
        parser.error(f"--seed must be 0 or more and less than 2**32, not {args.seed}")
    data = load_folder(args.images, args.size) if args.images else load_digits()
    train, test = data.split(test_share=0.2, seed=args.seed)
    print(f"{len(train.labels)} images to learn from, {len(test.labels)} to test with, {len(data.classes)} classes")
    try:
        start_folder(args.out, data, test)
    except OSError as error:
        parser.error(f"--out {args.out} cannot be written to: {error.strerror}: {error.filename}")
    print(f"test accuracy {run(args, train, test):.2%}")


def start_folder(out, data, test):
    """A folder with what classify.py needs besides the checkpoint, and a few test images as files."""
    remove_earlier_run(out)
    (out / "samples").mkdir(parents=True, exist_ok=True)
    (out / "model.json").write_text(json.dumps({"classes": data.classes, "size": data.images.shape[1],
                                                "channels": data.images.shape[3]}))
    for i in range(min(SAMPLES, len(test.labels))):
        write_image(sample_file(out, i, data.classes[test.labels[i]]), test.images[i])


def sample_file(out, number, name):
    return out / "samples" / f"{number:02}_{name}.png"


def remove_earlier_run(out):
    """Deletes what a run wrote into its folder, and nothing else that may lie there by now."""
    path = out / "model.json"
    if not path.exists():
        return
    try:
        classes = json.loads(path.read_text())["classes"]
    except (ValueError, KeyError, TypeError):
        raise SystemExit(f"{path} is not of this program: choose another folder with --out.") from None
    samples = [sample_file(out, i, name) for i in range(SAMPLES) for name in classes]
    for old in [path, *samples, *(old for pattern in WRITTEN for old in out.glob(pattern))]:
        old.unlink(missing_ok=True)


def run(args, train, test):
    """Trains; gives the accuracy on the test set."""
    tf.set_random_seed(args.seed)
    size, channels = train.images.shape[1], train.images.shape[3]
    model = Classifier(size, channels, len(train.classes))
    step = tf.train.get_or_create_global_step()
    steps_per_epoch = -(-len(train.labels) // args.batch)
    rate = tf.train.exponential_decay(2e-3, step, 10 * steps_per_epoch, 0.5, staircase=True)
    update = train_op(model.loss, step, rate)
    summaries = add_summaries(model)
    saver = tf.train.Saver(max_to_keep=3)
    random = np.random.RandomState(args.seed)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        writer = tf.summary.FileWriter(str(args.out), session.graph)
        with tqdm(total=args.epochs * len(train.labels), unit="image", unit_scale=True) as bar:
            for epoch in range(args.epochs):
                one_epoch(session, model, update, train, args, random, bar)
                if (epoch + 1) % 10 == 0 or epoch + 1 == args.epochs:
                    feed = {model.images: test.images, model.labels: test.labels, model.training: False}
                    writer.add_summary(session.run(summaries, feed), session.run(step))
                    saver.save(session, str(args.out / "model.ckpt"), global_step=step)
        writer.close()
        return session.run(model.accuracy, {model.images: test.images, model.labels: test.labels,
                                            model.training: False})


def one_epoch(session, model, update, train, args, random, bar):
    """Every image once, in random order, slightly turned and moved."""
    order = random.permutation(len(train.labels))
    for begin in range(0, len(order), args.batch):
        chosen = order[begin:begin + args.batch]
        images = varied(train.images[chosen], random)
        _, loss, accuracy = session.run([update, model.loss, model.accuracy], {
            model.images: images, model.labels: train.labels[chosen], model.training: True})
        bar.update(len(chosen))
        bar.set_postfix(loss=f"{loss:.3f}", accuracy=f"{accuracy:.2%}", refresh=False)


def add_summaries(model):
    """What TensorBoard shows: curves, the first layer's filters and feature maps."""
    tf.summary.scalar("loss", model.loss)
    tf.summary.scalar("accuracy", model.accuracy)
    tf.summary.histogram("logits", model.logits)
    tf.summary.image("images", model.images, max_outputs=4)
    tf.summary.image("feature_map", model.feature_maps[:, :, :, :1], max_outputs=4)
    return tf.summary.merge_all()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        raise SystemExit("\ninterrupted; to begin again start the same command") from None
