"""Restores the newest checkpoint, classifies image files and writes a sheet of them.

    python examples/image_classifier/classify.py --model runs/digits --sheet sheet.png [FILE ...]

The sheet shows for each image its most probable classes, and what the first layer sees in it.
"""
import argparse
import json
import unicodedata
from pathlib import Path

import numpy as np
from images import read_image
from model import Classifier
from PIL import Image, ImageDraw

import thalweg as tf

TILE, MAPS, TEXT = 64, 6, 110             # pixels of an image, maps per image, pixels of the text column


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("files", nargs="*", type=Path, help="image files (default: the test images kept by train.py)")
    parser.add_argument("--model", type=Path, default=Path("runs/digits"), help="folder that train.py filled")
    parser.add_argument("--sheet", type=Path, help="PNG file to write (default: sheet.png in the model's folder)")
    args = parser.parse_args()
    sheet = args.sheet or args.model / "sheet.png"
    if not sheet.parent.is_dir():
        parser.error(f"--sheet {sheet}: there is no folder {sheet.parent}")
    about = model_file(args.model)
    files = args.files or sorted((args.model / "samples").glob("*.png"))
    images = np.stack([read_image(f, about["size"], about["channels"]) for f in files])
    probabilities, maps = predict(args.model, about, images)
    for path, p in zip(files, probabilities):
        print(f"{path}: {describe(p, about['classes'])}")
    try:
        draw_sheet(files, images, probabilities, maps, about["classes"]).save(sheet)
    except (OSError, ValueError) as error:
        parser.error(f"--sheet {sheet} cannot be written: {error}")
    print(f"sheet written to {sheet}")


def model_file(folder):
    """What train.py wrote about the model; SystemExit when there is none."""
    path = folder / "model.json"
    if not path.exists():
        raise SystemExit(f"{folder} holds no trained model (no model.json): run train.py --out {folder} first.")
    return json.loads(path.read_text())


def predict(folder, about, images):
    """(probabilities [n, classes], feature maps [n, size, size, 32]) by the newest checkpoint in `folder`."""
    checkpoint = tf.train.latest_checkpoint(str(folder))
    if checkpoint is None:
        raise SystemExit(f"{folder} holds no checkpoint: run train.py --out {folder} to the end.")
    model = Classifier(about["size"], about["channels"], len(about["classes"]))
    with tf.Session() as session:
        tf.train.Saver().restore(session, checkpoint)
        print(f"restored {checkpoint}")
        return session.run([model.probabilities, model.feature_maps], {model.images: images, model.training: False})


def describe(probabilities, classes):
    """The two most probable classes in words."""
    best = np.argsort(-probabilities)[:2]
    return ", ".join(f"{classes[i]}: {probabilities[i]:.1%}" for i in best)


def draw_sheet(files, images, probabilities, maps, classes):
    """One row per image: the image, its classes, the first feature maps; two rows side by side."""
    rows, width = -(-len(files) // 2), TILE * (1 + MAPS) + TEXT + 24
    sheet = Image.new("RGB", (2 * width + 8, rows * (TILE + 8) + 8), "white")
    pen = ImageDraw.Draw(sheet)
    chosen = np.argsort(-maps.mean((0, 1, 2)))[:MAPS]          # the same maps for every image: the liveliest
    scale = maps[..., chosen].max((0, 1, 2)) + 1e-9
    for i, path in enumerate(files):
        x, y = 8 + i % 2 * width, 8 + i // 2 * (TILE + 8)
        sheet.paste(tile(images[i]), (x, y))
        words = [path.stem[:16], *describe(probabilities[i], classes).split(", ")]
        pen.multiline_text((x + TILE + 8, y + 4), without_accents("\n".join(words)), fill="black", spacing=6)
        for k, channel in enumerate(chosen):
            seen = maps[i, :, :, channel:channel + 1] / scale[k]
            sheet.paste(tile(seen), (x + TILE + TEXT + k * TILE, y))
    return sheet


def without_accents(text):
    """`text` with u for ü: Pillow's own font has no accented letters."""
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def tile(pixels):
    """[h, w, channels] in [0, 1] as a picture of the sheet's size, pixels left sharp."""
    values = np.clip(pixels * 255.0, 0, 255).astype(np.uint8)
    values = np.repeat(values, 3, 2) if values.shape[2] == 1 else values
    return Image.fromarray(values).resize((TILE - 2, TILE), Image.Resampling.NEAREST)


if __name__ == "__main__":
    main()
