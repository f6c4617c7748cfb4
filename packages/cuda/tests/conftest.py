"""Makes the device EMULATED known. `emulation` and `standin` lie beside this file and are never installed.

What the device CUDA compiles here is kept beside what the emulator does, apart from its user's.
"""
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from emulation import emulated
from standin import compiler

os.environ["THALWEG_CACHE"] = str(compiler.cache() / "thalweg")
emulated.register()
