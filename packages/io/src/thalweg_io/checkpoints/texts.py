"""Names and strings between text, bytes and arrays: names in files are UTF-8, or whatever bytes they are."""
from thalweg.framework import errors


def key_of(name):
    """The bytes of a name, as files have them."""
    return name.encode("utf-8", "surrogateescape")


def text_of(key):
    """The name for the bytes of a file, or for an array that holds them."""
    return (key if isinstance(key, bytes) else key.item()).decode("utf-8", "surrogateescape")


def texts_of(array):
    """The list of names in an array."""
    return list(map(text_of, array.ravel().tolist()))


def string_of(item):
    """An element of a string tensor as bytes.

    Raises
    ------
    InvalidArgumentError        for what is no string
    """
    if isinstance(item, str):
        return item.encode()
    if not isinstance(item, bytes):
        raise errors.InvalidArgumentError(None, None, f"a string tensor holds {type(item).__name__} {item!r}")
    return item
