"""The messages of TensorFlow's files (`GraphDef`, `MetaGraphDef`, `Summary`, `Event`, ...) as protobuf classes.

They come from `formats.binpb`, the compiled form of `formats.proto`, in a descriptor pool of their own: no version
lock to generated code, and no clash with TensorFlow's own messages in one process. Made when first asked for.
"""
import functools
import importlib.resources

_PACKAGE = "thalweg.formats."


@functools.cache
def _pool():
    from google.protobuf import descriptor_pb2, descriptor_pool
    data = importlib.resources.files(__package__).joinpath("formats.binpb").read_bytes()
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(data).file:
        pool.AddSerializedFile(file.SerializeToString())
    return pool


def __getattr__(name):
    from google.protobuf import message_factory
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        descriptor = _pool().FindMessageTypeByName(_PACKAGE + name)
    except KeyError:
        raise AttributeError(f"there is no message {name!r} in thalweg_io/formats.proto") from None
    found = globals()[name] = message_factory.GetMessageClass(descriptor)
    found.__module__ = __name__
    return found


def text(message):
    """The text form of a message (`.pbtxt`), in ASCII as TensorFlow 1.x writes it."""
    from google.protobuf import text_format
    return text_format.MessageToString(message, as_utf8=False)


def parse_text(text, message):
    """Fills `message` from its text form; google.protobuf.text_format.ParseError when it is none."""
    from google.protobuf import text_format
    return text_format.Parse(text, message, descriptor_pool=_pool())
