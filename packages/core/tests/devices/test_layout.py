"""The layout of the device contract, name, offset and size of every field, is what layout.txt says.

A change here is a change of the ABI. Fields may be added at the end of what carries a struct_size; then write the file
anew, `python tests/devices/test_layout.py > tests/devices/layout.txt`, raise the minor version, and freeze the header
that was (test_golden.py). Anything else needs another major version.
"""
import ctypes
import pathlib
import shutil
import subprocess

import pytest

from thalweg.devices import get_include
from thalweg.testing import ctypes_abi

HERE = pathlib.Path(__file__).parent
STRUCTS = {"thw_tensor": "Tensor", "thw_rng": "Rng", "thw_core_api": "CoreApi", "thw_call": "Call",
           "thw_kernel": "Kernel", "thw_op_desc": "OpDesc", "thw_mem_stats": "MemStats",
           "thw_device_api": "DeviceApi", "thw_kernels_api": "KernelsApi"}
IN_C = {"dl_type": "device.dl_type", "dl_id": "device.dl_id", "code": "dtype.code", "bits": "dtype.bits",
        "lanes": "dtype.lanes"}


def layout():
    """The lines of layout.txt."""
    lines = []
    for name, mirror in STRUCTS.items():
        struct = getattr(ctypes_abi, mirror)
        lines.append(f"{name} size {ctypes.sizeof(struct)}")
        for field, *_ in struct._fields_:
            at = getattr(struct, field)
            lines.append(f"{name}.{IN_C.get(field, field) if name == 'thw_tensor' else field} {at.offset} {at.size}")
    return lines


def frozen(path):
    return path.read_text().splitlines()


@pytest.mark.skipif(ctypes.sizeof(ctypes.c_void_p) != 8, reason="the file is for addresses of 64 bits")
def test_the_layout_is_the_one_on_file():
    assert layout() == frozen(HERE / "layout.txt"), __doc__


@pytest.mark.parametrize("path", sorted((HERE / "golden").glob("v*/layout.txt")), ids=lambda path: path.parent.name)
def test_what_a_past_version_had_is_where_it_was(path):
    now, was = layout(), frozen(path)
    grows = {line.partition(".")[0] for line in was if line.split()[0].endswith(".struct_size")}
    moved = [line for line in was if line not in now and not (" size " in line and line.split()[0] in grows)]
    assert not moved
    for struct in {line.split()[0] for line in was if " size " in line}:
        old, new = ([line for line in lines if line.startswith(f"{struct}.")] for lines in (was, now))
        assert new[:len(old)] == old, f"{struct} has not grown at its end alone"


def test_the_c_compiler_agrees(tmp_path):
    if shutil.which("cc") is None:
        pytest.skip("needs a C compiler")
    prints = []
    for line in layout():
        name, *_ = line.split()
        if " size " in line:
            prints.append(f'printf("{name} size %zu\\n", sizeof({name}));')
        else:
            struct, _, field = name.partition(".")
            size = f"sizeof((({struct}*)0)->{field})"
            prints.append(f'printf("{name} %zu %zu\\n", offsetof({struct}, {field}), {size});')
    source = tmp_path / "layout.c"
    source.write_text('#include <stdio.h>\n#include "thalweg_abi.h"\nint main(void) {\n' + "\n".join(prints) + "}\n")
    subprocess.run(["cc", f"-I{get_include()}", source, "-o", tmp_path / "layout"], check=True)
    told = subprocess.run([tmp_path / "layout"], capture_output=True, text=True, check=True).stdout
    assert told.splitlines() == layout()


if __name__ == "__main__":
    print("\n".join(layout()))
