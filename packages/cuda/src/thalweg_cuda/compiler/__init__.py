"""From a source to an image for a card: NVRTC, and the images that have been made before. Knows no driver.

    compiler = Compiler(Nvrtc.load())
    image = compiler.submit(source, (9, 0)).result()         # bytes for the driver's module loader
"""
from .compiler import Compiler
from .nvrtc import CompileError, Nvrtc

__all__ = ["CompileError", "Compiler", "Nvrtc"]
