"""The device in Python that docs/devices.md shows works as it stands there."""
import pathlib
import re

import numpy as np

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
