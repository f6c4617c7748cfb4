"""The devices in Python that docs/devices.md shows work as they stand there."""
import ctypes
import math
import pathlib
import re

import numpy as np

import thalweg as tf
from thalweg import devices
from thalweg.devices import KernelRequest
from thalweg.testing.device_call import call

PAGE = pathlib.Path(__file__).resolve().parent.parent / "docs/devices.md"


def test_the_sample_device():
    source = re.search(r"```python\n(class Sample.*?)```", PAGE.read_text(), re.DOTALL)[1]
    names = {"DevicePlugin": devices.DevicePlugin}
    exec(source, names)
    devices.register(names["plugin"])
    try:
        sample, _ = devices.find_device("SAMPLE")
        kernel = sample.find_kernel(KernelRequest("BitwiseNot", {}, [(2,)], [(2,)], [4], [4]))
        assert call(kernel, np.uint8([1, 254]))[0].tolist() == [254, 1]
        assert sample.find_kernel(KernelRequest("Neg", {}, [(2,)], [(2,)], [4], [4])) is None
        assert sample.last_refusal == "only BitwiseNot"
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
