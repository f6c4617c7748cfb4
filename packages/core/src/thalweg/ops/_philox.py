"""Philox 4x32-10 (Salmon et al., SC 2011) as TensorFlow seeds and reads it: bits, uniforms and normals, in NumPy.

A generator draws blocks of four 32-bit words; block i is a pure function of the key and of counter + i, so any part of
a stream can be made alone. A stream is a pair (key, counter) of two and four words, lowest first. The bodies of
ops/random.py reserve blocks per run and say how outputs lie in them.
"""
import numpy as np

from thalweg.framework.random_seed import seeded_state

_ROUNDS = 10
_MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_KEY_STEPS = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)      # golden ratio and sqrt(3) - 1, times 2**32
_LOW, _SHIFT = np.uint64(0xFFFFFFFF), np.uint64(32)
_WORD = 0xFFFFFFFF
_STATELESS_KEY = 0x3EC8F720, 0x02461E29                        # TensorFlow's


class Generator:
    """The state of one random op in one session: the key, and the counter of the block that is drawn next.

    Attributes
    ----------
    key : (int, int)                    two 32-bit words
    counter : (int, int, int, int)      128 bits, lowest word first
    """

    __slots__ = ("key", "counter")

    def __init__(self, key, counter):
        self.key, self.counter = tuple(map(int, key)), tuple(map(int, counter))

    @classmethod
    def from_seeds(cls, seed, seed2):
        """The generator that TensorFlow starts for the attributes `seed` and `seed2`; entropy when both are 0."""
        return cls(*seeded_state(seed, seed2))

    def reserve(self, blocks):
        """The counter of the first of `blocks` blocks, which no later call gives again: 4 words."""
        first = self.counter
        number = sum(word << 32 * i for i, word in enumerate(first)) + int(blocks)
        self.counter = tuple(number >> 32 * i & _WORD for i in range(4))
        return first


def stateless_state(seed):
    """(key, counter) of the stream that a stateless op reads for the two 64-bit integers `seed`.

    The seed is the counter of one block under a fixed key; its words are the key and the counter's upper half.
    """
    a, b = (int(part) for part in seed)
    counter = (a & _WORD, a >> 32 & _WORD, b & _WORD, b >> 32 & _WORD)
    mixed = blocks_at((_STATELESS_KEY, counter), 0).tolist()
    return tuple(mixed[:2]), (0, 0, *mixed[2:])


def blocks_at(stream, offsets):
    """The blocks `offsets` of a stream: uint32 [*offsets.shape, 4]."""
    key, counter = stream
    offsets = np.asarray(offsets, np.uint64)
    low = np.uint64(counter[0] | counter[1] << 32)
    first = offsets + low
    carry = (first < offsets).astype(np.uint64)
    second = carry + np.uint64(counter[2] | counter[3] << 32)
    c0, c1, c2, c3 = first & _LOW, first >> _SHIFT, second & _LOW, second >> _SHIFT
    k0, k1 = np.uint64(key[0]), np.uint64(key[1])
    for _ in range(_ROUNDS):
        p0, p1 = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0, c1, c2, c3 = (p1 >> _SHIFT) ^ c1 ^ k0, p1 & _LOW, (p0 >> _SHIFT) ^ c3 ^ k1, p0 & _LOW
        k0, k1 = k0 + _KEY_STEPS[0] & _LOW, k1 + _KEY_STEPS[1] & _LOW
    return np.stack([c0, c1, c2, c3], -1).astype(np.uint32)


def words(stream, count):
    """The first `count` words of a stream: uint32 [count]."""
    return blocks_at(stream, np.arange(-(-count // 4))).reshape(-1)[:count]


def uniform16(bits):
    """Multiples of 2**-10 in [0, 1) from the low ten bits of each word, as float16."""
    return (bits & np.uint32(0x3FF) | np.uint32(0x3C00)).astype(np.uint16).view(np.float16) - np.float16(1)


def uniform32(bits):
    """Multiples of 2**-23 in [0, 1) from the low 23 bits of each word, as float32."""
    return (bits & np.uint32(0x7FFFFF) | np.uint32(0x3F800000)).view(np.float32) - np.float32(1)


def uniform64(bits):
    """Multiples of 2**-52 in [0, 1) from pairs of words [..., 2]: 20 bits of the first above 32 of the second."""
    high = (bits[..., 0] & np.uint32(0xFFFFF)).astype(np.uint64) << _SHIFT
    return (high | bits[..., 1] | np.uint64(0x3FF0000000000000)).view(np.float64) - 1


_TINY = 1e-7                                      # TensorFlow's least u1, in both precisions


def normal32(bits):
    """Box-Muller pairs [..., 2] = (sine, cosine) from pairs of words [..., 2], as float32.

    Every function is rounded once to float32 from float64, so a result is within 2 ulp of any good libm's.
    """
    radius = np.log(np.maximum(uniform32(bits[..., 0]), np.float32(_TINY)).astype(np.float64)).astype(np.float32)
    radius = np.sqrt(np.float32(-2) * radius)
    angle = (2 * np.pi * uniform32(bits[..., 1]).astype(np.float64)).astype(np.float32).astype(np.float64)
    return np.stack([np.sin(angle), np.cos(angle)], -1).astype(np.float32) * radius[..., None]


def normal64(bits):
    """Box-Muller pairs [..., 2] = (sine, cosine) from blocks [..., 4], as float64."""
    radius = np.sqrt(-2 * np.log(np.maximum(uniform64(bits[..., :2]), _TINY)))
    angle = 2 * np.pi * uniform64(bits[..., 2:])
    return np.stack([np.sin(angle), np.cos(angle)], -1) * radius[..., None]


# --- how outputs lie in a stream: each of these gives [size] numbers ---------------------------------

def uniforms(stream, size, dtype):
    """Uniforms in [0, 1): a word for each float16 and float32, two for each float64."""
    if dtype == np.float64:
        return uniform64(words(stream, 2 * size).reshape(-1, 2))
    return (uniform16 if dtype == np.float16 else uniform32)(words(stream, size))


def integers(stream, size, low, high):
    """low + word % (high - low), of the dtype of the scalars; for int64 from 64-bit words, low half first."""
    width = low.dtype.itemsize // 4
    draws = words(stream, width * size).view(np.uint32 if width == 1 else np.uint64)
    span = draws.dtype.type(int(high) - int(low))
    return (draws % span + low.astype(draws.dtype)).astype(low.dtype)


def normals(stream, size, dtype):
    """Standard normals, a pair from two words (float64: four); float16 is rounded from float32."""
    pairs = -(-size // 2)
    if dtype == np.float64:
        values = normal64(words(stream, 4 * pairs).reshape(-1, 4))
    else:
        values = normal32(words(stream, 2 * pairs).reshape(-1, 2))
    return values.reshape(-1)[:size].astype(dtype)
