"""GradientGraph: the function graph in which a branch or a body is differentiated.

The rules of the forward ops run here and take tensors of the forward function graph. Each one so taken becomes, once:

* an input of the forward function: what stands for it here (the same capture, or an iteration's variable);
* the output of an op that cannot run again (random ops, updates), or what the forward op gives anyway: that value;
* anything else: the forward op, built once more here, on tensors that are found in the same way.

So only what the gradient uses is computed again, and what cannot be is kept.
"""
from thalweg.framework import shapes
from thalweg.framework.func_graph import STORAGE, FuncGraph, storage_name


class GradientGraph(FuncGraph):
    """A function graph that can take tensors of `forward`.

    Attributes
    ----------
    forward : FuncGraph
    known : dict            tensor of forward -> callable () that gives its stand-in here, called at most once
    """

    def __init__(self, name, forward):
        super().__init__(name)
        self.forward, self.known = forward, {}
        self._stand_ins = {}

    def capture(self, tensor):
        return self.stand_in(tensor) if tensor.graph is self.forward else super().capture(tensor)

    def stand_in(self, tensor):
        """The tensor of this graph that has the value of `tensor`, one of the forward graph."""
        tensor = self.forward.read_snapshots.get(tensor, tensor)
        if tensor not in self._stand_ins:
            with (self.as_default(), self.name_scope(self.name + "/forward/"), self.control_dependencies(None),
                  self.colocate_with(None, ignore_existing=True)):
                self._compute(tensor)
        return self._stand_ins[tensor]

    def _compute(self, wanted):
        """Fills `_stand_ins` for `wanted` and for what it takes, deepest first; no recursion: bodies can be long."""
        stack = [wanted]
        while stack:
            tensor = stack[-1]
            if tensor in self._stand_ins:
                stack.pop()
            elif tensor in self.known:
                self._set(tensor, self.known[tensor]())
                stack.pop()
            else:
                sources = [self.forward.read_snapshots.get(t, t) for t in tensor.op.inputs]
                missing = [t for t in sources if t not in self._stand_ins]
                if missing:
                    stack.extend(missing)
                else:
                    self._build_again(tensor.op, [self._stand_ins[t] for t in sources])
                    stack.pop()

    def _build_again(self, op, inputs):
        attrs = {k: v for k, v in op.attrs.items() if k != "_class"}
        if op.type in STORAGE:
            attrs["shared_name"] = storage_name(op.outputs[0])
        copy = self._make_op(op.declaration, inputs, attrs, [t.dtype for t in op.outputs], op.name)
        copy.device, copy.frame = op.device, op.frame
        for old, new in zip(op.outputs, copy.outputs):
            self._set(old, new)

    def _set(self, tensor, stand_in):
        stand_in._shape = shapes.merge(stand_in._shape, tensor._shape)
        self._stand_ins[tensor] = stand_in
