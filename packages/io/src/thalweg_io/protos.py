"""The messages of TensorFlow's files (`GraphDef`, `MetaGraphDef`, `Summary`, `Event`, ...) as protobuf classes.

They come from `formats.binpb`, the compiled form of `formats.proto`, in a descriptor pool of their own: no version
lock to generated code, and no clash with TensorFlow's own messages in one process. Made when first asked for.
"""
from .message_classes import message_class, pool

_FILE, _PACKAGE = "formats.binpb", "thalweg.formats."


def __getattr__(name):
    found = globals()[name] = message_class(_FILE, _PACKAGE, name, __name__)
    return found


def text(message):
    """The text form of a message (`.pbtxt`), in ASCII as TensorFlow 1.x writes it."""
    from google.protobuf import text_format
    return text_format.MessageToString(message, as_utf8=False)


def parse_text(text, message):
    """Fills `message` from its text form; google.protobuf.text_format.ParseError when it is none."""
    from google.protobuf import text_format
    return text_format.Parse(text, message, descriptor_pool=pool(_FILE))
