"""Which cards can be used: what the driver and NVRTC are new enough for, and what is gained on them."""
import logging

_LEAST_DRIVER = 13000                    # CUDA's version: older drivers do not load what NVRTC 13 makes
_log = logging.getLogger("thalweg")


def check_driver(driver):
    """RuntimeError where the driver is too old for all of its cards."""
    version = driver.get_driver_version()
    if version < _LEAST_DRIVER:
        raise RuntimeError(f"the NVIDIA driver is one for CUDA {pair(version)}, and thalweg-cuda needs one for "
                           f"{pair(_LEAST_DRIVER)}: install a driver of version 580 or newer")


def sorted_out(driver, nvrtc):
    """`(numbers, refusals)`: the driver's numbers of the cards that NVRTC makes code for; number -> why not.

    RuntimeError where there are cards, and all of them are too old.
    """
    numbers, refusals = [], {}
    for number in range(driver.Device.count()):
        device = driver.Device(number)
        major, minor = device.compute_capability()
        if 10 * major + minor >= nvrtc.archs[0]:
            numbers.append(number)
        else:
            refusals[number] = (f"card {number}, {device.name()}, has compute capability {major}.{minor}, and NVRTC "
                                f"{'.'.join(map(str, nvrtc.version))} makes code for {nvrtc.archs[0] / 10} and above")
    if refusals and not numbers:
        raise RuntimeError(f"{'; '.join(refusals.values())}. Use a newer card, or the CPU")
    for refusal in refusals.values():
        _log.warning("thalweg-cuda leaves a card out: %s", refusal)
    return tuple(numbers), refusals


def fast_types(capability):
    """Names of the types in which a card computes faster than in float32: its tensor cores take them."""
    return ["float16", "bfloat16"] if tuple(capability) >= (8, 0) else ["float16"]


def pair(version):
    """The text of a version as CUDA numbers it: 13.0 of 13000."""
    return f"{version // 1000}.{version % 1000 // 10}"
