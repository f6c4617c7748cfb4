"""What `inspect.signature` and editors see of an op: its inputs, attributes and name, as calling takes them."""
import inspect

_EITHER, _KEYWORD = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
_NOTHING = inspect.Parameter.empty


class CallSignature:
    """The attribute `__signature__` of op declarations, made when it is asked for."""

    def __get__(self, op, owner):
        if op is None:
            raise AttributeError("__signature__")        # the class itself has the signature of its constructor
        return call_signature(op)


def call_signature(op):
    """The inspect.Signature with which an op's builder may be called: types of elements by keyword only."""
    parameters = [inspect.Parameter(name, _EITHER) for name in op._input_names]
    kind = _EITHER
    for attribute in op.attributes.values():
        if attribute.type != "type":
            if attribute.is_required and parameters and parameters[-1].default is not _NOTHING:
                kind = _KEYWORD                          # nothing without a default may follow one with it
            parameters.append(inspect.Parameter(attribute.name, kind, default=_default(attribute)))
    parameters.append(inspect.Parameter("name", kind, default=None))
    types = [a for a in op.attributes.values() if a.type == "type"]
    return inspect.Signature(parameters + [inspect.Parameter(a.name, _KEYWORD, default=_default(a)) for a in types])


def _default(attribute):
    return _NOTHING if attribute.is_required else attribute.default
