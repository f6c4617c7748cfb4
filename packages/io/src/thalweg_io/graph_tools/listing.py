"""A graph as text: its nodes one by one, or as a tree of name scopes."""
from thalweg.framework import shapes


def node_rows(nodes):
    """[(name, op, shapes of the outputs)] as texts, of NodeSummary or of operations."""
    return [(node.name, node.op, shapes_text(node.shapes)) for node in nodes]


def shapes_text(many):
    """`(2, ?)` for each shape."""
    return " ".join(map(shapes.text, many))


def scope_tree(nodes, depth=None, width=2):
    """Lines of a tree of name scopes: each with its number of nodes, and parameters where there are any.

    Parameters
    ----------
    nodes : list of NodeSummary
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
