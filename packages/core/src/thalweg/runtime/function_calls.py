"""How the engine runs a function graph: as a fetch of its outputs, fed with its inputs."""


def function_signature(graph):
    """(elements, fed) for `Engine.run`; variables that the graph captures are found by name, not fed."""
    return tuple(graph.outputs), tuple([t for t in graph.inputs if t.op.type == "Placeholder"])
