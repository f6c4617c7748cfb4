"""What both libraries share: functions with their types, status codes as exceptions, and opening them."""
import ctypes
import logging
import threading

from thalweg_cuda.shared_library import NotInstalled
from thalweg_cuda.telling import tell_once

MOST_PLANS = 256                         # sets of plans that a library keeps for shapes that may come again


class LibraryError(Exception):
    """A library that is not there, does not open, or refuses; the text names the function and says why."""


def bind(library, functions):
    """Gives a ctypes.CDLL's functions their types, {name: (result, *parameters)}; LibraryError if one is missing."""
    for name, (result, *parameters) in functions.items():
        try:
            function = getattr(library, name)
        except AttributeError:
            raise LibraryError(f"{library._name} has no function {name}; another version is needed") from None
        function.restype, function.argtypes = result, parameters


def called(library, name, *args, explain):
    """Calls a function that gives a status; LibraryError with `explain(status)` where it is not 0."""
    status = getattr(library, name)(*args)
    if status:
        raise LibraryError(f"{name}: {explain(status)}")


def void_p(value=0):
    """A pointer that a library fills in, or an address as one."""
    return ctypes.c_void_p(value)


class Libraries:
    """The libraries of one card, each opened when it is first asked for.

    Parameters
    ----------
    context : context manager   makes the card's context current, in which handles are made
    workspace_limit : int       bytes that plans may ask for

    Attributes
    ----------
    reasons : dict              name -> why it is not there, of those that have been asked for
    """

    def __init__(self, context, workspace_limit=1 << 30):
        self._context, self._limit, self._opened, self._lock = context, workspace_limit, {}, threading.Lock()
        self.reasons = {}

    def get(self, name):
        """CublasLt for "cublaslt", Cudnn for "cudnn"; None where it cannot be opened, which is logged once."""
        with self._lock:
            if name not in self._opened and name not in self.reasons:
                try:
                    with self._context:
                        self._opened[name] = _kind(name).open(self._limit)
                except NotInstalled as error:
                    self._goes_without(name, error, logging.INFO)
                except (LibraryError, OSError) as error:
                    self._goes_without(name, error, logging.WARNING)
            return self._opened.get(name)

    def _goes_without(self, name, error, level):
        self.reasons[name] = str(error)
        tell_once(level, ("library", name), "thalweg-cuda goes without %s: %s", name, error)

    def items(self):
        """(name, library) of those that are open."""
        return self._opened.items()

    def close(self):
        """Destroys the handles; the context is current."""
        for library in self._opened.values():
            library.close()
        self._opened.clear()


def _kind(name):
    """Imported late: both modules use this one."""
    from .cublaslt import CublasLt
    from .cudnn import Cudnn
    return {"cublaslt": CublasLt, "cudnn": Cudnn}[name]
