"""cuDNN's backend descriptors as objects: made, given attributes, finalized, and destroyed with the object."""
import ctypes

from .cudnn_names import constant
from .library import called, void_p

_KINDS = {                       # attribute type -> C type
    "HANDLE": ctypes.c_void_p, "DATA_TYPE": ctypes.c_int, "BOOLEAN": ctypes.c_bool, "INT64": ctypes.c_int64,
    "FLOAT": ctypes.c_float, "DOUBLE": ctypes.c_double, "VOID_PTR": ctypes.c_void_p, "CONVOLUTION_MODE": ctypes.c_int,
    "HEUR_MODE": ctypes.c_int, "NUMERICAL_NOTE": ctypes.c_int, "BACKEND_DESCRIPTOR": ctypes.c_void_p,
    "CHAR": ctypes.c_char,
}
_LONGEST_MESSAGE = 1024


def explained(library):
    """A function from a status to cuDNN's words for it, with those about the last error."""
    def explain(status):
        text = ctypes.create_string_buffer(_LONGEST_MESSAGE)
        library.cudnnGetLastErrorString(text, _LONGEST_MESSAGE)
        name = library.cudnnGetErrorString(status)
        return f"{name.decode() if name else status} {text.value.decode(errors='replace')}".strip()
    return explain


class Descriptor:
    """A backend descriptor; what it refers to lives as long as it does.

        tensor = Descriptor(library, "TENSOR", DATA_TYPE=("DATA_TYPE", constant("DATA_FLOAT")), ...)

    Attributes are written as name=(type, value or list of values), names without CUDNN_ATTR_<prefix>_.
    """

    def __init__(self, library, kind, prefix=None, **attributes):
        self.library, self.handle, self._kept = library, void_p(), []
        called(library, "cudnnBackendCreateDescriptor", constant(f"BACKEND_{kind}_DESCRIPTOR"),
               ctypes.byref(self.handle), explain=explained(library))
        self.prefix = kind if prefix is None else prefix
        for name, (attribute_type, value) in attributes.items():
            self.set(name, attribute_type, value)

    def __del__(self):
        if self.handle:
            self.library.cudnnBackendDestroyDescriptor(self.handle)

    def set(self, name, attribute_type, value):
        """Sets an attribute."""
        values = [bytes([b]) for b in value] if isinstance(value, bytes) else \
            list(value) if isinstance(value, (list, tuple)) else [value]
        if attribute_type == "BACKEND_DESCRIPTOR":
            self._kept += values
            values = [each.handle.value for each in values]
        array = (_KINDS[attribute_type] * len(values))(*values)
        called(self.library, "cudnnBackendSetAttribute", self.handle, constant(f"ATTR_{self.prefix}_{name}"),
               constant(f"TYPE_{attribute_type}"), len(values), array, explain=explained(self.library))

    def finalize(self):
        """Checks and seals it; gives itself."""
        called(self.library, "cudnnBackendFinalize", self.handle, explain=explained(self.library))
        return self

    def get(self, name, attribute_type, most=1):
        """Up to `most` values of an attribute, as a list."""
        array, count = (_KINDS[attribute_type] * most)(), ctypes.c_int64()
        called(self.library, "cudnnBackendGetAttribute", self.handle, constant(f"ATTR_{self.prefix}_{name}"),
               constant(f"TYPE_{attribute_type}"), most, ctypes.byref(count), array, explain=explained(self.library))
        return list(array)[:count.value]

    def get_descriptors(self, name, into):
        """Fills descriptors of the right kind, as many of them as there are; they keep this one."""
        array, count = (ctypes.c_void_p * len(into))(*[each.handle.value for each in into]), ctypes.c_int64()
        called(self.library, "cudnnBackendGetAttribute", self.handle, constant(f"ATTR_{self.prefix}_{name}"),
               constant("TYPE_BACKEND_DESCRIPTOR"), len(into), ctypes.byref(count), array,
               explain=explained(self.library))
        for each in into[:count.value]:
            each._kept.append(self)
        return into[:count.value]
