"""Sound in summaries: samples as TensorFlow rounds them, and what a WAV file cannot hold."""
import struct

import numpy as np
import pytest

import thalweg as tf
from thalweg_io.summaries.audio import encode_wav


def samples(*values):
    return list(struct.unpack(f"<{len(values)}h", encode_wav(np.array(values, np.float32)[:, None], 8000.0)[44:]))


def test_samples_are_rounded_and_cut_off():
    """Halves away from zero, as TensorFlow 1.15 does; what is not a number is silence."""
    step = 1 / 32768
    assert samples(0.5 * step, 1.5 * step, -0.5 * step, 0.49 * step, 0.5) == [1, 2, -1, 0, 16384]
    assert samples(1.0, -1.0, 7.0, -7.0, np.inf, -np.inf, np.nan) == [32767, -32768] * 3 + [0]


@pytest.mark.parametrize("rate, expected", [(0.4, 1), (1.5, 2), (2.5, 2), (44100.7, 44101)])
def test_rates_are_whole_numbers(rate, expected):
    assert struct.unpack("<I", encode_wav(np.zeros((1, 1), np.float32), rate)[24:28]) == (expected,)


@pytest.mark.parametrize("shape, rate, match", [
    ([1, 2, 1], -8000.0, "sample_rate must be in .0, 2.32., got -8000"),
    ([1, 2, 1], np.nan, "sample_rate must be in .* got nan"),
    ([1, 2, 1], 1e12, "sample_rate must be in"),
    ([1, 0, 2], 8000.0, "audio is empty: 0 frames of 2 channels"),
    ([1, 2, 0], 8000.0, "audio is empty: 2 frames of 0 channels"),
    ([1, 2, 40000], 8000.0, "audio of 2 frames of 40000 channels, 8000 per second, is more than a WAV file can hold"),
    ([1, 2, 9], 1e9, "is more than a WAV file can hold"),
])
def test_what_is_no_sound(shape, rate, match):
    with tf.Graph().as_default(), tf.Session() as session:
        summary = tf.summary.audio("a", tf.zeros(shape), rate)
        with pytest.raises(tf.errors.InvalidArgumentError, match=match):
            session.run(summary)
