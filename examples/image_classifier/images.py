"""Images to learn from: the digits of the UCI repository, or a folder of class-named sub-folders of PNG/JPEG files."""
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

DIGITS = Path(__file__).resolve().parents[1] / "data" / "digits"
SUFFIXES = {".png", ".jpg", ".jpeg"}


class ImageSet:
    """Images of one size with their classes.

    Attributes
    ----------
    images : float32 [n, size, size, channels]      in [0, 1]
    labels : int32 [n]                              index into `classes`
    classes : list of str
    """

    def __init__(self, images, labels, classes):
        self.images, self.labels, self.classes = images, labels, classes

    def split(self, test_share, seed):
        """(train, test): each class gives `test_share` of its images, at least one, to the test set."""
        order = np.random.RandomState(seed).permutation(len(self.labels))
        is_test = np.zeros(len(order), bool)
        for label in range(len(self.classes)):
            own = order[self.labels[order] == label]
            is_test[own[:max(1, round(test_share * len(own)))]] = True
        return self._part(order[~is_test[order]]), self._part(order[is_test[order]])

    def _part(self, indices):
        return ImageSet(self.images[indices], self.labels[indices], self.classes)


def load_digits():
    """1,797 handwritten digits, 8x8 grey (examples/data/digits/README.md)."""
    table = np.loadtxt(DIGITS / "digits.csv.gz", delimiter=",", dtype=np.float32)
    images = table[:, :64].reshape(-1, 8, 8, 1) / 16.0
    return ImageSet(images, table[:, 64].astype(np.int32), [str(d) for d in range(10)])


def load_folder(folder, size):
    """Images of `folder/CLASS/FILE`, in colour, scaled to `size` x `size`; SystemExit says what is missing."""
    folder = Path(folder)
    if not folder.is_dir():
        raise SystemExit(f"{folder} is no folder. Give one with a sub-folder of PNG or JPEG files per class.")
    classes = sorted(d.name for d in folder.iterdir() if d.is_dir() and not d.name.startswith("."))
    files = [(path, i) for i, name in enumerate(classes) for path in sorted((folder / name).iterdir())
             if path.suffix.lower() in SUFFIXES and path.is_file() and not path.name.startswith(".")]
    counts = [sum(label == i for _, label in files) for i in range(len(classes))]
    poor = [name for name, count in zip(classes, counts) if count < 2]
    if len(classes) < 2 or poor:
        raise SystemExit(f"{folder} must hold at least two sub-folders, one per class, with at least two PNG or JPEG "
                         f"files each; found {dict(zip(classes, counts)) or 'no sub-folder'}.")
    images = np.stack([read_image(path, size, 3) for path, _ in files])
    return ImageSet(images, np.array([label for _, label in files], np.int32), classes)


def read_image(path, size, channels):
    """One image file as float32 [size, size, channels] in [0, 1]."""
    try:
        with Image.open(path) as image:
            image = eight_bits(image).convert("L" if channels == 1 else "RGB")
            image = image.resize((size, size), Image.Resampling.BILINEAR)
    except (UnidentifiedImageError, OSError) as error:
        raise SystemExit(f"{path} cannot be read as an image: {error}") from error
    return np.asarray(image, np.float32).reshape(size, size, channels) / 255.0


def eight_bits(image):
    """The picture, 16-bit grey scaled to 8 bits: Pillow's convert() would make all above 255 white."""
    if not image.mode.startswith("I"):
        return image
    return Image.fromarray(np.clip(np.asarray(image, np.float32) / 257 + 0.5, 0, 255).astype(np.uint8))


def write_image(path, pixels):
    """Writes [h, w, channels] in [0, 1] as a PNG file."""
    values = np.clip(pixels * 255.0 + 0.5, 0, 255).astype(np.uint8)
    Image.fromarray(values[:, :, 0] if values.shape[2] == 1 else values).save(path)


def varied(images, random):
    """Each image turned by up to 14 degrees, scaled by up to 12 % and moved by up to 9 %: more images from few."""
    n, size = len(images), images.shape[1]
    angle = random.uniform(-0.25, 0.25, [n, 1, 1])
    scale = np.exp(random.uniform(-0.12, 0.12, [2, n, 1, 1]))
    shift = random.uniform(-0.09, 0.09, [2, n, 1, 1]) * size
    centre = (size - 1) / 2
    row, column = np.meshgrid(*[np.arange(size) - centre] * 2, indexing="ij")
    rows = (np.cos(angle) * row - np.sin(angle) * column) * scale[0] + shift[0] + centre
    columns = (np.sin(angle) * row + np.cos(angle) * column) * scale[1] + shift[1] + centre
    return _between_pixels(images, np.clip(rows, 0, size - 1.001), np.clip(columns, 0, size - 1.001))


def _between_pixels(images, rows, columns):
    """The pixels at fractional places, [n, size, size] each, by bilinear interpolation."""
    top, left = rows.astype(int), columns.astype(int)
    down, right = ((rows - top)[..., None].astype(np.float32), (columns - left)[..., None].astype(np.float32))
    i = np.arange(len(images))[:, None, None]
    upper = images[i, top, left] * (1 - right) + images[i, top, left + 1] * right
    lower = images[i, top + 1, left] * (1 - right) + images[i, top + 1, left + 1] * right
    return upper * (1 - down) + lower * down
