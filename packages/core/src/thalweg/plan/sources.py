"""The ops of a run that bring values from outside of the graph, as `IteratorGetNext` does.

The engine takes their values before it looks for a plan and feeds them, so that the plan knows their shapes: a batch
whose size the graph leaves open costs no more than one that is fed.
"""
from .prune import needed_ops


def sources(elements, fed):
    """The source ops that a run of `elements` needs, given that the tensors `fed` are fed.

    Left out are those whose outputs are all that is asked for, and those that must come after an op with an effect:
    they run where they stand in the plan.
    """
    fed = set(fed)
    found = [op for op in needed_ops(elements, fed) if op.declaration.is_source and fed.isdisjoint(op.outputs)]
    outputs = {t for op in found for t in op.outputs}
    if all(element in outputs for element in elements):
        return ()
    return tuple([op for op in found if not any(map(_has_effect, needed_ops([*op.inputs, *op.control_inputs], fed)))])


def _has_effect(op):
    return op.declaration.is_stateful or any(op.declaration.wants_ref)
