"""Compiles sources in threads of its own, each once; so that the kernels of a plan are compiled side by side."""
import os
import threading
from concurrent.futures import ThreadPoolExecutor

from thalweg_cuda.recent import Recent

from .images import Images, default_folder, key_of
from .nvrtc import CompileError

_MOST_THREADS = 8
_MOST_IMAGES = 1024                      # kept in memory, some 20 KB each; others are read from disk, or made again


class Compiler:
    """Images of sources, for the architectures of the cards that ask.

    Parameters
    ----------
    nvrtc : Nvrtc
    images : Images         what has been compiled before
    threads : int           that compile at once; default: the processors, at most 8

    Attributes
    ----------
    n_compiled, n_read : int    sources that were compiled, that were found on disk
    """

    def __init__(self, nvrtc, images=None, threads=None):
        self.nvrtc = nvrtc
        self._images = Images(default_folder()) if images is None else images
        self._futures, self._lock = Recent(_MOST_IMAGES), threading.Lock()
        self._threads, self._pool = threads or min(_MOST_THREADS, os.cpu_count() or 1), None
        self.n_compiled = self.n_read = 0

    def submit(self, source, capability):
        """A Future of the image of a Source for a card; the same one for the same source, unless many came between.

        Its result may be CompileError.
        """
        architecture = self.nvrtc.architecture(capability)
        key = key_of(source, architecture, self.nvrtc.build)
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="thalweg-cuda-compiler")
            return self._futures.get(key, lambda: self._pool.submit(self._image, source, architecture, key))

    def _image(self, source, architecture, key):
        image = self._images.read(key)
        if image is not None:
            self.n_read += 1
            return image
        try:
            image = self.nvrtc.compile(source.text, source.options, architecture)
        except CompileError as error:
            raise CompileError(f"a kernel's source does not compile for {architecture}; this is a fault of "
                               f"thalweg-cuda:\n{error}") from None
        self.n_compiled += 1
        self._images.write(key, image)
        return image
