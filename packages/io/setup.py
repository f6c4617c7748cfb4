"""Builds thalweg-io's extension modules; `python setup.py build_ext --inplace`.

Every `.pyx` under src/ becomes one, with the C of src/thalweg_io/c. Generated C lies in build/cython. They are few and
small: what packages/core/setup.py does (instruction sets, a stamp per file) would be more code than it saves here.
"""
import os
import sys
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

os.chdir(Path(__file__).resolve().parent)
DEBUG = os.environ.get("THALWEG_DEBUG_BUILD", "0") not in ("", "0")
KIND = "debug" if DEBUG else "release"
DIRECTIVES = {"language_level": "3", "boundscheck": DEBUG, "wraparound": False, "initializedcheck": DEBUG,
              "cdivision": True}
FLAGS = [*(["-O0", "-g"] if DEBUG else ["-O3", "-g0"]), "-Wall", "-Wextra", "-fvisibility=hidden",
         # Cython's own code has unused parameters and functions
         "-Wno-unused-parameter", "-Wno-unused-function", "-Wno-cast-function-type", "-Wno-missing-field-initializers"]
LINK_FLAGS = [] if DEBUG or sys.platform == "darwin" else ["-s"]           # no symbol tables
C = Path("src/thalweg_io/c")
# What each module needs of the C beside it.
NEEDS = {"thalweg_io.records.framing": ["crc32c"]}


def extension(path):
    name = ".".join(path.relative_to("src").with_suffix("").parts)
    sources = [str(path), *(str(C / f"{stem}.c") for stem in NEEDS.get(name, ()))]
    return Extension(name, sources, include_dirs=[str(C)], depends=sorted(map(str, C.glob("*"))),
                     extra_compile_args=FLAGS, extra_link_args=LINK_FLAGS)


setup(ext_modules=cythonize([extension(path) for path in sorted(Path("src").rglob("*.pyx"))],
                            build_dir=f"build/cython/{KIND}", compiler_directives=DIRECTIVES))
