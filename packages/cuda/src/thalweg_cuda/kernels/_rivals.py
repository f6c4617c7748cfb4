"""The choice between a kernel of ours and those of NVIDIA's libraries (libraries/choices.py says by what)."""
import math

from thalweg.framework.dtypes import as_dtype

# attributes that change what is computed, or how exactly
_TELLING = ("strides", "padding", "explicit_paddings", "data_format", "dilations", "transpose_a", "transpose_b",
            "adj_x", "adj_y", "fused_ops", "allow_tf32")


def best(request, target, rivals, own):
    """The Work that is chosen among `rivals`, [(name, Work)] in the order of preference, and `own`."""
    if not rivals or not own.commands:
        return own
    if target.choices is None:
        return rivals[0][1]
    return target.choices.choose(key(request, _versions(rivals, target)), [*rivals, ("own", own)],
                                 _nbytes(request.in_shapes, request.in_dtypes),
                                 _nbytes(request.out_shapes, request.out_dtypes))


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
