"""NumPy truths in float64 for the kernels' tests, written for clarity alone, and the calls that go with them."""
import itertools

import numpy as np

from thalweg.testing.kernel_call import KernelCall

THREADS = (1, 2, 3)


def numbers(*shape, seed=0, dtype=np.float32):
    """Reproducible numbers in [-1, 1)."""
    return np.random.default_rng([seed, *shape]).uniform(-1, 1, shape).astype(dtype)


def aligned(shape):
    """A float32 array that begins where a session's do: at a line of the caches."""
    memory = np.empty(int(np.prod(shape)) + 16, np.float32)
    start = -memory.ctypes.data % 64 // 4
    return memory[start:start + memory.size - 16].reshape(shape)


def run(prepare, op_type, inputs, outputs, attrs=None, constants=(), threads=1):
    """A kernel's outputs, copied; outputs begin as NaN and NaNs lie around inputs: what is missed or beyond shows."""
    call = KernelCall(prepare, op_type, [_amid_nans(x) for x in inputs], outputs, attrs, constants, threads)
    for y in call.outputs:
        y.fill(np.nan if y.dtype.kind == "f" else -7)
    return [y.copy() for y in call.run()]


def _amid_nans(x, margin=256):
    if x.dtype.kind != "f":
        return x
    buffer = np.full(x.size + 2 * margin, np.nan, x.dtype)
    amid = buffer[margin:margin + x.size].reshape(x.shape)
    amid[...] = x
    return amid


def check(prepare, op_type, inputs, truths, attrs=None, rtol=1e-5, constants=()):
    """Runs a kernel at several thread counts: near the truths in float64, and the same bits each time."""
    dtype = next(x.dtype for x in inputs if x.dtype.kind == "f")
    outputs = [(t.shape, dtype if t.dtype.kind == "f" else t.dtype) for t in truths]
    first = run(prepare, op_type, inputs, outputs, attrs, constants)
    if dtype == np.float64:
        rtol = min(rtol, 1e-12)
    for y, truth in zip(first, truths, strict=True):
        scale = np.sqrt(np.mean(np.square(truth))) if truth.size else 0
        np.testing.assert_allclose(y, truth, rtol=rtol, atol=rtol * max(scale, 1e-30))
    for threads in THREADS[1:]:
        again = run(prepare, op_type, inputs, outputs, attrs, constants, threads)
        for y, other in zip(first, again, strict=True):
            assert y.tobytes() == other.tobytes(), f"{threads} threads give other bits than one"
    return first


def paddings(padding, sizes, windows, steps, dilations):
    """(before, after) per axis, as TensorFlow pads."""
    if padding == "VALID":
        return [(0, 0)] * len(sizes)
    if padding != "SAME":
        return padding
    result = []
    for size, window, step, dilation in zip(sizes, windows, steps, dilations, strict=True):
        total = max(0, (-(-size // step) - 1) * step + (window - 1) * dilation + 1 - size)
        result.append((total // 2, total - total // 2))
    return result


def taps_of(x, windows, steps, padding, dilations=None, fill=0.0):
    """For each tap of a window, the positions of x [n, ..., c] that it reads, as [n, *places, c]."""
    rank = x.ndim - 2
    dilations = dilations or (1,) * rank
    pads = paddings(padding, x.shape[1:-1], windows, steps, dilations)
    padded = np.pad(x, [(0, 0), *pads, (0, 0)], constant_values=fill)
    places = [(size - (k - 1) * d - 1) // s + 1 if size >= (k - 1) * d + 1 else 0
              for size, k, s, d in zip(padded.shape[1:-1], windows, steps, dilations, strict=True)]
    for tap in itertools.product(*map(range, windows)):
        starts = [t * d for t, d in zip(tap, dilations, strict=True)]
        yield tap, padded[(slice(None), *[slice(b, b + (p - 1) * s + 1 if p else b, s)
                                          for b, p, s in zip(starts, places, steps, strict=True)])]


def adjoint(forward, shape, dy):
    """The gradient of sum(forward(x) * dy) with respect to x, for a linear `forward`, one unit vector at a time."""
    dx = np.zeros(shape)
    for i in range(dx.size):
        unit = np.zeros(dx.size)
        unit[i] = 1
        dx.flat[i] = np.sum(forward(unit.reshape(shape)) * dy)
    return dx
