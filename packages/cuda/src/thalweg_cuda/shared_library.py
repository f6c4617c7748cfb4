"""Where NVIDIA's libraries lie: on the loader's path, in the packages of PyPI, in a toolkit.

Nothing is opened here before it is asked for.
"""
import functools
import glob
import importlib.util
import os

_FOLDERS = ("/usr/local/cuda*/lib64", "/opt/cuda/lib64", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu",
            "/usr/lib64", "/usr/lib/wsl/lib", "/usr/local/nvidia/lib64")


def candidates(stem, versions):
    """Paths of files `lib<stem>.so.<version>` that exist: in LD_LIBRARY_PATH, wheels, a system's folders, toolkits."""
    folders = [*os.environ.get("LD_LIBRARY_PATH", "").split(":"), *_wheel_folders(), *_system_folders()]
    names = [f"lib{stem}.so.{version}" for version in versions]
    paths = [os.path.join(folder, name) for folder in folders if folder for name in names]
    return [path for path in dict.fromkeys(paths) if os.path.exists(path)]


def described(stem, versions, package):
    """The version of a library that may be missing, as the package of PyPI has it; else where it lies."""
    from importlib import metadata
    found = candidates(stem, versions)
    if not found:
        return "not installed"
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return found[0]


def _wheel_folders():
    """Folders with libraries of the packages nvidia-*: nvidia/cu13/lib, nvidia/cudnn/lib and so on."""
    spec = importlib.util.find_spec("nvidia")
    places = spec.submodule_search_locations or () if spec is not None else ()
    return [folder for place in places for folder in sorted(glob.glob(os.path.join(place, "*", "lib")))]


@functools.cache
def _system_folders():
    return [folder for pattern in _FOLDERS for folder in sorted(glob.glob(pattern), reverse=True)]


class NotInstalled(OSError):
    """There is no file of a library; the text says what to install."""


def open_first(stem, versions, hint):
    """A ctypes.CDLL of the library.

    NotInstalled where there is none, OSError where none that is there can be opened; both say what to do.
    """
    import ctypes  # here, as it opens libraries itself, which a probe must not
    reasons = []
    for path in candidates(stem, versions):
        try:
            return ctypes.CDLL(path)
        except OSError as error:         # which names a file that is missing, or this one
            reasons.append(str(error) if path in str(error) else f"{path}: {error}")
    name = f"lib{stem} of version {' or '.join(map(str, versions))}"
    if not reasons:
        raise NotInstalled(f"no {name} was found. {hint}")
    raise OSError(f"{name} cannot be opened: {'; '.join(reasons)}. Install it anew, or take its folder out of "
                  f"LD_LIBRARY_PATH. {hint}")


@functools.cache
def trouble(stem, versions, hint):
    """Why a library that is there cannot be opened; "" where it can, or there is none."""
    try:
        open_first(stem, versions, hint)
    except NotInstalled:
        return ""
    except OSError as error:
        return str(error)
    return ""
