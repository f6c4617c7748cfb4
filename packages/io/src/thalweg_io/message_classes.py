"""protobuf classes from compiled `.proto` files of this package, each file in a descriptor pool of its own."""
import functools
import importlib.resources


@functools.cache
def pool(file):
    """The descriptor pool of a `.binpb` file beside this module."""
    from google.protobuf import descriptor_pb2, descriptor_pool
    data = importlib.resources.files(__package__).joinpath(file).read_bytes()
    made = descriptor_pool.DescriptorPool()
    for part in descriptor_pb2.FileDescriptorSet.FromString(data).file:
        made.AddSerializedFile(part.SerializeToString())
    return made


def message_class(file, package, name, module):
    """The class of message `package + name`, for the `__getattr__` of `module`.

    Raises
    ------
    AttributeError      if there is no such message
    """
    from google.protobuf import message_factory
    if name.startswith("_"):
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    try:
        descriptor = pool(file).FindMessageTypeByName(package + name)
    except KeyError:
        source = file.replace(".binpb", ".proto")
        raise AttributeError(f"there is no message {name!r} in thalweg_io/{source}") from None
    found = message_factory.GetMessageClass(descriptor)
    found.__module__ = module
    return found
