"""The JPEG files of the input works: made once per machine, in the folder for temporary files."""
import getpass
import os
import tempfile
from pathlib import Path

import numpy as np

COUNT, SIDE, CLASSES = 256, 160, 10
FOLDER = Path(tempfile.gettempdir()) / f"thalweg-bench-{getpass.getuser()}" / f"jpegs-{COUNT}-{SIDE}"


def make():
    """Writes the files that are not there yet (needs Pillow): colored blots with the noise that photographs have."""
    from PIL import Image
    FOLDER.mkdir(parents=True, exist_ok=True)
    for number, path in enumerate(paths()):
        if not path.exists():
            random = np.random.RandomState(number)
            blots = Image.fromarray(random.randint(0, 256, (8, 8, 3)).astype(np.uint8))
            image = np.asarray(blots.resize((SIDE, SIDE), Image.BICUBIC)) + random.normal(0, 8, (SIDE, SIDE, 3))
            unfinished = path.with_suffix(f".{os.getpid()}")
            Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(unfinished, "JPEG", quality=90)
            unfinished.replace(path)


def paths():
    return [FOLDER / f"{number:03}.jpg" for number in range(COUNT)]
