"""The values of a graph's variables straight from a checkpoint: no session, nothing runs."""
import difflib

from thalweg.framework import errors

from ..checkpoints.reader import open_checkpoint
from ..checkpoints.tensor_slice import parse_spec
from ..element_types import STRING
from ..tensor_proto import make_ndarray
from .node_map import data_inputs, nodes_by_name, output_of

_ASSIGN = ("Assign", "AssignVariableOp")
_BETWEEN = ("Identity", "Reshape", "Cast")             # what a saver puts between reading and assigning


def values_from_checkpoint(graph_def, prefix):
    """For `variables_to_constants`: a function that reads variables' values from the checkpoint `prefix`.

    A variable's name there is what the graph's saver restores it from; without a saver, its own.
    """
    places = restored_from(graph_def)

    def values_of(variables):
        with open_checkpoint(prefix) as checkpoint:
            return [_value(checkpoint, prefix, node.name, places.get(node.name, ())) for node in variables]
    return values_of


def _value(checkpoint, prefix, name, places):
    for key, spec in [*places, (name, "")]:
        if key in checkpoint:
            return checkpoint.read(key, parse_spec(spec)[1])
    near = difflib.get_close_matches(name, list(checkpoint.names()), 3, 0.5)
    tried = ", ".join(dict.fromkeys([key for key, _ in places] + [name]))
    raise errors.NotFoundError(None, None, f"checkpoint {prefix} has no value for the variable {name} (looked for "
                                           f"{tried})" + (f"; near are {', '.join(near)}" if near else ""))


def restored_from(graph_def):
    """{variable: [(name in a checkpoint, slice)]} by the Restore nodes of the graph's savers."""
    nodes = nodes_by_name(graph_def)
    found: dict = {}
    for node in graph_def.node:
        if node.op in _ASSIGN and len(data_inputs(node)) == 2:
            variable, value = (output_of(text) for text in data_inputs(node))
            place = _place(nodes, *value)
            if place is not None:
                found.setdefault(variable[0], []).append(place)
    return found


def _place(nodes, name, index):
    """(name in the checkpoint, slice) of what is assigned, or None if no checkpoint gives it."""
    node = nodes[name]
    for _ in range(len(_BETWEEN)):
        if node.op in _BETWEEN and data_inputs(node):
            name, index = output_of(data_inputs(node)[0])
            node = nodes[name]
    if node.op not in ("RestoreV2", "RestoreSlice", "Restore"):
        return None
    texts = [_strings(nodes[output_of(text)[0]]) for text in data_inputs(node)[1:]]
    if None in texts or not texts or any(index >= len(part) for part in texts):
        return None
    return texts[0][index], texts[1][index] if len(texts) > 1 else ""


def _strings(node):
    """The texts of a constant; None of another node."""
    if node.op != "Const" or node.attr["value"].tensor.dtype != STRING:
        return None
    return [item.decode("utf-8", "surrogateescape")
            for item in make_ndarray(node.attr["value"].tensor, node.name).ravel().tolist()]
