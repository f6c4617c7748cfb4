"""The contexts that TensorFlow 1.x keeps beside a lowered graph: which node is in which branch or loop.

A Context knows how a value from around it comes in: through a Switch into a branch, through an Enter into a loop. As
messages (CondContextDef, WhileContextDef, in the collections `cond_context` and `while_context`) they let TensorFlow
1.x take gradients of what it imports.
"""


class Context:
    """A branch or a loop under construction; the graph around all of them is a Context without parent.

    Attributes
    ----------
    parent : Context or None
    message : CondContextDef or WhileContextDef
    pivot : str             the node that nodes without inputs wait for, to be in here
    bring_in : callable (Context, tensor, dtype, is_ref) -> tensor      makes the Switch or Enter
    values : dict           names of the tensors inside, in order
    entered : dict          tensor outside -> tensor inside
    """

    def __init__(self, parent=None, message=None, bring_in=None):
        self.parent, self.message, self.bring_in = parent, message, bring_in
        self.pivot = ""
        self.values, self.entered, self.nested = {}, {}, []
        if parent is not None:
            parent.nested.append(self)

    def note(self, tensors):
        """Enters names of tensors made here, here and in what is around."""
        context = self
        while context is not None:
            context.values.update(dict.fromkeys(tensors))
            context = context.parent

    def inside(self, tensor, dtype, is_ref=False):
        """The tensor in here that has the value of `tensor` of the parent."""
        found = self.entered.get(tensor)
        if found is None:
            found = self.entered[tensor] = self.bring_in(self, tensor, dtype, is_ref)
        return found

    def finish(self):
        """Fills the message, with those of the contexts inside (which are finished already)."""
        definition = self.message.values_def
        for outside, inside in self.entered.items():
            definition.external_values[full(outside)] = full(inside)
        definition.values.extend(sorted({*self.values, *map(full, self.entered)}))
        for inner in self.nested:
            nested = self.message.nested_contexts.add()
            field = nested.cond_ctxt if inner.is_branch else nested.while_ctxt
            field.CopyFrom(inner.message)

    @property
    def is_branch(self):
        return self.message.DESCRIPTOR.name == "CondContextDef"


def full(tensor):
    """`node` as the name of a tensor, `node:0`."""
    return tensor if ":" in tensor else f"{tensor}:0"


def finished(top):
    """(branches, loops) in `top`, as messages, those inside others within these."""
    order, stack = [], list(top.nested)
    while stack:
        context = stack.pop()
        order.append(context)
        stack += context.nested
    for context in reversed(order):
        context.finish()
    return ([c.message for c in top.nested if c.is_branch], [c.message for c in top.nested if not c.is_branch])
