"""The header and its two mirrors, for Cython and for ctypes, say the same."""
import re
from pathlib import Path

import pytest

import thalweg
from thalweg.testing import ctypes_abi

HERE = Path(thalweg.__file__).parent
HEADER = re.sub(r"/\*.*?\*/", "", (HERE / "include/thalweg_abi.h").read_text(), flags=re.S)
CYTHON = (HERE / "devices/abi.pxd").read_text()
MIRRORS = {"thw_rng": "Rng", "thw_core_api": "CoreApi", "thw_call": "Call", "thw_kernel": "Kernel",
           "thw_op_desc": "OpDesc", "thw_mem_stats": "MemStats", "thw_device_api": "DeviceApi",
           "thw_kernels_api": "KernelsApi", "thw_tensor": "Tensor"}


def fields_in_c(name):
    body = (re.search(r"typedef struct \{([^{}]*)\} " + name + ";", HEADER)
            or re.search(r"struct " + name + r" \{(.*?)\};", HEADER, re.S))[1]
    statements = [s for s in re.split(r";", body) if s.strip()]
    return [field for s in statements for field in ([re.search(r"\(\*(\w+)\)", s)[1]] if "(*" in s else
                                                    re.findall(r"(\w+)(?:\[\w+\])?\s*(?:,|$)", s.strip()))]


def fields_in_cython(name):
    body = re.findall(rf"ctypedef struct {name}:\n((?:        .*\n|\n)+)", CYTHON)[-1]
    return [re.search(r"\(\*(\w+)\)", line)[1] if "(*" in line else re.search(r"(\w+)(?:\[\d+\])?$", line)[1]
            for line in body.splitlines() if re.match(r" {8}\S", line)]


@pytest.mark.parametrize("name", MIRRORS)
def test_the_mirror_for_cython(name):
    assert fields_in_cython(name) == fields_in_c(name)


@pytest.mark.parametrize("name", MIRRORS)
def test_the_mirror_for_ctypes(name):
    mirrored = [field for field, *_ in getattr(ctypes_abi, MIRRORS[name])._fields_]
    flat = {"device": ["dl_type", "dl_id"], "dtype": ["code", "bits", "lanes"]} if name == "thw_tensor" else {}
    assert mirrored == [part for field in fields_in_c(name) for part in flat.get(field, [field])]


def test_names_and_versions():
    constants = dict(re.findall(r'#define (THW_\w+) "?([\w.]+)"?', HEADER))
    assert constants["THW_CAPSULE"].encode() == ctypes_abi.CAPSULE
    assert constants["THW_KERNELS_CAPSULE"].encode() == ctypes_abi.KERNELS_CAPSULE
    assert (int(constants["THW_ABI_MAJOR"]), int(constants["THW_ABI_MINOR"])) == (
        ctypes_abi.ABI_MAJOR, ctypes_abi.ABI_MINOR)
