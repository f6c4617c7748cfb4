"""Images: resizing with its gradients, and tf.image's functions, whose values were recorded from TensorFlow 1.15."""
import json
import pathlib
import runpy

import numpy as np
import pytest

import thalweg as tf
from thalweg.ops import resize
from thalweg.testing.table import table_test
from thalweg.testing.tables.image import ALIGNED, HALF, ROWS

HERE = pathlib.Path(__file__).parent
SNIPPETS = runpy.run_path(str(HERE / "image_snippets.py"))
RECORDED = json.loads(SNIPPETS["RECORD"].read_text())
test_resizing = table_test(ROWS)


@pytest.mark.parametrize("options", [{}, ALIGNED, HALF])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_gradients_of_bilinear_are_its_transpose(options, order):
    """In float32, whatever the dtype: too coarse for difference quotients, but a linear map has an exact transpose."""
    rng = np.random.RandomState(order)
    x, dy = rng.randn(2, 4, 5, 3).astype(np.float32), rng.randn(2, 7, 3, 3).astype(np.float32)
    pixels = np.eye(20, dtype=np.float32).reshape(20, 4, 5, 1)
    matrix = resize.resize_bilinear_op.body(pixels, (7, 3), **options).reshape(20, 21)        # [4 * 5, 7 * 3]
    image, seed = tf.constant(x), tf.constant(dy)
    result, wanted = tf.image.resize_bilinear(image, [7, 3], **options), np.einsum("pq,npc->nqc", matrix, flat(x))
    if order > 1:
        result, wanted = tf.gradients(result, image, seed)[0], np.einsum("pq,nqc->npc", matrix, flat(dy))
    if order > 2:
        result, wanted = tf.gradients(result, seed, image)[0], np.einsum("pq,npc->nqc", matrix, flat(x))
    with tf.Session() as session:
        np.testing.assert_allclose(flat(session.run(result)), wanted, rtol=1e-4, atol=1e-5)


def flat(images):
    return images.reshape(len(images), -1, images.shape[-1])


@pytest.mark.parametrize("expression", SNIPPETS["EXPRESSIONS"])
def test_expression(expression):
    dtype, shape, values = SNIPPETS["run"](expression, tf)
    assert [dtype, shape] == RECORDED[expression][:2]
    np.testing.assert_allclose(values, RECORDED[expression][2], rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("size, options, match", [
    ((0, 3), {}, "ResizeBilinear: output dimensions must be positive"),
    ((3, 3), {**ALIGNED, **HALF}, "If half_pixel_centers is True, align_corners must be False")])
def test_mistakes_that_are_told_when_running(size, options, match):
    result = tf.image.resize_bilinear(np.zeros((1, 2, 2, 1), np.float32), size, **options)
    with tf.Session() as session, pytest.raises(tf.errors.InvalidArgumentError, match=match):
        session.run(result)


def test_an_unknown_rank_is_told_by_resize_images():
    with pytest.raises(ValueError, match="'images' contains no shape"):
        tf.image.resize_images(tf.placeholder(tf.float32), [2, 2])


def test_a_crop_outside_of_an_image_of_unknown_size_is_told_when_running():
    image = tf.placeholder(tf.float32, [None, None, 3])
    with tf.Session() as session, pytest.raises(tf.errors.InvalidArgumentError):
        session.run(tf.image.crop_to_bounding_box(image, 0, 0, 3, 3), {image: np.zeros((2, 5, 3))})


def test_images_of_any_size_are_resized_by_the_kernel(monkeypatch):
    """Where only the run tells the image's size, the kernel is found then: `size` decides the result's shape alone."""
    given = tf.placeholder(tf.uint8, [None, None, None, 3])
    images = tf.py_func(lambda x: x, [given], tf.uint8)
    images.set_shape([None, None, None, 3])
    size = tf.placeholder(tf.int32, [2])
    result = tf.image.resize_bilinear(images, size)
    x = np.arange(1 * 4 * 6 * 3, dtype=np.uint8).reshape(1, 4, 6, 3)
    wanted = {s: resize.resize_bilinear_op.body(x, np.int32(s)) for s in ((2, 3), (3, 2))}
    monkeypatch.setattr(resize.resize_bilinear_op, "body", None)
    with tf.Session() as session:
        for s in ((2, 3), (3, 2), (2, 3)):
            np.testing.assert_array_equal(session.run(result, {given: x, size: s}), wanted[s])
