"""Images on disk: what has been compiled once is read the next time, also by another process.

A file is a digest and the image. One that is cut, damaged or under another's name does not agree with its digest and
counts as missing. The digest has no secret: who may write into the folder decides what runs.
"""
import hashlib
import os
from pathlib import Path

from thalweg_cuda import caches

_DIGEST_BYTES = hashlib.sha256().digest_size


def default_folder():
    """~/.cache/thalweg/cuda, or where XDG_CACHE_HOME or THALWEG_CACHE say; None where THALWEG_CACHE is empty."""
    place = os.environ.get("THALWEG_CACHE")
    if place is None:
        place = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "thalweg"
    return Path(place) / "cuda" if place else None


def key_of(source, architecture, compiler_build):
    """A name for the image of a source; what could change the image is in it."""
    digest = hashlib.sha256()
    for part in (source.text, *source.options, architecture, compiler_build):
        digest.update(f"{len(part)}:{part}".encode())
    return digest.hexdigest()


class Images:
    """A folder of images; None: nothing is kept. A folder that cannot be written harms nobody."""

    def __init__(self, folder):
        self.folder = folder

    def read(self, key):
        """The image, or None."""
        if self.folder is None:
            return None
        try:
            content = (self.folder / key).read_bytes()
        except OSError:
            return None
        digest, image = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
        return image if image and digest == _digest(key, image) else None

    def write(self, key, image):
        """Keeps an image; whether that went well, the next `read` tells."""
        if self.folder is not None:
            caches.write(self.folder / key, _digest(key, image) + image)


def _digest(key, image):
    return hashlib.sha256(key.encode() + image).digest()
