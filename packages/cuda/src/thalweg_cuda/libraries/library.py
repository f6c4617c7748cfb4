"""What both libraries share: functions with their types, status codes as exceptions, and opening all there are."""
import ctypes


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


def open_libraries(workspace_limit=1 << 30):
    """({"cublaslt": CublasLt, "cudnn": Cudnn}, as far as they open; {name: why} of those that do not).

    The card's context is current: handles are made in it. `workspace_limit` bytes bound what plans may ask for.
    """
    from .cublaslt import CublasLt
    from .cudnn import Cudnn
    found, reasons = {}, {}
    for name, kind in ("cublaslt", CublasLt), ("cudnn", Cudnn):
        try:
            found[name] = kind.open(workspace_limit)
        except (LibraryError, OSError) as error:
            reasons[name] = str(error)
    return found, reasons
