"""Taking back what was added to a graph."""


class Mark:
    """A place in a graph's history to go back to; from it on, what else is added leaves `names` to the caller's nodes.

    Parameters
    ----------
    names : list of str     in lower case, as a graph knows them
    """

    def __init__(self, graph, names):
        self.graph, self.count = graph, len(graph._ops)
        uses = graph._names._uses
        self.reserved = [name for name in names if name not in uses]
        uses.update(dict.fromkeys(self.reserved, 1))
        self.version, self.next_id = graph._version, graph._next_id

    def undo(self):
        """Removes the operations that were added since."""
        graph = self.graph
        added = graph._ops[self.count:]
        gone = set(added)
        for tensor in {t for op in added for t in op.inputs if t.op not in gone}:
            tensor._consumers[:] = [op for op in tensor._consumers if op not in gone]
        for control in {c for op in added for c in op.control_inputs if c not in gone}:
            control._control_outputs[:] = [op for op in control._control_outputs if op not in gone]
        for name in self.reserved:
            graph._names._uses.pop(name, None)
        for op in added:
            graph._by_name.pop(op.name, None)
            graph._names._uses.pop(op.name.lower(), None)
        del graph._ops[self.count:]
        graph._version, graph._next_id = self.version, self.next_id
