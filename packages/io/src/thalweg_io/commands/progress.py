"""A bar for long work, on a terminal only: by tqdm, where that is installed (`pip install thalweg-io[progress]`)."""
import contextlib
import importlib.util
import sys

_DELAY_S = 0.5                           # work that is done before shows no bar


@contextlib.contextmanager
def bar(title, nbytes):
    """Gives a function of the bytes done since its last call; `nbytes` are all of them."""
    if not (sys.stderr.isatty() and is_installed()):
        yield lambda done: None
        return
    from tqdm import tqdm
    with tqdm(total=nbytes, desc=title, unit="B", unit_scale=True, unit_divisor=1024, delay=_DELAY_S, leave=False,
              file=sys.stderr) as shown:
        yield shown.update


def is_installed():
    """Whether there can be a bar."""
    return importlib.util.find_spec("tqdm") is not None


def hint():
    """What --help says of it: nothing where it is there."""
    return "" if is_installed() else "Progress bars need tqdm: pip install thalweg-io[progress]."
