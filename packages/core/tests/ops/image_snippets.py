"""Expressions of tf.image that TensorFlow 1.15 and thalweg both run; what TensorFlow gives is in data/images.json.

    python image_snippets.py       records it: run it with an interpreter that has TensorFlow 1.15

Each sees `tf`, `I` = tf.image, a float32 and a uint8 image x and u [4, 5, 3], two images b, and d, like u with
unknown sizes. The graph's seed is 9.
"""
import json
import os
import pathlib

import numpy as np

RECORD = pathlib.Path(__file__).parent / "data" / "images.json"
_ONE = ["x", "u", "b", "d"]
EXPRESSIONS = [form.format(image) for image in _ONE for form in (
    "I.flip_left_right({0})", "I.flip_up_down({0})", "I.random_flip_left_right({0})",
    "I.random_flip_up_down({0}, seed=2)", "I.crop_to_bounding_box({0}, 1, 2, 2, 3)",
    "I.pad_to_bounding_box({0}, 1, 0, 6, 6)", "I.resize_image_with_crop_or_pad({0}, 3, 6)",
    "I.resize_image_with_crop_or_pad({0}, 5, 2)", "I.central_crop({0}, 0.5)", "I.adjust_brightness({0}, 0.2)",
    "I.random_brightness({0}, 0.3, seed=4)", "I.adjust_contrast({0}, 1.7)", "I.random_contrast({0}, 0.5, 1.5, seed=1)",
    "I.per_image_standardization({0})", "I.convert_image_dtype({0}, tf.float64)",
    "I.convert_image_dtype({0}, tf.int16)", "I.convert_image_dtype({0}, tf.uint8)", "I.resize_images({0}, [3, 7])",
    "I.resize_images({0}, [8, 3], align_corners=True)", "I.resize_images({0}, [4, 5])",
    "I.resize_images({0}, [3, 7], method=I.ResizeMethod.NEAREST_NEIGHBOR)",
    "I.resize_images({0}, [9, 8], preserve_aspect_ratio=True)")] + [
    "I.central_crop(u, 1.0)", "I.convert_image_dtype(x * 2, tf.uint8, saturate=True)",
    "I.convert_image_dtype(u, tf.int8)", "I.convert_image_dtype(u, tf.uint16, saturate=True)",
    "I.resize_bilinear(b, [2, 9], half_pixel_centers=True)",
    "I.resize_nearest_neighbor(b, [2, 9], half_pixel_centers=True)",
    "I.resize_bilinear(b, [3, 3], align_corners=True)",
    "I.resize_nearest_neighbor(b, [3, 9], align_corners=True)", "I.random_crop(u, [2, 3, 3], seed=3)"]


def run(expression, tf):
    """[dtype, static shape, values]."""
    rng = np.random.RandomState(3)
    values = {"x": rng.uniform(0, 1, [4, 5, 3]).astype(np.float32), "u": rng.randint(0, 256, [4, 5, 3]),
              "b": rng.randint(0, 256, [2, 4, 5, 3])}
    values["d"] = values["u"]
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(9)
        given = {name: tf.placeholder(tf.float32 if name == "x" else tf.uint8, value.shape) for name, value in
                 values.items() if name != "d"}
        given["d"] = tf.placeholder(tf.uint8, [None, None, 3])
        result = eval(expression, {"tf": tf, "I": tf.image, **given})
        found = session.run(result, {given[name]: value for name, value in values.items()})
        return [found.dtype.name, result.shape.as_list(), np.round(found.astype(np.float64), 7).tolist()]


if __name__ == "__main__":
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import tensorflow
    tensorflow.compat.v1.logging.set_verbosity("ERROR")
    RECORD.write_text(json.dumps({e: run(e, tensorflow.compat.v1) for e in EXPRESSIONS}, separators=(",", ":")) + "\n")
