"""L7: what things cost. Reported, never failing."""
import time

import numpy as np

import thalweg as tf
from thalweg.devices import KernelRequest
from thalweg.framework import dtypes
from thalweg.framework.graph import Graph
from thalweg.testing.device_call import seconds_of_calls

_BYTES = 64 << 20
_CALLS = 2000


def best(function, repeats=5):
    """The shortest time of a call, in seconds."""
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        function()
        times.append(time.perf_counter() - begun)
    return min(times)


def test_kernel_calls(kit):
    request = KernelRequest("AddV2", {"T": dtypes.float32}, [(8,), (8,)], [(8,)], [1, 1], [1])
    kernel = kit.device.find_kernel(request)
    assert kernel is not None, f"no AddV2 of float32: {request.refusal}"
    x = np.ones(8, np.float32)
    seconds = min(seconds_of_calls(kernel, [x, x], _CALLS) for _ in range(3))
    kit.measured["a kernel call on 8 floats, ns"] = round(seconds / _CALLS * 1e9)


def test_copies(kit):
    array = np.ones(_BYTES, np.uint8)
    first, second = kit.device.alloc(_BYTES), kit.device.alloc(_BYTES)
    for name, copy in (("to the device", lambda: kit.device.h2d(first, array)),
                       ("inside the device", lambda: kit.device.d2d(second, first, _BYTES)),
                       ("to the host", lambda: kit.device.d2h(array, first))):
        seconds = best(lambda copy=copy: (copy(), kit.device.sync()))
        kit.measured[f"copy {name} of 64 MiB, GB/s"] = round(_BYTES / seconds / 1e9, 2)
    for address in (first, second):
        kit.device.free(address)


def test_steps(kit):
    with Graph().as_default(), tf.device(kit.place):
        x = tf.placeholder(tf.float32, [8])
        short, long = x + x, x
        for _ in range(200):
            long = long + x
        options = tf.OptimizerOptions(opt_level=tf.OptimizerOptions.L0)
        config = tf.ConfigProto(graph_options=tf.GraphOptions(optimizer_options=options))
        with tf.Session(config=config) as session:
            feed = {x: np.ones(8, np.float32)}
            seconds = [best(lambda y=y: session.run(y, feed), 50) for y in (short, long)]
    kit.measured["a run of one op, us"] = round(seconds[0] * 1e6, 1)
    kit.measured["each further op of a plan, ns"] = round((seconds[1] - seconds[0]) / 199 * 1e9)
