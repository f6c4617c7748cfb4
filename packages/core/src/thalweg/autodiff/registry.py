"""Gradients that a program registers under a name, and how an operation's gradient rule is found."""
from thalweg.framework.declaration import REGISTRY, NodeView
from thalweg.framework.naming import user_frame

_REGISTERED: dict = {}                   # name -> (function or None, Frame)


class RegisterGradient:
    """Decorator: registers `f(op, *grads)` under a name, as `tf.RegisterGradient`.

    The name is an op type that has no gradient, or any name that `Graph.gradient_override_map` puts on ops.
    `f` gets the Operation and one gradient per output, and gives one gradient per input, or None.
    """

    def __init__(self, op_type):
        if not isinstance(op_type, str):
            raise TypeError("op_type must be a string")
        self._op_type = op_type

    def __call__(self, f):
        _register(self._op_type, f)
        return f


def no_gradient(op_type):
    """States that op type `op_type` has no gradient: None comes out where one is asked for."""
    if not isinstance(op_type, str):
        raise TypeError("op_type must be a string")
    _register(op_type, None)


def _register(name, function):
    declared = REGISTRY.get(name)
    if name in _REGISTERED:
        raise KeyError(f"Registering two gradient with name '{name}'! (Previous registration was in "
                       f"{_REGISTERED[name][1]})")
    if declared is not None and declared.has_gradient:
        raise KeyError(f"Registering two gradient with name '{name}'! (The op's own is in {declared.__module__}; "
                       "to replace it for some ops, register another name and use Graph.gradient_override_map.)")
    _REGISTERED[name] = function, user_frame()


def gradient_function(op):
    """`f(*output_gradients)` for an operation, or None where it is not differentiable.

    Raises LookupError where nobody has said what the gradient is.
    """
    name = op.attrs.get("_gradient_op_type") or op.type
    found = _REGISTERED.get(name)
    if found is not None:
        rule = found[0]
        return None if rule is None else lambda *dys: rule(op, *dys)
    if name != op.type:
        raise LookupError(_missing(op, f"no gradient is registered under the name '{name}', which "
                                       "gradient_override_map put on it"))
    declaration = op.declaration
    if declaration.gradient_rule is not None:
        return lambda *dys: declaration.gradient_rule(NodeView(op), *dys)
    if declaration.refuses_gradient:
        raise LookupError(_missing(op, declaration.no_gradient_reason))
    return None


def _missing(op, reason):
    place = "" if op.frame is None else f"\n  built at  {op.frame}"
    return (f"No gradient defined for operation '{op.name}' (op type: {op.type}): {reason}{place}\n"
            "  try       tf.stop_gradient where the gradient is not needed, or tf.RegisterGradient")
