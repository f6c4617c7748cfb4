"""The choice between a kernel of ours and those of NVIDIA's libraries (libraries/choices.py says by what)."""
import logging
import math

from thalweg.framework.dtypes import as_dtype
from thalweg_cuda.telling import tell_once

# attributes that change what is computed, or how exactly
_TELLING = ("strides", "padding", "explicit_paddings", "data_format", "dilations", "transpose_a", "transpose_b",
            "adj_x", "adj_y", "fused_ops", "allow_tf32")


def best(request, target, rivals, own):
    """The Work that is chosen among `rivals`, [(name, Work)] in the order of preference, and `own`."""
    if not rivals or not own.commands:
        return own
    about, choices = key(request, _versions(rivals, target)), target.choices
    chosen = rivals[0][1] if choices is None else choices.choose(
        about, [*rivals, ("own", own)], _nbytes(request.in_shapes, request.in_dtypes),
        _nbytes(request.out_shapes, request.out_dtypes))
    if chosen is own:
        return own
    name = next(name for name, work in rivals if work is chosen)
    return _unless_refused(request.op_type, about, choices, name, chosen, own)


def _unless_refused(op_type, about, choices, name, chosen, own):
    """A library's Work that makes way for our own where the library refuses the plan that it has offered."""
    library = name.split()[0]

    def otherwise(error):
        tell_once(logging.WARNING, ("refused", op_type, library), "thalweg-cuda: %s offered a plan for %s and refuses "
                  "to run it (%s); a kernel of our own runs instead", library, op_type, error)
        if choices is not None:
            choices.strike(about, name)
        return own
    return chosen._replace(workspace_bytes=max(chosen.workspace_bytes, own.workspace_bytes), otherwise=otherwise)


def no_plan(request, library, error):
    """Tells, once for an op type, that a library has nothing to offer, and why; gives its empty list of Works."""
    tell_once(logging.INFO, ("no plan", request.op_type, library), "thalweg-cuda: %s has nothing for a %s of shapes "
              "%s: %s", library, request.op_type, request.in_shapes, error)
    return []


def key(request, versions):
    """What a choice holds for: the op type, shapes, dtypes, the attributes that matter, versions of the libraries."""
    attrs = {name: request.attrs[name] for name in _TELLING if request.attrs.get(name)}
    return f"{request.op_type} {request.in_shapes} {request.out_shapes} {request.in_dtypes} {attrs} {versions}"


def _versions(rivals, target):
    """Library -> version, of those that rival: "cublaslt 2" is another algorithm in another version."""
    names = sorted({name.split()[0] for name, _ in rivals})
    return {name: target.libraries.get(name).version for name in names}


def _nbytes(shapes, dtypes):
    return tuple(math.prod(shape) * as_dtype(dtype).size for shape, dtype in zip(shapes, dtypes))
