"""Builds thalweg-core's native parts; `python setup.py build_ext --inplace` (README.md says more).

Every `.pyx` under src/ becomes an extension module: drop a file and build. Generated C lies in build/cython.
An extension is linked with the C that it names: `cdef extern from "cpu/c/conv.h"` brings `cpu/c/conv.c` where
there is one, and `cpu/c/conv_impl.h`, compiled once per instruction set (cpu/c/isa.h), where there is one; what
those include is followed too. Only what has changed is built: Cython and the C compiler both tell what they read.
"""
import collections
import contextlib
import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import threading
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import LinkError

ROOT = Path(__file__).resolve().parent
os.chdir(ROOT)
SOURCE = Path("src/thalweg")
DEBUG = os.environ.get("THALWEG_DEBUG_BUILD", "0") not in ("", "0")
KIND = "debug" if DEBUG else "release"

DIRECTIVES = {"language_level": "3", "boundscheck": DEBUG, "wraparound": False, "initializedcheck": DEBUG,
              "cdivision": True}
WARNINGS = ["-Wall", "-Wextra"]
# Cython's own code has unused parameters and functions, and casts of method pointers; ours must not.
GENERATED_WARNINGS = [*WARNINGS, "-Wno-unused-parameter", "-Wno-unused-function", "-Wno-cast-function-type",
                      "-Wno-missing-field-initializers", "-Wno-sign-compare"]
OPTIMISE = ["-O0", "-g"] if DEBUG else ["-O3", "-g0"]
FLAGS = [*OPTIMISE, "-fno-math-errno", "-fno-trapping-math", "-fvisibility=hidden"]
LINK_FLAGS = [] if DEBUG or sys.platform == "darwin" else ["-s"]           # no symbol tables: a third of the size

_X86_SETS = {"portable": (4, []), "avx2": (8, ["-mavx2", "-mfma", "-mf16c"]),
             "avx512": (16, ["-mavx2", "-mfma", "-mf16c", "-mavx512f", "-mavx512vl", "-mavx512bw", "-mavx512dq"])}
# The variable names another machine than this one in a cross build, as distutils and sysconfig read it.
_TARGET = os.environ.get("_PYTHON_HOST_PLATFORM", platform.machine()).lower()
_IS_X86 = _TARGET.endswith(("x86_64", "amd64"))
INSTRUCTION_SETS = _X86_SETS if _IS_X86 else {"portable": (4, [])}      # name -> (floats in a vector, flags)

_EXTERN = re.compile(r'cdef extern from "([^"<>]+)"')
_INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)


# --- what there is to build -------------------------------------------------------------------------

def extensions():
    """One Extension per .pyx."""
    return [Extension(".".join(path.relative_to("src").with_suffix("").parts), [str(path)])
            for path in sorted(SOURCE.rglob("*.pyx"))]


def native_sources(pyx):
    """C files that go with a .pyx: `(source, is_per_instruction_set)`, found through the headers that it names."""
    pyx, found, seen = Path(pyx), [], set()
    names = [n for p in (pyx, pyx.with_suffix(".pxd")) if p.exists() for n in _EXTERN.findall(p.read_text())]
    while names:
        header = SOURCE / names.pop()
        if header in seen or not header.exists():
            continue                                                    # a system header, or met before
        seen.add(header)
        plain, template = header.with_suffix(".c"), header.with_name(header.stem + "_impl.h")
        parts = [(plain, False)] * plain.exists() + [(template, True)] * template.exists()
        found += [part for part in parts if part not in found]
        for path in (header, *(source for source, _ in parts)):
            names += [str(resolve(name, path)) for name in _INCLUDE.findall(path.read_text())]
    return found


def resolve(name, includer):
    """The file of an #include, relative to src/thalweg: beside the includer, or under the include root."""
    beside = includer.parent / name
    return beside.relative_to(SOURCE) if beside.exists() and beside.is_relative_to(SOURCE) else Path(name)


# --- building ---------------------------------------------------------------------------------------

class Stamp:
    """Remembers for one product the command that made it and the files that it was made from.

    Cython's and numpy's own files are left out: each isolated build has new copies of them; their versions are in
    the command.
    """

    def __init__(self, product, folder):
        self.product = Path(product)
        self.path = folder / (hashlib.sha1(str(product).encode()).hexdigest()[:16] + ".stamp")

    def is_fresh(self, command):
        if not self.product.exists() or not self.path.exists():
            return False
        recorded, *inputs = self.path.read_text().split("\n")
        made_at = self.product.stat().st_mtime_ns
        return recorded == command and all(os.path.exists(i) and os.stat(i).st_mtime_ns <= made_at for i in inputs)

    def write(self, command, inputs):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text("\n".join([command, *(str(i) for i in inputs if not is_of_build_tools(i))]))


def is_of_build_tools(path):
    """Whether a file is part of the Cython or the numpy of this build."""
    return Path(path).resolve().is_relative_to(cython_folder()) or Path(path).resolve().is_relative_to(numpy_folder())


def read_depfile(path):
    """The prerequisites in a make rule, as compilers write them."""
    text = Path(path).read_text().replace("\\\n", " ").partition(":")[2]
    return [p.replace("\\ ", " ") for p in re.split(r"(?<!\\)\s+", text) if p]


class BuildNative(build_ext):
    """build_ext that follows dependencies by file, compiles per instruction set, and replaces modules whole."""

    user_options = [*build_ext.user_options, ("only=", None, "build only modules whose name contains this text")]

    def initialize_options(self):
        super().initialize_options()
        self.only = None

    def finalize_options(self):
        super().finalize_options()
        if self.parallel is None:
            self.parallel = min(os.cpu_count() or 1, int(os.environ.get("THALWEG_BUILD_JOBS", 2)))
        # Not self.build_temp: an editable installation has a new one each time, and would compile everything again.
        interpreter = f"{sys.implementation.cache_tag}-{sysconfig.get_platform()}"
        self.objects = Path("build/objects") / interpreter / KIND
        self.generated = Path("build/cython") / KIND
        self.stamps = Path("build/stamps") / interpreter
        self.include_roots = [SOURCE / "include", SOURCE, self.generated]
        if self.only:
            self.extensions = [e for e in self.extensions if self.only in e.name]

    def run(self):
        self.failed = []
        self.locks = collections.defaultdict(threading.Lock)     # per C file that several modules may share
        with only_one_build():
            self.remove_leftovers()
            super().run()
        if self.failed:
            raise SystemExit(f"not built: {', '.join(sorted(self.failed))} (errors above); "
                             f"the other {len(self.extensions) - len(self.failed)} modules are up to date")

    def remove_leftovers(self):
        """Takes modules whose source is gone out of the build folder, from which wheels are packed."""
        wanted = {Path(self.build_lib, self.get_ext_filename(e.name)) for e in extensions()}
        suffix = self.get_ext_filename("")
        for built in Path(self.build_lib).rglob(f"*{suffix}"):
            if built not in wanted:
                built.unlink()

    def build_extension(self, ext):
        """Builds one module; what fails is reported at the end, when the others are built."""
        try:
            self.build_module(ext)
        except (subprocess.CalledProcessError, LinkError):
            self.failed.append(ext.name)

    def build_module(self, ext):
        """Cython, C compiler and linker, each only if something that it reads has changed."""
        pyx = ext.sources[0]
        objects = [self.compile(self.translate(pyx, ext.name), GENERATED_WARNINGS)]
        for source, is_per_set in native_sources(pyx):
            for stub, flags in self.stubs(source) if is_per_set else [(source, [])]:
                with self.locks[stub]:
                    objects.append(self.compile(stub, WARNINGS + flags))
        self.link(objects, self.get_ext_fullpath(ext.name))

    def translate(self, pyx, module):
        """The C file that Cython makes of a .pyx."""
        target = (self.generated / Path(pyx).relative_to("src")).with_suffix(".c")
        target.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "cython", pyx, "-o", str(target), "--module-name", module, "-I", "src",
                   "--depfile", *(f"-X{name}={value}" for name, value in DIRECTIVES.items())]
        # numpy's .pxd changes with its version
        stamp, key = Stamp(target, self.stamps), " ".join(command[1:]) + cython_version() + numpy_version()
        if not stamp.is_fresh(key):
            print("cython", pyx, flush=True)
            target.unlink(missing_ok=True)
            subprocess.run(command, check=True)
            stamp.write(key, [p for p in read_depfile(f"{target}.dep") if os.path.exists(p)])
        return target

    def stubs(self, template):
        """One C file per instruction set that includes `template`, with its flags."""
        family = template.stem.removesuffix("_impl")
        for name, (width, flags) in INSTRUCTION_SETS.items():
            stub = self.generated / "isa" / f"{family}_{name}.c"
            text = (f"#define THW_ISA {name}\n#define THW_VL {width}\n"
                    f'#include "{template.relative_to(SOURCE).as_posix()}"\n')
            with self.locks[stub]:
                if not stub.exists() or stub.read_text() != text:
                    stub.parent.mkdir(parents=True, exist_ok=True)
                    stub.write_text(text)
            yield stub, flags

    def compile(self, source, flags):
        """The object file of a C file."""
        inside = source.relative_to(self.generated) if source.is_relative_to(self.generated) else source
        target = (self.objects / inside).with_suffix(".o")
        target.parent.mkdir(parents=True, exist_ok=True)
        depfile = target.with_suffix(".d")
        command = [*self.compiler.compiler_so, *FLAGS, *flags, "-MMD", "-MF", str(depfile),
                   *(f"-I{path}" for path in [*self.include_roots, *self.compiler.include_dirs, numpy_include()]),
                   "-c", str(source), "-o", str(target)]
        # Where numpy lies is another folder in each isolated build; which numpy it is matters.
        stamp, key = Stamp(target, self.stamps), " ".join(command).replace(numpy_include(), numpy_version())
        if not stamp.is_fresh(key):
            print("cc", source, flush=True)
            target.unlink(missing_ok=True)
            subprocess.run(command, check=True)
            stamp.write(key, read_depfile(depfile))
        return target

    def link(self, objects, target):
        stamp, key = Stamp(target, self.stamps), " ".join([KIND, *LINK_FLAGS, *map(str, objects)])
        if stamp.is_fresh(key):
            return
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        self.compiler.link_shared_object([str(o) for o in objects], target, libraries=["m", "pthread", "dl"],
                                         extra_postargs=LINK_FLAGS, build_temp=self.build_temp)
        stamp.write(key, objects)

    def copy_extensions_to_source(self):
        """Puts built modules beside their sources, each in one step: a running program keeps the one that it has."""
        for ext in (e for e in self.extensions if e.name not in self.failed):
            built = Path(self.build_lib) / self.get_ext_filename(self.get_ext_fullname(ext.name))
            target = Path("src") / built.relative_to(self.build_lib)
            if not target.exists() or target.stat().st_mtime_ns != built.stat().st_mtime_ns:
                shutil.copy2(built, f"{target}.new")
                os.replace(f"{target}.new", target)


@contextlib.contextmanager
def only_one_build():
    """Two builds at once in one checkout wait for each other."""
    Path("build").mkdir(exist_ok=True)
    with open("build/lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def cython_version():
    from Cython import __version__
    return f" # Cython {__version__}"


def cython_folder():
    import Cython
    return Path(Cython.__file__).resolve().parent


def numpy_folder():
    import numpy
    return Path(numpy.__file__).resolve().parent


def numpy_include():
    import numpy
    return numpy.get_include()


def numpy_version():
    import numpy
    return f"numpy-{numpy.__version__}"


setup(ext_modules=extensions(), cmdclass={"build_ext": BuildNative})
