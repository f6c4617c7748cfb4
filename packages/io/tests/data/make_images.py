"""Makes data/images: `make_images.py files` with Pillow, then `make_images.py decode` with TensorFlow 1.15.

decoded.npz holds what TensorFlow decodes: NAME/OP/CHANNELS -> pixels; JPEG by the accurate transform, as Pillow does.
"""
import glob
import os
import sys

import numpy as np

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "images")


def files():
    from PIL import Image
    rng = np.random.RandomState(0)
    rgb = Image.fromarray((rng.rand(6, 9, 3) * 255).astype(np.uint8)).resize((19, 13), Image.BICUBIC)
    gray = rgb.convert("L")
    clear = rgb.convert("RGBA")
    clear.putalpha(gray)
    noise = [Image.fromarray((rng.rand(6, 9, 3) * 255).astype(np.uint8)) for _ in range(3)]
    deep = Image.fromarray((rng.rand(7, 9) * 65535).astype(np.uint16))
    for name, image, options in (
            ("rgb.jpg", rgb, {"quality": 90}), ("fine.jpg", rgb, {"quality": 95, "subsampling": 0}),
            ("gray.jpg", gray, {}), ("progressive.jpg", rgb, {"progressive": True}),
            ("inks.jpg", rgb.convert("CMYK"), {}), ("rgb.png", rgb, {}), ("gray.png", gray, {}),
            ("palette.png", rgb.convert("P"), {}), ("bits.png", rgb.convert("1"), {}), ("rgba.png", clear, {}),
            ("clear.png", clear.convert("LA"), {}), ("deep.png", deep, {}),
            ("key.png", rgb.convert("P"), {"transparency": 3}), ("one.gif", rgb, {}), ("rgb.bmp", rgb, {}),
            ("three.gif", noise[0], {"save_all": True, "append_images": noise[1:]})):
        image.save(os.path.join(HERE, name), **options)


def calls(name, data, channels):
    """(op, tensor) for a file; decode_image of JPEG takes the quick transform, and is left out."""
    import tensorflow as tf
    if name.endswith("jpg"):
        yield "jpeg", tf.image.decode_jpeg(data, channels, dct_method="INTEGER_ACCURATE")
        if not channels:
            yield "half", tf.image.decode_jpeg(data, channels, 2, dct_method="INTEGER_ACCURATE")
        return
    yield "png", tf.image.decode_png(data, channels)
    yield "png16", tf.image.decode_png(data, channels, tf.uint16)
    yield "image", tf.image.decode_image(data, channels)


def decode():
    import tensorflow as tf
    found, session = {}, tf.compat.v1.Session()
    for path in sorted(set(glob.glob(os.path.join(HERE, "*.*"))) - set(glob.glob(os.path.join(HERE, "*.npz")))):
        name = os.path.basename(path)
        with open(path, "rb") as file:
            data = tf.constant(file.read())
        for channels in (0, 1, 3, 4):
            for op, tensor in calls(name, data, channels):
                try:
                    found[f"{name}/{op}/{channels}"] = session.run(tensor)
                except tf.errors.InvalidArgumentError:
                    pass                                 # no such channels in this format
    np.savez_compressed(os.path.join(HERE, "decoded.npz"), **found)


if __name__ == "__main__":
    {"files": files, "decode": decode}[sys.argv[1]]()
