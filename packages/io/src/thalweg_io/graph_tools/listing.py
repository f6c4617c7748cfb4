"""A graph as text: its nodes one by one, or as a tree of name scopes."""
from thalweg.framework import errors, shapes

from .summary import VARIABLES, imported, with_input_shapes

_FLOATS = frozenset((1, 2, 8, 14, 18, 19))           # float32, float64, complex64, bfloat16, complex128, float16


class ListedNode:
    """A node of a GraphDef as it stands there.

    Attributes
    ----------
    name, op : str
    shapes : list of tuple      static shapes of its outputs, as far as they are known; empty where nothing is
    parameters : int            as NodeSummary's
    """

    __slots__ = ("name", "op", "shapes", "parameters")

    def __init__(self, name, op, shapes_, parameters=0):
        self.name, self.op, self.shapes, self.parameters = name, op, shapes_, parameters


def listed_nodes(graph_def, input_shapes=None):
    """(list of ListedNode, reason): the nodes of a graph, and why shapes could not be inferred, or None.

    Shapes are those that thalweg infers; for a graph that it cannot import, those that the nodes carry.
    """
    found, reason = {}, None
    try:
        graph = imported(with_input_shapes(graph_def, input_shapes or {}))
    except errors.NotFoundError as error:
        if input_shapes and "no placeholder" in str(error):
            raise
        reason = str(error)
    except errors.OpError as error:
        reason = str(error)
    else:
        found = graph._by_name
    return [_listed(node, found.get(node.name)) for node in graph_def.node], reason


def _listed(node, op):
    if op is not None:
        known = [t._shape for t in op.outputs]
    else:
        known = [shapes.plain(shape) for shape in node.attr["_output_shapes"].list.shape] \
            if "_output_shapes" in node.attr else []
    return ListedNode(node.name, node.op, known, _parameters(node))


def _parameters(node):
    """Elements of a variable, or of a constant of floats with more than one; see NodeSummary."""
    if node.op in VARIABLES and "shape" in node.attr:
        return shapes.size_of(shapes.plain(node.attr["shape"].shape)) or 0
    tensor = node.attr["value"].tensor if node.op == "Const" and "value" in node.attr else None
    if tensor is None or tensor.dtype not in _FLOATS:
        return 0
    size = shapes.size_of(tuple(d.size for d in tensor.tensor_shape.dim))
    return size if size > 1 else 0


def node_rows(nodes):
    """[(name, op, shapes of the outputs)] as texts."""
    return [(node.name, node.op, shapes_text(node.shapes)) for node in nodes]


def shapes_text(many):
    """`(2, ?)` for each shape."""
    return " ".join(map(shapes.text, many))


def scope_tree(nodes, depth=None, width=2):
    """Lines of a tree of name scopes: each with its number of nodes, and parameters where there are any.

    Parameters
    ----------
    nodes : list of ListedNode
    depth : int             scopes below are only counted; None: down to the nodes
    """
    root: dict = {}
    for node in nodes:
        place = root
        for part in node.name.split("/"):
            place = place.setdefault(part, {})
        place[None] = node
    return list(_lines(root, 0, depth, width))


def _lines(place, level, depth, width):
    """Yields the lines below a scope; walks with a list of its own, as names may be nested deeply."""
    waiting = [(name, place[name], level) for name in reversed(_names(place))]
    while waiting:
        name, inner, at = waiting.pop()
        yield " " * (width * at) + _line(name, inner)
        if depth is None or at + 1 < depth:
            waiting += [(child, inner[child], at + 1) for child in reversed(_names(inner))]


def _names(place):
    return [name for name in place if name is not None]


def _line(name, inner):
    found = _below(inner)
    own = inner.get(None)
    parameters = sum(node.parameters or 0 for node in found)
    if len(found) == 1 and own is not None:
        return f"{name}  {own.op} {shapes_text(own.shapes)}".rstrip()
    counted = f"{name}/  {len(found)} nodes" + (f", {parameters:,} parameters" if parameters else "")
    return f"{counted}  ({own.op} {shapes_text(own.shapes)})" if own is not None else counted


def _below(place):
    """The nodes of a scope and of those below it."""
    found, waiting = [], [place]
    while waiting:
        inner = waiting.pop()
        for name, child in inner.items():
            if name is None:
                found.append(child)
            else:
                waiting.append(child)
    return found
