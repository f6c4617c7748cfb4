"""In which order the nodes of a graph can be made: each after its inputs, else as in the file."""
import heapq

from .node_attributes import invalid


def parse_input(text):
    """(node, output) of an input "node" or "node:k"; output -1 for a control input "^node"."""
    if text[:1] == "^":
        return text[1:], -1
    name, colon, index = text.rpartition(":")
    if colon and index.isdecimal() and len(index) < 10:
        return name, int(index)
    return text, 0


def parsed_inputs(node, reference=parse_input):
    """The (node, output) pairs of a NodeDef's inputs; control inputs must be the last."""
    found = [reference(text) for text in node.input]
    seen_control = False
    for _, index in found:
        if index == -1:
            seen_control = True
        elif seen_control:
            raise invalid(node.name, "Control dependencies must come after regular dependencies")
    return found


def ordered(nodes, inputs, given):
    """The indices of `nodes` such that each comes after what it takes, the smallest possible index first.

    Parameters
    ----------
    nodes : list of NodeDef
    inputs : list of lists of (name, output)
    given : the (name, output) that come from elsewhere

    Raises
    ------
    InvalidArgumentError    for an input that no node gives, for a name that occurs twice, and for cycles
    """
    numbers: dict = {}
    for i, node in enumerate(nodes):
        if numbers.setdefault(node.name, i) != i:
            raise invalid(node.name, f"Node '{node.name}' is not unique")
    takers: list = [[] for _ in nodes]
    missing = [0] * len(nodes)
    for i, pairs in enumerate(inputs):
        for name, output in pairs:
            if (name, output) in given:
                continue
            source = numbers.get(name)
            if source is None:
                text = "^" * (output < 0) + name + f":{output}" * (output > 0)
                raise invalid(nodes[i].name, f"Unknown input node '{text}'")
            takers[source].append(i)
            missing[i] += 1
    ready = [i for i, count in enumerate(missing) if not count]
    order = []
    while ready:
        i = heapq.heappop(ready)
        order.append(i)
        for taker in takers[i]:
            missing[taker] -= 1
            if not missing[taker]:
                heapq.heappush(ready, taker)
    if len(order) < len(nodes):
        raise _cycle(nodes, missing, order)
    return order


def _cycle(nodes, missing, order):
    done = set(order)
    left = [node.name for i, node in enumerate(nodes) if i not in done and missing[i]]
    return invalid(left[0], f"{len(left)} nodes in a cycle: {', '.join(left[:5])}{', ...' * (len(left) > 5)}")
