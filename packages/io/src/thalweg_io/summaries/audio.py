"""Sound in summaries: WAV files of 16-bit samples."""
import struct

import numpy as np


def encode_wav(frames, sample_rate):
    """The WAV file of `frames` [count, channels], samples in [-1, 1]; what lies beyond is cut off.

    `sample_rate` is in frames per second, a whole number.
    """
    count, channels = frames.shape
    samples = np.clip(np.rint(frames * np.float32(32768)), -32768, 32767).astype("<i2").tobytes()
    width = 2 * channels                                      # bytes of a frame
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(samples), b"WAVE", b"fmt ", 16, 1, channels,
                       sample_rate, sample_rate * width, width, 16, b"data", len(samples))
    return head + samples
