"""The contract is thalweg_abi.h in thalweg.get_include(); Cython finds thalweg/devices/abi.pxd where thalweg is."""
from Cython.Build import cythonize
from setuptools import Extension, setup

import thalweg

setup(ext_modules=cythonize([Extension("acme_thalweg._native", ["src/acme_thalweg/_native.pyx"],
                                       include_dirs=[thalweg.get_include()])]))
