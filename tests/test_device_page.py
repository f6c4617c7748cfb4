"""The devices in Python that docs/devices.md shows work as they stand there."""
import ctypes
import math
import pathlib
import re

import numpy as np
import pytest

import thalweg as tf
from thalweg import devices

PAGE = pathlib.Path(__file__).resolve().parent.parent / "docs/devices.md"


def test_the_sample_device():
    source = re.search(r"```python\n(class Sample.*?)```", PAGE.read_text(), re.DOTALL)[1]
    names = {"DevicePlugin": devices.DevicePlugin}
    exec(source, names)
    devices.register(names["plugin"])
    try:
        with tf.Graph().as_default(), tf.device("/device:SAMPLE:0"), tf.Session() as session:
            x = tf.placeholder(tf.int32, [3])
            metadata = tf.RunMetadata()
            inverted = session.run(tf.bitwise.invert(x), {x: [1, -1, 254]}, run_metadata=metadata)
            assert inverted.tolist() == [-2, 0, -255] and not metadata.fallbacks
            hard = tf.Session(config=tf.ConfigProto(allow_soft_placement=False))
            with hard, pytest.raises(tf.errors.InvalidArgumentError, match="only Invert"):
                hard.run(-x, {x: [1, -1, 254]})
    finally:
        devices.unregister("SAMPLE")


def test_the_sample_device_that_only_enqueues_work():
    source = re.search(r"```python\n(class Queueing.*?)```", PAGE.read_text(), re.DOTALL)[1]
    names = {"DevicePlugin": devices.DevicePlugin, "ctypes": ctypes, "math": math}
    exec(source, names)
    devices.register(names["plugin"])
    try:
        with tf.Graph().as_default(), tf.device("/device:QUEUEING:0"), tf.Session() as session:
            x = y = tf.placeholder(tf.uint8, [4])
            for _ in range(3):
                y = tf.bitwise.invert(y)
            modes = []
            for k in range(3):
                metadata = tf.RunMetadata()
                assert session.run(y, {x: np.arange(4) + k}, run_metadata=metadata).tolist() == [
                    255 - k, 254 - k, 253 - k, 252 - k]
                modes += [segment.mode for segment in metadata.segments]
            assert modes == ["eager", "recorded", "replayed"] and not metadata.fallbacks
    finally:
        devices.unregister("QUEUEING")
