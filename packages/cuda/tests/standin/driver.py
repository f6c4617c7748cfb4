"""A driver and an NVRTC that run on the processor, for unmodified PyCUDA and unmodified thalweg-cuda.

    from standin import driver
    driver.install(devices=2)                  # before anything loads libcuda
    import pycuda.driver                       # finds two devices named "thalweg stand-in"

The two libraries are built by g++ on first use and kept in the emulator's cache. They take the names libcuda.so.1 and
libnvrtc.so.13 in this process, and with `environment()` in a child process.
"""
import concurrent.futures
import ctypes
import fcntl
import functools
import hashlib
import importlib.util
import json
import os
import pathlib
import re
import subprocess
import sysconfig

from . import compiler

HERE = pathlib.Path(__file__).resolve().parent
ORDERS = {"forward": 0, "reversed": 1, "shuffled": 2}
_FLAGS = ["-std=c++20", "-O1", "-g1", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra"]


# ---- building ----

def build():
    """The folder with libcuda.so.1 and libnvrtc.so.13, built if it is not there."""
    sources = sorted([*HERE.glob("libcuda/*"), *HERE.glob("libnvrtc/*")])
    linked = _linked_by_pycuda()
    hasher = hashlib.sha256(repr((str(HERE), _FLAGS, sorted(linked))).encode())
    for path in sources:
        hasher.update(path.read_bytes())
    folder = compiler.cache() / f"standin-{hasher.hexdigest()[:12]}"
    folder.mkdir(exist_ok=True)
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "libcuda.so.1").exists():
            _build_into(folder, linked)
    return folder


def _build_into(folder, linked):
    (folder / "rest.cpp").write_text(_not_supported(linked))
    flags = [*_FLAGS, f"-I{HERE / 'libcuda'}", f"-I{sysconfig.get_path('include')}",
             f'-DSTANDIN_COMPILER="{HERE / "nvrtc.py"}"', "-c"]
    sources = [*HERE.glob("libcuda/*.cpp"), folder / "rest.cpp", HERE / "libnvrtc/nvrtc.cpp"]
    objects = [folder / f"{path.stem}.o" for path in sources]
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        list(pool.map(lambda path, to: compiler.run_gxx([*flags, path], to), sources, objects))
    *driver, nvrtc = objects
    compiler.run_gxx(["-shared", "-Wl,-soname,libnvrtc.so.13", nvrtc], folder / "libnvrtc.so.13")
    compiler.run_gxx(["-shared", "-Wl,-soname,libcuda.so.1", *driver, "-ldl"], folder / "libcuda.so.1")


def _not_supported(linked):
    """Source of what PyCUDA links and the stand-in does not have: functions that say so."""
    text = "".join(path.read_text() for path in HERE.glob("libcuda/*.cpp"))
    defined = set(re.findall(r"^API (cu\w+)\(", text, re.MULTILINE))
    defined |= {name.format(bits) for bits in (8, 16, 32) for name in (
        "cuMemsetD{}_v2", "cuMemsetD{}Async", "cuMemsetD2D{}_v2", "cuMemsetD2D{}Async")}
    return '#include "abi.h"\n' + "".join(f"API {name}(void) {{ return NOT_SUPPORTED; }}\n"
                                         for name in sorted(linked - defined))


def _linked_by_pycuda():
    """Names of the driver's functions that PyCUDA links; none where it is not installed."""
    package = importlib.util.find_spec("pycuda")
    if package is None:
        return set()
    library = next(pathlib.Path(package.origin).parent.glob("_driver*.so"))
    answer = subprocess.run(["nm", "-D", "--undefined-only", str(library)], capture_output=True, text=True, check=True)
    return set(re.findall(r"\bU (cu[A-Z]\w+)", answer.stdout))


# ---- using ----

def environment(base=None, devices=None, memory=None, capability=None, fail=None):
    """The environment of a child process that finds the stand-ins by their names.

    Parameters
    ----------
    base : dict             by default this process's
    devices : int           how many GPUs it has; 1, or as `base` says
    memory : int            of each, bytes; 4 GiB
    capability : str        "9.0"
    fail : str              "launch:3,allocation:5x2": see `fail`
    """
    base = dict(os.environ if base is None else base)
    given = dict(DEVICES=devices, MEMORY=memory, CAPABILITY=capability, FAIL=fail)
    settings = {f"THALWEG_STANDIN_{name}": str(value) for name, value in given.items() if value is not None}
    base.setdefault("THALWEG_STANDIN_DEVICES", "1")
    paths = [str(build()), *[path for path in base.get("LD_LIBRARY_PATH", "").split(":") if path]]
    images = str(compiler.cache() / "thalweg")                   # a user's cache is for images of a real compiler
    return {"THALWEG_CACHE": images, **base, **settings, "LD_LIBRARY_PATH": ":".join(dict.fromkeys(paths))}


def install(**options):
    """Loads the stand-ins into this process under the names of the real libraries; options as of `environment`.

    They count if nothing has initialised the driver yet.
    """
    os.environ.update(environment(**options))
    ctypes.CDLL(str(build() / "libnvrtc.so.13"), ctypes.RTLD_GLOBAL)
    ctypes.CDLL(str(build() / "libcuda.so.1"), ctypes.RTLD_GLOBAL)


def is_loaded():
    """Whether the libcuda of this process is the stand-in."""
    try:
        library = ctypes.CDLL("libcuda.so.1", os.RTLD_NOLOAD | os.RTLD_LAZY)
    except OSError:
        return False
    return hasattr(library, "thw_standin_counters")


def is_on_path():
    """Whether this process was started with `environment`, and so will find the stand-in when it asks for libcuda."""
    return str(build()) in os.environ.get("LD_LIBRARY_PATH", "").split(":")


@functools.cache
def _library():
    if not is_loaded() and not is_on_path():
        raise RuntimeError("the stand-in driver is not loaded: call standin.driver.install() before PyCUDA is "
                           "imported, or start the process with standin.driver.environment()")
    library = ctypes.CDLL("libcuda.so.1")
    library.thw_standin_counters.restype = ctypes.c_size_t
    library.thw_standin_counters.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    library.thw_standin_message.restype = ctypes.c_char_p
    library.thw_standin_fail.argtypes = [ctypes.c_char_p, ctypes.c_ulonglong, ctypes.c_ulonglong]
    library.thw_standin_order.argtypes = [ctypes.c_int, ctypes.c_ulonglong]
    library.thw_standin_set_memory.argtypes = [ctypes.c_int, ctypes.c_size_t]
    return library


def counters():
    """What the driver has counted since it was loaded, by name:

    launches (not in graphs), graph_launches, graph_kernels (in them), graph_instantiations, graph_updates;
    synchronizations, implicit_synchronizations (copies that the host waits for); allocations, frees, host_allocations,
    bytes_in_use, peak_bytes; copies, bytes_h2d, bytes_d2h, bytes_d2d, bytes_peer, bytes_h2h, memsets;
    streams, events, modules; host_bytes_in_use (pinned), streams_in_use.
    """
    text = ctypes.create_string_buffer(1 << 14)
    _library().thw_standin_counters(text, len(text))
    return json.loads(text.value)


def reset_counters():
    """Sets the counters to 0, but for what is in use; the peak begins with the bytes that are."""
    _library().thw_standin_reset_counters()


def fail(what, n=1, times=1):
    """Lets the n-th of something from now fail, and those that follow, up to `times`; 0: none.

    "launch" is a kernel that runs, "graph" one that is instantiated, "peer" access to another card that is enabled;
    "allocation", "host_allocation" and "copy" are what they say. PyCUDA asks for memory twice, with a garbage
    collection between.
    """
    _library().thw_standin_fail(what.encode(), n, times)


def set_order(order):
    """Blocks, warps and lanes run "forward", "reversed" or "shuffled:SEED"."""
    kind, _, seed = order.partition(":")
    _library().thw_standin_order(ORDERS[kind], int(seed or 0))


def set_memory(device, nbytes):
    """Changes the memory of a device, bytes."""
    _library().thw_standin_set_memory(device, nbytes)


def message():
    """Why the last launch failed: the kernel's name, block and thread, and what is wrong."""
    return _library().thw_standin_message().decode(errors="replace")
