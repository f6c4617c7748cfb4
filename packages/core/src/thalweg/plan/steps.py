"""The steps that a plan is made of, as the executor runs them one after the other."""

KERNEL, PYTHON, CHECK, MARK, MOVE, TAKE, WAIT, SEGMENT = range(8)
KINDS = ("kernel", "python", "check", "mark", "move", "take", "wait", "segment")


class Step:
    """One step of a plan.

    Attributes
    ----------
    kind : int                      KERNEL, PYTHON, CHECK (that a variable has a value), MARK (it has one now), MOVE
                                    (bytes from one memory to another), TAKE (an assignment that may keep the value's
                                    array; else it runs like the first two), WAIT (for a device), SEGMENT (steps that
                                    may be replayed begin here)
    node : Node
    inputs, outputs : list of Value
    payload : the Kernel, None for PYTHON, where what to call is made from the node; for CHECK and MARK the variable's
        name; for WAIT the Device; for SEGMENT the Segment
    workspace : Allocation or None
    """

    __slots__ = ("kind", "node", "inputs", "outputs", "payload", "workspace")

    def __init__(self, kind, node, inputs, outputs, payload=None, workspace=None):
        self.kind, self.node, self.inputs, self.outputs = kind, node, inputs, outputs
        self.payload, self.workspace = payload, workspace
