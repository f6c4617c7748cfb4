"""What a graph asks of a checkpoint that does not have it: said when a restore has failed."""
import difflib

from thalweg.framework import errors, shapes
from thalweg.framework.constant_value import constant_value

from .checkpoint_reader import open_checkpoint

_MOST = 5                     # differences that are spelled out; a renamed scope would fill the screen


def explained(error, graph, restore_name, path):
    """`error` of a failed restore with the variables named that differ, both shapes or dtypes, and what to try."""
    try:
        found = _differences(graph, restore_name, path)
    except errors.OpError:                                # a checkpoint that cannot be read has its own error
        found = []
    lacks = isinstance(error, errors.NotFoundError)
    cause = ("a variable, or another key of the graph, that the checkpoint lacks" if lacks else
             "a difference between the graph and the one that was saved")
    lines = [f"Restoring from checkpoint failed. The likely cause is {cause}.", f"  got       checkpoint {path}"]
    lines += [f"  differs   {text}" for text in found[:_MOST]]
    if len(found) > _MOST:
        lines.append(f"  differs   ... and {len(found) - _MOST} more")
    lines += ["  try       tf.train.list_variables(path), which tells what it holds; tf.train.Saver({name there:",
              "            variable}) restores under other names, or only a part"]
    return type(error)(error.node_def, error.op, "\n".join(lines) + f"\nOriginal error:\n\n{error.message}")


def _differences(graph, restore_name, path):
    """A line for each variable that the restore op sets and the checkpoint does not hold as it is in the graph."""
    found = []
    with open_checkpoint(path) as bundle:
        names = bundle.names()
        for variable, name, is_reshaped in sorted(_restored(graph.get_operation_by_name(restore_name)),
                                                  key=lambda item: item[1]):
            text = _difference(bundle, names, variable, name, is_reshaped)
            if text:
                found.append(text)
    return found


def _restored(restore):
    """(variable, name in the checkpoint, whether it is reshaped) of each assignment behind the operation `restore`."""
    stack, seen = [restore], set()
    while stack:
        op = stack.pop()
        if op in seen:
            continue
        seen.add(op)
        stack.extend(op.control_inputs)
        if op.type != "Assign":
            continue
        value, is_reshaped = op.inputs[1], False
        while value.op.type in ("Identity", "Reshape"):
            is_reshaped = is_reshaped or value.op.type == "Reshape"
            value = value.op.inputs[0]
        if value.op.type == "RestoreV2":
            names, slices = (constant_value(value.op.inputs[k]) for k in (1, 2))
            if names is not None and slices is not None and not slices[value.value_index]:
                yield op.inputs[0], names[value.value_index].decode("utf-8", "surrogateescape"), is_reshaped


def _difference(bundle, names, variable, name, is_reshaped):
    if name not in bundle:
        return f"{name} is not in the checkpoint{_near(name, names)}"
    dtype, shape = bundle.dtype(name), bundle.shape(name)
    if dtype != variable.dtype.base_dtype:
        return f"{name} is {variable.dtype.base_dtype.name} in the graph, {dtype.name} in the checkpoint"
    mine = shapes.plain(variable.get_shape())
    if shapes.compatible(mine, shape) or is_reshaped and shapes.size_of(mine) in (None, shapes.size_of(shape)):
        return None
    return f"{name} has shape {shapes.text(mine)} in the graph, {shapes.text(shape)} in the checkpoint"


def _near(name, names):
    """Names that end alike, as those of another scope do, or are spelled nearly so."""
    last = name.rpartition("/")[2]
    alike = [n for n in names if n.rpartition("/")[2] == last]
    near = dict.fromkeys([*difflib.get_close_matches(name, alike, cutoff=0), *difflib.get_close_matches(name, names)])
    return f", which has {', '.join(list(near)[:3])}" if near else ""
