"""Makes the device EMULATED known. `emulation` and `standin` lie beside this file and are never installed.

What the device CUDA compiles here is kept beside what the emulator does, apart from its user's, unless THALWEG_CACHE
names a folder.
"""
import importlib.util
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

if importlib.util.find_spec("thalweg_cuda") is None:
    collect_ignore_glob = ["*"]          # an environment of the other packages
else:
    from emulation import emulated
    from standin import compiler

    from thalweg_cuda import telling

    if "THALWEG_CACHE" not in os.environ:
        os.environ["THALWEG_CACHE"] = str(compiler.cache() / "thalweg")
    emulated.register()

    @pytest.fixture(autouse=True)
    def nothing_told():
        """What is told once in a process is told in each test."""
        telling.forget()
