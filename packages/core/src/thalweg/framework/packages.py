"""What the core asks of thalweg-io: messages of files, made where they are asked for."""
import contextlib


@contextlib.contextmanager
def needs_io(what):
    """A context for imports from thalweg_io: where it is not installed, the error says so, and what needs it."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != "thalweg_io":
            raise                                        # installed but broken: the user must see it
        raise ModuleNotFoundError(f"{what} needs the package thalweg-io: pip install thalweg-io",
                                  name="thalweg_io") from None
