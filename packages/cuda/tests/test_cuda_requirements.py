"""What is missing is a reason with an instruction, found without opening anything; importing opens nothing."""
import subprocess
import sys
from pathlib import Path

import pytest

import thalweg as tf
import thalweg_cuda
from thalweg.devices.entry import Entry
from thalweg_cuda import requirements
from thalweg_cuda.shared_library import candidates, open_first


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def everything(monkeypatch, tmp_path):
    """As on a machine that has all."""
    monkeypatch.setattr(requirements, "LOADER_CACHE", tmp_path / "cache")
    (tmp_path / "cache").write_bytes(b"ld.so-1.7.0\0/usr/lib64/libcuda.so.1\0")
    monkeypatch.setattr(requirements.importlib.util, "find_spec", lambda name: name)
    found = {"nvrtc": ["/lib/libnvrtc.so.13"]}
    monkeypatch.setattr(requirements, "candidates", lambda stem, versions: found.get(stem, []))


def test_a_machine_that_has_all(everything):
    assert thalweg_cuda.plugin.probe() is True


def test_a_driver_in_a_folder_that_the_loader_does_not_list(everything, monkeypatch):
    monkeypatch.setattr(requirements, "LOADER_CACHE", Path("/nowhere"))
    monkeypatch.setattr(requirements, "candidates", lambda stem, versions: [f"/usr/lib/wsl/lib/lib{stem}.so.1"])
    assert thalweg_cuda.plugin.probe() is True


def test_no_driver(everything, monkeypatch):
    monkeypatch.setattr(requirements, "LOADER_CACHE", Path("/nowhere"))
    assert requirements.probe() == ("no NVIDIA driver was found (libcuda.so.1). Install one of version 580 or newer; "
                                    "in a container, start it with the GPU: --gpus all")


def test_no_pycuda(everything, monkeypatch):
    monkeypatch.setattr(requirements.importlib.util, "find_spec", lambda name: None)
    assert requirements.probe().startswith("PyCUDA is not installed. It is built from source, without a CUDA toolkit")


def test_no_compiler(everything, monkeypatch):
    monkeypatch.setattr(requirements, "candidates", lambda stem, versions: [])
    assert requirements.probe() == ("no compiler library NVRTC 13 was found. Install it: pip install "
                                    "'thalweg-cuda[nvrtc]'")


def test_all_that_is_missing_is_told_at_once(everything, monkeypatch):
    monkeypatch.setattr(requirements.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(requirements, "candidates", lambda stem, versions: [])
    assert requirements.probe().count("; ") >= 1


def test_another_system(everything, monkeypatch):
    monkeypatch.setattr(requirements.sys, "platform", "darwin")
    assert requirements.probe() == "thalweg-cuda runs on Linux, this is darwin"


def test_importing_opens_nothing():
    assert run("import sys, thalweg_cuda; thalweg_cuda.plugin.probe(); "
               "print([m for m in sys.modules if m.startswith('pycuda')], "
               "[l.split()[-1] for l in open('/proc/self/maps') if 'libcuda' in l or 'libnvrtc' in l])") == "[] []"


def test_thalweg_imports_nothing_of_it():
    assert run("import sys, thalweg; print([m for m in sys.modules if m.startswith('thalweg_cuda')])") == "[]"


ANEW = "; install it anew: tools/pycuda-wheel builds it"


@pytest.mark.parametrize("text, reason", [
    ("raise OSError('libcurand.so.10: no file')", "PyCUDA is broken: OSError: libcurand.so.10: no file" + ANEW),
    ("import sys; sys.exit(3)", "PyCUDA is broken: SystemExit: 3" + ANEW),
    ("", "PyCUDA is broken: AttributeError: module 'pycuda.driver' has no attribute 'init'" + ANEW),
    ("raise ImportError('libcuda.so.1: cannot open')", "libcuda.so.1: cannot open")],
    ids=["library", "exit", "empty", "driver"])
def test_pycuda_that_cannot_be_loaded_is_a_reason(tmp_path, monkeypatch, text, reason):
    (tmp_path / "pycuda").mkdir()
    (tmp_path / "pycuda" / "__init__.py").write_text("")
    (tmp_path / "pycuda" / "driver.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == "pycuda"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr("thalweg.devices.entry._log.warning", lambda *args: None)
    entry = Entry("cuda", "thalweg.devices", "test", plugin=thalweg_cuda.plugin)
    entry.open()
    for name in ("pycuda", "pycuda.driver"):
        sys.modules.pop(name, None)
    assert entry.state == "failed" and entry.reason == f"ImportError: {reason}"
    assert "_pycuda" in entry.traceback and (not text or "driver.py" in entry.traceback)


def test_a_library_is_sought_where_the_loader_looks_first(tmp_path, monkeypatch):
    (tmp_path / "libnothing.so.13").write_text("no library")
    monkeypatch.setenv("LD_LIBRARY_PATH", f"{tmp_path}:")
    assert candidates("nothing", (13,)) == [str(tmp_path / "libnothing.so.13")]
    why = (rf"^libnothing of version 12 or 13 cannot be opened: {tmp_path}/libnothing.so.13: (invalid ELF header|file "
           r"too short)\. Install it anew, or take its folder out of LD_LIBRARY_PATH\. Buy it\.$")
    with pytest.raises(OSError, match=why):
        open_first("nothing", (12, 13), "Buy it.")


def test_a_library_that_is_nowhere():
    with pytest.raises(OSError, match=r"^no libnothing of version 13 was found\. Buy it\.$"):
        open_first("nothing", (13,), "Buy it.")


def test_the_listing_tells_why():
    rows = {row.name: row for row in tf.list_devices()}
    row = next(row for name, row in rows.items() if row.device_type == "CUDA")
    assert row.state == "open" or row.reason
