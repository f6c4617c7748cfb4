"""A libcuda.so.1 of functions that all say "no device": with it cuDNN loads, and plans for cards described to it."""
import ctypes
import pathlib
import re
import subprocess

# what cuDNN looks up by name besides, and complains about on standard error where it is missing
_LOOKED_UP = """
CtxGetCurrent CtxGetLimit CtxPopCurrent CtxPushCurrent DeviceGet DeviceGetCount DriverGetVersion GetErrorName
KernelGetAttribute KernelGetFunction KernelSetAttribute LaunchCooperativeKernel LaunchKernel LaunchKernelEx
LibraryGetKernel LibraryLoadData LibraryLoadFromFile LibraryUnload LinkAddData LinkComplete LinkCreate LinkDestroy
OccupancyMaxPotentialClusterSize StreamGetCtx
""".split()


def load(libraries, folder):
    """Builds the stub for what these shared libraries link of the driver, and loads it under the driver's name."""
    names = {f"cu{name}" for name in _LOOKED_UP}
    for library in libraries:
        listed = subprocess.run(["nm", "-D", "--undefined-only", library], capture_output=True, text=True, check=True)
        names |= set(re.findall(r"\bU (cu[A-Z]\w+)", listed.stdout))
    source, built = pathlib.Path(folder, "stub.c"), pathlib.Path(folder, "libcuda.so.1")
    source.write_text("".join(f"int {name}(void) {{ return 100; }}\n" for name in sorted(names)))
    subprocess.run(["gcc", "-shared", "-fPIC", "-Wl,-soname,libcuda.so.1", "-o", built, source], check=True)
    return ctypes.CDLL(str(built), ctypes.RTLD_GLOBAL)
