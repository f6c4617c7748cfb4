"""The messages of TensorFlow's files (`GraphDef`, `MetaGraphDef`, `Summary`, `Event`, ...) as protobuf classes.

They come from `formats.binpb`, the compiled form of `formats.proto`, in a descriptor pool of their own: no version
lock to generated code, and no clash with TensorFlow's own messages in one process. Made when first asked for.
"""
from .message_classes import message_class as _message_class
from .message_classes import pool

_FILE, _PACKAGE = "formats.binpb", "thalweg.formats."


def __getattr__(name):
    found = globals()[name] = _message_class(_FILE, _PACKAGE, name, __name__)
    return found


def text(message):
    """The text form of a message (`.pbtxt`), in ASCII as TensorFlow 1.x writes it."""
    from google.protobuf import text_format
    return text_format.MessageToString(message, as_utf8=False)


def parse_text(text, message):
    """Fills `message` from its text form; google.protobuf.text_format.ParseError when it is none."""
    from google.protobuf import text_format
    return text_format.Parse(text, message, descriptor_pool=pool(_FILE))


def own(message, message_class, problem):
    """`message` as our `message_class`; that of another package (TensorFlow's) is taken over.

    Raises
    ------
    TypeError       with the text `problem`, for anything else
    """
    if isinstance(message, message_class):
        return message
    if getattr(getattr(message, "DESCRIPTOR", None), "name", None) != message_class.DESCRIPTOR.name:
        raise TypeError(problem)
    return message_class.FromString(message.SerializeToString())


def _is_text(data):
    """Whether a graph's file is in text form: it begins with the name of a field, which binary ones do not."""
    start = data[:200].lstrip()
    return start[:1].isalpha() and start[:1].islower() and b"{" in start and start.isascii() and b"\x00" not in start \
        and all(byte >= 32 or byte in b"\t\r\n" for byte in start)


def read_message(path, message_class, as_text=None):
    """The message in a file, in text form where its name ends in "txt" or it looks so, else binary.

    Parameters
    ----------
    as_text : bool      which form it has; None: told by name and content

    Raises
    ------
    NotFoundError       without such a file
    DataLossError       when it holds no such message
    """
    from google.protobuf import message as protobuf
    from google.protobuf import text_format

    from thalweg.framework import errors
    try:
        with open(path, "rb") as file:
            data = file.read()
    except (FileNotFoundError, IsADirectoryError) as error:
        raise errors.NotFoundError(None, None, f"{path}: {error.strerror}; expected a file with a "
                                               f"{message_class.DESCRIPTOR.name}") from error
    if not data:
        raise errors.DataLossError(None, None, f"{path} is empty (0 bytes); expected a file with a "
                                               f"{message_class.DESCRIPTOR.name}")
    try:
        if (path.endswith("txt") or _is_text(data)) if as_text is None else as_text:
            return parse_text(data.decode(), message_class())
        return message_class.FromString(data)
    except (protobuf.DecodeError, text_format.ParseError, UnicodeDecodeError, RecursionError) as error:
        raise errors.DataLossError(None, None, f"{path} is no {message_class.DESCRIPTOR.name} (or damaged): "
                                               f"{str(error)[:300]}") from error
