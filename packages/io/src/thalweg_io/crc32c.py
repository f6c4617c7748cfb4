"""CRC-32C (Castagnoli) and the masked form in which TensorFlow's files store it.

The polynomial arithmetic is google-crc32c's (docs/decisions: 010-crc32c.md).
"""
import google_crc32c
import numpy as np


def crc32c(data, crc=0):
    """The checksum of `data`, any contiguous buffer; `crc` is that of the bytes before it."""
    if type(data) is not bytes:
        data = np.frombuffer(data, np.uint8)          # the library takes bytes and arrays; this copies nothing
    return google_crc32c.extend(crc, data)


def masked(crc):
    """The stored form of a checksum: rotated and offset, so that a checksum of checksums stays a good one."""
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def masked_crc32c(data):
    """The stored checksum of `data`."""
    return masked(crc32c(data))
