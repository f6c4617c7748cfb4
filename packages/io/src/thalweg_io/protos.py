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


def read_message(path, message_class, as_text=None):
    """The message in a file, in text form where its name ends in "txt" (or `as_text` says so), else binary.

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
    try:
        if path.endswith("txt") if as_text is None else as_text:
            return parse_text(data.decode(), message_class())
        return message_class.FromString(data)
    except (protobuf.DecodeError, text_format.ParseError, UnicodeDecodeError, RecursionError) as error:
        raise errors.DataLossError(None, None, f"{path} is no {message_class.DESCRIPTOR.name} (or damaged): "
                                               f"{str(error)[:300]}") from error
