"""Checks of single ops on the device EMULATED against the reference bodies."""
import numpy as np

import thalweg as tf
from thalweg.framework.evaluate import Evaluator
from thalweg.testing.table import flat_tensors

from .emulated import Emulated


def run_both(build, arrays, device="/device:EMULATED:0", seed=None):
    """What `build(*placeholders)` gives on the device and by the reference bodies: [(tensor, got, want)], fallbacks.

    Fallbacks: {(op type, device): count} of what the device had no kernel for.
    """
    with tf.Graph().as_default() as graph, tf.device(device):
        if seed is not None:
            tf.set_random_seed(seed)
        feeds = [tf.placeholder(tf.as_dtype(a.dtype), a.shape) for a in arrays]
        outputs = flat_tensors(build(*feeds))
        feeding = dict(zip(feeds, arrays))
        want = Evaluator().run(outputs, feeding)
        metadata = tf.RunMetadata()
        Emulated.refused.clear()
        config = tf.ConfigProto(graph_options=tf.GraphOptions(optimizer_options=tf.OptimizerOptions(opt_level=-1)))
        with tf.Session(graph=graph, config=config) as session:
            got = session.run(outputs, feeding, run_metadata=metadata)
    return list(zip(outputs, got, want)), {**metadata.fallbacks, **{(k, device): 1 for k in Emulated.refused}}


def check(build, *arrays, rtol=2e-6, atol=None, runs=None, device="/device:EMULATED:0"):
    """AssertionError where device and reference differ by more than rtol of the largest element.

    `runs`: op types that must have run on the device; default: all of the graph's.
    """
    pairs, fallbacks = run_both(build, arrays, device)
    fallen = {op_type for op_type, _ in fallbacks}
    assert not (fallen if runs is None else fallen & set(runs)), f"these ran on the CPU: {fallbacks}"
    for tensor, got, want in pairs:
        got, want = np.asarray(got), np.asarray(want)
        assert got.shape == want.shape and got.dtype == want.dtype, tensor.name
        if want.dtype.kind not in "fc":
            np.testing.assert_array_equal(got, want, tensor.name)
        else:
            finite = np.abs(want[np.isfinite(want)]) if want.size else want
            scale = float(finite.max()) if finite.size else 0.0
            np.testing.assert_allclose(got.astype(np.complex128), want.astype(np.complex128), rtol,
                                       rtol * scale if atol is None else atol, err_msg=tensor.name)
