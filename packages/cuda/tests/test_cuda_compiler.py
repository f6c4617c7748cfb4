"""Sources become images once: in memory, on disk, side by side. The compiler itself is NVRTC where it is installed."""
import logging
import threading

import pytest
from standin import driver

from thalweg_cuda.compiler import CompileError, Compiler, Nvrtc
from thalweg_cuda.compiler.images import Images, default_folder, key_of
from thalweg_cuda.kernels.prelude import PRELUDE
from thalweg_cuda.requirements import no_nvrtc
from thalweg_cuda.work import Source

SOURCE = Source('extern "C" __global__ void nothing() {}')


class Spy:
    """A compiler that writes down what it is asked."""

    version, build, archs = (13, 1), "13.1-1000", (75, 90)
    architecture = Nvrtc.architecture

    def __init__(self, meeting=None):
        self.asked, self.meeting = [], meeting

    def compile(self, text, options, architecture):
        self.asked.append((text, options, architecture))
        if self.meeting:
            self.meeting.wait(timeout=20)
        if "#error" in text:
            raise CompileError("line 1: #error")
        return b"image of " + text.encode()


def test_a_source_is_compiled_once(tmp_path):
    spy = Spy()
    compiler = Compiler(spy, Images(tmp_path))
    first, second = compiler.submit(SOURCE, (9, 0)), compiler.submit(SOURCE, (9, 0))
    assert first is second and first.result() == b"image of " + SOURCE.text.encode()
    assert spy.asked == [(SOURCE.text, (), "sm_90")] and compiler.n_compiled == 1


def test_images_of_sources_that_were_asked_for_long_ago_leave_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("thalweg_cuda.compiler.compiler._MOST_IMAGES", 2)
    compiler = Compiler(Spy(), Images(tmp_path))
    sources = [Source(f"kernel {k}") for k in range(3)]
    first = compiler.submit(sources[0], (9, 0))
    compiler.submit(sources[1], (9, 0)).result()
    assert compiler.submit(sources[0], (9, 0)) is first
    compiler.submit(sources[2], (9, 0)).result()
    assert compiler.submit(sources[0], (9, 0)) is first                     # it was used last but one
    assert compiler.submit(sources[1], (9, 0)).result() == b"image of kernel 1"
    assert (compiler.n_compiled, compiler.n_read) == (3, 1)


def test_another_process_reads_it_from_disk(tmp_path):
    image = Compiler(Spy(), Images(tmp_path)).submit(SOURCE, (9, 0)).result()
    spy = Spy()
    compiler = Compiler(spy, Images(tmp_path))
    assert compiler.submit(SOURCE, (9, 0)).result() == image
    assert not spy.asked and compiler.n_read == 1


@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b[:40] + b"x" + b[41:], lambda b: b"",
                                    lambda b: b[:32]], ids=["cut", "changed", "empty", "digest alone"])
def test_a_damaged_file_is_compiled_anew(tmp_path, damage):
    image = Compiler(Spy(), Images(tmp_path)).submit(SOURCE, (9, 0)).result()
    file, = tmp_path.iterdir()
    file.write_bytes(damage(file.read_bytes()))
    spy = Spy()
    assert Compiler(spy, Images(tmp_path)).submit(SOURCE, (9, 0)).result() == image
    assert len(spy.asked) == 1
    assert Images(tmp_path).read(file.name) == image     # and the file is whole again


def test_a_file_under_another_name_is_not_believed(tmp_path):
    Compiler(Spy(), Images(tmp_path)).submit(SOURCE, (9, 0)).result()
    file, = tmp_path.iterdir()
    other = key_of(Source("other"), "sm_90", "13.1-1000")
    file.rename(tmp_path / other)
    assert Images(tmp_path).read(other) is None


def test_what_changes_the_image_changes_its_name():
    names = {key_of(*args) for args in [(SOURCE, "sm_90", "13.1-1000"), (SOURCE, "sm_75", "13.1-1000"),
                                        (SOURCE, "sm_90", "13.1-1001"), (Source("x"), "sm_90", "13.1-1000"),
                                        (Source(SOURCE.text, ("--fmad=false",)), "sm_90", "13.1-1000")]}
    assert len(names) == 5


def test_a_folder_that_cannot_be_written_harms_nobody(tmp_path):
    (tmp_path / "file").write_text("")
    compiler = Compiler(Spy(), Images(tmp_path / "file" / "folder"))
    assert compiler.submit(SOURCE, (9, 0)).result()


def test_nothing_is_left_of_a_write_that_fails(tmp_path, monkeypatch):
    def full(source, target):
        raise OSError("disk full")
    monkeypatch.setattr("os.replace", full)
    assert Compiler(Spy(), Images(tmp_path)).submit(SOURCE, (9, 0)).result()
    assert not list(tmp_path.iterdir())


def test_where_images_are_kept(monkeypatch, tmp_path):
    monkeypatch.delenv("THALWEG_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "thalweg" / "cuda"
    monkeypatch.setenv("THALWEG_CACHE", str(tmp_path / "own"))
    assert default_folder() == tmp_path / "own" / "cuda"
    monkeypatch.setenv("THALWEG_CACHE", "")
    assert default_folder() is None


def test_sources_are_compiled_side_by_side(tmp_path):
    compiler = Compiler(Spy(threading.Barrier(2)), Images(tmp_path), threads=2)
    futures = [compiler.submit(Source(f"void f{k}() {{}}"), (9, 0)) for k in range(2)]
    assert all(future.result(timeout=30) for future in futures)         # one after the other they would wait for ever


def test_a_source_that_does_not_compile(tmp_path):
    with pytest.raises(CompileError, match="a kernel's source does not compile for sm_90; this is a fault of "
                                           "thalweg-cuda:\nline 1: #error"):
        Compiler(Spy(), Images(tmp_path)).submit(Source("#error"), (9, 0)).result()
    assert not list(tmp_path.iterdir())


def test_the_architecture_of_a_card():
    spy = Spy()
    assert spy.architecture((9, 0)) == "sm_90"
    assert spy.architecture((12, 0)) == "compute_90"     # PTX: the driver makes code for what is newer
    with pytest.raises(CompileError, match="the card's compute capability is 7.0, but NVRTC 13.1 makes code for 7.5 "
                                           "and above"):
        spy.architecture((7, 0))


@pytest.fixture(scope="module")
def real():
    why = no_nvrtc() or driver.is_on_path() and "the NVRTC of this process is the stand-in"
    if why:
        pytest.skip(why)
    return Nvrtc.load()


def test_nvrtc_makes_cubins_and_ptx(real):
    text = PRELUDE + 'extern "C" __global__ void twice(float* x) { x[threadIdx.x] *= 2.0f; }'
    assert real.compile(text, ("--fmad=false",), "sm_90").startswith(b"\x7fELF")
    ptx = real.compile(text, (), "compute_90")
    assert b".entry twice" in ptx and ptx.endswith(b"\0")                # as the driver's loader wants it
    assert {75, 80, 86, 89, 90, 100, 120} <= set(real.archs)


def test_nvrtc_says_what_is_wrong(real):
    with pytest.raises(CompileError, match=r'thalweg.cu\(1\): error: identifier "foo" is undefined'):
        real.compile('extern "C" __global__ void f() { foo(); }', (), "sm_90")


def test_a_cache_that_cannot_be_written_is_told_once(tmp_path, caplog):
    (tmp_path / "file").write_text("no folder")
    images = Images(tmp_path / "file" / "cuda")
    with caplog.at_level(logging.WARNING, "thalweg"):
        images.write("key", b"image")
        images.write("other", b"image")
    record, = caplog.records
    assert record.getMessage().startswith(f"thalweg-cuda cannot keep in {images.folder} what it compiles and times")
    assert "Not a directory" in record.getMessage() and "THALWEG_CACHE names another folder" in record.getMessage()
    assert images.read("key") is None
