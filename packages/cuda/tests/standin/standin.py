"""A driver and an NVRTC that run on the CPU, for unmodified PyCUDA and unmodified thalweg-cuda.

    import standin
    standin.install(devices=2)                 # before anything loads libcuda
    import pycuda.driver                       # finds two devices named "thalweg stand-in"

The two libraries are built by g++ on first use and kept in the emulator's cache. They take the names libcuda.so.1 and
libnvrtc.so.13 for this process, and with `environment()` for a child process. README.md says what they do.
"""
import ctypes
import fcntl
import hashlib
import importlib.util
import json
import os
import pathlib
import re
import subprocess
import sys

import cuemu_compiler

HERE = pathlib.Path(__file__).resolve().parent
ORDERS = {"forward": 0, "reversed": 1, "shuffled": 2}
_FLAGS = ["-std=c++20", "-O1", "-g1", "-fPIC", "-fvisibility=hidden", "-shared", "-Wall", "-Wextra"]


def build():
    """The folder with libcuda.so.1 and libnvrtc.so.13, built if it is not there."""
    sources = sorted([*HERE.glob("driver/*"), *HERE.glob("nvrtc/*")])
    hasher = hashlib.sha256(repr((sys.executable, _FLAGS)).encode())
    for path in sources:
        hasher.update(path.read_bytes())
    linked = _linked_by_pycuda()
    hasher.update(repr(linked).encode())
    folder = cuemu_compiler.cache() / f"standin-{hasher.hexdigest()[:12]}"
    folder.mkdir(exist_ok=True)
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "libnvrtc.so.13").exists():
            _build_driver(folder, linked)
            cuemu_compiler.run_gxx([*_FLAGS, f'-DSTANDIN_COMPILER="{HERE / "cuemu_compiler.py"}"', "-Wl,-soname,libnvrtc.so.13",
                                    HERE / "nvrtc/nvrtc.cpp"], folder / "libnvrtc.so.13")
    return folder


def _build_driver(folder, linked):
    defined = {name for path in HERE.glob("driver/*.cpp") for name in re.findall(r"^API (cu\w+)\(", path.read_text(), re.MULTILINE)}
    defined |= {name.format(bits) for bits in (8, 16, 32) for name in (
        "cuMemsetD{}_v2", "cuMemsetD{}Async", "cuMemsetD2D{}_v2", "cuMemsetD2D{}Async")}
    rest = '#include "abi.h"\n' + "".join(f"API {name}(void) {{ return NOT_SUPPORTED; }}\n" for name in sorted(linked - defined))
    (folder / "rest.cpp").write_text(rest)
    cuemu_compiler.run_gxx([*_FLAGS, f"-I{HERE / 'driver'}", "-Wl,-soname,libcuda.so.1", *sorted(HERE.glob("driver/*.cpp")),
                            folder / "rest.cpp", "-ldl"], folder / "libcuda.so.1")


def _linked_by_pycuda():
    """Names of the driver's functions that PyCUDA links; none where it is not installed."""
    package = importlib.util.find_spec("pycuda")
    if package is None:
        return set()
    library = next(pathlib.Path(package.origin).parent.glob("_driver*.so"))
    answer = subprocess.run(["nm", "-D", "--undefined-only", str(library)], capture_output=True, text=True, check=True)
    return set(re.findall(r"\bU (cu[A-Z]\w+)", answer.stdout))


def settings(devices=None, memory=None, capability=None, fail=None):
    """The environment variables of a stand-in: count of devices, bytes of each, "9.0", "launch:3,allocation:5"."""
    given = dict(DEVICES=devices, MEMORY=memory, CAPABILITY=capability, FAIL=fail,
                 PYTHON=sys.executable, CACHE=cuemu_compiler.cache())
    return {f"THALWEG_STANDIN_{name}": str(value) for name, value in given.items() if value is not None}


def environment(base=None, **options):
    """The environment of a child process that finds the stand-ins by their names."""
    base = dict(os.environ if base is None else base)
    paths = [str(build()), *filter(None, [base.get("LD_LIBRARY_PATH")])]
    return {**base, **settings(**options), "LD_LIBRARY_PATH": os.pathsep.join(paths)}


def install(**options):
    """Loads the stand-ins into this process under the names of the real libraries; gives the Driver.

    Options as of `settings`; they count if nothing has initialised the driver yet.
    """
    folder = build()
    os.environ.update(settings(**options))
    ctypes.CDLL(str(folder / "libnvrtc.so.13"), ctypes.RTLD_GLOBAL)
    return Driver(ctypes.CDLL(str(folder / "libcuda.so.1"), ctypes.RTLD_GLOBAL))


class Driver:
    """What a test may ask and tell the stand-in driver of this process."""

    def __init__(self, library=None):
        self.library = library or ctypes.CDLL("libcuda.so.1")
        self.library.thw_standin_counters.restype = ctypes.c_size_t
        self.library.thw_standin_counters.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
        self.library.thw_standin_message.restype = ctypes.c_char_p
        self.library.thw_standin_fail.argtypes = [ctypes.c_char_p, ctypes.c_ulonglong]
        self.library.thw_standin_order.argtypes = [ctypes.c_int, ctypes.c_ulonglong]
        self.library.thw_standin_set_memory.argtypes = [ctypes.c_int, ctypes.c_size_t]

    def counters(self):
        """Counts since the start or the last reset, by name; what did not happen is 0."""
        text = ctypes.create_string_buffer(1 << 14)
        self.library.thw_standin_counters(text, len(text))
        return Counters(json.loads(text.value))

    def reset_counters(self):
        self.library.thw_standin_reset_counters()

    def fail(self, what, n=1):
        """Lets the n-th "launch" (kernel that runs), "allocation", "host_allocation" or "copy" from now fail; 0: none."""
        self.library.thw_standin_fail(what.encode(), n)

    def order(self, order):
        """Blocks, warps and lanes run "forward", "reversed" or "shuffled:SEED"."""
        kind, _, seed = order.partition(":")
        self.library.thw_standin_order(ORDERS[kind], int(seed or 0))

    def set_memory(self, device, nbytes):
        """Changes the memory of a device, bytes."""
        self.library.thw_standin_set_memory(device, nbytes)

    @property
    def message(self):
        """Why the last launch failed, with the kernel's name, block, thread and line where they are known."""
        return self.library.thw_standin_message().decode(errors="replace")


class Counters(dict):
    """Counters of the driver: launches, graph_launches, graph_kernels, graph_instantiations, graph_updates,
    synchronisations, implicit_synchronisations, allocations, frees, host_allocations, copies, memsets, events, streams,
    modules, bytes_h2d, bytes_d2h, bytes_d2d, bytes_peer, bytes_h2h, bytes_in_use, peak_bytes."""

    def __missing__(self, name):
        return 0
