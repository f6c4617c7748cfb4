"""What is known of a tensor's value while the graph is built: shape rules ask here for axes, sizes, permutations."""
from . import shapes

_LIMIT = 1024                             # elements; larger results are not computed while building
_DEPTH = 16


def constant_value(tensor, depth=_DEPTH):
    """The value of `tensor` as an array if it follows from constants and static shapes, else None."""
    op = tensor.op
    kind = op.type
    if kind == "Const":
        return op.attrs["value"]
    if kind in ("Shape", "Size", "Rank", "ShapeN"):
        return _of_shape(op, tensor.value_index)
    declaration = op.declaration
    if declaration.is_stateful or depth == 0 or not op.inputs or any(declaration.wants_ref):
        return None
    if kind == "PlaceholderWithDefault":          # its input is a constant, but a run may feed something else
        return None
    size = shapes.size_of(tensor._shape)
    if size is None or size > _LIMIT or tensor.dtype.base_dtype.kind in "vr":
        return None
    values = []
    for source in op.inputs:
        value = constant_value(source, depth - 1)
        if value is None:
            return None
        values.append(value)
    return declaration.reference(values, op.attrs)[tensor.value_index]


def _of_shape(op, index):
    import numpy as np
    shape = op.inputs[index]._shape
    if op.type == "Rank":
        return None if shape is None else np.array(len(shape), np.int32)
    if not shapes.is_known(shape):
        return None
    dtype = op.attrs["out_type"].np
    return np.array(shapes.size_of(shape), dtype) if op.type == "Size" else np.array(shape, dtype)


def constant_value_as_shape(tensor):
    """The shape that an integer vector describes, with None where an element is not known: a plain shape."""
    value = constant_value(tensor)
    if value is not None:
        return tuple([None if d == -1 else int(d) for d in value.ravel()])
    op = tensor.op
    if op.type == "Shape":
        return op.inputs[0]._shape
    if op.type == "Pack":
        parts = [constant_value(t) for t in op.inputs]
        return tuple([None if p is None or p == -1 else int(p) for p in parts])
    if op.type == "ConcatV2":
        parts = [constant_value_as_shape(t) for t in op.inputs[:-1]]
        return None if None in parts else sum(parts, ())
    if op.type in ("Cast", "Identity"):
        return constant_value_as_shape(op.inputs[0])
    if op.type == "StridedSlice":
        return _sliced_shape(op)
    known = tensor._shape
    return None if not shapes.is_known(known) or len(known) != 1 else (None,) * known[0]


def _sliced_shape(op):
    whole = constant_value_as_shape(op.inputs[0])
    begin, end, strides = (constant_value(t) for t in op.inputs[1:])
    masks = [op.attrs[m] for m in ("ellipsis_mask", "new_axis_mask", "shrink_axis_mask")]
    if whole is None or any(v is None or v.size != 1 for v in (begin, end, strides)) or any(masks):
        known = op.outputs[0]._shape
        return None if not shapes.is_known(known) or len(known) != 1 else (None,) * known[0]
    first = None if op.attrs["begin_mask"] & 1 else int(begin[0])
    last = None if op.attrs["end_mask"] & 1 else int(end[0])
    return whole[first:last:int(strides[0])]
