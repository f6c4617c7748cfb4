"""What gradient rules of many families share; it imports no family, so that all may import it."""
from thalweg.framework.declaration import declaration_of


def conjugated(x):
    """The conjugate of a complex tensor, a real tensor as it is: what a gradient is multiplied by."""
    return declaration_of("Conj")(x) if x.dtype.is_complex else x


def is_zero(dy):
    """Whether a gradient is known to be nothing but zeros: what the engine gives for an output that nobody uses."""
    op = dy.op
    if op.type == "Fill":
        op = op.inputs[1].op
    return op.type == "ZerosLike" or op.type == "Const" and not op.attrs["value"].any()
