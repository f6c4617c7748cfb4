"""Images on disk: what has been compiled once is read the next time, also by another process.

A file is a digest and the image. One that is cut, changed or of somebody else's making does not agree with its digest
and counts as missing. Files appear whole: they are written under another name and renamed.
"""
import hashlib
import os
import tempfile
from pathlib import Path

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
        if self.folder is None:
            return
        temporary = None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self.folder, prefix=".", delete=False) as file:
                temporary = file.name
                file.write(_digest(key, image) + image)
            os.replace(temporary, self.folder / key)
        except OSError:                  # a full or read-only disk: it is compiled again the next time
            if temporary is not None:
                Path(temporary).unlink(missing_ok=True)


def _digest(key, image):
    return hashlib.sha256(key.encode() + image).digest()
