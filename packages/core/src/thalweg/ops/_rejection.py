"""Random numbers by rejection: normals cut at two deviations, gamma and Poisson variates, in NumPy.

An output (or a group of outputs) that may need any number of tries owns a fixed stretch of the stream, as in
TensorFlow: what it draws never moves another's numbers.
"""
import math

import numpy as np

from . import _philox

BLOCKS_PER_OUTPUT = 256                   # TensorFlow's reservation, for every op that draws floats
_CUT = 2                                  # deviations
_TRIES = 4                                # blocks in the first attempt; one group in 10**6 needs more


def truncated_normals(stream, size, dtype):
    """`size` standard normals of |x| < 2: groups of four (float64: two) that each own 256 (128) blocks.

    A group keeps the first normals below the cut in the order in which Box-Muller pairs come.
    """
    is_double = dtype == np.float64
    group = 2 if is_double else 4
    kept = np.empty((-(-size // group), group), np.float64 if is_double else np.float32)
    starts = np.arange(len(kept), dtype=np.uint64) * np.uint64(BLOCKS_PER_OUTPUT * group // 4)
    missing, tries = np.arange(len(kept)), _TRIES
    while missing.size:
        bits = _philox.blocks_at(stream, starts[missing, None] + np.arange(tries, dtype=np.uint64))
        if is_double:
            normals = _philox.normal64(bits).reshape(missing.size, -1)
        else:
            normals = _philox.normal32(bits.reshape(missing.size, -1, 2)).reshape(missing.size, -1)
        inside = np.abs(normals) < _CUT
        first = np.argsort(~inside, axis=1, kind="stable")[:, :group]
        kept[missing] = np.take_along_axis(normals, first, 1)
        missing, tries = missing[inside.sum(1) < group], tries * 2
    return kept.reshape(-1)[:size].astype(dtype)


class _Streams:
    """For each output its own stream, with normals and uniforms taken from whole blocks, the last value first."""

    def __init__(self, stream, count):
        self._stream = stream
        self._next = np.arange(count, dtype=np.uint64) * np.uint64(BLOCKS_PER_OUTPUT)
        self._kept = {}
        self._count = count

    def draw(self, make, width, index):
        """One value for each output of `index`; `make(blocks)` gives `width` values per block."""
        if make not in self._kept:
            self._kept[make] = np.empty((self._count, width)), np.zeros(self._count, np.int64)
        values, left = self._kept[make]
        empty = index[left[index] == 0]
        values[empty] = make(_philox.blocks_at(self._stream, self._next[empty]))
        self._next[empty] += np.uint64(1)
        left[empty] = width
        left[index] -= 1
        return values[index, left[index]]

    def uniform(self, index):
        return self.draw(_two_uniforms, 2, index)

    def normal(self, index):
        return self.draw(_philox.normal64, 2, index)


def _two_uniforms(bits):
    return np.stack([_philox.uniform64(bits[..., :2]), _philox.uniform64(bits[..., 2:])], -1)


def gammas(stream, alpha):
    """One variate of shape parameter alpha[i] and rate 1 for each i: float64 [n].

    Marsaglia and Tsang, "A simple method for generating gamma variables" (2000); alpha < 1 by their boost
    U**(1/alpha), alpha = 1 by inversion.
    """
    streams = _Streams(stream, alpha.size)
    result = np.empty_like(alpha)
    plain = np.flatnonzero(alpha == 1)
    result[plain] = -np.log1p(-streams.uniform(plain))
    d = alpha + np.where(alpha < 1, 2 / 3, -1 / 3)
    with np.errstate(all="ignore"):                     # log(0) and alpha <= 0 follow IEEE, as in the C kernel
        c = 1 / 3 / np.sqrt(d)
        trying = np.flatnonzero(alpha != 1)
        while trying.size:
            trying = _try_gammas(streams, trying, c, d, result)
        small = np.flatnonzero(alpha < 1)
        result[small] *= streams.uniform(small) ** (1 / alpha[small])
    return result


def _try_gammas(streams, trying, c, d, result):
    """One attempt for each output of `trying`; gives those that were refused."""
    x = streams.normal(trying)
    v = 1 + c[trying] * x
    is_possible = ~(v <= 0)
    refused, trying = trying[~is_possible], trying[is_possible]
    x, v = x[is_possible], v[is_possible]
    v = v * v * v
    u = streams.uniform(trying)
    is_taken = (u < 1 - 0.0331 * (x * x) * (x * x)) | (np.log(u) < 0.5 * x * x + d[trying] * (1 - v + np.log(v)))
    taken = trying[is_taken]
    result[taken] = d[taken] * v[is_taken]
    return np.concatenate([refused, trying[~is_taken]])


def poissons(stream, rate, limit):
    """One variate of mean rate[i] and at most `limit` for each i: float64 [n].

    Below a mean of 10 Knuth's product of uniforms, above it Hörmann, "The transformed rejection method for
    generating Poisson random variables" (1993), algorithm PTRS.
    """
    streams = _Streams(stream, rate.size)
    result = np.empty_like(rate)
    with np.errstate(all="ignore"):
        trying = np.flatnonzero(rate < 10)
        product, count, floor = np.ones_like(rate), np.zeros_like(rate), np.exp(-rate)
        while trying.size:
            product[trying] *= streams.uniform(trying)
            is_done = (product[trying] <= floor[trying]) & (count[trying] <= limit)
            result[trying[is_done]] = count[trying[is_done]]
            trying = trying[~is_done]
            count[trying] += 1
        trying = np.flatnonzero(rate >= 10)
        while trying.size:
            trying = _try_poissons(streams, trying, rate, limit, result)
    return result


_lgamma = np.vectorize(math.lgamma, otypes=[np.float64])


def _try_poissons(streams, trying, rate, limit, result):
    """One attempt of algorithm PTRS for each output of `trying`; gives those that were refused."""
    mean = rate[trying]
    b = 0.931 + 2.53 * np.sqrt(mean)
    a = -0.059 + 0.02483 * b
    u = streams.uniform(trying) - 0.5
    v = streams.uniform(trying)
    tail = 0.5 - np.abs(u)
    k = np.floor((2 * a / tail + b) * u + mean + 0.43)
    is_quick = (tail >= 0.07) & (v <= 0.9277 - 3.6224 / (b - 2))
    is_out = (k < 0) | (tail < 0.013) & (v > tail)
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    s = np.log(v * inverse_alpha / (a / (tail * tail) + b))
    t = -mean + k * np.log(mean) - _lgamma(np.maximum(k, 0) + 1)
    is_taken = (k <= limit) & (is_quick | ~is_out & (s <= t))
    result[trying[is_taken]] = k[is_taken]
    return trying[~is_taken]
