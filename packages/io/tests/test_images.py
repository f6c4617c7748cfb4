"""Image files: what is decoded is what TensorFlow 1.15 decodes (data/make_images.py)."""
import pathlib
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest

import thalweg as tf

IMAGES = pathlib.Path(__file__).parent / "data" / "images"
DECODED = np.load(IMAGES / "decoded.npz")
CALLS = {"jpeg": tf.image.decode_jpeg, "half": lambda data, c: tf.image.decode_jpeg(data, c, ratio=2),
         "png": tf.image.decode_png, "png16": lambda data, c: tf.image.decode_png(data, c, tf.uint16),
         "image": tf.image.decode_image}
# TensorFlow leaves the alpha of bits almost clear, and reads beyond the pixels of a BMP file without alpha.
ODD = "bits.png/png/4", "bits.png/png16/4", "bits.png/image/4", "rgb.bmp/image/4"


@pytest.fixture(autouse=True)
def fresh_graph():
    with tf.Graph().as_default():
        yield


def contents(name):
    return (IMAGES / name).read_bytes()


def run(tensor):
    with tf.Session() as session:
        return session.run(tensor)


@pytest.mark.parametrize("key", [key for key in DECODED.files if key not in ODD])
def test_pixels_are_tensorflows(key):
    name, call, channels = key.split("/")
    tensor = CALLS[call](contents(name), int(channels))
    if call != "image":
        assert tensor.shape.as_list() == [None, None, int(channels) or None]
    np.testing.assert_array_equal(run(tensor), DECODED[key], strict=True)


def test_all_channels_of_all_files_were_decoded():
    names = {key.split("/")[0] for key in DECODED.files}
    assert names == {p.name for p in IMAGES.iterdir()} - {"decoded.npz"} and len(DECODED.files) > 60


def test_an_image_is_converted_to_other_dtypes():
    for name in ("rgb.jpg", "rgb.png"):
        whole = run(tf.image.decode_image(contents(name)))
        floats = run(tf.image.decode_image(contents(name), dtype=tf.float32))
        np.testing.assert_allclose(floats, whole / 255, rtol=1e-6)
    assert run(tf.image.decode_image(contents("deep.png"), dtype=tf.uint16)).max() > 60000
    np.testing.assert_array_equal(run(tf.image.decode_image(contents("gray.jpg"), dtype=tf.uint16)),
                                  run(tf.image.decode_jpeg(contents("gray.jpg"))).astype(np.uint16) * 256)


MISTAKES = [
    (lambda: tf.image.decode_jpeg(b"hello world"),
     r"Expected image \(JPEG, PNG, or GIF\), got unknown format starting with b'hello world'"),
    (lambda: tf.image.decode_jpeg(b""), "got empty file"),
    (lambda: tf.image.decode_png(contents("rgb.bmp")), "got unknown format starting with b'BM"),
    (lambda: tf.image.decode_jpeg(contents("rgb.jpg")[:300]), "Invalid JPEG data, data size 300"),
    (lambda: tf.image.decode_jpeg(contents("rgb.jpg")[:-60]), "Invalid JPEG data"),
    (lambda: tf.image.decode_png(contents("rgb.png")[:300]), "Invalid PNG data, data size 300"),
    (lambda: tf.image.decode_png(contents("rgb.jpg"), channels=4), "channels must be 0, 1, 3 for JPEG, got 4"),
    (lambda: tf.image.decode_png(contents("one.gif"), channels=1), "channels must be 0, 3 for GIF, got 1"),
    (lambda: tf.image.decode_jpeg(contents("inks.jpg"), channels=1), "has no gray"),
    (lambda: tf.image.decode_png(contents("rgb.jpg"), dtype=tf.uint16), "JPEG does not support uint16 output"),
    (lambda: tf.image.decode_png(contents("three.gif")), "Got 3 frames, but animated gifs"),
    (lambda: tf.image.decode_image(contents("rgb.bmp")[:18] + struct.pack("<ii", 1 << 15, 1 << 15)
                                   + contents("rgb.bmp")[26:]), "Invalid BMP data.*exceeds limit"),
    *[(lambda size=size: tf.image.decode_image(contents("three.gif")[:size]), "Invalid GIF data")
      for size in (282, 290)],
]


@pytest.mark.parametrize("make, match", MISTAKES)
def test_mistakes(make, match):
    with pytest.raises(tf.errors.InvalidArgumentError, match=match):
        run(make())


@pytest.mark.parametrize("options", [{"fancy_upscaling": False}, {"try_recover_truncated": True}])
def test_what_pillow_does_not_do_is_told(options):
    with pytest.raises(tf.errors.UnimplementedError, match="DecodeJpeg: Pillow decodes with fancy_upscaling=True"):
        run(tf.image.decode_jpeg(contents("rgb.jpg"), **options))


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def test_deep_colors_are_told():
    header = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)               # 1 x 1, 16 bits, RGB
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0abcdef"))
    data += chunk(b"IEND", b"")
    assert run(tf.image.decode_png(data)).tolist() == [[list(b"ace")]]
    with pytest.raises(tf.errors.UnimplementedError, match="colors of 16 bits"):
        run(tf.image.decode_png(data, dtype=tf.uint16))


def test_a_ratio_must_be_a_power_of_two():
    with pytest.raises(ValueError, match="ratio must be 1, 2, 4, or 8, got 3"):
        tf.image.decode_jpeg(b"", ratio=3)


def test_without_pillow_the_extra_is_named():
    code = ("import sys; sys.modules['PIL'] = None\nimport thalweg as tf\n"
            "try:\n    tf.image.decode_jpeg(b'')\nexcept ModuleNotFoundError as error:\n    print(error)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == ("images are decoded by Pillow, which is not installed: pip install thalweg-io[image]\n")


def test_files_are_read():
    name = str(IMAGES / "rgb.jpg")
    assert run(tf.read_file(name)) == contents("rgb.jpg")
    with pytest.raises(tf.errors.NotFoundError, match="nowhere"):
        run(tf.read_file("/nowhere"))


def test_a_pipeline_of_image_files_is_the_same_at_any_number_of_calls():
    def batches(workers):
        with tf.Graph().as_default():
            tf.set_random_seed(4)
            names = sorted(str(p) for p in IMAGES.glob("*.jpg")) * 4

            def load(name):
                image = tf.image.decode_jpeg(tf.read_file(name), channels=3)
                image = tf.image.resize_images(image, [12, 16])
                image = tf.image.random_flip_left_right(tf.random_crop(image, [8, 8, 3]))
                return tf.image.random_brightness(image / 255, 0.2)
            element = tf.data.Dataset.from_tensor_slices(names).map(load, workers).batch(5).prefetch(1) \
                .make_one_shot_iterator().get_next()
            assert element.shape.as_list() == [None, 8, 8, 3]
            with tf.Session() as session:
                return np.stack([session.run(element) for _ in range(4)])
    alone = batches(None)
    assert len(np.unique(alone.reshape(20, -1), axis=0)) == 20
    np.testing.assert_array_equal(alone, batches(4))


def test_a_header_that_claims_a_huge_image_or_is_damaged_is_invalid():
    huge = b"BM" + bytes(8) + (54).to_bytes(4, "little") + (40).to_bytes(4, "little")
    huge += (100_000).to_bytes(4, "little") * 2 + b"\1\0\x18\0" + bytes(24)
    with pytest.raises(tf.errors.InvalidArgumentError, match="100000|10000000000 pixels"), tf.Session() as session:
        session.run(tf.image.decode_image(huge))
    with pytest.raises(tf.errors.InvalidArgumentError, match="its header is damaged"), tf.Session() as session:
        session.run(tf.image.decode_image(b"GIF89"))
