"""Variables to constants: a graph that needs no checkpoint beside it."""
import logging

import numpy as np

from thalweg.framework import errors

from ..graphs.control_flow.lowering import lowered
from ..tensor_proto import tensor_proto
from .frozen_nodes import FrozenNodes
from .node_map import check_are_names, check_is_graph_def, data_inputs, like, output_of
from .sub_graph import extract_sub_graph

logger = logging.getLogger("thalweg.io")

VARIABLES = ("Variable", "VariableV2", "VarHandleOp")


def convert_variables_to_constants(sess, input_graph_def, output_node_names, variable_names_whitelist=None,
                                   variable_names_blacklist=None):
    """What `output_node_names` need of a graph, its variables replaced by constants of their values in `sess`.

    Branches and loops are written as TensorFlow 1.x's tools expect them, with Switch, Merge and Enter; variables in
    them are replaced as well.

    Parameters
    ----------
    sess : Session                          holds the values
    input_graph_def : GraphDef              of the session's graph
    output_node_names : list of str         names of nodes, without `:0`
    variable_names_whitelist : names of the variables to replace; None: all
    variable_names_blacklist : names of variables to leave as they are

    Returns
    -------
    GraphDef

    Raises
    ------
    FailedPreconditionError     if a variable has no value
    InvalidArgumentError        if the result would need a node that changes a variable
    """
    if not hasattr(sess, "run"):
        raise TypeError(f"sess must be a Session, which has the variables' values, not {sess!r}")

    def values_of(variables):
        return sess.run([_reading(sess.graph, input_graph_def, variable) for variable in variables])
    return lowered(variables_to_constants(input_graph_def, output_node_names, values_of, variable_names_whitelist,
                                          variable_names_blacklist))


def variables_to_constants(graph_def, output_node_names, values_of, whitelist=None, blacklist=None):
    """As `convert_variables_to_constants`, with values from anywhere.

    Parameters
    ----------
    values_of : callable (list of NodeDef of variables) -> list of ndarray
    """
    check_is_graph_def(graph_def, "convert_variables_to_constants")
    check_are_names(output_node_names, "dest_nodes")
    part = extract_sub_graph(graph_def, output_node_names)
    variables = [node for node in part.node if node.op in VARIABLES and _is_chosen(node.name, whitelist, blacklist)]
    values = dict(zip([v.name for v in variables], values_of(variables))) if variables else {}
    frozen = FrozenNodes(part.library)
    nodes = frozen.of_graph(part, {v.name: _constant(v, values[v.name]) for v in variables})
    logger.info("Froze %d variables.", len(variables))
    result = like(part, nodes)
    if frozen.library.function:
        result.library.CopyFrom(frozen.library)
    return result


def _is_chosen(name, whitelist, blacklist):
    return (whitelist is None or name in whitelist) and (blacklist is None or name not in blacklist)


def _constant(variable, value):
    """The Const in a variable's place."""
    node = type(variable)(name=variable.name, op="Const", device=variable.device)
    number = variable.attr["dtype"].type
    node.attr["dtype"].type = number
    node.attr["value"].tensor.CopyFrom(tensor_proto(np.asarray(value)))
    if node.attr["value"].tensor.dtype != number:
        raise errors.InvalidArgumentError(None, None, f"the value of variable {variable.name} is a "
                                                      f"{np.asarray(value).dtype}, not what the variable holds")
    return node


def _reading(graph, graph_def, variable):
    """The name of a tensor that gives a variable's value."""
    own = graph._by_name.get(variable.name)
    if variable.op != "VarHandleOp" or own is not None and own.type != "VarHandleOp":    # imported as a buffer
        return f"{variable.name}:0"
    usual = f"{variable.name}/Read/ReadVariableOp"
    readers = [usual, *[node.name for node in graph_def.node if node.op == "ReadVariableOp"
                        and output_of(data_inputs(node)[0])[0] == variable.name]]
    for name in readers:
        try:
            return graph.get_operation_by_name(name).outputs[0].name
        except KeyError:
            continue
    raise errors.NotFoundError(None, None, f"nothing in the graph reads the resource variable {variable.name}: there "
                                           f"is no {usual} and no other ReadVariableOp of it")
