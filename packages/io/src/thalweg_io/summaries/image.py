"""Images in summaries: floats scaled to bytes as TensorFlow does, and PNG."""
import struct
import zlib

import numpy as np

_COLOR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}                      # PNG's number by count of channels
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_NEARLY_ZERO = np.float32(1e-6)


def to_bytes(image, bad_color):
    """An image of floats as uint8, computed in its own dtype and cut off, not rounded; the factor is a float32.

    Parameters
    ----------
    image : [H, W, C] float         all >= 0: the largest value becomes 255. Else: 0 becomes 128, and the value
                                    furthest from it becomes 1 or 255. An image of zeros stays zero.
    bad_color : [>= C] uint8        for pixels with a value that is not finite
    """
    kind = image.dtype.type
    is_finite = np.isfinite(image).all(-1)
    finite = image[is_finite]
    low, high = np.float32([finite.min(), finite.max()] if finite.size else [np.inf, -np.inf])
    furthest, room, offset = (max(-low, high), 127, 128) if low < 0 else (high, 255, 0)
    scale = kind(0 if furthest < _NEARLY_ZERO else np.float32(room) / furthest)
    result = np.empty(image.shape, np.uint8)
    result[is_finite] = finite * scale + kind(offset)
    result[~is_finite] = bad_color[:image.shape[-1]]
    return result


def encode_png(image):
    """The PNG file of an image [H, W, C] uint8, C = 1 (grey), 2 (with alpha), 3 (RGB) or 4 (with alpha)."""
    height, width, channels = image.shape
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOR_TYPES[channels], 0, 0, 0)
    rows = image.reshape(height, width * channels)
    return _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(_filtered(rows, channels))) \
        + _chunk(b"IEND", b"")


def _chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))


def _filtered(rows, channels):
    """Each row as it is, minus its left neighbour, or minus the row above: whichever has the smallest differences."""
    left, above = np.zeros_like(rows), np.zeros_like(rows)
    left[:, channels:] = rows[:, :-channels]
    above[1:] = rows[:-1]
    candidates = np.stack([rows, rows - left, rows - above])                     # [3, H, W*C], modulo 256
    sizes = np.abs(candidates.view(np.int8).astype(np.int32)).sum(-1)            # [3, H]
    best = sizes.argmin(0)
    chosen = candidates[best, np.arange(len(rows))]
    return np.concatenate([best[:, None].astype(np.uint8), chosen], 1).tobytes()
