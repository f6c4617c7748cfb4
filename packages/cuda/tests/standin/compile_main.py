"""compiler.main for a process of its own, which the stand-in NVRTC starts."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from standin import compiler

sys.exit(compiler.main(sys.argv[1:]))
