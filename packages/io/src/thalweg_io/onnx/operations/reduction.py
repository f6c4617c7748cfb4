"""Reductions over axes; images with channels first are reduced as they are."""
import numpy as np

from ..exporter import channels_first_axes, converts

_REDUCTIONS = {"Sum": "ReduceSum", "Mean": "ReduceMean", "Max": "ReduceMax", "Min": "ReduceMin", "Prod": "ReduceProd"}


def form_for(c, x, axes, keepdims):
    """(whether to take images with channels first, the axes there): so that the result needs no transpose."""
    rank = c.rank(x)
    if not c.is_first(x):
        return False, list(axes)
    places = channels_first_axes(rank)
    left = [a for a in places if a not in axes]
    if keepdims or left == sorted(left):
        return True, [places.index(a) for a in axes]
    return False, list(axes)


def _axes(c, op):
    axes = c.known(op.inputs[1], "the axes").ravel()
    return sorted({c.axis(a, c.rank(op.inputs[0])) for a in axes})


def _reduced(c, op, op_type, convert=lambda c, name: name):
    x, keepdims, axes = op.inputs[0], op.attrs["keep_dims"], _axes(c, op)
    if not axes:
        return c.alias(op.outputs[0], x)
    is_first, places = form_for(c, x, axes, keepdims)
    name = convert(c, c.in_form(x, is_first))
    if op_type == "ReduceSum":
        result = c.add(op_type, [name, c.ints(places)], keepdims=int(keepdims))
    else:
        result = c.add(op_type, [name], axes=places, keepdims=int(keepdims))
    return c.set_in_form(op.outputs[0], result, is_first and keepdims)


for _op_type, _name in _REDUCTIONS.items():
    converts(_op_type)(lambda c, op, name=_name: _reduced(c, op, name))


@converts("All", "Any")
def reduce_bools(c, op):
    """ONNX reduces numbers only."""
    x, keepdims, axes = op.inputs[0], op.attrs["keep_dims"], _axes(c, op)
    if not axes:
        return c.alias(op.outputs[0], x)
    number = c.cast(c.plain(x), "int32")
    name = c.add("ReduceMin" if op.type == "All" else "ReduceMax", [number], f"{op.name}/number", axes=axes,
                 keepdims=int(keepdims))
    return c.set_plain(op.outputs[0], c.cast(name, "bool"))


@converts("L2Loss")
def l2_loss(c, op):
    total = c.add("ReduceSumSquare", [c.plain(op.inputs[0])], f"{op.name}/sum", keepdims=0)
    c.set_plain(op.outputs[0], c.add("Mul", [total, c.like(op.inputs[0], 0.5)]))


@converts("ArgMax", "ArgMin")
def arg_max(c, op):
    x = op.inputs[0]
    axis = c.axis(c.known(op.inputs[1], "the axis"), c.rank(x))
    is_first, places = form_for(c, x, [axis], False)
    name = c.add(op.type, [c.in_form(x, is_first)], axis=places[0], keepdims=0)
    wanted = op.outputs[0].dtype.base_dtype.name
    c.set_plain(op.outputs[0], name if wanted == "int64" else c.cast(name, wanted))


@converts("TopK", "TopKV2")
def top_k(c, op):
    k = c.ints([op.attrs["k"]]) if op.type == "TopK" else c.add(
        "Reshape", [c.as_int64(op.inputs[1]), c.ints([1])], f"{op.name}/k")
    values, places = c.add_many("TopK", [c.plain(op.inputs[0]), k], 2, axis=-1, largest=1, sorted=1)
    c.set_plain(op.outputs[0], values)
    c.set_plain(op.outputs[1], c.cast(places, "int32"))


@converts("Cumsum")
def cumsum(c, op):
    axis = c.constant(np.asarray(c.known(op.inputs[1], "the axis"), np.int64).reshape(()))
    c.set_plain(op.outputs[0], c.add("CumSum", [c.plain(op.inputs[0]), axis], exclusive=int(op.attrs["exclusive"]),
                                     reverse=int(op.attrs["reverse"])))
