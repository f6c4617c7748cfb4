"""Sound in summaries: WAV files of 16-bit samples."""
import struct

import numpy as np

from thalweg.framework import errors


def encode_wav(frames, sample_rate):
    """The WAV file of `frames` [count, channels], samples in [-1, 1]; what lies beyond is cut off.

    `sample_rate` is in frames per second and is rounded. Samples are rounded, halves away from zero, as TensorFlow
    does; one that is not a number is silence.

    Raises
    ------
    InvalidArgumentError        for a rate of 0 or less, no samples, or more than the file's header can tell
    """
    count, channels = frames.shape
    width = 2 * channels                                      # bytes of a frame
    if not 0 < sample_rate < 1 << 32:
        raise errors.InvalidArgumentError(None, None, f"sample_rate must be in (0, 2^32), got {sample_rate}")
    sample_rate = max(1, round(sample_rate))
    if not frames.size:
        raise errors.InvalidArgumentError(None, None, f"audio is empty: {count} frames of {channels} channels")
    if width >= 1 << 16 or max(sample_rate * width, count * width + 36) >= 1 << 32:
        raise errors.InvalidArgumentError(None, None, f"audio of {count} frames of {channels} channels, {sample_rate} "
                                                      "per second, is more than a WAV file can hold")
    scaled = np.nan_to_num(np.clip(frames.astype(np.float64) * 32768, -32768, 32767), nan=0)
    samples = np.trunc(scaled + np.copysign(0.5, scaled)).astype("<i2").tobytes()
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(samples), b"WAVE", b"fmt ", 16, 1, channels,
                       sample_rate, sample_rate * width, width, 16, b"data", len(samples))
    return head + samples
