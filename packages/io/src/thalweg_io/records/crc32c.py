"""CRC-32C (Castagnoli) and the masked form in which TensorFlow's files store it.

The arithmetic is in c/crc32c.c (docs/decisions: 010-crc32c.md).
"""
from .framing import crc32c, crc32c_joined

__all__ = ["crc32c", "crc32c_joined", "masked", "masked_crc32c"]


def masked(crc):
    """The stored form of a checksum: rotated and offset, so that a checksum of checksums stays a good one."""
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def masked_crc32c(data):
    """The stored checksum of `data`."""
    return masked(crc32c(data))
